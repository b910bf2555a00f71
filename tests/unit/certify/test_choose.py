"""Which contents are taken out of a disk."""

from __future__ import annotations

import pytest

from flight.workflows.certify import choose
from flight.workflows.certify.tree import Entry, Tree

FOLDER = Entry("d", 0o755)


def tree(**sizes: int) -> Tree:
    entries = {"/": FOLDER, "/bin": FOLDER, "/bin/sh": Entry("l", target="dash"), "/bin/dash": Entry("f", size=9)}
    for path, size in sizes.items():
        entries[path] = Entry("f", size=size)
    for path in list(entries):
        while path := path.rpartition("/")[0]:
            entries.setdefault(path, FOLDER)
    return Tree(entries, {})


@pytest.mark.parametrize(
    "path",
    [
        "/etc/ssh/sshd_config", "/etc/shadow", "/boot/grub2/grubenv", "/boot/loader/entries/a.conf", "/usr/lib/os-release",
        "/boot/efi/EFI/debian/grub.cfg", "/usr/lib/modules/6.1/modules.dep", "/root/.bash_history", "/home/joe/.ssh/config",
        "/usr/lib/python3/dist-packages/azurelinuxagent/common/version.py", "/var/spool/cron/crontabs/root",
    ],
)  # fmt: skip
def test_what_rules_read_is_kept(path: str) -> None:
    assert choose.plan_contents(tree(**{path: 100}))[0] == [path]


@pytest.mark.parametrize(
    "path",
    ["/var/lib/dpkg/status", "/var/lib/dpkg/info/a.list", "/var/lib/rpm/Packages", "/boot/initrd.img-6.1", "/boot/vmlinuz-6.1",
     "/boot/efi/EFI/BOOT/BOOTX64.EFI", "/boot/efi/efi/boot/bootx64.efi"],
)  # fmt: skip
def test_what_is_large_is_parsed_and_not_kept(path: str) -> None:
    kept, parsed, _ = choose.plan_contents(tree(**{path: 100}))
    assert (kept, parsed) == ([], [path])


@pytest.mark.parametrize(
    "path", ["/usr/bin/gcc", "/etc/ssl/certs/ca.crt", "/etc/ssh/moduli", "/usr/lib/systemd/systemd"]
)
def test_what_no_rule_reads_is_left(path: str) -> None:
    assert choose.plan_contents(tree(**{path: 100}))[:2] == ([], [])


def test_what_is_too_large_is_left() -> None:
    kept, parsed, _ = choose.plan_contents(
        tree(**{"/etc/passwd": 50 << 20, "/etc/hosts": 1 << 40, "/boot/initrd.img": 1 << 40})
    )
    assert (kept, parsed) == ([], [])


def test_together_no_more_is_taken_than_can_be_held_and_the_small_come_first() -> None:
    sizes = {f"/etc/f{number}": 200 << 10 for number in range(1_000)}
    kept, _, _ = choose.plan_contents(tree(**sizes, **{"/etc/hostname": 5}))
    assert "/etc/hostname" in kept
    assert sum(5 if path == "/etc/hostname" else 200 << 10 for path in kept) <= choose.MOST_KEPT


def test_of_the_shell_and_of_swap_files_the_head_is_read() -> None:
    heads = choose.plan_contents(tree(**{"/swapfile": 1 << 30, "/var/swap.img": 1 << 30}))[2]
    assert heads == ["/swapfile", "/var/swap.img", "/bin/dash"]


def test_marks_are_looked_for_in_what_no_package_owns() -> None:
    some = tree(**{"/opt/a": 5, "/opt/huge": 1 << 30, "/var/lib/dpkg/lock": 5, "/usr/lib/x.pyc": 5, "/etc/known": 5})
    some.entries["/usr/bin/owned"] = Entry("f", size=5, owner="bash")  # type: ignore[index]
    assert choose.plan_marks(some, {"/etc/known"}.__contains__) == (["/opt/a", "/bin/dash"], 0)


def test_how_many_were_not_searched_is_said() -> None:
    many = tree(**{f"/opt/f{number}": 1 << 20 for number in range(300)})
    chosen, left = choose.plan_marks(many, lambda _path: False)
    assert len(chosen) + left == 301
    assert left == 45
