"""What an upload asks of a blob service: few verbs, each safe to ask again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from flight.workflows.kit.errors import RemoteError
from flight.workflows.kit.progress import Told, quiet
from flight.workflows.upload.plan import Move, Span
from flight.workflows.upload.receipt import BlobPlace, Remote


class BaseUnfit(RemoteError):
    """The service cannot write it from the base: that was changed, cannot be read, or holds something else there."""


class Service(Protocol):
    """What an upload asks of a blob service. Offsets are whole pages; ETags that are given back are those after it.

    All raise RemoteError where the service refused or was not reached, and BusyError where somebody else holds or
    changed the blob.
    """

    client: str
    was_interrupted: bool
    """A connection failed since this was last set to False."""

    def look(self) -> Remote | None:
        """The blob as it is; None where there is none."""

    def create(self, size: int, *, metadata: Mapping[str, str], over: str | None, lease: str = "") -> str:
        """An empty page blob, where there is none (`over` None) or over the one with that ETag; it keeps its lease.

        The metadata must differ from that of every other create. A container that is missing is made.
        """

    def copy(
        self, base: BlobPlace, *, metadata: Mapping[str, str], over: str | None, etag: str, told: Told = quiet
    ) -> str:
        """As `create`, but holding what the base with that ETag holds, once the service is done; else BaseUnfit.

        A lease that ends by itself may not be held on the blob.
        """

    def lease(self, lease_id: str) -> None:
        """Hold the blob for 60 s under this id, a UUID."""

    def renew(self, lease_id: str) -> bool:
        """Another 60 s. False: the lease is not ours any more, or ended and the blob was written or leased since."""

    def release(self, lease_id: str) -> None:
        """Let go of the lease; nothing where it is gone."""

    def put(self, span: Span, content: bytes, *, lease: str) -> str:
        """Write a page run of at most 4 MiB."""

    def put_from(self, move: Move, *, base: BlobPlace, base_etag: str, md5: bytes, lease: str) -> str:
        """The service writes it from the base with that ETag, where that holds bytes of this MD5; else BaseUnfit."""

    def clear(self, span: Span, *, lease: str) -> str:
        """Give pages back: they read as zeros."""

    def resize(self, size: int, *, lease: str) -> str:
        """Cut or lengthen the blob."""

    def set_md5(self, md5: bytes | None, *, under: str, lease: str) -> str:
        """Say which MD5 the whole blob has (Content-MD5), None: none, if it still has this ETag; the service does not look."""

    def ranges(self) -> tuple[Span, ...]:
        """The pages that were written, merged."""

    def read(self, span: Span) -> bytes:
        """What the blob holds there."""

    def describe(self, metadata: Mapping[str, str], *, under: str, lease: str) -> str:
        """Replace the metadata if the blob still has this ETag."""

    def put_map(self, raw: bytes, metadata: Mapping[str, str]) -> None:
        """Put the map of its blocks beside the blob, over one that is there."""

    def mark_map(self, metadata: Mapping[str, str]) -> None:
        """Other metadata for the map that was put."""

    def get_map(self, name: str) -> tuple[bytes, Mapping[str, str]] | None:
        """The map beside the blob of this name in the same container, and its metadata."""

    def map_marks(self) -> Mapping[str, str] | None:
        """The metadata of the map beside this blob; None where there is no map."""

    def newest(self, *, recipe: str) -> list[tuple[BlobPlace, Remote]]:
        """The sealed page blobs of the container that are of this recipe, newest first."""

    def give_up(self) -> None:
        """Let no request wait for another try: the upload has failed."""
