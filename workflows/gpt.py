"""GUID partition tables: read, checked, and their backup moved to the end of a disk that changed its size.

All of it is pure, from bytes to values and patches. Sectors are 512 bytes, as on Azure's disks.

Source: UEFI Specification 2.10, chapter 5, "GUID Partition Table (GPT) Disk Layout".
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from flight.workflows.kit.errors import FlightError

SECTOR = 512
SIGNATURE = b"EFI PART"
HEADER = struct.Struct("<8s4sII4xQQQQ16sQIII")
ENTRY = struct.Struct("<16s16sQQQ72s")
MOST_ENTRIES_BYTES = 1 << 20
"""Entries beyond this are taken for garbage (the usual table is 16 KiB)."""
PROTECTIVE = 0xEE
MBR_ENTRIES = 446
MBR_LARGEST = 0xFFFFFFFF

Read = Callable[[int, int], bytes]
"""`read(offset, length)`, both in bytes; short at the end of the disk."""


@dataclass(frozen=True)
class Header:
    """One of the two headers. Places are sectors (LBA); `last_usable` is the last sector a partition may hold."""

    revision: bytes
    my_lba: int
    alternate_lba: int
    first_usable: int
    last_usable: int
    disk_guid: uuid.UUID
    entries_lba: int
    entry_count: int
    entry_size: int
    entries_crc: int

    @property
    def entries_bytes(self) -> int:
        return self.entry_count * self.entry_size

    @property
    def entries_sectors(self) -> int:
        return -(-self.entries_bytes // SECTOR)


@dataclass(frozen=True)
class Partition:
    """A used entry; `number` counts from 1, `end_lba` is the last sector that belongs to it."""

    number: int
    type_guid: uuid.UUID
    guid: uuid.UUID
    start_lba: int
    end_lba: int
    attributes: int
    name: str

    @property
    def size_bytes(self) -> int:
        return (self.end_lba - self.start_lba + 1) * SECTOR


@dataclass(frozen=True)
class Table:
    """A primary header with its entries, as they stand on the disk."""

    header: Header
    entries: bytes

    @property
    def partitions(self) -> tuple[Partition, ...]:
        size = self.header.entry_size
        rows = (self.entries[at : at + size] for at in range(0, self.header.entries_bytes, size))
        return tuple(_parse_entry(number, row) for number, row in enumerate(rows, 1) if any(row[:16]))


@dataclass(frozen=True)
class Patch:
    """Bytes to write at `offset` of the disk. Of patches that overlap, the later one holds."""

    offset: int
    content: bytes

    @property
    def stop(self) -> int:
        return self.offset + len(self.content)


def patched(content: bytes, offset: int, patches: Iterable[Patch]) -> bytes:
    """What stands at `offset` once the patches are written over `content`."""
    stop, after = offset + len(content), bytearray(content)
    for patch in patches:
        start, end = max(offset, patch.offset), min(stop, patch.stop)
        if start < end:
            after[start - offset : end - offset] = patch.content[start - patch.offset : end - patch.offset]
    return bytes(after)


def parse_header(sector: bytes) -> Header:
    """The header in a sector. Raises ValueError with what is wrong with it: signature, size, checksum, entries."""
    if sector[:8] != SIGNATURE or len(sector) < HEADER.size:
        raise ValueError("there is no GPT header")
    fields = HEADER.unpack_from(sector)
    _, revision, size, crc, mine, other, first, last, guid, at, count, entry_size, entries_crc = fields
    if not HEADER.size <= size <= len(sector):
        raise ValueError(f"its header claims to be {size} bytes long")
    if zlib.crc32(sector[:16] + bytes(4) + sector[20:size]) != crc:
        raise ValueError("its header's checksum is wrong")
    if entry_size < ENTRY.size or not 0 < count * entry_size <= MOST_ENTRIES_BYTES:
        raise ValueError(f"its header claims {count} entries of {entry_size} bytes")
    return Header(revision, mine, other, first, last, uuid.UUID(bytes_le=guid), at, count, entry_size, entries_crc)


def pack_header(header: Header) -> bytes:
    """The header's sector, its checksum filled in."""
    places = (header.my_lba, header.alternate_lba, header.first_usable, header.last_usable, header.disk_guid.bytes_le)
    entries = (header.entries_lba, header.entry_count, header.entry_size, header.entries_crc)
    unsigned = HEADER.pack(SIGNATURE, header.revision, HEADER.size, 0, *places, *entries)
    crc = zlib.crc32(unsigned).to_bytes(4, "little")
    return (unsigned[:16] + crc + unsigned[20:]).ljust(SECTOR, b"\0")


def read_table(read: Read) -> Table | None:
    """The disk's partition table by its primary header, or None where the disk has no GPT.

    Raises FlightError for a GPT that is broken, or made for sectors of 4096 bytes.
    """
    sector = read(SECTOR, SECTOR)
    if sector[:8] != SIGNATURE:
        if read(4096, 8) == SIGNATURE:
            raise _broken("it is made for sectors of 4096 bytes, and Azure's disks have 512")
        if _protective_entry(read(0, SECTOR)) is not None:
            raise _broken("its MBR announces one, and the primary header is not there")
        return None
    try:
        return _table_at(read, sector, lba=1)
    except ValueError as error:
        raise _broken(str(error)) from None


