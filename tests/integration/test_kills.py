"""A kill at any moment costs nothing: each stage, at moments drawn by seed, on a small real image.

More seeds: tests/soak/test_many_kills.py.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from home import Home, Ran
from kills import STAGES, forget, kill_around_the_renaming, kill_at_random, left_behind


@pytest.fixture
def home(tiny: Home) -> Home:
    return tiny


def again(home: Home, stage: str) -> Ran:
    ran = home.luigi(stage, "--local-scheduler")
    assert ran.code == 0, ran.said
    return ran


def seconds(home: Home, stage: str) -> float:
    return float(json.loads((home.made_in(stage) / "facts.json").read_text())["seconds"])


def half_made(home: Home) -> list[Path]:
    return list(home.work.glob(f"{home.recipe}/*/.arriving-*"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_at_a_random_moment_leaves_nothing_and_recovers(home: Home, stage: str) -> None:
    takes_s = seconds(home, stage)
    forget(home, stage)
    kill_at_random(home, stage, seed=1, takes_s=takes_s, number=signal.SIGKILL, args=("--local-scheduler",))
    assert left_behind(home) == []
    again(home, stage)
    assert half_made(home) == []
    assert set(again(home, "UploadImage").made) <= {"CertifyImage", "UploadBlob", "UploadImage"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_stage_that_is_interrupted_cleans_up_after_itself_and_says_so(home: Home, number: signal.Signals) -> None:
    takes_s = seconds(home, "PrepareImage")
    forget(home, "PrepareImage")
    child = home.start(*home.argv("PrepareImage", "--local-scheduler"))
    time.sleep(min(5.0, takes_s / 2))
    os.kill(child.pid, number)
    said, _ = child.communicate(timeout=60)
    assert child.returncode != 0
    assert "flight: interrupted" in said
    assert "Traceback" not in said
    assert half_made(home) == []
    assert left_behind(home) == []
    again(home, "PrepareImage")


@pytest.mark.parametrize("killed", ["parent", "child"])
def test_with_worker_processes_a_kill_of_either_leaves_nothing_running(home: Home, killed: str) -> None:
    forget(home, "PrepareImage")
    parent = home.start(*home.argv("PrepareImage", "--local-scheduler", "--workers", "2"))
    worker = wait_for_worker(home, parent.pid)
    os.kill(parent.pid if killed == "parent" else worker, signal.SIGKILL)
    parent.communicate(timeout=120)
    assert parent.returncode != 0
    assert left_behind(home) == []
    again(home, "PrepareImage")


def wait_for_worker(home: Home, parent: int) -> int:
    """The pid of Luigi's child process that makes the artefact: it holds a half-made one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        if children and half_made(home):
            return int(children[0])
        time.sleep(0.1)
    raise AssertionError("no worker process began to make the artefact")


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("stage", ["RenderKickstart", "BuildImage", "ConvertImage", "UploadBlob", "UploadImage"])
def test_a_kill_around_the_renaming_is_half_made_or_made_but_never_between(
    home: Home, stage: str, before: bool
) -> None:
    again(home, "UploadImage")  # all that comes before is there: the stage itself is the first to rename
    forget(home, stage)
    kill_around_the_renaming(home, stage, before=before)
    assert left_behind(home) == []
    ran = again(home, stage)
    assert ran.made == ([stage] if before else [])
    assert half_made(home) == []
    assert home.link(extension(stage)).exists()


def extension(stage: str) -> str:
    return {"RenderKickstart": "ks", "BuildImage": "qcow2", "ConvertImage": "vhd", "UploadBlob": "blob.json"}.get(
        stage, "image.json"
    )


def test_two_walks_at_once_make_each_stage_once(home: Home) -> None:
    shutil.rmtree(home.work / home.recipe)
    runs = [home.start(*home.argv("ConvertImage", "--local-scheduler")) for _ in range(2)]
    said = [run.communicate(timeout=900)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    made = [stage for words in said for stage in Ran(0, words).made]
    assert sorted(made) == sorted(STAGES[:5])
