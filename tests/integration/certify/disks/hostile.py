"""Disks that mean to harm whoever reads them: to lead out of them, to hold on for ever, to fill the memory, to lie."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from certify.disks import assembling as disk
from certify.disks.small import outline
from flight.workflows.kit.arriving import remove

DISKS = {
    "hostile": "links out of the disk and in circles, names that speak to terminals, huge files, far too many files",
    "many_inodes": "an ext4 in order, with room for ten million files",
    "lying": "an ext4 whose superblock claims ten million inodes more than there is room for",
    "cut": "a VHD that ends in the middle of its root",
    "cut_inside": "a whole VHD around a disk that was cut before: its partition goes on behind its end",
}
SOURCES = ("hostile", "small", "assembling")
SIZE, MANY = 2 * disk.GIB, 10_000_000
SUPERBLOCK = 1024
TINY_FILES, DEPTH, PASSWD_BYTES, HUGE_BYTES = 100_000, 200, 50 * disk.MIB, 1 << 40
A_FOLDER = 500
"""How many files lie in one folder: mke2fs takes the square of their number to write it."""
LINKS = {
    "etc/os-release": "os-release.d",
    "etc/os-release.d": "os-release",
    "etc/shadow": "/etc/shadow",
    "etc/waagent.conf": "../../../../../../../../etc/passwd",
    "etc/hostname": "/proc/self/environ",
    "etc/resolv.conf": "/dev/zero",
    "etc/ssh/sshd_config": "/dev/stdin",
    "etc/cloud/cloud.cfg": "/proc/1/root/etc/passwd",
    "boot/grub/grub.cfg": "../grub/../grub/grub.cfg",
    "var/log/round": "../log/round/round",
    "home/root": "/",
    "srv/self": ".",
}
"""Links that lead to the reader's own files, or back to where they are."""
NAMES = (
    b"two\nlines",
    b"ends with a return\r",
    b"\x1b]0;your terminal's title\x07",
    b"\x1b[2J\x1b[31mred",
    b"not UTF-8 \xff\xfe\x80",
    b"right to left \xe2\x80\xae fdp.exe",
    b"-rf",
    b"$(reboot)",
    b"'; reboot; '",
    b"%s%n{0}",
    b"x" * 255,
)
"""Names of files: what a terminal, a shell, a log or a decoder may trip over."""


def make(to: Path) -> None:
    """All of them."""
    _hostile(to)
    _many_inodes(to)
    _lying(to)
    _cut(to)
    _cut_inside(to)


def _hostile(to: Path) -> None:
    raw, part = _disk(to, "hostile")
    tree = outline(to / "root", device="UUID=$(reboot)\\040\x1b[2J")
    _lay_traps(tree)
    disk.ext4(raw, part, tree, more=("-N", "200000"))
    disk.vhd(raw)
    remove(tree)


def _lay_traps(tree: Path) -> None:
    """Turn a system's outline into a hostile one."""
    for path, to in LINKS.items():
        (tree / path).unlink(missing_ok=True)
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).symlink_to(to)
    for folder in ("etc", "root", "var/log", "boot"):
        for name in NAMES:
            Path(os.fsdecode(os.fsencode(tree / folder) + b"/" + name)).write_bytes(b"\x1b]0;read me\x07")
    _fill_up(tree)
    os.mkfifo(tree / "etc/fstab.fifo")
    os.mkfifo(tree / "root/.bash_history")
    os.mknod(tree / "etc/sudoers", 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero's numbers
    os.mknod(tree / "boot/vmlinuz-9.9.9", 0o600 | 0o060000, os.makedev(8, 0))


def _fill_up(tree: Path) -> None:
    """Much of everything: files, depth, one line without an end, one file without a bottom."""
    for number in range(0, TINY_FILES, A_FOLDER):
        folder = tree / f"var/lib/many/{number}"
        folder.mkdir(parents=True)
        for name in range(A_FOLDER):
            os.close(os.open(folder / f"{name:06}", os.O_CREAT | os.O_WRONLY))
    deep = tree / "srv/deep" / "/".join(["d"] * DEPTH)
    deep.mkdir(parents=True)
    (deep / "bottom").write_text("here\n")
    with open(tree / "etc/passwd", "ab") as passwd:
        line = b"user:x:1000:1000::/home/../../../etc:/bin/sh\n"
        passwd.write(line * (PASSWD_BYTES // len(line)))
        passwd.write(b"x" * disk.MIB)
    disk.sparse(tree / "boot/initrd.img-9.9.9", HUGE_BYTES)
    disk.sparse(tree / "var/lib/dpkg/status", HUGE_BYTES)


def _many_inodes(to: Path) -> None:
    raw, part = _disk(to, "many_inodes", size_bytes=4 * disk.GIB)
    tree = outline(to / "root", device=f"UUID={disk.identifier('many_inodes')}")
    disk.ext4(raw, part, tree, more=("-N", str(MANY)))
    disk.vhd(raw)
    remove(tree)


def _lying(to: Path) -> None:
    raw, part = _disk(to, "lying")
    _plain_root(raw, part)
    with open(raw, "rb") as file:
        file.seek(part.offset + SUPERBLOCK)
        inodes = int.from_bytes(file.read(4), "little")
    disk.put(raw, part.offset + SUPERBLOCK, struct.pack("<I", inodes + MANY))
    disk.vhd(raw)


def _cut(to: Path) -> None:
    raw, part = _disk(to, "cut")
    _plain_root(raw, part)
    os.truncate(disk.vhd(raw), SIZE // 2)


def _cut_inside(to: Path) -> None:
    """With an old table: nobody believes a GPT that goes on behind the end, and there were no partition to look into."""
    raw, part = _disk(to, "cut_inside", label="dos")
    _plain_root(raw, part)
    os.truncate(raw, SIZE // 2)
    disk.vhd(raw)


def _disk(to: Path, name: str, *, size_bytes: int = SIZE, label: str = "gpt") -> tuple[Path, disk.Part]:
    """A new disk with one partition."""
    raw, part = disk.sparse(to / f"{name}.raw", size_bytes), disk.whole(size_bytes)
    disk.table(raw, [part], label=label)
    return raw, part


def _plain_root(raw: Path, part: disk.Part) -> None:
    """A small system, in a filesystem without checksums: what is then changed in it does not show by them."""
    tree = outline(raw.with_name("root"), device=f"UUID={disk.identifier(raw.stem)}")
    disk.ext4(raw, part, tree, more=("-O", "^metadata_csum"))
    remove(tree)
