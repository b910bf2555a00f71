"""What all reports share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from certificates import made

from flight.workflows.certify.certificate import Certificate
from flight.workflows.certify.report import FORMATS
from flight.workflows.certify.report.wording import MOST_SHOWN, area_of, by_area, counts, plain, sentence


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\tand\u2028more", "two lines and more"),
        ("\x1b[31mred\x07\r", "^[[31mred^G^M"),
        ("\x9b31m", "�31m"),
        ("a\u202etxt", "a�txt"),
        ("\udcff\ufffe", "��"),
        ("été — 日本 ✓", "été — 日本 ✓"),
        ("x" * 3000, "x" * MOST_SHOWN + "… (3000 characters)"),
    ],
    ids=["lines", "escapes", "C1", "bidi", "halves", "honest words", "long"],
)
def test_words_are_made_plain(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_an_area_is_where_the_rule_stands() -> None:
    assert area_of(made("a-rule", "kernel.commandline", "A title")) == "kernel.commandline"
    foreign = made("a-rule", "x", "A title")
    foreign.check.__module__ = "somewhere.else"
    assert area_of(foreign) == "else"


def test_areas_stand_in_the_order_of_the_tables(refused: Certificate) -> None:
    assert list(by_area(refused.judged)) == ["disk", "kernel", "agents", "accounts", "network", "claims"]


def test_each_rule_is_counted_once(refused: Certificate, certified: Certificate, unusable: Certificate) -> None:
    for certificate in (refused, certified, unusable):
        assert sum(counts(certificate).values()) == len(certificate.judged)


def test_the_verdict_is_a_sentence(refused: Certificate, certified: Certificate, unusable: Certificate) -> None:
    assert sentence(refused) == (
        "disk.vhd is not certified: 2 blockers, 1 likely blocker, 1 warning, 1 to know, 1 overridden, 2 undecided, "
        "5 passed, 2 not applicable"
    )
    assert sentence(certified) == "disk.vhd is certified: 1 warning, 1 undecided, 11 passed, 2 not applicable"
    assert sentence(unusable).startswith("disk.vhd is unusable: no root filesystem was found")
    closed = replace(refused, unseen="its filesystem is encrypted")
    assert sentence(closed) == "disk.vhd is unusable: its filesystem is encrypted"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_takes_any_certificate(name: str, with_words: Callable[[str], Certificate]) -> None:
    for words in ("", "\x00", "%s {0} {{ x }} {% y %}", "\udcff"):
        assert FORMATS[name](with_words(words)).encode()
