from __future__ import annotations

from pathlib import Path

import pytest

from flight.workflows.artefact import Facts, Place, point_link, running
from flight.workflows.clean import clean, known_artefacts, plan_all, plan_old, plan_version
from flight.workflows.kit.errors import BusyError

NIGHTS = [f"2026-11-{day:02d}T03:00:00+00:00" for day in range(1, 6)]


def make(work: Path, *, recipe: str = "mine", version: str = "1.0.0", key: str = "a" * 12, made_at: str = "") -> Place:
    place = Place(work, recipe, "ConvertImage", key, "vhd")
    place.folder.mkdir(parents=True)
    place.path.write_bytes(b"x" * 4096)
    facts = Facts("ConvertImage", 1, key, recipe, version, (), {}, made_at=made_at)
    facts.save(place.folder)
    point_link(place)
    return place


def test_a_version_is_taken_to_the_letter(tmp_path: Path) -> None:
    going = make(tmp_path, version="alpha.2", key="a" * 12)
    staying = make(tmp_path, version="alpha.20", key="b" * 12)
    clean(tmp_path, plan_version(known_artefacts(tmp_path), recipe="mine", version="alpha.2"), dry_run=False)
    assert not going.folder.exists()
    assert staying.path.exists()


def test_all_of_a_recipe_leaves_the_recipe_whose_name_begins_alike(tmp_path: Path) -> None:
    make(tmp_path, recipe="mine", key="a" * 12)
    make(tmp_path, recipe="mine", key="b" * 12, version="2")
    other = make(tmp_path, recipe="mine-too")
    clean(tmp_path, plan_all(known_artefacts(tmp_path), recipe="mine"), dry_run=False)
    assert [folder for folder, _ in known_artefacts(tmp_path)] == [other.folder]


def test_the_newest_few_of_each_stage_are_kept(tmp_path: Path) -> None:
    places = [make(tmp_path, key=f"{night:012x}", made_at=made_at) for night, made_at in enumerate(NIGHTS)]
    chosen = plan_old(known_artefacts(tmp_path), keep=2)
    assert [folder for folder, _ in chosen] == [place.folder for place in places[:3]]


def test_a_dry_run_says_what_and_touches_nothing(tmp_path: Path) -> None:
    place = make(tmp_path)
    (going,) = clean(tmp_path, plan_all(known_artefacts(tmp_path), recipe="mine"), dry_run=True)
    assert going.path == place.folder
    assert going.size_bytes >= 4096
    assert place.path.exists()


def test_links_to_what_is_gone_go_too_and_files_of_the_users_stay(tmp_path: Path) -> None:
    place = make(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    clean(tmp_path, plan_all(known_artefacts(tmp_path), recipe="mine"), dry_run=False)
    assert not place.link.is_symlink()
    assert (tmp_path / "notes.txt").exists()


def test_a_stranger_in_the_work_folder_is_never_taken(tmp_path: Path) -> None:
    place = make(tmp_path)
    copy = place.folder.with_name("my-backup")
    place.folder.rename(copy)
    assert known_artefacts(tmp_path) == []


def test_a_folder_whose_facts_are_torn_goes_with_all_of_its_recipe_only(tmp_path: Path) -> None:
    torn, other = make(tmp_path), make(tmp_path, recipe="mine-too")
    for place in (torn, other):
        (place.folder / "facts.json").write_text("{")
    known = known_artefacts(tmp_path)
    assert plan_version(known, recipe="mine", version="1.0.0") == []
    assert plan_old(known, keep=0) == []
    (going,) = clean(tmp_path, plan_all(known, recipe="mine"), dry_run=False)
    assert going.path == torn.folder
    assert "(no facts)" in going.why
    assert not torn.folder.exists()
    assert other.path.exists()


def test_what_a_run_finished_since_it_was_chosen_stays(tmp_path: Path) -> None:
    place = make(tmp_path)
    whole = (place.folder / "facts.json").read_text()
    (place.folder / "facts.json").unlink()
    chosen = plan_all(known_artefacts(tmp_path), recipe="mine")
    (place.folder / "facts.json").write_text(whole)
    assert clean(tmp_path, chosen, dry_run=False) == []
    assert place.path.exists()


def test_nothing_is_removed_while_a_run_goes_on(tmp_path: Path) -> None:
    make(tmp_path)
    with running(tmp_path), pytest.raises(BusyError):
        clean(tmp_path, plan_all(known_artefacts(tmp_path), recipe="mine"), dry_run=False)
