"""What all reports share: the order of what is told, the verdict in a sentence, and words that are fit to be shown."""

from __future__ import annotations

import importlib.metadata
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Final

from flight.workflows.certify.certificate import Certificate, Judged, Override
from flight.workflows.certify.rule import BLOCKING, NOT_SEEN, Rule, Severity
from flight.workflows.kit.errors import harmless

SEVERITIES: Final[tuple[Severity, ...]] = ("blocker", "likely blocker", "warning", "info")
"""The worst first."""
MOST_SHOWN: Final = 2000
"""Characters of one text: a rule that lists what a disk holds may list a lot."""
RULES: Final = ".certify.rules."
SECOND_HAND: Final = "second-hand: the primary text was not read"


def plain(text: str) -> str:
    """Words of others on one line: no control characters, none that turn the direction of writing, no halves of one."""
    line = " ".join(harmless(text[:MOST_SHOWN]).split())
    left = f"… ({len(text)} characters)" if len(text) > MOST_SHOWN else ""
    return (
        "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign)[0] == "C" else sign for sign in line) + left
    )


def area_of(rule: Rule) -> str:
    """The module that the rule stands in, below `rules`: disk.partitions, kernel.commandline."""
    _, is_ours, below = rule.check.__module__.rpartition(RULES)
    return below if is_ours else below.rpartition(".")[2]


def by_area(judged: Iterable[Judged]) -> dict[str, list[Judged]]:
    """By the folder, or the module where there is none, in the order in which the rules stand."""
    found: dict[str, list[Judged]] = {}
    for area, each in groupby(judged, lambda one: area_of(one.rule).partition(".")[0]):
        found.setdefault(area, []).extend(each)
    return found


def failures(certificate: Certificate) -> list[Judged]:
    """The worst first; what somebody overrode comes last."""
    return sorted((each for each in certificate.judged if each.status == "fail"), key=_weight)


def undecided(certificate: Certificate) -> list[Judged]:
    return sorted((each for each in certificate.judged if each.status == "unknown"), key=_weight)


def worth_telling(certificate: Certificate) -> list[Judged]:
    """Those of the undecided that have a reason of their own: not a row each where nobody saw into the disk."""
    return [each for each in undecided(certificate) if each.seen != NOT_SEEN]


def _weight(judged: Judged) -> tuple[bool, int]:
    return judged.override is not None, SEVERITIES.index(judged.severity)


def counts(certificate: Certificate) -> Mapping[str, int]:
    """How many rules came to what; each is counted once."""
    failed = failures(certificate)
    standing: dict[str, int] = {
        name: sum(not each.override and each.severity == name for each in failed) for name in SEVERITIES
    }
    return {
        **standing,
        "overridden": sum(each.override is not None for each in certificate.judged),
        "undecided": sum(each.override is None for each in undecided(certificate)),
        "passed": certificate.count("pass"),
        "not applicable": certificate.count("not applicable"),
    }


def sentence(certificate: Certificate) -> str:
    """The verdict with its counts."""
    if certificate.verdict == "unusable":
        return f"{certificate.name} is unusable: {certificate.unseen}"
    found = ", ".join(_counted(name, count) for name, count in counts(certificate).items() if count)
    return f"{certificate.name} is {certificate.verdict}: {found or 'no rule was asked'}"


def _counted(name: str, count: int) -> str:
    name = {"info": "to know"}.get(name, name)
    return f"{count} {name}{'s' if count != 1 and name in (*BLOCKING, 'warning') else ''}"


def override_line(override: Override) -> str:
    return f"{', '.join(override.rules)} overridden by {override.who}: {override.why}"


def source_line(rule: Rule) -> str:
    """Who demands it, and how far that is known."""
    known = f"; as known on {rule.known_on}" if rule.known_on else ""
    return f"{rule.source}{f' ({SECOND_HAND})' if rule.is_secondary else ''}{known}"


def known_on(certificate: Certificate) -> str:
    """The youngest knowledge behind the rules, as an ISO date; empty where none is about versions."""
    return max((each.rule.known_on for each in certificate.judged), default="")


def version() -> str:
    """Flight's own."""
    return importlib.metadata.version("flight")
