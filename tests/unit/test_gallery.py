"""When a version in a gallery is made, changed, waited for, replaced or refused: against Microsoft.Compute in memory."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from held import Held
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows import gallery
from flight.workflows.arm import tags
from flight.workflows.cloud.endpoint import Cloud
from flight.workflows.gallery.plan import plan_version, replication
from flight.workflows.gallery.publishing import publish, recheck
from flight.workflows.gallery.receipt import GalleryReceipt
from flight.workflows.gallery.wanted import (
    Publishing,
    VersionPlace,
    WantedDefinition,
    WantedVersion,
    definition_of,
    features_of,
    publishing_differences,
    publishing_of,
    version_of,
    version_place,
)
from flight.workflows.kit.errors import ConfigError, FlightError, RemoteError
from flight.workflows.kit.progress import Progress
from flight.workflows.recipe import Gallery, Recipe
from flight.workflows.recipe.values import Azure as RecipeAzure
from flight.workflows.recipe.values import Certify
from flight.workflows.settings import Azure
from flight.workflows.upload.receipt import Receipt, place_in

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
CLOUD = Cloud(
    "rehearsal", SUBSCRIPTION, "devstoreaccount1", "http://127.0.0.1:1/devstoreaccount1", "http://127.0.0.1:2"
)
ACCOUNT = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/flight/providers/Microsoft.Storage/storageAccounts/devstoreaccount1"
)
BLOB = Receipt(place_in(CLOUD, container="images", name="demo-1.vhd"), '"1"', "d" * 64, 1 << 20, 512, 1, 0.1, "x")
PLACE = VersionPlace("rehearsal", SUBSCRIPTION, "flight", "shop", "demo", "1.0.0", "westeurope")
KIND = WantedDefinition("westeurope", "V2", "flight", "linux", "demo", {"DiskControllerTypes": "SCSI"})
GIVEN = Publishing(("westeurope", "northeurope"), end_of_life="2031-12-31")
TAGS = {"recipe": "demo", "version": "1", "commit": "abc"}
WANTED = WantedVersion("westeurope", BLOB.place.url, ACCOUNT, GIVEN, {**TAGS, "digest": BLOB.digest})


class Poller:
    """A long-running operation that is done after `looks`; each look lets Azure go on."""

    def __init__(self, looks: int, on_look: Callable[[], None], error: Exception | None = None) -> None:
        self.left, self.on_look, self.error = looks, on_look, error

    def done(self) -> bool:
        self.left -= 1
        self.on_look()
        return self.left < 0

    def status(self) -> str:
        return "InProgress"

    def wait(self, timeout: float) -> None:
        pass

    def result(self) -> None:
        if self.error:
            raise self.error


class Operations:
    """Galleries, definitions or versions in memory, by the names that the SDK gives them."""

    def __init__(self, azure: Microsoft, kind: str, body_as: str, name_as: str) -> None:
        self.azure, self.kind, self.body_as, self.name_as = azure, kind, body_as, name_as

    def get(self, *, enforce_https: bool, expand: str = "", **named: str) -> Any:
        name = named[self.name_as]
        self.azure.fail("get", self.kind)
        if (self.kind, name) not in self.azure.kept:
            raise refusal(404, "ResourceNotFound", kind=ResourceNotFoundError)
        if self.kind == "version":
            self.azure.step()
        kept = copy.deepcopy(self.azure.kept[self.kind, name])
        if not expand and self.kind == "version":
            del kept["properties"]["replicationStatus"]
        return SimpleNamespace(as_dict=lambda: kept)

    def begin_create_or_update(self, **asked: Any) -> Poller:
        name, body = asked[self.name_as], copy.deepcopy(asked[self.body_as])
        word = "change" if (self.kind, name) in self.azure.kept else "create"
        self.azure.asked.append(f"{word} {self.kind}")
        self.azure.bodies.append(body)
        self.azure.fail(word, self.kind)
        state = "Succeeded"
        if self.kind == "version":
            state = "Creating" if word == "create" else "Updating"
            targets = body["properties"]["publishingProfile"]["targetRegions"]
            rows = [{"region": one["name"].title(), "state": "Unknown", "progress": 0} for one in targets]
            body["properties"]["replicationStatus"] = {"aggregatedState": "InProgress", "summary": rows}
            for one in targets:
                one["name"] = one["name"].title()
        body["properties"]["provisioningState"] = state
        self.azure.kept[self.kind, name] = body
        return Poller(self.azure.polls, self.azure.step, self.azure.errors.get((word, "at last")))

    def begin_delete(self, **asked: Any) -> Poller:
        self.azure.asked.append(f"delete {self.kind}")
        del self.azure.kept[self.kind, asked[self.name_as]]
        return Poller(1, lambda: None)


class Microsoft:
    """The client. Each look at a version lets replication go on: one region after the other, by quarters."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], dict[str, Any]] = {}
        self.asked: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.errors: dict[tuple[str, str], Exception] = {}
        self.unreached: set[str] = set()
        self.accounts = [{"id": ACCOUNT, "name": "devstoreaccount1", "location": "westeurope"}]
        self.polls, self.ends_in = 6, "Succeeded"
        self.galleries = Operations(self, "gallery", "gallery", "gallery_name")
        self.gallery_images = Operations(self, "definition", "gallery_image", "gallery_image_name")
        self.gallery_image_versions = Operations(self, "version", "gallery_image_version", "gallery_image_version_name")

    def send_request(self, request: Any, **more: Any) -> Any:
        self.asked.append("accounts")
        return SimpleNamespace(status_code=200, json=lambda: {"value": self.accounts})

    def fail(self, word: str, kind: str) -> None:
        if error := self.errors.get((word, kind)):
            raise error

    def step(self) -> None:
        for (kind, _), one in self.kept.items():
            if kind == "version" and one["properties"]["provisioningState"] in ("Creating", "Updating"):
                self._replicate(one["properties"])

    def _replicate(self, properties: dict[str, Any]) -> None:
        status = properties["replicationStatus"]
        for row in status["summary"]:
            if row["region"].lower() in self.unreached:
                row.update(state="Failed", details="no capacity")
            elif row["progress"] < 100:
                row["progress"] += 25
                row["state"] = "Completed" if row["progress"] == 100 else "Replicating"
                return
        status["aggregatedState"] = "Failed" if self.unreached else "Completed"
        properties["provisioningState"] = "Failed" if self.unreached else self.ends_in

    @property
    def version(self) -> dict[str, Any]:
        return self.kept["version", "1.0.0"]


