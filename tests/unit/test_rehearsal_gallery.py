"""Galleries in the rehearsal, without a socket: what the stand-in takes and refuses, and how replicas come to be."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.kit.errors import FlightError
from flight.workflows.rehearsal import request, state
from flight.workflows.rehearsal.compute import Compute, Subscription, merged
from flight.workflows.rehearsal.gallery_feature import FEATURES
from flight.workflows.rehearsal.gallery_version import VERSIONS
from flight.workflows.rehearsal.kinds import KINDS
from flight.workflows.rehearsal.refusal import Refusal
from flight.workflows.rehearsal.regions import REGIONS
from flight.workflows.rehearsal.replication import Replica, plan_replicas, progress, render_status, state_of
from flight.workflows.rehearsal.request import Address, Answer, Request, read_address
from flight.workflows.rehearsal.source import Account, Blob
from flight.workflows.vhd import footer

MIB = 1 << 20
GIB = 1 << 30
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
STORAGE = "http://127.0.0.1:10000/devstoreaccount1"
VHD = f"{STORAGE}/images/disk.vhd"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/flight/providers"
ACCOUNT = f"{GROUP}/Microsoft.Storage/storageAccounts/devstoreaccount1"
COMPUTE = f"{GROUP}/Microsoft.Compute"
IMAGE = f"{COMPUTE}/images/one"
GALLERY = f"{COMPUTE}/galleries/ours"
DEFINITION = f"{GALLERY}/images/debian"
VERSION = f"{DEFINITION}/versions/1.0.0"
NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC).timestamp()
TAKES_S = 10.0


def vhd(size: int = 30 * GIB) -> Blob:
    """The end of a fixed VHD, as flight writes it."""
    return Blob("PageBlob", size + 512, footer(size, made=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), uid=uuid.UUID(int=1)))


def changed(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A body with other values at paths whose dots are written `__`; None takes the member away."""
    whole: dict[str, Any] = json.loads(json.dumps(body))
    for path, value in changes.items():
        *above, last = path.split("__")
        owner = whole
        for word in above:
            owner = owner.setdefault(word, {})
        owner[last] = value
        if value is None:
            del owner[last]
    return whole


DEFINED: dict[str, Any] = {
    "location": "westeurope",
    "properties": {
        "osType": "Linux",
        "osState": "Generalized",
        "hyperVGeneration": "V2",
        "identifier": {"publisher": "flight", "offer": "debian", "sku": "13"},
        "features": [{"name": "SecurityType", "value": "TrustedLaunchSupported"}],
    },
}
VERSIONED: dict[str, Any] = {
    "location": "westeurope",
    "tags": {"digest": "abc"},
    "properties": {
        "storageProfile": {"osDiskImage": {"source": {"uri": VHD, "storageAccountId": ACCOUNT}}},
        "publishingProfile": {"targetRegions": [{"name": "West Europe"}, {"name": "northeurope"}]},
    },
}
OF_IMAGE = {"storageProfile": {"source": {"id": IMAGE}}}
IMAGED: dict[str, Any] = {
    "location": "westeurope",
    "properties": {
        "hyperVGeneration": "V2",
        "storageProfile": {"osDisk": {"osType": "Linux", "osState": "Generalized", "blobUri": VHD}},
    },
}


@dataclass
class Azured:
    """A stand-in on a clock that we turn, before a storage that holds `blobs`."""

    kept_at: Path
    blobs: dict[str, Blob] = field(default_factory=lambda: {"images/disk.vhd": vhd(), "images/other.vhd": vhd()})
    now: float = NOON

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        plays = Subscription(SUBSCRIPTION, ("flight", "second"), Account(STORAGE, "westeurope"))
        look = self.look
        self.compute = Compute(plays, self.kept_at, look=look, takes_s=TAKES_S, clock=lambda: self.now)

    def look(self, container: str, name: str) -> Blob | None:
        return self.blobs.get(f"{container}/{name}")

    def ask(self, method: str, path: str, content: Any = None, **query: str) -> Answer:
        raw = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        whole = {"api-version": "2026-03-03", **{f"${name}": value for name, value in query.items()}}
        return self.compute.answer(Request(method, path, whole, "http://127.0.0.1:1", "Bearer any", raw))

    def done(self, method: str, path: str, content: Any = None) -> Answer:
        """An operation, and the time that it takes at most."""
        begun = self.ask(method, path, content)
        assert begun.status in (200, 201, 202), begun.body
        self.now += 3 * TAKES_S
        return begun

    def get(self, path: str, **query: str) -> Any:
        answer = self.ask("GET", path, **query)
        assert answer.status == 200, answer.body
        return answer.body

    def state_of(self, path: str) -> str:
        return str(self.get(path)["properties"]["provisioningState"])

    def status(self) -> dict[str, tuple[str, int]]:
        """State and progress of the version in each region."""
        shown = self.get(VERSION, expand="ReplicationStatus")["properties"]["replicationStatus"]
        return {one["region"]: (one["state"], one["progress"]) for one in shown["summary"]}

    def poll(self, begun: Answer) -> dict[str, Any]:
        told = self.ask("GET", re.sub(r"^http://[^/]+|\?.*", "", begun.headers["Azure-AsyncOperation"])).body
        assert isinstance(told, dict)
        return told


@pytest.fixture
def azure(tmp_path: Path) -> Azured:
    """With a gallery and a definition in it."""
    made = Azured(tmp_path / "compute.json")
    made.done("PUT", GALLERY, {"location": "westeurope"})
    made.done("PUT", DEFINITION, DEFINED)
    return made


def code_of(answer: Answer) -> tuple[int, str]:
    assert set(answer.body) == {"error"}, answer.body
    return answer.status, str(answer.body["error"]["code"])


