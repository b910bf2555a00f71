"""A folder for the time of a block."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flight.workflows.kit.scratch import scratch_folder


def test_it_is_gone_afterwards_whatever_happened(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "cache", "look") as folder:
        (folder / "a").write_text("a")
        assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path / "cache", "look"):
        raise ZeroDivisionError
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_a_kill_left_is_swept_and_what_lives_is_not(tmp_path: Path) -> None:
    (tmp_path / ".arriving-look-dead").mkdir()
    (tmp_path / ".arriving-look-dead" / "a").touch()
    with scratch_folder(tmp_path, "look") as first, scratch_folder(tmp_path, "look") as second:
        assert first.is_dir() and second.is_dir()
        assert sorted(tmp_path.iterdir()) == sorted([first, second])


def test_another_name_is_another_s(tmp_path: Path) -> None:
    (tmp_path / ".arriving-other-x").mkdir()
    with scratch_folder(tmp_path, "look"):
        assert (tmp_path / ".arriving-other-x").is_dir()


def test_a_folder_that_was_swept_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def lock(descriptor: int, how: int) -> None:
        for folder in tmp_path.iterdir():
            shutil.rmtree(folder)

    monkeypatch.setattr(fcntl, "flock", lock)
    with scratch_folder(tmp_path, "look") as folder:
        assert folder.is_dir()
