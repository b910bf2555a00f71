"""Maps of blocks: what stands in them, made in any order by several threads, and what is not believed to be one."""

from __future__ import annotations

import dataclasses
import hashlib
import random
import struct
from array import array
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows.digest import GRAIN, grain_hashes
from flight.workflows.upload.blockmap import DIGEST, BlockMap, MapBuilder, from_bytes, seal_of, to_bytes
from flight.workflows.upload.plan import Span

PAGE = 512
images = st.builds(
    lambda kinds, last_pages: Image("".join(kinds), last_pages),
    st.lists(st.sampled_from("..ab"), max_size=40),
    st.integers(0, 7),
)


@dataclasses.dataclass(frozen=True)
class Image:
    """A letter for each block, a dot for one of zeros, and a short block at the end; shown small where a test fails."""

    kinds: str
    last_pages: int

    @property
    def content(self) -> bytes:
        blocks = (bytes(GRAIN) if kind == "." else kind.encode() * GRAIN for kind in self.kinds)
        return b"".join(blocks) + b"f" * (self.last_pages * PAGE)


def digest_of(block: bytes) -> bytes | None:
    return hashlib.sha256(block).digest()[:DIGEST] if any(block) else None


def add(builder: MapBuilder, start: int, content: bytes) -> None:
    builder.add(Span(start, start + len(content)), grain_hashes(content))


def map_of(image: bytes, *, piece_blocks: int = 7) -> BlockMap:
    """Its pieces are added from the last to the first."""
    builder, piece = MapBuilder(), piece_blocks * GRAIN
    for start in reversed(range(0, len(image), piece)):
        add(builder, start, image[start : start + piece])
    return builder.build(len(image))


@given(images, st.integers(1, 9))
def test_a_map_holds_the_digest_of_each_block_that_is_not_zero(drawn: Image, piece_blocks: int) -> None:
    image = drawn.content
    made = map_of(image, piece_blocks=piece_blocks)
    want = [digest_of(image[start : start + GRAIN]) for start in range(0, len(image), GRAIN)]
    assert [made.digest_at(block) for block in range(len(want))] == want
    assert made.digest_at(len(want)) is None, "there is nothing beyond the end"
    assert list(made.blocks()) == [block for block, digest in enumerate(want) if digest]
    assert made.size_bytes == len(image)


@given(images)
def test_runs_are_the_blocks_that_follow_one_another_and_spans_their_bytes(drawn: Image) -> None:
    image = drawn.content
    made = map_of(image)
    runs = list(made.runs())
    assert [block for first, count in runs for block in range(first, first + count)] == list(made.blocks())
    assert all(first + count < runs[next_][0] for next_, (first, count) in enumerate(runs[:-1], 1))
    spans = list(made.spans())
    assert [span.start for span in spans] == [first * GRAIN for first, _ in runs]
    assert [span.stop for span in spans] == [min((first + count) * GRAIN, len(image)) for first, count in runs]
    assert not any(
        image[at] for at in set(range(len(image))) - {at for one in spans for at in range(one.start, one.stop)}
    )


def test_threads_that_add_in_any_order_make_the_same_map() -> None:
    chance = random.Random(5)
    image = b"".join(chance.choice([bytes(GRAIN), chance.randbytes(GRAIN)]) for _ in range(600)) + b"f" * PAGE
    builder, starts = MapBuilder(), list(range(0, len(image), 5 * GRAIN))
    chance.shuffle(starts)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda start: add(builder, start, image[start : start + 5 * GRAIN]), starts))
    made = builder.build(len(image))
    assert made == map_of(image)
    assert seal_of(to_bytes(made)) == seal_of(to_bytes(map_of(image)))


def test_what_was_not_added_is_zeros() -> None:
    builder = MapBuilder()
    add(builder, 9 * GRAIN, b"a" * GRAIN)
    made = builder.build(1 << 40)
    assert list(made.runs()) == [(9, 1)]
    assert list(made.spans()) == [Span(9 * GRAIN, 10 * GRAIN)]


def test_a_map_is_shown_by_its_size_only() -> None:
    assert repr(map_of(b"a" * GRAIN)) == "BlockMap(1 blocks of 4096 bytes)"