@pytest.mark.parametrize(
    ("path", "body"),
    [(f"{COMPUTE}/galleries/more", {"location": "eastus"}), (f"{GALLERY}/images/el", DEFINED), (VERSION, VERSIONED)],
    ids=["gallery", "definition", "version"],
)
def test_a_create_is_told_in_progress_and_then_succeeded(azure: Azured, path: str, body: dict[str, Any]) -> None:
    body = changed(body, properties__identifier__sku="9") if "/el" in path else body
    begun = azure.ask("PUT", path, body)
    assert (begun.status, begun.body["properties"]["provisioningState"]) == (201, "Creating")
    assert "/capsOperations/" in begun.headers["Azure-AsyncOperation"]
    assert azure.poll(begun)["status"] == "InProgress"
    azure.now += 3 * TAKES_S
    assert (azure.poll(begun)["status"], azure.state_of(path)) == ("Succeeded", "Succeeded")


def test_a_gallery_is_shown_with_the_name_that_is_its_own_in_all_azure(azure: Azured) -> None:
    azure.done("PUT", GALLERY, {"location": "West Europe", "properties": {"description": "ours"}, "tags": {"a": "b"}})
    shown = azure.get(GALLERY)
    assert (shown["id"], shown["type"], shown["location"]) == (GALLERY, "Microsoft.Compute/galleries", "westeurope")
    assert shown["properties"]["identifier"] == {"uniqueName": f"{SUBSCRIPTION}-OURS"}
    assert (shown["properties"]["description"], shown["tags"]) == ("ours", {"a": "b"})


def test_a_definition_is_shown_as_azure_spells_it(azure: Azured) -> None:
    body = changed(
        DEFINED,
        properties__osType="linux",
        properties__features=[{"name": "securitytype", "value": "trustedlaunch"}],
        properties__recommended={"vCPUs": {"min": 1, "max": 4}, "memory": {"min": 2}},
        properties__disallowed={"diskTypes": ["Standard_LRS"]},
        properties__endOfLifeDate="2030-01-31",
        properties__identifier__sku="14",
    )
    azure.done("PUT", f"{DEFINITION}-14", body)
    shown = azure.get(f"{DEFINITION}-14")["properties"]
    assert (shown["osType"], shown["architecture"]) == ("Linux", "x64")
    assert shown["features"] == [{"name": "SecurityType", "value": "TrustedLaunch"}]
    assert shown["recommended"] == {"vCPUs": {"min": 1, "max": 4}, "memory": {"min": 2}}
    assert shown["endOfLifeDate"] == "2030-01-31T00:00:00+00:00"
    assert shown["disallowed"] == {"diskTypes": ["Standard_LRS"]}


def test_a_version_is_shown_as_azure_shows_it(azure: Azured) -> None:
    azure.done("PUT", VERSION, VERSIONED)
    shown = azure.get(VERSION)
    assert (shown["id"], shown["type"]) == (VERSION, "Microsoft.Compute/galleries/images/versions")
    assert shown["tags"] == {"digest": "abc"}
    profile = shown["properties"]["publishingProfile"]
    usual = {"regionalReplicaCount": 1, "storageAccountType": "Standard_LRS", "excludeFromLatest": False}
    assert profile["targetRegions"] == [{"name": "West Europe", **usual}, {"name": "North Europe", **usual}]
    assert (profile["replicaCount"], profile["excludeFromLatest"]) == (1, False)
    assert profile["publishedDate"].startswith("2026-11-23T12:01:00")
    disk = shown["properties"]["storageProfile"]["osDiskImage"]
    assert disk == {"sizeInGB": 30, "hostCaching": "None", "source": {"uri": VHD, "storageAccountId": ACCOUNT}}
    assert "replicationStatus" not in shown["properties"]


@pytest.mark.parametrize(
    ("path", "body"),
    [(GALLERY, None), (DEFINITION, None), (VERSION, VERSIONED)],
    ids=["gallery", "definition", "version"],
)
def test_what_is_shown_can_be_put_again_and_changes_nothing(azure: Azured, path: str, body: dict[str, Any]) -> None:
    if body:
        azure.done("PUT", path, body)
    shown = azure.get(path, expand="ReplicationStatus")
    assert azure.done("PUT", path, shown).status == 200
    assert azure.get(path, expand="ReplicationStatus") == shown


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("a-b", "InvalidParameter", id="a dash"),
        pytest.param("_a", "InvalidParameter", id="an underscore first"),
        pytest.param("a.", "InvalidParameter", id="a period last"),
        pytest.param("a" * 81, "InvalidParameter", id="81 characters"),
        pytest.param("ä", "InvalidParameter", id="no English letter"),
    ],
)
def test_a_gallery_has_stricter_names_than_an_image(azure: Azured, name: str, code: str) -> None:
    answer = azure.ask("PUT", f"{COMPUTE}/galleries/{name}", {"location": "westeurope"})
    assert code_of(answer) == (400, code)
    assert "disallowed" in answer.body["error"]["message"]


@pytest.mark.parametrize("name", ["a", "our_gallery.1", "9" * 80])
def test_a_good_name_of_a_gallery_is_taken(azure: Azured, name: str) -> None:
    assert azure.ask("PUT", f"{COMPUTE}/galleries/{name}", {"location": "westeurope"}).status == 201


@pytest.mark.parametrize(
    "name", ["1.0", "1.0.0.0", "v1.0.0", "1.0.x", "1.0.2147483648", "1..0", "-1.0.0", "１.0.0", "latest"]
)
def test_a_name_that_is_no_version_is_refused(azure: Azured, name: str) -> None:
    answer = azure.ask("PUT", f"{DEFINITION}/versions/{name}", VERSIONED)
    assert code_of(answer) == (400, "InvalidParameter")
    assert "Major(int).Minor(int).Patch(int)" in answer.body["error"]["message"]


