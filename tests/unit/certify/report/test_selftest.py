"""The certificate in the shape of the self-test's answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from certificates import JANE, judged, made

from flight.workflows.certify.certificate import Certificate
from flight.workflows.certify.report.selftest import TESTS, render_selftest
from flight.workflows.certify.rule import Severity, Status

IDS = ["48", "39", "40", "41", "42", "44", "45", "46", "49", "50", "51", "52"]
"""Source: the sample response of the self-test API."""
KEYS = [
    "SchemaVersion", "AppCertificationCategory", "ProviderID", "OSName", "OSDistro", "KernelVersion",
    "KernelFullVersion", "OSVersion", "CreatedDate", "TestResult", "APIVersion", "Tests",
]  # fmt: skip


def response(certificate: Certificate) -> dict[str, Any]:
    answer = json.loads(render_selftest(certificate))
    assert list(answer) == ["TrackingId", "Response"]
    return json.loads(answer["Response"])


def with_rule(certificate: Certificate, name: str, status: Status, severity: Severity = "blocker") -> Certificate:
    """Every rule of the self-test's passed, but for this one."""
    rules = {rule: made(rule, "kernel.age", "A title") for test in TESTS for rule in test.rules}
    rules[name] = made(name, "kernel.age", "A title", severity)
    every = (judged(rule, status if rule.id == name else "pass", "what was seen") for rule in rules.values())
    return replace(certificate, judged=tuple(every))


def result(certificate: Certificate, number: str) -> tuple[str, str]:
    (test,) = [test for test in response(certificate)["Tests"] if test["TestID"] == number]
    return test["Result"], test["ActualValue"]


def test_a_refused_image_is_told_as_it_was(refused: Certificate, golden: Callable[[str, str], None]) -> None:
    golden("certify/refused.selftest.json", json.dumps(response(refused), indent=2) + "\n")


def test_the_shape_is_that_of_the_sample(refused: Certificate) -> None:
    told = response(refused)
    assert list(told) == KEYS
    assert [test["TestID"] for test in told["Tests"]] == IDS
    for test in told["Tests"]:
        assert list(test) == ["TestID", "TestCaseName", "Description", "Result", "ActualValue", "RequiredValue"]
        assert all(isinstance(value, str) for value in test.values())
    assert (told["OSVersion"], told["CreatedDate"]) == ("12", "11/23/2026 11:20:42")


def test_where_all_is_well_the_words_are_the_self_tests_own(refused: Certificate) -> None:
    well = with_rule(refused, "arch-64", "pass")
    assert response(well)["TestResult"] == "Pass"
    assert result(well, "48") == ("Passed", "No file Exist")
    assert result(well, "41") == ("Passed", "No. of Swap Partitions: 0")
    assert result(well, "42") == ("Passed", "Root Partition: 1")
    assert result(well, "40") == ("Passed", "Matched Parameter: console=ttyS0,earlyprintk=ttyS0,rootdelay=300")
    assert result(well, "39") == ("Passed", "what was seen")


@pytest.mark.parametrize(
    ("name", "status", "severity", "number", "expected", "overall"),
    [
        ("os-no-swap-part", "fail", "blocker", "41", "Failed", "Fail"),
        ("os-no-swap-file", "fail", "blocker", "41", "Failed", "Fail"),
        ("cmdline-console", "fail", "blocker", "40", "Failed", "Fail"),
        ("cmdline-rootdelay", "fail", "warning", "40", "Warning", "Pass"),
        ("sshd-alive", "fail", "blocker", "46", "Warning", "Pass"),
        ("waagent-version", "fail", "warning", "39", "Warning", "Pass"),
        ("cmdline-earlyprintk", "not applicable", "warning", "40", "Passed", "Pass"),
        ("python-version", "unknown", "warning", "45", "Failed", "Fail"),
    ],
)
def test_a_rule_that_fails_is_told_as_the_self_test_would(
    name: str, status: Status, severity: Severity, number: str, expected: str, overall: str, refused: Certificate
) -> None:
    certificate = with_rule(refused, name, status, severity)
    assert result(certificate, number)[0] == expected
    assert response(certificate)["TestResult"] == overall


def test_the_missing_parameters_are_named_as_the_self_test_names_them(refused: Certificate) -> None:
    told = result(with_rule(refused, "cmdline-rootdelay", "fail", "warning"), "40")
    assert told == (
        "Warning",
        "Missing Parameter: rootdelay=300\r\nMatched Parameter: console=ttyS0,earlyprintk=ttyS0",
    )


def test_an_override_is_ours_and_not_the_self_tests(refused: Certificate) -> None:
    failed = with_rule(refused, "history-absent", "fail")
    overridden = replace(failed, judged=tuple(replace(each, override=JANE) for each in failed.judged))
    assert result(overridden, "48") == ("Failed", "what was seen")


def test_what_was_not_looked_at_is_never_passed(unusable: Certificate) -> None:
    told = response(unusable)
    assert {test["Result"] for test in told["Tests"]} == {"Failed"}
    assert {test["ActualValue"] for test in told["Tests"]} == {"not looked at"}


def test_the_same_certificate_has_the_same_tracking_id(refused: Certificate) -> None:
    assert render_selftest(refused) == render_selftest(refused)
    assert render_selftest(refused) != render_selftest(replace(refused, digest="another"))


def test_every_rule_that_it_names_is_there() -> None:
    from flight.workflows.certify.rules import RULES

    assert {rule for test in TESTS for rule in test.rules} <= {rule.id for rule in RULES}
