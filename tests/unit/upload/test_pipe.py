"""A disk that comes through a pipe: the same as from a file, without its zeros, and judged by its end."""

from __future__ import annotations

import contextlib
import os
import threading
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from madedisks import CUT_GPT, FOOTER, MIB, TABLE, changed_footer, gpt_runs, make_raw, make_vhd, mbr_sector

from flight.workflows import vhd
from flight.workflows.kit.errors import FlightError
from flight.workflows.upload.pipe import PipeSource, is_pipe, open_pipe
from flight.workflows.upload.plan import MOST, Span
from flight.workflows.vhd import LARGEST_BYTES


@contextlib.contextmanager
def piped(parts: Iterable[bytes], *, name: str = "the pipe") -> Iterator[PipeSource]:
    """A pipe that somebody writes these into, and then closes."""
    reading, writing = os.pipe()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), open(writing, "wb", buffering=0) as pipe:
            for part in parts:
                left = memoryview(part)
                while left:
                    left = left[pipe.write(left) :]

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield PipeSource(reading, name=name)
    finally:
        os.close(reading)
        writer.join()


def taken(source: PipeSource) -> bytes:
    """The blob that what was taken makes, tail included."""
    pieces = list(iter(source.take, None))
    assert source.take() is None
    assert source.size_bytes is not None
    blob = bytearray(source.size_bytes)
    for span, content in (*pieces, *source.tail()):
        assert 0 < span.size == len(content) <= MOST
        assert span.start % 512 == 0 == span.stop % 512
        assert any(content), "zeros are not given"
        blob[span.start : span.stop] = content
    assert [span for span, _ in pieces] == sorted(span for span, _ in pieces)
    return bytes(blob)


