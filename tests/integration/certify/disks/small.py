"""Disks of a few files: a system's outline in a partition or two, or nothing at all. A second each."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from certify.disks import assembling as disk
from flight.workflows.kit.arriving import remove

DISKS = {
    "with_swap": "a root and a swap partition, which fstab names",
    "two_roots": "two roots on one disk, with an old partition table: which one starts?",
    "empty": "a VHD of zeros",
    "no_table": "a root filesystem from the first byte on, without a partition table",
}
SOURCES = ("small", "assembling")
SIZE = disk.GIB
FILES = {
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "etc/debian_version": "12.11\n",
    "etc/hostname": "localhost\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/shadow": "root:*:20000:0:99999:7:::\n",
    "etc/machine-id": "",
    "var/lib/dpkg/status": "Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.4\n",
}
FOLDERS = ("boot", "dev", "home", "proc", "root", "run", "sys", "tmp", "usr/bin", "usr/lib", "usr/sbin", "var/log")


def make(to: Path) -> None:
    """All of them."""
    _with_swap(to)
    _two_roots(to)
    disk.vhd(disk.sparse(to / "empty.raw", SIZE))
    _no_table(to)


def outline(root: Path, *, device: str, more: str = "") -> Path:
    """A new folder with just enough of a Debian to be known for one; fstab mounts `device`, then says `more`."""
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
    for path, text in {**FILES, "etc/fstab": f"{device} / ext4 defaults 0 1\n{more}"}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    for name in ("bin", "sbin", "lib"):
        (root / name).symlink_to(f"usr/{name}")
    shutil.copy(os.path.realpath("/bin/sh"), root / "usr/bin/sh")
    return root


def _with_swap(to: Path) -> None:
    raw = disk.sparse(to / "with_swap.raw", SIZE)
    root = disk.Part(1, 2048, 1 << 20)
    swap = disk.Part(2, root.start + root.sectors, 1 << 19, disk.SWAP)
    disk.table(raw, (root, swap))
    tree = outline(
        to / "root",
        device=f"UUID={disk.identifier(raw.stem)}",
        more=f"UUID={disk.identifier('swap')} none swap sw 0 0\n",
    )
    disk.ext4(raw, root, tree)
    disk.swap(raw, swap, named="swap")
    disk.vhd(raw)
    remove(tree)


def _two_roots(to: Path) -> None:
    raw = disk.sparse(to / "two_roots.raw", SIZE)
    parts = disk.Part(1, 2048, 1 << 19), disk.Part(2, 1 << 20, 1 << 19)
    disk.table(raw, parts, label="dos")
    for part in parts:
        named = f"root {part.number}"
        tree = outline(to / "root", device=f"UUID={disk.identifier(named)}")
        disk.ext4(raw, part, tree, named=named)
        remove(tree)
    disk.vhd(raw)


def _no_table(to: Path) -> None:
    raw = disk.sparse(to / "no_table.raw", SIZE)
    tree = outline(to / "root", device=f"UUID={disk.identifier(raw.stem)}")
    disk.ext4(raw, disk.Part(0, 0, SIZE // disk.SECTOR), tree)
    disk.vhd(raw)
    remove(tree)
