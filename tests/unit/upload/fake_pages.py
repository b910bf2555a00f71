"""What the fake service keeps of a blob: its pages, and who holds a lease on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

PAGE = 512
CHUNK = 64 << 10
FULL = (1 << CHUNK // PAGE) - 1
"""One bit for each page of a chunk."""


class Pages:
    """The bytes of a page blob, and which of its pages were written. What was not written takes no memory."""

    def __init__(self) -> None:
        self._chunks: dict[int, tuple[bytearray, int]] = {}

    def write(self, start: int, content: bytes) -> None:
        view = memoryview(content)
        for number, left, right in _parts(start, start + len(content)):
            held, written = self._chunks.get(number) or (bytearray(CHUNK), 0)
            at = number * CHUNK + left - start
            held[left:right] = view[at : at + right - left]
            self._chunks[number] = (held, written | _bits(left, right))

    def clear(self, start: int, stop: int) -> None:
        for number, left, right in _parts(start, stop):
            if found := self._chunks.get(number):
                held, written = found
                held[left:right] = bytes(right - left)
                if written := written & ~_bits(left, right):
                    self._chunks[number] = (held, written)
                else:
                    del self._chunks[number]

    def read(self, start: int, stop: int) -> bytes:
        parts = []
        for number, left, right in _parts(start, stop):
            found = self._chunks.get(number)
            parts.append(bytes(found[0][left:right]) if found else bytes(right - left))
        return b"".join(parts)

    def ranges(self) -> list[tuple[int, int]]:
        """Where pages were written: start and stop, in order, merged."""
        merged: list[tuple[int, int]] = []
        for number in sorted(self._chunks):
            for left, right in _runs(self._chunks[number][1]):
                start, stop = number * CHUNK + left, number * CHUNK + right
                if merged and merged[-1][1] == start:
                    merged[-1] = (merged[-1][0], stop)
                else:
                    merged.append((start, stop))
        return merged

    def copy(self) -> Pages:
        other = Pages()
        other._chunks = {number: (bytearray(held), bits) for number, (held, bits) in self._chunks.items()}
        return other


def _parts(start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The chunks that a range touches, with where it starts and stops in each."""
    for number in range(start // CHUNK, -(-stop // CHUNK)):
        at = number * CHUNK
        yield number, max(start - at, 0), min(stop - at, CHUNK)


def _bits(left: int, right: int) -> int:
    return ((1 << right // PAGE) - 1) & ~((1 << left // PAGE) - 1)


def _runs(written: int) -> Iterator[tuple[int, int]]:
    if written == FULL:
        yield 0, CHUNK
        return
    for run in re.finditer("1+", bin(written)[:1:-1]):
        yield run.start() * PAGE, run.end() * PAGE


@dataclass
class Lease:
    """The lease on a blob. `ends` is None for one without an end. A `broken` one is breaking until it ends."""

    clock: Callable[[], float]
    id: str = ""
    seconds: int = 0
    ends: float | None = None
    is_broken: bool = False

    @property
    def state(self) -> str:
        if not self.id:
            return "available"
        is_over = self.ends is not None and self.clock() >= self.ends
        if self.is_broken:
            return "broken" if is_over else "breaking"
        return "expired" if is_over else "leased"

    @property
    def is_held(self) -> bool:
        return self.state in ("leased", "breaking")

    def begin(self, lease_id: str, seconds: int) -> None:
        self.id, self.seconds, self.is_broken = lease_id, seconds, False
        self.ends = None if seconds == -1 else self.clock() + seconds

    def end(self) -> None:
        self.id, self.ends, self.is_broken = "", None, False

    def was_written(self) -> None:
        """A write after the end of a lease leaves nothing of it: it can not be renewed."""
        if not self.is_held:
            self.end()


@dataclass
class Blob:
    """One blob. A block blob is the bytes from 0 to `size`."""

    kind: str
    size: int
    etag: str
    written_at: float
    lease: Lease
    metadata: dict[str, str] = field(default_factory=dict)
    pages: Pages = field(default_factory=Pages)
    content_md5: str = ""
    copy_id: str = ""
    copy_status: str = ""
    copy_source: str = ""
    copy_polls: int = 0
    """How often it is yet looked at before its copy is done."""
    when_copied: Callable[[], None] | None = None

    @property
    def is_pending(self) -> bool:
        return self.copy_status == "pending"
