"""What is asked of a gallery, as values: the definition and the version, and how what is there differs from them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.arm.resource import differing, properties_of, short_location
from flight.workflows.arm.tags import compared_tags
from flight.workflows.cloud.names import check_name
from flight.workflows.kit.errors import ConfigError
from flight.workflows.kit.text import quoted
from flight.workflows.recipe.values import AS_CLAIMED, GALLERY_VERSION, MOST_IN_VERSION

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud
    from flight.workflows.recipe import Recipe
    from flight.workflows.settings import Azure

FIXED: Final = {"osType": "Linux", "osState": "Generalized", "architecture": "x64"}
"""What every image of flight's is."""

DEMANDS: Final = ("TrustedLaunch", "ConfidentialVM")
"""Security types without which no machine starts of the image; the others offer it."""


@dataclass(frozen=True)
class VersionPlace:
    """Where a version is: the whole of its destination. `location` is a region's short name."""

    cloud: str
    subscription: str
    resource_group: str
    gallery: str
    definition: str
    version: str
    location: str

    @property
    def id(self) -> str:
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        gallery = f"{group}/providers/Microsoft.Compute/galleries/{self.gallery}"
        return f"{gallery}/images/{self.definition}/versions/{self.version}"

    def __str__(self) -> str:
        return f"version {self.version} of '{self.definition}' in the gallery '{self.gallery}'"


@dataclass(frozen=True)
class WantedDefinition:
    """What the versions of an image have in common. None of it can be changed once there is a definition.

    Source: "Gallery Images - Create Or Update".
    """

    location: str
    generation: str
    publisher: str
    offer: str
    sku: str
    features: Mapping[str, str]
    description: str = ""

    def properties(self) -> dict[str, Any]:
        """What decides whether a definition that is there will do: all but its description."""
        identifier = {"publisher": self.publisher, "offer": self.offer, "sku": self.sku}
        features = [{"name": name, "value": value} for name, value in self.features.items()]
        return {**FIXED, "hyperVGeneration": self.generation, "identifier": identifier, "features": features}

    def body(self) -> dict[str, Any]:
        described = {"description": self.description} if self.description else {}
        return {"location": self.location, "properties": {**self.properties(), **described}}


@dataclass(frozen=True)
class Publishing:
    """How a version is given out: where, how often, how long. All but `storage` can be changed later.

    `end_of_life` is a day, YYYY-MM-DD, or empty.
    """

    regions: tuple[str, ...]
    replicas: int = 1
    storage: str = "Standard_LRS"
    exclude_from_latest: bool = False
    end_of_life: str = ""

    def to_values(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**vars(self), "regions": list(self.regions)}

    def profile(self) -> dict[str, Any]:
        """The publishingProfile of "Gallery Image Versions - Create Or Update"."""
        each = {"regionalReplicaCount": self.replicas, "storageAccountType": self.storage}
        ends = {"endOfLifeDate": f"{self.end_of_life}T00:00:00Z"} if self.end_of_life else {}
        return {
            "targetRegions": [{"name": region, **each} for region in self.regions],
            "replicaCount": self.replicas,
            "storageAccountType": self.storage,
            "excludeFromLatest": self.exclude_from_latest,
            **ends,
        }


@dataclass(frozen=True)
class WantedVersion:
    """A version of an image, and what it is to say of itself. `account_id` is the storage account's whole id."""

    location: str
    blob_url: str
    account_id: str
    publishing: Publishing
    tags: Mapping[str, str]

    def body(self) -> dict[str, Any]:
        """The resource as it is made."""
        source = {"uri": self.blob_url, "storageAccountId": self.account_id}
        properties = {
            "publishingProfile": self.publishing.profile(),
            "storageProfile": {"osDiskImage": {"source": source}},
        }
        return {"location": self.location, "tags": dict(self.tags), "properties": properties}

    def change(self, there: Mapping[str, Any]) -> dict[str, Any]:
        """The resource as it is changed: with the source and tags that it has, which tell what it was made of.

        Azure takes no region away unless the body says that this is meant.
        """
        gone = set(regions_of(there)) - set(self.publishing.regions)
        ends = {} if self.publishing.end_of_life or not _end_of_life(there) else {"endOfLifeDate": None}
        properties = {
            "publishingProfile": {**self.publishing.profile(), **ends},
            "storageProfile": {"osDiskImage": {"source": source_of(there)}},
            **({"safetyProfile": {"allowDeletionOfReplicatedLocations": True}} if gone else {}),
        }
        return {"location": there.get("location", self.location), "tags": tags_of(there), "properties": properties}


