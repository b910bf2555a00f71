"""Every error a person may see: what happened, why, and what to do.

    FlightError              anything that stops the work and is explained
    ├── ConfigError          luigi.cfg, a parameter or a command line is wrong: nothing was started
    ├── RecipeError          a recipe or kickstart is wrong: carries every fault at once
    ├── ProgramError         a program we ran failed, was killed, timed out or is missing
    ├── SpaceError           the disk (or a quota) is full
    ├── BusyError            somebody else holds what we need
    └── RemoteError          Azure, or its rehearsal, refused or did not answer

A `FlightError` prints as three lines. Anything else that escapes is a defect of flight's, and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

_CONTROLS = {
    **{code: f"^{chr(code ^ 64)}" for code in (*range(32), 127) if chr(code) not in "\n\t"},
    **dict.fromkeys(range(128, 160), "\N{REPLACEMENT CHARACTER}"),
}


def harmless(text: str) -> str:
    """Text of others as a terminal may show it: control characters, but for newline and tab, become ^[ and the like."""
    return text.translate(_CONTROLS)


class FlightError(Exception):
    """`what` happened, `why` as far as known, and the `fix` that a person can try. Prints as up to three lines."""

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        super().__init__(what, why, fix)  # all three, so that it survives pickling between Luigi's processes
        self.what, self.why, self.fix = what, why, fix

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.why, self.fix)

    def __str__(self) -> str:
        lines = [self.what]
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return harmless("\n".join(lines))


class ConfigError(FlightError):
    """luigi.cfg, a parameter or a command line is wrong."""


class RecipeError(FlightError):
    """A recipe or kickstart is wrong; `why` lists every fault, one a line, as `file:line: …`."""


class ProgramError(FlightError):
    """A program failed, was killed, ran out of time or is not installed."""


class SpaceError(FlightError):
    """No space (or no inodes) left where the work is done."""


class BusyError(FlightError):
    """Another run holds the lock, the lease, the port or the name."""


class RemoteError(FlightError):
    """Azure, or the rehearsal of it, refused or did not answer."""


def _rebuild(kind: type[FlightError], what: str, why: str, fix: str) -> FlightError:
    return kind(what, why=why, fix=fix)


def said_by(error: BaseException) -> str:
    """What the system said: without Python's number, and of a URLError what lies below it."""
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


@contextlib.contextmanager
def os_errors_explained(what: str) -> Iterator[None]:
    """The system's own refusals inside the block (no space, no permission, no such file) as errors for a person."""
    try:
        yield
    except BrokenPipeError:  # whoever read our words has gone, as `| head` does: no fault
        raise
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        why = f"{error.strerror or error}{place}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SpaceError(
                f"could not {what}: the disk is full", why=why, fix="free some space, then run it again"
            ) from error
        raise FlightError(
            f"could not {what}", why=why, fix="see that the path is right and that you may use it"
        ) from error
