"""Servers that outlive the command which started them: started once, known by pid and birth, stopped for certain."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flight.workflows.kit import run
from flight.workflows.kit.arriving import write_whole
from flight.workflows.kit.errors import BusyError, ProgramError

POLL_S = 0.05
LAST_BYTES = 16 << 10
"""How far from its end a log is read for last words."""


@dataclass(frozen=True)
class Server:
    """One server: what starts it, where it listens (loopback only), how it is asked whether it is ready.

    `keeps` is the option of `argv` that names its data, inside `folder`: by that its like of another work folder is known.
    `setting` is the section of luigi.cfg and the setting in it that says its port, `stop_by` the command that ends it.
    """

    name: str
    folder: Path
    argv: Sequence[str | Path]
    port: int
    answers: Callable[[], bool]
    fix: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    keeps: str = ""
    setting: str = "another port"
    stop_by: str = ""

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def pid(self) -> int | None:
        """The pid of the server that we started and that still runs; a reused pid has another birth.

        One whose folder was removed under it is known by its port and its arguments.
        """
        return self._known() or self._orphan()

    @property
    def has_died(self) -> bool:
        """It was started, nobody stopped it, and yet it runs no more."""
        return self._pid_file.exists() and self.pid() is None

    def _known(self) -> int | None:
        try:
            word, born = self._pid_file.read_text().split()
            pid = int(word)
        except (OSError, ValueError):
            return None
        return pid if _birth(pid) == born else None

    def _orphan(self) -> int | None:
        pid = listener(self.port)
        return pid if pid and _arguments(pid)[1:] == [str(word) for word in self.argv[1:]] else None

    def of_another(self) -> Path | None:
        """The work folder of a server like this one that listens on our port; None where none does, or where it is ours."""
        pid = listener(self.port)
        ours = _value_of(self.keeps, [str(word) for word in self.argv])
        theirs = _value_of(self.keeps, _arguments(pid)) if pid else None
        if not ours or not theirs:
            return None
        below = ours.relative_to(self.folder.parent)
        is_like_it = theirs != ours and theirs.parts[-len(below.parts) :] == below.parts
        return theirs.parents[len(below.parts) - 1] if is_like_it else None

    def check_port(self) -> None:
        """BusyError where somebody else has the port: who, and each way out."""
        if self.pid() is not None or not is_taken(self.port):
            return
        what = f"{self.name} cannot start: port {self.port} of 127.0.0.1 is taken"
        if other := self.of_another():
            raise BusyError(
                what,
                why=f"flight's own {self.name} of the work folder {other} listens there (pid {listener(self.port)})",
                fix=self.way_out(other),
            )
        raise BusyError(
            what,
            why=f"{owner(self.port) or 'another program'} listens there",
            fix=f"end that program, or set {self.setting} in luigi.cfg to another port",
        )

    def way_out(self, other: Path) -> str:
        """What to do about the like of this server that another work folder has started."""
        section = self.setting.partition(" ")[0]
        return f"`{self.stop_by}` {_where_of(other)}, or set other ports in {section} of luigi.cfg here"

    def start(self, *, wait_s: float = 30) -> bool:
        """Start it and wait until it answers; False where it already runs.

        BusyError: somebody else has the port. ProgramError: it ended, or did not answer in time; its last words are told.
        """
        with self._locked():
            if self._known() is not None and self.answers():
                return False
            self._end()
            self.check_port()
            said_before = self.log.stat().st_size if self.log.exists() else 0
            child = run.start(self.argv, why=f"start {self.name}", log_to=self.log, env=self.env, fix=self.fix)
            try:
                write_whole(self._pid_file, f"{child.pid} {_birth(child.pid)}\n")
                self._wait_until(lambda: child.poll() is not None or self.answers(), wait_s)
                if child.poll() is not None or not self.answers():
                    raise ProgramError(
                        f"{self.name} did not start",
                        why=run.quoted(last_words(self.log, since=said_before), self.log),
                        fix=self.fix or "mend what it names, then start it again",
                    )
            except BaseException:
                self._end()
                raise
            child.returncode = 0  # it goes on without us: no warning when this handle is let go
            return True

    def stop(self) -> bool:
        """End it and wait until it is gone; False where it did not run."""
        with self._locked():
            return self._end()

    def _end(self) -> bool:
        pid = self.pid()
        for number, wait_s in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            if self.pid() is None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid() or 0, number)
            self._wait_until(lambda: self.pid() is None, wait_s)
        self._pid_file.unlink(missing_ok=True)
        return pid is not None

    def _wait_until(self, happened: Callable[[], bool], wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        while not happened() and time.monotonic() < deadline:
            time.sleep(POLL_S)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / f".{self.name}.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def is_taken(port: int) -> bool:
    """Does anybody listen on this port of the loopback address?"""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def owner(port: int) -> str:
    """The program that listens on a port, as `name (pid N)`; empty where it cannot be known."""
    pid = listener(port)
    if pid is None:
        return ""
    with contextlib.suppress(OSError):
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        if name == "MainThread":  # what Node.js 24 calls its first thread
            name = Path(os.readlink(f"/proc/{pid}/exe")).name
        return f"{name} (pid {pid})"
    return ""


def listener(port: int) -> int | None:
    """The pid that listens on a port (IPv4); None where nobody does, or where it is hidden from us."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    wanted = {
        words[9] for line in lines if (words := line.split())[3] == "0A" and int(words[1].split(":")[1], 16) == port
    }
    for folder in Path("/proc").glob("[0-9]*") if wanted else ():
        with contextlib.suppress(OSError):
            for link in (folder / "fd").iterdir():
                if os.readlink(link).removeprefix("socket:[").removesuffix("]") in wanted:
                    return int(folder.name)
    return None


def _value_of(option: str, words: Sequence[str]) -> Path | None:
    """The path that stands behind an option among a program's arguments."""
    following = dict(itertools.pairwise(words))
    return Path(following[option]) if option and option in following else None


def _where_of(work: Path) -> str:
    """Where a command is typed that is for this work folder: beside its luigi.cfg, as far as that can be guessed."""
    there = work.parent / "luigi.cfg"
    return f"in {work.parent}" if there.is_file() else "where its luigi.cfg is"


def last_words(log: Path, *, since: int = 0) -> list[str]:
    """The last lines of a log, none of them from before byte `since`."""
    try:
        with open(log, "rb") as file:
            file.seek(max(since, file.seek(0, os.SEEK_END) - LAST_BYTES))
            said = file.read(LAST_BYTES).decode(errors="replace")
    except OSError:
        return []
    return [line for line in said.splitlines() if line.strip()][-run.LAST_WORDS :]


def _birth(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None for one that is gone or a zombie.

    A killed process is a zombie from its first thread's end on, but listens until its last thread's: till then it is there.
    """
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        threads = len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return None
    return None if after_name[0] == "Z" and threads < 2 else after_name[19]


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []
