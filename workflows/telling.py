"""The one place that turns Progress into what people see: a bar, a line a minute, and the status on Luigi's page."""

from __future__ import annotations

import contextlib
import html
import logging
import sys
from collections.abc import Callable, Iterator

from flight.workflows.kit.progress import Progress, Told, at_most_every, once_every, quiet

__all__ = ["quiet", "say_status", "to_all"]

LOG = logging.getLogger("luigi-interface")
PAGE_S, LINE_S, BAR_S = 1.0, 60.0, 0.1

Message = Callable[[str], object] | None
Percentage = Callable[[int | None], object] | None


@contextlib.contextmanager
def to_all(*, title: str, message: Message, percentage: Percentage) -> Iterator[Told]:
    """A Told that reaches the page (at most once a second) and the terminal (a bar) or the log (a line a minute).

    `message` and `percentage` are what Luigi gives a running task; None outside a worker.
    """
    shown: int | None = None

    def page(progress: Progress) -> None:
        nonlocal shown
        say_status(message, str(progress))
        if percentage is not None and progress.percent != shown:
            percentage(progress.percent)  # None takes the bar off the page: how long this part takes is not known
            shown = progress.percent

    def line(progress: Progress) -> None:
        LOG.info("%s: %s", title, progress)

    to_page = at_most_every(PAGE_S, page)
    if sys.stderr.isatty():
        with _bar(title) as bar:
            yield _both(to_page, at_most_every(BAR_S, bar))
    else:
        yield _both(to_page, once_every(LINE_S, line))


def say_status(message: Message, text: str) -> None:
    """Luigi's page renders a status message as raw HTML (seen in Luigi 3.8): escape it."""
    if message is not None:
        message(html.escape(text))


def _both(first: Told, second: Told) -> Told:
    def both(progress: Progress) -> None:
        first(progress)
        second(progress)

    return both


@contextlib.contextmanager
def _bar(title: str) -> Iterator[Told]:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def draw(progress: Progress) -> None:
            bar.update(
                task, description=f"{title}: {progress.what}", completed=progress.done, total=progress.total or None
            )

        yield draw
