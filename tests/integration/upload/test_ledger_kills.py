"""The ledger's writer is killed with -9 at moments drawn by a seed, and its disk fills up: no word of his is lost."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from flight.workflows.kit.errors import BusyError
from flight.workflows.upload.ledger import Done, Ledger, Session
from flight.workflows.upload.plan import Span

THREADS = 4
FAR = 1 << 30
"""Between the first puts of two threads, in bytes."""
Tell = Callable[[int, int], None]


def span(thread: int, put: int) -> Span:
    return Span(thread * FAR + put * 512, thread * FAR + put * 512 + 512)


def session(number: int) -> Session:
    return Session("http://127.0.0.1:1/a/b/c", upload=str(number), lease="l", size_bytes=512)


def write_on(path: Path, tell: Tell) -> None:
    """Each thread goes on where it was; it tells of every step that it noted: two for each put."""
    ledger = Ledger.open(path)
    if ledger.session is None:
        ledger.begin(session(0))
    before = [sum(key[1].start // FAR == thread for key in ledger.done) for thread in range(THREADS)]

    def write(thread: int) -> None:
        for put in itertools.count(before[thread]):
            ledger.starting("put", span(thread, put))
            tell(thread, 2 * put + 1)
            ledger.finished(Done("put", span(thread, put), f"tag {put}", f"etag {thread} {put}"))
            tell(thread, 2 * put + 2)

    for thread in range(1, THREADS):
        threading.Thread(target=write, args=(thread,)).start()
    write(0)


def begin_anew(path: Path, tell: Tell) -> None:
    """One session after the other."""
    ledger = Ledger.open(path)
    for number in itertools.count(int(ledger.session.upload) + 1 if ledger.session else 0):
        ledger.begin(session(number))
        tell(0, number)


def told_until_killed(writes: Callable[[Path, Tell], None], path: Path, *, after_s: float) -> dict[int, int]:
    """Let a process write, and kill it a moment after its first word; the last number that each thread told of."""
    reading, writing = os.pipe()
    writer = os.fork()
    if writer == 0:  # a pipe takes so short a word in one piece
        try:
            writes(path, lambda thread, number: os.write(writing, f"{thread} {number}\n".encode()) and None)
        finally:
            os._exit(1)
    os.close(writing)
    killing = threading.Timer(after_s, os.kill, (writer, signal.SIGKILL))
    with open(reading) as words:
        told = {}
        for word in words:
            if not told:
                with pytest.raises(BusyError, match=f"process {writer} "):
                    Ledger.open(path)
                killing.start()
            thread, number = word.split()
            told[int(thread)] = int(number)
    killing.join()
    assert os.waitpid(writer, 0)[1] == signal.SIGKILL
    return told


def test_what_a_killed_writer_noted_is_there_and_nothing_else(tmp_path: Path) -> None:
    path, rng, puts = tmp_path / "one.ledger", random.Random(5), [0] * THREADS
    for life in range(20):
        told = told_until_killed(write_on, path, after_s=rng.uniform(0, 0.05))
        with Ledger.open(path) as ledger:
            assert ledger.session == session(0)
            done, begun, etags = dict(ledger.done), set(ledger.begun), set(ledger.etags)
        for thread in range(THREADS):
            before, puts[thread] = puts[thread], sum(key[1].start // FAR == thread for key in done)
            steps = 2 * puts[thread] + (span(thread, puts[thread]) in begun)
            said = told.get(thread, 2 * before)
            assert said <= steps <= said + 1 or (thread not in told and steps <= 2 * before + 1), (life, thread)
        every = [(thread, put) for thread in range(THREADS) for put in range(puts[thread])]
        assert done == {("put", span(*one), f"tag {one[1]}"): "etag {} {}".format(*one) for one in every}
        assert etags == set(done.values())
        assert begun <= {span(thread, puts[thread]) for thread in range(THREADS)}
    assert sum(puts) > 100


def test_a_session_begins_in_one_step_whenever_the_kill_comes(tmp_path: Path) -> None:
    path, rng = tmp_path / "one.ledger", random.Random(6)
    for _ in range(20):
        told = told_until_killed(begin_anew, path, after_s=rng.uniform(0, 0.1))
        with Ledger.open(path) as ledger:
            assert ledger.session
            assert told[0] <= int(ledger.session.upload) <= told[0] + 1
            assert ledger.session == session(int(ledger.session.upload))
            assert {*ledger.done, *ledger.begun, *ledger.etags} == set()
        assert set(tmp_path.iterdir()) == {path}, "what the kill left is swept"


FILLS = """
    import json, os, sys
    from pathlib import Path
    from flight.workflows.kit.errors import SpaceError
    from flight.workflows.upload.ledger import Ledger, Session
    from flight.workflows.upload.plan import Span

    def session(number):
        return Session("http://127.0.0.1:1/a/b/c", upload=str(number), lease="l", size_bytes=512)

    def span(put):
        return Span(put * 512, put * 512 + 512)

    path, said = Path(sys.argv[1]), open(sys.argv[2], "w")
    filler, ledger = path.with_name("filler"), Ledger.open(path)
    filler.write_bytes(bytes(20_000))
    ledger.begin(session(7))
    noted, ended = 0, None
    while not ended:
        try:
            ledger.starting("put", span(noted))
            noted += 1
        except SpaceError as error:
            ended = error
    try:
        ledger.begin(session(8))
    except SpaceError:
        print(json.dumps({"what": ended.what, "fix": ended.fix, "noted": noted}), file=said)
    ledger.close()
    filler.unlink()
    with Ledger.open(path) as ledger:
        print(json.dumps([ledger.session.upload, len(ledger.begun), max(ledger.begun).start // 512]), file=said)
        ledger.starting("put", span(1 << 20))
    with Ledger.open(path) as ledger:
        print(json.dumps([ledger.session.upload, len(ledger.begun), sorted(os.listdir(path.parent))]), file=said)
"""


def test_a_disk_that_fills_up_loses_nothing_that_was_noted(tmp_path: Path) -> None:
    folder, said = tmp_path / "small", tmp_path / "said"
    folder.mkdir()
    mounted = f'mount -t tmpfs -o size=64k none {folder} && exec "$@"'
    argv = [
        "unshare",
        "--mount",
        "sh",
        "-ec",
        mounted,
        "sh",
        sys.executable,
        "-c",
        textwrap.dedent(FILLS),
        str(folder / "one.ledger"),
        str(said),
    ]
    subprocess.run(argv, check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    full, reread, after = map(json.loads, said.read_text().splitlines())
    assert full["what"] == "no space for the ledger one.ledger"
    assert "free some space" in full["fix"]
    assert full["noted"] > 100
    assert reread == ["7", full["noted"], full["noted"] - 1]
    assert after == ["7", full["noted"] + 1, ["one.ledger"]]
