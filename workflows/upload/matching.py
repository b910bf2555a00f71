"""Which blocks of an image its base holds, there or elsewhere: two maps walked side by side, once, in linear time."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from flight.workflows.digest import GRAIN
from flight.workflows.upload.blockmap import BlockMap
from flight.workflows.upload.plan import BRIDGE

BRIDGED: Final = BRIDGE // GRAIN
"""Of so many blocks of zeros, or fewer, that lie between two runs in both images, the service makes one Move with them."""
SHORT: Final = 8
"""Runs of as many blocks may turn out to be the beginning of the next one."""


class Fate(Enum):
    """What is to become of blocks of a copy of the base."""

    KEEP = "it is there"
    PUT = "it is new"
    MOVE = "the base holds it elsewhere"
    FREE = "it was not zero, and is"


@dataclass(slots=True)
class Run:
    """The blocks from `start` up to, not including, `stop`. A MOVE reads from the base's block `source` on."""

    fate: Fate
    start: int
    stop: int
    source: int = 0
    at: int = 0
    """Where the source's last block stands in the base's map."""


def matched(new: BlockMap, base: BlockMap, *, can_move: bool) -> list[Run]:
    """What becomes of each block that either image holds, in ascending order. Without `can_move` nothing is a MOVE."""
    return _Walk(new, base, _Places(base) if can_move else None).runs()


class _Places:
    """Where the base holds a content: for each digest the first block that has it, however many do.

    A hash table with open addresses in one array: 6 to 12 bytes a block, where a dict of digests takes 100.
    """

    def __init__(self, base: BlockMap) -> None:
        self._keys = keys = _keys(base)
        self._mask = mask = (1 << (len(base.numbers) * 3 // 2).bit_length()) - 1
        self._slots = slots = array("I", bytes(4 * (mask + 1)))
        for at in range(len(base.numbers)):
            low, high = keys[2 * at], keys[2 * at + 1]
            slot = low & mask
            while (there := slots[slot]) and not (keys[2 * there - 2] == low and keys[2 * there - 1] == high):
                slot = (slot + 1) & mask
            if not there:
                slots[slot] = at + 1

    def find(self, low: int, high: int) -> int:
        """Where in the base's map; -1: nowhere."""
        keys, slots, slot = self._keys, self._slots, low & self._mask
        while (there := slots[slot]) and not (keys[2 * there - 2] == low and keys[2 * there - 1] == high):
            slot = (slot + 1) & self._mask
        return there - 1


class _Walk:
    """`here` is a place in the new image's map, `at` one in the base's; -1 is none."""

    def __init__(self, new: BlockMap, base: BlockMap, places: _Places | None) -> None:
        self._new, self._base, self._places = new, base, places
        self._new_keys, self._base_keys = _keys(new), _keys(base)
        self._runs: list[Run] = []
        self._last_move: Run | None = None

    def runs(self) -> list[Run]:
        for block, here, at in _side_by_side(self._new.numbers, self._base.numbers):
            if here < 0:
                self._free(block)
            elif at >= 0 and self._same(here, at):
                self._add(Fate.KEEP, block)
            elif self._places and (source := self._source(self._places, here)) >= 0:
                self._move(block, here, source)
            else:
                self._add(Fate.PUT, block)
        return self._runs

    def _same(self, here: int, at: int) -> bool:
        new, base = self._new_keys, self._base_keys
        return 2 * at < len(base) and new[2 * here] == base[2 * at] and new[2 * here + 1] == base[2 * at + 1]

    def _add(self, fate: Fate, block: int) -> None:
        if self._runs and (last := self._runs[-1]).fate is fate and last.stop == block:
            last.stop = block + 1
        else:
            self._runs.append(Run(fate, block, block + 1))

    def _free(self, block: int) -> None:
        """One run with the freed ones before it: what lies between them is zeros in both, and may be cleared too."""
        if self._runs and self._runs[-1].fate is Fate.FREE:
            self._runs[-1].stop = block + 1
        else:
            self._runs.append(Run(Fate.FREE, block, block + 1))

    def _source(self, places: _Places, here: int) -> int:
        """Which of the base's blocks holds this: best the one that comes after the last Move's."""
        last = self._last_move
        if last and self._same(here, last.at + 1):
            return last.at + 1
        return places.find(self._new_keys[2 * here], self._new_keys[2 * here + 1])

    def _move(self, block: int, here: int, at: int) -> None:
        last, source = self._last_move, self._base.numbers[at]
        if last and self._goes_on(last, block, at):
            if self._runs[-1] is not last:
                self._runs.pop()  # freed blocks: the Move writes the base's zeros there
            last.stop, last.at = block + 1, at
        else:
            self._last_move = run = Run(Fate.MOVE, block, block + 1, source, at)
            self._take_in(run, here)
            self._runs.append(run)

    def _goes_on(self, last: Run, block: int, at: int) -> bool:
        """Whether there are only zeros, and few, between the last Move and this block, here as in the base."""
        is_next = at == last.at + 1 and self._base.numbers[at] - last.source == block - last.start
        before = self._runs[-1]
        alone = before is last or (before.fate is Fate.FREE and self._runs[-2] is last)
        return is_next and alone and block - last.stop <= BRIDGED

    def _take_in(self, run: Run, here: int) -> None:
        """Let a new run begin further back where the base holds, before its source, what short Moves brought there.

        They began with a content that the base holds often, and of which the first place was taken.
        """
        new, base, at = self._new, self._base, run.at
        while self._runs and (before := self._runs[-1]).fate is Fate.MOVE and before.stop == run.start:
            count = before.stop - before.start
            if count > min(SHORT, here, at) or base.numbers[at - count] != run.source - count:
                return
            if new.numbers[here - count] != before.start or new.slice(here - count, here) != base.slice(at - count, at):
                return
            self._runs.pop()
            run.start, run.source, here, at = before.start, run.source - count, here - count, at - count


def _side_by_side(new: array[int], base: array[int]) -> Iterator[tuple[int, int, int]]:
    """Each block number in either, ascending, with its place in both."""
    here = at = 0
    while here < len(new) and at < len(base):
        block, other = new[here], base[at]
        if block == other:
            yield block, here, at
            here, at = here + 1, at + 1
        elif block < other:
            yield block, here, -1
            here += 1
        else:
            yield other, -1, at
            at += 1
    for rest in range(here, len(new)):
        yield new[rest], rest, -1
    for rest in range(at, len(base)):
        yield base[rest], -1, rest


def _keys(blocks: BlockMap) -> memoryview:
    """Each digest as two integers."""
    return memoryview(blocks.digests).cast("Q")
