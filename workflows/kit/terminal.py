"""What a terminal shows and a file does not: a bar at its foot while a stage runs, and tables folded to its width.

One bar at a time, one line, gone at the end; what is logged meanwhile stands above it.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from flight.workflows.kit.progress import Progress, Told, at_most_every

if TYPE_CHECKING:
    from rich.console import Console

DRAWN_A_SECOND = 5
"""Enough for a spinner that turns, too seldom to draw the eye."""
COLOUR = "cyan"
"""For what moves; red and green would mean something."""
ECHOED = len("^C^C")
"""A terminal echoes these behind the bar. Without room they push it to another line, and it is left behind."""


def folded(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a table for stdout: on a terminal what does not fit goes on below its own column, else as they are.

    Columns are two spaces apart. A path or digest is never cut: it can be copied whole.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in lines:
        gap = re.match(r".*\s{2,}(?=\S)", line)
        indent = min(gap.end() if gap else 0, width // 2) * " "
        if not width or len(line) <= width:
            yield line
        else:
            yield from textwrap.wrap(
                line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )


@contextlib.contextmanager
def own() -> Iterator[bool]:
    """Whether a bar may be drawn: on a terminal that can move its cursor, and on which nobody else of flight's draws.

    With several workers, stages run side by side in processes of their own: two bars would write over each other.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM", "").lower() in ("", "dumb", "unknown"):
        yield False
        return
    with contextlib.ExitStack() as stack:
        try:
            terminal = stack.enter_context(open(os.ttyname(sys.stderr.fileno()), "wb", buffering=0))
            fcntl.flock(terminal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another holds it, or it has no name in this container
            yield False
        else:
            yield True


@contextlib.contextmanager
def bar(title: str, *, loggers: tuple[logging.Logger, ...]) -> Iterator[Told]:
    """A Told that draws. The columns stand still; what is too long is cut off. `loggers` write above it meanwhile."""
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    console = _console()
    columns = (
        SpinnerColumn(style=COLOUR),
        TextColumn("{task.fields[title]}", markup=False),
        BarColumn(12, complete_style=COLOUR, finished_style=COLOUR, pulse_style=COLOUR),
        TextColumn("{task.fields[percent]:>5}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
    )
    drawn = Bar(*columns, console=console, transient=True, expand=True, refresh_per_second=DRAWN_A_SECOND)
    with drawn, _above(console, loggers):
        console.show_cursor(True)  # kill -9 would leave it hidden
        number = drawn.add_task("", total=None, title=title, percent="")
        (task,) = drawn.tasks

        def draw(progress: Progress) -> None:
            task.total = progress.total or None  # update() takes None for "as before"
            percent = "" if progress.percent is None else f"{progress.percent} %"
            drawn.update(number, description=progress.what, percent=percent, completed=progress.done)
            task.finished_time = None  # rich stops its clock at 100 %; the stage goes on

        yield at_most_every(1 / DRAWN_A_SECOND, draw)


def _console() -> Console:
    from rich.console import Console, ConsoleDimensions

    class Narrower(Console):
        @property  # type: ignore[misc] # nobody sets it
        def size(self) -> ConsoleDimensions:
            size = super().size
            return ConsoleDimensions(max(1, size.width - ECHOED), size.height)

    return Narrower(stderr=True)


@contextlib.contextmanager
def _above(console: Console, loggers: tuple[logging.Logger, ...]) -> Iterator[None]:
    """A log writes to the terminal itself, in the middle of a bar: for a while its lines are put above."""
    handlers = [
        handler
        for logger in loggers
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream.isatty()
    ]
    before = [handler.setStream(_Above(console)) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            handler.setStream(stream)


class _Above:
    """A stream whose lines stand above the console's bar, as they are: not coloured, not broken into parts."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def write(self, text: str) -> int:
        self.console.print(text, end="", markup=False, highlight=False, soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""
