"""The certificate as JUnit XML, which continuous integration shows: a suite for each family of rules, a case a rule.

It is red exactly where the verdict is not "certified": what fails and blocks is a failure, what blocks because it could
not be decided is an error. Failures that do not block pass, and say so in their output; the rest is skipped.

Source of the form: Jenkins's xunit-plugin, junit-10.xsd (of `testsuites` it knows no `skipped`).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Final

from flight.workflows.certify.certificate import Certificate, Judged
from flight.workflows.certify.report.wording import area_of, by_area, plain, sentence, source_line, version

LOOK: Final = "look-inside"
"""The case that stands for all the rules that a closed disk leaves unasked."""


def render_junit(certificate: Certificate) -> str:
    top = ET.Element("testsuites", name=f"flight certify {plain(certificate.name)}")
    for area, judged in by_area(certificate.judged).items():
        _add_suite(top, area, certificate, judged)
    if certificate.unseen:
        suite = _add_suite(top, LOOK, certificate, ())
        case = ET.SubElement(suite, "testcase", name=LOOK, classname="flight.certify")
        _add(case, "error", kind="unusable", message=certificate.unseen)
    for suite in top:
        _count(suite)
    for name in ("tests", "failures", "errors"):
        top.set(name, str(sum(int(suite.get(name, 0)) for suite in top)))
    top.set("time", f"{certificate.seconds:.3f}")
    ET.indent(top)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(top, encoding="unicode")}\n'


def _add_suite(top: ET.Element, area: str, certificate: Certificate, judged: Sequence[Judged]) -> ET.Element:
    suite = ET.SubElement(top, "testsuite", name=area)
    if certificate.made_at:
        suite.set("timestamp", plain(certificate.made_at))
    told = {"image": certificate.name, "digest": certificate.digest, "verdict": sentence(certificate)}
    properties = ET.SubElement(suite, "properties")
    for name, value in {**told, "flight": version()}.items():
        ET.SubElement(properties, "property", name=name, value=plain(value))
    for each in judged:
        _add_case(suite, each)
    return suite


def _add_case(suite: ET.Element, judged: Judged) -> None:
    case = ET.SubElement(suite, "testcase", name=judged.rule.id, classname=f"flight.certify.{area_of(judged.rule)}")
    if judged.is_blocking:
        kind = "failure" if judged.status == "fail" else "error"
        _add(case, kind, kind=judged.severity, message=judged.seen, text=_advice(judged))
    elif judged.override:
        _add(case, "skipped", message=f"overridden by {judged.override.who}: {judged.override.why}", text=judged.seen)
    elif judged.status == "fail":
        _add(case, "system-out", text=f"{judged.severity}: {plain(judged.seen)}\n{_advice(judged)}")
    elif judged.status == "pass":
        _add(case, "system-out", text=plain(judged.seen))
    else:
        _add(case, "skipped", message=f"{judged.status}: {judged.seen}")


def _add(case: ET.Element, name: str, *, kind: str = "", message: str = "", text: str = "") -> None:
    child = ET.SubElement(case, name)
    if kind:
        child.set("type", kind)
    if message:
        child.set("message", plain(message))
    child.text = "\n".join(map(plain, text.splitlines()))


def _advice(judged: Judged) -> str:
    rows = {"rule": judged.rule.title, "required": judged.required, "source": source_line(judged.rule)}
    return "\n".join(f"{name}: {plain(value)}" for name, value in {**rows, "fix": judged.fix}.items() if value)


def _count(suite: ET.Element) -> None:
    for name, found in {
        "tests": "testcase", "failures": "testcase/failure", "errors": "testcase/error", "skipped": "testcase/skipped"
    }.items():  # fmt: skip
        suite.set(name, str(len(suite.findall(found))))
