"""Progress is a value. A room says how far it is; the rim decides who hears of it.

`Told` is what every long function takes: called often, cheap, never failing. `quiet` hears nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` (same unit, bytes unless `what` says otherwise; total 0: not known), doing `what`."""

    done: int = 0
    total: int = 0
    what: str = ""

    @property
    def percent(self) -> int | None:
        """0 to 100, or None where the total is not known."""
        return min(100, self.done * 100 // self.total) if self.total > 0 else None

    def __str__(self) -> str:
        percent = self.percent
        return self.what if percent is None else f"{self.what} {percent} %"


Told = Callable[[Progress], None]


def quiet(progress: Progress) -> None:
    """Hears nothing."""


def at_most_every(seconds: float, told: Told, *, clock: Callable[[], float] = time.monotonic) -> Told:
    """`told`, but at most once in `seconds`, except that what is complete, and what comes after it, are passed on."""
    last, finished = float("-inf"), ""

    def throttled(progress: Progress) -> None:
        nonlocal last, finished
        now, is_complete = clock(), progress.total > 0 and progress.done >= progress.total
        if now - last >= seconds or is_complete or (finished and progress.what != finished):
            last, finished = now, progress.what if is_complete else ""
            told(progress)

    return throttled


def human_bytes(count: int) -> str:
    """1536 -> '1.5 KiB'; always three significant figures or fewer, binary units."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def human_seconds(seconds: float) -> str:
    """3.24 -> '3.2 s'; 75 -> '1 min 15 s'; 3700 -> '1 h 02 min'."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