@given(st.tuples(*[st.integers(0, 2**33)] * 3))
def test_a_version_is_three_numbers_of_32_bits(numbers: tuple[int, ...]) -> None:
    try:
        VERSIONS.check_name(".".join(map(str, numbers)))
        taken = True
    except Refusal:
        taken = False
    assert taken == (max(numbers) < 2**31)


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        pytest.param({"location": None}, "LocationRequired", "location", id="no location"),
        pytest.param({"location": "mars"}, "LocationNotAvailableForResourceType", "westeurope", id="no such region"),
        pytest.param({"identity": {"type": "SystemAssigned"}}, "InvalidParameter", "identity", id="an identity"),
        pytest.param({"proprietor": {}}, "BadRequest", "proprietor", id="a slip"),
        pytest.param({"properties": {"description": 5}}, "InvalidParameter", "description", id="a number for a text"),
        pytest.param(
            {"properties": {"softDeletePolicy": {"isSoftDeleteEnabled": True}}},
            *("InvalidParameter", "isSoftDeleteEnabled"),
            id="soft deletes",
        ),
        pytest.param(
            {"properties": {"softDeletePolicy": {"isSoftDeleteEnabled": "no"}}},
            *("InvalidParameter", "isSoftDeleteEnabled"),
            id="a text for a flag",
        ),
        pytest.param(
            {"properties": {"sharingProfile": {"permissions": "Community"}}},
            *("InvalidParameter", "permissions"),
            id="a community",
        ),
    ],
)
def test_a_gallery_that_azure_refuses_is_refused(azure: Azured, changes: dict[str, Any], code: str, word: str) -> None:
    answer = azure.ask("PUT", f"{COMPUTE}/galleries/more", changed({"location": "westeurope"}, **changes))
    assert code_of(answer) == (400, code)
    assert word in answer.body["error"]["message"]


def test_a_gallery_s_name_is_its_own_in_the_subscription(azure: Azured) -> None:
    other = GALLERY.replace("/flight/", "/second/")
    answer = azure.ask("PUT", other.replace("ours", "OURS"), {"location": "westeurope"})
    assert code_of(answer) == (409, "Conflict")
    assert "not unique" in answer.body["error"]["message"]
    assert azure.ask("PUT", other.replace("ours", "theirs"), {"location": "westeurope"}).status == 201


@pytest.mark.parametrize(
    ("changes", "status", "code", "word"),
    [
        pytest.param({"osType": None}, 400, "InvalidParameter", "galleryImage.properties.osType", id="no OS type"),
        pytest.param({"osState": "Fresh"}, 400, "InvalidParameter", "osState", id="another OS state"),
        pytest.param({"hyperVGeneration": "V3"}, 400, "InvalidParameter", "hyperVGeneration", id="generation 3"),
        pytest.param({"architecture": "mips"}, 400, "InvalidParameter", "architecture", id="another architecture"),
        pytest.param({"identifier": None}, 400, "InvalidParameter", "identifier", id="no identifier"),
        pytest.param({"identifier__offer": None}, 400, "InvalidParameter", "identifier.offer", id="no offer"),
        pytest.param({"identifier__sku": "a b"}, 400, "InvalidParameter", "64 characters", id="a blank"),
        pytest.param({"identifier__sku": "a."}, 400, "InvalidParameter", "end with period", id="a period last"),
        pytest.param({"identifier__sku": "a" * 65}, 400, "InvalidParameter", "64", id="65 characters of a SKU"),
        pytest.param({"identifier__publisher": "a" * 129}, 400, "InvalidParameter", "128", id="129 of a publisher"),
        pytest.param({"endOfLifeDate": "soon"}, 400, "BadRequest", "DateTimeOffset: soon", id="no date"),
        pytest.param({"endOfLifeDate": "2026-13-01"}, 400, "BadRequest", "2026-13-01", id="no such day"),
        pytest.param({"endOfLifeDate": "2026-11-23"}, 400, "InvalidParameter", "future date", id="an end that is past"),
        pytest.param({"features": {}}, 400, "InvalidRequestContent", "a list", id="no list of features"),
        pytest.param({"features": ["x"]}, 400, "InvalidRequestContent", "features[0]", id="a text for a feature"),
        pytest.param(
            {"features": [{"name": "SecurityType", "value": "A"}]},
            *(400, "InvalidParameter", "The value 'A' for feature 'SecurityType'"),
            id="an unknown value of a feature",
        ),
        pytest.param(
            {"features": [{"name": "Speed", "value": "1"}]}, 400, "InvalidParameter", "'Speed'", id="an unknown feature"
        ),
        pytest.param(
            {"features": [{"name": "IsHibernateSupported", "value": "True"}] * 2},
            *(400, "InvalidParameter", "twice"),
            id="a feature twice",
        ),
        pytest.param(
            {"hyperVGeneration": "V1"}, 400, "InvalidParameter", "TrustedLaunchSupported", id="V1 has no UEFI"
        ),
        pytest.param(
            {"recommended": {"memory": {"min": 9, "max": 8}}}, 400, "InvalidParameter", "minimum value", id="9 to 8 GiB"
        ),
        pytest.param({"recommended": {"vCPUs": {"min": 0}}}, 400, "InvalidParameter", "out of range", id="no CPU"),
        pytest.param({"recommended": {"vCPUs": {"min": "1"}}}, 400, "InvalidParameter", "vCPUs.min", id="a text"),
        pytest.param({"disallowed": {"diskTypes": "all"}}, 400, "InvalidParameter", "diskTypes", id="no list of disks"),
        pytest.param({"eola": "x"}, 400, "BadRequest", "properties.eola", id="a slip"),
        pytest.param({}, 409, "Conflict", "(publisher:flight, offer:debian, sku:13)", id="the same identifier"),
    ],
)
def test_a_definition_that_azure_refuses_is_refused(
    azure: Azured, changes: dict[str, Any], status: int, code: str, word: str
) -> None:
    body = changed(DEFINED, **({"properties__identifier__sku": "other"} if changes else {}))
    whole = changed(body, **{f"properties__{path}": value for path, value in changes.items()})
    answer = azure.ask("PUT", f"{GALLERY}/images/el", whole)
    assert code_of(answer) == (status, code), answer.body
    assert word in answer.body["error"]["message"]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in FEATURES.items() for value in values])
