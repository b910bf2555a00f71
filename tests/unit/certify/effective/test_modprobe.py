"""What modprobe.d forbids. tests/integration asks modprobe itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import DEBIAN, changed

from flight.workflows.certify.effective.modprobe import MOST_STATEMENTS, Modprobe, config_files, modprobe_of
from flight.workflows.certify.tree import Entry, NotTaken


def modprobe(files: dict[str, str | bytes], links: dict[str, str] | None = None) -> Modprobe:
    return modprobe_of(changed(DEBIAN, files=files, links=links or {}).tree)


LINES = {
    "blacklist": ("blacklist udf", "blacklist udf (/etc/modprobe.d/a.conf:1)"),
    "blacklist with blanks and more": ("  blacklist\tudf # why", "blacklist udf"),
    "blacklist knows no patterns": ("blacklist ud*", ""),
    "another module": ("blacklist isofs", ""),
    "install true": ("install udf /bin/true", "install udf /bin/true"),
    "install false": ("install udf /usr/bin/false", "install udf /usr/bin/false"),
    "install by pattern": ("install u?f /bin/true", "install u?f /bin/true"),
    "install with a message": ("install udf /bin/sh -c 'echo no; exit 1'", "install udf /bin/sh -c"),
    "install that loads it after all": ("install udf /sbin/modprobe --ignore-install udf && echo", ""),
    "the first install holds": ("install udf /bin/true\ninstall udf modprobe -i udf", "install udf /bin/true"),
    "the first install holds, the other way": ("install udf modprobe -i udf\ninstall udf /bin/true", ""),
    "install of the alias": ("install fs-udf /bin/true", "install fs_udf /bin/true"),
    "install and a softdep": ("install udf /bin/true\nsoftdep udf pre: isofs", ""),
    "install and an empty softdep": ("install udf /bin/true\nsoftdep udf pre:", "install udf /bin/true"),
    "install of the alias, which is one of modprobe.d": ("install fs-udf /bin/true\nalias fs-udf udf", ""),
    "the alias switched off": ("alias fs-udf off", "alias fs-udf off"),
    "the alias of another": ("alias fs-udf isofs", "alias fs-udf isofs"),
    "the alias of itself": ("alias fs-udf off\nalias fs-udf udf", ""),
    "a comment": ("# blacklist udf", ""),
    "a comment that goes on": ("# x \\\nblacklist udf", ""),
    "a line that goes on": ("blacklist \\\n udf", "blacklist udf (/etc/modprobe.d/a.conf:2)"),
    "options": ("options udf x=1", ""),
    "half a line": ("blacklist\ninstall", ""),
}


@pytest.mark.parametrize(("text", "words"), LINES.values(), ids=LINES)
def test_a_module_is_forbidden_or_not(text: str, words: str) -> None:
    said = modprobe({"/etc/modprobe.d/a.conf": text}).forbids("udf")
    assert said.startswith(words) if words else said == ""


def test_a_blacklist_does_not_stop_what_another_module_needs() -> None:
    it = modprobe({"/etc/modprobe.d/a.conf": "blacklist cdrom\ninstall fat /bin/true\n"})
    assert (it.stops("cdrom"), it.stops("fat")) == ("", "install fat /bin/true (/etc/modprobe.d/a.conf:2)")


def test_hyphens_and_underscores_are_the_same() -> None:
    it = modprobe({"/etc/modprobe.d/a.conf": "blacklist pci-hyperv\noptions nvme-core io-timeout=3\n"})
    assert it.forbids("pci_hyperv").startswith("blacklist pci_hyperv")
    assert it.option("nvme_core", "io_timeout") == ("3", "/etc/modprobe.d/a.conf:2")


def test_of_options_the_last_one_holds() -> None:
    it = modprobe({"/etc/modprobe.d/a.conf": "options m a=1 b=2\n", "/etc/modprobe.d/b.conf": "options m a=3\n"})
    assert (it.option("m", "a"), it.option("m", "b")) == (
        ("3", "/etc/modprobe.d/b.conf:1"),
        ("2", "/etc/modprobe.d/a.conf:1"),
    )
    assert it.option("m", "c") is None


FOLDERS = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d")


@pytest.mark.parametrize("above", range(1, 4))
def test_a_file_hides_its_namesake_in_the_folders_behind(above: int) -> None:
    files: dict[str, str | bytes] = {
        f"{FOLDERS[above]}/x.conf": "blacklist udf",
        f"{FOLDERS[above - 1]}/x.conf": "# none",
    }
    assert modprobe(files).forbids("udf") == ""
    assert modprobe({f"{FOLDERS[above]}/x.conf": "blacklist udf"}).forbids("udf")


def test_a_link_to_nothing_hides_too() -> None:
    files: dict[str, str | bytes] = {"/usr/lib/modprobe.d/x.conf": "blacklist udf"}
    assert modprobe(files, {"/etc/modprobe.d/x.conf": "/dev/null"}).forbids("udf") == ""


def test_files_are_read_in_the_order_of_their_names() -> None:
    files = dict.fromkeys(("/etc/modprobe.d/b.conf", "/usr/lib/modprobe.d/a.conf", "/etc/modprobe.d/c.alias"), "x y")
    others = dict.fromkeys(
        ("/etc/modprobe.d/README", "/etc/modprobe.d/.hidden.conf", "/etc/modprobe.d/d.conf~"), "blacklist udf"
    )
    tree = changed(DEBIAN, files={**files, **others}).tree
    mine = [path for path in config_files(tree) if path in {*files, *others}]
    assert mine == ["/usr/lib/modprobe.d/a.conf", "/etc/modprobe.d/b.conf", "/etc/modprobe.d/c.alias"]
    assert modprobe_of(tree).forbids("udf") == ""


COMMAND_LINES = {
    "module_blacklist=udf": "module_blacklist=udf on the command line",
    "module_blacklist=a,udf,b": "module_blacklist=udf",
    "modprobe.blacklist=udf": "modprobe.blacklist=udf",
    "modprobe.blacklist=a modprobe.blacklist=udf": "modprobe.blacklist=udf",
    "modprobe.blacklist=udfx": "",
    "x -- modprobe.blacklist=udf": "",
}


@pytest.mark.parametrize(("line", "words"), COMMAND_LINES.items())
def test_the_command_line_forbids_too(line: str, words: str) -> None:
    said = modprobe({}).forbids("udf", line)
    assert said.startswith(words) if words else said == ""


def test_a_real_debian_forbids_floppy_and_nothing_that_azure_needs() -> None:
    it = modprobe_of(DEBIAN.tree)
    assert it.forbids("floppy") == "blacklist floppy (/etc/modprobe.d/blacklist-floppy.conf:1)"
    assert [name for name in ("udf", "vfat", "hv_vmbus", "nvme") if it.forbids(name)] == []


def test_what_was_not_taken_or_is_endless_is_not_known() -> None:
    with pytest.raises(NotTaken):
        modprobe_of(changed(DEBIAN, entries={"/etc/modprobe.d/a.conf": Entry("f", size=5 << 20)}).tree)
    with pytest.raises(NotTaken):
        modprobe({"/etc/modprobe.d/a.conf": "blacklist x\n" * (MOST_STATEMENTS + 1)})
    with pytest.raises(NotTaken):
        modprobe({"/etc/modprobe.d/a.conf": "install *x /bin/true\n" * 3000})


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_junk_forbids_nothing_and_harms_nobody(junk: bytes) -> None:
    assert modprobe({"/etc/modprobe.d/a.conf": b"x " + junk.replace(b"\n", b"")}).forbids("udf") == ""
