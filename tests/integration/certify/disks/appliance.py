"""Disks that only a kernel can make: it is libguestfs's, in one session for all of them. Some 40 s where it is emulated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from certify.disks import assembling as disk
from certify.disks.keeping import WORK
from certify.disks.small import outline
from flight.workflows.guestfs import session
from flight.workflows.hypervisor.probe import probe
from flight.workflows.kit.arriving import remove
from rpm.programs import ran

DISKS = {
    "lvm": "a root on a logical volume",
    "encrypted": "a root in LUKS, whose passphrase nobody tells",
    "windows": "an NTFS with Windows' folders",
    "btrfs": "a root on btrfs",
    "xfs": "a root on XFS",
}
SOURCES = ("appliance", "small", "assembling")
SIZE, PASSPHRASE, EMULATOR = disk.GIB, "open sesame", "qemu-system-x86_64"


def make(to: Path) -> None:
    """All of them, each in a partition from the first MiB to the last."""
    for name in DISKS:
        kind = {"lvm": disk.LVM, "windows": disk.MICROSOFT_DATA}.get(name, disk.LINUX)
        disk.table(disk.sparse(to / f"{name}.raw", SIZE), [disk.whole(SIZE, kind=kind)])
        ran(["tar", "-C", outline(to / name, device=_devices(name)), "-cf", to / f"{name}.tar", "."])
        remove(to / name)
    _in_the_appliance(to, render(to))
    for name in DISKS:
        (to / f"{name}.tar").unlink()
        disk.vhd(to / f"{name}.raw")


def render(to: Path) -> str:
    """Commands of guestfish's for a session whose drives are the disks, in their order; passphrases follow as lines."""
    written: dict[str, Callable[[str, Path], list[str]]] = {"lvm": _lvm, "encrypted": _luks, "windows": _ntfs}
    lines = ["run"]
    for letter, name in zip("abcdefgh", DISKS, strict=False):
        lines += written.get(name, _plain)(f"/dev/sd{letter}1", to / f"{name}.tar")
    return "\n".join(lines) + "\n"


def _devices(name: str) -> str:
    """What fstab mounts as the root."""
    return {"lvm": "/dev/mapper/vg0-root", "encrypted": "/dev/mapper/root"}.get(name, f"UUID={disk.identifier(name)}")


def _plain(device: str, tar: Path) -> list[str]:
    lines = [f"mkfs {tar.stem} {device}"]
    return [*lines, *_filled(device, tar), f"set-uuid {device} {disk.identifier(tar.stem)}"]


def _lvm(device: str, tar: Path) -> list[str]:
    lines = [f"pvcreate {device}", f"vgcreate vg0 {device}", "lvcreate root vg0 800", "mkfs ext4 /dev/vg0/root"]
    return [*lines, *_filled("/dev/vg0/root", tar), "vg-activate-all false"]


def _luks(device: str, tar: Path) -> list[str]:
    lines = [f"luks-format {device} 0", PASSPHRASE, f"luks-open {device} root", PASSPHRASE]
    lines += ["mkfs ext4 /dev/mapper/root"]
    return [*lines, *_filled("/dev/mapper/root", tar), "luks-close /dev/mapper/root"]


def _ntfs(device: str, _: Path) -> list[str]:
    folders = ("/Windows/System32/config", "/Windows/System32/drivers", "/Users", '"/Program Files"')
    lines = [f"mkfs ntfs {device}", f"mount {device} /", *(f"mkdir-p {folder}" for folder in folders)]
    return [*lines, "touch /Windows/System32/config/SOFTWARE", "touch /Windows/explorer.exe", "umount /"]


def _filled(device: str, tar: Path) -> list[str]:
    return [f"mount {device} /", f"tar-in {tar} /", "umount /"]


def _in_the_appliance(to: Path, commands: str) -> None:
    drives = [word for name in DISKS for word in ("--add", str(to / f"{name}.raw"))]
    accelerated = probe(EMULATOR, WORK).has_kvm
    with session(to, EMULATOR, work=WORK, accelerated=accelerated) as env:
        ran(["guestfish", "--format=raw", *drives, "--keys-from-stdin"], env=env, stdin=commands)