def test_each_feature_is_taken_with_each_of_its_values(azure: Azured, name: str, value: str) -> None:
    body = changed(
        DEFINED, properties__features=[{"name": name, "value": value.lower()}], properties__identifier__sku="9"
    )
    azure.done("PUT", f"{GALLERY}/images/el", body)
    assert azure.get(f"{GALLERY}/images/el")["properties"]["features"] == [{"name": name, "value": value}]


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"osType": "Windows"}, "osType"),
        ({"osState": "Specialized"}, "osState"),
        ({"hyperVGeneration": "V1", "features": None}, "hyperVGeneration"),
        ({"architecture": "Arm64"}, "architecture"),
        ({"identifier__publisher": "you"}, "identifier.publisher"),
        ({"identifier__offer": "you"}, "identifier.offer"),
        ({"identifier__sku": "you"}, "identifier.sku"),
        ({"purchasePlan": {"name": "p"}}, "purchasePlan"),
        ({"features": []}, "features"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_definition_is_does_not_change(azure: Azured, changes: dict[str, Any], target: str) -> None:
    body = changed(DEFINED, **{f"properties__{path}": value for path, value in changes.items()})
    answer = azure.ask("PUT", DEFINITION, body)
    assert code_of(answer) == (409, "PropertyChangeNotAllowed")
    assert answer.body["error"]["target"] == f"galleryImage.properties.{target}"
    assert azure.state_of(DEFINITION) == "Succeeded"


def test_the_rest_of_a_definition_may_change(azure: Azured) -> None:
    body = changed(DEFINED, properties__description="new", properties__endOfLifeDate="2027-01-01", tags={"a": "b"})
    assert azure.done("PUT", DEFINITION, body).status == 200
    shown = azure.get(DEFINITION)
    assert (shown["properties"]["description"], shown["tags"]) == ("new", {"a": "b"})
    azure.now = dt.datetime(2028, 1, 1, tzinfo=dt.UTC).timestamp()
    assert azure.ask("PUT", DEFINITION, body).status == 200, "an end that stood there before may be past"


def test_features_change_where_the_request_says_that_it_means_to(azure: Azured) -> None:
    features = [{"name": "DiskControllerTypes", "value": "SCSI, NVMe", "startsAtVersion": "2.0.0"}]
    azure.done("PUT", DEFINITION, changed(DEFINED, properties__features=features, properties__allowUpdateImage=True))
    assert azure.get(DEFINITION)["properties"]["features"] == features


def test_nothing_moves_to_another_region(azure: Azured) -> None:
    azure.done("PUT", VERSION, VERSIONED)
    elsewhere = changed(VERSIONED, location="northeurope")
    for path, body in ((GALLERY, {"location": "northeurope"}), (DEFINITION, changed(DEFINED, location="northeurope"))):
        assert code_of(azure.ask("PUT", path, body)) == (409, "InvalidResourceLocation")
    answer = azure.ask("PUT", VERSION, elsewhere)
    assert "'ours/debian/1.0.0' already exists in location 'westeurope'" in answer.body["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "parent"),
    [
        ("GET", f"{COMPUTE}/galleries/gone/images/x", "gone"),
        ("PUT", f"{COMPUTE}/galleries/gone/images/x", "gone"),
        ("DELETE", f"{COMPUTE}/galleries/gone/images/x", "gone"),
        ("GET", f"{COMPUTE}/galleries/gone/images", "gone"),
        ("PUT", f"{COMPUTE}/galleries/gone/images/x/versions/1.0.0", "gone"),
        ("PUT", f"{GALLERY}/images/x/versions/1.0.0", "ours/x"),
        ("GET", f"{GALLERY}/images/x/versions", "ours/x"),
    ],
)
def test_what_lies_nowhere_has_no_parent(azure: Azured, method: str, path: str, parent: str) -> None:
    answer = azure.ask(method, path, DEFINED)
    assert code_of(answer) == (404, "ParentResourceNotFound")
    assert f"Parent resource '{parent}' not found" in answer.body["error"]["message"]


@pytest.mark.parametrize(
    "path", [f"{COMPUTE}/galleries/gone", f"{GALLERY}/images/gone", f"{DEFINITION}/versions/9.9.9"]
)
def test_what_is_not_there_is_not_found_and_its_path_is_named(azure: Azured, path: str) -> None:
    answer = azure.ask("GET", path)
    assert code_of(answer) == (404, "ResourceNotFound")
    assert f"'Microsoft.Compute{path.removeprefix(COMPUTE)}'" in answer.body["error"]["message"]
    assert azure.ask("DELETE", path).status == 204


def test_nothing_is_put_into_what_comes_or_goes(azure: Azured) -> None:
    new = f"{COMPUTE}/galleries/new"
    azure.ask("PUT", new, {"location": "westeurope"})
    assert code_of(azure.ask("PUT", f"{new}/images/x", DEFINED)) == (409, "Conflict")
    azure.now += TAKES_S
    azure.ask("DELETE", new)
    answer = azure.ask("PUT", f"{new}/images/x", DEFINED)
    assert code_of(answer) == (409, "OperationNotAllowed")
    assert "Gallery 'new'" in answer.body["error"]["message"]


def test_what_holds_something_is_not_deleted_and_what_it_holds_is_named(azure: Azured) -> None:
    azure.done("PUT", VERSION, VERSIONED)
    for path, below in ((GALLERY, DEFINITION), (DEFINITION, VERSION)):
        answer = azure.ask("DELETE", path)
        assert code_of(answer) == (409, "CannotDeleteResource")
        named = re.findall("'(.*?)'", answer.body["error"]["message"])
        assert named == [f"Microsoft.Compute{below.removeprefix(COMPUTE)}"]
    for path in (VERSION, DEFINITION, GALLERY):
        azure.done("DELETE", path)
        assert azure.ask("GET", path).status == 404


def test_a_gallery_whose_name_begins_like_another_s_holds_nothing_of_it(azure: Azured) -> None:
    azure.done("PUT", GALLERY[:-1], {"location": "westeurope"})
    assert azure.get(f"{GALLERY[:-1]}/images") == {"value": []}
    azure.done("DELETE", GALLERY[:-1])
    assert azure.state_of(GALLERY) == "Succeeded"


def test_each_level_is_listed_by_itself(azure: Azured) -> None:
    azure.done("PUT", VERSION, VERSIONED)
    azure.done("PUT", IMAGE, IMAGED)
    everywhere = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/galleries"
    for path in (f"{COMPUTE}/galleries", everywhere):
        assert [one["name"] for one in azure.get(path)["value"]] == ["ours"]
    assert [one["name"] for one in azure.get(f"{GALLERY}/images")["value"]] == ["debian"]
    assert [one["name"] for one in azure.get(f"{DEFINITION}/versions")["value"]] == ["1.0.0"]
    assert [one["name"] for one in azure.get(f"{COMPUTE}/images")["value"]] == ["one"]


def test_names_compare_without_case_on_every_level(azure: Azured) -> None:
    azure.done("PUT", VERSION, VERSIONED)
    assert azure.ask("GET", VERSION.upper().replace(SUBSCRIPTION.upper(), SUBSCRIPTION)).status == 200
    assert azure.ask("PUT", DEFINITION.replace("debian", "DEBIAN"), DEFINED).status == 200


@pytest.mark.parametrize(
    ("changes", "status", "code", "word"),
    [
        pytest.param({"location": "mars"}, 400, "LocationNotAvailableForResourceType", "mars", id="no such region"),
        pytest.param({"properties__storageProfile": None}, 400, "InvalidParameter", "storageProfile", id="no source"),
        pytest.param({"properties__restore": True}, 400, "InvalidParameter", "restore", id="restored"),
        pytest.param(
            {"properties__storageProfile__source": {"id": IMAGE}},
            *(400, "InvalidParameter", "One and only one source"),
            id="two sources",
        ),
        pytest.param(
            {"properties__storageProfile": {"osDiskImage": {"hostCaching": "None"}}},
            *(400, "InvalidParameter", "One and only one source"),
            id="a disk from nothing",
        ),
        pytest.param(
            {"properties__storageProfile__dataDiskImages": [{"lun": 0}]},
            *(400, "InvalidParameter", "dataDiskImages"),
            id="data disks",
        ),
    ],
)
def test_a_version_that_azure_refuses_is_refused(
    azure: Azured, changes: dict[str, Any], status: int, code: str, word: str
) -> None:
    answer = azure.ask("PUT", VERSION, changed(VERSIONED, **changes))
    assert code_of(answer) == (status, code), answer.body
    assert word in answer.body["error"]["message"]
    assert azure.ask("GET", VERSION).status == 404


@pytest.mark.parametrize(
    ("source", "status", "code", "word"),
    [
        pytest.param({"storageAccountId": None}, 400, "InvalidParameter", "source.storageAccountId", id="no account"),
        pytest.param({"uri": None}, 400, "InvalidParameter", "source.uri", id="no URI"),
        pytest.param({"storageAccountId": "devstoreaccount1"}, 400, "LinkedInvalidPropertyId", "fully", id="no id"),
        pytest.param({"storageAccountId": f"{ACCOUNT}x"}, 404, "NotFound", "not found", id="another account"),
        pytest.param({"uri": f"{STORAGE}/images/gone.vhd"}, 400, "ImageBlobNotFound", "gone.vhd", id="no such blob"),
        pytest.param({"uri": f"{STORAGE}/images/disk.img"}, 400, "InvalidParameter", ".vhd", id="not .vhd"),
        pytest.param({"uri": f"{STORAGE}/images/block.vhd"}, 400, "IncorrectImageBlobType", "page", id="a block blob"),
        pytest.param({"uri": VHD.replace("devstore", "other")}, 400, "StorageAccountNotFound", "other", id="elsewhere"),
        pytest.param({"id": ACCOUNT}, 400, "InvalidParameter", "managed disk or snapshot", id="the account as a disk"),
        pytest.param({"id": f"{COMPUTE}/disks/d"}, 404, "NotFound", "disks/d", id="a disk that is not"),
    ],
)
def test_a_blob_that_azure_would_not_find_is_refused(
    azure: Azured, source: dict[str, str | None], status: int, code: str, word: str
) -> None:
    azure.blobs["images/block.vhd"] = Blob("BlockBlob", 100)
    whole = {f"properties__storageProfile__osDiskImage__source__{name}": value for name, value in source.items()}
    answer = azure.ask("PUT", VERSION, changed(VERSIONED, **whole))
    assert code_of(answer) == (status, code), answer.body
    assert word in answer.body["error"]["message"]


def test_a_blob_lies_in_the_version_s_own_region(azure: Azured) -> None:
    body = changed(VERSIONED, location="northeurope")
    answer = azure.ask("PUT", VERSION, body)
    assert code_of(answer) == (404, "NotFound")
    assert "in the same region" in answer.body["error"]["message"]


@pytest.mark.parametrize(
    ("changes", "definition", "status", "code", "word"),
    [
        pytest.param({"source__id": "one"}, {}, 400, "LinkedInvalidPropertyId", "fully", id="no id"),
        pytest.param({"source__id": f"{IMAGE}x"}, {}, 404, "NotFound", "not found", id="no such image"),
        pytest.param({"source__id": ACCOUNT}, {}, 400, "InvalidParameter", "managed image", id="not of that kind"),
        pytest.param({"source": {"virtualMachineId": "/x"}}, {}, 404, "NotFound", "/x", id="a machine"),
        pytest.param({}, {"hyperVGeneration": "V1"}, 400, "InvalidParameter", "['V2'] than", id="generations"),
        pytest.param({}, {"osType": "Windows"}, 400, "InvalidParameter", "different OS type", id="OS types"),
        pytest.param({}, {"osState": "Specialized"}, 400, "InvalidParameter", "OS State", id="OS states"),
    ],
)
def test_an_image_that_does_not_fit_is_refused(
    azure: Azured, changes: dict[str, Any], definition: dict[str, str], status: int, code: str, word: str
) -> None:
    azure.done("PUT", IMAGE, IMAGED)
    other = {f"properties__{name}": value for name, value in definition.items()}
    body = changed(DEFINED, properties__identifier__sku="9", properties__features=None, **other)
    azure.done("PUT", f"{DEFINITION}-9", body)
    profile = changed(OF_IMAGE, **{f"storageProfile__{path}": value for path, value in changes.items()})
    answer = azure.ask("PUT", f"{DEFINITION}-9/versions/1.0.0", {"location": "westeurope", "properties": profile})
    assert code_of(answer) == (status, code), answer.body
    assert word in answer.body["error"]["message"]


def test_a_version_is_made_of_a_managed_image_of_its_region(azure: Azured) -> None:
    azure.done("PUT", IMAGE, IMAGED)
    azure.done("PUT", VERSION, {"location": "westeurope", "properties": OF_IMAGE})
    profile = azure.get(VERSION)["properties"]["storageProfile"]
    assert profile == {"source": {"id": IMAGE}, "osDiskImage": {"sizeInGB": 30, "hostCaching": "None"}}
    body = {"location": "northeurope", "properties": OF_IMAGE}
    assert code_of(azure.ask("PUT", f"{DEFINITION}/versions/2.0.0", body)) == (404, "NotFound")


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        pytest.param({"targetRegions": [{"name": "mars"}]}, "LocationNotAvailableForResourceType", "mars", id="mars"),
        pytest.param({"targetRegions": [{}]}, "InvalidParameter", "targetRegions.name", id="no name"),
        pytest.param(
            {"targetRegions": [{"name": "westeurope"}, {"name": "West Europe"}]},
            *("InvalidParameter", "Duplicate regions"),
            id="a region twice",
        ),
        pytest.param(
            {"targetRegions": [{"name": "northeurope"}]},
            *("InvalidParameter", "regions 'northeurope' must contain the location of image version 'westeurope'"),
            id="not at home",
        ),
        pytest.param(
            {"targetRegions": [{"name": "westeurope", "regionalReplicaCount": 0}]},
            *("InvalidParameter", "between '1' and '100'"),
            id="no replica",
        ),
        pytest.param({"replicaCount": 101}, "InvalidParameter", "The value 101", id="101 replicas"),
        pytest.param(
            {"replicaCount": 2, "replicationMode": "Shallow"}, "InvalidParameter", "'1' and '1'", id="shallow and twice"
        ),
        pytest.param({"replicationMode": "Deep"}, "InvalidParameter", "replicationMode", id="another mode"),
        pytest.param({"storageAccountType": "StandardSSD_LRS"}, "InvalidParameter", "storageAccountType", id="an SSD"),
        pytest.param({"excludeFromLatest": "yes"}, "InvalidParameter", "excludeFromLatest", id="a text for a flag"),
        pytest.param({"endOfLifeDate": "2020-01-01"}, "InvalidParameter", "future", id="an end that is past"),
        pytest.param({"endOfLifeDate": 5}, "BadRequest", "publishingProfile.endOfLifeDate", id="a number for a date"),
        pytest.param({"targetExtendedLocations": [{}]}, "InvalidParameter", "targetExtended", id="an edge zone"),
        pytest.param(
            {"targetRegions": [{"name": "westeurope", "encryption": {"osDiskImage": {}}}]},
            *("InvalidParameter", "encryption"),
            id="a key of one's own",
        ),
    ],
)
def test_a_publishing_profile_that_azure_refuses_is_refused(
    azure: Azured, changes: dict[str, Any], code: str, word: str
) -> None:
    answer = azure.ask("PUT", VERSION, changed(VERSIONED, properties__publishingProfile=changes))
    assert code_of(answer) == (400, code), answer.body
    assert word in answer.body["error"]["message"]


