"""Which errors and findings a test makes, in its own process and in those that it starts.

`listen()` lets every error, finding and answer of the rehearsal that is made from then on be noted, as one line of JSON,
in the file that $FLIGHT_ERRORS_HEARD names. Its path is handed down to the programs that a test starts, where
`in_programs/sitecustomize.py` listens too. The standard library alone, and nothing of flight, is imported here: a
program is to find it as it would without us.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from types import FrameType, ModuleType
from typing import Any

FILE = "FLIGHT_ERRORS_HEARD"
MAKERS = {
    "flight.workflows.kit.errors": "FlightError",
    "flight.workflows.kit.finding": "Finding",
    "flight.workflows.doctor.verdict": "Finding",
    "flight.workflows.rehearsal.refusal": "Refusal",
}
"""Where the classes stand."""
UNNAMED = re.compile(r"\.?<\w+>")
"""Parts of a function's name that are none: <locals>, <lambda>, <listcomp>."""
UNPICKLED = ("kit/errors.py", "_rebuild")
"""The function that makes an error anew, which was made in another process."""
passed: set[str] = set()
"""The tests that passed in this session, by their ids."""
MOST = 40
"""How many different messages of one place are noted in a test: some tests make errors of thousands of values."""
_noted: dict[tuple[object, ...], set[tuple[str, ...]]] = {}


def listen() -> None:
    """From now on, whether or not the classes are imported already. For a process whose FILE is set.

    Once is enough: a test that starts pytest has it asked for twice there, by `sitecustomize` and by the conftest.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder())
    for name, kind in MAKERS.items():
        if name in sys.modules:
            _watch(getattr(sys.modules[name], kind))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds nothing by itself: it follows the import of the modules that hold the classes."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in MAKERS:
            return None
        specs = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, specs), None)
        if spec is not None and spec.loader is not None:
            _follow(spec.loader, MAKERS[name])
        return spec


def _follow(loader: Any, kind: str) -> None:
    load = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        load(module)
        _watch(getattr(module, kind))

    loader.exec_module = exec_module


def _watch(kind: Any) -> None:
    make = kind.__init__

    def made(self: Any, *args: Any, **named: Any) -> None:
        make(self, *args, **named)
        _note(self)

    kind.__init__ = made


def _note(made: Any) -> None:
    """Write down who made it (modules and functions, the innermost first) and what it says, once in a test."""
    if getattr(made, "verdict", "") == "ok" or FILE not in os.environ:
        return
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    makers = list(dict.fromkeys(_makers(sys._getframe(2))))
    said = tuple(str(getattr(made, name, "")) for name in ("what", "why", "fix"))
    where = str(getattr(made, "where", "") or (getattr(made, "name", "") if hasattr(made, "seen") else ""))
    what = said[0] or str(getattr(made, "seen", getattr(made, "message", "")))
    said = (f"{where}: {what}" if where else what, *said[1:])
    noted = _noted.setdefault((test, *makers), set())
    if test and said not in noted and len(noted) < MOST:
        noted.add(said)
        # Inside a chroot the file is out of reach; the error is raised again outside, and heard there.
        with contextlib.suppress(OSError), open(os.environ[FILE], "a") as file:
            file.write(json.dumps({"test": test, "makers": makers, "said": said}) + "\n")


def _makers(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    """The functions of flight's that are at work; none where an error came out of another process."""
    while frame is not None:
        _, there, module = frame.f_code.co_filename.rpartition("/workflows/")
        if there and (module, frame.f_code.co_name) == UNPICKLED:
            return
        if there:
            yield module, UNNAMED.sub("", frame.f_code.co_qualname)
        frame = frame.f_back
