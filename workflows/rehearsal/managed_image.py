"""A managed image: what a client asks for, what of that Azure takes, and how it is shown again.

Source: the REST reference "Images - Create Or Update"; that generation, OS type and OS state are required of an image
made from a blob is what the service answers, whatever the reference says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from flight.workflows.kit.kept import of_its_types
from flight.workflows.rehearsal import refusal
from flight.workflows.rehearsal.refusal import PROVIDER

GENERATIONS: Final = ("V1", "V2")
OS_TYPES: Final = ("Linux", "Windows")
OS_STATES: Final = ("Generalized", "Specialized")
CACHING: Final = ("None", "ReadOnly", "ReadWrite")
STORAGE: Final = ("Standard_LRS", "Premium_LRS", "StandardSSD_LRS", "StandardSSD_ZRS", "Premium_ZRS")
MOST_TAGS: Final = 50
TAG_NAME_CHARACTERS: Final = 512
TAG_VALUE_CHARACTERS: Final = 256
NOT_IN_TAG_NAMES: Final = frozenset("<>%&\\?/")
"""Source of the limits: "Use tags to organize your Azure resources"."""

_ECHOED: Final = {"id", "name", "type", "extendedLocation"}
_MEMBERS: Final = {
    "Image": {"location", "tags", "properties", *_ECHOED},
    "ImageProperties": {"hyperVGeneration", "storageProfile", "sourceVirtualMachine", "provisioningState"},
    "ImageStorageProfile": {"osDisk", "dataDisks", "zoneResilient"},
    "ImageOSDisk": {
        *("osType", "osState", "blobUri", "caching", "storageAccountType"),
        *("diskSizeGB", "managedDisk", "snapshot", "diskEncryptionSet"),
    },
}


@dataclass(frozen=True)
class Image:
    """One image. `disk_size_gb` 0: as large as the disk is; `state` is Azure's provisioningState."""

    name: str
    group: str
    location: str
    hyper_v_generation: str
    os_type: str
    os_state: str
    blob_uri: str
    caching: str = "None"
    storage_account_type: str = "Standard_LRS"
    zone_resilient: bool = False
    disk_size_gb: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    state: str = "Creating"

    @property
    def key(self) -> str:
        """Names compare without case in Azure."""
        return f"{self.group}/{self.name}".lower()


IMMUTABLE: Final = {
    "hyper_v_generation": "hyperVGeneration",
    "os_type": "osDisk.osType",
    "os_state": "osDisk.osState",
    "blob_uri": "osDisk.blobUri",
    "caching": "osDisk.caching",
    "storage_account_type": "osDisk.storageAccountType",
    "zone_resilient": "storageProfile.zoneResilient",
    "disk_size_gb": "osDisk.diskSizeGB",
}


def read_image(body: bytes, *, name: str, group: str) -> Image:
    """The image that the body of a PUT asks for. Raises Refusal at the first thing that Azure would not take."""
    asked = _object(_json(body), "Image", "")
    location = asked.get("location")
    if not isinstance(location, str) or not location.strip():
        raise refusal.no_location()
    properties = _object(asked.get("properties") or {}, "ImageProperties", "properties")
    if properties.get("sourceVirtualMachine"):
        raise refusal.no_resource("virtualMachines", _last(properties["sourceVirtualMachine"]), group)
    profile = _object(_required(properties, "storageProfile"), "ImageStorageProfile", "properties.storageProfile")
    disk = _object(_required(profile, "osDisk"), "ImageOSDisk", "properties.storageProfile.osDisk")
    if profile.get("dataDisks"):
        raise refusal.bad_value("storageProfile.dataDisks")  # a rehearsal has nothing that these could be made from
    return Image(
        name=name,
        group=group,
        location=normal_location(location),
        tags=_tags(asked.get("tags") or {}),
        hyper_v_generation=_one_of(properties, "hyperVGeneration", GENERATIONS),
        zone_resilient=_flag(profile, "zoneResilient"),
        **_os_disk(disk, group),
    )


def normal_location(text: str) -> str:
    """`West Europe` and `westeurope` are the same to ARM."""
    return text.replace(" ", "").lower()


def check_change(old: Image, new: Image) -> None:
    """Raises Refusal where `new` changes what stays as it was made; one that failed may be made again differently."""
    if old.location != new.location:
        raise refusal.moved(old.name, old.group, there=old.location, wanted=new.location)
    for name, shown in IMMUTABLE.items():
        silent = name == "disk_size_gb" and not new.disk_size_gb
        if old.state != "Failed" and not silent and getattr(old, name) != getattr(new, name):
            raise refusal.immutable(shown)


def updated(old: Image, new: Image) -> Image:
    """`old` with what a later PUT may change."""
    return replace(old, tags=new.tags, state="Updating")


