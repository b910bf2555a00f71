"""How a run of `luigi --module flight.workflows TASK` meets a person: checked before it starts, calm when it is ended.

Luigi itself waits a minute for a scheduler that is not there and prints tracebacks for a typing error; here both are one
message within two seconds, before anything is scheduled. luigi.cfg is looked at twice: as Luigi imports this module,
because Luigi next reads its own sections, and with the first task, because the command line goes before it.
"""

from __future__ import annotations

import contextlib
import ctypes
import difflib
import json
import logging
import multiprocessing
import re
import signal
import sys
import threading
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import luigi
from luigi.cmdline_parser import CmdlineParser
from luigi.retcodes import retcode
from luigi.task_register import Register, TaskClassException

from flight.workflows import luigicfg
from flight.workflows.cloud.names import blob_name, check_name, image_name, not_named
from flight.workflows.kit.errors import ConfigError, FlightError, os_errors_explained, said_by
from flight.workflows.kit.text import quoted
from flight.workflows.settings import CLOUDS, check_version, load_settings

if TYPE_CHECKING:
    from flight.workflows.stage import Stage

SCHEDULER_WAIT_S = 2.0
PR_SET_PDEATHSIG = 1
UNEXPLAINED: Final = 4
"""The exit code where luigi.cfg has none; Luigi's own default for what it cannot explain."""
CHATTER = re.compile(r"^Informed scheduler|^\[pid %s\] Worker|^Worker .* was stopped|^Running Worker|^Done scheduling")
"""What Luigi says of itself for each task; each stage says itself when it starts and ends."""
AZURE_NAMES: Final = {
    "subscription": "subscription",
    "resource_group": "resource group",
    "location": "location",
    "gallery": "gallery",
    "account": "storage account",
    "container": "container",
}
"""A task's parameters that Azure has rules for, by the rules' names."""
LOG = logging.getLogger("luigi-interface")
_checked = False


def check_once(task: Stage) -> None:
    """Called as a task of the command line is made: its settings, recipe and scheduler are looked at, once a process.

    Raises SystemExit with the message, and Luigi's own exit codes, where something is wrong. Outside Luigi's command
    line (tests, `luigi.build`) nothing is checked here and errors are raised as they come.
    """
    global _checked
    if _checked or CmdlineParser.get_instance() is None:
        return
    _checked = True
    LOG.addFilter(_explain)
    sys.excepthook = _say_interrupted
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, _interrupt)
    with _told_and_ended(), os_errors_explained(f"look at the recipe {quoted(task.recipe)}"):
        load_settings()
        check_configured(task)
        check_version(task.version)
        check_names(task)
        task.key  # noqa: B018 -- renders and checks the recipe
        check_scheduler()
        task.look_ahead()


def check_configured(task: Stage) -> None:
    """Without a luigi.cfg one line says that the defaults hold; ConfigError for what is sent: cron starts in $HOME."""
    if hasattr(task, "cloud"):
        luigicfg.wanted_path(f"it says where {type(task).__name__} sends what it makes")
    if luigicfg.config_path() is None:
        print(f"flight: {luigicfg.DEFAULTS_HOLD}", file=sys.stderr)


def check_names(task: Stage) -> None:
    """ConfigError for what Azure (or the client that speaks to it) would refuse hours later."""
    cloud = getattr(task, "cloud", CLOUDS[0])
    if cloud not in CLOUDS:
        raise ConfigError(f"there is no cloud '{quoted(cloud)}'", fix=f"give one of {', '.join(CLOUDS)}")
    for parameter, kind in AZURE_NAMES.items():
        if hasattr(task, parameter):
            check_name(kind, getattr(task, parameter))
    if hasattr(task, "container"):
        blob_name(task.recipe, task.version)
    if hasattr(task, "resource_group"):
        image_name(task.recipe, task.version)
    left = not_named({name: getattr(task, name, "") for name in AZURE_NAMES})
    if cloud != CLOUDS[0] and left:
        raise ConfigError(
            f"[azure] of luigi.cfg names no {' and no '.join(left)} of the cloud '{cloud}'",
            why="what stands there is the rehearsal's",
            fix=f"set {' and '.join(left)} there, or give {' and '.join(f'--{name}' for name in left)}",
        )


def check_as_imported() -> None:
    """The settings, before Luigi reads its own sections of them; only where Luigi's --module is what imports us."""
    if _is_imported_by_luigi() and not {"--help", "--help-all"} & {*sys.argv}:
        with _told_and_ended():
            load_settings()


def check_named(tasks: Sequence[str]) -> None:
    """The task of the command line is one of Luigi's, once `tasks`, all of flight's, are known; else the process ends.

    Only where Luigi's --module names flight itself: a module of somebody else's brings tasks that are not there yet.
    """
    if _is_imported_by_luigi():
        said, _ = CmdlineParser._build_parser().parse_known_args(sys.argv[1:])
        if said.core_module == "flight.workflows" and not (said.core_help or said.core_help_all):
            with _told_and_ended():
                check_task(said.root_task or "", tasks)


