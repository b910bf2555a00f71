"""Many kills of each stage, at moments drawn by seed. FLIGHT_SEEDS sets how many (default 10); about a minute for each."""

from __future__ import annotations

import os
import signal

import pytest
from home import Home
from kills import STAGES, forget, kill_at_random, left_behind
from test_kills import again, half_made, home, seconds

__all__ = ["home"]

SEEDS = range(100, 100 + int(os.environ.get("FLIGHT_SEEDS", "10")))
NUMBERS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
WAYS = [("--local-scheduler",), ("--local-scheduler", "--workers", "2")]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_at_any_moment_leaves_nothing_and_recovers(home: Home, stage: str, seed: int) -> None:
    takes_s = seconds(home, stage)
    forget(home, stage)
    number, args = NUMBERS[seed % len(NUMBERS)], WAYS[seed % len(WAYS)]
    moment = kill_at_random(home, stage, seed=seed, takes_s=takes_s, number=number, args=args)
    assert left_behind(home) == [], f"{number.name} after {moment:.2f} s"
    again(home, stage)
    assert half_made(home) == []
    again(home, "UploadImage")
