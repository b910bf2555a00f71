"""The file around a disk, and the partition table at its ends."""

from __future__ import annotations

import struct
from pathlib import Path
from uuid import UUID

import pytest

from flight.workflows.certify.container import holds_raw_disk, read_container, read_partitions
from flight.workflows.certify.facts import BIOS_BOOT, ESP, PartitionTable
from flight.workflows.kit.errors import FlightError
from flight.workflows.vhd import EPOCH, footer

SECTOR, DISK = 512, 8 << 20
FOOTER = footer(DISK, made=EPOCH, uid=UUID(int=1))


def row(kind: int, start: int, sectors: int, status: int = 0) -> bytes:
    return struct.pack("<B3sB3sII", status, b"", kind, b"", start, sectors)


def mbr(*rows: bytes, code: bytes = b"\xeb\x63") -> bytes:
    return code.ljust(446, b"\0") + b"".join(rows).ljust(64, b"\0") + b"\x55\xaa"


def disk(*parts: tuple[int, bytes]) -> bytes:
    raw = bytearray(DISK)
    for sector, content in parts:
        raw[sector * SECTOR : sector * SECTOR + len(content)] = content
    return bytes(raw)


def table(raw: bytes) -> PartitionTable:
    return read_partitions(lambda offset, length: raw[offset : offset + length], len(raw))


def test_primary_and_logical_partitions_are_found() -> None:
    logical = mbr(row(0x83, 100, 200), row(0x05, 1000, 500), code=b"")
    raw = disk(
        (0, mbr(row(0x83, 2048, 4096, 0x80), row(0x05, 8192, 4096))),
        (8192, logical),
        (9192, mbr(row(0x82, 5, 6), code=b"")),
    )
    found = table(raw)
    assert found.kind == "mbr" and found.has_boot_code and not found.problem
    rows = [(each.number, each.type, each.start, each.sectors, each.is_active) for each in found.partitions]
    assert rows == [
        (1, "0x83", 2048, 4096, True), (2, "0x05", 8192, 4096, False),
        (5, "0x83", 8292, 200, False), (6, "0x82", 9197, 6, False),
    ]  # fmt: skip


def test_an_empty_row_hides_nothing_that_stands_behind_it() -> None:
    nothing = row(0, 0, 0)
    raw = disk(
        (0, mbr(row(0x83, 2048, 4096), row(0x05, 8192, 4096))),
        (8192, mbr(nothing, row(0x05, 1000, 500), code=b"")),
        (9192, mbr(row(0x05, 2000, 500), row(0x82, 5, 6), code=b"")),
        (10192, mbr(row(0x83, 7, 8), code=b"")),
    )
    rows = [(each.number, each.type, each.start) for each in table(raw).partitions[2:]]
    assert rows == [(5, "0x82", 9197), (6, "0x83", 10199)]


def test_a_chain_of_logical_partitions_that_loops_ends() -> None:
    looping = mbr(row(0x83, 1, 1), row(0x05, 0, 500), code=b"")
    assert len(table(disk((0, mbr(row(0x0F, 4096, 100))), (4096, looping))).partitions) == 2


def test_the_gap_before_the_first_partition_holds_a_boot_loader_or_not() -> None:
    partition = mbr(row(0x83, 2048, 100))
    assert not table(disk((0, partition))).has_core
    filled = table(disk((0, partition), (1, b"core"), (9, b"more")))
    assert filled.has_core and filled.gap_sectors == 2


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (disk(), "no partition table"),
        (disk((0, b"\xeb\x3c\x90mkfs.fat".ljust(446, b"x") + b"x" * 64 + b"\x55\xaa")), "no partition table"),
        (disk((0, mbr(row(0xEE, 1, 100)))), "primary header"),
        (disk((1, b"EFI PART".ljust(512, b"\1"))), "header"),
        (b"", "no partition table"),
    ],
    ids=["zeros", "a FAT without partitions", "GPT's header gone", "GPT's header broken", "nothing"],
)
def test_a_table_that_is_none_says_why(raw: bytes, why: str) -> None:
    found = table(raw)
    assert why in found.problem
    assert found.partitions == ()


def test_a_gpt_is_read_with_what_stands_in_its_bios_partition() -> None:
    import uuid
    import zlib

    def gpt(*rows: tuple[str, int, int]) -> bytes:
        entries = b"".join(
            struct.pack("<16s16sQQQ72s", UUID(kind).bytes_le, uuid.UUID(int=n).bytes_le, first, last, 0, b"")
            for n, (kind, first, last) in enumerate(rows, 1)
        ).ljust(128 * 128, b"\0")
        head = struct.pack(
            "<8s4sII4xQQQQ16sQIII", b"EFI PART", b"\0\0\1\0", 92, 0, 1, DISK // SECTOR - 1, 34, DISK // SECTOR - 34,
            UUID(int=7).bytes_le, 2, 128, 128, zlib.crc32(entries),
        )  # fmt: skip
        head = head[:16] + zlib.crc32(head).to_bytes(4, "little") + head[20:]
        return head.ljust(512, b"\0") + entries

    parts = gpt((BIOS_BOOT, 2048, 4095), (ESP, 4096, 8191))
    found = table(disk((0, mbr(row(0xEE, 1, 16383))), (1, parts)))
    assert (found.kind, [each.type for each in found.partitions], found.has_core) == ("gpt", [BIOS_BOOT, ESP], False)
    assert found.backup_problem
    assert table(disk((0, mbr(row(0xEE, 1, 16383))), (1, parts), (2048, b"core.img"))).has_core


@pytest.mark.parametrize(
    ("content", "form", "is_raw"),
    [
        (bytes(DISK) + FOOTER, "VHD", True),
        (bytes(DISK), "raw", True),
        (b"QFI\xfb" + bytes(DISK), "qcow2", False),
        (b"vhdxfile" + bytes(DISK), "VHDX", False),
        (FOOTER + bytes(2048) + FOOTER[:60] + b"\0\0\0\3" + FOOTER[64:], "VHD", False),
        (b"hello\n", "raw", True),
        (b"", "raw", True),
    ],
    ids=["fixed", "raw", "qcow2", "VHDX", "dynamic", "text", "empty"],
)
def test_the_format_is_told_by_the_ends(content: bytes, form: str, is_raw: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.vhd"
    path.write_bytes(content)
    container, found = read_container(path)
    assert (container.form, holds_raw_disk(container)) == (form, is_raw)
    assert found.problem


def test_a_folder_is_no_disk(tmp_path: Path) -> None:
    with pytest.raises(FlightError, match="folder"):
        read_container(tmp_path)
