"""When an image is made, left alone, replaced or refused: against Microsoft.Compute in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from held import Held

from flight.workflows.cloud.endpoint import Cloud
from flight.workflows.image import (
    ImagePlace,
    ImageReceipt,
    WantedImage,
    differences,
    image_place,
    recheck,
    register,
)
from flight.workflows.kit.errors import ConfigError, FlightError, RemoteError
from flight.workflows.upload.receipt import Receipt, place_in

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
CLOUD = Cloud(
    "rehearsal", SUBSCRIPTION, "devstoreaccount1", "http://127.0.0.1:1/devstoreaccount1", "http://127.0.0.1:2"
)
BLOB = Receipt(place_in(CLOUD, container="images", name="demo-1.vhd"), '"1"', "d" * 64, 1 << 20, 512, 1, 0.1, "x")
PLACE = image_place(CLOUD, resource_group="flight", name="demo-1", location="West Europe")
TAGS = {"recipe": "demo", "version": "1", "commit": "abc"}


class Poller:
    """A long-running operation that is done at its second look."""

    def __init__(self, error: Exception | None = None) -> None:
        self.looks, self.error = 0, error

    def done(self) -> bool:
        self.looks += 1
        return self.looks > 1

    def status(self) -> str:
        return "InProgress"

    def wait(self, timeout: float) -> None:
        pass

    def result(self) -> None:
        if self.error:
            raise self.error


class Images:
    """The operations on one resource group's images, in memory; `asked` is what was asked of them."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.ends_in, self.error = "Succeeded", None

    def get(self, *, resource_group_name: str, image_name: str, enforce_https: bool) -> Any:
        if image_name not in self.kept:
            raise refusal(404, "ResourceNotFound", kind=ResourceNotFoundError)
        return SimpleNamespace(as_dict=lambda: self.kept[image_name])

    def begin_create_or_update(
        self, *, parameters: dict[str, Any], resource_group_name: str, image_name: str, **more: Any
    ) -> Poller:
        self.asked.append("create")
        properties = {**parameters["properties"], "provisioningState": self.ends_in}
        self.kept[image_name] = {**parameters, "properties": properties}
        return Poller(self.error)

    def begin_delete(self, *, resource_group_name: str, image_name: str, **more: Any) -> Poller:
        self.asked.append("delete")
        del self.kept[image_name]
        return Poller()


def refusal(status: int, code: str, *, kind: type[HttpResponseError] = HttpResponseError) -> HttpResponseError:
    error = kind(f"{code} in words")
    error.status_code, error.error_code = status, code  # type: ignore[attr-defined]
    return error


def registered(images: Images, **more: Any) -> ImageReceipt:
    asked = {"to": PLACE, "cloud": CLOUD, "generation": "V2", "tags": TAGS, "images": images, "storage": Held(BLOB)}
    return register(BLOB, **{**asked, **more})


def test_nothing_is_made_or_removed_for_a_blob_that_is_not_as_it_was_uploaded() -> None:
    images = Images()
    registered(images)
    with pytest.raises(RemoteError, match="is not as it was uploaded") as error:
        registered(images, generation="V1", replace=True, storage=Held(BLOB, looks=0))
    assert "it was written to since" in error.value.why
    assert images.asked == ["create"]


def test_an_image_of_a_blob_that_changed_meanwhile_is_removed_again() -> None:
    images = Images()
    with pytest.raises(RemoteError, match="what was made of it is removed again"):
        registered(images, storage=Held(BLOB, looks=1))
    assert (images.asked, images.kept) == (["create", "delete"], {})


def test_an_image_that_is_there_needs_its_blob_no_longer() -> None:
    images = Images()
    registered(images)
    assert registered(images, storage=Held(BLOB, looks=0)).was_there


def test_an_image_is_made_of_the_blob_and_says_what_it_is() -> None:
    images = Images()
    receipt = registered(images)
    made = images.kept["demo-1"]
    assert made["location"] == "westeurope"
    assert made["tags"] == {**TAGS, "digest": BLOB.digest}
    assert made["properties"]["hyperVGeneration"] == "V2"
    disk = made["properties"]["storageProfile"]["osDisk"]
    assert (disk["osType"], disk["osState"], disk["blobUri"]) == ("Linux", "Generalized", BLOB.place.url)
    assert receipt.id.endswith("/resourceGroups/flight/providers/Microsoft.Compute/images/demo-1")
    assert (receipt.digest, receipt.was_there) == (BLOB.digest, False)


def test_the_same_name_with_the_same_digest_is_success_and_nothing_is_done() -> None:
    images = Images()
    registered(images)
    receipt = registered(images)
    assert receipt.was_there
    assert images.asked == ["create"]