def version_of(recipe: Recipe, version: str, asked: str = "") -> str:
    """The version in the gallery: what is asked for, else the recipe's [gallery] version, else the image's own.

    ConfigError where that is not three numbers as a gallery takes them.
    """
    name = asked or recipe.gallery.version or version
    fits = re.fullmatch(GALLERY_VERSION, name, re.ASCII)
    if not fits or any(int(number) > MOST_IN_VERSION for number in name.split(".")):
        raise ConfigError(
            f"'{quoted(name)}' is no version for a gallery",
            why=f"a gallery counts in three whole numbers with dots between, each up to {MOST_IN_VERSION}",
            fix="give one with --gallery-version, like 1.4.0, or as [gallery] version in the recipe",
        )
    return name


def version_place(cloud: Cloud, *, azure: Azure, recipe: Recipe, version: str) -> VersionPlace:
    """The place of a version; ConfigError for a name that Azure would refuse. 'West Europe' is westeurope."""
    definition, region = recipe.gallery.definition or recipe.name, short_location(azure.location)
    check_name("subscription", cloud.subscription)
    check_name("resource group", azure.resource_group)
    check_name("gallery", azure.gallery)
    check_name("image definition", definition)
    check_name("location", region)
    return VersionPlace(
        cloud.name, cloud.subscription, azure.resource_group, azure.gallery, definition, version, region
    )


def definition_of(recipe: Recipe, *, location: str) -> WantedDefinition:
    """The definition that a recipe asks for."""
    gallery = recipe.gallery
    return WantedDefinition(
        location=short_location(location),
        generation=recipe.azure.generation,
        publisher=gallery.publisher,
        offer=gallery.offer,
        sku=check_name("SKU", gallery.sku or recipe.name),
        features=features_of(recipe),
        description=recipe.title,
    )


def features_of(recipe: Recipe) -> dict[str, str]:
    """What the recipe claims, in a definition's words; a security type of none is not said.

    Source: "Store and share images in an Azure Compute Gallery", and what Azure's own definitions show.
    """
    claims, security = recipe.certify.claims, recipe.gallery.security_type
    if security == AS_CLAIMED:
        security = (
            "TrustedLaunchSupported" if "trusted-launch" in claims and recipe.azure.generation == "V2" else "none"
        )
    return {
        **({"SecurityType": security} if security != "none" else {}),
        "IsAcceleratedNetworkSupported": str("accelerated-networking" in claims),
        "DiskControllerTypes": "SCSI, NVMe" if "nvme" in claims else "SCSI",
        **({"IsHibernateSupported": "True"} if "hibernation" in claims else {}),
    }


def publishing_of(recipe: Recipe, location: str) -> Publishing:
    """How a recipe's versions are given out; the region of the version itself is always among its regions."""
    gallery = recipe.gallery
    regions = dict.fromkeys(map(short_location, (location, *gallery.regions)))
    return Publishing(
        tuple(regions), gallery.replicas, gallery.storage, gallery.exclude_from_latest, gallery.end_of_life
    )