def test_without_regions_a_version_is_in_its_own_as_often_as_it_says(azure: Azured) -> None:
    azure.done("PUT", VERSION, changed(VERSIONED, properties__publishingProfile={"replicaCount": 3}))
    regions = azure.get(VERSION)["properties"]["publishingProfile"]["targetRegions"]
    assert [(one["name"], one["regionalReplicaCount"]) for one in regions] == [("West Europe", 3)]


def test_a_bad_footer_fails_the_version_in_every_region_at_the_end(azure: Azured) -> None:
    azure.blobs["images/disk.vhd"] = Blob("PageBlob", 30 * GIB + 512, bytes(512))
    begun = azure.ask("PUT", VERSION, VERSIONED)
    assert begun.status == 201
    assert azure.status()["West Europe"] == ("Replicating", 0)
    azure.now += 3 * TAKES_S
    told = azure.poll(begun)
    assert (told["status"], told["error"]["code"], azure.state_of(VERSION)) == ("Failed", "InvalidVhd", "Failed")
    assert set(azure.status().values()) == {("Failed", 0)}
    shown = azure.get(VERSION, expand="ReplicationStatus")["properties"]["replicationStatus"]
    assert shown["aggregatedState"] == "Failed"
    assert "conectix" in shown["summary"][0]["details"]
    azure.blobs["images/disk.vhd"] = vhd()
    azure.done("PUT", VERSION, VERSIONED)
    assert azure.state_of(VERSION) == "Succeeded"
    assert set(azure.status().values()) == {("Completed", 100)}


