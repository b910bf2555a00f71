"""Killing a walk: at a moment drawn by a seed, between writing and renaming, the parent or the child."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import textwrap
import time
from pathlib import Path

from home import BIN, Home

STAGES = [
    "RenderKickstart",
    "InstallPackages",
    "BuildImage",
    "PrepareImage",
    "ConvertImage",
    "CertifyImage",
    "UploadBlob",
    "UploadImage",
]
SERVERS = ("luigid", "azurite", "rehearsal.server")


def forget(home: Home, stage: str) -> None:
    """Remove a stage's artefacts, so that its next run makes them."""
    for folder in home.work.glob(f"{home.recipe}/{stage}-*"):
        shutil.rmtree(folder)


def kill_at_random(
    home: Home, stage: str, *, seed: int, takes_s: float, number: signal.Signals, args: tuple[str, ...]
) -> float:
    """Start a stage and kill Luigi's own process somewhere in the time that it takes; the moment, in seconds."""
    moment = random.Random(f"{stage} {seed}").uniform(0.2, takes_s + 1)
    child = home.start(*home.argv(stage, *args))
    try:
        child.wait(moment)
    except subprocess.TimeoutExpired:  # it still runs, as it should
        os.kill(child.pid, number)
    child.communicate(timeout=60)
    return moment


def kill_around_the_renaming(home: Home, stage: str, *, before: bool) -> None:
    """Run a stage in a process that kills itself with -9 just before, or just after, its artefact gets its final name."""
    code = f"""
        import os, signal, sys
        from flight.workflows.kit import arriving

        settle = arriving.settle

        def settle_and_die(fresh, final):
            if final.name.startswith({home.recipe!r}):
                {"" if before else "settle(fresh, final)"}
                os.kill(os.getpid(), signal.SIGKILL)
            settle(fresh, final)

        arriving.settle = settle_and_die
        from luigi.cmdline import luigi_run
        luigi_run(["--module", "flight.workflows", {stage!r}, "--local-scheduler"])
    """
    ran = home.run(str(BIN / "python"), "-c", textwrap.dedent(code), timeout_s=900)
    assert ran.code == -signal.SIGKILL, ran.said


def left_behind(home: Home, *, within_s: float = 20) -> list[str]:
    """Processes and mounts of this home that are still there after a moment; its servers may stay."""
    deadline = time.monotonic() + within_s
    while (left := [*processes(home.folder), *mounts(home.folder)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def processes(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = os.readlink(process / "cwd")
        except OSError:
            continue
        belongs = str(folder) in words or where.startswith(str(folder))
        if belongs and int(process.name) != os.getpid() and not any(server in words for server in SERVERS):
            found.append(f"{process.name} {words}")
    return found


def mounts(folder: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(folder) in line]
