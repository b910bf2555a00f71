"""A bar, on a terminal that is none: what would stand on its screen."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import struct
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import pytest

from flight.workflows.kit import terminal
from flight.workflows.kit.progress import Progress, Told

MOVES = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


@dataclass
class Screen:
    """The other side of a terminal."""

    master: int
    stderr: TextIO
    raw: str = ""
    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    _at: int = 0

    def look(self) -> list[str]:
        """The lines that stand there, without trailing blanks."""
        with contextlib.suppress(BlockingIOError, OSError):
            while True:
                self._take(os.read(self.master, 1 << 16).decode())
        return [line.rstrip() for line in self.lines if line.strip()]

    def _take(self, text: str) -> None:
        self.raw += text
        for number, letter, back, down, words in MOVES.findall(text):
            if letter == "A":
                self.row -= int(number or 1)
            elif letter == "K" or back:
                self.lines[self.row] = "" if letter == "K" else self.lines[self.row]
                self._at = 0
            elif down:
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
                self._at = 0
            elif words:
                line = self.lines[self.row].ljust(self._at)
                self.lines[self.row] = line[: self._at] + words + line[self._at + len(words) :]
                self._at += len(words)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """A terminal of 80 columns; `at(screen)` makes it stderr."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.set_blocking(master, False)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    with open(slave, "w", buffering=1) as stderr:
        yield Screen(master, stderr)
    os.close(master)


@contextlib.contextmanager
def drawing(screen: Screen, *loggers: logging.Logger) -> Iterator[Told]:
    with owned(screen) as is_ours, terminal.bar("BuildImage", loggers=loggers) as told:
        assert is_ours
        yield told


@contextlib.contextmanager
def owned(screen: Screen) -> Iterator[bool]:
    with contextlib.redirect_stderr(screen.stderr), terminal.own() as is_ours:
        yield is_ours


def test_a_bar_says_the_stage_how_far_and_what(screen: Screen) -> None:
    with drawing(screen) as told:
        told(Progress(45, 100, "installing packages"))
        seen = until(screen, "45 %")
    assert re.search(r"BuildImage +━+.* 45 % .*\d:\d\d:\d\d.* installing packages", seen[0])
    assert screen.look() == []
    assert screen.raw.rindex("\x1b[?25h") > screen.raw.rindex("\x1b[?25l")


def test_what_is_too_long_is_cut_off_and_room_is_left_for_an_echo(screen: Screen) -> None:
    with drawing(screen) as told:
        told(Progress(what="sealing " + "x" * 100))
        seen = until(screen, "sealing")
    assert "…" in seen[0]
    assert len(seen[0]) <= 80 - len("^C^C")


def test_the_cursor_is_seen_while_a_bar_is_drawn(screen: Screen) -> None:
    with drawing(screen) as told:
        told(Progress(what="at work"))
        until(screen, "at work")
        assert screen.raw.rindex("\x1b[?25h") > screen.raw.rindex("\x1b[?25l")


def test_what_follows_100_percent_is_unknown_again(screen: Screen) -> None:
    with drawing(screen) as told:
        told(Progress(100, 100, "unpacking"))
        until(screen, "100 %")
        told(Progress(what="starting"))
        assert "%" not in until(screen, "starting")[0]


def test_a_log_line_stands_above_the_bar_in_one_piece(screen: Screen) -> None:
    logger = logging.Logger("a")
    logger.addHandler(logging.StreamHandler(screen.stderr))
    line = "[bold]a warning[/] of " + "many " * 20
    with drawing(screen, logger) as told:
        told(Progress(what="at work"))
        until(screen, "at work")
        logger.warning(line)
        seen = until(screen, "many")
    assert seen[0] == line.rstrip()
    assert screen.look() == [line.rstrip()]
    logger.warning("after")
    assert screen.look()[-1] == "after"


def test_no_colour_leaves_the_numbers(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with drawing(screen) as told:
        told(Progress(50, 100, "sending"))
        until(screen, "50 %")
    assert not re.search(r"\x1b\[[0-9;]*[34][0-9;]*m", screen.raw)


def test_a_second_bar_has_no_place(screen: Screen) -> None:
    with owned(screen) as first, owned(screen) as second:
        assert (first, second) == (True, False)
    with owned(screen) as later:
        assert later


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_that_cannot_move_its_cursor_has_no_bar(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    with owned(screen) as is_ours:
        assert not is_ours


def test_a_file_has_no_bar(tmp_path: Path) -> None:
    with open(tmp_path / "log", "w") as file, contextlib.redirect_stderr(file), terminal.own() as is_ours:
        assert not is_ours


def until(screen: Screen, word: str) -> list[str]:
    """What stands there once `word` does: a bar is drawn a few times a second."""
    for _ in range(500):
        seen = screen.look()
        if any(word in line for line in seen):
            return seen
        time.sleep(0.01)
    raise AssertionError(f"'{word}' was never drawn: {screen.raw!r}")


TABLE = ("ok     space              45.3 GiB free in /srv/pictures/works; a build needs 8.0 GiB", "short  x", "")


def test_on_a_terminal_a_cell_goes_on_below_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    assert list(terminal.folded(TABLE)) == [
        "ok     space              45.3 GiB free in /srv/pictures/works; a build needs",
        "                          8.0 GiB",
        "short  x",
        "",
    ]


def test_a_path_that_is_longer_than_the_terminal_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    assert list(terminal.folded(["made  somewhere  /a/path-that/is-longer/than/the-terminal"])) == [
        "made  somewhere",
        "               /a/path-that/is-longer/than/the-terminal",
    ]


def test_a_pipe_has_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    monkeypatch.setenv("COLUMNS", "30")
    assert list(terminal.folded(TABLE)) == list(TABLE)
