"""The certificate as programs read it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from certificates import HOSTILE

from flight.workflows.certify.certificate import Certificate
from flight.workflows.certify.report.as_json import json_values, render_json


def test_a_refused_image_is_told_as_it_was(refused: Certificate, golden: Callable[[str, str], None]) -> None:
    golden("certify/refused.json", render_json(refused))


def test_the_keys_are_those_that_the_docstring_lists(refused: Certificate) -> None:
    values = json.loads(render_json(refused))
    documented = set(re.findall(r"\w+", render_json.__doc__ or ""))
    keys = {*values, *values["disk"], *values["overrides"][0], *values["rules"][0]}
    assert keys <= documented


def test_every_rule_is_there_once_in_the_order_of_the_tables(refused: Certificate) -> None:
    rules = json.loads(render_json(refused))["rules"]
    assert [rule["id"] for rule in rules] == [each.rule.id for each in refused.judged]
    assert {rule["status"] for rule in rules} == {"pass", "fail", "not applicable", "unknown"}


def test_the_verdict_is_the_certificates(refused: Certificate, certified: Certificate, unusable: Certificate) -> None:
    told = [json_values(each) for each in (certified, refused, unusable)]
    assert [values["exit_code"] for values in told] == [0, 1, 2]
    assert [values["verdict"] for values in told] == ["certified", "not certified", "unusable"]
    assert told[0]["blocking"] == []
    assert told[1]["blocking"] == ["cmdline-console", "initrd-hv-full", "history-absent", "no-private-keys"]
    assert told[2]["unseen"].startswith("no root filesystem")


def test_an_override_is_told_with_its_rule(refused: Certificate) -> None:
    rule = next(rule for rule in json_values(refused)["rules"] if rule["id"] == "first-mib-free")
    assert rule["overridden"] == {
        "who": "jane@example.org",
        "why": "the vendor's loader stands there, and was certified with it",
    }
    assert not rule["is_blocking"]


def test_words_of_a_disk_are_kept_as_they_are_and_do_nothing_on_the_way(
    with_words: Callable[[str], Certificate],
) -> None:
    text = render_json(with_words(HOSTILE))
    assert json.loads(text)["rules"][0]["seen"] == HOSTILE
    assert re.fullmatch(r"[\n -~]*", text)
