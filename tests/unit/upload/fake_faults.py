"""What goes wrong between a client and the fake service: by seed, before a request takes effect or after it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import requests
from urllib3.exceptions import ProtocolError

BEFORE = ("reset", "timeout", "refused", "500", "503", "damaged")
AFTER = ("reset after", "timeout after", "500 after", "503 after")
"""The request was done, and its answer was lost."""
LATE = ("late",)
"""The client hears of a timeout, and the request takes effect, or is refused, up to four requests later."""


class SimulatedKill(BaseException):
    """The process that sent the request is dead."""


@dataclass
class Faults:
    """Chooses what happens to each request: with `rate`, one of `kinds`. `log` tells what did happen, and to what.

    `never` are verbs that are let through (as `Asked.verb` names them).
    """

    seed: int = 0
    rate: float = 0.0
    kinds: tuple[str, ...] = BEFORE + AFTER
    never: frozenset[str] = frozenset()
    log: list[tuple[str, str]] = field(default_factory=list)
    next: list[str] = field(default_factory=list)
    """These come first, one for each request of `only` ("" for one that goes well)."""
    only: str = ""
    _chance: random.Random = field(init=False)
    _left: int | None = None
    is_dead: bool = False

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def kill_after(self, requests_: int) -> None:
        """The request of this number from now, the first is 1, is the last one: it dies before or after its effect."""
        self._left = requests_

    def revive(self) -> None:
        """The process was started again."""
        self._left, self.is_dead = None, False

    def choose(self, verb: str) -> str:
        """What happens to this request; empty where it goes well."""
        if self.is_dead:
            return "killed"
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.is_dead = True
                return self._noted(verb, self._chance.choice(("killed", "killed after")))
        if self.next and verb.startswith(self.only):
            return self._noted(verb, self.next.pop(0))
        if verb not in self.never and self._chance.random() < self.rate:
            return self._noted(verb, self._chance.choice(self.kinds))
        return ""

    def delay(self) -> int:
        """How many requests a late one lets pass."""
        return self._chance.randint(1, 4)

    def _noted(self, verb: str, kind: str) -> str:
        if kind:
            self.log.append((verb, kind))
        self.is_dead |= kind.startswith("killed")
        return kind


def raise_for(kind: str, request: requests.PreparedRequest) -> None:
    """The exception that a client sees where a connection fails; nothing for a fault that has an answer."""
    if kind == "killed":
        raise SimulatedKill
    if kind == "reset":
        cause = ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
        raise requests.exceptions.ConnectionError(cause, request=request)
    if kind in ("timeout", "late"):
        raise requests.exceptions.ReadTimeout("Read timed out.", request=request)
    if kind == "refused":
        raise requests.exceptions.ConnectionError("Connection refused", request=request)
