"""A certificate as a terminal, a program, a CI server, a browser or Microsoft's toolkit reads it.

Each module has one `render_NAME(certificate) -> str`, which is pure; FORMATS names them as the command line does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from flight.workflows.certify.certificate import Certificate
from flight.workflows.certify.report.as_json import render_json
from flight.workflows.certify.report.explain import explain, list_rules
from flight.workflows.certify.report.html import render_html
from flight.workflows.certify.report.junit import render_junit
from flight.workflows.certify.report.selftest import render_selftest
from flight.workflows.certify.report.table import for_stdout, render_table

FORMATS: Final[Mapping[str, Callable[[Certificate], str]]] = {
    "table": render_table,
    "json": render_json,
    "junit": render_junit,
    "html": render_html,
    "selftest": render_selftest,
}

__all__ = [
    "FORMATS",
    "explain",
    "for_stdout",
    "list_rules",
    "render_html",
    "render_json",
    "render_junit",
    "render_selftest",
    "render_table",
]