places = st.lists(st.tuples(st.integers(512, 9 * MIB - 999), st.binary(min_size=1, max_size=999)), max_size=5)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places)
def test_a_vhd_comes_out_as_it_went_in(tmp_path: Path, runs: list[tuple[int, bytes]]) -> None:
    content = make_vhd(tmp_path / "disk.vhd", 9 * MIB, *runs).read_bytes()
    with piped([content]) as source:
        assert taken(source) == content
        assert source.tail() == ()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places, st.integers(9 * MIB // 512, 12 * MIB // 512))
def test_a_raw_disk_gains_what_a_conversion_gives_it(
    tmp_path: Path, runs: list[tuple[int, bytes]], sectors: int
) -> None:
    raw, made = make_raw(tmp_path / "disk.raw", sectors * 512, (0, TABLE), *runs), tmp_path / "disk.vhd"
    made.unlink(missing_ok=True)
    vhd.convert(raw, made)
    with piped([raw.read_bytes()]) as source:
        assert taken(source)[:-512] == made.read_bytes()[:-512]


@pytest.mark.parametrize("size", [512, MIB, MOST - 512, MOST, MOST + 512, 2 * MOST, 2 * MOST + MIB])
def test_the_end_may_come_anywhere(tmp_path: Path, size: int) -> None:
    content = TABLE + b"\1" * (size - 512)
    with piped([content]) as source:
        blob = taken(source)
    assert blob[:size] == content
    assert not any(blob[size:-512])
    footer = vhd.read_footer(blob[-512:])
    assert (footer.current_bytes, footer.checksum) == (len(blob) - 512, footer.right_checksum)
    assert footer.current_bytes == vhd.round_up_mib(size)
    with piped([content]) as source:
        assert taken(source) == blob, "the same disk gives the same bytes"


def test_a_pipe_that_dribbles_gives_whole_pieces() -> None:
    content = TABLE + bytes(range(256)) * ((5 * MIB - 512) // 256)
    with piped(content[at : at + 7777] for at in range(0, len(content), 7777)) as source:
        assert source.take() == (Span(0, MOST), content[:MOST])
        assert source.size_bytes is None
        assert source.take() == (Span(MOST, 5 * MIB), content[MOST:])
        assert source.size_bytes == 5 * MIB + 512
        assert source.take() is None
        ((span, footer),) = source.tail()
        assert (span, footer[:8]) == (Span(5 * MIB, 5 * MIB + 512), b"conectix")


def test_zeros_are_dropped_and_told_of() -> None:
    with piped([TABLE, bytes(40 * MIB - 512), b"x" * 512, bytes(MIB - 512)]) as source:
        assert source.take() == (Span(0, MOST), TABLE + bytes(MOST - 512))
        assert source.take() == (Span(40 * MIB, 41 * MIB), b"x" * 512 + bytes(MIB - 512))
        assert source.taken_bytes == 41 * MIB


def test_no_more_is_held_than_the_piece_at_hand() -> None:
    with piped([TABLE, *[b"\1" * MIB] * 63, b"\1" * (MIB - 512)]) as source:
        tracemalloc.start()
        try:
            for _ in iter(source.take, None):
                pass
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 4 * MOST


@pytest.mark.parametrize("mib", [6, 8], ids=["within a piece", "at the end of one"])
def test_a_gpt_whose_backup_is_in_its_place_needs_nothing(tmp_path: Path, mib: int) -> None:
    content = make_raw(tmp_path / "disk.raw", mib * MIB, *gpt_runs(mib * 2048)).read_bytes()
    with piped([content]) as source:
        assert taken(source)[:-512] == content


DYNAMIC = changed_footer(kind=3)


@pytest.mark.parametrize(
    ("size", "runs", "why"),
    [
        pytest.param(0, [], "it ended at once", id="nothing"),
        pytest.param(MIB, [(0, b"QFI\xfb")], "a qcow2 disk", id="qcow2"),
        pytest.param(MIB, [(0, b"\x28\xb5\x2f\xfd")], "it is compressed (zstd)", id="zstd"),
        pytest.param(2048, [(0, DYNAMIC), (1536, DYNAMIC)], "begins as a dynamic", id="a dynamic VHD"),
        pytest.param(9 * MIB + 512, [(9 * MIB, FOOTER)], "what is right", id="a footer of less"),
        pytest.param(MIB + 100, [(MIB, FOOTER[:100])], "no VHD footer", id="cut within its footer"),
        pytest.param(MIB + 1024, [(MIB + 512, changed_footer(size=MIB + 512))], "no whole number of MiB", id="half"),
        pytest.param(3 * MIB, CUT_GPT, "a partition ends in sector", id="a GPT, cut"),
        pytest.param(MIB, [(0, mbr_sector((128, 0x83, 63, 2048)))], "a partition ends at byte", id="an MBR, cut"),
        pytest.param(MIB, [(9, b"x")], "no partition table", id="a VHD without a table, cut on a sector"),
        pytest.param(MIB + 513, [(0, b"x")], "no whole sectors", id="half a sector"),
        pytest.param(2 * MIB + 512, gpt_runs(2 * 2048 + 1), "the backup of its partition table must move",
                     id="a GPT whose backup must move"),
    ],
)  # fmt: skip
def test_what_is_no_disk_is_refused_to_all_who_take(
    tmp_path: Path, size: int, runs: list[tuple[int, bytes]], why: str
) -> None:
    content = make_raw(tmp_path / "disk", size, *runs).read_bytes()
    with piped([content]) as source:
        for _ in range(2):
            with pytest.raises(FlightError) as refused:
                for _ in iter(source.take, None):
                    pass
            assert why in refused.value.why
            assert refused.value.fix


def test_its_first_piece_is_looked_at_and_given_nonetheless(tmp_path: Path) -> None:
    content = make_vhd(tmp_path / "disk.vhd", 9 * MIB, (5 * MIB, b"x")).read_bytes()
    with piped([content]) as source:
        source.look()
        assert taken(source) == content
    with piped([b""]) as source, pytest.raises(FlightError):
        source.look()


def test_a_foreign_format_is_refused_before_any_of_it_is_given() -> None:
    with piped([b"QFI\xfb", *[b"\1" * MIB] * 9]) as source:
        with pytest.raises(FlightError, match="qcow2"):
            source.take()


def test_more_than_azure_takes_is_refused_while_it_comes() -> None:
    with piped([b"\1" * MOST]) as source:
        source.taken_bytes = LARGEST_BYTES
        with pytest.raises(FlightError, match="Azure's limit"):
            source.take()


def test_a_pipe_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(FlightError, match="could not read the pipe"):
            PipeSource(folder).take()
    finally:
        os.close(folder)


# Where it comes from -------------------------------------------------------------------------------------------------


def test_a_fifo_and_a_dash_are_pipes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("")
    names = {name: is_pipe(Path(name)) for name in ("-", str(tmp_path / "fifo"), str(tmp_path / "file"), "/nowhere")}
    assert list(names.values()) == [True, True, False, False]


def test_a_fifo_is_read_to_its_end(tmp_path: Path) -> None:
    fifo, content = tmp_path / "fifo", TABLE + b"\1" * (3 * MIB - 512)
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(content,))
    writer.start()
    with open_pipe(fifo) as source:
        assert source.name == str(fifo)
        assert taken(source)[: len(content)] == content
    writer.join()


def test_standard_input_is_read_whatever_it_is(tmp_path: Path) -> None:
    path, before = make_vhd(tmp_path / "disk.vhd", MIB, (5, b"x")), os.dup(0)
    try:
        with open(path, "rb") as file:
            os.dup2(file.fileno(), 0)
        with open_pipe(Path("-")) as source:
            assert source.name == "standard input"
            assert taken(source) == path.read_bytes()
    finally:
        os.dup2(before, 0)
        os.close(before)


def test_a_terminal_is_no_disk() -> None:
    ours, theirs = os.openpty()
    try:
        with pytest.raises(FlightError, match="is a terminal"):
            with open_pipe(Path(os.ttyname(theirs))):
                pass
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_fifo_that_is_gone_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FlightError, match="could not read"):
        with open_pipe(tmp_path / "none"):
            pass
