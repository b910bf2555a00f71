"""What makes the image of a copy of its base, as values: new blocks are put, moved ones written by the service, freed
ones cleared; what is at its place stays.

`matching` says what becomes of each block; here it is weighed what is cheaper sent along with its neighbours.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from flight.workflows.digest import GRAIN
from flight.workflows.kit.progress import human_bytes
from flight.workflows.upload.blockmap import BlockMap
from flight.workflows.upload.matching import Fate, Run, matched
from flight.workflows.upload.plan import Action, Clear, Move, Put, Span, merge, pieces, subtract

REQUEST: Final = 32 << 10
"""The bytes that a request is worth: 20 ms of it, eight at a time, over a line of 100 Mbit/s. No more are sent to save one,
and a Move of as many is never sent instead."""
_NEVER: Final = float("inf")


@dataclass(frozen=True)
class Summary:
    """A delta's bytes by what becomes of them; `kept` are data that stay where they are."""

    put: int
    moved: int
    cleared: int
    kept: int

    def __str__(self) -> str:
        return (
            f"{human_bytes(self.put)} to send, {human_bytes(self.moved)} moved by the service, "
            f"{human_bytes(self.cleared)} cleared, {human_bytes(self.kept)} kept"
        )


def plan_delta(new: BlockMap, base: BlockMap, *, pages: Iterable[Span], can_move: bool = True) -> tuple[Action, ...]:
    """What makes `new` (whole pages) of a copy of `base` that has the page ranges `pages`; ascending, no two overlap.

    The copy has the new image's size already. ValueError where the base is larger than that.
    """
    if base.size_bytes > new.size_bytes:
        raise ValueError(f"a base of {base.size_bytes} bytes is too large for an image of {new.size_bytes}")
    runs = matched(new, base, can_move=can_move)
    return tuple(_actions(tuple(_parts(runs, size_bytes=new.size_bytes, pages=merge(pages)))))


def sent_bytes(actions: Iterable[Action]) -> int:
    """What of it leaves this host."""
    return sum(action.span.size for action in actions if isinstance(action, Put))


def sum_up(actions: Iterable[Action], new: BlockMap) -> Summary:
    """A plan in four numbers."""
    done = tuple(actions)
    put, moved, cleared = (sum(one.span.size for one in done if isinstance(one, kind)) for kind in (Put, Move, Clear))
    kept = subtract(new.spans(), (one.span for one in done))
    return Summary(put, moved, cleared, sum(span.size for span in kept))


@dataclass(frozen=True, slots=True)
class _Part:
    """A run in bytes; `source` is the offset in the base."""

    fate: Fate
    span: Span
    source: int

    @property
    def alone(self) -> float:
        """The cost of it where it is not sent, in bytes."""
        if self.fate is Fate.PUT:
            return _NEVER
        return 0 if self.fate is Fate.KEEP else REQUEST

    @property
    def sent(self) -> float:
        """The cost of it within a Put."""
        size = self.span.size
        return _NEVER if self.fate is Fate.MOVE and size >= REQUEST else size

    def own_actions(self) -> Iterator[Action]:
        """What is done where it is not sent."""
        if self.fate is Fate.FREE:
            yield Clear(self.span)
        if self.fate is Fate.MOVE:
            for piece in pieces(self.span):
                yield Move(piece, self.source + piece.start - self.span.start)


def _parts(runs: Iterable[Run], *, size_bytes: int, pages: Sequence[Span]) -> Iterator[_Part]:
    for run in runs:
        span = Span(run.start * GRAIN, min(run.stop * GRAIN, size_bytes))
        if run.fate is Fate.FREE:
            span = _paged(span, pages)
        if span.size:
            yield _Part(run.fate, span, run.source * GRAIN)


def _paged(span: Span, pages: Sequence[Span]) -> Span:
    """From the first page in it to the last; an empty span where there is none."""
    first = bisect_right(pages, span.start, key=lambda page: page.stop)
    after = bisect_left(pages, span.stop, key=lambda page: page.start)
    if first >= after:
        return Span(span.start, span.start)
    return Span(max(span.start, pages[first].start), min(span.stop, pages[after - 1].stop))


def _actions(parts: Sequence[_Part]) -> Iterator[Action]:
    put = Span(0, 0)
    for part, is_sent in zip(parts, _sent(parts), strict=True):
        if is_sent and put.size and part.span.start - put.stop <= REQUEST:
            put = Span(put.start, part.span.stop)
            continue
        yield from map(Put, pieces(put))
        put = part.span if is_sent else Span(0, 0)
        if not is_sent:
            yield from part.own_actions()
    yield from map(Put, pieces(put))


def _sent(parts: Sequence[_Part]) -> list[bool]:
    """Which parts are sent, so that requests (at REQUEST each) and bytes cost least together.

    The cheapest way to each part, once with it sent and once without, and then the better one back from the end.
    """
    without, within, stop = 0.0, _NEVER, 0
    ways: list[tuple[bool, bool]] = []
    for part in parts:
        joined = within + min(part.span.start - stop, REQUEST)
        begun = without + REQUEST
        ways.append((within < without, joined <= begun))
        without, within = min(without, within) + part.alone, min(joined, begun) + part.sent
        stop = part.span.stop
    is_sent, chosen = within < without, []
    for after_not_sent, after_sent in reversed(ways):
        chosen.append(is_sent)
        is_sent = after_sent if is_sent else after_not_sent
    return chosen[::-1]
