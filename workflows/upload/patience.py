"""Trying one idempotent request again: soon, then less often; where Azure asks for a pause, all senders rest."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

Answer = TypeVar("Answer")
THROTTLED: Final = frozenset({429, 503})
LONGEST_S: Final = 30.0


@dataclass
class Patience:
    """How often a request is tried, and when. One of these is shared by all senders of a blob.

    The wait doubles from `first_s` up to half a minute, with jitter; a Retry-After counts where it is longer. The SDK's
    own policy waits 15 s before its first retry (seen in azure-storage-blob 12.31), so it is told to try once.
    """

    tries: int = 10
    first_s: float = 0.25
    hopeful: bool = True
    """Also try again where there is no server: it was there a moment ago."""
    clock: Callable[[], float] = time.monotonic
    given_up: threading.Event = field(default_factory=threading.Event)
    """Set when another sender has failed for good: nobody waits any longer."""
    _pause_until: float = float("-inf")

    def ask(self, request: Callable[[], Answer]) -> Answer:
        """The answer; or the AzureError of the last try, at once where trying again cannot help."""
        from azure.core.exceptions import AzureError

        from flight.workflows.cloud.refusal import is_passing

        for count in range(self.tries):
            self._rest(self._pause_until - self.clock())
            try:
                return request()
            except AzureError as error:
                if count + 1 == self.tries or self.given_up.is_set() or not is_passing(error, hopeful=self.hopeful):
                    raise
                self._rest(self._wait_after(error, count))
        raise AssertionError("unreachable")

    def _wait_after(self, error: AzureError, count: int) -> float:
        wait = max(min(self.first_s * 2.0**count, LONGEST_S) * random.uniform(0.75, 1.25), retry_after(error))
        if getattr(error, "status_code", None) in THROTTLED:
            self._pause_until = max(self._pause_until, self.clock() + wait)
        return wait

    def _rest(self, seconds: float) -> None:
        if seconds > 0:
            self.given_up.wait(seconds)


def retry_after(error: AzureError) -> float:
    """The seconds that the server asked for in Retry-After, at most half a minute; 0 where it did not."""
    headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return min(float(headers.get("Retry-After", 0)), LONGEST_S)
    except ValueError:  # a date: servers of Azure send seconds
        return 0.0
