"""What a version is made from: a blob with its storage account, or a managed image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flight.workflows.rehearsal import footer, gallery_refusal, refusal
from flight.workflows.rehearsal.body import Part, normal_location
from flight.workflows.rehearsal.gallery_definition import Definition
from flight.workflows.rehearsal.managed_image import Image
from flight.workflows.rehearsal.refusal import Refusal
from flight.workflows.rehearsal.resource import Resource, World, id_of
from flight.workflows.rehearsal.source import Blob, find_blob

DISK: Final = "storageProfile.osDiskImage.source"
WHOLE: Final = "storageProfile.source"
SHOWN: Final = "galleryImageVersion.properties."
DISKS: Final = ("/disks/", "/snapshots/")
_PROFILE: Final = {"source", "osDiskImage", "dataDiskImages"}
_WHOLE: Final = {"id", "virtualMachineId", "communityGalleryImageId"}


@dataclass(frozen=True)
class Source:
    """Either the blob's `uri` and `account_id`, or the `image_id` of a managed image."""

    uri: str = ""
    account_id: str = ""
    image_id: str = ""

    def shown(self, disk: dict[str, Any]) -> dict[str, Any]:
        """The storageProfile: what it was made from, and the disk that came of it."""
        if self.image_id:
            return {"source": {"id": self.image_id}, "osDiskImage": disk}
        return {"osDiskImage": {**disk, "source": {"uri": self.uri, "storageAccountId": self.account_id}}}


def read_source(properties: Part) -> tuple[Source, Part]:
    """What the body of a version names, and the part that describes its OS disk. Raises Refusal where it is not one."""
    properties.required("storageProfile")
    profile = properties.part("storageProfile", "GalleryImageVersionStorageProfile", _PROFILE)
    whole = profile.part("source", "GalleryArtifactVersionFullSource", _WHOLE)
    disk = profile.part("osDiskImage", "GalleryOSDiskImage", {"sizeInGB", "hostCaching", "source"})
    blob = disk.part("source", "GalleryDiskImageSource", {"id", "uri", "storageAccountId"})
    if profile.values.get("dataDiskImages"):
        # a rehearsal has nothing that these could be made from
        raise refusal.bad_value(profile.name_of("dataDiskImages"))
    if any(whole.values.values()) == any(blob.values.values()):
        raise gallery_refusal.not_one_source(properties.name_of("storageProfile"))
    return (_image_source(whole) if any(whole.values.values()) else _blob_source(blob)), disk


def check_source(old: Source, new: Source) -> None:
    """Raises Refusal where they are not the same; ids compare without case."""
    for member, ours, theirs in (
        (f"{WHOLE}.id", old.image_id.lower(), new.image_id.lower()),
        (f"{DISK}.uri", old.uri, new.uri),
        (f"{DISK}.storageAccountId", old.account_id.lower(), new.account_id.lower()),
    ):
        if ours != theirs:
            raise refusal.immutable(f"{SHOWN}{member}")


def check_fits(source: Source, definition: Definition, world: World) -> None:
    """Raises Refusal where a managed image is of another make than the definition; a blob says nothing of itself."""
    if not source.image_id:
        return
    image = _image(source.image_id, world)
    if image.hyper_v_generation != definition.hyper_v_generation:
        theirs, wanted = image.hyper_v_generation, definition.hyper_v_generation
        raise gallery_refusal.other_generation(source.image_id, theirs, wanted)
    if image.os_type != definition.os_type:
        raise gallery_refusal.other_os_type(source.image_id, image.os_type, definition.os_type)
    if image.os_state != definition.os_state:
        raise gallery_refusal.other_os_state(source.image_id, image.os_state, definition.os_state)


def size_and_fault(source: Source, *, location: str, world: World) -> tuple[int, Refusal | None]:
    """The size of its disk in GiB, and what is wrong with it. Raises Refusal where it is not there."""
    if source.image_id:
        image = _image(source.image_id, world)
        if image.location != location:
            raise gallery_refusal.no_source(source.image_id, f"{SHOWN}{WHOLE}.id")
        return image.disk_size_gb, None
    blob = _blob(source, location, world)
    fault = footer.judge(blob.tail, length=blob.length, uri=source.uri)
    return (0 if fault else footer.size_gib(blob.length)), fault


def _image_source(whole: Part) -> Source:
    for unrehearsed in ("virtualMachineId", "communityGalleryImageId"):
        if whole.has(unrehearsed):
            raise gallery_refusal.no_source(whole.text(unrehearsed), whole.name_of(unrehearsed))
    given = _id(whole, "id")
    if "/images/" not in given.lower():
        raise gallery_refusal.no_image_kind(given, whole.name_of("id"))
    return Source(image_id=given)


def _blob_source(blob: Part) -> Source:
    if blob.has("id"):
        given = _id(blob, "id")
        if not any(kind in given.lower() for kind in DISKS):
            raise gallery_refusal.no_disk_kind(given, blob.name_of("id"))
        raise gallery_refusal.no_source(given, blob.name_of("id"))  # there are no disks in a rehearsal
    blob.required("uri")
    blob.required("storageAccountId")
    return Source(uri=blob.text("uri"), account_id=_id(blob, "storageAccountId"))


def _id(part: Part, member: str) -> str:
    given = part.text(member)
    if not given.lower().startswith(("/subscriptions/", "/providers/")):
        raise gallery_refusal.no_full_id(given, f"{part.path}.{member}")
    return given


def _image(given: str, world: World) -> Image:
    """The managed image of an id that is there, whole."""
    found: Resource | None = next(
        (one for one in world.resources.values() if id_of(one, world.subscription).lower() == given.lower()), None
    )
    if not isinstance(found, Image) or found.state != "Succeeded":
        raise gallery_refusal.no_source(given, f"{SHOWN}{WHOLE}.id")
    return found


def _blob(source: Source, location: str, world: World) -> Blob:
    """The blob of the one storage account that there is."""
    lies_here = normal_location(world.account.location) == location
    if source.account_id.lower() != world.account_id.lower() or not lies_here:
        raise gallery_refusal.no_source(source.account_id, f"{SHOWN}{DISK}.storageAccountId")
    return find_blob(source.uri, location=location, account=world.account, look=world.look)
