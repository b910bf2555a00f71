"""The benchmarks: what a row is, what their own PUTs and rebuilds are, and the page rendered from their history."""

from __future__ import annotations

import importlib.util
import itertools
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from home import TOP

from flight.workflows import digest

DOCS = TOP / "docs"


def module(name: str) -> ModuleType:
    """One of the modules beside scripts/benchmarks/__main__.py, which know one another by their bare names."""
    spec = importlib.util.spec_from_file_location(name, TOP / "scripts" / "benchmarks" / f"{name}.py")
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


kinds, page, measure = module("kinds"), module("page"), module("measure")
puts, storage, make_rebuild = module("puts"), module("storage"), module("make_rebuild")
FAST = kinds.Kind("fast", "ours", "theirs", "by a clock", most=0.5)
MANY = kinds.Kind("many", "ours", "theirs", "by counting", least=6)
OLD = ("2026-01-01", "aaaaaaa", "2 cores")
NEW = ("2026-02-02", "bbbbbbb", "4 cores")


def entry(
    run: tuple[str, str, str], row: str, ratio: float, *, kept: bool = True, memory: float | None = None
) -> object:
    return page.Entry(*run, row=row, ratio=ratio, goal="≤ 0.5", kept=kept, memory=memory)


@pytest.mark.parametrize(
    ("kind", "goal", "ratio", "just", "missed"),
    [(FAST, "≤ 0.5", 0.25, 0.5, 0.51), (MANY, "≥ 6 ×", 4.0, 6.0, 5.9)],
    ids=["smaller-is-better", "larger-is-better"],
)
def test_a_goal_says_which_way_is_better(kind: object, goal: str, ratio: float, just: float, missed: float) -> None:
    assert kind.goal == goal  # type: ignore[attr-defined]
    assert kind.ratio(2.0, 8.0) == ratio  # type: ignore[attr-defined]
    assert kind.is_kept(just)  # type: ignore[attr-defined]
    assert not kind.is_kept(missed)  # type: ignore[attr-defined]


def test_a_row_without_a_goal_is_shown_and_kept_whatever_it_is() -> None:
    shown = kinds.Kind("shown", "ours", "theirs", "by looking")
    assert (shown.goal, shown.ratio(2.0, 8.0), shown.is_kept(0.01)) == ("none: shown", 4.0, True)


def test_a_row_compares_the_medians_of_what_its_kind_counts() -> None:
    ours = [measure.Cost(9, 90, sent_bytes=1), measure.Cost(3, 50, sent_bytes=3), measure.Cost(4, 60, sent_bytes=2)]
    theirs = [measure.Cost(8, 30, sent_bytes=40)] * 3

    def ratio(counts: str) -> float:
        return measure.Row(kinds.Kind("row", "", "", "", least=1, counts=counts), ours, theirs).ratio

    assert [ratio(counts) for counts in ("seconds", "peak_mib", "sent_bytes")] == [2.0, 0.5, 20.0]


def test_a_word_asks_for_a_row_or_for_all_that_begin_with_it() -> None:
    upload = kinds.asked(["upload"])
    assert {"upload-azcopy", "upload-delta", "upload-resume"} < set(upload)
    assert all(name.startswith("upload-") for name in upload)
    assert kinds.asked(["import", "upload-az", "import"]) == ("import", "upload-az")
    assert kinds.asked(["upload-delta"]) == ("upload-delta",)
    assert kinds.asked([]) == tuple(kind.name for kind in kinds.KINDS)
    with pytest.raises(ValueError, match=r"^nobody, up$"):
        kinds.asked(["up", "import", "nobody"])


@pytest.fixture
def sparse(tmp_path: Path) -> Iterator[int]:
    """Data that begins and ends within blocks, more than 4 MiB of it at once, stored zeros, and a hole at the end."""
    with open(tmp_path / "disk", "w+b") as file:
        file.truncate((40 << 20) + 512)
        for at, many in ((4096, 4096), (200 << 10, 300 << 10), (9 << 20, 9 << 20)):
            file.seek(at)
            file.write(random.Random(at).randbytes(many))
        file.seek(30 << 20)
        file.write(bytes(1 << 20))
        file.flush()
        yield file.fileno()


def test_the_bare_puts_send_all_data_once_in_whole_blocks(sparse: int) -> None:
    size = os.fstat(sparse).st_size
    pieces = list(puts.pieces(sparse, size))
    whole = os.pread(sparse, size, 0)
    sent = bytearray(size)
    for at, many in pieces:
        sent[at : at + many] = whole[at : at + many]
    assert sent == whole
    assert all(at % puts.BLOCK == 0 and 0 < many <= puts.MOST for at, many in pieces)
    assert all(one[0] + one[1] <= other[0] for one, other in itertools.pairwise(pieces))
    assert sum(many for _, many in pieces) < 12 << 20


