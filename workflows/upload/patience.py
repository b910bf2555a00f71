"""Trying one idempotent request again: soon, then less often; where Azure asks for a pause, all senders rest."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from flight.workflows.upload.job import Warned, unheard

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

Answer = TypeVar("Answer")
THROTTLED: Final = frozenset({429, 503})
LONGEST_S: Final = 30.0
NOTICED: Final = 3
"""So many tries of one request that fail are told: with the pauses between them, after a second or two."""


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
    was_interrupted: bool = False
    """A connection failed since this was last set to False: the server may have been away, or killed."""
    warned: Warned = unheard
    _pause_until: float = float("-inf")
    _is_away: bool = False

    def ask(self, request: Callable[[], Answer], *, final: Container[str] = ()) -> Answer:
        """The answer; or the AzureError of the last try, at once where trying again cannot help.

        `final` are codes of refusals that another try cannot help here, though it might elsewhere.
        """
        from azure.core.exceptions import AzureError

        from flight.workflows.cloud.refusal import code_of

        for count in range(self.tries):
            self.rest(self._pause_until - self.clock())
            try:
                answer = request()
            except AzureError as error:
                self.was_interrupted |= is_broken_off(error)
                is_last = count + 1 == self.tries or self.given_up.is_set() or code_of(error) in final
                if is_last or not self._may_do_later(error):
                    raise
                if count + 1 == NOTICED:
                    self._notice(error)
                self.rest(self._wait_after(error, count))
            else:
                self._notice(None)
                return answer
        raise AssertionError("unreachable")

    def rest(self, seconds: float) -> None:
        """Wait, unless another sender has failed for good."""
        if seconds > 0:
            self.given_up.wait(seconds)

    def _notice(self, error: AzureError | None) -> None:
        """Say once that it is away, and once that it is back."""
        if self._is_away is (error is None):
            self._is_away = error is not None
            away = "asks for pauses" if error and is_throttled(error) else "does not answer: it is tried on"
            self.warned(f"the service {away if error else 'answers again'}")

    def _may_do_later(self, error: AzureError) -> bool:
        from flight.workflows.cloud.refusal import is_passing

        return is_passing(error, hopeful=self.hopeful) or (self.hopeful and is_broken_off(error))

    def _wait_after(self, error: AzureError, count: int) -> float:
        wait = max(min(self.first_s * 2.0**count, LONGEST_S) * random.uniform(0.75, 1.25), retry_after(error))
        if is_throttled(error):
            self._pause_until = max(self._pause_until, self.clock() + wait)
        return wait


def is_throttled(error: Exception) -> bool:
    """Whether the service asks for fewer requests."""
    return getattr(error, "status_code", None) in THROTTLED


def is_broken_off(error: AzureError) -> bool:
    """Whether there was no whole answer: the connection failed, or the login service was not reached for a new token."""
    from azure.core.exceptions import (
        ClientAuthenticationError,
        IncompleteReadError,
        ServiceRequestError,
        ServiceResponseError,
    )

    from flight.workflows.cloud.refusal import UNREACHED

    if isinstance(error, ClientAuthenticationError):
        return error.status_code is None and UNREACHED.search(str(error)) is not None
    return isinstance(error, (ServiceRequestError, ServiceResponseError, IncompleteReadError))


def retry_after(error: AzureError) -> float:
    """The seconds that the server asked for in Retry-After, at most half a minute; 0 where it did not."""
    headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return min(float(headers.get("Retry-After", 0)), LONGEST_S)
    except ValueError:  # a date: servers of Azure send seconds
        return 0.0