def test_a_version_comes_to_its_own_region_first_and_then_to_the_others(azure: Azured) -> None:
    begun = azure.ask("PUT", VERSION, VERSIONED)
    assert azure.status() == {"West Europe": ("Replicating", 0), "North Europe": ("Unknown", 0)}
    azure.now += TAKES_S / 2
    assert azure.status() == {"West Europe": ("Replicating", 50), "North Europe": ("Unknown", 0)}
    azure.now += TAKES_S
    assert azure.status() == {"West Europe": ("Completed", 100), "North Europe": ("Replicating", 50)}
    assert (azure.poll(begun)["status"], azure.state_of(VERSION)) == ("InProgress", "Creating")
    azure.now += TAKES_S / 2
    assert azure.status() == {"West Europe": ("Completed", 100), "North Europe": ("Completed", 100)}
    assert (azure.poll(begun)["status"], azure.state_of(VERSION)) == ("Succeeded", "Succeeded")


def test_a_version_in_the_making_is_neither_made_again_nor_deleted(azure: Azured) -> None:
    azure.ask("PUT", VERSION, VERSIONED)
    assert code_of(azure.ask("PUT", VERSION, VERSIONED)) == (409, "Conflict")
    assert code_of(azure.ask("DELETE", VERSION)) == (409, "Conflict")
    azure.now += 3 * TAKES_S
    azure.ask("DELETE", VERSION)
    assert code_of(azure.ask("PUT", VERSION, VERSIONED)) == (409, "OperationNotAllowed")


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        pytest.param(
            {"storageProfile__osDiskImage__source__uri": f"{STORAGE}/images/other.vhd"},
            "storageProfile.osDiskImage.source.uri",
            id="another blob",
        ),
        pytest.param(
            {"storageProfile__osDiskImage__source__storageAccountId": f"{ACCOUNT}x"},
            "storageProfile.osDiskImage.source.storageAccountId",
            id="another account",
        ),
        pytest.param({"storageProfile": OF_IMAGE["storageProfile"]}, "storageProfile.source.id", id="an image"),
        pytest.param(
            {"publishingProfile__storageAccountType": "Premium_LRS"},
            "publishingProfile.storageAccountType",
            id="another storage",
        ),
        pytest.param({"publishingProfile__replicationMode": "Shallow"}, "publishingProfile.replicationMode", id="mode"),
        pytest.param(
            {"publishingProfile__targetRegions": [{"name": "westeurope", "storageAccountType": "Premium_LRS"}]},
            "publishingProfile.targetRegions.storageAccountType",
            id="another storage in one region",
        ),
    ],
)
def test_what_a_version_was_made_of_does_not_change(azure: Azured, changes: dict[str, Any], target: str) -> None:
    azure.done("PUT", VERSION, VERSIONED)
    body = changed(VERSIONED, **{f"properties__{path}": value for path, value in changes.items()})
    answer = azure.ask("PUT", VERSION, body)
    assert code_of(answer) == (409, "PropertyChangeNotAllowed")
    assert answer.body["error"]["target"] == f"galleryImageVersion.properties.{target}"


