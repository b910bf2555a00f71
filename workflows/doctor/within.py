"""A look that hangs (a dead file server, a name that nobody resolves) is a finding too, and is left behind."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from flight.workflows.doctor.verdict import Finding

LOOK_S: Final = 30.0


def within(
    look: Callable[[], Iterable[Finding]], name: str, *, most_s: float = LOOK_S, fix: str = ""
) -> Iterator[Finding]:
    """The findings of a look, each as it comes; a fault where they have not all come in time.

    The look is made in a thread that this process does not wait for, not even at its end.
    """
    found: queue.SimpleQueue[Finding | Exception | None] = queue.SimpleQueue()
    threading.Thread(target=_tell, args=(look, name, found), daemon=True).start()
    deadline = time.monotonic() + most_s
    while True:
        try:
            one = found.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            yield Finding(
                name,
                "fault",
                f"nothing was heard of it within {most_s:g} s",
                fix or "look again, then see what holds it up",
            )
            return
        if one is None:
            return
        if isinstance(one, Exception):
            raise one
        yield one


def _tell(
    look: Callable[[], Iterable[Finding]], name: str, found: queue.SimpleQueue[Finding | Exception | None]
) -> None:
    try:
        for finding in look():
            found.put(finding)
    except OSError as error:
        found.put(
            Finding(name, "fault", f"it cannot be looked at: {error.strerror or error}", "mend that, then look again")
        )
    except Exception as error:  # noqa: BLE001 -- a defect: raised again where it is waited for
        found.put(error)
    found.put(None)
