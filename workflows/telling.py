"""The one place that turns Progress into what people see: a bar, a line a minute, and the status on Luigi's page."""

from __future__ import annotations

import contextlib
import html
import logging
import threading
import time
from collections.abc import Callable, Iterator

from flight.workflows.kit import terminal
from flight.workflows.kit.progress import Progress, Told, at_most_every, human_seconds, quiet

__all__ = ["quiet", "say_status", "to_all"]

LOG = logging.getLogger("luigi-interface")
PAGE_S, LINE_S = 1.0, 60.0

Message = Callable[[str], object] | None
Percentage = Callable[[int | None], object] | None


@contextlib.contextmanager
def to_all(*, stage: str, recipe: str, message: Message, percentage: Percentage) -> Iterator[Told]:
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

    with terminal.own() as is_ours:
        here = terminal.bar(stage, loggers=(LOG, LOG.root)) if is_ours else _lines(f"{stage} {recipe}")
        with here as told:
            yield _both(at_most_every(PAGE_S, page), told)


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
def _lines(title: str) -> Iterator[Told]:
    """A line a minute, also where nothing new was said: silence in a log looks like death. A short stage has none."""
    latest, over, started = Progress(what="at work"), threading.Event(), time.monotonic()

    def told(progress: Progress) -> None:
        nonlocal latest
        latest = progress

    def say_on() -> None:
        while not over.wait(LINE_S):
            LOG.info("%s: %s, %s so far", title, latest, human_seconds(time.monotonic() - started))

    saying = threading.Thread(target=say_on, daemon=True)
    saying.start()
    try:
        yield told
    finally:
        over.set()
        saying.join()