def test_where_a_version_is_and_until_when_may_change(azure: Azured) -> None:
    azure.done("PUT", VERSION, VERSIONED)
    azure.blobs.clear()
    profile = {
        "targetRegions": [
            {"name": "westeurope", "regionalReplicaCount": 2},
            {"name": "eastus", "excludeFromLatest": True},
        ],
        "excludeFromLatest": True,
        "endOfLifeDate": "2027-06-01T12:00:00+02:00",
    }
    begun = azure.ask("PUT", VERSION, changed(VERSIONED, properties__publishingProfile=profile))
    assert (begun.status, azure.state_of(VERSION)) == (200, "Updating")
    assert azure.status() == {"West Europe": ("Replicating", 0), "East US": ("Unknown", 0)}
    azure.now += 3 * TAKES_S
    shown = azure.get(VERSION)["properties"]
    assert shown["publishingProfile"]["endOfLifeDate"] == "2027-06-01T10:00:00+00:00"
    assert [one["excludeFromLatest"] for one in shown["publishingProfile"]["targetRegions"]] == [False, True]
    assert (shown["provisioningState"], shown["publishingProfile"]["excludeFromLatest"]) == ("Succeeded", True)
    assert shown["storageProfile"]["osDiskImage"]["sizeInGB"] == 30


def test_a_region_goes_only_where_the_version_lets_it(azure: Azured) -> None:
    azure.done("PUT", VERSION, VERSIONED)
    fewer = changed(VERSIONED, properties__publishingProfile={"targetRegions": [{"name": "westeurope"}]})
    kept = changed(fewer, properties__safetyProfile={"allowDeletionOfReplicatedLocations": False})
    answer = azure.ask("PUT", VERSION, kept)
    assert code_of(answer) == (409, "OperationNotAllowed")
    assert "North Europe" in answer.body["error"]["message"]
    azure.done("PUT", VERSION, fewer)
    assert set(azure.status()) == {"West Europe"}


def test_a_version_that_is_kept_until_its_end_is_not_deleted_before(azure: Azured) -> None:
    safety = {"blockDeletionBeforeEndOfLife": True}
    body = changed(
        VERSIONED, properties__safetyProfile=safety, properties__publishingProfile__endOfLifeDate="2027-01-01"
    )
    azure.done("PUT", VERSION, body)
    assert code_of(azure.ask("DELETE", VERSION)) == (409, "DeleteGalleryImageVersionBlockedBeforeEndOfLife")
    azure.now = dt.datetime(2027, 1, 2, tzinfo=dt.UTC).timestamp()
    assert azure.ask("DELETE", VERSION).status == 202


def test_a_patch_changes_what_it_names_and_nothing_else(azure: Azured) -> None:
    azure.done("PUT", VERSION, VERSIONED)
    before = azure.get(VERSION)
    begun = azure.done("PATCH", VERSION, {"properties": {"publishingProfile": {"excludeFromLatest": True}}})
    assert begun.status == 200
    after = azure.get(VERSION)
    assert after["properties"]["publishingProfile"].pop("excludeFromLatest") is True
    assert before["properties"]["publishingProfile"].pop("excludeFromLatest") is False
    assert after == before
    assert code_of(azure.ask("PATCH", f"{DEFINITION}/versions/9.9.9", {})) == (404, "ResourceNotFound")
    for content in (b"{", []):
        assert code_of(azure.ask("PATCH", VERSION, content)) == (400, "InvalidRequestContent")


def test_merging_follows_the_examples_of_its_rfc() -> None:
    shown = {"title": "Goodbye!", "author": {"givenName": "John", "familyName": "Doe"}, "tags": ["a", "b"]}
    changes = {"title": "Hello!", "phoneNumber": "1", "author": {"familyName": None}, "tags": ["a"]}
    wanted = {"title": "Hello!", "author": {"givenName": "John"}, "tags": ["a"], "phoneNumber": "1"}
    assert merged(shown, changes) == wanted