def test_the_bare_puts_hash_what_they_send_as_flight_does(sparse: int) -> None:
    for at, many in puts.pieces(sparse, os.fstat(sparse).st_size):
        content = os.pread(sparse, many, at)
        assert puts.hashed(content, at).encode() == digest.block_lines(digest.grain_hashes(content), at, many)


def test_the_bytes_of_a_blob_are_those_of_its_page_ranges() -> None:
    ranges = "".join(
        f"<PageRange><Start>{start}</Start><End>{end}</End></PageRange>" for start, end in ((0, 511), (4096, 8191))
    )
    assert storage.bytes_listed(f'<?xml version="1.0"?><PageList>{ranges}</PageList>') == 512 + 4096
    assert storage.bytes_listed("<PageList />") == 0


def test_a_package_of_the_rebuild_has_the_same_files_each_time_and_two_mib_in_the_mean() -> None:
    def files(number: int) -> list[tuple[str, int]]:
        return list(make_rebuild.package(number, random.Random(number)))

    assert files(7) == files(7)
    every = [files(number) for number in range(make_rebuild.PACKAGES)]
    total = sum(size for one in every for _, size in one)
    assert 0.95 < total / (make_rebuild.DATA_MIB << 20) < 1.05
    updated = sum(size for number in make_rebuild.UPDATED for _, size in every[number])
    assert 0.01 < updated / total < 0.03
    names = [name for one in every for name, _ in one]
    assert len(names) == len(set(names))


def test_the_newest_entry_of_a_row_is_what_holds_now() -> None:
    lines = list(
        page.now_lines([entry(OLD, "fast", 0.4), entry(NEW, "fast", 0.7, kept=False, memory=1.25)], [FAST, MANY])
    )
    assert lines[2] == "| fast | 0.70 | ≤ 0.5 | **no** | 1.25 | 2026-02-02 | bbbbbbb | 4 cores |"
    assert lines[3].startswith("| many | not measured yet | ≥ 6 × |")
    assert len(lines) == 4


def test_what_was_measured_together_is_one_line_and_the_newest_stands_first() -> None:
    history = [entry(OLD, "fast", 0.4), entry(OLD, "many", 7.0), entry(NEW, "fast", 0.7, kept=False)]
    assert list(page.before_lines(history, [FAST, MANY]))[3:] == [
        "| 2026-02-02 | bbbbbbb | 4 cores | **0.70** |  |",
        "| 2026-01-01 | aaaaaaa | 2 cores | 0.40 | 7.00 |",
    ]


def test_a_run_that_goes_on_after_another_s_moves_to_the_top() -> None:
    history = [entry(OLD, "fast", 0.4), entry(NEW, "fast", 0.3), entry(OLD, "many", 7.0)]
    assert list(page.before_lines(history, [FAST, MANY]))[3] == "| 2026-01-01 | aaaaaaa | 2 cores | 0.40 | 7.00 |"


def test_a_row_that_is_not_measured_any_more_is_not_told_and_stays_in_the_history() -> None:
    history = [entry(OLD, "gone", 0.4), entry(NEW, "fast", 0.3), entry(NEW, "gone", 0.2)]
    assert list(page.before_lines(history, [FAST]))[3:] == ["| 2026-02-02 | bbbbbbb | 4 cores | 0.30 |"]


def test_the_page_tells_of_the_last_runs_only() -> None:
    history = [entry((f"2026-01-{day:02}", "a", "m"), "fast", 0.1) for day in range(1, page.RUNS + 3)]
    lines = list(page.before_lines(history, [FAST]))[3:]
    assert len(lines) == page.RUNS
    assert lines[-1].startswith("| 2026-01-03 |")


def test_the_history_is_read_as_it_was_written() -> None:
    history = [entry(OLD, "fast", 0.4), entry(NEW, "many", 7.0, memory=0.5)]
    assert page.read(page.written(history)) == history


def test_the_page_in_the_docs_is_what_its_history_gives() -> None:
    history = page.read((DOCS / "benchmarks-history.jsonl").read_text())
    assert {entry.row for entry in history} & {kind.name for kind in kinds.KINDS}
    assert (DOCS / "benchmarks.md").read_text() == page.render(history, kinds.KINDS), "run scripts/bench page"


def test_the_page_holds_no_seconds_and_no_path_of_a_machine() -> None:
    text = (DOCS / "benchmarks-history.jsonl").read_text()
    assert "/" not in text
    assert '"seconds"' not in text


def test_every_row_that_can_be_asked_for_is_described() -> None:
    usage = (TOP / "scripts" / "bench").read_text().split()
    measuring = "".join((TOP / "scripts" / "benchmarks" / name).read_text() for name in ("rows.py", "uploads.py"))
    for kind in kinds.KINDS:
        assert kind.name in usage
        assert f'"{kind.name}": self.' in measuring
        assert kind.how.endswith(".")
