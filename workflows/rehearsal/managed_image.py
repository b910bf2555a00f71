"""A managed image: what a client asks for, what of that Azure takes, and how it is shown again.

Source: the REST reference "Images - Create Or Update"; that generation, OS type and OS state are required of an image
made from a blob is what the service answers, whatever the reference says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from flight.workflows.rehearsal import footer, refusal
from flight.workflows.rehearsal.body import Part, read_body, read_location, read_tags
from flight.workflows.rehearsal.refusal import Refusal
from flight.workflows.rehearsal.request import NAME_RULE, Address, is_name
from flight.workflows.rehearsal.resource import Kind, Resource, World
from flight.workflows.rehearsal.source import find_blob

GENERATIONS: Final = ("V1", "V2")
OS_TYPES: Final = ("Linux", "Windows")
OS_STATES: Final = ("Generalized", "Specialized")
CACHING: Final = ("None", "ReadOnly", "ReadWrite")
STORAGE: Final = ("Standard_LRS", "Premium_LRS", "StandardSSD_LRS", "StandardSSD_ZRS", "Premium_ZRS")
MOST_DISK_GB: Final = 1 << 31

_ECHOED: Final = {"id", "name", "type", "extendedLocation"}
_PROPERTIES: Final = {"hyperVGeneration", "storageProfile", "sourceVirtualMachine", "provisioningState"}
_PROFILE: Final = {"osDisk", "dataDisks", "zoneResilient"}
_DISK: Final = {
    *("osType", "osState", "blobUri", "caching", "storageAccountType"),
    *("diskSizeGB", "managedDisk", "snapshot", "diskEncryptionSet"),
}


@dataclass(frozen=True)
class Image(Resource):
    """One image. `disk_size_gb` 0: as large as the disk is."""

    kind = "images"

    hyper_v_generation: str
    os_type: str
    os_state: str
    blob_uri: str
    caching: str = "None"
    storage_account_type: str = "Standard_LRS"
    zone_resilient: bool = False
    disk_size_gb: int = 0


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


class Images(Kind[Image]):
    resource = Image
    title = "Image"

    def check_name(self, name: str) -> None:
        if not is_name(name):
            raise refusal.bad_name(name, NAME_RULE)

    def read(self, body: bytes, address: Address) -> Image:
        """Raises Refusal at the first thing that Azure would not take."""
        asked = read_body(body, "Image", {"location", "tags", "properties", *_ECHOED})
        location = read_location(asked)
        properties = asked.part("properties", "ImageProperties", _PROPERTIES, shown="")
        if properties.has("sourceVirtualMachine"):
            raise refusal.no_resource(
                "virtualMachines", _last(properties.values["sourceVirtualMachine"]), address.group
            )
        properties.required("storageProfile")
        profile = properties.part("storageProfile", "ImageStorageProfile", _PROFILE, shown="")
        profile.required("osDisk")
        disk = profile.part("osDisk", "ImageOSDisk", _DISK)
        if profile.values.get("dataDisks"):
            # a rehearsal has nothing that these could be made from
            raise refusal.bad_value("storageProfile.dataDisks")
        return Image(
            name=address.name,
            group=address.group,
            location=location,
            tags=read_tags(asked),
            hyper_v_generation=properties.one_of("hyperVGeneration", GENERATIONS),
            zone_resilient=replace(profile, shown="storageProfile.").flag("zoneResilient"),
            **_os_disk(disk, address.group),
        )

    def check_change(self, old: Image, new: Image) -> None:
        for name, shown in IMMUTABLE.items():
            silent = name == "disk_size_gb" and not new.disk_size_gb
            if not silent and getattr(old, name) != getattr(new, name):
                raise refusal.immutable(shown)

    def made(self, new: Image, world: World) -> tuple[Image, Refusal | None]:
        blob = find_blob(new.blob_uri, location=new.location, account=world.account, look=world.look)
        fault = footer.judge(blob.tail, length=blob.length, uri=new.blob_uri)
        if fault:
            return new, fault
        return replace(new, disk_size_gb=max(new.disk_size_gb, footer.size_gib(blob.length))), None

    def updated(self, old: Image, new: Image, world: World) -> Image:
        return replace(old, tags=new.tags, state="Updating")

    def render(self, one: Image, world: World) -> dict[str, Any]:
        disk = {
            "osType": one.os_type,
            "osState": one.os_state,
            "blobUri": one.blob_uri,
            "caching": one.caching,
            "storageAccountType": one.storage_account_type,
            **({"diskSizeGB": one.disk_size_gb} if one.disk_size_gb else {}),
        }
        return {
            "storageProfile": {"osDisk": disk, "dataDisks": [], "zoneResilient": one.zone_resilient},
            "provisioningState": one.state,
            "hyperVGeneration": one.hyper_v_generation,
        }


IMAGES: Final = Images()


def _os_disk(disk: Part, group: str) -> dict[str, Any]:
    for kind, collection in (("managedDisk", "disks"), ("snapshot", "snapshots")):
        if disk.values.get(kind):
            raise refusal.no_resource(collection, _last(disk.values[kind]), group)
    return {
        "os_type": disk.one_of("osType", OS_TYPES),
        "os_state": disk.one_of("osState", OS_STATES),
        "blob_uri": str(disk.required("blobUri")),
        "caching": disk.one_of("caching", CACHING, default="None"),
        "storage_account_type": disk.one_of("storageAccountType", STORAGE, default="Standard_LRS"),
        "disk_size_gb": disk.whole("diskSizeGB", default=0, least=0, most=MOST_DISK_GB),
    }


def _last(resource: Any) -> str:
    """The name at the end of `{"id": "/subscriptions/…/NAME"}`."""
    return str(resource.get("id", "") if isinstance(resource, Mapping) else resource).rsplit("/", 1)[-1]
