from __future__ import annotations

from pathlib import Path

import pytest

from flight.workflows.kit.errors import RecipeError
from flight.workflows.kit.finding import NOWHERE, Finding, Where, finding_of, refuse, shown


@pytest.mark.parametrize(
    ("finding", "printed"),
    [
        (Finding(Where("a.ks", 3), "no", "yes"), "a.ks:3: no (yes)"),
        (Finding(Where("a.ks", 3), "no"), "a.ks:3: no"),
        (Finding(Where("a.toml", 0), "no"), "a.toml: no"),
        (Finding(NOWHERE, "no"), "no"),
    ],
    ids=["with a fix", "without", "a whole file", "nowhere"],
)
def test_a_finding_prints_on_one_line(finding: Finding, printed: str) -> None:
    assert str(finding) == printed


@pytest.mark.parametrize("line", ["a/b.ks:3: no: 12: http://x", "b.ks: no", "no"])
def test_a_line_that_tells_a_finding_is_read_back(line: str) -> None:
    finding = finding_of(line)
    assert str(finding) == line
    assert finding.where == {"a": Where("a/b.ks", 3), "b": Where("b.ks", 0), "n": NOWHERE}[line[0]]


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
