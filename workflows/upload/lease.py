"""The writer's lease: a minute long, renewed while we live, so that two writers never mix their pages.

Who is killed leaves it to end by itself; who comes back takes it back by the id that stands in its ledger.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from flight.workflows import artefact
from flight.workflows.kit.errors import BusyError, FlightError

if TYPE_CHECKING:
    from flight.workflows.upload.service import Service

RENEW_S: Final = 20.0
"""A lease has 60 s: two renewals may be lost."""


def writer() -> str:
    """Who writes, as the blob's metadata says it while it is unfinished: ASCII."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user has no name
        user = f"uid {os.getuid()}"
    return quote(f"{user}@{socket.gethostname()} pid {os.getpid()}, since {artefact.now()}", safe=" @,:+.")


@contextlib.contextmanager
def kept(service: Service, lease_id: str) -> Iterator[None]:
    """The lease, which is held already, is renewed while the block runs, and let go of at its end, however it ends.

    BusyError in place of the block's own error where the lease was lost meanwhile: that is why it failed.
    """
    over, lost = threading.Event(), threading.Event()

    def renew_on() -> None:
        while not over.wait(RENEW_S):
            try:
                if service.renew(lease_id):
                    continue
            except FlightError:  # not reached: those who send find out, or the next renewal does
                continue
            lost.set()
            service.give_up()
            return

    renewing = threading.Thread(target=renew_on, name="lease", daemon=True)
    renewing.start()
    try:
        yield
    except FlightError as error:
        if lost.is_set():
            raise _lost() from error
        raise
    finally:
        over.set()
        renewing.join()
        with contextlib.suppress(FlightError):
            service.release(lease_id)
    if lost.is_set():
        raise _lost()


def _lost() -> BusyError:
    return BusyError(
        "the lease on the blob was lost while it was written",
        why="somebody broke it, or this process stood still for more than a minute and another began to write",
        fix="let the other one end, then run this again",
    )
