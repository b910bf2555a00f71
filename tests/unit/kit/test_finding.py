from __future__ import annotations

from pathlib import Path

import pytest

from flight.workflows.kit.errors import RecipeError
from flight.workflows.kit.finding import NOWHERE, Finding, Where, refuse, shown


@pytest.mark.parametrize(
    ("finding", "printed"),
    [
        (Finding(Where("a.ks", 3), "no", "yes"), "a.ks:3: no (yes)"),
        (Finding(Where("a.ks", 3), "no"), "a.ks:3: no"),
        (Finding(Where("a.toml", 0), "no"), "a.toml: no"),
    ],
    ids=["with a fix", "without", "a whole file"],
)
def test_a_finding_prints_on_one_line(finding: Finding, printed: str) -> None:
    assert str(finding) == printed


def test_findings_are_refused_together_once_each_and_in_order() -> None:
    with pytest.raises(RecipeError) as caught:
        refuse("this", [Finding(Where("b", 1), "x"), Finding(Where("a", 10), "x"), Finding(Where("a", 9), "x")] * 2)
    assert caught.value.what == "this has 3 faults"
    assert [line.strip() for line in caught.value.why.splitlines()] == ["a:9: x", "a:10: x", "b:1: x"]


def test_one_fault_is_counted_as_one() -> None:
    with pytest.raises(RecipeError, match="this has one fault"):
        refuse("this", [Finding(NOWHERE, "x")])


def test_nothing_found_is_nothing_refused() -> None:
    refuse("this", [])


def test_a_path_is_shown_from_where_a_person_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a" / "b") == "a/b"
    assert shown(tmp_path.parent / "b") == str(tmp_path.parent / "b")
