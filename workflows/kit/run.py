"""The one door to programs: a list, never a shell; stdin closed; its own process group, killed and waited for.

Whatever ends this process (an error, Ctrl-C, SIGTERM, kill -9) ends the program too: the kernel sends it SIGKILL when
we die (`setpriv --pdeathsig`), and a `contained` one lives in a pid and mount namespace of its own, so that all its
children and mounts go with it.
"""

from __future__ import annotations

import collections
import contextlib
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from flight.workflows.kit.errors import FlightError, ProgramError, SpaceError, harmless
from flight.workflows.kit.progress import human_bytes

GRACE_S = 3.0
"""How long a program may take to end by itself after SIGTERM."""
LAST_WORDS = 12
"""How many of a failed program's last lines its error quotes."""
QUOTED_CHARS = 1000
"""How much of each of them."""
MOST_OUT_BYTES = 64 << 20
"""How much of a program's stdout is kept in memory."""
MOST_LOG_BYTES = 64 << 20
"""How much one program may add to a log."""
MOST_LINE_BYTES = 16 << 20
"""How much of one line is heard; what our own programs answer on a line is far below it."""
PASSED_ON = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "TERM",
    "SOURCE_DATE_EPOCH",
    "XDG_RUNTIME_DIR",
    "XDG_CACHE_HOME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
]
"""The only variables a program inherits: nobody's credentials are among them."""
TIDY_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Added to PATH: cron and ordinary users lack the sbin folders."""


@dataclass(frozen=True)
class Ran:
    """What a program did: its exit code, what it wrote to stdout (None: too much to keep), and the seconds it took."""

    code: int
    stdout: str | None
    seconds: float
    why: str = ""

    @property
    def out(self) -> str:
        """What it wrote to stdout. Raises ProgramError where that was more than is kept."""
        if self.stdout is None:
            raise ProgramError(
                f"could not {self.why}: the program wrote too much",
                why=f"more than {human_bytes(MOST_OUT_BYTES)} came from it",
                fix="run it by hand and see what it says",
            )
        return self.stdout


def run(
    argv: Sequence[str | Path],
    *,
    why: str,
    log_to: Path | None = None,
    timeout_s: float | None = None,
    fix: str = "",
    ok: Sequence[int] = (0,),
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    contained: bool = False,
    heard: Callable[[str], None] | None = None,
    replies: Callable[[str], str | None] | None = None,
    shown: Sequence[str] = (),
) -> Ran:
    """Run a program to its end.

    `why` completes "could not …" in the error. stdout and stderr are appended to `log_to` as they come, up to
    MOST_LOG_BYTES; each whole line of either is passed to `heard`, without control characters. `env` adds variables to
    the few that are passed on. `contained` needs root. `shown` is what log and errors name where `argv` is only a
    wrapper. With `replies` it is a talk: stdin stays open after `stdin`, what `replies` answers to a line of output is
    written to it (some KiB at most), and None ends the talk.
    Raises ProgramError (missing, failed, too slow) with its last words, SpaceError where those say that the disk is full.
    """
    words = [str(word) for word in argv]
    wrapped = [*_wrapper(contained), find(words[0], why=why, fix=fix), *words[1:]]
    shown = shown or words
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(open(log_to, "ab", buffering=0)) if log_to else None
        if log:
            log.write(f"$ {shlex.join(shown)}\n".encode())
        has_stdin = stdin is not None or replies is not None
        child = stack.enter_context(_child(wrapped, cwd=cwd, env=_environment(env), has_stdin=has_stdin))
        listener = _Listener(log, heard, replies)
        try:
            listener.listen(child, stdin or b"", deadline=None if timeout_s is None else started + timeout_s)
        except TimeoutError:
            raise ProgramError(
                f"could not {why}: {shown[0]} did not end within {timeout_s:g} s",
                why=quoted(listener.last_words, log_to),
                fix=fix,
            ) from None
        code = child.wait()
    if code not in ok:
        raise _failure(shown[0], code, why=why, fix=fix, last_words=listener.last_words, log_to=log_to)
    return Ran(code, listener.stdout, time.monotonic() - started, why)


def find(program: str, *, why: str, fix: str = "") -> str:
    """The program's path, or a ProgramError that says what would bring it."""
    found = shutil.which(program, path=_environment(None)["PATH"])
    if found is None:
        raise ProgramError(
            f"could not {why}: the program '{program}' is not here",
            why="it is not in PATH" if "/" not in program else "there is no such program",
            fix=fix or "`flight doctor` names the package that brings it; [programs] in luigi.cfg can name another",
        )
    return found


