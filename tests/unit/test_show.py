"""What `flight show` says of a walk, on two small stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import luigi
import pytest

from flight.workflows import show, stage
from flight.workflows.settings import SHIPPED, parse_settings
from flight.workflows.stage import Stage

FACTS: dict[str, Any] = {}


class Knead(Stage):
    makes = "dough"

    def facts(self) -> dict[str, Any]:
        return {"flour": FACTS["flour"]}

    def make(self, to: Path) -> None:
        to.write_text("dough")


class Bake(Stage):
    makes = "bread"

    def requires(self) -> Stage:
        return self.clone(Knead)

    def make(self, to: Path) -> dict[str, str]:
        to.write_text("bread")
        return {"id": "/images/loaf", "blob": "http://blob", "digest": "sha256:0"}


class Ship(Stage):
    makes = "receipt"

    def requires(self) -> Stage:
        return self.clone(Knead)

    def facts(self) -> dict[str, Any]:
        return {"cloud": "rehearsal"}

    def make(self, to: Path) -> None:
        to.write_text("shipped")


@pytest.fixture(autouse=True)
def kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = parse_settings({}, base=tmp_path)
    settings.paths.work.mkdir()
    monkeypatch.setattr(stage, "load_settings", lambda: settings)
    FACTS.update(flour=["rye"])


def bake() -> Stage:
    Stage.clear_instance_cache()
    return Bake.from_str_params({"recipe": "loaf", "version": "1"})  # type: ignore[no-any-return]


def verdicts(task: Stage) -> list[str]:
    return [" ".join(line.split()[:1] + line.split()[2:]) for line in show.walk_lines(task)]


def test_what_was_never_made_would_run() -> None:
    assert verdicts(bake()) == ["Knead would run never made yet", "Bake would run never made yet"]


def test_where_all_is_there_nothing_would_run() -> None:
    luigi.build([bake()], local_scheduler=True, log_level="ERROR")
    assert list(show.walk_lines(bake()))[-1] == "Nothing would run."
    assert show.would_run(bake()) == set()


def test_the_fact_that_changed_is_named() -> None:
    luigi.build([bake()], local_scheduler=True, log_level="ERROR")
    FACTS.update(flour=["rye", "spelt"])
    assert verdicts(bake()) == ["Knead would run flour: added spelt", "Bake would run a stage before it"]


def test_what_is_complete_needs_nothing_of_what_comes_before_it() -> None:
    """So does Luigi: an intermediate artefact that was cleaned away is not made again for its own sake."""
    luigi.build([bake()], local_scheduler=True, log_level="ERROR")
    (bake().path.parents[1] / f"Knead-{bake().before.key}" / "loaf.dough").unlink()
    assert verdicts(bake())[0] == "Knead not needed"
    assert show.would_run(bake()) == set()


def test_what_lies_there_and_is_not_whole_is_said_to_be_so() -> None:
    luigi.build([bake()], local_scheduler=True, log_level="ERROR")
    bake().before.place.facts_path.unlink()
    bake().path.write_text("crumbs!")
    assert verdicts(bake()) == [
        "Knead would run its facts.json is gone, torn or another's",
        "Bake would run it has 7 bytes, not 5",
    ]


def test_what_was_tried_says_where_its_logs_are() -> None:
    said = bake().logs
    assert verdicts(bake())[1].endswith(f"was tried, and not made; its logs: {said}")


def test_what_would_be_sent_over_the_same_version_says_what_to_give() -> None:
    Stage.clear_instance_cache()
    luigi.build([Ship.from_str_params({"recipe": "loaf", "version": "1"})], local_scheduler=True, log_level="ERROR")
    FACTS.update(flour=["wheat"])
    Stage.clear_instance_cache()
    again = verdicts(Ship.from_str_params({"recipe": "loaf", "version": "1"}))
    assert again[1] == "Ship would run a stage before it; 1 is there already: give --replace, or another --version"
    Stage.clear_instance_cache()
    other = verdicts(Ship.from_str_params({"recipe": "loaf", "version": "2"}))
    assert other[1] == "Ship would run a stage before it"


def test_what_was_made_stands_in_a_table_with_what_to_do_next() -> None:
    before = list(show.made_lines(bake()))
    assert before[1].endswith("not made yet")
    luigi.build([bake()], local_scheduler=True, log_level="ERROR")
    table = list(show.made_lines(bake()))
    assert [line.split()[0] for line in table] == ["stage", "Knead", "Bake", "all"]
    told = next_of(bake())
    for word in ("/images/loaf", "http://blob", "sha256:0", "http://127.0.0.1:1", "cloud = public", "mine/*.ks.j2"):
        assert word in told


def next_of(stage: Stage) -> str:
    return "\n".join(show.next_lines(stage, scheduler_url="http://127.0.0.1:1", recipes=Path("/mine")))


def test_nobody_is_told_to_edit_what_was_installed() -> None:
    luigi.build([bake()], local_scheduler=True, log_level="ERROR")
    told = "\n".join(show.next_lines(bake(), scheduler_url="", recipes=SHIPPED))
    assert "`flight init FOLDER` writes a recipe of your own" in told
    assert "Edit" not in told


def test_what_to_do_next_names_the_image_that_was_asked_for() -> None:
    assert next_of(bake()).startswith("Make it   luigi --module flight.workflows Bake --recipe loaf")
    luigi.build([bake()], local_scheduler=True, log_level="ERROR")
    assert "Again     . .venv/bin/activate; luigi --module flight.workflows Bake --recipe loaf" in next_of(bake())
    assert "`flight show walk --recipe loaf" in next_of(bake())
