"""A version of a definition: what it is made from, and where it is to be.

Source: the REST reference "Gallery Image Versions - Create Or Update"; a blob is named by its URI and its storage account
(`storageAccountId`), which api-versions from 2022-03-03 on know and the service has demanded since 2025.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from flight.workflows.rehearsal import gallery_refusal, refusal
from flight.workflows.rehearsal.body import moment, read_body, read_tags
from flight.workflows.rehearsal.gallery import ECHOED, OPERATIONS, read_region
from flight.workflows.rehearsal.gallery_definition import Definition, check_end_of_life
from flight.workflows.rehearsal.gallery_source import Source, check_fits, check_source, read_source, size_and_fault
from flight.workflows.rehearsal.managed_image import CACHING
from flight.workflows.rehearsal.publishing import PROFILE, read_profile
from flight.workflows.rehearsal.refusal import Refusal
from flight.workflows.rehearsal.regions import REGIONS
from flight.workflows.rehearsal.replication import Replica, plan_replicas, render_status
from flight.workflows.rehearsal.request import Address
from flight.workflows.rehearsal.resource import Kind, Resource, World

SHOWN: Final = "galleryImageVersion.properties."
MOST_INT: Final = (1 << 31) - 1
REPLICATION: Final = "replicationstatus"
_NAME: Final = re.compile(r"(\d{1,10})\.(\d{1,10})\.(\d{1,10})", re.ASCII)
_PROPERTIES: Final = {
    *("publishingProfile", "provisioningState", "storageProfile", "safetyProfile", "replicationStatus"),
    *("securityProfile", "restore", "validationsProfile", "imageMetadataProfiles"),
}
_SAFETY: Final = {
    *("allowDeletionOfReplicatedLocations", "blockDeletionBeforeEndOfLife"),
    *("reportedForPolicyViolation", "policyViolations"),
}


@dataclass(frozen=True)
class Version(Resource):
    """One version. `fault` says what is wrong with its VHD and will be found at the end; `published` is Azure's time."""

    kind = "galleries/images/versions"

    gallery: str
    definition: str
    source: Source
    replicas: tuple[Replica, ...] = ()
    replica_count: int = 1
    storage_account_type: str = "Standard_LRS"
    mode: str = "Full"
    host_caching: str = "None"
    is_excluded: bool = False
    end_of_life: str = ""
    lets_regions_go: bool = True
    is_kept_until_end_of_life: bool = False
    published: str = ""
    size_gb: int = 0
    fault: str = ""

    @property
    def parents(self) -> tuple[str, ...]:
        return self.gallery, self.definition


