"""What is sent, and is to be in the blob in the end: a disk file, read where it holds data, by several threads at once."""

from __future__ import annotations

import collections
import contextlib
import os
import shlex
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flight.workflows.kit.errors import FlightError, os_errors_explained
from flight.workflows.upload.disk import Shape, is_raw, plan_raw
from flight.workflows.upload.plan import Span, plan_reads
from flight.workflows.vhd.acceptance import read_ends
from flight.workflows.vhd.sparse import extents, opened, read_exactly


@dataclass(frozen=True)
class FileState:
    """Who a file is, and when it was last written to: a time of modification can be set back, that of change cannot."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    dev: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileState:
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)


class Feed(Protocol):
    """Whatever is to be sent, piece by piece."""

    def take(self) -> tuple[Span, bytes] | None:
        """What is next, and what it holds; None when all is taken. Called by several threads at once."""
        ...


class FileFeed:
    """A file's reads, each given once; read outside of the lock, so that threads read side by side."""

    def __init__(self, source: FileSource, reads: Iterable[Span] | None = None) -> None:
        """`reads`: others than the file's own."""
        self._source, self._lock = source, threading.Lock()
        self._left = collections.deque(source.reads() if reads is None else reads)

    def take(self) -> tuple[Span, bytes] | None:
        with self._lock:
            if not self._left:
                return None
            span = self._left.popleft()
        return span, self._source.read(span)


class FileSource:
    """An open file as a blob of a certain shape, its footer included. Safe for several threads."""

    def __init__(self, path: Path, fd: int, state: FileState, shape: Shape) -> None:
        self.name, self.state = str(path), state  # the name is for messages
        self.size_bytes: int = shape.size_bytes
        self._path, self._fd, self._shape = path, fd, shape

    def reads(self) -> Iterator[Span]:
        """What is not a hole, ascending: whole blocks of 64 KiB (the last may be short), at most 4 MiB each."""
        added = (Span(patch.offset, patch.stop) for patch in self._shape.patches)
        with os_errors_explained(f"read {self.name}"):
            stored = [Span(one.start, one.stop) for one in extents(self._fd, 0, self.state.size)]
        return iter(plan_reads((*stored, *added), size=self.size_bytes))

    def read(self, span: Span) -> bytes:
        """All of a span. Raises FlightError where the file was cut meanwhile."""
        if not 0 <= span.start <= span.stop <= self.size_bytes:
            raise ValueError(f"{span} of {self.size_bytes}")
        wanted = max(0, min(span.stop, self.state.size) - span.start)
        with os_errors_explained(f"read {self.name}"):
            content = read_exactly(self._fd, span.start, wanted)
        if len(content) != wanted:
            raise _changed(self._path, f"it was cut short: of {span} only {len(content)} are there")
        return self._shape.applied(content, span.start, span.stop)

    def check_unchanged(self) -> None:
        """Raises FlightError where the file is not what it was when it was opened."""
        try:
            now = FileState.of(os.fstat(self._fd)), FileState.of(os.stat(self._path))
        except FileNotFoundError:
            raise _changed(self._path, "it is gone") from None
        except OSError as error:
            raise _changed(self._path, f"it cannot be looked at any more: {error.strerror}") from None
        if now != (self.state, self.state):
            raise _changed(self._path, "its size, times or inode are not what they were")


@contextlib.contextmanager
def open_source(path: Path) -> Iterator[FileSource]:
    """A fixed VHD as it is, or a raw disk with what it lacks; one FlightError for anything else, and what mends it."""
    with opened(path) as fd:
        state = FileState.of(os.fstat(fd))
        ends = read_ends(path)
        shape = Shape(state.size)
        if is_raw(ends):
            shape = plan_raw(
                lambda at, length: read_exactly(fd, at, length), state.size, name=ends.name, changed_ns=state.mtime_ns
            )
        source = FileSource(path, fd, state, shape)
        source.check_unchanged()
        yield source


def _changed(path: Path, why: str) -> FlightError:
    return FlightError(
        f"{path} changed while it was uploaded",
        why=f"{why}; the blob is left unfinished, and nobody uses it",
        fix=f"find out who writes to it (fuser -v {shlex.quote(str(path))}), then run this again",
    )