def refusal(status: int, code: str, *, kind: type[HttpResponseError] = HttpResponseError) -> HttpResponseError:
    error = kind(f"{code} in words")
    error.status_code, error.error_code = status, code  # type: ignore[attr-defined]
    return error


def published(azure: Microsoft, **more: Any) -> GalleryReceipt:
    asked = {"to": PLACE, "definition": KIND, "publishing": GIVEN, "cloud": CLOUD, "tags": TAGS, "compute": azure}
    return publish(BLOB, **{**asked, "storage": Held(BLOB), **more})


def test_nothing_is_made_for_a_blob_that_is_not_as_it_was_uploaded() -> None:
    azure = Microsoft()
    with pytest.raises(RemoteError, match="is not as it was uploaded"):
        published(azure, storage=Held(BLOB, looks=0))
    assert not azure.kept


def test_a_version_of_a_blob_that_changed_meanwhile_is_removed_again() -> None:
    azure = Microsoft()
    with pytest.raises(RemoteError, match="what was made of it is removed again"):
        published(azure, storage=Held(BLOB, looks=1))
    assert "version" not in {kind for kind, _ in azure.kept}


def test_what_is_given_out_otherwise_needs_the_blob_no_longer() -> None:
    azure = Microsoft()
    published(azure)
    changed = published(azure, publishing=given_out(replicas=2), storage=Held(BLOB, looks=0))
    assert changed.changed


def given_out(**more: Any) -> Publishing:
    return dataclasses.replace(GIVEN, **more)


def recipe(**more: Any) -> Recipe:
    return Recipe("demo", Path("demo.toml"), "trixie", **more)


# Made -----------------------------------------------------------------------------------------------------------------


