"""The partition table of a new disk, as bytes: protective MBR, primary and backup headers, entries.

Source: UEFI Specification 2.10, 5.2.3 (protective MBR) and 5.3 (GPT).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from flight.workflows.gpt import ENTRY, MBR_LARGEST, PROTECTIVE, SECTOR, Header, pack_header

ENTRIES = 128
TABLE_SECTORS = ENTRIES * ENTRY.size // SECTOR
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
        return ENTRY.pack(self.kind.bytes_le, self.uid.bytes_le, self.first, self.last, 0, name)


def render_table(entries: Sequence[Entry], *, disk: UUID, sectors: int) -> tuple[bytes, bytes]:
    """The first 34 sectors of a disk of `sectors`, and its last 33."""
    table = b"".join(entry.raw for entry in entries).ljust(ENTRIES * ENTRY.size, b"\0")
    last, usable = sectors - 1, (2 + TABLE_SECTORS, sectors - 2 - TABLE_SECTORS)
    shape = (ENTRIES, ENTRY.size, zlib.crc32(table))
    primary = Header(b"\0\0\1\0", 1, last, *usable, disk, 2, *shape)
    backup = replace(primary, my_lba=last, alternate_lba=1, entries_lba=last - TABLE_SECTORS)
    return protective_mbr(sectors) + pack_header(primary) + table, table + pack_header(backup)


def protective_mbr(sectors: int) -> bytes:
    """Sector 0: one partition over the whole disk that keeps old tools away, and no boot code."""
    size = min(sectors - 1, MBR_LARGEST)
    entry = struct.pack("<B3sB3sII", 0, b"\x00\x02\x00", PROTECTIVE, b"\xff\xff\xff", 1, size)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"
