"""What the service does with a base by itself: a copy that is waited for, and its refusals, told apart from all others."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from flight.workflows.cloud.refusal import code_of
from flight.workflows.kit.errors import RemoteError
from flight.workflows.kit.progress import Progress, Told
from flight.workflows.upload.receipt import BlobPlace, Remote
from flight.workflows.upload.verbs import BaseUnfit, Service
from flight.workflows.upload.wire import Wire

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties

POLL_S: Final = (0.2, 5.0)
"""A copy is asked after first so soon, at last so seldom."""
AGAIN_S = 1.0
"""Between two looks at a copy that somebody else asked for."""
UNFIT: Final = frozenset({"SourceConditionNotMet", "CannotVerifyCopySource", "Md5Mismatch", "APINotImplemented"})
"""What is said where the service itself cannot write what the base holds."""


@contextlib.contextmanager
def fit(base: BlobPlace, *, also: str = "") -> Iterator[None]:
    """Refusals within the block that are the base's fault, and those of the code `also`, become BaseUnfit."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except RemoteError as error:
        cause = error.__cause__
        if not isinstance(cause, AzureError) or code_of(cause) not in {*UNFIT, also}:
            raise
        fix = f"nothing needs to be done: what cannot be taken from {base.name} is sent"
        raise BaseUnfit(error.what, why=error.why, fix=fix) from cause


def when_copied(wire: Wire, base: BlobPlace, told: Told) -> str:
    """The ETag of the blob when the service has copied all of the base to it; BaseUnfit where it could not."""
    wait, longest = POLL_S
    while (now := _looked(wire)).copy.status == "pending":
        told(_progress(now, base))
        wire.patience.rest(wait)
        wait = min(wait * 1.5, longest)
    if now.copy.status == "success":
        return str(now.etag)
    raise BaseUnfit(
        f"the service could not copy {base.url}",
        why=f"it says: {now.copy.status_description or now.copy.status or 'the blob is no copy any more'}",
        fix="run this again; where it stays so, send all of it",
    )


def settled(service: Service, there: Remote | None, *, told: Told) -> Remote | None:
    """What is there, once a copy that an earlier run asked for has ended."""
    while there is not None and there.copy_status == "pending":
        told(Progress(what="waiting for the copy of an earlier run"))
        time.sleep(AGAIN_S)
        there = service.look()
    return there


def _looked(wire: Wire) -> BlobProperties:
    with wire.explained(f"look at {wire.place.url}"):
        return wire.patience.ask(wire.blob.get_blob_properties)


def _progress(now: BlobProperties, base: BlobPlace) -> Progress:
    """How much of the base the service has copied."""
    done, _, total = str(now.copy.progress or "0/0").partition("/")
    return Progress(int(done), int(total), f"the service copies {base.name}")
