"""What Azure would refuse of a disk file, each with its own words and the command that mends it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shlex import quote

from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.progress import human_bytes
from flight.workflows.vhd.layout import (
    COOKIE,
    DIFFERENCING,
    DYNAMIC,
    FIXED,
    FOOTER_BYTES,
    FORMAT_1_0,
    LARGEST_BYTES,
    MIB,
    Footer,
    read_footer,
    round_up_mib,
)
from flight.workflows.vhd.sparse import opened, read_exactly

FOREIGN = (
    (0, b"QFI\xfb", "qcow2", "qcow2"),
    (0, b"vhdxfile", "VHDX", "vhdx"),
    (0, b"KDMV", "VMDK", "vmdk"),
    (0, b"# Disk Descriptor", "VMDK", "vmdk"),
    (64, b"\x7f\x10\xda\xbe", "VDI", "vdi"),
)
"""Offset, magic, name, and what qemu-img calls it. Source: QEMU's block/*.c probes."""
COMPRESSED = {
    b"\x1f\x8b": ("gzip", "gzip -dc"),
    b"\xfd7zXZ\0": ("xz", "xz -dc"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -dc"),
    b"BZh": ("bzip2", "bzip2 -dc"),
    b"PK\x03\x04": ("zip", "unzip -p"),
}
"""Magic, name, and what uncompresses it. Source: file(1), magic/Magdir/compress and archive."""
HEAD_BYTES = 512
LEAST_DYNAMIC_BYTES = 512 + 1024 + 512
"""A copy of the footer, the dynamic header, and the footer. Source: as layout's, "Dynamic Hard Disk Image"."""
TAIL_BYTES = 64 << 10
"""How far from its end a file is searched for a footer that something was appended to."""


@dataclass(frozen=True)
class Ends:
    """All that is needed of a file to judge it: its name, its size in bytes, its first and its last bytes."""

    name: str
    size: int
    head: bytes
    tail: bytes

    @property
    def footer(self) -> Footer | None:
        return _footer_in(self.tail[-FOOTER_BYTES:])

    @property
    def is_part_of_dynamic(self) -> bool:
        """It begins with the copy of the footer that a dynamic or differencing VHD begins with, and its end is missing."""
        begins = _footer_in(self.head)
        is_dynamic = begins is not None and begins.disk_type in (DYNAMIC, DIFFERENCING)
        return is_dynamic and (self.footer is None or self.size < LEAST_DYNAMIC_BYTES)


def _footer_in(raw: bytes) -> Footer | None:
    return read_footer(raw) if len(raw) == FOOTER_BYTES and raw.startswith(COOKIE) else None


def read_ends(path: Path) -> Ends:
    """Raises FlightError where there is no such file, or it cannot be read."""
    with opened(path) as fd:
        size = os.fstat(fd).st_size
        tail_at = max(0, size - TAIL_BYTES)
        return Ends(path.name, size, read_exactly(fd, 0, HEAD_BYTES), read_exactly(fd, tail_at, size - tail_at))


def require_uploadable(path: Path) -> Footer:
    """The footer of a VHD that Azure takes. Raises FlightError: the first thing wrong with it, and what mends it."""
    ends = read_ends(path)
    for refusal in refusals(ends):
        raise refusal
    found = ends.footer
    assert found is not None  # whoever has none was refused
    return found


def refusals(ends: Ends) -> Iterator[FlightError]:
    """Everything wrong with it, the most basic first; what comes after a wrong format is not looked for."""
    basic = _wrong_format(ends)
    if basic is not None:
        yield basic
    elif ends.footer is not None:
        yield from _wrong_fields(ends.name, ends.size, ends.footer)


def foreign_format(head: bytes) -> tuple[str, str] | None:
    """The format that a file begins as, and qemu-img's word for it; None where it may be raw or VHD."""
    for at, magic, name, driver in FOREIGN:
        if head[at : at + len(magic)] == magic:
            return name, driver
    return None


def compression(head: bytes) -> tuple[str, str] | None:
    """How a file that begins so is compressed, and what uncompresses it; None for a disk, which a boot sector tells."""
    if head[510:512] == b"\x55\xaa":
        return None
    return next((said for magic, said in COMPRESSED.items() if head.startswith(magic)), None)


def _wrong_format(ends: Ends) -> FlightError | None:
    if ends.size == 0:
        return _refused(ends.name, "it is empty", "make or fetch it again")
    if foreign := foreign_format(ends.head):
        name, driver = foreign
        return _refused(ends.name, f"it is a {name} disk, not a fixed VHD", _reformat(driver, ends.name))
    if compressed := compression(ends.head):
        name, program = compressed
        whole = PurePosixPath(ends.name).stem if PurePosixPath(ends.name).suffix else f"{ends.name}.raw"
        fix = f"uncompress it first: {program} {quote(ends.name)} > {quote(whole)}"
        return _refused(ends.name, f"it is compressed ({name})", fix)
    if ends.is_part_of_dynamic:
        why = "it begins as a dynamic VHD and does not end as one: it was cut short, or something follows it"
        return _refused(ends.name, why, "fetch it again, and compare the sizes")
    if ends.footer is None:
        return _without_footer(ends)
    return None


def _without_footer(ends: Ends) -> FlightError:
    """A footer elsewhere in the file tells a disk that something was appended to from a raw one."""
    at = ends.tail.rfind(COOKIE)
    if at >= 0 and len(ends.tail) - at > FOOTER_BYTES:
        extra = len(ends.tail) - at - FOOTER_BYTES
        return _refused(ends.name, f"{extra} bytes follow its footer", f"truncate -s -{extra} {quote(ends.name)}")
    why = "it has no VHD footer: it is a raw disk, or a VHD that was cut short"
    return _refused(ends.name, why, f"if it is a raw disk: {_reformat('raw', ends.name)}; else fetch it again")


def _wrong_fields(name: str, size: int, found: Footer) -> Iterator[FlightError]:
    if found.checksum != found.right_checksum:
        why = f"its footer's checksum is {found.checksum:08x} and should be {found.right_checksum:08x}: it was damaged"
        yield _refused(name, why, "fetch or make it again")
    if found.disk_type != FIXED:
        article = "it is a" if found.type_name in ("dynamic", "differencing") else "its footer says"
        yield _refused(name, f"{article} {found.type_name} VHD, and Azure takes fixed ones only", _of_type(name, found))
        return
    if found.format != FORMAT_1_0:
        why = f"its footer is of format {found.format >> 16}.{found.format & 0xFFFF}, not 1.0"
        yield _refused(name, why, "make it again")
    yield from _wrong_sizes(name, size - FOOTER_BYTES, found)


def _wrong_sizes(name: str, stored: int, found: Footer) -> Iterator[FlightError]:
    current = found.current_bytes
    if current == 0:
        yield _refused(name, "its virtual size is nothing", "make or fetch it again")
    elif stored < current:
        why = f"it was cut short: {stored} bytes of disk are there, and its footer says {current}"
        yield _refused(name, why, "fetch it again")
    elif stored > current:
        why = f"{stored} bytes stand before its footer, which says that the disk has {current}: what is right?"
        yield _refused(name, why, "make it again from the raw disk")
    if current % MIB:
        why = f"its virtual size of {current} bytes is no whole number of MiB"
        yield _refused(name, why, _resize(name, round_up_mib(current)))
    if current > LARGEST_BYTES:
        why = f"its virtual size of {current} bytes is beyond Azure's limit of {human_bytes(LARGEST_BYTES)}"
        yield _refused(name, why, "shrink its filesystems and partitions, then the disk")


def _of_type(name: str, found: Footer) -> str:
    if found.type_name == "differencing":
        return "merge it into its parent with the program that made it, then convert that to a fixed VHD"
    named = name.replace(",", ",,")  # as QEMU wants a comma within an option
    source = f"driver=vpc,file.filename={named},force_size_calc=current_size"
    return f"qemu-img convert -O vpc -o subformat=fixed,force_size=on --image-opts {quote(source)} FIXED.vhd"


def _reformat(driver: str, name: str) -> str:
    return f"qemu-img convert -f {driver} -O vpc -o subformat=fixed,force_size=on {quote(name)} FIXED.vhd"


def _resize(name: str, size: int) -> str:
    """The footer goes, the disk grows, the backup of a GPT moves to the new end, a new footer comes."""
    steps = (
        f"cp --sparse=always {quote(name)} DISK.raw",
        f"truncate -s -{FOOTER_BYTES} DISK.raw",
        f"truncate -s {size} DISK.raw",
        "sfdisk --relocate gpt-bak-std DISK.raw (where it has a GPT)",
        _reformat("raw", "DISK.raw"),
    )
    return "; ".join(steps)


def _refused(name: str, why: str, fix: str) -> FlightError:
    return FlightError(f"{name} is not a VHD that Azure takes", why=why, fix=fix)
