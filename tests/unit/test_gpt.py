"""Partition tables from bytes alone. tests/integration/test_vhd.py lets sfdisk read what is written here."""

from __future__ import annotations

import uuid
import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows import gpt
from flight.workflows.kit.errors import FlightError

GUID = uuid.UUID("852e1c68-2d87-4143-90d5-f484ede80218")
LINUX = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
MIB_SECTORS = 2048


def make_entries(*spans: tuple[int, int], count: int = 128, size: int = 128) -> bytes:
    rows = [
        gpt.ENTRY.pack(
            LINUX.bytes_le, uuid.uuid5(GUID, str(first)).bytes_le, first, last, 0, "root".encode("utf-16-le")
        )
        for first, last in spans
    ]
    return b"".join(row.ljust(size, b"\0") for row in rows).ljust(count * size, b"\0")


def make_disk(sectors: int, *spans: tuple[int, int], count: int = 128, size: int = 128) -> bytearray:
    """A disk with a protective MBR, a GPT and its backup, as any partitioner makes it."""
    entries = make_entries(*spans, count=count, size=size)
    table = -(-len(entries) // gpt.SECTOR)
    last = sectors - 1
    primary = gpt.Header(
        b"\0\0\1\0", 1, last, 2 + table, last - table - 1, GUID, 2, count, size, zlib.crc32(entries)
    )  # fmt: skip
    backup = replace(primary, my_lba=last, alternate_lba=1, entries_lba=last - table)
    disk = bytearray(sectors * gpt.SECTOR)
    disk[446:462] = b"\0\0\2\0\xee\xff\xff\xff" + (1).to_bytes(4, "little") + last.to_bytes(4, "little")
    disk[510:512] = b"\x55\xaa"
    put(disk, 1, gpt.pack_header(primary))
    put(disk, 2, entries)
    put(disk, last - table, entries)
    put(disk, last, gpt.pack_header(backup))
    return disk


def put(disk: bytearray, sector: int, content: bytes) -> None:
    disk[sector * gpt.SECTOR : sector * gpt.SECTOR + len(content)] = content


def reader(disk: bytes | bytearray) -> gpt.Read:
    return lambda offset, length: bytes(disk[offset : offset + length])


def grown(disk: bytearray, sectors: int) -> bytearray:
    """The disk with the backup moved to the end of `sectors`."""
    table = gpt.read_table(reader(disk))
    assert table
    patches = gpt.plan_move(reader(disk), table, sectors * gpt.SECTOR)
    larger = disk + bytes(max(0, sectors * gpt.SECTOR - len(disk)))
    for patch in patches:
        larger[patch.offset : patch.stop] = patch.content
    return larger


def test_a_header_that_was_packed_reads_back() -> None:
    header = gpt.Header(b"\0\0\1\0", 1, 4095, 34, 4062, GUID, 2, 128, 128, 0xDEADBEEF)
    assert gpt.parse_header(gpt.pack_header(header)) == header


def test_the_partitions_are_those_that_were_written() -> None:
    table = gpt.read_table(reader(make_disk(8192, (2048, 4095), (4096, 8000))))
    assert table
    seen = [(part.number, part.start_lba, part.end_lba, part.name, part.size_bytes) for part in table.partitions]
    assert seen == [(1, 2048, 4095, "root", 1 << 20), (2, 4096, 8000, "root", 3905 * 512)]


def test_a_disk_without_a_table_has_none() -> None:
    assert gpt.read_table(reader(bytes(1 << 20))) is None


def test_a_disk_with_only_an_mbr_has_none() -> None:
    disk = bytearray(1 << 20)
    disk[450], disk[510:512] = 0x83, b"\x55\xaa"
    assert gpt.read_table(reader(disk)) is None


def flip(disk: bytearray, at: int) -> None:
    disk[at] ^= 0xFF


@pytest.mark.parametrize(
    ("at", "said"),
    [
        pytest.param(512 + 56, "header's checksum", id="a bit of the disk's GUID"),
        pytest.param(512 + 16, "header's checksum", id="the checksum itself"),
        pytest.param(512 + 13, "bytes long", id="the header's length"),
        pytest.param(1024 + 40, "checksum of its entries", id="an entry"),
        pytest.param(512, "primary header is not there", id="the signature, below a protective MBR"),
    ],
)
def test_a_broken_table_is_an_error_that_says_where(at: int, said: str) -> None:
    disk = make_disk(8192, (2048, 4095))
    flip(disk, at)
    with pytest.raises(FlightError, match="GUID partition table is broken") as caught:
        gpt.read_table(reader(disk))
    assert said in caught.value.why


def test_a_header_in_the_wrong_place_is_an_error() -> None:
    disk = make_disk(8192, (2048, 4095))
    put(disk, 1, bytes(disk[-512:]))
    with pytest.raises(FlightError) as caught:
        gpt.read_table(reader(disk))
    assert "says that it is in sector 8191" in caught.value.why


def test_absurd_counts_are_an_error_and_not_a_long_read() -> None:
    header = gpt.Header(b"\0\0\1\0", 1, 4095, 34, 4062, GUID, 2, 0xFFFFFFFF, 128, 0)
    with pytest.raises(ValueError, match="4294967295 entries"):
        gpt.parse_header(gpt.pack_header(header))


def test_a_table_for_sectors_of_4096_bytes_is_refused() -> None:
    disk = bytearray(1 << 20)
    put(disk, 8, gpt.SIGNATURE)
    with pytest.raises(FlightError) as caught:
        gpt.read_table(reader(disk))
    assert "4096" in caught.value.why


def test_a_right_backup_has_no_problem_and_needs_no_move() -> None:
    disk = make_disk(8192, (2048, 4095))
    table = gpt.read_table(reader(disk))
    assert table
    assert gpt.backup_problem(reader(disk), table, len(disk)) == ""
    assert gpt.plan_move(reader(disk), table, len(disk)) == ()


@pytest.mark.parametrize(
    ("at", "said"),
    [
        pytest.param(8191 * 512, "no GPT header", id="gone"),
        pytest.param(8191 * 512 + 20, "checksum", id="damaged"),
        pytest.param(8159 * 512, "checksum of its entries", id="its entries damaged"),
    ],
)
def test_a_wrong_backup_is_named_and_written_anew(at: int, said: str) -> None:
    disk = make_disk(8192, (2048, 4095))
    flip(disk, at)
    table = gpt.read_table(reader(disk))
    assert table
    assert said in gpt.backup_problem(reader(disk), table, len(disk))
    assert grown(disk, 8192) == make_disk(8192, (2048, 4095))


@pytest.mark.parametrize("size", [64, 1 << 20], ids=["too small to be one", "more than anybody has"])
def test_entries_that_cannot_be_are_an_error(size: int) -> None:
    disk = make_disk(8192, (2048, 4095))
    header = gpt.parse_header(bytes(disk[512:1024]))
    put(disk, 1, gpt.pack_header(replace(header, entry_size=size)))
    with pytest.raises(FlightError) as caught:
        gpt.read_table(reader(disk))
    assert caught.value.why == f"its header claims 128 entries of {size} bytes"


def test_a_backup_of_another_table_is_named() -> None:
    disk = make_disk(8192, (2048, 4095))
    put(disk, 8191, bytes(make_disk(8192, (2048, 5000))[-512:]))
    put(disk, 8159, make_entries((2048, 5000)))
    table = gpt.read_table(reader(disk))
    assert table
    assert gpt.backup_problem(reader(disk), table, len(disk)) == "it differs from the primary"


@settings(deadline=None)
@given(
    before=st.integers(min_value=4200, max_value=9000),
    extra=st.integers(min_value=0, max_value=3000),
    shape=st.sampled_from([(128, 128), (4, 128), (128, 256), (56, 128), (7, 136)]),
)
def test_a_grown_disk_equals_one_partitioned_at_its_new_size(before: int, extra: int, shape: tuple[int, int]) -> None:
    count, size = shape
    spans = ((2048, 4000), (4001, 4096))
    after = grown(make_disk(before, *spans, count=count, size=size), before + extra)
    assert after == make_disk(before + extra, *spans, count=count, size=size)


def test_what_lies_outside_of_the_table_is_not_touched() -> None:
    disk = make_disk(6000, (2048, 5900))
    disk[2048 * 512 : 5901 * 512] = bytes([7]) * ((5901 - 2048) * 512)
    disk[0:440] = bytes([9]) * 440
    after = grown(disk, 6144)
    assert after[2048 * 512 : 5901 * 512] == disk[2048 * 512 : 5901 * 512]
    assert after[0:440] == disk[0:440]


def test_a_disk_cut_into_its_last_partition_is_refused() -> None:
    disk = make_disk(9000, (2048, 8900))
    table = gpt.read_table(reader(disk))
    assert table
    with pytest.raises(FlightError, match="too small for its own partitions") as caught:
        gpt.plan_move(reader(disk), table, 8920 * 512)
    assert "sector 8900" in caught.value.why


def test_a_stale_header_of_another_disk_is_not_taken_for_the_backup() -> None:
    disk = make_disk(8192, (2048, 4095))
    other = gpt.parse_header(bytes(disk[-512:]))
    put(disk, 8191, gpt.pack_header(replace(other, disk_guid=uuid.UUID(int=5))))
    kept = bytes(disk[8159 * 512 : 8192 * 512])
    assert grown(disk, 10240)[8159 * 512 : 8192 * 512] == kept


def test_a_hybrid_mbr_keeps_its_sizes() -> None:
    disk = make_disk(8192, (2048, 4095))
    disk[454:458] = (34).to_bytes(4, "little")
    assert grown(disk, 10240)[446:512] == disk[446:512]
