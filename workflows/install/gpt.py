"""A GUID partition table as bytes: protective MBR, primary and backup headers, entries.

Source: UEFI Specification 2.10, 5.2.3 (protective MBR) and 5.3 (GPT). Numbers are little-endian, addresses in sectors.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

SECTOR = 512
ENTRIES, ENTRY_BYTES = 128, 128
TABLE_SECTORS = ENTRIES * ENTRY_BYTES // SECTOR
BIOS_BOOT = UUID("21686148-6449-6E6F-744E-656564454649")
ESP = UUID("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
LINUX = UUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4")
LINUX_ROOT_X86_64 = UUID("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709")


@dataclass(frozen=True)
class Entry:
    """One partition; both sectors belong to it."""

    kind: UUID
    uid: UUID
    first: int
    last: int
    name: str = ""

    @property
    def raw(self) -> bytes:
        name = self.name.encode("utf-16-le")[:72]
        return struct.pack("<16s16sQQQ72s", self.kind.bytes_le, self.uid.bytes_le, self.first, self.last, 0, name)


def render_table(entries: Sequence[Entry], *, disk: UUID, sectors: int) -> tuple[bytes, bytes]:
    """The first 34 sectors of a disk of `sectors`, and its last 33."""
    table = b"".join(entry.raw for entry in entries).ljust(ENTRIES * ENTRY_BYTES, b"\0")
    last = sectors - 1
    primary = _header(table, disk=disk, here=1, other=last, table_at=2, sectors=sectors)
    backup = _header(table, disk=disk, here=last, other=1, table_at=last - TABLE_SECTORS, sectors=sectors)
    return protective_mbr(sectors) + primary + table, table + backup


def protective_mbr(sectors: int) -> bytes:
    """Sector 0: one partition of type EE over the whole disk, no boot code."""
    size = min(sectors - 1, 0xFFFFFFFF)
    entry = struct.pack("<B3sB3sII", 0, b"\x00\x02\x00", 0xEE, b"\xff\xff\xff", 1, size)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def _header(table: bytes, *, disk: UUID, here: int, other: int, table_at: int, sectors: int) -> bytes:
    def packed(checksum: int) -> bytes:
        return struct.pack(
            "<8sIIIIQQQQ16sQIII",
            b"EFI PART",
            0x00010000,
            92,
            checksum,
            0,
            here,
            other,
            2 + TABLE_SECTORS,
            sectors - 2 - TABLE_SECTORS,
            disk.bytes_le,
            table_at,
            ENTRIES,
            ENTRY_BYTES,
            zlib.crc32(table),
        )

    return packed(zlib.crc32(packed(0))).ljust(SECTOR, b"\0")