@pytest.mark.parametrize(
    ("more", "difference"),
    [
        ({"generation": "V1"}, "its generation is 'V2', not 'V1'"),
        ({"to": ImagePlace("rehearsal", SUBSCRIPTION, "flight", "demo-1", "northeurope")}, "its region is"),
    ],
    ids=["generation", "region"],
)
def test_the_same_name_with_anything_else_is_an_error_that_says_so_unless_told_to_replace(
    more: Mapping[str, Any], difference: str
) -> None:
    images = Images()
    registered(images)
    with pytest.raises(RemoteError, match="is another image") as error:
        registered(images, **more)
    assert difference in error.value.why
    assert images.asked == ["create"]
    assert not registered(images, **more, replace=True).was_there
    assert images.asked == ["create", "delete", "create"]


def test_another_blob_or_commit_of_the_same_digest_is_the_same_image_and_the_receipt_tells_what_is_there() -> None:
    images = Images()
    registered(images)
    receipt = registered(images, tags={**TAGS, "commit": "def"})
    assert receipt.was_there
    assert receipt.tags["commit"] == "abc"
    assert recheck(receipt, cloud=CLOUD, images=images) == ()


def test_another_digest_under_the_same_name_is_an_error() -> None:
    images = Images()
    registered(images)
    images.kept["demo-1"]["tags"]["digest"] = "e" * 64
    with pytest.raises(RemoteError, match="is another image"):
        registered(images)


def test_our_own_image_that_azure_failed_to_make_is_made_again() -> None:
    images = Images()
    registered(images)
    images.kept["demo-1"]["properties"]["provisioningState"] = "Failed"
    assert not registered(images).was_there
    assert images.asked == ["create", "delete", "create"]


def test_our_own_image_that_azure_is_still_making_is_waited_for() -> None:
    images = Images()
    registered(images)
    images.kept["demo-1"]["properties"]["provisioningState"] = "Creating"
    assert not registered(images).was_there
    assert images.asked == ["create", "create"]


def test_an_image_that_is_not_read_back_as_asked_for_is_an_error() -> None:
    images = Images()
    images.ends_in = "Failed"
    with pytest.raises(RemoteError, match="not what was asked for"):
        registered(images)


def test_an_operation_that_fails_says_what_azure_said() -> None:
    images = Images()
    images.error = refusal(409, "StorageAccountNotFound")  # type: ignore[assignment]
    with pytest.raises(RemoteError, match="could not create image 'demo-1'") as error:
        registered(images)
    assert "409 StorageAccountNotFound" in error.value.why


def test_a_resource_group_that_is_not_there_is_an_error_with_the_command_that_makes_it() -> None:
    images = Images()
    images.get = lambda **_: (_ for _ in ()).throw(  # type: ignore[method-assign]
        refusal(404, "ResourceGroupNotFound", kind=ResourceNotFoundError)
    )
    with pytest.raises(RemoteError) as error:
        registered(images)
    assert error.value.fix == "az group create --name flight --location westeurope"


def test_a_generation_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="V3"):
        registered(Images(), generation="V3")


def test_a_recheck_finds_nothing_where_all_is_well_and_every_change_where_it_is_not() -> None:
    images = Images()
    receipt = registered(images)
    assert recheck(receipt, cloud=CLOUD, images=images) == ()
    images.kept["demo-1"]["tags"]["digest"] = "e" * 64
    images.kept["demo-1"]["properties"]["hyperVGeneration"] = "V1"
    assert len(recheck(receipt, cloud=CLOUD, images=images)) == 2
    images.kept.clear()
    assert recheck(receipt, cloud=CLOUD, images=images) == ("image 'demo-1' in resource group 'flight' is gone",)


def test_an_image_of_which_azure_tells_nothing_differs_in_everything() -> None:
    wanted = WantedImage("westeurope", "V2", "http://x", {"digest": "d"})
    assert len(differences({}, wanted)) == 5
    assert len(differences({}, wanted, exactly=True)) == 6


def test_a_receipt_is_read_as_it_was_written(tmp_path: Path) -> None:
    receipt, path = registered(Images()), tmp_path / "demo.image.json"
    path.write_text(receipt.to_json())
    assert ImageReceipt.load(path) == receipt
    for torn in (
        "",
        "{}",
        receipt.to_json()[:99],
        receipt.to_json().replace('"was_there": ', '"was_there": "no", "x": '),
    ):
        path.write_text(torn)
        with pytest.raises(FlightError, match=r"demo\.image\.json is no receipt"):
            ImageReceipt.load(path)


@pytest.mark.parametrize(
    "wrong",
    [{"name": "-x"}, {"resource_group": "g."}, {"location": "west/europe"}],
    ids=["name", "group", "location"],
)
def test_a_place_with_a_name_that_azure_refuses_is_an_error(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        image_place(CLOUD, **{"resource_group": "flight", "name": "demo-1", "location": "westeurope", **wrong})
