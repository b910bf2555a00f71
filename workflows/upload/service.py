"""The wire: the few requests an upload is made of, spoken by the SDK's own page blob client.

Two uploaders never mix their pages: whoever creates the blob gives it a random sequence number, and every Put Page
carries that as a condition. The older uploader's next page is refused, and a killed one leaves no lease to wait for.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from flight.workflows.cloud.endpoint import CONNECT_S, Cloud
from flight.workflows.cloud.refusal import code_of, refused
from flight.workflows.kit.errors import BusyError, FlightError
from flight.workflows.upload.patience import Patience
from flight.workflows.upload.plan import Span, merge
from flight.workflows.upload.receipt import BlobPlace, Remote

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

Answer = TypeVar("Answer")
FENCE_BITS = 52
"""A sequence number may have 63 bits; Azurite keeps it as a double, which is exact up to 53 (seen in Azurite 3.35)."""
_MISSING = ("ContainerNotFound", "BlobNotFound", "ResourceNotFound")


class Service(Protocol):
    """What a transfer asks of a blob service. All offsets are whole pages."""

    client: str

    def look(self) -> Remote | None:
        """The blob as it is; None where there is none."""

    def create(self, size: int, *, metadata: Mapping[str, str], fence: int, over: str | None) -> None:
        """An empty page blob, where there is none (`over` None) or over the one with that ETag; BusyError otherwise."""

    def put(self, span: Span, content: bytes, *, fence: int) -> None:
        """Write a page run; BusyError where somebody else has created the blob anew."""

    def ranges(self) -> tuple[Span, ...]:
        """The pages that were written, merged."""

    def describe(self, metadata: Mapping[str, str], *, under: str) -> str:
        """Replace the metadata if the blob still has this ETag; the new ETag. BusyError otherwise."""

    def give_up(self) -> None:
        """Let no request wait for another try: the transfer has failed."""


class BlobService:
    """One page blob in Azure or Azurite. At first contact it is impatient, while sending it is not."""

    def __init__(self, cloud: Cloud, place: BlobPlace, *, patience: Patience | None = None) -> None:
        self.cloud, self.place = cloud, place
        self.client = f"azure-storage-blob {importlib.metadata.version('azure-storage-blob')}"
        self._container = cloud.container(place.container)
        self._blob = self._container.get_blob_client(place.name)
        self._patience = patience or Patience()
        self._contact = Patience(tries=3, hopeful=False)

    def look(self) -> Remote | None:
        with self._explained(f"look at {self.place.url}"):
            found = self._if_there(lambda: self._blob.get_blob_properties(connection_timeout=CONNECT_S))
        if found is None:
            return None
        return Remote(
            etag=found.etag,
            size_bytes=found.size,
            fence=found.page_blob_sequence_number or 0,
            metadata={name.lower(): value for name, value in (found.metadata or {}).items()},
            is_page_blob=found.blob_type == "PageBlob",
        )

    def create(self, size: int, *, metadata: Mapping[str, str], fence: int, over: str | None) -> None:
        self._make_container()
        create = self._blob.create_page_blob
        with self._explained(f"create {self.place.url}"):
            self._unless_changed(
                lambda: create(size, metadata=dict(metadata), sequence_number=fence, **_condition(over)),
                or_ours=lambda now: now.fence == fence,
            )
        self._contact = self._patience

    def put(self, span: Span, content: bytes, *, fence: int) -> None:
        def request() -> Any:
            return self._blob.upload_page(
                content, span.start, span.size, if_sequence_number_eq=fence, validate_content=True
            )

        with self._explained(f"send {span} to {self.place.url}", taken_over="SequenceNumberConditionNotMet"):
            self._patience.ask(request)

    def ranges(self) -> tuple[Span, ...]:
        def request() -> list[Span]:
            found = self._blob.list_page_ranges()
            return [Span(int(one.start or 0), int(one.end or 0) + 1) for one in found if not one.cleared]

        with self._explained(f"list the pages of {self.place.url}"):
            return merge(self._patience.ask(request))

    def describe(self, metadata: Mapping[str, str], *, under: str) -> str:
        describe = self._blob.set_blob_metadata
        with self._explained(f"write the metadata of {self.place.url}"):
            return self._unless_changed(
                lambda: describe(dict(metadata), **_condition(under)),
                or_ours=lambda now: now.metadata == {name.lower(): value for name, value in metadata.items()},
            )

    def give_up(self) -> None:
        self._patience.given_up.set()

    def _make_container(self) -> None:
        """Made only where it is missing: who may write blobs may not always make containers."""
        with self._explained(f"look at the container '{self.place.container}'"):
            ask = self._container.get_container_properties
            there = self._if_there(lambda: ask(connection_timeout=CONNECT_S))
        if there is None:
            with self._explained(f"make the container '{self.place.container}'"):
                self._contact.ask(self._create_container)

    def _create_container(self) -> None:
        from azure.core.exceptions import ResourceExistsError

        try:
            self._container.create_container(connection_timeout=CONNECT_S)
        except ResourceExistsError as error:
            if code_of(error) != "ContainerAlreadyExists":
                raise

    def _if_there(self, request: Callable[[], Answer]) -> Answer | None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            answer: Answer = self._contact.ask(request)
            return answer
        except ResourceNotFoundError as error:
            if code_of(error) in _MISSING:
                return None
            raise

    def _unless_changed(self, request: Callable[[], Mapping[str, Any]], *, or_ours: Callable[[Remote], bool]) -> str:
        """The new ETag of a conditional request. Refused may also mean that it was done, and its answer lost: look."""
        from azure.core.exceptions import ResourceExistsError, ResourceModifiedError

        try:
            return str(self._patience.ask(request)["etag"])
        except (ResourceExistsError, ResourceModifiedError) as error:
            now = self.look() if code_of(error) in ("BlobAlreadyExists", "ConditionNotMet") else None
            if now is None:
                raise
            if or_ours(now):
                return now.etag
            raise _taken_over(self.place) from error

    @contextlib.contextmanager
    def _explained(self, could_not: str, *, taken_over: str = "") -> Iterator[None]:
        from azure.core.exceptions import AzureError

        try:
            yield
        except AzureError as error:
            raise self._explanation(error, could_not, taken_over) from error

    def _explanation(self, error: AzureError, could_not: str, taken_over: str) -> FlightError:
        if taken_over and code_of(error) == taken_over:
            return _taken_over(self.place)
        return refused(error, could_not, cloud=self.cloud)


def _condition(etag: str | None) -> dict[str, Any]:
    from azure.core import MatchConditions

    if etag is None:
        return {"match_condition": MatchConditions.IfMissing}
    return {"match_condition": MatchConditions.IfNotModified, "etag": etag}


def _taken_over(place: BlobPlace) -> BusyError:
    return BusyError(
        f"somebody else is writing {place.url}",
        why="the blob was created or changed by another upload while this one ran",
        fix="let the other one end, then run this again: it sends nothing where the same image is there",
    )
