"""What is to be done to a page blob, as values: extents of data become reads, what was read becomes actions on spans.

A block of the digest, 64 KiB, is looked at as a whole: it is all zeros, or it is sent. Everything is a `Span` of byte
offsets that carries its own place: nobody counts offsets. What a difference of two images asks for: `delta`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from flight.workflows.digest import BLOCK

PAGE: Final = 512
MOST: Final = 4 << 20
"""A page run starts and ends on a page and holds at most 4 MiB. Source: "Put Page (REST API)", Remarks."""
BRIDGE: Final = 64 << 10
"""A hole up to this long is sent along as zeros. The service takes 500 requests and 60 MiB a second for each blob
("Scalability and performance targets for Blob storage"), so that a request costs as much as 123 KiB."""
_ZERO: Final = bytes(BLOCK)


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """The bytes from `start` up to, not including, `stop`."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    def __str__(self) -> str:
        return f"bytes {self.start}-{self.stop - 1}"


@dataclass(frozen=True, slots=True)
class Put:
    """Send what the file holds here: whole pages, at most `MOST` bytes."""

    span: Span


@dataclass(frozen=True, slots=True)
class Move:
    """Let the service write here what the base holds from the offset `source` on: whole pages, at most `MOST` bytes.

    The base is another blob than the one that is written: no Move reads what another action wrote.
    """

    span: Span
    source: int


@dataclass(frozen=True, slots=True)
class Clear:
    """Take the pages away, so that zeros are read here: whole pages, as many as there are.

    Source: "Put Page (REST API)", Remarks: a clear may cover the whole blob.
    """

    span: Span


Action = Put | Move | Clear
"""What the blob holds at the span afterwards is what the file holds there, whichever it is. No two overlap."""


def merge(spans: Iterable[Span], *, bridge: int = 0) -> tuple[Span, ...]:
    """The same bytes in ascending order, with spans joined that overlap, touch, or are at most `bridge` bytes apart."""
    merged: list[Span] = []
    for span in sorted(span for span in spans if span.size):
        if merged and span.start <= merged[-1].stop + bridge:
            merged[-1] = Span(merged[-1].start, max(merged[-1].stop, span.stop))
        else:
            merged.append(span)
    return tuple(merged)


def pieces(span: Span, most: int = MOST) -> Iterator[Span]:
    """The span cut into spans of `most` bytes; the last one may be shorter."""
    for start in range(span.start, span.stop, most):
        yield Span(start, min(start + most, span.stop))


def subtract(spans: Iterable[Span], holes: Iterable[Span]) -> tuple[Span, ...]:
    """The bytes of `spans` that are in no hole, merged."""
    left: list[Span] = []
    out, first = merge(holes), 0
    for span in merge(spans):
        start = span.start
        while first < len(out) and out[first].start < span.stop:
            hole = out[first]
            if start < hole.start:
                left.append(Span(start, hole.start))
            start = max(start, hole.stop)
            if hole.stop > span.stop:  # it goes on in the next span
                break
            first += 1
        if start < span.stop:
            left.append(Span(start, span.stop))
    return tuple(left)


def pages_after(there: Iterable[Span], actions: Iterable[Action]) -> tuple[Span, ...]:
    """The page ranges that the service lists of a blob that had those `there`, when the actions are done; merged."""
    done = tuple(actions)
    cleared = (action.span for action in done if isinstance(action, Clear))
    written = (action.span for action in done if not isinstance(action, Clear))
    return merge((*subtract(there, cleared), *written))


def plan_reads(extents: Iterable[Span], *, size: int) -> tuple[Span, ...]:
    """What to read of a file of `size` bytes (whole pages) that holds data in these extents, in ascending order.

    Whole blocks (the file's last one may be short), no byte twice, none above 4 MiB.
    """
    whole = (Span(one.start // BLOCK * BLOCK, min(-(-one.stop // BLOCK) * BLOCK, size)) for one in extents)
    return tuple(piece for run in merge(whole, bridge=BRIDGE) for piece in pieces(run))


def plan_puts(read: Span, content: bytes) -> tuple[Span, ...]:
    """The page runs to send of what was read: its blocks that are not zero, short holes between them included."""
    return merge(data_blocks(read, content), bridge=BRIDGE)


def data_blocks(read: Span, content: bytes) -> Iterator[Span]:
    """The blocks of what was read that are not zero.

    A constant is compared by memcmp, without a copy: 0.05 ms for 4 MiB, where `any(content)` takes 17 ms.
    """
    for start in range(0, len(content), BLOCK):
        stop = min(start + BLOCK, len(content))
        zero = _ZERO if stop - start == BLOCK else _ZERO[: stop - start]
        if not content.startswith(zero, start):
            yield Span(read.start + start, read.start + stop)
