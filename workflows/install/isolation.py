"""Foreign scripts apart from this machine: namespaces, a root of their own, few capabilities.

    enclosed(work, …)      runs a function of ours in a mount and pid namespace: what it mounts and starts ends with it
    Machine(root, …).run   runs a program of the guest's, as root of a tree and of nothing else

A program in a `Machine` sees the tree as /, its own processes, and no network interface but a loopback that is down;
/proc and /sys are read-only, /dev holds eight devices, and CAP_SYS_ADMIN, CAP_MKNOD and their like are gone for good.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from flight.workflows.install import inside
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.progress import Progress, Told, quiet
from flight.workflows.kit.run import Ran, run

GUEST_VARIABLES = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "SYSTEMD_OFFLINE": "1",
}
"""All that a guest's program inherits. systemctl takes a root it finds itself in for a running system unless told."""
SERVE = "from flight.workflows.install import isolation; isolation.serve()"


@dataclass(frozen=True)
class Bind:
    """A path of the host's seen at `at` inside the machine; read-only unless `writable`."""

    source: str
    at: str
    writable: bool = False


@dataclass(frozen=True)
class Volatile:
    """An empty folder in memory that vanishes with the machine."""

    at: str


@dataclass(frozen=True)
class Machine:
    """What a guest's program finds around it.

    `root` becomes /; an `is_bare` one starts as an empty folder in memory. `mounts` are made in their order, `links`
    and `files` after them, in folders that vanish. `views` are the roots (/, a chroot below it) that get /dev, /proc
    and /sys; `devices` are empty files below /dev. `network` reaches out through slirp4netns. `capabilities` are kept
    beside the few that every program has: for the host's own programs only. /dev/fd and its like are left out in those
    of the `views` where the program `makes_links_itself`.
    """

    root: Path
    is_bare: bool = False
    mounts: tuple[Bind | Volatile, ...] = (Volatile("/tmp"), Volatile("/run"))
    views: tuple[str, ...] = ("/",)
    devices: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    network: bool = False
    capabilities: tuple[int, ...] = ()
    makes_links_itself: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def order(self) -> dict[str, Any]:
        """The machine as JSON values, for `inside`."""
        return {**asdict(self), "root": str(self.root)}

    def run(
        self,
        argv: Sequence[str],
        *,
        why: str,
        log_to: Path | None = None,
        fix: str = "",
        env: Mapping[str, str] | None = None,
        heard: Callable[[str], None] | None = None,
        **changes: Any,
    ) -> Ran:
        """Run a program of the machine's to its end; nothing that it started lives longer.

        `changes` are other values for the machine's own fields. Raises ProgramError with its last words.
        """
        machine = replace(self, **changes)
        order = [machine.order, list(argv), {**GUEST_VARIABLES, **machine.environment, **(env or {})}]
        return run(
            [sys.executable, "-I", "-S", inside.__file__],
            why=why,
            log_to=log_to,
            fix=fix,
            stdin=json.dumps(order).encode(),
            contained=True,
            heard=heard,
            shown=argv,
        )


def enclosed(
    work: Callable[..., Any], *args: Any, why: str, log_to: Path | None = None, told: Told = quiet, **named: Any
) -> Any:
    """What `work(*args, told=…, **named)` returns, run in a process with its own mounts and processes.

    Arguments and result travel by pickle, through a pipe: secrets among them stand in no argument list and no file.
    What is raised in there is raised here.
    """
    answers: list[str] = []

    def heard(line: str) -> None:
        kind, _, rest = line.partition("\t")
        if kind == "progress":
            told(Progress(**json.loads(rest)))
        elif kind == "answer":
            answers.append(rest)

    run(
        [sys.executable, "-I", "-c", SERVE],
        why=why,
        log_to=log_to,
        stdin=pickle.dumps((work, args, named)),
        contained=True,
        heard=heard,
        shown=(work.__name__,),
    )
    ended_well, result = pickle.loads(base64.b64decode(answers[-1]))
    if not ended_well:
        raise result
    return result


def from_inside(root: Path, work: Callable[..., Any], *args: Any) -> Any:
    """What `work(*args)` returns, called with `root` for /: no link in the tree leads out of it.

    What is raised in there is raised here.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            raw = _pickled(_answer(root, work, *args))
            with open(writer, "wb") as pipe:
                pipe.write(raw)
        finally:
            os._exit(0)  # whatever happened, there is one of us again
    os.close(writer)
    with open(reader, "rb") as pipe:
        raw = pipe.read()
    os.waitpid(child, 0)
    if not raw:
        raise RuntimeError(f"{work.__name__} ended without an answer in {root}")
    ended_well, result = pickle.loads(raw)
    if not ended_well:
        raise result
    return result


def _answer(root: Path, work: Callable[..., Any], *args: Any) -> tuple[bool, Any]:
    try:
        os.chroot(root)
        os.chdir("/")
        return True, work(*args)
    except Exception as error:  # noqa: BLE001  it is raised again, outside
        return False, _with_its_place(error)


def _with_its_place(error: Exception) -> Exception:
    """A defect of ours travels with the lines where it happened; what is explained already needs none."""
    if not isinstance(error, (FlightError, OSError)):
        error.add_note("".join(traceback.format_exception(error)))
    return error


def _pickled(answer: tuple[bool, Any]) -> bytes:
    try:
        return pickle.dumps(answer)
    except (pickle.PicklingError, TypeError, AttributeError):
        return pickle.dumps((False, RuntimeError(repr(answer[1]))))


def serve() -> NoReturn:
    """Do what `enclosed` asks for on stdin, and answer on stdout."""
    work, args, named = pickle.loads(sys.stdin.buffer.read())

    def told(progress: Progress) -> None:
        print("progress", json.dumps(vars(progress)), sep="\t", flush=True)

    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    try:
        answer = (True, work(*args, told=told, **named))
    except Exception as error:  # noqa: BLE001  it is raised again, outside
        answer = (False, _with_its_place(error))
    print("answer", base64.b64encode(_pickled(answer)).decode(), sep="\t", flush=True)
    os._exit(0)
