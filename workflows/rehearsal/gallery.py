"""A gallery: the outermost of three; definitions lie in it, and versions in them.

Source: the REST reference "Galleries - Create Or Update".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from flight.workflows.rehearsal import gallery_refusal, refusal
from flight.workflows.rehearsal.body import Part, read_body, read_location, read_tags
from flight.workflows.rehearsal.regions import REGIONS
from flight.workflows.rehearsal.request import Address
from flight.workflows.rehearsal.resource import Kind, Resource, World

ECHOED: Final = {"id", "name", "type", "systemData"}
OPERATIONS: Final = "capsOperations"
SHARED: Final = ("Private", "Groups")
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.]{0,78}[A-Za-z0-9])?")
_PROPERTIES: Final = {
    *("description", "identifier", "provisioningState"),
    *("sharingProfile", "softDeletePolicy", "sharingStatus"),
}


@dataclass(frozen=True)
class Gallery(Resource):
    """`permissions` of the sharing profile; empty where it was left out."""

    kind = "galleries"

    description: str = ""
    permissions: str = ""


class Galleries(Kind[Gallery]):
    resource = Gallery
    title = "Gallery"
    operations = OPERATIONS
    can_patch = True

    def check_name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise gallery_refusal.bad_gallery_name()

    def read(self, body: bytes, address: Address) -> Gallery:
        asked = read_body(body, "Gallery", {"location", "tags", "properties", "identity", *ECHOED})
        properties = asked.part("properties", "GalleryProperties", _PROPERTIES, shown="gallery.properties.")
        deletes_softly = properties.part(
            "softDeletePolicy",
            "SoftDeletePolicy",
            {"isSoftDeleteEnabled", "retentionPeriodInDays", "gracePeriodInDays"},
        )
        if asked.has("identity"):
            raise refusal.bad_value("gallery.identity")  # nobody in a rehearsal has one
        if deletes_softly.flag("isSoftDeleteEnabled"):
            # in a rehearsal what is deleted is gone
            raise refusal.bad_value(deletes_softly.name_of("isSoftDeleteEnabled"))
        return Gallery(
            address.name,
            address.group,
            read_region(asked, "galleries"),
            tags=read_tags(asked),
            description=properties.text("description"),
            permissions=_permissions(properties),
        )

    def check_change(self, old: Gallery, new: Gallery) -> None:
        """All that it has may change."""

    def check_made(self, new: Gallery, world: World) -> None:
        for one in world.resources.values():
            if isinstance(one, Gallery) and one.name.lower() == new.name.lower() and one.key != new.key:
                raise gallery_refusal.gallery_elsewhere(new.name, world.subscription)

    def render(self, one: Gallery, world: World) -> dict[str, Any]:
        return {
            **({"description": one.description} if one.description else {}),
            "identifier": {"uniqueName": f"{world.subscription}-{one.name.upper()}"},
            **({"sharingProfile": {"permissions": one.permissions}} if one.permissions else {}),
            "provisioningState": one.state,
        }


GALLERIES: Final = Galleries()


def read_region(asked: Part, kind: str) -> str:
    """The location of a body: a region that there is."""
    location = read_location(asked)
    if location not in REGIONS:
        raise gallery_refusal.no_region(location, kind)
    return location


def _permissions(properties: Part) -> str:
    """Communities are not rehearsed: they need a publisher's address."""
    members = {"permissions", "groups", "communityGalleryInfo"}
    profile = properties.part("sharingProfile", "SharingProfile", members)
    return profile.one_of("permissions", SHARED) if profile.has("permissions") else ""
