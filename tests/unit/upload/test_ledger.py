"""The ledger: what is read back is what was noted, up to where it was torn; one writer; nothing foreign is touched."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flight.workflows.kit.errors import BusyError, FlightError, SpaceError
from flight.workflows.upload import journal
from flight.workflows.upload.journal import Journal
from flight.workflows.upload.ledger import Done, Ledger, Sealed, Session
from flight.workflows.upload.plan import Span
from flight.workflows.upload.source import FileState

FILE = FileState(
    size=4 << 20, mtime_ns=1_700_000_000_123_456_789, ctime_ns=1_700_000_000_123_456_790, inode=7, dev=64512
)
SESSION = Session(
    url="http://127.0.0.1:1/account/images/demo-1.0.0.vhd", upload="5f7a1c9e", lease="852e1c68", size_bytes=4 << 20,
    file=FILE, base="http://127.0.0.1:1/account/images/demo-0.9.0.vhd", base_etag='"0x8D1"', plan="ab" * 32,
)  # fmt: skip
Step = Callable[[Ledger], None]
STEPS: tuple[Step, ...] = (
    lambda ledger: ledger.wrote('"0x01"'),
    lambda ledger: ledger.starting("put", Span(0, 65536)),
    lambda ledger: ledger.starting("move", Span(65536, 131072)),
    lambda ledger: ledger.finished(Done("put", Span(0, 65536), "0123456789abcdef", '"0x02"')),
    lambda ledger: ledger.starting("clear", Span(131072, 131584)),
    lambda ledger: ledger.finished(Done("clear", Span(131072, 131584), "e3b0c44298fc1c14", '"0x03"')),
    lambda ledger: ledger.sealed('"0x04"', "sha256:" + "d" * 64, b"\0\xffmap" * 9),
)


def state(ledger: Ledger) -> tuple[object, ...]:
    return ledger.session, dict(ledger.done), set(ledger.begun), set(ledger.etags), ledger.seal


EMPTY = (None, {}, set(), set(), None)


def reread(path: Path) -> tuple[object, ...]:
    with Ledger.open(path) as ledger:
        return state(ledger)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "demo.ledger"


@pytest.fixture
def states(path: Path) -> list[tuple[object, ...]]:
    """What is to be read back after each line of the file at `path`: its first two say nothing of an upload."""
    with Ledger.open(path) as ledger:
        ledger.begin(SESSION)
        seen = [EMPTY, EMPTY, EMPTY, state(ledger)]
        for step in STEPS:
            step(ledger)
            seen.append(state(ledger))
    return seen


spans = st.builds(lambda at, pages: Span(at * 512, (at + pages) * 512), st.integers(0, 1 << 20), st.integers(1, 8192))
kinds = st.sampled_from(["put", "move", "clear"])
words = st.text(max_size=20)
steps = st.one_of(
    st.builds(lambda kind, span: lambda ledger: ledger.starting(kind, span), kinds, spans),
    st.builds(lambda *values: lambda ledger: ledger.finished(Done(*values)), kinds, spans, words, words),
    st.builds(lambda etag: lambda ledger: ledger.wrote(etag), words),
    st.builds(lambda *values: lambda ledger: ledger.sealed(*values), words, words, st.none() | st.binary()),
    st.just(lambda ledger: ledger.begin(SESSION)),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, max_size=12))
def test_what_was_noted_is_read_back(path: Path, noted: list[Step]) -> None:
    path.unlink(missing_ok=True)
    with Ledger.open(path) as ledger:
        for step in noted:
            step(ledger)
        last = state(ledger)
    assert reread(path) == last
    assert reread(path) == last, "reading it changes nothing"


def test_what_was_begun_is_doubtful_until_it_is_finished(path: Path) -> None:
    span = Span(0, 512)
    with Ledger.open(path) as ledger:
        ledger.begin(SESSION)
        ledger.starting("put", span)
        assert (span in ledger.begun, dict(ledger.done)) == (True, {})
        ledger.finished(Done("put", span, "tag", "etag"))
        assert (span in ledger.begun, dict(ledger.done)) == (False, {("put", span, "tag"): "etag"})
        ledger.starting("put", span)
    assert reread(path)[2] == {span}, "it was begun once more"


def test_a_session_of_a_pipe_and_of_a_full_upload_is_read_back(path: Path) -> None:
    session = Session("http://127.0.0.1:1/a/b/c", upload="u", lease="l", size_bytes=512)
    with Ledger.open(path) as ledger:
        ledger.begin(session)
    assert reread(path)[0] == session


def test_the_seal_keeps_the_map(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.begin(SESSION)
        ledger.sealed("etag", "sha256:d", b"\0map\n")
        assert ledger.seal == Sealed("etag", "sha256:d", b"\0map\n")
        assert "etag" in ledger.etags


# Torn, changed, foreign ----------------------------------------------------------------------------------------------


def test_wherever_it_is_torn_the_whole_lines_before_are_believed(path: Path, states: list[tuple[object, ...]]) -> None:
    whole = path.read_bytes()
    ends = {at + near for at, byte in enumerate(whole) if byte == ord("\n") for near in (-1, 0, 1)}
    for cut in sorted({*range(0, len(whole), 5), *ends} - {len(whole)}):
        path.write_bytes(whole[:cut])
        with Ledger.open(path) as ledger:
            assert state(ledger) == states[whole.count(b"\n", 0, cut)], cut
            ledger.wrote("after")
            after = state(ledger)
        assert reread(path) == after, f"what was added to a ledger torn at {cut} is lost"


def test_whatever_byte_is_changed_the_lines_before_it_are_believed(
    path: Path, states: list[tuple[object, ...]]
) -> None:
    whole = path.read_bytes()
    for at in range(len('["flight upload ledger"'), len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert reread(path) == states[whole.count(b"\n", 0, at)], at


def edited(lines: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    for at in range(2, len(lines) - 1):
        yield f"line {at} is gone", lines[:at] + lines[at + 1 :]
        yield f"line {at} stands twice", [*lines[: at + 1], *lines[at:]]
        yield f"line {at} is swapped with the next", [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]


def test_a_line_counts_only_after_the_one_that_it_was_written_after(
    path: Path, states: list[tuple[object, ...]]
) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    for what, changed in edited(lines):
        path.write_bytes(b"".join(changed))
        sound = next(at for at, (one, other) in enumerate(zip(changed, lines, strict=False)) if one != other)
        assert reread(path) == states[sound], what


def test_a_ledger_of_another_edition_is_begun_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(journal, "EDITION", journal.EDITION + 1)
        with Ledger.open(path) as ledger:
            ledger.begin(SESSION)
    assert reread(path) == EMPTY
    with Ledger.open(path) as ledger:
        ledger.begin(SESSION)
    assert reread(path)[0] == SESSION


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(["session", {"url": "u", "file": None}], id="a session with fields missing"),
        pytest.param(["session", {}], id="a session of nothing"),
        pytest.param(["session", {**vars(SESSION), "file": None, "size_bytes": "many"}], id="a size that is no number"),
        pytest.param(["begun", "copy", 0, 512], id="a kind that is not known"),
        pytest.param(["danced"], id="a word that is not known"),
    ],
)
def test_a_record_of_another_flight_makes_the_whole_ledger_unbelievable(path: Path, record: list[object]) -> None:
    with Ledger.open(path) as ledger:
        ledger.begin(SESSION)
    kept = Journal(path)
    kept.add(record)
    kept.close()
    assert reread(path) == EMPTY


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"conectix" + bytes(504), id="a footer"),
        pytest.param(bytes(8192), id="zeros, a disk perhaps"),
        pytest.param(b"[1, 2, 3]\n", id="other JSON"),
        pytest.param(b'["flight log"]\n', id="nearly ours"),
    ],
)
def test_what_is_no_ledger_is_refused_and_stays(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(FlightError, match="is not a ledger"):
        Ledger.open(path)
    assert path.read_bytes() == content


def test_a_device_is_no_ledger() -> None:
    with pytest.raises(FlightError, match="is not a ledger"):
        Ledger.open(Path("/dev/zero"))


def test_zeros_that_a_power_cut_left_of_a_new_ledger_are_a_new_ledger(path: Path) -> None:
    path.write_bytes(bytes(120))
    assert reread(path) == EMPTY


# One writer ----------------------------------------------------------------------------------------------------------


def test_the_second_writer_is_told_the_pid_of_the_first(path: Path) -> None:
    with Ledger.open(path) as ledger:
        for begin in (lambda: None, lambda: ledger.begin(SESSION), lambda: ledger.begin(SESSION)):
            begin()
            with pytest.raises(BusyError, match=f"process {os.getpid()} "):
                Ledger.open(path)
        ledger.wrote("etag")
    assert reread(path)[0] == SESSION


def test_nobody_slips_in_while_a_session_begins(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.begin(SESSION)
        over = threading.Event()

        def begin_on() -> None:
            for _ in range(60):
                ledger.begin(SESSION)
            over.set()

        beginning = threading.Thread(target=begin_on)
        beginning.start()
        while not over.is_set():
            with pytest.raises(BusyError):
                Ledger.open(path)
        beginning.join()


def test_a_ledger_that_is_held_and_still_empty_is_busy_too(path: Path) -> None:
    with Ledger.open(path):
        os.truncate(path, 0)
        with pytest.raises(BusyError, match="another process"):
            Ledger.open(path)


def test_beginning_anew_leaves_nothing_of_the_old_nor_of_what_a_kill_left(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.begin(SESSION)
        ledger.sealed("etag", "sha256:d", None)
    (path.parent / f".arriving-0123456789ab-{path.name}").write_text("torn")
    other = path.parent / f".arriving-0123456789ab-a-{path.name}"
    other.write_text("another ledger's")
    with Ledger.open(path) as ledger:
        ledger.begin(SESSION)
        assert state(ledger) == (SESSION, {}, set(), set(), None)
    assert set(path.parent.iterdir()) == {path, other}


def test_a_forgotten_ledger_is_gone_and_may_begin_again(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.begin(SESSION)
        ledger.forget()
        ledger.forget()
        assert not path.exists()
        assert state(ledger) == EMPTY
        with Ledger.open(path) as other:
            other.begin(SESSION)
            with pytest.raises(BusyError):
                ledger.begin(SESSION)
        ledger.begin(SESSION)
        assert ledger.session == SESSION
    assert reread(path)[0] == SESSION


def test_many_threads_note_side_by_side(path: Path) -> None:
    def note(thread: int) -> None:
        for at in range(100):
            span = Span((thread * 100 + at) * 512, (thread * 100 + at + 1) * 512)
            ledger.starting("put", span)
            if at % 2:
                ledger.finished(Done("put", span, "tag", f"etag {thread} {at}"))

    with Ledger.open(path) as ledger:
        ledger.begin(SESSION)
        threads = [threading.Thread(target=note, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        last = state(ledger)
    assert reread(path) == last
    assert (len(ledger.done), len(ledger.begun), len(ledger.etags)) == (400, 400, 400)


# The disk ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def filling(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """`filling(n)`: of the next write the disk takes n bytes, then it is full; `filling(None)`: it has space again."""
    write, left = os.write, list[int]()

    def limited(fd: int, content: bytes) -> int:
        if not left:
            return write(fd, content)
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        wrote = write(fd, content[: left[0]])
        left[0] = 0
        return wrote

    monkeypatch.setattr(os, "write", limited)
    return lambda count: left.__setitem__(slice(None), [] if count is None else [count])


@pytest.mark.parametrize("taken", [0, 1, 40])
def test_a_full_disk_is_said_so_and_the_ledger_stays_readable(
    path: Path, filling: Callable[[int | None], None], taken: int
) -> None:
    with Ledger.open(path) as ledger:
        ledger.begin(SESSION)
        ledger.wrote("before")
        before = state(ledger)
        filling(taken)
        for note in (lambda: ledger.wrote("x" * 99), lambda: ledger.begin(SESSION)):
            with pytest.raises(SpaceError, match=r"no space for the ledger demo\.ledger"):
                note()
        assert state(ledger) == before
        assert list(path.parent.iterdir()) == [path]
        filling(None)
        ledger.wrote("after")
        after = state(ledger)
    assert reread(path) == after


@pytest.mark.parametrize("taken", [0, 7])
def test_a_ledger_that_cannot_even_begin_lets_go_of_its_file(
    path: Path, filling: Callable[[int | None], None], taken: int
) -> None:
    for again in range(2):  # the first time there is no file, the second time an empty one
        filling(taken)
        with pytest.raises(SpaceError):
            Ledger.open(path)
        filling(None)
        assert again or path.exists()
    assert reread(path) == EMPTY


def test_where_nothing_can_be_written_the_path_is_to_blame(path: Path) -> None:
    path.write_text("a file")
    with pytest.raises(FlightError, match="below cannot be written") as refused:
        Ledger.open(path / "below")
    assert str(path) in refused.value.why


def test_the_disk_is_asked_for_its_word_once_a_second_and_at_the_seal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, synced = [100.0], list[float]()
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(now[0]))
    with Ledger(path, clock=lambda: now[0]) as ledger:
        ledger.begin(SESSION)
        for now[0] in (100.5, 101.0, 101.5, 101.9, 102.5):
            ledger.starting("put", Span(0, 512))
        assert synced == [101.0, 102.5]
        ledger.sealed("etag", "sha256:d", None)
        assert synced == [101.0, 102.5, 102.5]