def test_the_gallery_the_definition_and_the_version_are_made_where_they_are_missing() -> None:
    azure = Microsoft()
    receipt = published(azure)
    assert azure.asked == ["accounts", "create gallery", "create definition", "create version"]
    definition, version = azure.kept["definition", "demo"]["properties"], azure.version["properties"]
    assert definition["hyperVGeneration"] == "V2"
    assert (definition["osType"], definition["osState"], definition["architecture"]) == ("Linux", "Generalized", "x64")
    assert definition["identifier"] == {"publisher": "flight", "offer": "linux", "sku": "demo"}
    assert definition["features"] == [{"name": "DiskControllerTypes", "value": "SCSI"}]
    source = version["storageProfile"]["osDiskImage"]["source"]
    assert source == {"uri": BLOB.place.url, "storageAccountId": ACCOUNT}
    profile = version["publishingProfile"]
    assert [one["regionalReplicaCount"] for one in profile["targetRegions"]] == [1, 1]
    assert profile["endOfLifeDate"] == "2031-12-31T00:00:00Z"
    assert azure.version["tags"] == {**TAGS, "digest": BLOB.digest}
    assert receipt.id.endswith("/galleries/shop/images/demo/versions/1.0.0")
    assert (receipt.digest, receipt.blob, receipt.account) == (BLOB.digest, BLOB.place.url, ACCOUNT)
    assert not receipt.was_there


def test_how_far_each_region_is_is_told() -> None:
    heard: list[Progress] = []
    published(Microsoft(), told=heard.append)
    lines = [str(one) for one in heard]
    assert "replicating (westeurope 50 %, northeurope waiting) 25 %" in lines
    assert "replicating (westeurope done, northeurope 50 %) 75 %" in lines


def test_a_look_at_the_regions_that_fails_does_not_fail_the_publishing(monkeypatch: pytest.MonkeyPatch) -> None:
    azure, heard = Microsoft(), list[Progress]()
    looked, versions = iter((True, False, True)), azure.gallery_image_versions
    get = versions.get

    def fails_at_first(**asked: Any) -> Any:
        if ("version", "1.0.0") in azure.kept and not next(looked, True):
            raise refusal(503, "ServerBusy")
        return get(**asked)

    monkeypatch.setattr(versions, "get", fails_at_first)
    assert not published(azure, told=heard.append).was_there
    assert f"waiting for {PLACE}: InProgress" in map(str, heard)


def test_nothing_is_made_where_the_storage_account_is_not_found() -> None:
    azure = Microsoft()
    azure.accounts = []
    with pytest.raises(RemoteError, match="no storage account 'devstoreaccount1'"):
        published(azure)
    assert azure.kept == {}


def test_a_refusal_says_what_azure_said() -> None:
    azure = Microsoft()
    azure.errors["create", "at last"] = refusal(400, "InvalidParameter")
    with pytest.raises(RemoteError, match="could not create the gallery 'shop'") as error:
        published(azure)
    assert "400 InvalidParameter" in error.value.why


def test_a_resource_group_that_is_not_there_is_an_error_with_the_command_that_makes_it() -> None:
    azure = Microsoft()
    azure.errors["get", "gallery"] = refusal(404, "ResourceGroupNotFound", kind=ResourceNotFoundError)
    with pytest.raises(RemoteError) as error:
        published(azure)
    assert error.value.fix == "az group create --name flight --location westeurope"


def test_a_version_that_is_not_read_back_as_asked_for_is_an_error() -> None:
    azure = Microsoft()
    azure.ends_in = "Migrated"
    with pytest.raises(RemoteError, match="is not what was asked for") as error:
        published(azure)
    assert "its state is 'Migrated', not 'Succeeded'" in error.value.why


def test_a_region_that_it_does_not_reach_is_an_error_that_names_it() -> None:
    azure = Microsoft()
    azure.unreached = {"northeurope"}
    with pytest.raises(RemoteError, match="is not what was asked for") as error:
        published(azure)
    assert "northeurope: no capacity" in error.value.why


# There already ---------------------------------------------------------------------------------------------------------


def test_the_same_digest_and_settings_are_success_and_nothing_is_done() -> None:
    azure = Microsoft()
    published(azure)
    azure.asked.clear()
    receipt = published(azure, tags={**TAGS, "commit": "def"})
    assert receipt.was_there
    assert azure.asked == []
    assert receipt.tags["commit"] == "abc"
    assert recheck(receipt, cloud=CLOUD, compute=azure) == ()


