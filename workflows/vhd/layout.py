"""The 512 bytes that make a raw disk a fixed VHD. Pure: values to bytes and back, no clock, no file.

Source of it all: Virtual Hard Disk Image Format Specification 1.0 (Microsoft, 2006), "Hard Disk Footer Format".
"""

from __future__ import annotations

import datetime as dt
import struct
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from flight.workflows.kit.errors import FlightError

FOOTER_BYTES: Final = 512
SECTOR: Final = 512
MIB: Final = 1 << 20
LARGEST_BYTES: Final = 1023 << 30
"""Azure's largest OS disk made from a VHD. Source: Azure documentation, "Prepare a Windows VHD to upload to Azure"."""
COOKIE: Final = b"conectix"
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
EPOCH: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
CREATOR: Final = b"qem2"
"""What `qemu-img -o force_size` writes: readers take the size from the footer, and not from the geometry.

QEMU (block/vpc.c) goes by the geometry, and reads a few sectors too little, for every creator but qem2, "win ", "d2v ",
"tap\\0", "CTXS" and "wa\\0\\0".
"""
CREATOR_VERSION: Final = 0x0005_0003
CREATOR_OS: Final = b"Wi2k"
RESERVED_FEATURE: Final = 2
FORMAT_1_0: Final = 0x0001_0000
NO_NEXT: Final = 0xFFFF_FFFF_FFFF_FFFF
MOST_SECTORS: Final = 65535 * 16 * 255
"""As far as cylinders, heads and sectors can count; a larger disk says this much."""
_FOOTER: Final = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427s")
_CHECKSUM: Final = slice(64, 68)


@dataclass(frozen=True)
class Geometry:
    """Cylinders, heads, and sectors per track."""

    cylinders: int
    heads: int
    sectors: int

    def __str__(self) -> str:
        return f"{self.cylinders} × {self.heads} × {self.sectors}"


@dataclass(frozen=True)
class Footer:
    """A footer as it was read, right or wrong; sizes in bytes, `made` in whole seconds."""

    format: int
    next_offset: int
    made: dt.datetime
    creator: bytes
    original_bytes: int
    current_bytes: int
    geometry: Geometry
    disk_type: int
    checksum: int
    right_checksum: int
    uid: UUID

    @property
    def type_name(self) -> str:
        known = {FIXED: "fixed", DYNAMIC: "dynamic", DIFFERENCING: "differencing"}
        return known.get(self.disk_type, f"type {self.disk_type}")

    @property
    def creator_name(self) -> str:
        return self.creator.decode("ascii", "replace").rstrip("\0 ")


def round_up_mib(size_bytes: int) -> int:
    """The next whole number of MiB: Azure takes no other virtual size."""
    return -(-size_bytes // MIB) * MIB


def geometry(size_bytes: int) -> Geometry:
    """Source: the specification's appendix, "CHS Calculation"."""
    total = min(size_bytes // SECTOR, MOST_SECTORS)
    if total >= 65535 * 16 * 63:
        heads, sectors = 16, 255
    else:
        heads, sectors = max(4, -(-(total // 17) // 1024)), 17
        if total // 17 >= heads * 1024 or heads > 16:
            heads, sectors = 16, 31
        if total // sectors >= heads * 1024:
            heads, sectors = 16, 63
    return Geometry(total // sectors // heads, heads, sectors)


def footer(size_bytes: int, *, made: dt.datetime, uid: UUID) -> bytes:
    """The 512 bytes that end a fixed VHD, big-endian; the checksum is the ones' complement of the byte sum.

    `made` knows its time zone; the field holds seconds from 2000 to 2136. Raises ValueError outside of that, and for a
    size that is no whole number of sectors.
    """
    seconds = int((made - EPOCH).total_seconds())
    if not 0 <= seconds < 1 << 32 or size_bytes % SECTOR or size_bytes <= 0:
        raise ValueError(f"a VHD footer cannot hold {made} or {size_bytes} bytes")
    shape = geometry(size_bytes)
    unsigned = _FOOTER.pack(
        COOKIE, RESERVED_FEATURE, FORMAT_1_0, NO_NEXT, seconds, CREATOR, CREATOR_VERSION, CREATOR_OS,
        size_bytes, size_bytes, shape.cylinders, shape.heads, shape.sectors, FIXED, 0, uid.bytes, 0, b"",
    )  # fmt: skip
    return unsigned[:64] + checksum(unsigned).to_bytes(4, "big") + unsigned[68:]


def checksum(raw: bytes) -> int:
    """The ones' complement of the sum of a footer's bytes, the checksum's own four left out."""
    return ~(sum(raw) - sum(raw[_CHECKSUM])) & 0xFFFF_FFFF


def read_footer(raw: bytes) -> Footer:
    """What 512 bytes say, right or wrong. Raises FlightError where they are no footer at all."""
    if len(raw) != FOOTER_BYTES or not raw.startswith(COOKIE):
        raise FlightError("there is no VHD footer", why=f"the last {FOOTER_BYTES} bytes do not begin with 'conectix'")
    _, _, form, after, seconds, creator, _, _, *rest = _FOOTER.unpack(raw)
    original, current, cylinders, heads, sectors, kind, said, uid, _, _ = rest
    return Footer(
        format=form, next_offset=after, made=EPOCH + dt.timedelta(seconds=seconds), creator=creator,
        original_bytes=original, current_bytes=current, geometry=Geometry(cylinders, heads, sectors), disk_type=kind,
        checksum=said, right_checksum=checksum(raw), uid=UUID(bytes=uid),
    )  # fmt: skip
