"""The gate of the walk: what is written for a pass, what for a failure, and what the next stages believe."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from trees import DEBIAN, changed

from flight.workflows.artefact import Facts
from flight.workflows.certify import gate
from flight.workflows.certify.certifying import Asked, judge_snapshot
from flight.workflows.certify.facts import Snapshot
from flight.workflows.kit.errors import FlightError
from flight.workflows.recipe.values import Certify, Override, Recipe
from flight.workflows.settings import Programs

OVERRIDE = Override(("history-absent",), "Ann", "a demonstration")
HISTORY = changed(DEBIAN, files={"/root/.bash_history": "ls\n"})
MADE = (Facts("ConvertImage", 1, "k", "demo", "1", (), {}, {"digest": "sha256:d"}),)


def recipe(tmp_path: Path, certify: Certify | None = None) -> Recipe:
    return Recipe("demo", tmp_path / "demo.toml", "trixie", certify=certify or Certify())


@pytest.fixture
def to(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / ".arriving-x"


def through(snapshot: Snapshot, recipe: Recipe, to: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    def seen(_disk: Path, asked: Asked, **_more: object) -> tuple[object, Snapshot]:
        return judge_snapshot(replace(snapshot, digest="sha256:d"), asked), snapshot

    monkeypatch.setattr(gate, "certify", seen)
    return gate.certify_recipe(
        Path("a.vhd"), to, recipe=recipe, history=MADE, programs=Programs(), work=to.parent, log_to=to.parent / "log"
    )


def test_a_pass_leaves_certificate_page_packages_and_provenance(
    to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = through(DEBIAN, recipe(tmp_path), to, monkeypatch)
    assert found["digest"] == "sha256:d"
    assert json.loads(to.read_text())["verdict"] == "certified"
    beside = {path.name for path in to.parent.iterdir()} - {to.name}
    assert beside == {"demo.certificate.html", "demo.cdx.json", "demo.provenance.json"}
    assert gate.load_passed(to, digest="sha256:d") == gate.Passed("sha256:d", ())


def test_a_failure_leaves_its_reasons_and_no_certificate(
    to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FlightError, match="one rule stands in its way") as caught:
        through(HISTORY, recipe(tmp_path), to, monkeypatch)
    assert "history-absent: " in caught.value.why
    assert "demo.certificate.failed.html" in caught.value.fix
    assert {path.name for path in to.parent.iterdir()} == {
        "demo.certificate.failed.html",
        "demo.certificate.failed.json",
    }
    through(DEBIAN, recipe(tmp_path), to, monkeypatch)
    assert not list(to.parent.glob("*.failed.*"))


def test_a_named_override_lets_it_pass_and_travels(to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = through(HISTORY, recipe(tmp_path, Certify(overrides=(OVERRIDE,))), to, monkeypatch)
    assert found["overrides"] == [{"rules": ("history-absent",), "who": "Ann", "why": "a demonstration"}]
    assert gate.load_passed(to, digest="sha256:d").overrides == (OVERRIDE,)


def test_what_is_switched_off_is_not_written(to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    through(DEBIAN, recipe(tmp_path, Certify(without=("sbom", "provenance"))), to, monkeypatch)
    assert not list(to.parent.glob("demo.cdx.json")) + list(to.parent.glob("demo.provenance.json"))


def test_a_disk_that_cannot_be_looked_into_never_passes(
    to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = replace(Snapshot(DEBIAN.container, DEBIAN.table), unseen="it is encrypted")
    everything = Override(tuple(each.id for each in gate.RULES), "Ann", "all")
    with pytest.raises(FlightError, match="could not look inside because it is encrypted"):
        through(blind, recipe(tmp_path, Certify(overrides=(everything,))), to, monkeypatch)
    assert not to.exists()


def test_many_failures_are_counted_and_the_first_are_told(to: Path) -> None:
    naked = replace(DEBIAN, tree=type(DEBIAN.tree)({"/": DEBIAN.tree.entries["/"]}, {}), packages=())
    error = gate.refusal(judge_snapshot(naked, Asked(("V2",))), to)
    assert len(error.why.splitlines()) == gate.MOST_TOLD + 1
    assert "more" in error.why.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cut short"),
        ("{}", "cut short"),
        ('{"verdict": "not certified", "digest": "d", "overrides": []}', "did not pass"),
        ('{"verdict": "certified", "digest": "e", "overrides": []}', "another digest"),
    ],
)
def test_only_this_image_s_own_pass_is_believed(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(FlightError) as caught:
        gate.load_passed(tmp_path / "c.json", digest="d")
    assert why in caught.value.why


def test_an_override_of_a_rule_that_is_not_there_is_a_fault_of_the_recipe(tmp_path: Path) -> None:
    strange = replace(OVERRIDE, rules=("history-absent", "no-such-rule"))
    (finding,) = gate.refusals(recipe(tmp_path, Certify(overrides=(strange,))))
    assert "no rule 'no-such-rule'" in str(finding)
