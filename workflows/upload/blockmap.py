"""What an image holds, as one short digest for each 4 KiB of it: tonight's map and last night's tell what is new.

A file system moves what it holds in whole blocks of 4 KiB: matched at 64 KiB, almost nothing of a rebuild is recognised.
Blocks of zeros are not in the map. A map takes 20 bytes a block, in memory and in a blob.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from flight.workflows.digest import GRAIN, HASH, PREFIX
from flight.workflows.upload.plan import Span

DIGEST: Final = 16
"""Bytes kept of a block's SHA-256: that any two blocks of two images of 2 TiB share them is one chance in 10^20."""
_NO_HASH: Final = bytes(HASH)
_MARK: Final = b"flight block map"
_EDITION: Final = 1
_HEAD: Final = struct.Struct("<16sIIQQQ")
"""The mark, edition and grain; then the image's size in bytes, how many runs, and how many blocks."""
_RUN: Final = struct.Struct("<II")
_SUM: Final = 32


@dataclass(frozen=True)
class BlockMap:
    """The digests of an image of `size_bytes`: of block `numbers[i]`, the 16 bytes at `digests[16 * i]`; ascending.

    A block's number times GRAIN is its offset; the last block of the image may be short.
    """

    grain: ClassVar[int] = GRAIN
    size_bytes: int
    numbers: array[int]
    digests: bytes

    def __repr__(self) -> str:
        return f"BlockMap({len(self.numbers)} blocks of {self.size_bytes} bytes)"

    def digest_at(self, block: int) -> bytes | None:
        """None: it is all zeros, or beyond the end."""
        at = bisect_left(self.numbers, block)
        if at == len(self.numbers) or self.numbers[at] != block:
            return None
        return self.slice(at, at + 1)

    def blocks(self) -> Iterator[int]:
        """The numbers of the blocks that are not zero, ascending."""
        return iter(self.numbers)

    def runs(self) -> Iterator[tuple[int, int]]:
        """The same as (first block, count) of blocks that follow one another."""
        first = stop = -1
        for number in self.numbers:
            if number != stop:
                if stop > first:
                    yield first, stop - first
                first = number
            stop = number + 1
        if stop > first:
            yield first, stop - first

    def spans(self) -> Iterator[Span]:
        """The same in bytes, not beyond the image's end."""
        return (Span(first * GRAIN, min((first + count) * GRAIN, self.size_bytes)) for first, count in self.runs())

    def slice(self, start: int, stop: int) -> bytes:
        """The digests from the `start`th block of the map up to, not including, the `stop`th."""
        return self.digests[start * DIGEST : stop * DIGEST]


class MapBuilder:
    """Takes what an image holds, piece by piece in any order, from any number of threads."""

    def __init__(self) -> None:
        self._pieces: list[tuple[int, int, array[int], bytes]] = []
        """From which offset, to which, and the blocks in between."""
        self._lock = threading.Lock()

    def add(self, span: Span, hashes: bytes) -> None:
        """The hashes of its grains, as `digest.grain_hashes` takes them.

        It starts where a block does; so it stops, unless it is the image's last. No block comes twice.
        """
        if span.start % GRAIN:
            raise ValueError(f"a piece begins at byte {span.start}, which is within a block")
        numbers, digests, first = array("I"), bytearray(), span.start // GRAIN
        for number, at in enumerate(range(0, len(hashes), HASH), first):
            if not hashes.startswith(_NO_HASH, at):
                numbers.append(number)
                digests += hashes[at : at + DIGEST]
        with self._lock:
            self._pieces.append((span.start, span.stop, numbers, bytes(digests)))

    def build(self, size_bytes: int) -> BlockMap:
        """The map of an image of that size. What was not added is zeros. ValueError where the pieces do not fit."""
        with self._lock:
            pieces = sorted(self._pieces, key=lambda piece: piece[:2])
        _check_fit(((start, stop) for start, stop, _, _ in pieces), size_bytes)
        numbers = array("I")
        for _, _, more, _ in pieces:
            numbers.extend(more)
        return BlockMap(size_bytes, numbers, b"".join(digests for _, _, _, digests in pieces))


def to_bytes(blocks: BlockMap) -> bytes:
    """A header, the runs (first block, count), the digests, the SHA-256 of all this; little-endian, the same for equal maps."""
    runs = b"".join(itertools.starmap(_RUN.pack, blocks.runs()))
    head = _HEAD.pack(_MARK, _EDITION, GRAIN, blocks.size_bytes, len(runs) // _RUN.size, len(blocks.numbers))
    body = head + runs + blocks.digests
    return body + hashlib.sha256(body).digest()


def seal_of(raw: bytes) -> str:
    """What a blob's seal says of its map's bytes: `sha256:` and 64 hex digits."""
    return PREFIX + hashlib.sha256(raw).hexdigest()


def from_bytes(raw: bytes) -> BlockMap:
    """What `to_bytes` wrote. ValueError where these bytes are something else, or not all of it."""
    if len(raw) < _HEAD.size + _SUM:
        raise ValueError("too short for a map of blocks")
    mark, edition, grain, size_bytes, runs, count = _HEAD.unpack_from(raw)
    if (mark, edition, grain) != (_MARK, _EDITION, GRAIN):
        raise ValueError("not a map of blocks that this edition can read")
    digests_at = _HEAD.size + runs * _RUN.size
    if len(raw) != digests_at + count * DIGEST + _SUM or hashlib.sha256(raw[:-_SUM]).digest() != raw[-_SUM:]:
        raise ValueError("a map of blocks that is torn")
    numbers = _numbers(raw[_HEAD.size : digests_at], count=count, blocks=-(-size_bytes // GRAIN))
    return BlockMap(size_bytes, numbers, raw[digests_at:-_SUM])


def _numbers(runs: bytes, *, count: int, blocks: int) -> array[int]:
    numbers, stop = array("I"), -1
    for first, length in _RUN.iter_unpack(runs):
        if first <= stop or not length or first + length > blocks or len(numbers) + length > count:
            raise ValueError("a map of blocks whose runs do not fit")
        stop = first + length
        numbers.extend(range(first, stop))
    if len(numbers) != count:
        raise ValueError("a map of blocks whose runs do not fit")
    return numbers


def _check_fit(pieces: Iterator[tuple[int, int]], size_bytes: int) -> None:
    end = 0
    for start, stop in pieces:
        if start < end:
            raise ValueError(f"the block at byte {start} was added twice")
        if stop > size_bytes:
            raise ValueError(f"a piece ends at byte {stop} of an image of {size_bytes}")
        if stop % GRAIN and stop != size_bytes:
            raise ValueError(f"a piece ends at byte {stop}, which is within a block")
        end = stop