@pytest.mark.parametrize("path", [GALLERY, DEFINITION, VERSION, f"{DEFINITION}/versions"])
def test_a_verb_that_galleries_do_not_know_is_refused(azure: Azured, path: str) -> None:
    assert code_of(azure.ask("POST", path)) == (405, "MethodNotAllowed")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/galleries/ours", "InvalidResourceType"),
        (f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/galleries//images", "InvalidResourceType"),
        (f"{GALLERY}/applications", "InvalidResourceType"),
        (f"{COMPUTE}/galleries//images/x", "InvalidParameter"),
        (f"{COMPUTE}/galleries/ours%2Fimages%2Fdebian", "InvalidParameter"),
        (f"{COMPUTE}/locations/westeurope/operations/x", "InvalidResourceType"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(azure: Azured, path: str, code: str) -> None:
    assert code_of(azure.ask("GET", path))[1] == code


def test_an_address_names_each_level(azure: Azured) -> None:
    found = read_address(VERSION, api_version="2026-03-03")
    kind = "galleries/images/versions"
    assert found == Address(SUBSCRIPTION, kind, "flight", "1.0.0", ("ours", "debian"))
    whole = read_address(f"{DEFINITION}/versions", api_version="2026-03-03")
    assert whole == Address(SUBSCRIPTION, kind, "flight", "", ("ours", "debian"))


def test_a_restart_in_the_middle_of_a_replication_loses_nothing(azure: Azured) -> None:
    azure.done("PUT", IMAGE, IMAGED)
    begun = azure.ask("PUT", VERSION, VERSIONED)
    azure.now += TAKES_S * 1.5
    before = azure.status()
    azure.restart()
    assert (azure.status(), azure.poll(begun)["status"]) == (before, "InProgress")
    azure.now += TAKES_S / 2
    azure.restart()
    assert (azure.state_of(VERSION), azure.poll(begun)["status"]) == ("Succeeded", "Succeeded")
    assert azure.state_of(IMAGE) == "Succeeded"


def test_everything_that_is_kept_comes_back_as_it_was(azure: Azured) -> None:
    azure.done("PUT", IMAGE, IMAGED)
    azure.done("PUT", VERSION, VERSIONED)
    kept = state.load(azure.kept_at)
    assert {one.kind for one in kept.resources.values()} == set(KINDS)
    again = azure.kept_at.with_name("again.json")
    state.save(kept, again)
    assert state.load(again) == kept


def test_a_state_from_before_there_were_galleries_is_read(azure: Azured, tmp_path: Path) -> None:
    begun = azure.ask("PUT", IMAGE, IMAGED)
    kept = state.load(azure.kept_at)
    (image,) = [asdict(one) for one in kept.resources.values() if one.kind == "images"]
    (operation,) = [asdict(one) for one in kept.operations.values() if not one.is_done]
    del operation["about"]
    old = {"images": [image], "operations": [{**operation, "image": "flight/one"}]}
    azure.kept_at.write_text(json.dumps(old))
    azure.restart()
    assert (azure.poll(begun)["status"], azure.state_of(IMAGE)) == ("InProgress", "Creating")
    azure.now += TAKES_S
    assert (azure.poll(begun)["status"], azure.state_of(IMAGE)) == ("Succeeded", "Succeeded")


@pytest.mark.parametrize(
    "torn",
    [
        {"galleries": [{}]},
        {"galleries": {"a": 1}},
        {"galleries/images/versions": [{"name": "1.0.0"}]},
        {"operations": [{"image": "flight"}]},
        {"operations": [{"image": 5}]},
    ],
)
def test_a_state_that_somebody_edited_is_an_error_that_names_the_file(tmp_path: Path, torn: dict[str, Any]) -> None:
    path = tmp_path / "compute.json"
    path.write_text(json.dumps({"images": [], "operations": [], **torn}))
    with pytest.raises(FlightError, match="is not the state"):
        state.load(path)


def test_a_version_whose_parts_somebody_edited_is_not_believed(azure: Azured) -> None:
    azure.done("PUT", VERSION, VERSIONED)
    kept = json.loads(azure.kept_at.read_text())
    for part, value in (("source", "x"), ("source", [{}]), ("replicas", {"region": "x"}), ("replicas", [1])):
        broken = json.loads(json.dumps(kept))
        broken["galleries/images/versions"][0][part] = value
        azure.kept_at.write_text(json.dumps(broken))
        with pytest.raises(FlightError, match="is not the state"):
            state.load(azure.kept_at)


REPLICAS = st.lists(
    st.builds(Replica, st.sampled_from(["westeurope", "eastus", "uksouth", "koreasouth"]), st.integers(1, 3)),
    unique_by=lambda one: one.region,
).map(lambda those: (Replica("northeurope"), *those))


@given(REPLICAS, st.floats(0, 1e6), st.floats(0.1, 1e4))
def test_progress_never_goes_back_and_ends_with_the_state(
    wanted: tuple[Replica, ...], now: float, takes_s: float
) -> None:
    planned = plan_replicas(wanted, home="northeurope", now=now, takes_s=takes_s)
    assert planned[0].due == min(one.due for one in planned)
    for one in planned:
        seen = [progress(one, now + takes_s * step / 8) for step in range(25)]
        assert seen == sorted(seen)
        assert (seen[0], seen[-1]) == (0, 100)
        for step, shown in enumerate(seen):
            assert (shown == 100) == (state_of(one, now + takes_s * step / 8) == "Completed")


@given(REPLICAS, REPLICAS, st.floats(0, 3))
def test_a_replica_that_is_there_stays_and_a_new_one_begins_where_its_source_is(
    old: tuple[Replica, ...], new: tuple[Replica, ...], later: float
) -> None:
    there = plan_replicas(old, home="northeurope", now=100, takes_s=1)
    planned = plan_replicas(new, there=there, home="northeurope", now=100 + later, takes_s=1)
    before = {(one.region, one.count): one for one in there}
    assert [one.region for one in planned] == [one.region for one in new]
    for one in planned:
        if same := before.get((one.region, one.count)):
            assert (one.begun, one.due) == (same.begun, same.due)
        else:
            assert one.begun >= max(100 + later, planned[0].due)


def test_all_together_is_completed_only_where_every_region_is() -> None:
    replicas = plan_replicas((Replica("eastus"), Replica("westus")), home="eastus", now=0, takes_s=10)
    seen = [render_status(replicas, now)["aggregatedState"] for now in (0, 9, 10, 19, 20)]
    assert seen == ["InProgress"] * 4 + ["Completed"]


def test_a_region_has_one_name_and_one_face() -> None:
    assert REGIONS["westeurope"] == "West Europe"
    assert len(set(REGIONS.values())) == len(REGIONS) > 60


def test_a_stand_in_that_an_older_flight_started_is_not_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = request.role_of(["--port", "1"])
    monkeypatch.setattr(request, "EDITION", "images")
    assert request.role_of(["--port", "1"]) != ours
