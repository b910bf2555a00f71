"""The table of a new disk, read back by the reader that the next stages use."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows.gpt import backup_problem, read_table
from flight.workflows.install.gpt import BIOS_BOOT, LINUX, Entry, protective_mbr, render_table

DISK = UUID(int=7)


@settings(deadline=None)
@given(st.integers(4096, 1 << 32), st.lists(st.text("abc/é", max_size=36), min_size=1, max_size=5))
def test_what_is_written_is_what_is_read(sectors: int, names: list[str]) -> None:
    entries = [Entry(LINUX, UUID(int=n + 1), 2048 + n, 2048 + n, name) for n, name in enumerate(names)]
    first, last = render_table(entries, disk=DISK, sectors=sectors)
    disk = {0: first, sectors * 512 - len(last): last}

    def read(offset: int, length: int) -> bytes:
        start, raw = next((at, raw) for at, raw in disk.items() if at <= offset < at + len(raw))
        return raw[offset - start : offset - start + length]

    table = read_table(read)
    assert table is not None
    assert [(p.guid, p.start_lba, p.end_lba, p.name) for p in table.partitions] == [
        (e.uid, e.first, e.last, e.name) for e in entries
    ]
    assert backup_problem(read, table, sectors * 512) == ""


def test_the_primary_takes_34_sectors_and_the_backup_33() -> None:
    first, last = render_table([Entry(BIOS_BOOT, UUID(int=1), 2048, 4095)], disk=DISK, sectors=1 << 20)
    assert (len(first), len(last)) == (34 * 512, 33 * 512)


def test_the_protective_mbr_covers_the_disk_as_far_as_its_32_bits_reach() -> None:
    assert protective_mbr(1000)[446 + 12 : 446 + 16] == (999).to_bytes(4, "little")
    assert protective_mbr(1 << 40)[446 + 12 : 446 + 16] == b"\xff" * 4
    assert protective_mbr(1000)[:446] == bytes(446)