def start(
    argv: Sequence[str | Path], *, why: str, log_to: Path, env: Mapping[str, str] | None = None, fix: str = ""
) -> subprocess.Popen[bytes]:
    """Start a server that outlives us, in a session of its own, its output appended to `log_to`. For daemons only."""
    words = [str(word) for word in argv]
    found = find(words[0], why=why, fix=fix)
    with open(log_to, "ab") as log:
        return subprocess.Popen(
            [found, *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(env),
            start_new_session=True,
            cwd="/",
        )


class _Listener:
    """Reads both pipes of a child to their end, feeding log, `heard`, `stdout` and `last_words`; none grows for ever."""

    def __init__(
        self,
        log: IO[bytes] | None,
        heard: Callable[[str], None] | None,
        replies: Callable[[str], str | None] | None = None,
    ) -> None:
        self.log, self.heard, self.replies = log, heard, replies
        self._stdin: IO[bytes] | None = None
        self.last_words: collections.deque[str] = collections.deque(maxlen=LAST_WORDS)
        self._out, self._has_all = bytearray(), True
        self._log_room = MOST_LOG_BYTES
        self._open_line = {1: bytearray(), 2: bytearray()}

    @property
    def stdout(self) -> str | None:
        """All of it; None where it was too much to keep."""
        return self._out.decode(errors="replace") if self._has_all else None

    def listen(self, child: subprocess.Popen[bytes], stdin: bytes, *, deadline: float | None) -> None:
        assert child.stdout and child.stderr
        self._stdin = child.stdin
        self._say(stdin)
        if not self.replies:
            self._hang_up()
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ, 1)
            selector.register(child.stderr, selectors.EVENT_READ, 2)
            while selector.get_map():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError
                for ready, _ in selector.select(left):
                    chunk = os.read(ready.fd, 65536)
                    if not chunk:
                        selector.unregister(ready.fileobj)
                    self._take(ready.data, chunk)

    def _say(self, words: bytes) -> None:
        if self._stdin and words:
            with contextlib.suppress(BrokenPipeError):  # it ended: its exit code says why
                self._stdin.write(words)
                self._stdin.flush()

    def _hang_up(self) -> None:
        if self._stdin:
            with contextlib.suppress(BrokenPipeError):
                self._stdin.close()
            self._stdin = None

    def _take(self, stream: int, chunk: bytes) -> None:
        self._write(chunk)
        if stream == 1:
            self._keep(chunk)
        whole, newline, rest = chunk.replace(b"\r", b"\n").rpartition(b"\n")
        open_line = self._open_line[stream]
        if newline or not chunk:
            lines = bytes(open_line + whole).split(b"\n")
            open_line.clear()
            told = lines if self.heard or self.replies else collections.deque(filter(bytes.strip, lines), LAST_WORDS)
            for line in told:
                self._hear(line[:MOST_LINE_BYTES])
        open_line += rest[: MOST_LINE_BYTES - len(open_line)]

    def _write(self, chunk: bytes) -> None:
        if self.log is None or self._log_room <= 0:
            return
        self.log.write(chunk[: self._log_room])
        self._log_room -= len(chunk)
        if self._log_room <= 0:
            self.log.write(f"\n(cut here after {human_bytes(MOST_LOG_BYTES)}: the program goes on)\n".encode())

    def _keep(self, chunk: bytes) -> None:
        self._has_all = self._has_all and len(self._out) + len(chunk) <= MOST_OUT_BYTES
        if self._has_all:
            self._out += chunk
        else:
            self._out.clear()

    def _hear(self, line: bytes) -> None:
        text = harmless(line.decode(errors="replace").rstrip())
        if text:
            self.last_words.append(text[:QUOTED_CHARS])
            if self.heard:
                self.heard(text)
            if self.replies and self._stdin:
                answer = self.replies(text)
                self._hang_up() if answer is None else self._say(answer.encode())


@contextlib.contextmanager
def _child(
    argv: Sequence[str], *, cwd: Path | None, env: dict[str, str], has_stdin: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a process group of its own, that is gone, and waited for, when the block is left in any way."""
    child = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE if has_stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=env,
        process_group=0,
    )
    try:
        yield child
    finally:
        _end(child)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _end(child: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the group, then SIGKILL; a group whose leader ended by itself may still have stragglers."""
    if child.poll() is None:
        _signal_group(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_S)
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _wrapper(contained: bool) -> list[str]:
    """What stands before the program so that it dies with us."""
    fatal = ["setpriv", "--pdeathsig", "KILL", "--"]
    if not contained:
        return fatal
    if os.geteuid() != 0:
        raise FlightError(
            "this step needs root", why="it makes namespaces of its own and owns files as root", fix="run it as root"
        )
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--propagation=private"]
    return [*fatal, *apart, "--", *fatal]


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    kept["PATH"] = ":".join(dict.fromkeys(f"{kept.get('PATH', '')}:{TIDY_PATH}".strip(":").split(":")))
    return {**kept, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **(extra or {})}


def _failure(
    program: str, code: int, *, why: str, fix: str, last_words: Sequence[str], log_to: Path | None
) -> FlightError:
    said = quoted(last_words, log_to)
    if any("No space left on device" in line for line in last_words):
        return SpaceError(f"could not {why}: the disk is full", why=said, fix="free some space, then run it again")
    ended = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return ProgramError(f"could not {why}: {program} {ended}", why=said, fix=fix)


def quoted(last_words: Sequence[str], log_to: Path | None) -> str:
    """A program's last words as the `why` of an error: lines of their own, and where the whole of it stands."""
    lines = [*(f"| {line}" for line in last_words)] or ["it said nothing"]
    if log_to:
        lines.append(f"the whole of it: {log_to}")
    return "\n       ".join(lines)
