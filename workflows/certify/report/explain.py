"""A rule by itself, and all of them in a list: what `flight certify --explain` and `--list` say. No disk is needed."""

from __future__ import annotations

from collections.abc import Iterable

from flight.workflows.certify.report.wording import source_line
from flight.workflows.certify.rule import Rule

OFFLINE = {
    "yes": "yes: the disk alone decides it",
    "partial": "partial: a necessary condition; the rest shows only on a running machine",
}
FAMILIES = {"debian": "Debian and its kin", "el": "Enterprise Linux"}


def explain(rule: Rule) -> str:
    """What is asked, of whom, who demands it and what mends it. Columns are two spaces apart: to be `folded`."""
    rows = {
        "severity": rule.severity,
        "asked of": asked_of(rule),
        "required": rule.required,
        "fix": rule.fix,
        "source": source_line(rule),
        "offline": OFFLINE[rule.offline],
    }
    return "\n".join([f"{rule.id}: {rule.title}", "", *(f"  {name:<8}  {value}" for name, value in rows.items())])


def asked_of(rule: Rule) -> str:
    """The images that the rule is for, in words."""
    family = FAMILIES.get(rule.family, rule.family)
    words = (
        f"generation {rule.generation[1:]}" if rule.generation else "",
        f"{rule.machine}" if rule.machine else "",
        family,
        f"what claims '{rule.claim}'" if rule.claim else "",
    )
    return ", ".join(filter(None, words)) or "every image"


def list_rules(rules: Iterable[Rule]) -> str:
    """One line for each: id, severity, offline, title."""
    rows = [(rule.id, rule.severity, rule.offline, rule.title) for rule in rules]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "\n".join(
        "  ".join((*(f"{word:<{width}}" for word, width in zip(row, widths, strict=False)), row[3])) for row in rows
    )
