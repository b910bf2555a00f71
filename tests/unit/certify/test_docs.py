"""docs/certification.md lists every rule as it is."""

from __future__ import annotations

from home import TOP

from flight.workflows.certify.report.explain import asked_of
from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules import RULES

PAGE = "../../docs/certification.md"
MARK = "<!-- rules -->\n"


def row(rule: Rule) -> str:
    source = rule.source + (" (second-hand)" if rule.is_secondary else "")
    cells = (f"**{rule.id}**", rule.severity, rule.offline, asked_of(rule), rule.required, source)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def test_the_page_lists_every_rule(golden: object) -> None:
    text = (TOP / "docs" / "certification.md").read_text().partition(MARK)[0] + MARK
    text += "| rule | severity | offline | asked of | required | source |\n|---|---|---|---|---|---|\n"
    golden(PAGE, text + "".join(map(row, RULES)))  # type: ignore[operator]
