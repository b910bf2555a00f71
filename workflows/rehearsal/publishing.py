"""The publishingProfile of a version: the regions that it is wanted in, and what is true of it in all of them."""

from __future__ import annotations

from typing import Any, Final

from flight.workflows.rehearsal import gallery_refusal, refusal
from flight.workflows.rehearsal.body import Part, normal_location
from flight.workflows.rehearsal.regions import REGIONS
from flight.workflows.rehearsal.replication import Replica

PROFILE: Final = "galleryArtifactVersion.properties.publishingProfile."
STORAGE: Final = ("Standard_LRS", "Standard_ZRS", "Premium_LRS", "PremiumV2_LRS")
MODES: Final = ("Full", "Shallow")
MOST_REPLICAS: Final = 100
"""In one region. Source: "Store and share images in an Azure Compute Gallery", limits."""
_PROFILE: Final = {
    *("targetRegions", "replicaCount", "excludeFromLatest", "publishedDate", "endOfLifeDate", "storageAccountType"),
    *("replicationMode", "targetExtendedLocations", "storageAccountStrategy"),
}
_REGION: Final = {
    *("name", "regionalReplicaCount", "storageAccountType", "encryption", "excludeFromLatest", "additionalReplicaSets"),
}  # fmt: skip


def read_profile(properties: Part, location: str) -> dict[str, Any]:
    """The fields of a version that the profile decides. Raises Refusal; `location` is the version's own region."""
    profile = properties.part("publishingProfile", "GalleryImageVersionPublishingProfile", _PROFILE, shown=PROFILE)
    for unrehearsed in ("targetExtendedLocations", "storageAccountStrategy"):
        if profile.values.get(unrehearsed):
            raise refusal.bad_value(profile.name_of(unrehearsed))
    mode = profile.one_of("replicationMode", MODES, default="Full")
    most = MOST_REPLICAS if mode == "Full" else 1
    count = profile.whole("replicaCount", default=1, least=1, most=most)
    storage = profile.one_of("storageAccountType", STORAGE, default="Standard_LRS")
    usual = Replica(location, count, storage)
    parts = profile.parts("targetRegions", "TargetRegion", _REGION)
    replicas = tuple(_replica(part, usual, most) for part in parts) or (usual,)
    _check_regions([one.region for one in replicas], location, profile.name_of("targetRegions"))
    return {
        "replicas": replicas,
        "replica_count": count,
        "storage_account_type": storage,
        "mode": mode,
        "is_excluded": profile.flag("excludeFromLatest"),
        "end_of_life": profile.moment("endOfLifeDate"),
    }


def _replica(part: Part, usual: Replica, most: int) -> Replica:
    for unrehearsed in ("encryption", "additionalReplicaSets"):
        if part.values.get(unrehearsed):
            raise refusal.bad_value(part.name_of(unrehearsed))
    part.required("name")
    return Replica(
        _region(part.text("name")),
        part.whole("regionalReplicaCount", default=usual.count, least=1, most=most),
        part.one_of("storageAccountType", STORAGE, default=usual.storage_account_type),
        part.flag("excludeFromLatest"),
    )


def _region(given: str) -> str:
    location = normal_location(given)
    if location not in REGIONS:
        raise gallery_refusal.no_region(given, "galleries/images/versions")
    return location


def _check_regions(regions: list[str], location: str, target: str) -> None:
    if len(set(regions)) < len(regions):
        raise gallery_refusal.same_region_twice(target)
    if location not in regions:
        raise gallery_refusal.home_missing(regions, location, target)
