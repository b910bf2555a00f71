"""Versions in a gallery, through the SDK's own client and the stand-in for Microsoft.Compute, of blobs that were uploaded."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flight.workflows import gallery, upload, vhd
from flight.workflows.cloud.endpoint import Cloud, cloud_of
from flight.workflows.digest import digest
from flight.workflows.gallery import GalleryReceipt
from flight.workflows.kit.errors import ConfigError, RemoteError
from flight.workflows.kit.progress import Progress
from flight.workflows.recipe import Gallery, Recipe
from flight.workflows.recipe.values import Azure as RecipeAzure
from flight.workflows.recipe.values import Certify
from flight.workflows.settings import Azure
from flight.workflows.upload import Identity, Receipt

from .conftest import Running

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def cloud(rehearsal: Running) -> Cloud:
    return cloud_of(rehearsal.settings.azure, rehearsal.settings.rehearsal)


@pytest.fixture(scope="module")
def blobs(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """The receipts of two uploads: another image each."""
    folder = tmp_path_factory.mktemp("blobs")
    yield _uploaded(folder, cloud, "1.0.0"), _uploaded(folder, cloud, "2.0.0")


def _uploaded(folder: Path, cloud: Cloud, version: str) -> Path:
    raw, disk, receipt = (folder / f"{version}.{word}" for word in ("raw", "vhd", "json"))
    with open(raw, "wb") as file:
        file.truncate(8 << 20)
        file.write(random.Random(version).randbytes(1 << 20))
    vhd.convert(raw, disk)
    who = Identity(digest(disk), disk.stat().st_size, "0123456789ab", "gallery", version)
    sent = upload.send(disk, cloud=cloud, container="published", identity=who, ledgers=folder / "ledgers")
    receipt.write_text(sent.to_json())
    return receipt


@pytest.fixture
def azure(rehearsal: Running) -> Azure:
    """A gallery that no other test uses."""
    return dataclasses.replace(rehearsal.settings.azure, gallery=f"shop{next(NUMBERS)}")


def recipe(**more: Any) -> Recipe:
    return Recipe("demo", Path(__file__), "trixie", **more)


def published(receipt: Path, cloud: Cloud, azure: Azure, **more: Any) -> GalleryReceipt:
    asked: dict[str, Any] = {"recipe": recipe(), "version": "1.0.0", **more}
    return gallery.publish_recipe(receipt, cloud=cloud, azure=azure, **asked)


def kept(receipt: GalleryReceipt, tmp_path: Path) -> Path:
    path = tmp_path / "demo.gallery.json"
    path.write_text(receipt.to_json())
    return path


def test_a_version_is_made_of_the_uploaded_blob_and_is_what_was_asked_for(
    blobs: tuple[Path, Path], cloud: Cloud, azure: Azure, tmp_path: Path
) -> None:
    asked = recipe(
        title="Demo",
        certify=Certify(claims=("trusted-launch", "nvme", "accelerated-networking", "hibernation")),
        gallery=Gallery(regions=("North Europe", "eastus2"), replicas=2, end_of_life="2099-12-31"),
    )
    receipt = published(blobs[0], cloud, azure, recipe=asked)
    with cloud.compute() as client:
        named = ("flight", azure.gallery, "demo")
        definition = client.gallery_images.get(*named, **cloud.per_call).as_dict()
        version = client.gallery_image_versions.get(*named, "1.0.0", **cloud.per_call).as_dict()
    features = {one["name"]: one["value"] for one in definition["properties"]["features"]}
    assert features["SecurityType"] == "TrustedLaunchSupported"
    assert features["DiskControllerTypes"] == "SCSI, NVMe"
    assert version["tags"]["digest"] == Receipt.load(blobs[0]).digest
    profile = version["properties"]["publishingProfile"]
    assert [one["name"] for one in profile["targetRegions"]] == ["West Europe", "North Europe", "East US 2"]
    assert {one["regionalReplicaCount"] for one in profile["targetRegions"]} == {2}
    assert version["id"].lower() == receipt.id.lower()
    assert gallery.look_again(kept(receipt, tmp_path), cloud=cloud) == ()


def test_how_far_each_region_is_is_told(blobs: tuple[Path, Path], cloud: Cloud, azure: Azure) -> None:
    heard: list[Progress] = []
    published(blobs[0], cloud, azure, recipe=recipe(gallery=Gallery(regions=("northeurope",))), told=heard.append)
    replicating = [str(one) for one in heard if one.what.startswith("replicating (")]
    assert replicating
    assert all("westeurope" in line and "northeurope" in line for line in replicating)


def test_a_second_time_nothing_is_done(blobs: tuple[Path, Path], cloud: Cloud, azure: Azure) -> None:
    first = published(blobs[0], cloud, azure)
    second = published(blobs[0], cloud, azure)
    assert (first.was_there, second.was_there) == (False, True)
    assert dataclasses.replace(second, was_there=False, seconds=first.seconds) == first


@pytest.mark.parametrize(
    "then",
    [
        Gallery(regions=("northeurope", "eastus2"), end_of_life="2099-12-31"),
        Gallery(regions=(), end_of_life="2099-12-31"),
        Gallery(regions=("northeurope",), replicas=3, end_of_life="2099-12-31"),
        Gallery(regions=("northeurope",), exclude_from_latest=True, end_of_life="2098-12-31"),
        Gallery(regions=("northeurope",)),
    ],
    ids=["a region more", "a region less", "replicas", "latest and end of life", "no end of life"],
)
def test_what_can_be_changed_is_changed_in_place(
    blobs: tuple[Path, Path], cloud: Cloud, azure: Azure, tmp_path: Path, then: Gallery
) -> None:
    published(
        blobs[0], cloud, azure, recipe=recipe(gallery=Gallery(regions=("northeurope",), end_of_life="2099-12-31"))
    )
    receipt = published(blobs[0], cloud, azure, recipe=recipe(gallery=then))
    assert receipt.was_there
    assert receipt.changed
    assert gallery.look_again(kept(receipt, tmp_path), cloud=cloud) == ()
    assert published(blobs[0], cloud, azure, recipe=recipe(gallery=then)).changed == []


def test_another_image_under_the_same_version_is_refused_unless_told_to_replace(
    blobs: tuple[Path, Path], cloud: Cloud, azure: Azure, tmp_path: Path
) -> None:
    first = published(blobs[0], cloud, azure)
    with pytest.raises(RemoteError, match="is there already, and is another image"):
        published(blobs[1], cloud, azure)
    second = published(blobs[1], cloud, azure, replace=True)
    assert second.digest != first.digest
    problems = gallery.look_again(kept(first, tmp_path), cloud=cloud)
    assert any("its digest is" in problem for problem in problems)


def test_another_version_stands_beside_it(blobs: tuple[Path, Path], cloud: Cloud, azure: Azure) -> None:
    published(blobs[0], cloud, azure)
    assert not published(blobs[1], cloud, azure, gallery_version="1.0.1").was_there
    with cloud.compute() as client:
        listed = client.gallery_image_versions.list_by_gallery_image("flight", azure.gallery, "demo", **cloud.per_call)
        assert sorted(one.name for one in listed) == ["1.0.0", "1.0.1"]


def test_a_version_that_somebody_removed_is_missed_and_made_again(
    blobs: tuple[Path, Path], cloud: Cloud, azure: Azure, tmp_path: Path
) -> None:
    receipt = published(blobs[0], cloud, azure)
    with cloud.compute() as client:
        client.gallery_image_versions.begin_delete(
            "flight", azure.gallery, "demo", "1.0.0", polling_interval=0.1, **cloud.per_call
        ).result()
    assert gallery.look_again(kept(receipt, tmp_path), cloud=cloud) == (f"{receipt.place} is gone",)
    assert not published(blobs[0], cloud, azure).was_there


def test_a_version_that_another_run_asked_for_is_waited_for(
    blobs: tuple[Path, Path], cloud: Cloud, azure: Azure
) -> None:
    first = published(blobs[0], cloud, azure)
    with cloud.compute() as client:
        named = ("flight", azure.gallery, "demo", "1.0.0")
        there = client.gallery_image_versions.get(*named, **cloud.per_call)
        client.gallery_image_versions.begin_create_or_update(*named, there, **cloud.per_call)
        second = published(blobs[0], cloud, azure)
    assert second.was_there
    assert second.tags == first.tags


def test_a_definition_of_the_other_generation_is_an_error(blobs: tuple[Path, Path], cloud: Cloud, azure: Azure) -> None:
    published(blobs[0], cloud, azure)
    with pytest.raises(RemoteError, match="is of another kind"):
        published(blobs[0], cloud, azure, recipe=recipe(azure=RecipeAzure("V1")), gallery_version="1.0.1")


def test_a_blob_that_is_no_disk_is_refused_in_azures_words(
    cloud: Cloud, azure: Azure, blobs: tuple[Path, Path], tmp_path: Path
) -> None:
    blob = cloud.container("published").get_blob_client("empty.vhd")
    zeros = "sha256:" + "0" * 64
    made = blob.create_page_blob(4 << 20, metadata={"sealed": zeros})
    sent, path = Receipt.load(blobs[0]), tmp_path / "empty.json"
    place = dataclasses.replace(sent.place, name="empty.vhd", url=str(blob.url))
    receipt = dataclasses.replace(sent, place=place, digest=zeros, size_bytes=4 << 20, etag=made["etag"])
    path.write_text(receipt.to_json())
    with pytest.raises(RemoteError, match="could not create version 1"):
        published(path, cloud, azure)


def test_a_region_that_there_is_not_is_refused_in_azures_words(
    blobs: tuple[Path, Path], cloud: Cloud, azure: Azure
) -> None:
    with pytest.raises(RemoteError, match="could not create version 1") as error:
        published(blobs[0], cloud, azure, recipe=recipe(gallery=Gallery(regions=("atlantis",))))
    assert "atlantis" in error.value.why


def test_a_resource_group_that_is_not_there_is_an_error_with_the_command_that_makes_it(
    blobs: tuple[Path, Path], cloud: Cloud, azure: Azure
) -> None:
    with pytest.raises(RemoteError) as error:
        published(blobs[0], cloud, dataclasses.replace(azure, resource_group="nowhere"))
    assert error.value.fix == "az group create --name nowhere --location westeurope"


def test_a_version_that_no_gallery_takes_is_an_error_before_anything_is_asked(
    blobs: tuple[Path, Path], cloud: Cloud, azure: Azure
) -> None:
    with pytest.raises(ConfigError, match="is no version for a gallery"):
        published(blobs[0], cloud, azure, version="1.0.0-rc1")
