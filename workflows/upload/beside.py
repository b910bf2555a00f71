"""What lies in the container of a blob: the container itself, the maps beside its blobs, and the other sealed ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from flight.workflows.cloud.endpoint import CONNECT_S
from flight.workflows.cloud.refusal import code_of
from flight.workflows.upload.receipt import MAP_SUFFIX, BlobPlace, Remote
from flight.workflows.upload.wire import Wire, lowered, remote_of

if TYPE_CHECKING:
    import datetime as dt

    from azure.storage.blob import ContainerClient


class Beside:
    """The container of one blob, asked as patiently as the blob is."""

    def __init__(self, container: ContainerClient, wire: Wire) -> None:
        self._container, self._wire = container, wire
        self._place = wire.place

    def make_container(self) -> None:
        """Made only where it is missing: who may write blobs may not always make containers."""
        with self._wire.explained(f"look at the container '{self._place.container}'"):
            ask = self._container.get_container_properties
            there = self._wire.if_there(lambda: ask(connection_timeout=CONNECT_S))
        if there is None:
            with self._wire.explained(f"make the container '{self._place.container}'"):
                self._wire.contact.ask(self._create_container)

    def _create_container(self) -> None:
        from azure.core.exceptions import ResourceExistsError

        try:
            self._container.create_container(connection_timeout=CONNECT_S)
        except ResourceExistsError as error:
            if code_of(error) != "ContainerAlreadyExists":
                raise

    def put_map(self, raw: bytes, metadata: Mapping[str, str]) -> None:
        """A block blob, NAME.map; over one that is there."""
        blob = self._container.get_blob_client(self._place.name + MAP_SUFFIX)
        with self._wire.explained(f"write the map of blocks beside {self._place.url}"):
            self._wire.patience.ask(
                lambda: blob.upload_blob(raw, overwrite=True, metadata=dict(metadata), validate_content=True)
            )

    def mark_map(self, metadata: Mapping[str, str]) -> None:
        """Other metadata for the map that was put; its content stays."""
        blob = self._container.get_blob_client(self._place.name + MAP_SUFFIX)
        with self._wire.explained(f"finish the map of blocks beside {self._place.url}"):
            self._wire.patience.ask(lambda: blob.set_blob_metadata(dict(metadata)))

    def get_map(self, name: str) -> tuple[bytes, Mapping[str, str]] | None:
        """The map of the blob of this name, and its metadata; None where there is none."""
        blob = self._container.get_blob_client(name + MAP_SUFFIX)

        def request() -> tuple[bytes, Mapping[str, str]]:
            found = blob.download_blob()
            return found.readall(), lowered(found.properties.metadata or {})

        with self._wire.explained(f"read the map of blocks of '{name}'"):
            return self._wire.if_there(request)

    def map_marks(self) -> Mapping[str, str] | None:
        """The metadata of the blob's own map; None where there is no map."""
        blob = self._container.get_blob_client(self._place.name + MAP_SUFFIX)
        with self._wire.explained(f"look at the map of blocks beside {self._place.url}"):
            found = self._wire.if_there(blob.get_blob_properties)
        return None if found is None else lowered(found.metadata or {})

    def newest(self, recipe: str) -> list[tuple[BlobPlace, Remote]]:
        """The sealed page blobs of this recipe, newest first; none where there is no container."""
        with self._wire.explained(f"list the container '{self._place.container}'"):
            found = self._wire.if_there(lambda: list(self._sealed(recipe)))
        in_order = sorted(found or (), key=lambda one: one[0], reverse=True)
        return [(place, remote) for _, place, remote in in_order]

    def _sealed(self, recipe: str) -> Iterator[tuple[dt.datetime, BlobPlace, Remote]]:
        for blob in self._container.list_blobs(include=["metadata"]):
            remote = remote_of(blob)
            if remote.is_page_blob and remote.sealed and unquote(remote.metadata.get("recipe", "")) == recipe:
                yield blob.last_modified, self._place_of(blob.name), remote

    def _place_of(self, name: str) -> BlobPlace:
        at = self._place
        url = at.url.removesuffix(quote(at.name)) + quote(name)
        return BlobPlace(at.cloud, at.subscription, at.account, at.container, name, url)
