"""The managed image: made of an uploaded blob, waited for, read back, and known again by the digest in its tags."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.arm.resource import Resource, differing, properties_of, short_location, state_of
from flight.workflows.arm.tags import compared_tags, origin_tags
from flight.workflows.cloud.names import check_name, image_name
from flight.workflows.kit.errors import ConfigError, FlightError, RemoteError
from flight.workflows.kit.kept import TORN, of_its_types
from flight.workflows.kit.progress import Progress, Told, quiet
from flight.workflows.upload.receipt import Receipt
from flight.workflows.upload.service import BlobService, Service
from flight.workflows.upload.verify import kept_as_uploaded

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud
    from flight.workflows.recipe import Recipe
    from flight.workflows.settings import Azure

GENERATIONS: Final = ("V1", "V2")
OS_STATE: Final = "Generalized"
"""Managed images know no other. Source: "Images - Create Or Update", ImageOSDisk.osState."""


@dataclass(frozen=True)
class ImagePlace:
    """Where an image is: the whole of its destination. `location` is a region's short name."""

    cloud: str
    subscription: str
    resource_group: str
    name: str
    location: str

    @property
    def id(self) -> str:
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.Compute/images/{self.name}"

    def __str__(self) -> str:
        return f"image '{self.name}' in resource group '{self.resource_group}'"


@dataclass(frozen=True)
class WantedImage:
    """What an image is made of, and what it is to say of itself: exactly what is sent, compared and read back."""

    location: str
    generation: str
    blob_url: str
    tags: Mapping[str, str]

    def body(self) -> dict[str, Any]:
        """The resource as "Images - Create Or Update" takes it."""
        disk = {"osType": "Linux", "osState": OS_STATE, "blobUri": self.blob_url, "caching": "ReadWrite"}
        properties = {"hyperVGeneration": self.generation, "storageProfile": {"osDisk": disk, "zoneResilient": False}}
        return {"location": self.location, "tags": dict(self.tags), "properties": properties}


@dataclass(frozen=True)
class ImageReceipt:
    """What is kept of an image: where it is, what it was made of, and how long that took."""

    place: ImagePlace
    id: str
    digest: str
    blob: str
    generation: str
    tags: Mapping[str, str]
    was_there: bool
    seconds: float

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def load(cls, path: Path) -> ImageReceipt:
        """Raises FlightError where the file is no receipt."""
        try:
            raw: dict[str, Any] = json.loads(path.read_text())
            return of_its_types(cls(**{**raw, "place": of_its_types(ImagePlace(**raw["place"]))}))
        except (ValueError, TypeError, KeyError) as error:
            fix = "remove it, then run this again: nothing is registered where the image is there"
            raise FlightError(f"{path} is no receipt of an image", why=TORN, fix=fix) from error


def image_place(cloud: Cloud, *, resource_group: str, name: str, location: str) -> ImagePlace:
    """The place of an image; ConfigError for a name that Azure would refuse. 'West Europe' is westeurope."""
    region = short_location(location)
    check_name("subscription", cloud.subscription)
    check_name("resource group", resource_group)
    check_name("image", name)
    check_name("location", region)
    return ImagePlace(cloud.name, cloud.subscription, resource_group, name, region)


def register_recipe(
    blob_receipt: Path,
    *,
    cloud: Cloud,
    azure: Azure,
    recipe: Recipe,
    version: str,
    replace: bool = False,
    told: Told = quiet,
) -> ImageReceipt:
    """Register the uploaded blob of a recipe as RECIPE-VERSION.

    Its tags say recipe, version, digest, source commit, and who let which rules of its certificate pass, and why.
    """
    name = image_name(recipe.name, version)
    blob = Receipt.load(blob_receipt)
    return register(
        blob,
        to=image_place(cloud, resource_group=azure.resource_group, name=name, location=azure.location),
        cloud=cloud,
        generation=recipe.azure.generation,
        tags=origin_tags(recipe.name, version, folder=recipe.folder, overrides=blob.overrides),
        replace=replace,
        told=told,
    )


def look_again(receipt_at: Path, *, cloud: Cloud) -> tuple[str, ...]:
    """Every way in which the image is not what the receipt in this file says."""
    return recheck(ImageReceipt.load(receipt_at), cloud=cloud)


