"""A server's process, as /proc tells of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from flight.workflows.kit import server as servers
from flight.workflows.kit.server import Server

FIRST_THREAD_ENDS = """
import ctypes, sys, threading
threading.Thread(target=sys.stdin.read).start()
ctypes.CDLL(None).pthread_exit(0)
"""


def test_a_process_is_there_until_its_last_thread_ends(tmp_path: Path) -> None:
    server = Server("azurite", tmp_path, ["azurite"], 9, lambda: True)
    with subprocess.Popen([sys.executable, "-c", FIRST_THREAD_ENDS], stdin=subprocess.PIPE) as child:
        (tmp_path / "azurite.pid").write_text(f"{child.pid} {servers._birth(child.pid)}\n")
        until(lambda: state_of(child.pid) == "Z")
        assert server.pid() == child.pid
        assert child.stdin
        child.stdin.close()
        until(lambda: server.pid() is None)
        assert server.has_died


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert happened()
