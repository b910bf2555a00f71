"""What is read, what is sent, and which pages a blob has after it: spans, as values."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows.digest import BLOCK
from flight.workflows.upload.plan import (
    BRIDGE,
    MOST,
    PAGE,
    Action,
    Clear,
    Move,
    Put,
    Span,
    merge,
    pages_after,
    pieces,
    plan_puts,
    plan_reads,
    subtract,
)

spans = st.builds(lambda start, size: Span(start, start + size), st.integers(0, 60), st.integers(0, 12))


@given(st.lists(spans), st.integers(0, 5))
def test_merged_spans_hold_the_same_bytes_and_the_short_holes_between_them(given_: list[Span], bridge: int) -> None:
    held = sorted({byte for span in given_ for byte in range(span.start, span.stop)})
    bridged = set(held)
    for left, right in itertools.pairwise(held):
        if right - left - 1 <= bridge:
            bridged |= set(range(left, right))
    merged = merge(given_, bridge=bridge)
    assert {byte for span in merged for byte in range(span.start, span.stop)} == bridged
    assert all(left.stop + bridge < right.start for left, right in itertools.pairwise(merged))


files = st.lists(st.sampled_from(["hole", "zeros", "data", "one byte"]), min_size=1, max_size=150).flatmap(
    lambda blocks: st.tuples(st.just(blocks), st.integers(1, BLOCK // PAGE))
)
"""What each block holds, and how many pages the last one has."""


def content_of(blocks: list[str], last_pages: int) -> tuple[bytes, list[Span]]:
    """The content of a file, and the extents that a filesystem would tell."""
    kinds = {"hole": bytes(BLOCK), "zeros": bytes(BLOCK), "data": b"\xff" * BLOCK, "one byte": bytes(PAGE - 1) + b"\1"}
    content = b"".join(kinds[kind].ljust(BLOCK, b"\0") for kind in blocks)
    content = content[: (len(blocks) - 1) * BLOCK + last_pages * PAGE]
    places = (Span(at * BLOCK, min((at + 1) * BLOCK, len(content))) for at in range(len(blocks)))
    return content, list(merge(span for span, kind in zip(places, blocks, strict=True) if kind != "hole"))


@settings(max_examples=60, deadline=None)
@given(files)
def test_what_is_sent_makes_the_same_file_of_an_empty_one(file: tuple[list[str], int]) -> None:
    content, extents = content_of(*file)
    copy = bytearray(len(content))
    for read in plan_reads(extents, size=len(content)):
        for put in plan_puts(read, content[read.start : read.stop]):
            assert read.start <= put.start < put.stop <= read.stop
            assert put.start % PAGE == put.stop % PAGE == 0
            assert put.size <= MOST
            assert not any(copy[put.start : put.stop]), "no byte is sent twice"
            copy[put.start : put.stop] = content[put.start : put.stop]
    assert bytes(copy) == content


@settings(max_examples=60, deadline=None)
@given(files)
def test_no_run_starts_or_ends_with_a_zero_block_nor_holds_a_hole_longer_than_the_bridge(
    file: tuple[list[str], int],
) -> None:
    content, extents = content_of(*file)
    for read in plan_reads(extents, size=len(content)):
        for put in plan_puts(read, content[read.start : read.stop]):
            flags = [any(content[at : min(at + BLOCK, put.stop)]) for at in range(put.start, put.stop, BLOCK)]
            assert flags[0]
            assert flags[-1]
            longest = max(len(run) for run in "".join("x" if flag else "." for flag in flags).split("x"))
            assert longest * BLOCK <= BRIDGE


extents_of_a_large_file = st.lists(
    st.builds(lambda at, size: Span(at, at + size), st.integers(0, 2**40), st.integers(1, 2**26)), max_size=9
)


@given(extents_of_a_large_file)
def test_reads_cover_every_extent_in_whole_blocks_of_at_most_four_mib(extents: list[Span]) -> None:
    size = max((one.stop for one in extents), default=0)
    reads = plan_reads(extents, size=size)
    covered = merge(reads)
    assert all(any(run.start <= one.start and one.stop <= run.stop for run in covered) for one in extents)
    assert all(read.start % BLOCK == 0 and (read.stop % BLOCK == 0 or read.stop == size) for read in reads)
    assert all(0 < read.size <= MOST for read in reads)
    assert sum(read.size for read in reads) == sum(run.size for run in covered), "no byte is read twice"
    wanted = merge(extents, bridge=BRIDGE + 2 * BLOCK)
    assert all(any(one.start - BLOCK < run.start and run.stop < one.stop + BLOCK for one in wanted) for run in covered)


def test_a_file_of_holes_is_not_read() -> None:
    assert plan_reads([], size=1 << 40) == ()


def bytes_of(spans_: Iterable[Span]) -> set[int]:
    return {byte for span in spans_ for byte in range(span.start, span.stop)}


@given(st.lists(spans), st.lists(spans))
def test_what_is_subtracted_leaves_every_other_byte(given_: list[Span], holes: list[Span]) -> None:
    left = subtract(given_, holes)
    assert bytes_of(left) == bytes_of(given_) - bytes_of(holes)
    assert left == merge(left), "ascending, joined, none of them empty"


@given(spans, st.integers(1, 7))
def test_the_pieces_of_a_span_are_as_long_as_may_be_and_follow_one_another(span: Span, most: int) -> None:
    cut = list(pieces(span, most))
    assert merge(cut) == merge([span])
    assert all(piece.size == most for piece in cut[:-1])
    assert all(0 < piece.size <= most for piece in cut)
    assert all(left.stop == right.start for left, right in itertools.pairwise(cut))


def test_pieces_are_what_the_service_takes_at_once() -> None:
    assert list(pieces(Span(PAGE, PAGE + MOST + PAGE))) == [
        Span(PAGE, PAGE + MOST),
        Span(PAGE + MOST, PAGE + MOST + PAGE),
    ]


@given(st.lists(spans), st.lists(st.tuples(spans, st.sampled_from(["put", "move", "clear"]))))
def test_the_pages_afterwards_are_those_that_were_there_or_written_and_not_cleared(
    there: list[Span], wanted: list[tuple[Span, str]]
) -> None:
    pages, taken = bytes_of(there), set[int]()
    actions: list[Action] = []
    for span, kind in wanted:
        if bytes_of([span]) & taken:
            continue  # no two actions overlap
        taken |= bytes_of([span])
        actions.append({"put": Put(span), "move": Move(span, 0), "clear": Clear(span)}[kind])
        pages = pages - bytes_of([span]) if kind == "clear" else pages | bytes_of([span])
    after = pages_after(iter(there), iter(actions))
    assert bytes_of(after) == pages
    assert after == merge(after)
