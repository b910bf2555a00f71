"""The three resources that are asked of Azure: the gallery, the definition in it, the version of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flight.workflows.arm.resource import Resource
from flight.workflows.gallery.plan import replication
from flight.workflows.gallery.wanted import VersionPlace, WantedDefinition, definition_differences
from flight.workflows.kit.errors import RemoteError
from flight.workflows.kit.progress import Progress, Told

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud


class Galleries:
    """A version's place, as it is asked of Azure. `compute` takes the place of the SDK's client."""

    def __init__(self, place: VersionPlace, cloud: Cloud, compute: Any = None) -> None:
        self.place, self.cloud = place, cloud
        self.client = client = compute if compute is not None else cloud.compute()
        where: dict[str, Any] = {"cloud": cloud, "location": place.location}
        named = {"resource_group_name": place.resource_group, "gallery_name": place.gallery}
        of_definition = {**named, "gallery_image_name": place.definition}
        of_version = {**of_definition, "gallery_image_version_name": place.version}
        gallery = f"the gallery '{place.gallery}'"
        definition = f"the image definition '{place.definition}' in {gallery}"
        self.gallery = Resource(client.galleries, gallery, names=named, body_as="gallery", **where)
        self.definition = Resource(
            client.gallery_images, definition, names=of_definition, body_as="gallery_image", **where
        )
        self.version = Resource(
            client.gallery_image_versions, str(place), names=of_version, body_as="gallery_image_version", **where
        )

    def look(self) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None, Mapping[str, Any] | None]:
        """The gallery, the definition and the version: what has no parent is not asked for."""
        gallery = self.gallery.get()
        definition = self.definition.get() if gallery is not None else None
        return gallery, definition, self.look_at_version() if definition is not None else None

    def look_at_version(self) -> Mapping[str, Any] | None:
        """With its replication, region by region."""
        return self.version.get(expand="ReplicationStatus")

    def make_parents(self, wanted: WantedDefinition, told: Told) -> None:
        """The gallery and the definition, where they are missing."""
        if self.gallery.get() is None:
            self.gallery.put({"location": wanted.location, "properties": {}}, told)
        if self.definition.get() is None:
            self.definition.put(wanted.body(), told)

    def put_version(self, body: Mapping[str, Any], told: Told) -> None:
        """Make or change the version, and wait until its regions have it; each of them is told."""
        self.version.put(body, told, watch=self._watch)

    def _watch(self, status: str) -> Progress:
        """A look that fails says nothing of the operation itself, which goes on."""
        try:
            there = self.look_at_version()
        except RemoteError:
            there = None
        return replication(there) if there else Progress(what=f"waiting for {self.place}: {status}")


def check_definition(there: Mapping[str, Any], wanted: WantedDefinition, place: VersionPlace) -> None:
    """RemoteError where a definition is of another kind: Azure changes none of that."""
    differs = definition_differences(there, wanted)
    if differs:
        raise RemoteError(
            f"the image definition '{place.definition}' in the gallery '{place.gallery}' is of another kind",
            why="; ".join(differs),
            fix="name another as [gallery] definition in the recipe, or remove that one",
        )
