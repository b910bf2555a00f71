"""Tonight's image out of last night's: any image, any base, any interruption, the blob's bytes end equal to the file's."""

from __future__ import annotations

import hashlib
import itertools
import random
import sys
import tracemalloc
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.digest import GRAIN, grain_hashes
from flight.workflows.upload import matching
from flight.workflows.upload.blockmap import DIGEST, BlockMap, MapBuilder
from flight.workflows.upload.delta import REQUEST, plan_delta, sent_bytes, sum_up
from flight.workflows.upload.plan import MOST, PAGE, Action, Clear, Move, Put, Span, merge, pages_after

# a blob, the naive way -----------------------------------------------------------------------------------------------


class Blob:
    """Pages by number, and the service's rules."""

    def __init__(self, content: bytes, pages: Iterable[int]) -> None:
        self.size = len(content)
        self.pages = {page: content[page * PAGE : (page + 1) * PAGE] for page in pages}

    def read(self, span: Span) -> bytes:
        assert 0 <= span.start < span.stop <= self.size
        return b"".join(self.pages.get(page, bytes(PAGE)) for page in self._numbers(span))

    def write(self, span: Span, content: bytes) -> None:
        assert 0 < span.size == len(content) <= MOST
        for page in self._numbers(span):
            self.pages[page] = content[page * PAGE - span.start : (page + 1) * PAGE - span.start]

    def clear(self, span: Span) -> None:
        for page in self._numbers(span):
            self.pages.pop(page, None)

    def ranges(self) -> tuple[Span, ...]:
        return merge(Span(page * PAGE, (page + 1) * PAGE) for page in self.pages)

    def _numbers(self, span: Span) -> range:
        assert span.start % PAGE == span.stop % PAGE == 0
        assert 0 <= span.start < span.stop <= self.size
        return range(span.start // PAGE, span.stop // PAGE)


def do(actions: Iterable[Action], blob: Blob, *, file: bytes, base: Blob) -> None:
    for action in actions:
        wanted = file[action.span.start : action.span.stop]
        match action:
            case Put(span):
                blob.write(span, wanted)
            case Move(span, source):
                moved = base.read(Span(source, source + span.size))
                assert moved == wanted, "the service refuses another MD5"
                blob.write(span, moved)
            case Clear(span):
                assert not any(wanted)
                blob.clear(span)


def grown(base: Blob, size: int) -> Blob:
    copy = Blob(b"", ())
    copy.size, copy.pages = size, dict(base.pages)
    return copy


# images --------------------------------------------------------------------------------------------------------------


def block_of(kind: int) -> bytes:
    """0: zeros; odd: one page of data; even: all of it is data."""
    if kind == 0 or kind % 2 == 0:
        return bytes([kind]) * GRAIN
    return (bytes(kind % 8 * PAGE) + bytes([kind]) * PAGE).ljust(GRAIN, b"\0")


def image_of(kinds: Sequence[int], last_pages: int) -> bytes:
    """The last block is cut to so many pages."""
    whole = b"".join(map(block_of, kinds))
    return whole[: len(whole) - GRAIN + last_pages * PAGE]


def map_of(image: bytes) -> BlockMap:
    builder = MapBuilder()
    builder.add(Span(0, len(image)), grain_hashes(image))
    return builder.build(len(image))


kinds = st.sampled_from([0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8])
runs_of_kinds = st.lists(st.tuples(kinds, st.integers(1, 20)), min_size=1, max_size=6).map(
    lambda runs: [kind for kind, count in runs for _ in range(count)]
)
last_pages = st.integers(1, GRAIN // PAGE)


often = st.lists(kinds, min_size=1, max_size=40) | runs_of_kinds
once = st.lists(st.booleans(), min_size=1, max_size=60).map(
    lambda data: [at + 9 if is_data else 0 for at, is_data in enumerate(data)]
)
"""Contents that come again and again, and such as are nowhere else."""


@dataclass(frozen=True)
class Rebuild:
    """Last night's image and tonight's, as kinds of blocks and pages of the last one; shown small where a test fails."""

    before: tuple[list[int], int]
    after: tuple[list[int], int]
    zero_pages: set[int]
    """Pages of last night's blob that are there, whatever they hold."""

    @cached_property
    def old(self) -> bytes:
        return image_of(*self.before)

    @cached_property
    def new(self) -> bytes:
        return image_of(*self.after)

    @property
    def base(self) -> Blob:
        held = {page for page in range(len(self.old) // PAGE) if any(self.old[page * PAGE : (page + 1) * PAGE])}
        return Blob(self.old, held | self.zero_pages)

    def plan(self, *, can_move: bool = True) -> tuple[Action, ...]:
        return plan_delta(map_of(self.new), map_of(self.old), pages=self.base.ranges(), can_move=can_move)


@st.composite
def rebuilds(draw: st.DrawFn) -> Rebuild:
    """Cut, pasted, changed, and not shorter."""
    before = draw(often | once)
    after = list(before)
    for _ in range(draw(st.integers(0, 3))):
        at, come_from, count = (draw(st.integers(0, len(after))) for _ in range(3))
        after[at : at + draw(st.integers(0, 12))] = before[come_from : come_from + count]
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(after)))
        after[at : at + 1] = [draw(kinds)]
    after += draw(st.lists(kinds, max_size=4)) + [2] * (len(before) + 1 - len(after))
    pages = (len(before) - 1) * (GRAIN // PAGE) + (last := draw(last_pages))
    zero_pages = draw(st.sets(st.integers(0, pages - 1), max_size=30))
    return Rebuild((before, last), (after, draw(last_pages)), zero_pages)


@given(rebuilds(), st.booleans(), st.integers(0, 1 << 16))
def test_any_base_becomes_any_image_whatever_was_interrupted(rebuild: Rebuild, can_move: bool, seed: int) -> None:
    actions, base, chance = rebuild.plan(can_move=can_move), rebuild.base, random.Random(seed)
    copy = grown(base, len(rebuild.new))
    do(chance.sample(actions, chance.randint(0, len(actions))), copy, file=rebuild.new, base=base)
    do(chance.sample(actions, len(actions)), copy, file=rebuild.new, base=base)
    assert copy.read(Span(0, copy.size)) == rebuild.new
    assert copy.ranges() == pages_after(base.ranges(), actions)
    assert can_move or not any(isinstance(action, Move) for action in actions)


@given(rebuilds(), st.booleans())
def test_actions_ascend_and_no_byte_is_written_twice(rebuild: Rebuild, can_move: bool) -> None:
    actions = rebuild.plan(can_move=can_move)
    assert all(left.span.stop <= right.span.start for left, right in itertools.pairwise(actions))


@given(rebuilds(), st.booleans())
def test_a_clear_begins_and_ends_with_a_page_that_is_there(rebuild: Rebuild, can_move: bool) -> None:
    for action in rebuild.plan(can_move=can_move):
        if isinstance(action, Clear):
            assert {action.span.start // PAGE, action.span.stop // PAGE - 1} <= rebuild.base.pages.keys()
            assert any(rebuild.old[action.span.start : action.span.stop]), "zeros that lie there may stay"


@given(rebuilds())
def test_a_plan_costs_no_more_than_sending_each_changed_run_by_itself(rebuild: Rebuild) -> None:
    old, new = rebuild.old, rebuild.new
    changed = [
        Span(at, min(at + GRAIN, len(new)))
        for at in range(0, len(new), GRAIN)
        if any(new[at : at + GRAIN]) and new[at : at + GRAIN] != old[at : at + GRAIN]
    ]
    freed = [
        Span(at, at + GRAIN)
        for at in range(0, len(old), GRAIN)
        if any(old[at : at + GRAIN]) and not any(new[at : at + GRAIN])
    ]
    naive = (len(merge(changed)) + len(merge(freed))) * REQUEST + sum(span.size for span in changed)
    actions = rebuild.plan(can_move=False)
    assert len(actions) * REQUEST + sent_bytes(actions) <= naive


@given(rebuilds())
def test_an_image_that_is_its_base_needs_nothing(rebuild: Rebuild) -> None:
    new = map_of(rebuild.new)
    assert plan_delta(new, new, pages=[Span(0, new.size_bytes)]) == ()


def test_a_clear_is_no_longer_than_the_pages_in_it() -> None:
    pages = [Span(page * PAGE, (page + 1) * PAGE) for page in (3, 5, 17)]
    assert plan_delta(map_of(bytes(3 * GRAIN)), map_of(b"a" * GRAIN), pages=pages) == (Clear(Span(3 * PAGE, 6 * PAGE)),)


def test_a_base_that_is_larger_is_refused() -> None:
    with pytest.raises(ValueError, match="a base of 8192 bytes is too large for an image of 4096"):
        plan_delta(map_of(b"a" * GRAIN), map_of(b"a" * 2 * GRAIN), pages=[])


def test_an_empty_base_and_an_empty_image_are_images_too() -> None:
    empty, some = BlockMap(0, array("I"), b""), map_of(b"a" * GRAIN)
    assert plan_delta(empty, empty, pages=[]) == ()
    assert plan_delta(some, empty, pages=[]) == (Put(Span(0, GRAIN)),)
    assert plan_delta(map_of(bytes(GRAIN)), some, pages=[Span(0, PAGE)]) == (Clear(Span(0, PAGE)),)


# what is sent with what ----------------------------------------------------------------------------------------------


def lettered(letters: str) -> BlockMap:
    """A block for each letter; a dot is one of zeros."""
    image = b"".join(bytes(GRAIN) if letter == "." else letter.encode() * GRAIN for letter in letters)
    return map_of(image)


def span(first: int, stop: int) -> Span:
    return Span(first * GRAIN, stop * GRAIN)


def put(first: int, stop: int) -> Put:
    return Put(span(first, stop))


def move(first: int, stop: int, source: int) -> Move:
    return Move(span(first, stop), source * GRAIN)


def clear(first: int, stop: int) -> Clear:
    return Clear(span(first, stop))


FAR = "." * 20
KEPT = "abcdefgh"
LONG = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize(
    ("base", "new", "actions"),
    [
        pytest.param(f"x{KEPT}y", f"1{KEPT}2", [put(0, 10)], id="32 KiB between Puts are sent along"),
        pytest.param(f"x{KEPT}iy", f"1{KEPT}i2", [put(0, 1), put(10, 11)], id="more is not"),
        pytest.param("x........y", "1........2", [put(0, 10)], id="so it is with holes"),
        pytest.param("x.........y", "1.........2", [put(0, 1), put(10, 11)], id="longer holes too"),
        pytest.param(
            FAR + "abc" + FAR,
            "abc" + FAR + FAR + "...",
            [move(0, 3, 20), clear(20, 23)],
            id="a short Move may stand alone",
        ),
        pytest.param(
            FAR + "abc" + FAR,
            "1abc2" + FAR + FAR,
            [put(0, 5), clear(20, 23)],
            id="a short Move goes with Puts beside it",
        ),
        pytest.param(
            FAR + "abc" + FAR, "abc.1" + FAR + FAR, [put(0, 5), clear(20, 23)], id="also with one, and over a hole"
        ),
        pytest.param(
            FAR + KEPT + FAR,
            f"1{KEPT}2" + FAR + FAR,
            [put(0, 1), move(1, 9, 20), put(9, 10), clear(20, 28)],
            id="a Move of 32 KiB does not",
        ),
        pytest.param(
            FAR + "abcdef" + FAR,
            "fedcba" + FAR + FAR,
            [put(0, 6), clear(20, 26)],
            id="short Moves side by side are one Put",
        ),
        pytest.param(
            FAR + FAR + "abc",
            "1" + FAR + "a2",
            [put(0, 1), put(21, 23), clear(40, 43)],
            id="also far from the Put before",
        ),
        pytest.param("xab" + FAR, "1..2" + FAR, [put(0, 4)], id="freed blocks between Puts are sent as zeros"),
        pytest.param("a.........b" + FAR, FAR + FAR, [clear(0, 11)], id="zeros between freed blocks are cleared too"),
        pytest.param(
            FAR + "ab..cd" + FAR, "ab..cd" + FAR + FAR, [move(0, 6, 20), clear(20, 26)], id="a Move goes over a hole"
        ),
        pytest.param(
            "." * 9 + "x" + "." * 30 + f"{KEPT}...ijklmnop",
            f"{KEPT}...ijklmnop",
            [move(0, 19, 40), clear(40, 59)],
            id="freed blocks in it are not cleared besides",
        ),
        pytest.param(
            "." * 8 + "x" + "." * 31 + f"{KEPT}.ijklmnop",
            f"{KEPT}xijklmnop",
            [move(0, 8, 40), move(9, 17, 49), clear(40, 57)],
            id="not over what is kept",
        ),
        pytest.param(
            "." * 40 + f"{KEPT}.ijklmnop",
            f"{KEPT}1ijklmnop",
            [move(0, 8, 40), put(8, 9), move(9, 17, 49), clear(40, 57)],
            id="not over what is new",
        ),
        pytest.param(
            "." * 40 + f"{KEPT}xijklmnop",
            f"{KEPT}.ijklmnop",
            [move(0, 8, 40), move(9, 17, 49), clear(40, 57)],
            id="not over a hole that the base has not",
        ),
    ],
)
def test_requests_and_bytes_cost_least_together(base: str, new: str, actions: list[Action]) -> None:
    new = new.ljust(len(base), ".")
    assert plan_delta(lettered(new), lettered(base), pages=[span(0, len(base))]) == tuple(actions)


@pytest.mark.parametrize(
    ("base", "new", "moves"),
    [
        pytest.param(
            f"{FAR}p{FAR}p", "p", [move(0, 1, 20)], id="the first place of a content that the base holds often"
        ),
        pytest.param(
            f"{FAR}p{FAR}{LONG[:12]}p{LONG[12:]}",
            f"p{LONG[12:]}",
            [move(0, 15, 53)],
            id="the place where the next ones are too",
        ),
        pytest.param(
            f"{FAR}p{FAR}{KEPT}pijklmnop",
            f"{KEPT}pijklmno",
            [move(0, 16, 41)],
            id="the place that the last block leads to",
        ),
        pytest.param(
            f"{FAR}p{FAR}z{LONG}",
            f"p{LONG}",
            [move(0, 1, 20), move(1, 27, 42)],
            id="not a place with another block behind it",
        ),
        pytest.param(
            f"{FAR}p{FAR}p.{LONG}",
            f"p{LONG}",
            [move(0, 1, 20), move(1, 27, 43)],
            id="nor one with a hole behind it",
        ),
        pytest.param(
            f"x...{FAR}p.q{FAR}xpq{LONG}",
            f"xp.q{LONG}",
            [move(1, 4, 24), move(4, 30, 50)],
            id="nor one without the hole",
        ),
        pytest.param(
            f"{FAR}{FAR}{LONG}",
            f"{LONG[:13]}1{LONG[14:]}",
            [move(0, 13, 40), move(14, 26, 54)],
            id="both sides of a new block",
        ),
        pytest.param(
            f"{FAR}{FAR}{KEPT}...ijklmnop",
            f"{KEPT}..ijklmnop",
            [move(0, 8, 40), move(10, 18, 51)],
            id="both sides of a shrunken hole",
        ),
        pytest.param(
            f"{FAR}{FAR}{KEPT}{'.' * 16}ijklmnop",
            f"{KEPT}{'.' * 16}ijklmnop",
            [move(0, 32, 40)],
            id="a hole of 64 KiB in passing",
        ),
        pytest.param(
            f"{FAR}{FAR}{KEPT}{'.' * 17}ijklmnop",
            f"{KEPT}{'.' * 17}ijklmnop",
            [move(0, 8, 40), move(25, 33, 65)],
            id="both sides of a longer hole",
        ),
    ],
)
def test_a_move_reads(base: str, new: str, moves: list[Move]) -> None:
    planned = plan_delta(lettered(new.ljust(len(base), ".")), lettered(base), pages=[span(0, len(base))])
    assert [action for action in planned if isinstance(action, Move)] == moves


@pytest.mark.parametrize("half", [slice(0, 8), slice(8, 16)], ids=["first", "second"])
@pytest.mark.parametrize("place", [0, 1], ids=["at its place", "elsewhere"])
def test_digests_that_share_a_half_are_of_two_contents(half: slice, place: int) -> None:
    digest = bytearray(range(DIGEST))
    base = BlockMap(2 * GRAIN, array("I", [0]), bytes(digest))
    digest[half] = bytes(8)
    new = BlockMap(2 * GRAIN, array("I", [place]), bytes(digest))
    planned = plan_delta(new, base, pages=[])
    assert [action for action in planned if isinstance(action, Put)] == [put(place, place + 1)]


def test_a_plan_is_told_in_four_numbers() -> None:
    base = lettered(f"{FAR}{KEPT}ij{FAR}stuv{FAR}ww")
    new = lettered(f"{KEPT}ij{FAR}{FAR}stuv......1{FAR}")
    actions = plan_delta(new, base, pages=[span(0, 76)])
    assert (
        str(sum_up(actions, new)) == "4.0 KiB to send, 40.0 KiB moved by the service, 48.0 KiB cleared, 16.0 KiB kept"
    )
    assert sent_bytes(actions) == GRAIN


# large images --------------------------------------------------------------------------------------------------------


def numbered(blocks: Iterable[int], *, size_blocks: int = 0) -> BlockMap:
    """A map of blocks with these contents, 0 is zeros; nothing is hashed but the number."""
    contents = list(blocks)
    numbers = array("I", (at for at, content in enumerate(contents) if content))
    digests = {content: hashlib.sha256(b"%d" % content).digest()[:DIGEST] for content in set(contents)}
    held = b"".join(digests[content] for content in contents if content)
    return BlockMap(max(size_blocks, len(contents)) * GRAIN, numbers, held)


def everywhere(image: BlockMap) -> list[Span]:
    return [Span(0, image.size_bytes)]


def test_puts_and_moves_hold_four_mib_at_most_and_a_clear_any_number() -> None:
    base = numbered(range(1, 3001), size_blocks=10_000)
    new = numbered([*[0] * 3000, *range(5001, 8001), *range(1, 3001), *range(8001, 9101)], size_blocks=10_100)
    assert plan_delta(new, base, pages=everywhere(base)) == (
        clear(0, 3000),
        *(put(3000 + at, min(3000 + at + 1024, 6000)) for at in range(0, 3000, 1024)),
        *(move(6000 + at, min(6000 + at + 1024, 9000), at) for at in range(0, 3000, 1024)),
        put(9000, 10_024),
        put(10_024, 10_100),
    )


def test_a_package_that_grew_moves_the_rest_and_sends_only_what_is_new() -> None:
    files, chance = list(range(1, 20_001)), random.Random(1)
    grown_by = [*range(30_001, 30_101)]
    changed = {chance.randrange(20_000) for _ in range(40)}  # time stamps, and the like
    new = [
        40_000 + at if at in changed else content for at, content in enumerate(files[:9000] + grown_by + files[9000:])
    ]
    base_map, new_map = numbered(files), numbered(new)
    with_moves = plan_delta(new_map, base_map, pages=everywhere(base_map))
    without = plan_delta(new_map, base_map, pages=everywhere(base_map), can_move=False)
    really_new = (len(grown_by) + len(changed)) * GRAIN
    assert really_new <= sent_bytes(with_moves) <= 2 * really_new
    assert sent_bytes(with_moves) < 0.02 * new_map.size_bytes
    assert sent_bytes(without) > 0.5 * new_map.size_bytes
    assert sum(isinstance(action, Move) for action in with_moves) <= 11 * GRAIN * 1024 // MOST + len(changed) + 1


def test_what_holds_one_content_everywhere_is_matched_in_one_run() -> None:
    same = numbered([7] * 200_000)
    assert plan_delta(same, same, pages=everywhere(same)) == ()
    more = numbered([7] * 200_600)
    assert plan_delta(more, same, pages=everywhere(same)) == (move(200_000, 200_600, 0),)


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of `matching` are executed."""
    lines = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename != matching.__file__:
            return None
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines


def few(count: int) -> list[int]:
    return [1 + at % 2 for at in range(count)]


@pytest.mark.parametrize(
    ("base", "new"),
    [
        pytest.param(lambda n: [1] * n, lambda n: [0] * 3 + [1] * n, id="one content"),
        pytest.param(few, lambda n: [0, *few(n)], id="two by turns"),
        pytest.param(few, lambda n: [1 + at // 2 % 2 for at in range(n)], id="two in another order"),
        pytest.param(lambda n: [*range(1, n), 1], lambda n: [*range(n, 0, -1)], id="all backwards"),
        pytest.param(lambda n: [1] * n, lambda n: [1, 2] * (n // 2), id="every other one new"),
        pytest.param(lambda n: [1, 0] * (n // 2), lambda n: [0, 1] * (n // 2), id="holes where data was"),
    ],
)
def test_the_work_grows_no_faster_than_the_blocks(
    base: Callable[[int], list[int]], new: Callable[[int], list[int]]
) -> None:
    def work(count: int) -> int:
        old_map, new_map = numbered(base(count)), numbered(new(count), size_blocks=count)
        return lines_run(lambda: plan_delta(new_map, old_map, pages=everywhere(old_map)))

    assert work(2048) <= 2.1 * work(1024)


def test_a_plan_takes_few_bytes_for_each_block() -> None:
    count = 40_000
    base, new = numbered(range(1, count + 1)), numbered([*range(900_001, 900_101), *range(1, count + 1)])
    tracemalloc.start()
    try:
        actions = plan_delta(new, base, pages=everywhere(base))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(actions) < 50
    assert peak + len(base.numbers) * 20 + len(new.numbers) * 20 < 55 * count