class Versions(Kind[Version]):
    resource = Version
    title = "Gallery Image Version"
    operations = OPERATIONS
    can_patch = True
    holds: ClassVar = {"replicas": Replica, "source": Source}

    def check_name(self, name: str) -> None:
        found = _NAME.fullmatch(name)
        if not found or any(int(number) > MOST_INT for number in found.groups()):
            raise gallery_refusal.bad_version_name()

    def read(self, body: bytes, address: Address) -> Version:
        asked = read_body(body, "GalleryImageVersion", {"location", "tags", "properties", *ECHOED})
        location = read_region(asked, Version.kind)
        properties = asked.part("properties", "GalleryImageVersionProperties", _PROPERTIES, shown=SHOWN)
        for unrehearsed in ("securityProfile", "restore"):
            if properties.values.get(unrehearsed):
                raise refusal.bad_value(properties.name_of(unrehearsed))
        source, disk = read_source(properties)
        safety = properties.part("safetyProfile", "GalleryImageVersionSafetyProfile", _SAFETY)
        return Version(
            address.name,
            address.group,
            location,
            gallery=address.parents[0],
            definition=address.parents[1],
            source=source,
            host_caching=disk.one_of("hostCaching", CACHING, default="None"),
            lets_regions_go=safety.flag("allowDeletionOfReplicatedLocations", default=True),
            is_kept_until_end_of_life=safety.flag("blockDeletionBeforeEndOfLife"),
            tags=read_tags(asked),
            **read_profile(properties, location),
        )

    def check_change(self, old: Version, new: Version) -> None:
        check_source(old.source, new.source)
        for name, shown in (("storage_account_type", "storageAccountType"), ("mode", "replicationMode")):
            if getattr(old, name) != getattr(new, name):
                raise refusal.immutable(f"{SHOWN}publishingProfile.{shown}")
        wanted = {one.region: one for one in new.replicas}
        for one in old.replicas:
            if one.region not in wanted and not new.lets_regions_go:
                raise gallery_refusal.not_deletable_region(REGIONS[one.region])
            if one.storage_account_type != wanted.get(one.region, one).storage_account_type:
                raise refusal.immutable(f"{SHOWN}publishingProfile.targetRegions.storageAccountType")

    def check_made(self, new: Version, world: World) -> None:
        check_end_of_life(new, world, f"{PROFILE}endOfLifeDate")

    def made(self, new: Version, world: World) -> tuple[Version, Refusal | None]:
        definition = world.resources[new.key.rsplit("/", 2)[0]]
        assert isinstance(definition, Definition)
        check_fits(new.source, definition, world)
        size_gb, fault = size_and_fault(new.source, location=new.location, world=world)
        whole = replace(
            new,
            size_gb=size_gb,
            published=moment(world.now),
            fault=fault.message if fault else "",
            replicas=_planned(new, (), world),
        )
        return whole, fault

    def updated(self, old: Version, new: Version, world: World) -> Version:
        return replace(
            new,
            state="Updating",
            size_gb=old.size_gb,
            published=old.published,
            host_caching=old.host_caching,
            replicas=_planned(new, old.replicas, world),
        )

    def check_delete(self, one: Version, world: World) -> None:
        if one.is_kept_until_end_of_life and one.end_of_life > moment(world.now):
            raise gallery_refusal.kept_until_end_of_life()

    def takes_s(self, one: Version, world: World) -> float:
        return max(world.takes_s, *(replica.due - world.now for replica in one.replicas))

    def show(self, one: Version, world: World, *, expand: str = "") -> dict[str, Any]:
        shown = super().show(one, world)
        if expand.lower() == REPLICATION:
            fault = one.fault if one.state == "Failed" else ""
            shown["properties"]["replicationStatus"] = render_status(one.replicas, world.now, fault=fault)
        return shown

    def render(self, one: Version, world: World) -> dict[str, Any]:
        disk = {"sizeInGB": one.size_gb, "hostCaching": one.host_caching}
        regions = [
            {
                "name": REGIONS[replica.region],
                "regionalReplicaCount": replica.count,
                "storageAccountType": replica.storage_account_type,
                "excludeFromLatest": replica.is_excluded,
            }
            for replica in one.replicas
        ]
        return {
            "publishingProfile": {
                "targetRegions": regions,
                "replicaCount": one.replica_count,
                "excludeFromLatest": one.is_excluded,
                "publishedDate": one.published,
                **({"endOfLifeDate": one.end_of_life} if one.end_of_life else {}),
                "storageAccountType": one.storage_account_type,
                "replicationMode": one.mode,
            },
            "storageProfile": one.source.shown(disk),
            "safetyProfile": {
                "reportedForPolicyViolation": False,
                "allowDeletionOfReplicatedLocations": one.lets_regions_go,
                "blockDeletionBeforeEndOfLife": one.is_kept_until_end_of_life,
            },
            "provisioningState": one.state,
        }


VERSIONS: Final = Versions()


def _planned(new: Version, there: tuple[Replica, ...], world: World) -> tuple[Replica, ...]:
    return plan_replicas(new.replicas, there=there, home=new.location, now=world.now, takes_s=world.takes_s)
