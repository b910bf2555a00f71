"""The order of boot loader entries. tests/integration compares the order of versions with rpm's."""

from __future__ import annotations

import itertools

import pytest

from flight.workflows.certify.effective.bootloader.bls import BlsEntry, compare, newest_first, read_entry

ORDER = ("1~rc1", "1", "1.a", "1.0", "1.1", "1.1.el9", "1.1.el9_4", "1.2", "1.9", "1.10", "2.a", "10")


@pytest.mark.parametrize(("older", "newer"), list(itertools.combinations(ORDER, 2)))
def test_versions_are_compared_part_by_part(older: str, newer: str) -> None:
    assert (compare(older, newer), compare(newer, older)) == (-1, 1)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1_0"), ("1.01", "1.1"), ("1", "1"), ("", ""), ("1.", "1")])
def test_what_separates_parts_does_not_matter(one: str, other: str) -> None:
    assert compare(one, other) == 0


def test_entries_are_sorted_by_name_version_and_release() -> None:
    names = ["m-5.14.0-70", "m-5.14.0-427", "m-0-rescue", "m-5.9.0-999", "other", "z-1-1"]
    entries = [BlsEntry(name, "", ()) for name in names]
    assert [it.name for it in newest_first(entries)] == [
        "z-1-1",
        "other",
        "m-5.14.0-427",
        "m-5.14.0-70",
        "m-5.9.0-999",
        "m-0-rescue",
    ]


def test_an_entrys_lines_are_keys_and_values() -> None:
    text = "# a comment\ntitle  A  B \n\tlinux\t/vmlinuz\noptions a b\ninitrd /one\ninitrd /two\nempty\noptions never\n"
    it = read_entry("a-1.conf", "/a-1.conf", text)
    assert (it.name, it.first("title"), it.first("linux"), it.all("initrd")) == (
        "a-1",
        "A  B",
        "/vmlinuz",
        ["/one", "/two"],
    )
    assert (it.all("options"), it.line, it.first("nothing")) == (["a b"], 4, "")