@pytest.mark.parametrize(
    ("pieces", "size", "words"),
    [
        pytest.param([(0, 1), (1, 2), (1, 1)], 9 * GRAIN, "added twice", id="a block twice"),
        pytest.param([(2, 2), (1, 2)], 9 * GRAIN, "added twice", id="pieces that overlap"),
        pytest.param([(0, 2)], GRAIN, "of an image of 4096", id="beyond the end"),
        pytest.param([(0, 0.5)], GRAIN, "within a block", id="a short piece in the middle"),
    ],
)
def test_pieces_that_do_not_fit_make_no_map(pieces: list[tuple[int, float]], size: int, words: str) -> None:
    builder = MapBuilder()
    for first, count in pieces:
        add(builder, first * GRAIN, b"a" * int(count * GRAIN))
    with pytest.raises(ValueError, match=words):
        builder.build(size)


def test_a_piece_begins_where_a_block_does() -> None:
    with pytest.raises(ValueError, match="begins at byte 512"):
        add(MapBuilder(), 512, b"a" * GRAIN)


# as bytes ------------------------------------------------------------------------------------------------------------


@given(images)
def test_a_map_that_was_written_is_read_as_it_was(drawn: Image) -> None:
    image = drawn.content
    made = map_of(image)
    raw = to_bytes(made)
    assert from_bytes(raw) == made
    assert to_bytes(from_bytes(raw)) == raw
    assert seal_of(raw) == "sha256:" + hashlib.sha256(raw).hexdigest()


def test_a_written_map_takes_sixteen_bytes_a_block_and_eight_a_run() -> None:
    one, many = (to_bytes(map_of(b"a" * (count * GRAIN))) for count in (1, 1001))
    assert len(many) - len(one) == 1000 * DIGEST
    apart = to_bytes(map_of((b"a" * GRAIN + bytes(GRAIN)) * 2))
    assert len(apart) - len(one) == DIGEST + 8


@settings(max_examples=40)
@given(images, st.data())
def test_a_map_that_is_torn_or_flipped_anywhere_is_refused(drawn: Image, draw: st.DataObject) -> None:
    image = drawn.content
    raw = bytearray(to_bytes(map_of(image)))
    with pytest.raises(ValueError, match="map of blocks"):
        from_bytes(bytes(raw[: draw.draw(st.integers(0, len(raw) - 1))]))
    with pytest.raises(ValueError, match="map of blocks"):
        from_bytes(bytes(raw) + b"\0")
    raw[draw.draw(st.integers(0, len(raw) - 1))] ^= 1 << draw.draw(st.integers(0, 7))
    with pytest.raises(ValueError, match="map of blocks"):
        from_bytes(bytes(raw))


@pytest.mark.parametrize(
    ("numbers", "size"),
    [
        pytest.param([0, 5], 5 * GRAIN, id="a block beyond the end"),
        pytest.param([3, 1], 9 * GRAIN, id="not ascending"),
        pytest.param([2, 2], 9 * GRAIN, id="one block twice"),
    ],
)
def test_a_whole_map_whose_blocks_make_no_sense_is_refused(numbers: list[int], size: int) -> None:
    raw = to_bytes(BlockMap(size, array("I", numbers), bytes(range(32))))
    with pytest.raises(ValueError, match="do not fit"):
        from_bytes(raw)


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param([(0, 1), (1, 1)], id="two runs that touch"),
        pytest.param([(0, 2), (3, 0)], id="a run of nothing"),
        pytest.param([(0, 3)], id="more blocks than it says"),
        pytest.param([(0, 1)], id="fewer blocks than it says"),
        pytest.param([(0, 2**32 - 1)], id="as many as there can be"),
    ],
)
def test_runs_that_no_map_has_are_refused(runs: list[tuple[int, int]]) -> None:
    head = struct.pack("<16sIIQQQ", b"flight block map", 1, GRAIN, 1 << 45, len(runs), 2)
    body = head + b"".join(struct.pack("<II", *run) for run in runs) + bytes(range(32))
    with pytest.raises(ValueError, match="do not fit"):
        from_bytes(body + hashlib.sha256(body).digest())


@pytest.mark.parametrize(("at", "value"), [(0, b"FLIGHT"), (16, b"\2"), (21, b"\2")], ids=["mark", "edition", "grain"])
def test_a_map_of_another_kind_is_refused_though_it_is_whole(at: int, value: bytes) -> None:
    body = bytearray(to_bytes(map_of(b"a" * GRAIN))[:-32])
    body[at : at + len(value)] = value
    with pytest.raises(ValueError, match="not a map of blocks that this edition can read"):
        from_bytes(bytes(body) + hashlib.sha256(body).digest())


def test_two_maps_differ_when_one_block_does() -> None:
    one = map_of(b"a" * GRAIN)
    assert dataclasses.replace(one, digests=bytes(DIGEST)) != one
    assert seal_of(to_bytes(map_of(b"b" * GRAIN))) != seal_of(to_bytes(one))
