"""A rule by itself, and the list of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from certificates import REFUSED, made

from flight.workflows.certify.report.explain import asked_of, explain, list_rules
from flight.workflows.certify.rule import Rule


def rule(name: str) -> Rule:
    return next(each.rule for each in REFUSED if each.rule.id == name)


def test_a_rule_is_explained_as_it_was(golden: Callable[[str, str], None]) -> None:
    names = ("cmdline-console", "waagent-version", "cap-nvme", "no-private-keys")
    golden("certify/explained.txt", "\n\n".join(explain(rule(name)) for name in names) + "\n")


def test_the_rules_are_listed_as_they_were(golden: Callable[[str, str], None]) -> None:
    golden("certify/listed.txt", list_rules(each.rule for each in REFUSED) + "\n")


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("every image", {}),
        ("generation 2", {"generation": "V2"}),
        ("Enterprise Linux", {"family": "el"}),
        ("generation 1, x86_64, Debian and its kin", {"generation": "V1", "machine": "x86_64", "family": "debian"}),
        ("what claims 'nvme'", {"claim": "nvme"}),
    ],
)
def test_it_says_which_images_are_asked(words: str, given: dict[str, str]) -> None:
    assert asked_of(made("a-rule", "kernel.age", "A title", **given)) == words


def test_a_list_of_no_rules_is_empty() -> None:
    assert list_rules(()) == ""
