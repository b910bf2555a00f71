"""What is sent of a file: all of a VHD, a raw disk and what it lacks, nothing twice, nothing that changed, nothing else."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from madedisks import CUT_GPT, FOOTER, MIB, UID, changed_footer, gpt_runs, make_raw, make_vhd, mbr_sector

from flight.workflows import digest, vhd
from flight.workflows.digest import BLOCK
from flight.workflows.kit.errors import FlightError
from flight.workflows.upload import source as source_room
from flight.workflows.upload.disk import mbr_end
from flight.workflows.upload.plan import MOST, Span
from flight.workflows.upload.source import FileFeed, FileSource, FileState, open_source
from flight.workflows.vhd.acceptance import Ends, read_ends


def assembled(source: FileSource) -> bytes:
    """What the blob holds in the end where all reads are written into an empty one."""
    assert source.size_bytes is not None
    blob = bytearray(source.size_bytes)
    for span in source.reads():
        assert not any(blob[span.start : span.stop]), "no byte is read twice"
        blob[span.start : span.stop] = source.read(span)
    return bytes(blob)


# What is read --------------------------------------------------------------------------------------------------------

places = st.lists(st.tuples(st.integers(0, 9 * MIB - 999), st.binary(min_size=1, max_size=999)), max_size=6)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places)
def test_a_vhd_is_read_as_it_is(tmp_path: Path, runs: list[tuple[int, bytes]]) -> None:
    path = make_vhd(tmp_path / "disk.vhd", 9 * MIB, *runs)
    with open_source(path) as source:
        assert source.size_bytes == 9 * MIB + 512
        assert assembled(source) == path.read_bytes()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places, st.integers(9 * MIB // 512, 10 * MIB // 512))
def test_a_raw_disk_is_read_as_the_vhd_that_it_would_be_converted_to(
    tmp_path: Path, runs: list[tuple[int, bytes]], sectors: int
) -> None:
    raw, made = make_raw(tmp_path / "disk.raw", sectors * 512, *runs), tmp_path / "disk.vhd"
    made.unlink(missing_ok=True)
    vhd.convert(raw, made)
    with open_source(raw) as source:
        assert assembled(source)[:-512] == made.read_bytes()[:-512]


@pytest.mark.parametrize(
    "sectors",
    [
        pytest.param(2 * 2048, id="whole MiB: its backup stays"),
        pytest.param(2 * 2048 + 1, id="a sector more"),
        pytest.param(3 * 2048 - 20, id="the new backup overlaps the old"),
        pytest.param(2 * 2048 + 300, id="the old backup is wiped"),
    ],
)
def test_the_backup_of_a_gpt_moves_to_the_end_as_in_a_conversion(tmp_path: Path, sectors: int) -> None:
    raw = make_raw(tmp_path / "disk.img", sectors * 512, *gpt_runs(sectors))
    vhd.convert(raw, tmp_path / "disk.vhd")
    before = raw.read_bytes()
    with open_source(raw) as source:
        assert assembled(source)[:-512] == (tmp_path / "disk.vhd").read_bytes()[:-512]
        step = 4096  # and by pieces that fit nothing
        pieces = [source.read(Span(at, min(at + step, source.size_bytes))) for at in range(0, source.size_bytes, step)]
        assert b"".join(pieces) == assembled(source)
    assert raw.read_bytes() == before, "the file is only read"


def test_the_footer_that_a_raw_disk_gains_says_when_the_file_was_changed(tmp_path: Path) -> None:
    raw = make_raw(tmp_path / "disk.raw", 2 * MIB - 512)
    os.utime(raw, ns=(0, 1_700_000_000_123_456_789))
    with open_source(raw) as source:
        first = assembled(source)
    footer = vhd.read_footer(first[-512:])
    assert footer.made == dt.datetime(2023, 11, 14, 22, 13, 20, tzinfo=dt.UTC)
    assert (footer.current_bytes, footer.type_name, footer.checksum) == (2 * MIB, "fixed", footer.right_checksum)
    with open_source(raw) as source:
        assert assembled(source) == first, "the same file gives the same bytes"
    os.utime(raw, ns=(0, 1_700_000_000_123_456_790))
    with open_source(raw) as source:
        assert vhd.read_footer(assembled(source)[-512:]).uid != footer.uid


@pytest.mark.parametrize(
    ("changed", "made"),
    [
        pytest.param(0, dt.datetime(2000, 1, 1, tzinfo=dt.UTC), id="before 2000"),
        pytest.param(10**10, dt.datetime(2136, 2, 7, 6, 28, 15, tzinfo=dt.UTC), id="after what 32 bits hold"),
    ],
)
def test_a_time_that_no_footer_holds_is_the_nearest_one(tmp_path: Path, changed: int, made: dt.datetime) -> None:
    raw = make_raw(tmp_path / "disk.raw", MIB)
    os.utime(raw, (changed, changed))
    with open_source(raw) as source:
        assert vhd.read_footer(source.read(Span(MIB, MIB + 512))).made == made


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places)
def test_reads_are_whole_blocks_ascending_and_cover_all_that_is_not_zero(
    tmp_path: Path, runs: list[tuple[int, bytes]]
) -> None:
    path = make_vhd(tmp_path / "disk.vhd", 9 * MIB, *runs, (2 * MIB, b"long" * (5 * MIB // 4)))
    with open_source(path) as source:
        reads = list(source.reads())
    assert all(read.start % BLOCK == 0 and 0 < read.size <= MOST for read in reads)
    assert all(read.stop % BLOCK == 0 or read.stop == path.stat().st_size for read in reads)
    assert all(left.stop <= right.start for left, right in itertools.pairwise(reads))


def test_holes_are_not_read(tmp_path: Path) -> None:
    path = make_vhd(tmp_path / "disk.vhd", 900 << 30, (500 << 30, b"x"))
    with open_source(path) as source:
        assert sum(read.size for read in source.reads()) <= 2 * BLOCK
        assert source.read(Span(700 << 30, (700 << 30) + MOST)) == bytes(MOST)


def test_many_threads_take_each_read_once(tmp_path: Path) -> None:
    path = make_vhd(tmp_path / "disk.vhd", 8 * MIB, *((at * 200_000, os.urandom(9)) for at in range(40)))
    taken: list[tuple[Span, bytes]] = []

    def take_all() -> None:
        while (one := feed.take()) is not None:
            taken.append(one)

    with open_source(path) as source:
        feed = FileFeed(source)
        threads = [threading.Thread(target=take_all) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(span for span, _ in taken) == list(source.reads())
    content = path.read_bytes()
    assert all(content[span.start : span.stop] == held for span, held in taken)


def test_a_feed_gives_other_reads_where_it_is_told_so(tmp_path: Path) -> None:
    with open_source(make_vhd(tmp_path / "disk.vhd", MIB, (0, b"x"))) as source:
        feed = FileFeed(source, [Span(0, 512), Span(MIB, MIB + 512)])
        assert feed.take() == (Span(0, 512), b"x" + bytes(511))
        assert feed.take() == (Span(MIB, MIB + 512), vhd.footer(MIB, made=vhd.EPOCH, uid=UID))
        assert feed.take() is None


def test_what_lies_outside_of_the_blob_is_a_defect_of_the_callers(tmp_path: Path) -> None:
    with open_source(make_vhd(tmp_path / "disk.vhd")) as source, pytest.raises(ValueError, match="1049088"):
        source.read(Span(MIB, MIB + 1024))


def test_the_digest_of_what_is_read_is_that_of_the_file(tmp_path: Path) -> None:
    path = make_vhd(tmp_path / "disk.vhd", 9 * MIB, (5 * MIB, b"some"))
    with open_source(path) as source:
        (tmp_path / "copy").write_bytes(assembled(source))
    assert digest.digest(tmp_path / "copy") == digest.digest(path)


# A file that changes -------------------------------------------------------------------------------------------------


def grown(path: Path) -> None:
    os.truncate(path, 3 * MIB)


def touched(path: Path) -> None:
    os.utime(path, ns=(0, 5))


def replaced(path: Path) -> None:
    state = path.stat()
    make_vhd(path.with_name("other"))
    os.utime(path.with_name("other"), ns=(state.st_atime_ns, state.st_mtime_ns))
    path.with_name("other").rename(path)


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [grown, touched, replaced, removed])
def test_a_file_that_changed_is_noticed(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = make_vhd(tmp_path / "disk.vhd")
    with open_source(path) as source:
        source.check_unchanged()
        change(path)
        with pytest.raises(FlightError, match="changed while it was uploaded") as noticed:
            source.check_unchanged()
    assert "fuser -v" in noticed.value.fix


def test_a_file_that_changes_while_it_is_opened_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_and_replaced(path: Path) -> Ends:
        ends = read_ends(path)
        replaced(path)
        return ends

    monkeypatch.setattr(source_room, "read_ends", read_and_replaced)
    with pytest.raises(FlightError, match="changed while"), open_source(make_vhd(tmp_path / "disk.vhd")):
        pass


@pytest.mark.parametrize("make", [make_vhd, lambda path: make_raw(path.with_suffix(".raw"), MIB)], ids=["vhd", "raw"])
def test_a_file_that_was_cut_meanwhile_gives_no_zeros(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path / "disk.vhd")
    with open_source(path) as source:
        os.truncate(path, MIB // 2)
        assert len(source.read(Span(0, MIB // 2))) == MIB // 2
        with pytest.raises(FlightError, match="cut short"):
            source.read(Span(MIB // 2, MIB // 2 + 512))


def test_a_source_says_who_its_file_is(tmp_path: Path) -> None:
    path = make_vhd(tmp_path / "disk.vhd")
    with open_source(path) as source:
        assert source.state == FileState.of(path.stat())
        assert source.name == str(path)


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "runs", "why"),
    [
        pytest.param("a.vhd", 0, [], "it is empty", id="an empty file"),
        pytest.param("a.img", 0, [], "it is empty", id="an empty raw disk"),
        pytest.param("a.vhd", 2048, [(0, changed_footer(kind=3)), (1536, changed_footer(kind=3))], "a dynamic VHD",
                     id="a dynamic VHD"),
        pytest.param("a.vhd", 2048, [(0, changed_footer(kind=4)), (1536, changed_footer(kind=4))], "a differencing VHD",
                     id="a differencing VHD"),
        pytest.param("a.vhd", 1536, [(0, changed_footer(kind=3))], "begins as a dynamic VHD", id="a dynamic VHD, cut"),
        pytest.param("a.img", MIB, [(0, b"QFI\xfb")], "a qcow2 disk", id="qcow2"),
        pytest.param("a.img", MIB, [(0, b"vhdxfile")], "a VHDX disk", id="VHDX"),
        pytest.param("a.img", MIB, [(0, b"KDMV")], "a VMDK disk", id="VMDK"),
        pytest.param("a.img", MIB, [(64, b"\x7f\x10\xda\xbe")], "a VDI disk", id="VDI"),
        pytest.param("a.raw.gz", MIB, [(0, b"\x1f\x8b")], "it is compressed (gzip)", id="gzip"),
        pytest.param("a.vhd", MIB, [(0, b"\xfd7zXZ\0")], "it is compressed (xz)", id="xz that calls itself VHD"),
        pytest.param("a.vhd", MIB, [(0, b"x")], "no VHD footer", id="a VHD without its footer"),
        pytest.param("A.VHD", MIB, [(0, b"x")], "no VHD footer", id="the same, in capitals"),
        pytest.param("a.img", MIB + 100, [(MIB, FOOTER[:100])], "no VHD footer", id="cut within its footer"),
        pytest.param("a.img", MIB, [(0, FOOTER)], "no VHD footer", id="a footer at the start alone"),
        pytest.param("a.img", MIB + 612, [(MIB, FOOTER)], "100 bytes follow its footer", id="something follows"),
        pytest.param("a.vhd", MIB // 2 + 512, [(MIB // 2, FOOTER)], "it was cut short", id="a footer of more"),
        pytest.param("a.vhd", 2 * MIB + 512, [(2 * MIB, FOOTER)], "what is right", id="a footer of less"),
        pytest.param("a.vhd", MIB + 1024, [(MIB + 512, changed_footer(size=MIB + 512))], "no whole number of MiB",
                     id="not whole MiB"),
        pytest.param("readme.txt", 1234, [(0, b"text")], "no whole sectors", id="a text"),
        pytest.param("a.img", 3 * MIB, CUT_GPT, "a partition ends in sector", id="a raw disk with a GPT, cut"),
        pytest.param("a.img", MIB, [(0, mbr_sector((0, 0xEE, 1, 9)))], "primary header is not there", id="no GPT"),
        pytest.param("a.img", MIB, [(0, mbr_sector((128, 0x83, 63, 2048)))], "a partition ends at byte 1080832",
                     id="a raw disk with an MBR, cut"),
        pytest.param("a.img", (1023 << 30) + 512, [], "1023 GiB at most", id="larger than Azure takes"),
    ],
)  # fmt: skip
def test_what_is_no_disk_for_azure_is_refused_in_one_error(
    tmp_path: Path, name: str, size: int, runs: list[tuple[int, bytes]], why: str
) -> None:
    path = make_raw(tmp_path / name, size, *runs)
    with pytest.raises(FlightError, match=r"VHD that Azure takes|can be uploaded|partition") as refused:
        with open_source(path):
            pass
    assert why in refused.value.why
    assert refused.value.fix


def test_a_boot_sector_whose_code_begins_like_an_archive_is_a_disk(tmp_path: Path) -> None:
    path = make_raw(tmp_path / "a.img", MIB, (0, mbr_sector((128, 0x83, 63, 64))), (0, b"PK\x03\x04"))
    with open_source(path) as source:
        assert source.size_bytes == MIB + 512


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "is a folder"), (tmp_path / "none.vhd", "cannot be read")):
        with pytest.raises(FlightError, match=words):
            with open_source(path):
                pass


@pytest.mark.parametrize(
    ("sector", "end"),
    [
        pytest.param(bytes(512), 0, id="nothing"),
        pytest.param(mbr_sector(), 0, id="an empty table"),
        pytest.param(
            mbr_sector((128, 0x83, 2048, 2048), (0, 5, 4096, 100), (0, 0, 9999, 9)), 4196 * 512, id="two of them"
        ),
        pytest.param(mbr_sector((0, 0xEE, 1, 0xFFFFFFFF)), 0, id="a GPT's protection"),
        pytest.param(mbr_sector((0x74, 0x65, 1 << 30, 1 << 30)), 0, id="the code of a boot sector"),
    ],
)
def test_the_end_of_an_mbrs_partitions_is_known(sector: bytes, end: int) -> None:
    assert mbr_end(sector) == end
