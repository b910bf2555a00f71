"""How a run of `luigi --module flight.workflows TASK` meets a person: checked before it starts, calm when it is ended.

Luigi itself waits a minute for a scheduler that is not there and prints tracebacks for a typing error; here both are one
message within two seconds, before anything is scheduled.
"""

from __future__ import annotations

import contextlib
import ctypes
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
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import luigi
from luigi.cmdline_parser import CmdlineParser
from luigi.retcodes import retcode

from flight.workflows.kit.errors import ConfigError, FlightError
from flight.workflows.settings import load_settings

if TYPE_CHECKING:
    from flight.workflows.stage import Stage

SCHEDULER_WAIT_S = 2.0
PR_SET_PDEATHSIG = 1
CHATTER = re.compile(r"^Informed scheduler|^\[pid %s\] Worker|^Worker .* was stopped|^Running Worker|^Done scheduling")
"""What Luigi says of itself for each task; each stage says itself when it starts and ends."""
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
    try:
        load_settings()
        task.key  # noqa: B018 -- renders and checks the recipe
        check_scheduler()
    except FlightError as error:
        print(f"flight: {error}", file=sys.stderr)
        raise SystemExit(retcode().scheduling_error or 4) from None


def check_scheduler() -> None:
    """Within two seconds: does a luigid answer where luigi.cfg says? Nothing to check with --local-scheduler."""
    core = luigi.interface.core()
    if core.local_scheduler:
        return
    url = core.scheduler_url or "http://{}:{}/".format(*scheduler_address())
    try:
        ask_scheduler(url, "is_pause_enabled")
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"no scheduler answers at {url}",
            why=str(getattr(error, "reason", error)),
            fix="start it with `flight scheduler start`, or add --local-scheduler to the command",
        ) from None


def scheduler_address() -> tuple[str, int]:
    """Where luigi.cfg's [core] says that the scheduler listens."""
    core = luigi.interface.core()
    return core.scheduler_host, core.scheduler_port


def ask_scheduler(url: str, method: str) -> Any:
    """The answer of one of luigid's read-only calls; OSError where nothing answers, ValueError for a stranger."""
    with urllib.request.urlopen(f"{url.rstrip('/')}/api/{method}?data=%7B%7D", timeout=SCHEDULER_WAIT_S) as answer:
        return json.load(answer)["response"]


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
        record.msg, record.args = f"{record.getMessage()}\n{error}", ()
        record.exc_info = record.exc_text = None
        _keep(text)
    return True


def _keep(text: str) -> None:
    with contextlib.suppress(OSError, FlightError):  # a full disk must not hide the error itself
        logs: Path = load_settings().paths.work / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        with open(logs / "tracebacks.log", "a") as file:
            file.write(text + "\n")
