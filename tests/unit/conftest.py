"""Unit tests run no program, open no socket and need no root: whoever tries fails loudly."""

from __future__ import annotations

import socket
import subprocess
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def no_world(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(what: str) -> Any:
        def refused(*args: Any, **kwargs: Any) -> Any:
            raise AssertionError(f"a unit test tried to {what}: {args}")

        return refused

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse("run a program"))
    monkeypatch.setattr(socket.socket, "connect", refuse("open a connection"))
    monkeypatch.setattr(socket.socket, "bind", refuse("listen"))
