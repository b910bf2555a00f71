"""A disk read on its way out: hashed as it passes by, or read whole before anything is sent."""

from __future__ import annotations

import collections
import hashlib
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from flight.workflows.digest import GRAIN, HASH
from flight.workflows.kit.progress import Progress, Told, quiet
from flight.workflows.upload.plan import Action, Put, Span, pieces, plan_puts
from flight.workflows.upload.sending import Take, Work, tag_of, work_on
from flight.workflows.upload.source import FileFeed, FileSource
from flight.workflows.upload.tally import Hashing, Tally

if TYPE_CHECKING:
    from flight.workflows.upload.pipe import PipeSource
    from flight.workflows.upload.source import Feed

READERS: Final = 4
"""Reading is what they do side by side; more than four only wait for memory."""


def take_all(source: FileSource | PipeSource, hashing: Hashing, tally: Tally) -> Take:
    """Everything that is not zero, hashed as it passes by."""
    feed, total = _feed(source)
    tally.begin(total_bytes=total, blob_bytes=source.size_bytes or 0)

    def take() -> Iterable[Work] | None:
        if (taken := feed.take()) is None:
            return None
        read, content = taken
        works = works_of(read, content, hashing.add(read, content))
        tally.count(zero_bytes=read.size - sum(work.action.span.size for work in works))
        return works

    return take


def _feed(source: FileSource | PipeSource) -> tuple[Feed, int]:
    """What gives the pieces, and how many bytes they will be; 0 where only the end of a pipe tells."""
    if not isinstance(source, FileSource):
        return source, 0
    reads = tuple(source.reads())
    return FileFeed(source, reads), sum(read.size for read in reads)


def works_of(read: Span, content: bytes, hashes: bytes) -> list[Work]:
    """What of a read is to be put, each with its part of the content and of the hashes."""

    def part(put: Span) -> Work:
        start, stop = put.start - read.start, put.stop - read.start
        of_put = hashes[start // GRAIN * HASH : -(-stop // GRAIN) * HASH]
        return Work(Put(put), content if put == read else content[start:stop], tag_of(of_put))

    return [part(put) for put in plan_puts(read, content)]


def take_planned(plan: Iterable[Action], source: FileSource, tally: Tally) -> Take:
    """What a plan says, each with what the file holds there."""
    left = collections.deque(plan)
    total = sum(action.span.size for action in left)
    tally.begin(total_bytes=total, blob_bytes=source.size_bytes)

    def take() -> Iterable[Work] | None:
        try:
            action = left.popleft()
        except IndexError:
            return None
        return [work_on(action, source.read)]

    return take


class WholeMd5:
    """The MD5 of all bytes of a disk, its holes too, taken beside the sending; `digest` waits for it.

    Holes are hashed as the zeros that they are: a disk of 32 GiB takes minutes, whatever it holds.
    """

    def __init__(self, source: FileSource) -> None:
        self._source, self._stopped = source, threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="content-md5")
        self._taken = self._pool.submit(self._take)

    def __enter__(self) -> WholeMd5:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stopped.set()
        self._pool.shutdown()

    def digest(self) -> bytes:
        return self._taken.result()

    def _take(self) -> bytes:
        whole = hashlib.md5(usedforsecurity=False)
        for piece in pieces(Span(0, self._source.size_bytes)):
            if self._stopped.is_set():
                break
            whole.update(self._source.read(piece))
        return whole.digest()


def read_whole(source: FileSource, *, told: Told = quiet) -> Hashing:
    """Digest and map of a disk, nothing sent. At most `READERS` times 4 MiB are in memory at once."""
    hashing, seen, stopped = Hashing(), Tally(), threading.Event()
    feed, total = _feed(source)

    def read_on() -> None:
        while not stopped.is_set() and (taken := feed.take()) is not None:
            hashing.add(*taken)
            seen.count(zero_bytes=taken[0].size)
            told(Progress(seen.zero_bytes, total, "reading the disk"))

    with ThreadPoolExecutor(READERS, thread_name_prefix="read-disk") as pool:
        try:
            for reading in [pool.submit(read_on) for _ in range(READERS)]:
                reading.result()
        finally:
            stopped.set()
    return hashing
