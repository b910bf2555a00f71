"""What every stage shares, shown on two small stages: Boil makes water hot, Brew makes tea of it."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import luigi
import pytest

from flight.workflows import artefact, stage
from flight.workflows.artefact import Facts
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.progress import Progress
from flight.workflows.settings import Settings, parse_settings
from flight.workflows.stage import Stage

FACTS: dict[str, Any] = {}
MADE: list[str] = []


class Boil(Stage):
    makes = "water"

    def facts(self) -> Mapping[str, Any]:
        return {"degrees": FACTS["degrees"]}

    def make(self, to: Path) -> Mapping[str, Any]:
        MADE.append("Boil")
        to.write_text("hot")
        return {"bubbles": 3}


class Brew(Stage):
    makes = "tea"

    def requires(self) -> Stage:
        return self.clone(Boil)

    def facts(self) -> Mapping[str, Any]:
        return {"leaves": FACTS["leaves"]}

    def make(self, to: Path) -> None:
        MADE.append("Brew")
        if FACTS["leaves"] == "forgotten":
            return
        to.write_text("half a cup")
        if FACTS["leaves"] == "none":
            raise FlightError("no leaves", why="the tin is empty", fix="buy some")
        to.write_text(self.before.path.read_text() + " tea")


@pytest.fixture(autouse=True)
def kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = parse_settings({}, base=tmp_path)
    monkeypatch.setattr(stage, "load_settings", lambda: settings)
    FACTS.update(degrees=100, leaves="green")
    MADE.clear()
    return settings


def brew(version: str = "1.0.0") -> tuple[bool, Brew]:
    Stage.clear_instance_cache()
    task = Brew(recipe="cup", version=version)
    return luigi.build([task], local_scheduler=True, log_level="ERROR"), task


def test_a_walk_makes_each_stage_once_with_its_facts_beside_it() -> None:
    done, task = brew()
    assert done
    assert MADE == ["Boil", "Brew"]
    assert task.path.read_text() == "hot tea"
    facts = artefact.load_facts(task.before.place.folder)
    assert facts is not None
    assert facts.found == {"bubbles": 3}
    assert facts.decided_by == {"degrees": 100}
    assert task.before.found == {"bubbles": 3}


def test_a_second_run_does_nothing() -> None:
    brew()
    MADE.clear()
    assert brew()[0]
    assert MADE == []


@pytest.mark.parametrize(
    ("changed", "made"),
    [({"degrees": 90}, ["Boil", "Brew"]), ({"leaves": "black"}, ["Brew"]), ({}, [])],
    ids=["the first stage's fact", "the second stage's fact", "nothing"],
)
def test_an_edit_reruns_exactly_what_depends_on_it(changed: dict[str, Any], made: list[str]) -> None:
    brew()
    MADE.clear()
    FACTS.update(changed)
    assert brew()[0]
    assert made == MADE


def test_going_back_to_what_was_made_before_costs_nothing() -> None:
    brew()
    FACTS.update(degrees=90)
    brew()
    FACTS.update(degrees=100)
    MADE.clear()
    _, task = brew()
    assert MADE == []
    assert task.place.link.exists()


def test_a_raised_edition_makes_it_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    brew()
    MADE.clear()
    monkeypatch.setattr(Brew, "edition", 2)
    brew()
    assert MADE == ["Brew"]


@pytest.mark.parametrize("leaves", ["none", "forgotten"])
def test_a_stage_that_fails_or_makes_nothing_leaves_no_target(leaves: str) -> None:
    FACTS.update(leaves=leaves)
    done, task = brew()
    assert not done
    assert not task.path.exists()
    assert [path.name for path in task.place.folder.iterdir() if path.name.startswith(".arriving")] == []


def test_what_a_killed_run_left_is_swept_and_never_taken_for_the_target() -> None:
    _, task = brew()
    task.path.unlink()
    half = task.place.folder / ".arriving-0123-cup.tea"
    half.write_text("half a cup")
    assert brew()[0]
    assert not half.exists()
    assert task.path.read_text() == "hot tea"


@pytest.mark.parametrize("torn", ["", '{"stage"', None], ids=["emptied", "torn", "gone"])
def test_an_artefact_without_its_facts_is_made_again(torn: str | None) -> None:
    _, task = brew()
    task.path.unlink()
    facts = task.before.place.facts_path
    facts.unlink() if torn is None else facts.write_text(torn)
    MADE.clear()
    assert brew()[0]
    assert MADE == ["Boil", "Brew"]
    assert task.before.found == {"bubbles": 3}


def test_an_artefact_that_was_cut_short_is_made_again() -> None:
    _, task = brew()
    task.path.write_text("hot")
    MADE.clear()
    assert brew()[0]
    assert MADE == ["Brew"]
    assert task.path.read_text() == "hot tea"


def test_new_facts_never_stand_beside_an_older_artefact(monkeypatch: pytest.MonkeyPatch) -> None:
    _, task = brew()
    task.place.facts_path.unlink()
    monkeypatch.setattr(Facts, "save", lambda self, folder: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        task.run()
    assert not task.path.exists()


def test_somebody_elses_finished_work_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Luigi does not look at complete() again before run(): another worker may have been quicker."""
    brew()
    Stage.clear_instance_cache()
    MADE.clear()
    Brew(recipe="cup", version="1.0.0").run()
    assert MADE == []


def test_the_page_is_told_what_happens_with_markup_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    Stage.clear_instance_cache()
    task = Boil(recipe="cup", version="1.0.0")
    messages, percents = [], []
    task.set_status_message, task.set_progress_percentage = messages.append, percents.append
    monkeypatch.setattr(Boil, "make", lambda self, to: (self.say(Progress(1, 4, "<script>")), to.touch())[1])
    task.run()
    assert messages == ["&lt;script&gt; 25 %"]
    assert percents == [25]


def test_the_bar_leaves_the_page_where_nobody_knows_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    Stage.clear_instance_cache()
    task = Boil(recipe="cup", version="1.0.0")
    messages, percents = [], []
    task.set_status_message, task.set_progress_percentage = messages.append, percents.append

    def make(self: Boil, to: Path) -> None:
        for progress in (Progress(4, 4, "unpacking"), Progress(what="starting")):
            self.say(progress)
        to.touch()

    monkeypatch.setattr(Boil, "make", make)
    task.run()
    assert messages == ["unpacking 100 %", "starting"]
    assert percents == [100, None]


def test_the_page_shows_the_three_lines_of_an_error_and_the_traceback_of_a_defect() -> None:
    task = Boil(recipe="cup", version="1.0.0")
    assert task.on_failure(FlightError("what", why="why", fix="fix")) == "what\n  why: why\n  fix: fix"
    try:
        raise ValueError("ours")
    except ValueError as error:
        assert "Traceback" in task.on_failure(error)


def test_the_log_has_one_line_as_a_stage_starts_and_one_as_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    Stage.clear_instance_cache()
    logging.getLogger("luigi-interface").propagate = True
    with caplog.at_level("INFO", logger="luigi-interface"):
        Boil(recipe="cup", version="1.0.0").run()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert re.fullmatch(r"Boil makes cup\.\w+ \(key [0-9a-f]{12}\)", lines[0])
    assert re.fullmatch(r"Boil made cup\.\w+, \S+ \w+, in \d+\.\d s", lines[1])


def test_recipe_and_version_alone_make_the_name_on_the_page() -> None:
    assert Boil(recipe="cup", version="1.0.0").to_str_params() == {"recipe": "cup", "version": "1.0.0"}


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse_settings({}, base=Path("/")).image.recipe = "other"  # type: ignore[misc]
