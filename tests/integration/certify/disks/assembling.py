"""Disks put together by the usual programs, none of them flight's: sfdisk, mke2fs, mtools, GRUB's own, qemu-img."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rpm.programs import ran

SECTOR, MIB, GIB = 512, 1 << 20, 1 << 30
LINUX, ESP, SWAP, LVM = "L", "U", "S", "V"
"""Partition types as sfdisk names them, in a GPT and in an old table."""
BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
MICROSOFT_DATA = "EBD0A0A2-B9E5-4433-87C0-68B6D58BDD0D"
"""Types that a GPT alone has."""
OLD_FEATURES = "^metadata_csum_seed,^orphan_file"
"""What newer hosts' mke2fs adds, and Debian 12's GRUB cannot read."""


@dataclass(frozen=True)
class Part:
    """A partition: its number, its place in sectors, its type."""

    number: int
    start: int
    sectors: int
    kind: str = LINUX

    @property
    def offset(self) -> int:
        """In bytes."""
        return self.start * SECTOR

    @property
    def size(self) -> int:
        """In bytes."""
        return self.sectors * SECTOR


def whole(size_bytes: int, *, number: int = 1, kind: str = LINUX) -> Part:
    """One partition from the first MiB to the last."""
    return Part(number, 2048, size_bytes // SECTOR - 4096, kind)


def identifier(*words: str) -> str:
    """A UUID that derives from words: the same disk gets the same ones."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, " ".join(words)))


def sparse(path: Path, size_bytes: int) -> Path:
    """A file of nothing."""
    with open(path, "wb") as file:
        file.truncate(size_bytes)
    return path


def table(disk: Path, parts: Sequence[Part], *, label: str = "gpt") -> None:
    """Write a partition table, `gpt` or `dos`."""
    lines = [f"label: {label}"]
    if label == "gpt":
        lines.append(f"label-id: {identifier(disk.name)}")
    for part in parts:
        named = f", uuid={identifier(disk.name, str(part.number))}" if label == "gpt" else ""
        lines.append(f"{part.number} : start={part.start}, size={part.sectors}, type={part.kind}{named}")
    ran(["sfdisk", "--quiet", "--no-tell-kernel", disk], stdin="\n".join(lines) + "\n")


def ext4(disk: Path, part: Part, tree: Path | None = None, *, named: str = "", more: Sequence[str] = ()) -> None:
    """Write an ext4 into the partition, with what the folder `tree` holds; its UUID derives from `named`."""
    extended = f"offset={part.offset},root_owner=0:0,lazy_itable_init=1,nodiscard,hash_seed={identifier('hash')}"
    argv: list[str | Path] = ["mkfs.ext4", "-q", "-F", "-O", OLD_FEATURES, "-U", identifier(named or disk.stem)]
    argv += ["-d", tree] if tree else []
    ran([*argv, *more, "-E", extended, disk, f"{part.size // 1024}k"])


def fat(disk: Path, part: Part, files: Mapping[str, Path], *, serial: str) -> None:
    """Write a FAT32 that holds `files`, by path; `serial` is its volume ID, eight hexadecimal digits."""
    ran(["mkfs.vfat", "-F", "32", "-s", "1", "-i", serial, "--offset", str(part.start), disk, str(part.size // 1024)])
    image = f"{disk}@@{part.offset}"
    folders = sorted({str(parent) for path in files for parent in Path(path).parents} - {"."})
    ran(["mmd", "-i", image, *(f"::{folder}" for folder in folders)])
    for path, source in files.items():
        ran(["mcopy", "-i", image, source, f"::{path}"])


def swap(disk: Path, part: Part, *, named: str) -> None:
    """Write a swap signature into the partition."""
    inside = sparse(disk.with_suffix(".swap"), part.size)
    ran(["mkswap", "--uuid", identifier(named), inside])
    put(disk, part.offset, inside.read_bytes()[:4096])
    inside.unlink()


def bios_boot(disk: Path, part: Part, *, boot: bytes, core: bytes) -> None:
    """GRUB for a BIOS: its first sector, and its core in a partition of its own.

    The first sector holds where the core lies; the core's own first sector holds where the rest of it does.
    """
    first = bytearray(boot[:440])
    first[0x5C:0x64] = struct.pack("<Q", part.start)
    first[0x64:0x68] = b"\xff" + first[0x65:0x66] + b"\x90\x90"
    rest = bytearray(core)
    rest[0x1F4:0x200] = struct.pack("<QHH", part.start + 1, -(-len(core) // SECTOR) - 1, 0x820)
    put(disk, 0, bytes(first))
    put(disk, part.offset, bytes(rest))


def put(disk: Path, offset: int, content: bytes) -> None:
    """Write bytes over what is there."""
    with open(disk, "r+b") as file:
        file.seek(offset)
        file.write(content)


def vhd(raw: Path) -> Path:
    """The fixed VHD that qemu-img makes of a raw disk, which goes."""
    made = raw.with_suffix(".vhd")
    ran(["qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size=on", raw, made])
    raw.unlink()
    return made