def definition_differences(there: Mapping[str, Any], wanted: WantedDefinition) -> tuple[str, ...]:
    """Every way in which a definition is of another kind; what else it offers is its owner's."""
    shown, asked = properties_of(there), wanted.properties()
    features = {each.get("name"): each.get("value", "") for each in shown.get("features") or ()}
    identifier = shown.get("identifier") or {}
    compared = {
        "OS type": (shown.get("osType"), asked["osType"]),
        "OS state": (shown.get("osState"), asked["osState"]),
        "architecture": (shown.get("architecture", "x64"), asked["architecture"]),
        "generation": (shown.get("hyperVGeneration", "V1"), wanted.generation),
        **{name: (identifier.get(name), value) for name, value in asked["identifier"].items()},
    }
    for name, value in wanted.features.items():
        if _feature(features.get(name, "")) != _feature(value):
            compared[f"feature {name}"] = (features.get(name), value)
    if "SecurityType" not in wanted.features and features.get("SecurityType") in DEMANDS:
        compared["feature SecurityType"] = (features["SecurityType"], None)
    return differing(compared)


def content_differences(there: Mapping[str, Any], wanted: WantedVersion) -> tuple[str, ...]:
    """Every way in which a version is another one: what can never be changed."""
    profile = _profile(there)
    stored = {each.get("storageAccountType") or profile.get("storageAccountType") for each in _targets(there)}
    compared: dict[str, tuple[Any, Any]] = {"digest": (tags_of(there).get("digest"), wanted.tags["digest"])}
    if stored - {wanted.publishing.storage}:
        compared["storage"] = (" and ".join(sorted(map(str, stored))), wanted.publishing.storage)
    return differing(compared)


def publishing_differences(there: Mapping[str, Any], wanted: Publishing) -> tuple[str, ...]:
    """Every way in which a version is given out otherwise: what can be changed."""
    profile = _profile(there)
    replicas = {each.get("regionalReplicaCount") or profile.get("replicaCount") for each in _targets(there)}
    compared = {
        "regions": (sorted(regions_of(there)), sorted(wanted.regions)),
        "exclude-from-latest": (bool(profile.get("excludeFromLatest")), wanted.exclude_from_latest),
        "end of life": (_end_of_life(there), wanted.end_of_life),
    }
    if replicas - {wanted.replicas}:
        compared["replicas"] = (sorted(map(str, replicas)), [str(wanted.replicas)])
    return differing(compared)


def origin_differences(there: Mapping[str, Any], wanted: WantedVersion) -> tuple[str, ...]:
    """Every way in which what a version says of its origin is not what was asked for."""
    source = source_of(there)
    compared = {
        "blob": (source.get("uri"), wanted.blob_url),
        "storage account": (str(source.get("storageAccountId", "")).lower(), wanted.account_id.lower()),
    }
    return differing({**compared, **compared_tags(tags_of(there), wanted.tags)})


def regions_of(there: Mapping[str, Any]) -> tuple[str, ...]:
    """The regions that a version is in, or on its way to, by their short names."""
    return tuple(short_location(str(each.get("name", ""))) for each in _targets(there))


def source_of(there: Mapping[str, Any]) -> dict[str, str]:
    """The blob and the storage account that a version was made of."""
    image = (properties_of(there).get("storageProfile") or {}).get("osDiskImage") or {}
    return {name: value for name, value in (image.get("source") or {}).items() if value}


def tags_of(there: Mapping[str, Any]) -> dict[str, str]:
    return dict(there.get("tags") or {})


def _profile(there: Mapping[str, Any]) -> Mapping[str, Any]:
    return properties_of(there).get("publishingProfile") or {}


def _targets(there: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(_profile(there).get("targetRegions") or ())


def _end_of_life(there: Mapping[str, Any]) -> str:
    """The day; empty where there is none. Azure shows it in its own way: another offset, or fractions."""
    shown = _profile(there).get("endOfLifeDate")
    if not shown:
        return ""
    moment = dt.datetime.fromisoformat(str(shown))
    return (moment.astimezone(dt.UTC) if moment.tzinfo else moment).date().isoformat()


def _feature(value: str) -> str:
    """'SCSI,NVMe' is 'SCSI, NVMe', and 'true' is 'True'."""
    return value.replace(" ", "").lower()
