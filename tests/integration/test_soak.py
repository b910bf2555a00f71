"""The long tests (scripts/test soak) are run seldom; whether they would run is looked at every time."""

from __future__ import annotations

import subprocess
import sys

from home import TOP


def test_the_long_tests_would_run() -> None:
    argv = [sys.executable, "-m", "pytest", "--setup-plan", "-p", "no:cacheprovider", "tests/soak"]
    planned = subprocess.run(argv, cwd=TOP, capture_output=True, text=True)
    assert planned.returncode == 0, planned.stdout
    assert "tiny" in planned.stdout
