"""What the one door to programs asks before it runs one; tests/integration/kit/test_run.py runs them."""

from __future__ import annotations

import os

import pytest

from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.run import run


def test_namespaces_of_its_own_are_for_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(FlightError, match="this step needs root") as caught:
        run(["true"], why="try", contained=True)
    assert caught.value.fix == "run it as root"
