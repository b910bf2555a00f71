"""What Azure says when it says no to a gallery, to a definition or to a version in it.

Sources of the words: "Troubleshoot images in an Azure Compute Gallery" (Microsoft's documentation) and, for features,
answers that users of Azure published. The documentation has no codes: they are those of the same check elsewhere. Where
nobody published any words they follow those of their neighbours: `bad_feature_name`, `not_deletable_region`.
"""

from __future__ import annotations

from collections.abc import Sequence

from flight.workflows.rehearsal.refusal import PROVIDER, Refusal
from flight.workflows.rehearsal.regions import REGIONS


def bad_gallery_name() -> Refusal:
    words = (
        "Gallery name is invalid. Allowed characters are English alphanumeric characters, with underscores, and periods "
        "allowed in the middle, up to 80 characters total. All other special characters, including dashes, are "
        "disallowed."
    )
    return Refusal(400, "InvalidParameter", words, target="galleryName")


def bad_version_name() -> Refusal:
    words = (
        "The image version name is invalid. The image version name should follow Major(int).Minor(int).Patch(int) "
        "format, for e.g: 1.0.0, 2018.12.1 etc"
    )
    return Refusal(400, "InvalidParameter", words, target="galleryImageVersionName")


def no_region(given: str, kind: str) -> Refusal:
    words = (
        f"The provided location '{given}' is not available for resource type '{PROVIDER}/{kind}'. "
        f"List of available regions for the resource type is '{','.join(REGIONS)}'."
    )
    return Refusal(400, "LocationNotAvailableForResourceType", words)


def gallery_elsewhere(name: str, subscription: str) -> Refusal:
    words = (
        f"The gallery name '{name}' is not unique within the subscription '{subscription}'. "
        "Please pick another gallery name."
    )
    return Refusal(409, "Conflict", words)


def bad_asset(target: str, most: int) -> Refusal:
    words = (
        f"Asset name {target} is not valid. It cannot be empty. Allowed characters are uppercase or lowercase letters, "
        "digits, hyphen(-), period (.), underscore (_). Names are not allowed to end with period(.). "
        f"The length of the name cannot exceed {most} characters."
    )
    return Refusal(400, "InvalidParameter", words, target=target)


def same_identifier(name: str, publisher: str, offer: str, sku: str) -> Refusal:
    words = (
        f"Gallery image: {name} identified by (publisher:{publisher}, offer:{offer}, sku:{sku}) already exists. "
        "Choose a different publisher, offer, sku combination."
    )
    return Refusal(409, "Conflict", words)


def bad_feature(name: str, value: str, target: str) -> Refusal:
    words = (
        f"The value '{value}' for feature '{name}' is invalid. Allowed characters are English alphanumerical characters "
        "with spaces and commas. The length of the value cannot exceed 100 characters."
    )
    return Refusal(400, "InvalidParameter", words, target=target)


def bad_feature_name(name: str, target: str) -> Refusal:
    return Refusal(400, "InvalidParameter", f"The feature '{name}' is invalid, or is given twice.", target=target)


def least_above_most(target: str) -> Refusal:
    words = f"The minimum value of {target} must not be greater than the maximum value of {target}."
    return Refusal(400, "InvalidParameter", words, target=target)


def past_end_of_life(target: str) -> Refusal:
    return Refusal(400, "InvalidParameter", "EndOfLifeDate must be set to a future date.", target=target)


def same_region_twice(target: str) -> Refusal:
    words = "Duplicate regions are not allowed in target publishing regions."
    return Refusal(400, "InvalidParameter", words, target=target)


def home_missing(regions: Sequence[str], location: str, target: str) -> Refusal:
    words = (
        f"Gallery image version publishing profile regions '{','.join(regions)}' must contain the location of image "
        f"version '{location}'."
    )
    return Refusal(400, "InvalidParameter", words, target=target)


def not_one_source(target: str) -> Refusal:
    words = (
        "The gallery artifact version source can only be specified either directly under storageProfile or within "
        "individual OS or data disks. One and only one source type (user image, snapshot, disk, virtual machine) can be "
        "provided."
    )
    return Refusal(400, "InvalidParameter", words, target=target)


def no_full_id(given: str, path: str) -> Refusal:
    words = (
        f"Property id '{given}' at path '{path}' is invalid. Expect fully qualified resource Id that start with "
        "'/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'."
    )
    return Refusal(400, "LinkedInvalidPropertyId", words)


def no_image_kind(given: str, target: str) -> Refusal:
    words = f"The source id: {given} must either be a managed image, virtual machine or another gallery image version."
    return Refusal(400, "InvalidParameter", words, target=target)


def no_disk_kind(given: str, target: str) -> Refusal:
    words = f"The source id: {given} must be a managed disk or snapshot."
    return Refusal(400, "InvalidParameter", words, target=target)


def no_source(given: str, target: str) -> Refusal:
    words = (
        f"Source '{given}' is not found. Please check source exists, and is in the same region as gallery image version "
        "being created."
    )
    return Refusal(404, "NotFound", words, target=target)


def other_generation(given: str, theirs: str, wanted: str) -> Refusal:
    words = (
        f"The resource with id '{given}' has a different Hypervisor generation ['{theirs}'] than the parent gallery "
        f"image Hypervisor generation ['{wanted}']."
    )
    return Refusal(400, "InvalidParameter", words)


def other_os_type(given: str, theirs: str, wanted: str) -> Refusal:
    words = (
        f"The resource with id '{given}' has a different OS type ['{theirs}'] than the parent gallery image OS type "
        f"['{wanted}']."
    )
    return Refusal(400, "InvalidParameter", words)


def other_os_state(given: str, theirs: str, wanted: str) -> Refusal:
    words = (
        f"Cannot create Gallery Image Version from: {given} since the OS State in the parent gallery image ({wanted}) is "
        f"not {theirs}."
    )
    return Refusal(400, "InvalidParameter", words)


def not_deletable_region(region: str) -> Refusal:
    words = (
        f"Removing the Gallery Image Version from the replicated region '{region}' is not allowed because "
        "allowDeletionOfReplicatedLocations is false."
    )
    return Refusal(409, "OperationNotAllowed", words)


def kept_until_end_of_life() -> Refusal:
    words = (
        "Deletion of Gallery image version is not allowed because the image is enabled for blockDeletionBeforeEndOfLife "
        "and its endOfLifeDate has not reached yet."
    )
    return Refusal(409, "DeleteGalleryImageVersionBlockedBeforeEndOfLife", words)