@pytest.mark.parametrize(
    ("publishing", "changed"),
    [
        (given_out(regions=("westeurope", "northeurope", "eastus")), "regions"),
        (given_out(replicas=3), "replicas"),
        (given_out(exclude_from_latest=True), "exclude-from-latest"),
        (given_out(end_of_life="2032-01-01"), "end of life"),
        (given_out(end_of_life=""), "end of life"),
    ],
    ids=["regions", "replicas", "latest", "later", "no end"],
)
def test_what_can_be_changed_is_changed_in_place_with_its_source_and_tags(publishing: Publishing, changed: str) -> None:
    azure = Microsoft()
    published(azure)
    azure.asked.clear()
    receipt = published(azure, publishing=publishing, tags={**TAGS, "commit": "def"})
    assert azure.asked == ["change version"]
    assert receipt.was_there
    assert [line.split(" is ")[0] for line in receipt.changed] == [f"its {changed}"]
    assert azure.version["tags"]["commit"] == "abc"
    assert azure.version["properties"]["storageProfile"]["osDiskImage"]["source"]["uri"] == BLOB.place.url
    assert "safetyProfile" not in azure.bodies[-1]["properties"]
    assert recheck(receipt, cloud=CLOUD, compute=azure) == ()


def test_a_region_is_taken_away_only_with_the_word_that_this_is_meant() -> None:
    azure = Microsoft()
    published(azure)
    published(azure, publishing=given_out(regions=("westeurope",)))
    assert azure.bodies[-1]["properties"]["safetyProfile"] == {"allowDeletionOfReplicatedLocations": True}


def test_another_digest_under_the_same_version_is_refused_unless_told_to_replace() -> None:
    azure = Microsoft()
    published(azure)
    azure.version["tags"]["digest"] = "e" * 64
    azure.asked.clear()
    with pytest.raises(RemoteError, match="is another image") as error:
        published(azure)
    assert "its digest is" in error.value.why
    assert azure.asked == []
    assert not published(azure, replace=True).was_there
    assert azure.asked == ["accounts", "delete version", "create version"]


def test_another_storage_cannot_be_changed_to() -> None:
    azure = Microsoft()
    published(azure)
    with pytest.raises(RemoteError, match="is another image") as error:
        published(azure, publishing=given_out(storage="Standard_ZRS"))
    assert "its storage is 'Standard_LRS', not 'Standard_ZRS'" in error.value.why


@pytest.mark.parametrize("state", ["Creating", "Updating"])
def test_our_own_version_that_azure_is_at_is_waited_for(state: str) -> None:
    azure, heard = Microsoft(), list[Progress]()
    published(azure)
    azure.version["properties"]["provisioningState"] = state
    azure.version["properties"]["replicationStatus"]["summary"][1].update(state="Replicating", progress=50)
    azure.asked.clear()
    assert published(azure, told=heard.append).was_there
    assert azure.asked == []


def test_a_version_that_never_arrived_anywhere_is_made_again() -> None:
    azure = Microsoft()
    published(azure)
    azure.version["properties"]["provisioningState"] = "Failed"
    for row in azure.version["properties"]["replicationStatus"]["summary"]:
        row.update(state="Failed", progress=0)
    azure.asked.clear()
    assert not published(azure).was_there
    assert azure.asked == ["accounts", "delete version", "create version"]


def test_a_version_that_failed_on_its_way_to_a_further_region_is_not_taken_from_the_others() -> None:
    azure = Microsoft()
    azure.unreached = {"northeurope"}
    with pytest.raises(RemoteError):
        published(azure)
    azure.unreached = set()
    azure.asked.clear()
    published(azure)
    assert azure.asked == ["change version"]


def test_a_version_that_is_being_removed_is_waited_for() -> None:
    there = {"properties": {"provisioningState": "Deleting"}, "tags": {"digest": "another"}}
    assert plan_version(there, WANTED, replace=False).step == "wait"


@pytest.mark.parametrize(
    ("wrong", "difference"),
    [
        ({"generation": "V1"}, "its generation is 'V2', not 'V1'"),
        ({"sku": "other"}, "its sku is 'demo', not 'other'"),
        ({"features": {"SecurityType": "TrustedLaunchSupported"}}, "its feature SecurityType is None, not"),
    ],
    ids=["generation", "identifier", "feature"],
)
def test_a_definition_of_another_kind_is_an_error_and_nothing_is_changed(
    wrong: Mapping[str, Any], difference: str
) -> None:
    azure = Microsoft()
    published(azure)
    azure.asked.clear()
    with pytest.raises(RemoteError, match="is of another kind") as error:
        published(azure, definition=dataclasses.replace(KIND, **wrong))
    assert difference in error.value.why
    assert azure.asked == []


