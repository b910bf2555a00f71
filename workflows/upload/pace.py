"""How many requests that write are in flight at once: fewer where the service pushes back, more while it keeps up.

The real service answers 503 to too many connections (128 drew them where 8 did not), and others share the account.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

START: Final = 8
MOST: Final = 16
SLOWER: Final = 2.0
"""Where the median answer takes this many times as long as the best one did, more in flight would only wait longer."""


@dataclass
class Limit:
    """The rule, without threads or clocks: halved when pushed back, one more after as many successes as it allows."""

    now: int = START
    most: int = MOST
    best_s: float = float("inf")
    """The lowest median of a full round so far."""
    _round: list[float] = field(default_factory=list)

    def succeeded(self, seconds: float) -> None:
        """One request was answered after so many seconds."""
        self._round.append(seconds)
        if len(self._round) < self.now:
            return
        median = statistics.median(self._round)
        self._round.clear()
        self.best_s = min(self.best_s, median)
        if median <= self.best_s * SLOWER:
            self.now = min(self.now + 1, self.most)

    def pushed_back(self) -> None:
        """The service asked for fewer requests."""
        self.now = max(1, self.now // 2)
        self._round.clear()


class Pace:
    """Lets as many into `turn` at once as the limit allows. Shared by all senders of a blob."""

    def __init__(self, start: int = START, most: int = MOST, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = Limit(start, most), clock
        self._in_flight = self._halvings = 0
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        return self._limit.now

    @contextlib.contextmanager
    def turn(self, is_pushed_back: Callable[[Exception], bool] = lambda error: False) -> Iterator[None]:
        """One request, from its sending to its answer; waits until there is room for it.

        A throng of refusals at once is one refusal: those that were on their way when the limit was halved do not
        halve it again.
        """
        begun_after = self._enter()
        began = self._clock()
        try:
            yield
        except Exception as error:
            if is_pushed_back(error):
                self._push_back(begun_after)
            raise
        else:
            with self._changed:
                self._limit.succeeded(self._clock() - began)
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def _enter(self) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight < self._limit.now)
            self._in_flight += 1
            return self._halvings

    def _push_back(self, begun_after: int) -> None:
        with self._changed:
            if begun_after == self._halvings:
                self._halvings += 1
                self._limit.pushed_back()