def render_image(image: Image, *, subscription: str) -> dict[str, Any]:
    """The image as Azure shows it."""
    disk = {
        "osType": image.os_type,
        "osState": image.os_state,
        "blobUri": image.blob_uri,
        "caching": image.caching,
        "storageAccountType": image.storage_account_type,
        **({"diskSizeGB": image.disk_size_gb} if image.disk_size_gb else {}),
    }
    folder = f"/subscriptions/{subscription}/resourceGroups/{image.group}/providers/{PROVIDER}/images"
    return {
        "name": image.name,
        "id": f"{folder}/{image.name}",
        "type": f"{PROVIDER}/images",
        "location": image.location,
        **({"tags": dict(image.tags)} if image.tags else {}),
        "properties": {
            "storageProfile": {"osDisk": disk, "dataDisks": [], "zoneResilient": image.zone_resilient},
            "provisioningState": image.state,
            "hyperVGeneration": image.hyper_v_generation,
        },
    }


def dump_image(image: Image) -> dict[str, Any]:
    return asdict(image)


def load_image(kept: Mapping[str, Any]) -> Image:
    """What `dump_image` gave. Raises TypeError for anything else."""
    known = {one.name for one in fields(Image)}
    if set(kept) != known:
        raise TypeError(f"an image has the fields {sorted(known)}")
    return of_its_types(Image(**kept))


def _os_disk(disk: Mapping[str, Any], group: str) -> dict[str, Any]:
    for kind, collection in (("managedDisk", "disks"), ("snapshot", "snapshots")):
        if disk.get(kind):
            raise refusal.no_resource(collection, _last(disk[kind]), group)
    size = disk.get("diskSizeGB") or 0
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise refusal.bad_value("osDisk.diskSizeGB")
    return {
        "os_type": _one_of(disk, "osType", OS_TYPES, owner="osDisk."),
        "os_state": _one_of(disk, "osState", OS_STATES, owner="osDisk."),
        "blob_uri": str(_required(disk, "blobUri", owner_name="osDisk.")),
        "caching": _one_of(disk, "caching", CACHING, owner="osDisk.", default="None"),
        "storage_account_type": _one_of(disk, "storageAccountType", STORAGE, owner="osDisk.", default="Standard_LRS"),
        "disk_size_gb": size,
    }


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise refusal.bad_content(str(error)) from None


def _object(value: Any, kind: str, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise refusal.bad_content(f"an object is expected at '{path}'")
    for member in value:
        if member not in _MEMBERS[kind]:
            raise refusal.unknown_member(member, kind, f"{path}.{member}".strip("."))
    return value


def _required(owner: Mapping[str, Any], member: str, *, owner_name: str = "") -> Any:
    if owner.get(member) in (None, ""):
        raise refusal.missing(f"{owner_name}{member}")
    return owner[member]


def _one_of(
    mapping: Mapping[str, Any], member: str, known: tuple[str, ...], *, owner: str = "", default: str = ""
) -> str:
    """The value as Azure spells it; Azure reads it without case."""
    if default and mapping.get(member) is None:
        return default
    given = _required(mapping, member, owner_name=owner)
    for value in known:
        if isinstance(given, str) and given.lower() == value.lower():
            return value
    raise refusal.bad_value(f"{owner}{member}")


def _flag(mapping: Mapping[str, Any], member: str) -> bool:
    value = mapping.get(member) or False
    if not isinstance(value, bool):
        raise refusal.bad_value(f"storageProfile.{member}")
    return value


def _last(resource: Any) -> str:
    """The name at the end of `{"id": "/subscriptions/…/NAME"}`."""
    return str(resource.get("id", "") if isinstance(resource, dict) else resource).rsplit("/", 1)[-1]


def _tags(tags: Any) -> dict[str, str]:
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise refusal.bad_content("'tags' takes names and texts")
    for objection in _tag_faults(tags):
        raise objection
    return dict(tags)


def _tag_faults(tags: Mapping[str, str]) -> Iterator[refusal.Refusal]:
    if len(tags) > MOST_TAGS:
        yield refusal.bad_tag("InvalidTags", f"The number of tags {len(tags)} exceeds the maximum of {MOST_TAGS}.")
    for name, value in tags.items():
        if NOT_IN_TAG_NAMES & set(name) or not name.isprintable():
            reserved = ",".join(sorted(NOT_IN_TAG_NAMES))
            words = f"The tag names '{name}' have reserved characters '{reserved}' or control characters."
            yield refusal.bad_tag("InvalidTagNameCharacters", words)
        if not 0 < len(name) <= TAG_NAME_CHARACTERS:
            yield refusal.bad_tag("InvalidTagNameLength", f"The tag name '{name}' has a length that is not supported.")
        if len(value) > TAG_VALUE_CHARACTERS:
            words = (
                f"Tag value too large. Following tag value '{value}' exceeded the maximum length. "
                f"Maximum allowed length for tag value - '{TAG_VALUE_CHARACTERS}' characters."
            )
            yield refusal.bad_tag("InvalidTagValueLength", words)
