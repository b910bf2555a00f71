"""Whether a guest still gets anywhere: its console grows, or its disk is read or written (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRMWARE_STALL_S: Final = 30.0
"""Zeroed boot code spins for ever in silence; boot code that works speaks or reads within a second."""


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

    def silent_s(self, now_s: float) -> float:
        return now_s - self._since_s

    def is_stalled(self, activity: Activity, *, now_s: float, is_at_firmware: bool = False) -> bool:
        """Boot code that never got further than its first jump is given FIRMWARE_STALL_S only."""
        if activity != self._last:
            self._last, self._since_s = activity, now_s
        patience_s = min(self.stall_s, FIRMWARE_STALL_S) if is_at_firmware else self.stall_s
        return self.silent_s(now_s) >= patience_s
