"""The certificate as continuous integration reads it; junitparser is the independent reader."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace

import pytest
from certificates import HOSTILE, JANE, judged, made, refused
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase

from flight.workflows.certify.certificate import Certificate
from flight.workflows.certify.report.junit import LOOK, render_junit
from flight.workflows.certify.report.wording import SEVERITIES

ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "timestamp"},
    "testcase": {"name", "classname"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"message"},
    "system-out": set[str](),
    "properties": set[str](),
    "property": {"name", "value"},
}
"""What junit-10.xsd allows, of that what is written."""


def read(certificate: Certificate) -> JUnitXml:
    return JUnitXml.fromstring(render_junit(certificate).encode())


def cases(certificate: Certificate) -> dict[str, TestCase]:
    return {case.name: case for suite in read(certificate) for case in suite}


def test_a_refused_image_is_told_as_it_was(refused: Certificate, golden: Callable[[str, str], None]) -> None:
    golden("certify/refused.xml", render_junit(refused))


def test_a_suite_is_a_family_and_a_case_a_rule(refused: Certificate) -> None:
    found = read(refused)
    assert [suite.name for suite in found] == ["disk", "kernel", "agents", "accounts", "network", "claims"]
    assert [case.name for suite in found for case in suite] == [each.rule.id for each in refused.judged]
    assert (found.tests, found.failures, found.errors) == (15, 3, 1)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("cmdline-console", Failure, "ro quiet"),
        ("initrd-hv-full", Error, "compressed by lzo"),
        ("cap-nvme", Skipped, "not applicable: 'nvme' is not claimed"),
        ("dns-works", Skipped, "unknown: /etc/resolv.conf"),
        ("first-mib-free", Skipped, "overridden by jane@example.org: the vendor's loader"),
    ],
)
def test_what_blocks_is_red_and_what_was_not_asked_is_skipped(
    name: str, kind: type, words: str, refused: Certificate
) -> None:
    (result,) = cases(refused)[name].result
    assert isinstance(result, kind)
    assert words in result.message


def test_a_failure_says_what_mends_it(refused: Certificate) -> None:
    (result,) = cases(refused)["cmdline-console"].result
    assert [line.partition(":")[0] for line in result.text.splitlines()] == ["rule", "required", "source", "fix"]


def test_a_warning_passes_and_says_so(refused: Certificate) -> None:
    case = cases(refused)["cmdline-no-quiet"]
    assert case.is_passed
    assert case.system_out.startswith("warning: quiet in /boot/grub/grub.cfg:128\nrule: ")


def test_an_image_that_was_not_opened_is_no_success(unusable: Certificate) -> None:
    (result,) = cases(unusable)[LOOK].result
    assert isinstance(result, Error)
    assert result.message == "no root filesystem was found: ^[[31mLUKS^[[0m on /dev/sda2"


outcomes = st.builds(
    judged,
    st.sampled_from(SEVERITIES).map(lambda severity: made("a-rule", "kernel.age", "A title", severity)),
    st.sampled_from(["pass", "fail", "not applicable", "unknown"]),
    st.text(max_size=30),
    st.sampled_from([None, JANE]),
)


@given(st.lists(outcomes, max_size=5), st.text(max_size=10))
def test_it_is_red_exactly_where_the_verdict_is_not_certified(judged: list[object], unseen: str) -> None:
    certificate = replace(refused(), judged=tuple(judged), unseen=unseen)
    found = read(certificate)
    assert bool(found.failures + found.errors) == (certificate.verdict != "certified")


@given(st.text(alphabet=st.characters(), max_size=50))
def test_any_words_give_xml_that_can_be_read(words: str) -> None:
    from certificates import with_words

    assert read(with_words(words)).tests == 15


def test_only_what_the_schema_knows_is_written(refused: Certificate, with_words: Callable[[str], Certificate]) -> None:
    for certificate in (refused, with_words(HOSTILE)):
        for element in ET.fromstring(render_junit(certificate)).iter():
            assert set(element.keys()) <= ATTRIBUTES[element.tag]
