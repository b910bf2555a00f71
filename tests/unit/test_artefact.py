from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from flight.workflows import artefact
from flight.workflows.artefact import (
    Facts,
    Place,
    all_artefacts,
    alone,
    key_of,
    load_facts,
    making,
    point_link,
    running,
)
from flight.workflows.kit.errors import BusyError


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, "my-recipe", "ConvertImage", "0123456789ab", "vhd")


def facts(**changes: object) -> Facts:
    known = {"stage": "ConvertImage", "edition": 1, "key": "0123456789ab", "recipe": "my-recipe", "version": "1.0.0"}
    return Facts(**{**known, "upstream": ("a",), "decided_by": {"b": 1}, **changes})  # type: ignore[arg-type]


def test_a_key_is_twelve_hex_digits_and_stays_the_same() -> None:
    assert key_of("ConvertImage", edition=1, upstream=["aa"], facts={"b": 1, "a": "ü"}) == "1adb17616c71"


@pytest.mark.parametrize(
    "changed",
    [{"stage": "X"}, {"edition": 2}, {"upstream": ["bb"]}, {"upstream": []}, {"facts": {"a": 2}}],
    ids=["stage", "edition", "upstream", "fewer", "facts"],
)
def test_whatever_decides_changes_the_key(changed: dict[str, object]) -> None:
    same = {"stage": "ConvertImage", "edition": 1, "upstream": ["aa"], "facts": {"a": 1}}

    def key(words: dict[str, object]) -> str:
        return key_of(words.pop("stage"), **words)  # type: ignore[arg-type]

    assert key({**same, **changed}) != key({**same})


def test_the_order_of_facts_decides_nothing() -> None:
    one = key_of("S", edition=1, upstream=[], facts={"a": 1, "b": 2})
    assert one == key_of("S", edition=1, upstream=[], facts={"b": 2, "a": 1})


def test_the_key_stands_in_the_path(place: Place) -> None:
    assert place.path == place.work / "my-recipe" / "ConvertImage-0123456789ab" / "my-recipe.vhd"


def test_facts_come_back_as_they_were_saved(place: Place) -> None:
    place.folder.mkdir(parents=True)
    facts(found={"digest": "x"}, seconds=1.5).save(place.folder)
    assert load_facts(place.folder) == facts(found={"digest": "x"}, seconds=1.5)


FOUND_IS_A_LIST = json.dumps({**asdict(facts()), "found": []})


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"stage": "X"}', FOUND_IS_A_LIST],
    ids=["empty", "half", "list", "foreign", "found is a list"],
)
def test_facts_that_cannot_be_read_are_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "facts.json").write_text(content)
    assert load_facts(tmp_path) is None


def test_an_artefact_is_there_when_its_own_facts_and_its_whole_length_are(place: Place) -> None:
    assert not place.is_there
    place.folder.mkdir(parents=True)
    place.path.write_text("whole")
    whole = facts(file_bytes=5)
    for torn, damage in [
        (None, "facts.json is gone"),
        (replace(whole, key="ba9876543210"), "another's"),
        (replace(whole, file_bytes=6), "it has 5 bytes, not 6"),
    ]:
        if torn:
            torn.save(place.folder)
        assert damage in place.damage
        assert not place.is_there
    whole.save(place.folder)
    assert place.is_there
    assert place.damage == ""
    place.path.unlink()
    assert not place.is_there
    assert place.damage == ""


def test_facts_of_an_older_flight_and_of_a_folder_say_no_length(place: Place) -> None:
    place.path.mkdir(parents=True)
    facts().save(place.folder)
    assert place.is_there
    assert artefact.length_of(place.path) is None


def test_only_folders_that_carry_their_own_name_are_ours(place: Place) -> None:
    place.folder.mkdir(parents=True)
    facts().save(place.folder)
    stranger = place.work / "my-recipe" / "backup-of-mine"
    stranger.mkdir()
    facts().save(stranger)
    assert [folder for folder, _ in all_artefacts(place.work)] == [place.folder]


def test_the_stable_link_points_at_the_newest_but_never_replaces_a_file_of_the_users(place: Place) -> None:
    place.folder.mkdir(parents=True)
    place.path.write_text("x")
    point_link(place)
    assert place.link.resolve() == place.path
    place.link.unlink()
    place.link.write_text("mine")
    point_link(place)
    assert place.link.read_text() == "mine"


def test_runs_share_the_work_folder_and_a_clean_wants_it_alone(tmp_path: Path) -> None:
    with running(tmp_path), running(tmp_path), pytest.raises(BusyError), alone(tmp_path):
        pass
    with alone(tmp_path), pytest.raises(BusyError), running(tmp_path):
        pass
    with alone(tmp_path):
        pass


def test_a_second_maker_of_the_same_artefact_waits_and_says_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artefact.time, "sleep", lambda seconds: None)
    said: list[str] = []
    with making(place), pytest.raises(BusyError), making(place, wait_s=0.01, waiting=said.append):
        pass
    assert "waiting for another run" in said[0]


def test_the_size_of_holes_is_nothing(tmp_path: Path) -> None:
    with open(tmp_path / "holes", "wb") as file:
        file.truncate(1 << 30)
    assert artefact.size_on_disk(tmp_path / "holes") == 0
    assert artefact.size_on_disk(tmp_path) == 0


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"names": ["gcc", "vim"], "release": "trixie"}, ["names: added vim"]),
        ({"names": [], "release": "trixie"}, ["names: removed gcc"]),
        ({"names": ["gcc"], "release": "bookworm"}, ["release: trixie → bookworm"]),
        ({"names": ["gcc"], "release": "trixie"}, []),
        ({"names": ["gcc"], "release": "trixie", "new": 1}, ["new: null → 1"]),
    ],
    ids=["added", "removed", "replaced", "same", "new fact"],
)
def test_what_changed_is_said_in_words(now: dict[str, object], said: list[str]) -> None:
    old = facts(decided_by={"names": ["gcc"], "release": "trixie"})
    assert artefact.changed(old, edition=1, upstream=("a",), facts=now) == said


def test_of_an_edited_script_the_edited_lines_are_said() -> None:
    old = facts(decided_by={"scripts": [{"text": "set -e\necho 180\n"}, {"text": "true\n"}], "text_sha256": "a"})
    now = {"scripts": [{"text": "set -e\necho 120\n"}, {"text": "true\nfalse\n"}], "text_sha256": "b"}
    assert artefact.changed(old, edition=1, upstream=("a",), facts=now) == [
        "scripts: - echo 180; + echo 120 and 1 more",
        "another text",
    ]


def test_a_changed_stage_before_and_a_raised_edition_are_said_too() -> None:
    said = artefact.changed(facts(), edition=2, upstream=("z",), facts={"b": 1})
    assert said == ["edition 1 → 2", "a stage before it"]
