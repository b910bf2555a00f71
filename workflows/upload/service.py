"""The few requests that an upload is made of, spoken by the SDK's own page blob client.

Two writers never mix their pages: each write carries the id of a lease, which only one of them holds.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from base64 import b64encode
from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.cloud.endpoint import CONNECT_S, Cloud, ReadAccess
from flight.workflows.cloud.refusal import code_of
from flight.workflows.kit.progress import Told, quiet
from flight.workflows.upload.beside import Beside
from flight.workflows.upload.copying import UNFIT, fit, when_copied
from flight.workflows.upload.job import Warned, unheard
from flight.workflows.upload.pace import Pace
from flight.workflows.upload.patience import Patience, is_throttled
from flight.workflows.upload.plan import Move, Span, merge
from flight.workflows.upload.receipt import BlobPlace, Remote
from flight.workflows.upload.verbs import BaseUnfit, Service
from flight.workflows.upload.wire import LEASE_ENDED, LEASED, MISSING, Wire, lowered

if TYPE_CHECKING:
    from azure.storage.blob import BlobLeaseClient

__all__ = ["BaseUnfit", "BlobService", "Service"]

CONTENT_TYPE: Final = "application/octet-stream"
"""What the service says itself of a blob that nobody named the type of; headers are set all at once."""
LEASE_S: Final = 60
"""The longest lease that ends by itself. Source: "Lease Blob (REST API)"."""
NOT_HELD: Final = frozenset(
    {
        "LeaseIdMismatchWithLeaseOperation",
        "LeaseNotPresentWithLeaseOperation",
        "LeaseIsBrokenAndCannotBeRenewed",
        "LeaseIsBreakingAndCannotBeRenewed",
        "LeaseLost",
        *MISSING,
    }
)
"""What a lease operation is told whose lease is not its own any more."""


class BlobService:
    """A page blob in Azure or Azurite, and what lies in its container. `md5` sends each page run with its MD5.

    `warned` hears when the service is away, and back.
    """

    def __init__(
        self,
        cloud: Cloud,
        place: BlobPlace,
        *,
        patience: Patience | None = None,
        pace: Pace | None = None,
        transport: Any = None,
        md5: bool = True,
        warned: Warned = unheard,
    ) -> None:
        self.cloud, self.place = cloud, place
        self.client = f"azure-storage-blob {importlib.metadata.version('azure-storage-blob')}"
        self._container = cloud.container(place.container, transport=transport)
        self._blob = self._container.get_blob_client(place.name)
        self._wire = Wire(cloud, place, self._blob, patience=patience or Patience(warned=warned))
        self._beside = Beside(self._container, self._wire)
        self._pace, self._md5 = pace or Pace(), md5
        self._access = ReadAccess(cloud)

    @property
    def was_interrupted(self) -> bool:
        return self._wire.was_interrupted

    @was_interrupted.setter
    def was_interrupted(self, value: bool) -> None:
        self._wire.was_interrupted = value

    def give_up(self) -> None:
        self._wire.patience.given_up.set()

    def look(self) -> Remote | None:
        return self._wire.look()

    # How a blob begins ---------------------------------------------------------------------------------------------

    def create(self, size: int, *, metadata: Mapping[str, str], over: str | None, lease: str = "") -> str:
        self._beside.make_container()
        create = self._blob.create_page_blob
        held: dict[str, Any] = {"lease": lease} if lease else {}
        with self._wire.explained(f"create {self.place.url}"):
            return self._wire.conditional(
                lambda: create(size, metadata=dict(metadata), **_condition(over), **held),
                or_ours=lambda now: now.metadata == lowered(metadata),
            )

    def copy(
        self, base: BlobPlace, *, metadata: Mapping[str, str], over: str | None, etag: str, told: Told = quiet
    ) -> str:
        self._beside.make_container()
        copy, source = self._blob.start_copy_from_url, _condition(etag, of="source_")
        could_not = f"copy {base.url} to {self.place.url}"
        with fit(base, also="ConditionNotMet"), self._wire.explained(could_not):
            self._wire.conditional(
                lambda: copy(base.url, metadata=dict(metadata), **source, **_condition(over)),
                or_ours=lambda now: now.metadata == lowered(metadata),
                under=over,
            )
        return when_copied(self._wire, base, told)

    # The lease -----------------------------------------------------------------------------------------------------

    def lease(self, lease_id: str) -> None:
        with self._wire.explained(f"hold {self.place.url} by a lease"):
            self._wire.patience.ask(lambda: self._lease_of(lease_id).acquire(LEASE_S))

    def renew(self, lease_id: str) -> bool:
        return self._while_held(f"renew the lease on {self.place.url}", self._lease_of(lease_id).renew)

    def release(self, lease_id: str) -> None:
        self._while_held(f"let go of the lease on {self.place.url}", self._lease_of(lease_id).release)

    def _lease_of(self, lease_id: str) -> BlobLeaseClient:
        from azure.storage.blob import BlobLeaseClient

        return BlobLeaseClient(self._blob, lease_id)

    def _while_held(self, could_not: str, request: Callable[..., None]) -> bool:
        """Whether a lease operation found the lease held."""
        from azure.core.exceptions import HttpResponseError

        with self._wire.explained(could_not):
            try:
                self._wire.renewing.ask(lambda: request(connection_timeout=CONNECT_S, read_timeout=CONNECT_S))
            except HttpResponseError as error:
                if code_of(error) in NOT_HELD:
                    return False
                raise
        return True

    # What is written -----------------------------------------------------------------------------------------------

    def put(self, span: Span, content: bytes, *, lease: str) -> str:
        put, headers = self._blob.upload_page, self._checked(content)
        return self._written(
            lambda: put(content, span.start, span.size, lease=lease, headers=headers),
            f"send {span} to {self.place.url}",
            lease=lease,
        )

    def _checked(self, content: bytes) -> dict[str, str]:
        """The header by which the service checks what arrives. Taken before it is its turn: that is for the network."""
        if not self._md5:
            return {}
        return {"Content-MD5": b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()}

    def put_from(self, move: Move, *, base: BlobPlace, base_etag: str, md5: bytes, lease: str) -> str:
        def request() -> Any:
            url, authorization = self._access.to(base.url, container=base.container, name=base.name)
            return self._blob.upload_pages_from_url(
                url,
                move.span.start,
                move.span.size,
                move.source,
                source_authorization=authorization,
                source_content_md5=md5,
                lease=lease,
                **_condition(base_etag, of="source_"),
            )

        with fit(base):
            return self._written(request, f"move {move.span} of {self.place.url} there", lease=lease, final=UNFIT)

    def clear(self, span: Span, *, lease: str) -> str:
        clear, could_not = self._blob.clear_page, f"clear {span} of {self.place.url}"
        return self._written(lambda: clear(span.start, span.size, lease=lease), could_not, lease=lease)

    def resize(self, size: int, *, lease: str) -> str:
        resize, could_not = self._blob.resize_blob, f"make {self.place.url} {size} bytes long"
        return self._written(lambda: resize(size, lease=lease), could_not, lease=lease)

    def set_md5(self, md5: bytes | None, *, under: str, lease: str) -> str:
        from azure.storage.blob import ContentSettings

        said = ContentSettings(content_type=CONTENT_TYPE, content_md5=None if md5 is None else bytearray(md5))

        def ask() -> str:
            return self._wire.conditional(
                lambda: self._blob.set_http_headers(said, lease=lease, **_condition(under)),
                or_ours=lambda now: now.content_md5 == (md5 or b"").hex(),
            )

        return self._under(lease, ask, f"say the MD5 of {self.place.url}")

    def describe(self, metadata: Mapping[str, str], *, under: str, lease: str) -> str:
        def ask() -> str:
            return self._wire.conditional(
                lambda: self._blob.set_blob_metadata(dict(metadata), lease=lease, **_condition(under)),
                or_ours=lambda now: now.metadata == lowered(metadata),
            )

        return self._under(lease, ask, f"write the metadata of {self.place.url}")

    def _written(
        self, request: Callable[[], Any], could_not: str, *, lease: str, final: Container[str] = frozenset()
    ) -> str:
        """The ETag after a write under the lease, in its turn."""

        def in_turn() -> Any:
            with self._pace.turn(is_throttled):
                return request()

        return self._under(lease, lambda: str(self._wire.patience.ask(in_turn, final=final)["etag"]), could_not)

    def _under(self, lease: str, ask: Callable[[], str], could_not: str) -> str:
        """What is asked with the lease's id; a lease that ended while this host slept is taken up again, once."""
        from azure.core.exceptions import HttpResponseError

        with self._wire.explained(could_not, busy=LEASED | LEASE_ENDED):
            try:
                return ask()
            except HttpResponseError as error:
                if code_of(error) not in LEASE_ENDED or not self.renew(lease):
                    raise
            return ask()

    # What is there -------------------------------------------------------------------------------------------------

    def ranges(self) -> tuple[Span, ...]:
        def request() -> list[Span]:
            found = self._blob.list_page_ranges()
            return [Span(int(one.start or 0), int(one.end or 0) + 1) for one in found if not one.cleared]

        with self._wire.explained(f"list the pages of {self.place.url}"):
            return merge(self._wire.patience.ask(request))

    def read(self, span: Span) -> bytes:
        def request() -> bytes:
            content: bytes = self._blob.download_blob(span.start, span.size).readall()
            return content

        with self._wire.explained(f"read {span} of {self.place.url}"):
            return self._wire.patience.ask(request)

    def put_map(self, raw: bytes, metadata: Mapping[str, str]) -> None:
        self._beside.put_map(raw, metadata)

    def mark_map(self, metadata: Mapping[str, str]) -> None:
        self._beside.mark_map(metadata)

    def get_map(self, name: str) -> tuple[bytes, Mapping[str, str]] | None:
        return self._beside.get_map(name)

    def map_marks(self) -> Mapping[str, str] | None:
        return self._beside.map_marks()

    def newest(self, *, recipe: str) -> list[tuple[BlobPlace, Remote]]:
        return self._beside.newest(recipe)


def _condition(etag: str | None, *, of: str = "") -> dict[str, Any]:
    """Only where there is none (no ETag), or the one with this ETag; `of` "source_" says so of a request's source."""
    from azure.core import MatchConditions

    if etag is None:
        return {f"{of}match_condition": MatchConditions.IfMissing}
    return {f"{of}match_condition": MatchConditions.IfNotModified, f"{of}etag": etag}