def backup_problem(read: Read, table: Table, disk_bytes: int) -> str:
    """What is wrong with the backup that should stand in the last sector of the disk; empty where it is right."""
    last = disk_bytes // SECTOR - 1
    if table.header.alternate_lba != last:
        return f"the primary header says that it is in sector {table.header.alternate_lba}, and the last is {last}"
    try:
        backup = _table_at(read, read(last * SECTOR, SECTOR), lba=last)
    except ValueError as error:
        return str(error)
    mirrored = replace(table.header, my_lba=last, alternate_lba=1, entries_lba=backup.header.entries_lba)
    return "" if (backup.header, backup.entries) == (mirrored, table.entries) else "it differs from the primary"


def plan_move(read: Read, table: Table, disk_bytes: int) -> tuple[Patch, ...]:
    """What to write so that the backup stands at the end of a disk of `disk_bytes` (whole sectors).

    The old backup is wiped where there was one, and a protective MBR's size follows. Nothing to do: no patches.
    Raises FlightError where a partition lies where the backup must go.
    """
    if not backup_problem(read, table, disk_bytes):
        return ()
    old, last = table.header, disk_bytes // SECTOR - 1
    entries_lba = last - old.entries_sectors
    highest = max((partition.end_lba for partition in table.partitions), default=0)
    if highest >= entries_lba:
        raise FlightError(
            "the disk is too small for its own partitions",
            why=f"a partition ends in sector {highest}, and the backup of the table begins in sector {entries_lba}",
            fix="build the disk again; it was cut after it was partitioned",
        )
    primary = replace(old, alternate_lba=last, last_usable=entries_lba - 1)
    backup = replace(primary, my_lba=last, alternate_lba=1, entries_lba=entries_lba)
    return (
        *_wiping(read, old, highest),
        *_protecting(read(0, SECTOR), last),
        Patch(SECTOR, pack_header(primary)),
        Patch(entries_lba * SECTOR, table.entries.ljust(old.entries_sectors * SECTOR, b"\0")),
        Patch(last * SECTOR, pack_header(backup)),
    )


def _table_at(read: Read, sector: bytes, *, lba: int) -> Table:
    header = parse_header(sector)
    if header.my_lba != lba:
        raise ValueError(f"its header in sector {lba} says that it is in sector {header.my_lba}")
    entries = read(header.entries_lba * SECTOR, header.entries_bytes)
    if zlib.crc32(entries) != header.entries_crc:
        raise ValueError("the checksum of its entries is wrong")
    return Table(header, entries)


def _parse_entry(number: int, row: bytes) -> Partition:
    kind, guid, start, end, attributes, name = ENTRY.unpack_from(row)
    label = name.decode("utf-16-le", "replace").split("\0")[0]
    return Partition(number, uuid.UUID(bytes_le=kind), uuid.UUID(bytes_le=guid), start, end, attributes, label)


def _wiping(read: Read, old: Header, highest: int) -> tuple[Patch, ...]:
    """Zeros over the old backup, so that no tool finds a second, stale one; never over a partition's sectors."""
    try:
        stale = parse_header(read(old.alternate_lba * SECTOR, SECTOR))
    except ValueError:
        return ()
    is_its_backup = stale.disk_guid == old.disk_guid and stale.my_lba == old.alternate_lba
    if not is_its_backup or not highest < stale.entries_lba < stale.my_lba:
        return ()
    return (
        Patch(stale.entries_lba * SECTOR, bytes(stale.entries_sectors * SECTOR)),
        Patch(stale.my_lba * SECTOR, bytes(SECTOR)),
    )


def _protecting(mbr: bytes, last: int) -> tuple[Patch, ...]:
    """The size in the protective MBR's entry; a hybrid one, which does not reach to the disk's end, stays as it is."""
    at = _protective_entry(mbr)
    if at is None:
        return ()
    start = int.from_bytes(mbr[at + 8 : at + 12], "little")
    return (Patch(at + 12, min(last, MBR_LARGEST).to_bytes(4, "little")),) if start == 1 else ()


def _protective_entry(mbr: bytes) -> int | None:
    """The offset of the MBR entry that protects a GPT."""
    if mbr[510:512] != b"\x55\xaa":
        return None
    offsets = range(MBR_ENTRIES, MBR_ENTRIES + 64, 16)
    return next((at for at in offsets if mbr[at + 4] == PROTECTIVE), None)


def _broken(why: str) -> FlightError:
    return FlightError(
        "the disk's GUID partition table is broken",
        why=why,
        fix="`sgdisk --verify FILE` describes it; the recovery menu of `gdisk FILE` can rebuild one header of two",
    )
