"""The file around a disk and the partition table at its ends: read in Python, without a program, from a fixed VHD or raw.

Sources: Virtual Hard Disk Image Format Specification 1.0; UEFI Specification 2.10, chapter 5; the PC's MBR.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flight.workflows import gpt
from flight.workflows.certify.facts import BIOS_BOOT, Container, Partition, PartitionTable
from flight.workflows.kit.errors import FlightError
from flight.workflows.vhd import FOOTER_BYTES
from flight.workflows.vhd.acceptance import Ends, foreign_format, read_ends
from flight.workflows.vhd.layout import DIFFERENCING, DYNAMIC
from flight.workflows.vhd.sparse import opened, read_exactly

BOOT_CODE_BYTES: Final = 440
"""What of the first sector is code: behind it stand the disk's signature and the table."""
ACTIVE: Final = 0x80
EXTENDED: Final = (0x05, 0x0F, 0x85)
MOST_LOGICAL: Final = 64
"""Logical partitions that are followed: a chain of them may loop."""
GAP_SECTORS: Final = 2048
GPT_SECTORS: Final = 34
"""The protective MBR, the header and 128 entries."""
CORE_BYTES: Final = 4096
"""So much of a BIOS boot partition is enough to see that something was put there."""


def read_container(path: Path) -> tuple[Container, PartitionTable]:
    """What the file says of itself, and its partition table; that of a foreign format is not looked for.

    Raises FlightError where the file cannot be read.
    """
    ends = read_ends(path)
    container = Container(path.name, ends.size, form_of(ends), ends.tail[-FOOTER_BYTES:].hex())
    if not holds_raw_disk(container):
        kind = "dynamic or cut VHD" if container.form == "VHD" else f"{container.form} file"
        return container, PartitionTable("none", problem=f"it is a {kind}: only of a fixed VHD the disk can be read")
    with opened(path) as fd:
        return container, read_partitions(functools.partial(read_exactly, fd), container.disk_bytes)


def form_of(ends: Ends) -> str:
    """VHD (of any type), raw, or the foreign format's name."""
    foreign = foreign_format(ends.head)
    if foreign:
        return foreign[0]
    return "VHD" if ends.footer or ends.is_part_of_dynamic else "raw"


def holds_raw_disk(container: Container) -> bool:
    """Whether the disk's first byte is the file's first byte."""
    footer = container.footer
    if container.form == "VHD":
        return footer is not None and footer.disk_type not in (DYNAMIC, DIFFERENCING)
    return container.form == "raw"


def read_partitions(read: gpt.Read, disk_bytes: int) -> PartitionTable:
    """The table of a disk; never raises: what is wrong with it stands in its `problem`."""
    begins = read(0, GAP_SECTORS * gpt.SECTOR)
    mbr = begins[: gpt.SECTOR]
    has_code = any(mbr[:BOOT_CODE_BYTES])
    try:
        table = gpt.read_table(read)
    except FlightError as error:
        return PartitionTable("gpt", problem=error.why or error.what, has_boot_code=has_code)
    gap = _used_sectors(begins, 1 if table is None else GPT_SECTORS)
    if table is None:
        found = tuple(_mbr_partitions(read, mbr))
        return PartitionTable(
            "mbr" if found else "none", found, "" if found else "it has no partition table",
            has_boot_code=has_code, has_core=gap > 0, gap_sectors=gap,
        )  # fmt: skip
    partitions = tuple(
        Partition(it.number, str(it.type_guid), it.start_lba, it.end_lba - it.start_lba + 1, str(it.guid), it.name)
        for it in table.partitions
    )
    return PartitionTable(
        "gpt", partitions, "" if partitions else "its partition table is empty",
        gpt.backup_problem(read, table, disk_bytes), has_code, _has_core(read, partitions), gap,
    )  # fmt: skip


def _used_sectors(begins: bytes, first: int) -> int:
    return sum(any(begins[at : at + gpt.SECTOR]) for at in range(first * gpt.SECTOR, len(begins), gpt.SECTOR))


def _has_core(read: gpt.Read, partitions: tuple[Partition, ...]) -> bool:
    return any(any(read(each.start * gpt.SECTOR, CORE_BYTES)) for each in partitions if each.type == BIOS_BOOT)


def _mbr_partitions(read: gpt.Read, mbr: bytes) -> Iterator[Partition]:
    for number, (kind, start, sectors, active) in enumerate(_mbr_rows(mbr), 1):
        if not kind or not sectors:
            continue
        yield Partition(number, f"0x{kind:02x}", start, sectors, is_active=active)
        if kind in EXTENDED:
            yield from _logical_partitions(read, start)


def _logical_partitions(read: gpt.Read, extended: int) -> Iterator[Partition]:
    """A chain of sectors, each with a logical partition and the place of the next; as Linux has it, either row may be
    empty, and they may stand the other way round."""
    at, seen, number = extended, set[int](), 5
    while at not in seen and len(seen) < MOST_LOGICAL:
        seen.add(at)
        rows = [row for row in _mbr_rows(read(at * gpt.SECTOR, gpt.SECTOR))[:2] if row[0] and row[2]]
        for kind, start, sectors, active in rows:
            if kind not in EXTENDED:
                yield Partition(number, f"0x{kind:02x}", at + start, sectors, is_active=active)
                number += 1
        at = next((extended + start for kind, start, _, _ in rows if kind in EXTENDED), extended)


def _mbr_rows(sector: bytes) -> list[tuple[int, int, int, bool]]:
    """Type, start, length and whether it is active, of the four rows; none where the sector is no MBR."""
    if len(sector) != gpt.SECTOR or sector[510:] != b"\x55\xaa":
        return []
    rows = [sector[at : at + 16] for at in range(gpt.MBR_ENTRIES, gpt.MBR_ENTRIES + 64, 16)]
    if any(row[0] not in (0, ACTIVE) for row in rows):  # a filesystem's boot sector carries the same mark
        return []
    return [
        (row[4], int.from_bytes(row[8:12], "little"), int.from_bytes(row[12:16], "little"), row[0] == ACTIVE)
        for row in rows
    ]
