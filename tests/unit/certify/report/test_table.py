"""The certificate as a terminal shows it."""

from __future__ import annotations

import io
import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest

from flight.workflows.certify.certificate import Certificate
from flight.workflows.certify.report.table import for_stdout, render_table

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
Golden = Callable[[str, str], None]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [0, 80, 120])
def test_a_refused_image_is_told_as_it_was(width: int, refused: Certificate, golden: Golden) -> None:
    golden(f"certify/refused-{width}.txt", render_table(refused, width=width))


def test_a_certified_image_and_an_unusable_one_are_told_as_they_were(
    certified: Certificate, unusable: Certificate, golden: Golden
) -> None:
    golden("certify/certified-80.txt", render_table(certified, width=80))
    golden("certify/unusable-80.txt", render_table(unusable, width=80))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal_unless_a_word_is(width: int, refused: Certificate) -> None:
    longest = max(map(len, render_table(refused).split()))
    for line in render_table(refused, width=width).splitlines():
        assert len(line) <= width or len(line.strip().split()[-1]) > width - 16, line
    assert longest < 80


def test_what_is_folded_is_whole_and_in_order(refused: Certificate) -> None:
    assert render_table(refused, width=60).split() == render_table(refused).split()


def test_the_worst_comes_first_and_what_was_overridden_after_the_failures(refused: Certificate) -> None:
    rows = re.findall(r"^(\S+) +(\S+)  ", render_table(refused), re.MULTILINE)
    assert rows[:8] == [
        ("FAIL", "cmdline-console"),
        ("FAIL", "history-absent"),
        ("FAIL", "no-private-keys"),
        ("WARN", "cmdline-no-quiet"),
        ("INFO", "azure-vm-utils"),
        ("OVER", "first-mib-free"),
        ("?", "initrd-hv-full"),
        ("?", "dns-works"),
    ]


@pytest.mark.parametrize("is_coloured", [False, True])
def test_no_word_of_a_disk_reaches_the_terminal_as_anything_but_words(
    is_coloured: bool, with_words: Callable[[str], Certificate]
) -> None:
    every = "".join(map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x202E, 0x2066, 0xD800, 0xFFFE)))
    text = COLOUR.sub("", render_table(with_words(f"a{every}b"), width=80, is_coloured=is_coloured))
    assert not {sign for sign in text if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n"}


def test_a_text_without_end_is_cut(with_words: Callable[[str], Certificate]) -> None:
    text = render_table(with_words("never " * 1_000_000), width=80)
    assert "… (6000000 characters)" in text
    assert len(text) < 1_000_000


def test_colour_adds_nothing_but_colour(refused: Certificate) -> None:
    coloured = render_table(refused, width=80, is_coloured=True)
    plain = [line.rstrip() for line in COLOUR.sub("", coloured).splitlines()]
    assert plain == render_table(refused, width=80).splitlines()
    assert "\x1b[1;31mFAIL" in coloured


@pytest.mark.parametrize(
    ("settings", "is_coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({}, False)],
    ids=["a terminal", "NO_COLOR", "a dumb one", "one without a name"],
)
def test_a_terminal_gets_its_width_and_colour_only_if_it_wants_it(
    settings: dict[str, str], is_coloured: bool, refused: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**settings, "COLUMNS": "90"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert for_stdout(refused) == render_table(refused, width=90, is_coloured=is_coloured)


def test_what_is_piped_is_neither_folded_nor_coloured(refused: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert for_stdout(refused) == render_table(refused)


def test_a_certificate_without_rules_is_a_few_lines(refused: Certificate) -> None:
    text = render_table(replace(refused, judged=(), notes=()), width=80)
    assert "disk.vhd is certified: no rule was asked" in text
