from pathlib import Path

import pytest

from flight.workflows.kit.arriving import MARK, arriving, link_whole, sweep, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_under_its_final_name_only_when_whole(tmp_path: Path) -> None:
    with arriving(tmp_path / "a.vhd") as fresh:
        fresh.write_bytes(b"half")
        assert names(tmp_path) == [fresh.name]
    assert names(tmp_path) == ["a.vhd"]


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_nothing_new_and_the_old_untouched(tmp_path: Path, kind: type[BaseException]) -> None:
    (tmp_path / "a.vhd").write_text("old")
    with pytest.raises(kind), arriving(tmp_path / "a.vhd") as fresh:
        fresh.write_text("half")
        raise kind
    assert names(tmp_path) == ["a.vhd"]
    assert (tmp_path / "a.vhd").read_text() == "old"


def test_a_folder_arrives_whole_and_replaces_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "old").touch()
    with arriving(tmp_path / "tree") as fresh:
        fresh.mkdir()
        (fresh / "new").touch()
    assert names(tmp_path) == ["tree"]
    assert names(tmp_path / "tree") == ["new"]


def test_making_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), arriving(tmp_path / "a"):
        pass


def test_a_sweep_removes_what_a_kill_left_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / f"{MARK}123-a.vhd").touch()
    (tmp_path / f"{MARK}456-tree" / "deep").mkdir(parents=True)
    (tmp_path / "a.vhd").touch()
    assert len(sweep(tmp_path)) == 2
    assert names(tmp_path) == ["a.vhd"]
    assert sweep(tmp_path / "not there") == []


def test_a_small_file_keeps_the_mode_it_was_given(tmp_path: Path) -> None:
    write_whole(tmp_path / "key", "secret", mode=0o600)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_link_moves_in_one_step(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).touch()
        link_whole(tmp_path / "newest", tmp_path / name)
        assert (tmp_path / "newest").resolve().name == name
    assert names(tmp_path) == ["newest", "one", "two"]