def check_task(name: str, tasks: Sequence[str]) -> None:
    """ConfigError for the name of a task that there is not; `tasks` are flight's own."""
    with contextlib.suppress(TaskClassException):
        if name:
            Register.get_task_cls(name)
            return
    near = difflib.get_close_matches(name, tasks, n=1)
    raise ConfigError(
        f"there is no task '{quoted(name)}'" if name else "no task is named",
        fix=f"did you mean {near[0]}?" if near else f"give one of {', '.join(tasks)}",
    )


def _is_imported_by_luigi() -> bool:
    frame: FrameType | None = sys._getframe(1)
    while frame and frame.f_code is not CmdlineParser._attempt_load_module.__code__:
        frame = frame.f_back
    return frame is not None


@contextlib.contextmanager
def _told_and_ended() -> Iterator[None]:
    """A FlightError inside the block ends the process: its lines for a person, and Luigi's own exit code."""
    try:
        yield
    except FlightError as error:
        print(f"flight: {error}", file=sys.stderr)
        with contextlib.suppress(ValueError):  # [retcode] itself may be what is wrong
            raise SystemExit(retcode().scheduling_error or UNEXPLAINED) from None
        raise SystemExit(UNEXPLAINED) from None


def check_scheduler() -> None:
    """Within two seconds: does a luigid answer where luigi.cfg says? Nothing to check with --local-scheduler."""
    core = _core()
    if core.local_scheduler:
        return
    url = core.scheduler_url or "http://{}:{}/".format(*scheduler_address())
    try:
        ask_scheduler(url, "is_pause_enabled")
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"no scheduler answers at {url}",
            why=said_by(error),
            fix="start it with `flight scheduler start`, or add --local-scheduler to the command",
        ) from None


def scheduler_address() -> tuple[str, int]:
    """Where luigi.cfg's [core] says that the scheduler listens."""
    load_settings()
    core = _core()
    return core.scheduler_host, core.scheduler_port


def _core() -> Any:
    """[core] of luigi.cfg with what the command line says instead; ConfigError where Luigi cannot read that."""
    try:
        return luigi.interface.core()
    except ValueError as error:
        raise ConfigError(
            "an option of Luigi's is refused",
            why=quoted(f"{error}: {error.__cause__}", most=300),
            fix="`luigi --module flight.workflows TASK --help` says what each takes; [core] and [worker] in luigi.cfg count too",
        ) from None


def ask_scheduler(url: str, method: str) -> Any:
    """The answer of one of luigid's read-only calls; OSError where nothing answers, ValueError for a stranger."""
    with urllib.request.urlopen(f"{url.rstrip('/')}/api/{method}?data=%7B%7D", timeout=SCHEDULER_WAIT_S) as answer:
        return json.load(answer)["response"]


def answers(url: str) -> bool:
    """Does a luigid answer there?"""
    try:
        ask_scheduler(url, "is_pause_enabled")
    except (OSError, ValueError, KeyError):
        return False
    return True


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM (from a person, cron, a time-out, or the death of Luigi's parent process) ends the block as Ctrl-C does.

    Without it Python dies at once and no `finally` runs. A worker's child process asks the kernel for the signal: its
    parent may be killed with -9.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if multiprocessing.parent_process() is not None:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt(f"signal {signal.Signals(number).name}")


def _say_interrupted(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("\nflight: interrupted. What was finished is kept; run the same command to go on.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _explain(record: logging.LogRecord) -> bool:
    """A person sees an error's three lines; its traceback goes to WORK/logs/tracebacks.log. Luigi's chatter is left out."""
    if record.levelno == logging.INFO and CHATTER.search(str(record.msg)):
        return False
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if isinstance(error, FlightError):
        text = "".join(traceback.format_exception(error))
        record.msg, record.args = f"{_who_failed(record)}\n{error}", ()
        record.exc_info = record.exc_text = None
        _keep(text)
    return True


def _who_failed(record: logging.LogRecord) -> str:
    """Luigi names itself, its process and every parameter; a person wants to know the stage."""
    last = record.args[-1] if isinstance(record.args, tuple) and record.args else None
    recipe = getattr(last, "recipe", None)
    return f"{type(last).__name__} {recipe}: failed" if recipe else record.getMessage()


def _keep(text: str) -> None:
    with contextlib.suppress(OSError, FlightError):  # a full disk must not hide the error itself
        logs: Path = load_settings().paths.work / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        with open(logs / "tracebacks.log", "a") as file:
            file.write(text + "\n")


check_as_imported()
