"""Blob Storage in memory: it speaks HTTP with the unmodified SDK, and refuses what the real service refuses.

Nothing leaves the process: an adapter of `requests` takes the place of the network, and faults are injected in it.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import requests
from azure.core.pipeline.transport import RequestsTransport
from fake_account import Account
from fake_faults import Faults, SimulatedKill, raise_for
from fake_http import Answer, Asked, Refusal, as_response, taken_apart
from requests.adapters import BaseAdapter

__all__ = ["FakeAzure", "Faults", "SimulatedKill"]

platform.platform()  # runs a program, once: the SDK's user agent asks for it, and a unit test may not


class FakeAzure(BaseAdapter):
    """The way to one account: `FakeAzure(Faults(seed=7, rate=0.1), clock=…)`, then `BlobService(…, transport=…)`."""

    def __init__(self, faults: Faults | None = None, **account: Any) -> None:
        super().__init__()
        self.faults, self.account = faults or Faults(), Account(**account)
        self.in_flight = self.most_in_flight = 0
        self.late: list[tuple[int, Asked]] = []
        """Requests that are still on their way, each with how many it lets pass."""
        self.before: Callable[[Asked], None] = lambda asked: None
        """Called with each request that goes well, before it is answered: may wait, or do something else first."""

    def transport(self) -> RequestsTransport:
        session = requests.Session()
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, self)
        return RequestsTransport(session=session, session_owner=False)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        asked = taken_apart(request)
        with self.account.lock:
            self.arrive()
            fault = self.faults.choose(asked.verb)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if not fault:
                self.before(asked)
            return as_response(request, self._answered(asked, request, fault))
        finally:
            with self.account.lock:
                self.in_flight -= 1

    def close(self) -> None:
        pass

    def arrive(self, *, all_of_them: bool = False) -> None:
        """One more request has passed those that are late; what is due takes effect."""
        passed = [(left - 1, asked) for left, asked in self.late]
        self.late = [one for one in passed if one[0] > 0 and not all_of_them]
        for left, asked in passed:
            if left <= 0 or all_of_them:
                self.account.answer(asked)

    def _answered(self, asked: Asked, request: requests.PreparedRequest, fault: str) -> Answer:
        if fault == "damaged":
            asked.body = bytes([asked.body[0] ^ 1]) + asked.body[1:] if asked.body else b""
        elif fault == "late":
            with self.account.lock:
                self.late.append((self.faults.delay(), asked))
            return _gone_wrong(fault, request)
        elif fault and not fault.endswith(" after"):
            return _gone_wrong(fault, request)
        answer = self.account.answer(asked)
        return _gone_wrong(fault.removesuffix(" after"), request) if fault.endswith(" after") else answer


def _gone_wrong(fault: str, request: requests.PreparedRequest) -> Answer:
    raise_for(fault, request)
    if fault == "503":
        return Refusal(503, "ServerBusy", **{"Retry-After": "1"}).answer()
    return Refusal(500, "InternalError").answer()
