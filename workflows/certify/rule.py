"""What a rule is: a sentence with its source, and a pure function from an image to an outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from flight.workflows.certify.image import Image
from flight.workflows.certify.tree import NotTaken

Severity = Literal["blocker", "likely blocker", "warning", "info"]
Status = Literal["pass", "fail", "not applicable", "unknown"]
Offline = Literal["yes", "partial"]
BLOCKING: Final = ("blocker", "likely blocker")
GENERATIONS: Final = ("V1", "V2")
NOT_SEEN: Final = "nothing inside was looked at"
"""What is said of every rule about a disk that could not be opened."""


@dataclass(frozen=True)
class Outcome:
    """What was seen, and what follows. Empty `severity`, `required`, `fix`: the rule's own."""

    status: Status
    seen: str
    severity: Severity | None = None
    required: str = ""
    fix: str = ""


Check = Callable[[Image], Outcome]


@dataclass(frozen=True)
class Rule:
    """One rule. `required` and `fix` are sentences for a person; `source` says who demands it, where.

    `offline`: whether the disk alone decides it (yes), or only a necessary condition (partial). `is_secondary`: the
    primary text was not read, somebody quotes it. `known_on`: the date (ISO) of the knowledge behind a rule about
    versions. `family`: debian or el; `generation`: V1 or V2; `machine`: x86_64 or aarch64; `claim`: a capability that
    must be claimed: the rule is asked only then; empty: always. Source of the ids: the reference's tables 2.1 to 2.6.
    """

    id: str
    title: str
    severity: Severity
    required: str
    fix: str
    source: str
    check: Check
    offline: Offline = "yes"
    is_secondary: bool = False
    known_on: str = ""
    family: str = ""
    generation: str = ""
    machine: str = ""
    claim: str = ""

    def ask(self, image: Image) -> Outcome:
        """The outcome for an image; "not applicable" and "unknown" are decided here where they can be."""
        try:
            why_not = self._why_not(image)
            return not_applicable(why_not) if why_not else self.check(image)
        except NotTaken as error:
            return unknown(f"{error}: it is too large, or could not be read")

    def _why_not(self, image: Image) -> str:
        if self.claim and self.claim not in image.claims:
            return f"'{self.claim}' is not claimed"
        if self.generation and self.generation not in image.generations:
            return f"for generation {self.generation[1]} only"
        if self.family and self.family != image.family:
            return f"for {self.family} only"
        if self.machine and image.machine and self.machine != image.machine:
            return f"for {self.machine} only"
        return ""


def rule(
    name: str,
    title: str,
    *,
    severity: Severity,
    required: str,
    fix: str,
    source: str,
    offline: Offline = "yes",
    is_secondary: bool = False,
    known_on: str = "",
    family: str = "",
    generation: str = "",
    machine: str = "",
    claim: str = "",
) -> Callable[[Check], Rule]:
    """A check function as a Rule."""

    def made(check: Check) -> Rule:
        return Rule(
            name, title, severity, required, fix, source, check, offline, is_secondary, known_on, family, generation,
            machine, claim,
        )  # fmt: skip

    return made


def passed(seen: str) -> Outcome:
    return Outcome("pass", seen)


def failed(seen: str, *, severity: Severity | None = None, required: str = "", fix: str = "") -> Outcome:
    """`severity` where this failure weighs less, or more, than the rule's own."""
    return Outcome("fail", seen, severity, required, fix)


def not_applicable(why: str) -> Outcome:
    return Outcome("not applicable", why)


def unknown(why: str) -> Outcome:
    """It could not be decided: for a blocker that is as bad as a failure."""
    return Outcome("unknown", why)


def judged(is_well: bool, seen: str) -> Outcome:
    return passed(seen) if is_well else failed(seen)