def register(
    blob: Receipt,
    *,
    to: ImagePlace,
    cloud: Cloud,
    generation: str,
    tags: Mapping[str, str],
    replace: bool = False,
    told: Told = quiet,
    images: Any = None,
    storage: Service | None = None,
) -> ImageReceipt:
    """Bring about a managed image of an uploaded blob, or find that it is there. `tags` gain the blob's digest.

    The same digest, generation and region are the same image: from which blob, and which commit, decides nothing.
    `images` and `storage` take the places of the SDK's operations and of the blob's service. Raises RemoteError where Azure
    refuses, is not reached, where the name is another image's and `replace` is not said, or where the blob is not as it
    was uploaded.
    """
    started = time.monotonic()
    _check_generation(generation)
    wanted = WantedImage(to.location, generation, blob.place.url, {**tags, "digest": blob.digest})
    azure = _resource(to, cloud, images)
    told(Progress(what=f"looking at {to}"))
    there = azure.get()
    found = differences(there, wanted) if there else ("it is not there",)
    if there and found and not may_replace(there, wanted, replace=replace):
        raise _held_by_another(to, found)
    if found:
        held = storage or BlobService(cloud, blob.place)
        with kept_as_uploaded(blob, service=held, undo=lambda: azure.delete(told)):
            there = _made(azure, there, wanted, to, told)
    assert there
    return ImageReceipt(
        place=to,
        id=to.id,
        digest=blob.digest,
        blob=_disk(there).get("blobUri", ""),
        generation=generation,
        tags=dict(there.get("tags") or {}),
        was_there=not found,
        seconds=round(time.monotonic() - started, 3),
    )


def _check_generation(generation: str) -> None:
    if generation not in GENERATIONS:
        raise ConfigError(
            f"there is no generation '{generation}' of virtual machines", fix="give V1 (BIOS) or V2 (UEFI)"
        )


def _made(
    azure: Resource, there: Mapping[str, Any] | None, wanted: WantedImage, to: ImagePlace, told: Told
) -> Mapping[str, Any]:
    if there and not is_being_made(there, wanted):
        azure.delete(told)
    azure.put(wanted.body(), told)
    made = azure.get()
    problems = differences(made, wanted, exactly=True) if made else ("it is not there",)
    if made is None or problems:
        raise RemoteError(
            f"{to} is not what was asked for",
            why="; ".join(problems),
            fix="look at it in the portal, remove it, then run this again",
        )
    return made


def differences(image: Mapping[str, Any], wanted: WantedImage, *, exactly: bool = False) -> tuple[str, ...]:
    """Every way in which an image, as Azure's JSON shows it, is not the wanted one; `exactly`: also in origin and tags."""
    tags = image.get("tags") or {}
    compared = {
        "state": (state_of(image), "Succeeded"),
        "region": (short_location(image.get("location", "")), wanted.location),
        "generation": (properties_of(image).get("hyperVGeneration"), wanted.generation),
        "OS state": (_disk(image).get("osState"), OS_STATE),
        "digest": (tags.get("digest"), wanted.tags["digest"]),
    }
    if exactly:
        compared["blob"] = (_disk(image).get("blobUri"), wanted.blob_url)
        compared |= compared_tags(tags, wanted.tags)
    return differing(compared)


def is_being_made(image: Mapping[str, Any], wanted: WantedImage) -> bool:
    """Whether Azure is still making this very image: a run that was killed, perhaps, asked for it a moment ago."""
    return _is_ours(image, wanted) and state_of(image) in ("Creating", "Updating")


def may_replace(image: Mapping[str, Any], wanted: WantedImage, *, replace: bool) -> bool:
    """Told to; or it is our own image that Azure did not finish: the same digest, and no success."""
    return replace or (_is_ours(image, wanted) and state_of(image) != "Succeeded")


def _is_ours(image: Mapping[str, Any], wanted: WantedImage) -> bool:
    return (image.get("tags") or {}).get("digest") == wanted.tags["digest"]


def _disk(image: Mapping[str, Any]) -> Mapping[str, Any]:
    return (properties_of(image).get("storageProfile") or {}).get("osDisk") or {}


def recheck(receipt: ImageReceipt, *, cloud: Cloud, images: Any = None) -> tuple[str, ...]:
    """Every way in which the image is not what the receipt says any more; nothing where all is well."""
    wanted = WantedImage(receipt.place.location, receipt.generation, receipt.blob, receipt.tags)
    there = _resource(receipt.place, cloud, images).get()
    if there is None:
        return (f"{receipt.place} is gone",)
    return tuple(f"{receipt.place}: {difference}" for difference in differences(there, wanted, exactly=True))


def _resource(place: ImagePlace, cloud: Cloud, images: Any) -> Resource:
    return Resource(
        images if images is not None else cloud.compute().images,
        str(place),
        names={"resource_group_name": place.resource_group, "image_name": place.name},
        body_as="parameters",
        cloud=cloud,
        location=place.location,
    )


def _held_by_another(place: ImagePlace, differs: tuple[str, ...]) -> RemoteError:
    return RemoteError(
        f"{place} is there already, and is another image",
        why="; ".join(differs),
        fix="give the image a new version, or add --replace",
    )