def test_what_a_definition_offers_besides_is_its_owners_but_not_what_it_demands() -> None:
    azure = Microsoft()
    published(azure)
    features = azure.kept["definition", "demo"]["properties"]["features"]
    features.append({"name": "SecurityType", "value": "TrustedLaunchSupported"})
    features[0]["value"] = "scsi"
    assert published(azure).was_there
    features[1]["value"] = "TrustedLaunch"
    with pytest.raises(RemoteError, match="is of another kind"):
        published(azure)


def test_a_recheck_finds_every_change_and_what_is_gone() -> None:
    azure = Microsoft()
    receipt = published(azure)
    azure.version["tags"]["digest"] = "e" * 64
    azure.version["properties"]["publishingProfile"]["excludeFromLatest"] = True
    azure.kept["definition", "demo"]["properties"]["hyperVGeneration"] = "V1"
    found = recheck(receipt, cloud=CLOUD, compute=azure)
    assert len(found) == 3
    assert all(line.startswith("version 1.0.0 of 'demo' in the gallery 'shop': its ") for line in found)
    azure.kept.clear()
    assert recheck(receipt, cloud=CLOUD, compute=azure) == (f"{PLACE} is gone",)


# Values ----------------------------------------------------------------------------------------------------------------


@given(
    regions=st.sets(st.sampled_from(["westeurope", "eastus2", "uksouth"]), min_size=1),
    replicas=st.integers(1, 100),
    exclude=st.booleans(),
    end=st.dates().map(str) | st.just(""),
)
def test_what_is_asked_for_differs_in_nothing_from_what_is_shown_of_it(
    regions: set[str], replicas: int, exclude: bool, end: str
) -> None:
    asked = Publishing(tuple(regions), replicas, exclude_from_latest=exclude, end_of_life=end)
    assert publishing_differences({"properties": {"publishingProfile": asked.profile()}}, asked) == ()


@pytest.mark.parametrize(
    "shown",
    ["2031-12-31T00:00:00+00:00", "2031-12-31T00:00:00.0000000Z", "2031-12-31T00:00:00", "2031-12-31T02:00:00+02:00"],
)
def test_an_end_of_life_is_the_same_day_however_azure_writes_it(shown: str) -> None:
    there = {"properties": {"publishingProfile": {**GIVEN.profile(), "endOfLifeDate": shown}}}
    assert publishing_differences(there, GIVEN) == ()


def test_a_version_of_which_azure_tells_nothing_of_its_replication_is_told_without_regions() -> None:
    assert str(replication({})) == "replicating"


@pytest.mark.parametrize(
    ("version", "in_recipe", "asked", "wanted"),
    [("1.2.3", "", "", "1.2.3"), ("a", "2.0.0", "", "2.0.0"), ("1.2.3", "2.0.0", "3.0.2147483647", "3.0.2147483647")],
    ids=["the image's", "the recipe's", "asked for"],
)
def test_the_version_is_what_is_asked_for_or_the_recipes_or_the_images(
    version: str, in_recipe: str, asked: str, wanted: str
) -> None:
    assert version_of(recipe(gallery=Gallery(version=in_recipe)), version, asked) == wanted


@pytest.mark.parametrize(
    "version", ["1.0", "1.0.0-rc1", "1.0.2147483648", "v1.0.0", "1.0.0.0", "1.0.\N{ARABIC-INDIC DIGIT ONE}"]
)
def test_a_version_that_a_gallery_does_not_count_in_is_an_error_with_what_to_give(version: str) -> None:
    with pytest.raises(ConfigError, match="is no version for a gallery") as error:
        version_of(recipe(), version)
    assert "--gallery-version" in error.value.fix


