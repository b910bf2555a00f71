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

from flight.workflows.kit.errors import FlightError, ProgramError, SpaceError

GRACE_S = 3.0
"""How long a program may take to end by itself after SIGTERM."""
LAST_WORDS = 12
"""How many of a failed program's last lines its error quotes."""
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
    """What a program did: its exit code, what it wrote to stdout, and the seconds it took."""

    code: int
    out: str
    seconds: float


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
    shown: Sequence[str] = (),
) -> Ran:
    """Run a program to its end.

    `why` completes "could not …" in the error. stdout and stderr are appended to `log_to` as they come; each whole line
    of either is passed to `heard`. `env` adds variables to the few that are passed on. `contained` needs root. `shown` is
    what log and errors name where `argv` is only a wrapper.
    Raises ProgramError (missing, failed, too slow) with its last words, SpaceError where those say that the disk is full.
    """
    words = [str(word) for word in argv]
    found = find(words[0], why=why, fix=fix)
    shown = shown or words
    started = time.monotonic()
    wrapped = [*_wrapper(contained), found, *words[1:]]
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(open(log_to, "ab", buffering=0)) if log_to else None
        if log:
            log.write(f"$ {shlex.join(shown)}\n".encode())
        child = stack.enter_context(_child(wrapped, cwd=cwd, env=_environment(env), has_stdin=stdin is not None))
        listener = _Listener(log, heard)
        try:
            listener.listen(child, stdin or b"", deadline=None if timeout_s is None else started + timeout_s)
        except TimeoutError:
            raise ProgramError(
                f"could not {why}: {shown[0]} did not end within {timeout_s:g} s",
                why=_quoted(listener.last_words, log_to),
                fix=fix,
            ) from None
        code = child.wait()
    if code not in ok:
        raise _failure(shown[0], code, why=why, fix=fix, last_words=listener.last_words, log_to=log_to)
    return Ran(code, listener.out.decode(errors="replace"), time.monotonic() - started)


def find(program: str, *, why: str, fix: str = "") -> str:
    """The program's path, or a ProgramError that says what would bring it."""
    found = shutil.which(program, path=_environment(None)["PATH"])
    if found is None:
        raise ProgramError(
            f"could not {why}: the program '{program}' is not here",
            why="it is not in PATH" if "/" not in program else "there is no such program",
            fix=fix or "scripts/quickstart installs what flight needs; [programs] in luigi.cfg can name another",
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
    """Reads both pipes of a child to their end, feeding log, `heard`, `out` and `last_words`."""

    def __init__(self, log: IO[bytes] | None, heard: Callable[[str], None] | None) -> None:
        self.log, self.heard = log, heard
        self.out = bytearray()
        self.last_words: collections.deque[str] = collections.deque(maxlen=LAST_WORDS)
        self._open_line = {1: b"", 2: b""}

    def listen(self, child: subprocess.Popen[bytes], stdin: bytes, *, deadline: float | None) -> None:
        assert child.stdout and child.stderr
        if child.stdin:
            with contextlib.suppress(BrokenPipeError), child.stdin:
                child.stdin.write(stdin)
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

    def _take(self, stream: int, chunk: bytes) -> None:
        if self.log:
            self.log.write(chunk)
        if stream == 1:
            self.out += chunk
        lines = (self._open_line[stream] + chunk).replace(b"\r", b"\n").split(b"\n")
        self._open_line[stream] = lines.pop() if chunk else b""
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            if text:
                self.last_words.append(text)
                if self.heard:
                    self.heard(text)


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
        for pipe in (child.stdout, child.stderr):
            if pipe:
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
    said = _quoted(last_words, log_to)
    if any("No space left on device" in line for line in last_words):
        return SpaceError(f"could not {why}: the disk is full", why=said, fix="free some space, then run it again")
    ended = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return ProgramError(f"could not {why}: {program} {ended}", why=said, fix=fix)


def _quoted(last_words: Sequence[str], log_to: Path | None) -> str:
    lines = [*(f"| {line}" for line in last_words)] or ["it said nothing"]
    if log_to:
        lines.append(f"the whole of it: {log_to}")
    return "\n       ".join(lines)
