"""A version in an Azure Compute Gallery: made of an uploaded blob, replicated, read back, known again by its digest.

wanted     what is asked for, as values; how what is there differs from it
plan       what is to be done about a version that is there
receipt    what is kept of it
service    the gallery, the definition and the version, as they are asked of Azure
publishing the order of it all
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from flight.workflows.arm.tags import origin_tags
from flight.workflows.gallery.publishing import publish, recheck
from flight.workflows.gallery.receipt import GalleryReceipt
from flight.workflows.gallery.wanted import (
    Publishing,
    VersionPlace,
    WantedDefinition,
    definition_of,
    publishing_of,
    version_of,
    version_place,
)
from flight.workflows.kit.progress import Told, quiet
from flight.workflows.upload.receipt import Receipt

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud
    from flight.workflows.recipe import Recipe
    from flight.workflows.settings import Azure

__all__ = [
    "GalleryReceipt",
    "Publishing",
    "VersionPlace",
    "WantedDefinition",
    "facts",
    "look_again",
    "publish",
    "publish_recipe",
    "recheck",
    "version_of",
]


def facts(recipe: Recipe, *, azure: Azure, version: str) -> dict[str, Any]:
    """What decides a version in the gallery, beside the blob: JSON values. `version` is the gallery's own."""
    definition, publishing = definition_of(recipe, location=azure.location), publishing_of(recipe, azure.location)
    return {
        "cloud": azure.cloud,
        "subscription": azure.subscription,
        "resource_group": azure.resource_group,
        "location": azure.location,
        "gallery": azure.gallery,
        "definition": recipe.gallery.definition or recipe.name,
        "version": version,
        "is": definition.properties(),
        "publishing": publishing.to_values(),
    }


def publish_recipe(
    blob_receipt: Path,
    *,
    cloud: Cloud,
    azure: Azure,
    recipe: Recipe,
    version: str,
    gallery_version: str = "",
    replace: bool = False,
    told: Told = quiet,
) -> GalleryReceipt:
    """Publish the uploaded blob of a recipe as DEFINITION/VERSION in the gallery of [azure]; errors as `publish` has.

    Its tags say recipe, version, digest, source commit, and who let which rules of its certificate pass, and why.
    """
    blob = Receipt.load(blob_receipt)
    return publish(
        blob,
        to=version_place(cloud, azure=azure, recipe=recipe, version=version_of(recipe, version, gallery_version)),
        definition=definition_of(recipe, location=azure.location),
        publishing=publishing_of(recipe, azure.location),
        cloud=cloud,
        tags=origin_tags(recipe.name, version, folder=recipe.folder, overrides=blob.overrides),
        replace=replace,
        told=told,
    )


def look_again(receipt_at: Path, *, cloud: Cloud) -> tuple[str, ...]:
    """Every way in which the version is not what the receipt in this file says."""
    return recheck(GalleryReceipt.load(receipt_at), cloud=cloud)
