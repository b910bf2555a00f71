"""What follows from the rules: certified, not certified, or unusable; who overrode what, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import BLOCKING, Rule, Severity, Status
from flight.workflows.recipe.values import Override as Override

Verdict = Literal["certified", "not certified", "unusable"]
EXIT_CODES: Final[Mapping[Verdict, int]] = {"certified": 0, "not certified": 1, "unusable": 2}


@dataclass(frozen=True)
class Judged:
    """A rule and its outcome; `required` and `fix` as this outcome has them."""

    rule: Rule
    status: Status
    severity: Severity
    seen: str
    required: str
    fix: str
    override: Override | None = None

    @property
    def is_blocking(self) -> bool:
        """It stands in the way: a blocker that failed, or could not be decided, and that nobody overrode."""
        return self.severity in BLOCKING and self.status in ("fail", "unknown") and self.override is None


@dataclass(frozen=True)
class Certificate:
    """All that was judged. `unseen`: why nothing inside was looked at. `digest` names the image's content, or is empty.

    `system` are words for a person: os, kernel, machine, packages, disk. `seconds`: the look, and the rules.
    """

    name: str
    digest: str
    judged: tuple[Judged, ...]
    generations: tuple[str, ...]
    claims: tuple[str, ...]
    system: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unseen: str = ""
    seconds: float = 0.0
    made_at: str = ""

    @property
    def blocking(self) -> tuple[Judged, ...]:
        return tuple(each for each in self.judged if each.is_blocking)

    @property
    def verdict(self) -> Verdict:
        """Unusable where nothing inside was seen."""
        if self.unseen:
            return "unusable"
        return "not certified" if self.blocking else "certified"

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]

    @property
    def overrides(self) -> tuple[Override, ...]:
        """Those that were needed."""
        return tuple(dict.fromkeys(each.override for each in self.judged if each.override))

    def count(self, status: Status) -> int:
        return Counter(each.status for each in self.judged)[status]


def judge(image: Image, rules: Iterable[Rule], overrides: Sequence[Override] = ()) -> tuple[Judged, ...]:
    """Every rule asked. Pure."""
    return tuple(_judged(rule, image, overrides) for rule in rules)


def _judged(rule: Rule, image: Image, overrides: Sequence[Override]) -> Judged:
    outcome = rule.ask(image)
    severity = outcome.severity or rule.severity
    stands = outcome.status in ("fail", "unknown") and severity in BLOCKING
    override = next((one for one in overrides if stands and rule.id in one.rules), None)
    return Judged(
        rule,
        outcome.status,
        severity,
        outcome.seen,
        outcome.required or rule.required,
        outcome.fix or rule.fix,
        override,
    )
