"""Asking a blob of Azure's: again where that may help, looking where an answer was lost, and with errors for a person."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Container, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from flight.workflows.cloud.endpoint import CONNECT_S, Cloud
from flight.workflows.cloud.refusal import code_of, refused
from flight.workflows.kit.errors import BusyError, FlightError
from flight.workflows.upload.patience import Patience
from flight.workflows.upload.receipt import BlobPlace, Remote

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError
    from azure.storage.blob import BlobClient, BlobProperties

Answer = TypeVar("Answer")
MISSING: Final = frozenset({"ContainerNotFound", "BlobNotFound", "ResourceNotFound"})
CONDITION: Final = frozenset({"BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet", "PendingCopyOperation"})
"""Refusals that are also what a request gets that was done already, and whose answer was lost."""
LEASED: Final = frozenset(
    {
        "LeaseAlreadyPresent",
        "LeaseIsBreakingAndCannotBeAcquired",
        "LeaseIdMissing",
        "LeaseIdMismatchWithBlobOperation",
    }
)
"""Somebody else's lease is in the way."""
LEASE_ENDED: Final = frozenset({"LeaseLost", "LeaseNotPresentWithBlobOperation"})
"""Ours has ended, and nobody holds another one."""
RENEWALS: Final = 4
"""Tries of one renewal: it must not take as long as the lease lasts."""


class Wire:
    """One blob, asked through one SDK client. At first contact it is impatient, afterwards it is not."""

    def __init__(self, cloud: Cloud, place: BlobPlace, blob: BlobClient, *, patience: Patience) -> None:
        self.cloud, self.place, self.blob = cloud, place, blob
        self.patience = patience
        self.contact = dataclasses.replace(patience, tries=min(3, patience.tries), hopeful=False)
        self.renewing = dataclasses.replace(patience, tries=min(RENEWALS, patience.tries))

    @property
    def was_interrupted(self) -> bool:
        return any(one.was_interrupted for one in (self.patience, self.contact, self.renewing))

    @was_interrupted.setter
    def was_interrupted(self, value: bool) -> None:
        self.patience.was_interrupted = self.contact.was_interrupted = self.renewing.was_interrupted = value

    def look(self) -> Remote | None:
        """The blob as it is; None where there is none, or no container."""
        with self.explained(f"look at {self.place.url}"):
            found = self.if_there(lambda: self.blob.get_blob_properties(connection_timeout=CONNECT_S))
        return None if found is None else remote_of(found)

    def if_there(self, request: Callable[[], Answer]) -> Answer | None:
        """The answer; None where there is no such thing."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            answer: Answer | None = self.contact.ask(request)
        except ResourceNotFoundError as error:
            if code_of(error) not in MISSING:
                raise
            answer = None
        self._met()
        return answer

    def _met(self) -> None:
        """The server is there: from now on it is waited for."""
        self.contact = self.patience

    def conditional(
        self, request: Callable[[], Mapping[str, Any]], *, or_ours: Callable[[Remote], bool], under: str | None = None
    ) -> str:
        """The new ETag of a conditional request. Refused may also mean that it was done, and its answer lost: look.

        A refusal stands where the blob still has the ETag `under`: then it is not the blob that was meant by it.
        (Azurite 3.35 says of a copy's source what the service says of its destination only.)
        """
        from azure.core.exceptions import HttpResponseError

        try:
            return str(self.patience.ask(request)["etag"])
        except HttpResponseError as error:
            now = self.look() if code_of(error) in CONDITION else None
            if now is None or now.etag == under:
                raise
            if or_ours(now):
                return now.etag
            raise self.taken_over(now) from error

    @contextlib.contextmanager
    def explained(self, could_not: str, *, busy: Container[str] = LEASED) -> Iterator[None]:
        """AzureErrors within the block become errors for a person; those of the codes `busy` say who is in the way."""
        from azure.core.exceptions import AzureError

        try:
            yield
        except AzureError as error:
            raise self._explanation(error, could_not, busy) from error

    def _explanation(self, error: AzureError, could_not: str, busy: Container[str]) -> FlightError:
        if code_of(error) in busy:
            with contextlib.suppress(FlightError):  # who it is cannot be found out: then Azure's own words do
                if now := self.look():
                    return self.taken_over(now)
        return refused(error, could_not, cloud=self.cloud)

    def taken_over(self, now: Remote) -> BusyError:
        """Who writes the blob, and until when, as far as it says so itself."""
        who = f"{now.writer} writes it" if now.writer else "another program, or a disk, holds or changed the blob"
        return BusyError(
            f"somebody else is writing {self.place.url}",
            why=f"{who}; {self._until_when(now)}",
            fix="let the other one end, then run this again: it sends nothing where the same image is there",
        )

    def _until_when(self, now: Remote) -> str:
        if not now.is_leased:
            return "it was created or changed while this one ran"
        if now.lease_duration == "infinite":
            return "its lease has no end: it must be broken (az storage blob lease break), or another name given"
        return "its lease is held, and free 60 s after it ends"


def remote_of(found: BlobProperties) -> Remote:
    """What the SDK tells of a blob. A listing gives its ETag without the quotes that it has elsewhere."""
    etag = str(found.etag)
    state = found.lease.state or ""
    return Remote(
        etag=etag if etag.startswith('"') else f'"{etag}"',
        size_bytes=int(found.size),
        metadata=lowered(found.metadata or {}),
        is_page_blob=found.blob_type == "PageBlob",
        lease_state="" if state == "available" else str(state),
        lease_duration=str(found.lease.duration or ""),
        copy_status=str(found.copy.status or ""),
        content_md5=bytes(found.content_settings.content_md5 or b"").hex(),
    )


def lowered(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata as it is compared: the service keeps the case of its names, and does not tell them apart by it."""
    return {name.lower(): value for name, value in metadata.items()}
