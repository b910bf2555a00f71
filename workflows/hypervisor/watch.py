"""Whether a guest still gets anywhere: its console grows, or its disk is read or written (pure)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Activity:
    """Counters that only ever grow while a guest works: console bytes, disk requests."""

    console_bytes: int
    disk_requests: int


class StallWatch:
    """Says when nothing has changed for `stall_s` seconds of the clock it is given."""

    def __init__(self, stall_s: float, *, started_s: float) -> None:
        self.stall_s = stall_s
        self._last, self._since_s = Activity(0, 0), started_s

    def is_stalled(self, activity: Activity, *, now_s: float) -> bool:
        if activity != self._last:
            self._last, self._since_s = activity, now_s
        return now_s - self._since_s >= self.stall_s
