"""fstab from text alone, and what its specs name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.certify.effective.fstab import Line, filesystem_of, fstab_of, identifier, is_of_the_disk, parse
from flight.workflows.certify.facts import Filesystem
from flight.workflows.certify.tree import Entry, NotTaken, Tree

ROOT = Filesystem("/dev/sda3", 3, 1 << 30, "ext4", "4a11b42f-1c23", "Root", "34b9c8c5-3781", "my root")
EFI = Filesystem("/dev/sda2", 2, 1 << 20, "vfat", "5FDF-1BBB", "EFI", "526c5112-63b4", "EFI part")
HOME = Filesystem("/dev/vg-a/home", 0, 1 << 30, "xfs", "77aa", "home")
ALL = (EFI, ROOT, HOME)


def only(text: str) -> Line:
    (line,) = parse(text.split("\n")).lines
    return line


def test_comments_and_empty_lines_are_passed_over_and_lines_are_counted() -> None:
    found = parse(["# UUID=1 / ext4", "", "  # x", "\tUUID=1\t/ ext4 defaults,noatime 0 1"])
    assert found.lines == (Line(4, "UUID=1", "/", "ext4", ("defaults", "noatime")),)
    assert found.lines[0].source == "/etc/fstab:4"


def test_octal_escapes_are_undone() -> None:
    line = only(r"LABEL=my\040disk /srv/a\011b\134c ext4")
    assert (line.spec, line.at, line.options) == ("LABEL=my disk", "/srv/a\tb\\c", ("defaults",))


def test_only_blanks_and_tabs_part_fields() -> None:
    assert only("LABEL=a\u00a0b\u2003c /x ext4").spec == "LABEL=a\u00a0b\u2003c"


@pytest.mark.parametrize("line", ["/dev/sda1", "/dev/sda1 /x", "UUID=1 /x ext4\0"], ids=["one", "two", "a NUL"])
def test_a_line_of_too_few_fields_is_faulty(line: str) -> None:
    assert parse(["UUID=1 / ext4", line]).faulty == (2,)


def test_places_end_without_a_slash() -> None:
    assert [line.at for line in parse(["a / x", "a // x", "a /boot/ x", "a none swap"]).lines] == [
        "/",
        "/",
        "/boot",
        "none",
    ]


@pytest.mark.parametrize(
    ("text", "is_required"),
    [
        pytest.param("UUID=1 /x ext4 defaults", True, id="plain"),
        pytest.param("UUID=1 /x ext4", True, id="no options"),
        pytest.param("UUID=1 /x ext4 defaults,nofail", False, id="nofail"),
        pytest.param("UUID=1 /x ext4 noauto,user", False, id="noauto"),
        pytest.param("UUID=1 /x ext4 x-systemd.automount", False, id="automount"),
        pytest.param("UUID=1 /x ext4 x-nofail", True, id="another option"),
        pytest.param("UUID=1 none swap sw", False, id="swap"),
        pytest.param("UUID=1 /x ignore", False, id="ignore"),
    ],
)
def test_what_a_machine_waits_for(text: str, is_required: bool) -> None:
    assert only(text).is_required is is_required


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("UUID=4a11b42f-1c23", ROOT),
        ("UUID=4A11B42F-1C23", ROOT),
        ('UUID="5FDF-1BBB"', EFI),
        ("UUID=", None),
        ("UUID=4a11b42f", None),
        ("LABEL=Root", ROOT),
        ("LABEL=root", None),
        ("LABEL=my root", None),
        ("PARTLABEL=my root", ROOT),
        ("PARTLABEL=EFI PART", None),
        ("PARTUUID=34b9c8c5-3781", ROOT),
        ("/dev/disk/by-uuid/4a11b42f-1c23", ROOT),
        (r"/dev/disk/by-partlabel/EFI\x20part", EFI),
        ("/dev/disk/by-label/home", HOME),
        ("/dev/sda3", ROOT),
        ("/dev/vda3", ROOT),
        ("/dev/nvme0n1p2", EFI),
        ("/dev/sdb3", None),
        ("/dev/sda33", None),
        ("/dev/vg-a/home", HOME),
        ("/dev/mapper/vg--a-home", HOME),
        ("/dev/mapper/vg-a-home", None),
        ("tmpfs", None),
        ("server:/export", None),
        ("", None),
    ],
)
def test_a_spec_names_a_filesystem(spec: str, found: Filesystem | None) -> None:
    assert filesystem_of(spec, ALL) == found


def test_what_must_be_on_the_disk() -> None:
    yes = ["UUID=1", "LABEL=a=b", "/dev/disk/by-label/x", "/dev/mapper/x", "/dev/vg/lv"]
    no = [
        "tmpfs",
        "proc",
        "/swapfile",
        "//host/share",
        "h:/x",
        "/dev/sr0",
        "/dev/zram0",
        "/dev/disk/cloud/azure_resource-part1",
        "ID=x",
    ]
    assert [spec for spec in (*yes, *no) if is_of_the_disk(spec)] == yes
    assert identifier("LABEL=a=b") == ("LABEL", "a=b")


def test_a_disk_without_fstab_has_no_lines() -> None:
    assert fstab_of(Tree({"/": Entry("d")}, {})).lines == ()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        pytest.param(Entry("d"), "no file", id="a folder"),
        pytest.param(Entry("p"), "no file", id="a fifo"),
        pytest.param(Entry("l", target="fstab"), "a link", id="a loop"),
        pytest.param(Entry("l", target="/gone"), "a link", id="a link to nothing"),
    ],
)
def test_an_fstab_that_is_no_file_is_a_problem(entry: Entry, words: str) -> None:
    assert words in fstab_of(Tree({"/etc": Entry("d"), "/etc/fstab": entry}, {})).problem


def test_too_many_lines_are_a_problem() -> None:
    content = b"UUID=1 / ext4\n" * 5000
    tree = Tree({"/etc": Entry("d"), "/etc/fstab": Entry("f", size=len(content))}, {"/etc/fstab": content})
    assert "5001 lines" in fstab_of(tree).problem


def test_an_fstab_that_was_not_taken_is_not_taken_for_empty() -> None:
    with pytest.raises(NotTaken):
        fstab_of(Tree({"/etc": Entry("d"), "/etc/fstab": Entry("f", size=1 << 30)}, {}))


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    for line in parse(text.split("\n")).lines:
        filesystem_of(line.spec, ALL)
