"""docs/benchmarks.md from docs/benchmarks-history.jsonl: what holds now, how it is measured, what it was before (pure).

A line of the history is one row of one run: `{"date", "commit", "machine", "row", "ratio", "goal", "kept", "memory"}`.
There are no seconds in it: those of another machine say nothing. `memory` is the ratio of the peaks, null where the
other side has none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from kinds import Kind

RUNS = 12
"""How many runs the page tells of; the history holds them all."""

HEAD = """\
# How fast

Made by `scripts/bench page` from docs/benchmarks-history.jsonl.

    scripts/bench ROW ...            measure these rows (none named: all, about an hour where there is no KVM)
    scripts/bench ROW ... --write    the same; the history and this page take them in
    scripts/bench page               this page again

Each row is two ways to the same end, run in turn as whole processes on one machine, three times each. What stands here
is the ratio of the medians, of seconds where a row names nothing else: ratios travel between machines, seconds do not.
Run it while nothing else runs. `scripts/bench upload` measures all rows of the upload."""

TAIL = """\
Each upload goes into an Azurite of its own, empty, its data on disk; the two deltas go into the rehearsal's storage, which
copies blobs and writes from a URL as Azurite alone cannot. A side that ends well and leaves less than the data in the blob
is no measurement: the run ends with an error. azcopy and az are the benchmark's only, brought for it and kept in
work/cache/bench.

Where Azurite is the limit: version 3.37 computes a CRC-64 of every page in JavaScript, some 15 s for 600 MiB whoever
sends, which hides what the clients do; the rehearsal therefore pins 3.35."""


@dataclass(frozen=True)
class Entry:
    """One row of one run, as the history keeps it. `commit` is empty outside a clone."""

    date: str
    commit: str
    machine: str
    row: str
    ratio: float
    goal: str
    kept: bool
    memory: float | None = None

    @property
    def run(self) -> tuple[str, str, str]:
        return self.date, self.commit, self.machine

    @property
    def cell(self) -> str:
        """The ratio; in bold where it missed the goal of its day."""
        return f"{self.ratio:.2f}" if self.kept else f"**{self.ratio:.2f}**"


def read(text: str) -> list[Entry]:
    return [Entry(**json.loads(line)) for line in text.splitlines() if line.strip()]


def written(entries: Iterable[Entry]) -> str:
    return "".join(json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries)


def render(entries: Sequence[Entry], kinds: Sequence[Kind]) -> str:
    """The page. `entries` in the order of the history, the oldest first."""
    sections = [
        HEAD,
        "## Now\n\n" + "\n".join(now_lines(entries, kinds)),
        "## What each row measures\n\n" + "\n".join(how_lines(kinds)),
        TAIL,
        "## Before\n\n" + "\n".join(before_lines(entries, kinds)),
    ]
    return "\n\n".join(sections) + "\n"


def now_lines(entries: Sequence[Entry], kinds: Sequence[Kind]) -> Iterator[str]:
    """The newest entry of each row."""
    newest = {entry.row: entry for entry in entries}
    yield "| row | ratio | goal | kept | peak memory, ours / theirs | measured | commit | machine |"
    yield "|---|---|---|---|---|---|---|---|"
    for kind in kinds:
        if entry := newest.get(kind.name):
            words = [kind.name, f"{entry.ratio:.2f}", entry.goal, "yes" if entry.kept else "**no**"]
            words += ["" if entry.memory is None else f"{entry.memory:.2f}", *entry.run]
        else:
            words = [kind.name, "not measured yet", kind.goal, "", "", "", "", ""]
        yield f"| {' | '.join(words)} |"


def how_lines(kinds: Sequence[Kind]) -> Iterator[str]:
    yield "≤: ours divided by theirs, the smaller the better. ≥ … ×: theirs divided by ours, the larger the better.\n"
    yield "| row | ours | theirs | how |"
    yield "|---|---|---|---|"
    for kind in kinds:
        yield f"| {kind.name} | {kind.ours} | {kind.theirs} | {kind.how} |"


def before_lines(entries: Sequence[Entry], kinds: Sequence[Kind]) -> Iterator[str]:
    """The last RUNS runs, the newest first: what was measured on one day, at one commit, on one machine.

    Rows that are not measured any more stay in the history, and are not told here.
    """
    names = [kind.name for kind in kinds]
    runs: dict[tuple[str, str, str], dict[str, str]] = {}
    for entry in (entry for entry in entries if entry.row in names):
        row = runs.pop(entry.run, {})
        runs[entry.run] = row | {entry.row: entry.cell}
    yield "Bold: the goal of that day was missed.\n"
    yield f"| {' | '.join(['measured', 'at', 'on', *names])} |"
    yield f"|{'---|' * (3 + len(names))}"
    for run, cells in list(reversed(runs.items()))[:RUNS]:
        yield f"| {' | '.join([*run, *(cells.get(name, '') for name in names)])} |"
