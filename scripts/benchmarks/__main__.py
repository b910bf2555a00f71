"""scripts/bench, after the set-up: measure rows, keep them in the history, render docs/benchmarks.md from it.

Nothing here is asserted by a test; the exit code is 1 where a row missed its goal.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import page
from kinds import KINDS, asked

DOCS = Path(__file__).parents[2] / "docs"
PAGE, HISTORY = DOCS / "benchmarks.md", DOCS / "benchmarks-history.jsonl"


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    if args.rows == ["page"]:
        render()
        return 0
    entries = []
    for entry in measured(args.rows, times=args.times, scratch=args.scratch):
        entries.append(entry)
        if args.write:
            keep(entry)
    print("", *page.now_lines(entries, [kind for kind in KINDS if kind.name in args.rows]), sep="\n")
    if args.write:
        render()
    return 0 if all(entry.kept for entry in entries) else 1


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--scratch", type=Path, default=Path("/var/tmp/flight-bench"))
    args = parser.parse_args(argv)
    if "page" in args.rows and len(args.rows) > 1:
        parser.error("'page' stands alone: a run with --write renders the page by itself")
    try:
        args.rows = args.rows if args.rows == ["page"] else asked(args.rows)
    except ValueError as error:
        parser.error(f"there is no row {error}: it knows {', '.join(asked([]))}")
    if args.times < 1:
        parser.error("--times is at least 1")
    return args


def measured(names: Sequence[str], *, times: int, scratch: Path) -> Iterator[page.Entry]:
    """Each row in its turn, in a scratch folder that is gone afterwards."""
    import measure
    import rows

    shutil.rmtree(scratch, ignore_errors=True)
    commit, machine = measure.commit(), measure.machine()
    try:
        bench = rows.Bench(scratch, times)
        for name in names:
            yield bench.rows[name]().entry(commit=commit, machine=machine)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def keep(entry: page.Entry) -> None:
    """At once: an hour's rows are not lost because the last of them failed."""
    with open(HISTORY, "a") as file:
        file.write(page.written([entry]))


def render() -> None:
    PAGE.write_text(page.render(page.read(HISTORY.read_text()), KINDS))
    print(f"written: {PAGE.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    sys.exit(main())