@pytest.mark.parametrize(
    ("claims", "security", "generation", "wanted"),
    [
        ((), "as-claimed", "V2", {"IsAcceleratedNetworkSupported": "False", "DiskControllerTypes": "SCSI"}),
        (
            ("trusted-launch", "nvme", "accelerated-networking", "hibernation"),
            "as-claimed",
            "V2",
            {
                "SecurityType": "TrustedLaunchSupported",
                "IsAcceleratedNetworkSupported": "True",
                "DiskControllerTypes": "SCSI, NVMe",
                "IsHibernateSupported": "True",
            },
        ),
        (
            ("trusted-launch",),
            "none",
            "V2",
            {"IsAcceleratedNetworkSupported": "False", "DiskControllerTypes": "SCSI"},
        ),
        (
            ("trusted-launch",),
            "as-claimed",
            "V1",
            {"IsAcceleratedNetworkSupported": "False", "DiskControllerTypes": "SCSI"},
        ),
    ],
    ids=["nothing claimed", "all claimed", "no security", "generation 1"],
)
def test_the_features_are_what_the_recipe_claims(
    claims: tuple[str, ...], security: str, generation: str, wanted: dict[str, str]
) -> None:
    made = recipe(
        certify=Certify(claims=claims), gallery=Gallery(security_type=security), azure=RecipeAzure(generation)
    )
    assert features_of(made) == wanted


def test_the_region_of_the_version_itself_is_always_among_its_regions() -> None:
    made = recipe(gallery=Gallery(regions=("North Europe", "West Europe")))
    assert publishing_of(made, "West Europe").regions == ("westeurope", "northeurope")


@pytest.mark.parametrize(
    "wrong",
    [
        {"azure": Azure(gallery="a-b")},
        {"azure": Azure(resource_group="g.")},
        {"recipe": recipe(gallery=Gallery(definition="-x"))},
    ],
    ids=["gallery", "group", "definition"],
)
def test_a_place_with_a_name_that_azure_refuses_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        version_place(CLOUD, **{"azure": Azure(), "recipe": recipe(), "version": "1.0.0", **wrong})


def test_a_recipes_name_that_is_no_sku_wants_another() -> None:
    with pytest.raises(ConfigError, match="SKU"):
        definition_of(Recipe("x" * 65, Path("x.toml"), "trixie"), location="westeurope")


def test_a_recipe_is_published_under_its_own_name_with_its_blobs_overrides_in_the_tags(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    azure, path = Microsoft(), tmp_path / "demo.blob.json"
    monkeypatch.setattr(Cloud, "compute", lambda self: azure)
    monkeypatch.setattr(tags, "source_commit", lambda folder: "abc")
    monkeypatch.setattr(gallery.publishing, "BlobService", lambda cloud, place: Held(BLOB))
    overridden = dataclasses.replace(BLOB, overrides=[{"rules": ["swap"], "who": "Ada", "why": "it must"}])
    path.write_text(overridden.to_json())
    receipt = gallery.publish_recipe(path, cloud=CLOUD, azure=Azure(gallery="shop"), recipe=recipe(), version="1.0.0")
    assert receipt.place == PLACE
    assert receipt.tags["overridden"] == "swap"
    kept = tmp_path / "demo.gallery.json"
    kept.write_text(receipt.to_json())
    assert gallery.look_again(kept, cloud=CLOUD) == ()


def test_what_decides_a_version_is_json_and_changes_with_every_setting() -> None:
    plain = gallery.facts(recipe(), azure=Azure(), version="1.0.0")
    others = [
        gallery.facts(recipe(), azure=Azure(gallery="other"), version="1.0.0"),
        gallery.facts(recipe(), azure=Azure(), version="1.0.1"),
        gallery.facts(recipe(gallery=Gallery(replicas=2)), azure=Azure(), version="1.0.0"),
        gallery.facts(recipe(certify=Certify(claims=("nvme",))), azure=Azure(), version="1.0.0"),
    ]
    assert all(plain != other for other in others)
    assert gallery.facts(recipe(title="Demo"), azure=Azure(), version="1.0.0") == plain


def test_a_receipt_is_read_as_it_was_written(tmp_path: Path) -> None:
    receipt, path = published(Microsoft()), tmp_path / "demo.gallery.json"
    path.write_text(receipt.to_json())
    assert GalleryReceipt.load(path) == receipt
    for torn in (
        "",
        "{}",
        receipt.to_json()[:99],
        receipt.to_json().replace('"was_there": ', '"was_there": "no", "x": '),
    ):
        path.write_text(torn)
        with pytest.raises(FlightError, match=r"demo\.gallery\.json is no receipt of a version"):
            GalleryReceipt.load(path)
