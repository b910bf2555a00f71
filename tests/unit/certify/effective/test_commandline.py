"""The kernel's command line, word by word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.certify.effective.commandline import arguments_of, has_word, listed, values

LINES = {
    "": [],
    "quiet": [("quiet", "")],
    "a=1  b=2\tc": [("a", "1"), ("b", "2"), ("c", "")],
    "root=UUID=1 ro": [("root", "UUID=1"), ("ro", "")],
    'dyndbg="file a.c +p" x': [("dyndbg", "file a.c +p"), ("x", "")],
    '"a=b c" d': [("a", "b c"), ("d", "")],
    "a -- b": [("a", "")],
    'never="closed a': [("never", "closed a")],
}


@pytest.mark.parametrize(("line", "pairs"), LINES.items())
def test_words_are_told_apart_as_the_kernel_does(line: str, pairs: list[tuple[str, str]]) -> None:
    assert arguments_of(line) == pairs


def test_hyphens_and_underscores_in_names_are_the_same() -> None:
    assert values("nvme-core.io-timeout=1 nvme_core.io_timeout=2", "nvme_core.io_timeout") == ["1", "2"]


def test_a_word_is_no_part_of_another() -> None:
    assert not has_word("quietly unquiet a=quiet", "quiet")
    assert has_word("a quiet", "quiet")


def test_lists_are_added_up() -> None:
    assert list(listed("b=x,y b=,z", "b")) == ["x", "y", "z"]


@given(st.text(max_size=300))
def test_any_line_has_words(line: str) -> None:
    assert all(isinstance(name, str) for name, _ in arguments_of(line))
