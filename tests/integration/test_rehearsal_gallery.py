"""Galleries and the storage account as they run: the unmodified Azure SDK against the stand-in, and real blobs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import signal
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.core import ARMPipelineClient
from azure.storage.blob import BlobServiceClient
from home import free_ports

from flight.workflows.cloud.endpoint import REHEARSAL_ACCOUNT, REHEARSAL_KEY, AnyToken
from flight.workflows.kit.server import Server
from flight.workflows.rehearsal import control, servers
from flight.workflows.settings import Azure, Rehearsal

MIB = 1 << 20
KEY = {"account_name": REHEARSAL_ACCOUNT, "account_key": REHEARSAL_KEY}
CALMLY = {"enforce_https": False}
DEFINED: dict[str, Any] = {
    "location": "westeurope",
    "properties": {
        "osType": "Linux",
        "osState": "Generalized",
        "hyperVGeneration": "V2",
        "architecture": "x64",
        "identifier": {"publisher": "flight", "offer": "debian", "sku": "13"},
        "features": [{"name": "SecurityType", "value": "TrustedLaunchSupported"}],
    },
}


def vhd_footer(size: int, *, kind: int = 2) -> bytes:
    fields = struct.pack(">8sIIQI4sI4sQQ", b"conectix", 2, 0x10000, 2**64 - 1, 0, b"qem2", 0x50003, b"Wi2k", size, size)
    raw = bytearray(fields + struct.pack(">III", 0, kind, 0)).ljust(512, b"\0")
    raw[64:68] = struct.pack(">I", ~sum(raw) & 0xFFFFFFFF)
    return bytes(raw)


@dataclasses.dataclass(frozen=True)
class Place:
    """A rehearsal that runs, and the SDK's clients for it."""

    manager: str
    storage: str
    azure: Azure
    log: Path

    @property
    def account(self) -> str:
        group = f"/subscriptions/{self.azure.subscription}/resourceGroups/{self.azure.resource_group}"
        return f"{group}/providers/Microsoft.Storage/storageAccounts/{REHEARSAL_ACCOUNT}"

    def compute(self) -> ComputeManagementClient:
        return ComputeManagementClient(
            AnyToken(), self.azure.subscription, base_url=self.manager, credential_scopes=["x/.default"]
        )

    def put_vhd(self, name: str, *, kind: int = 2, size: int = 4 * MIB) -> str:
        container = BlobServiceClient(self.storage, credential=KEY).get_container_client("galleries")
        if not container.exists():
            container.create_container()
        with container.get_blob_client(name) as blob:
            blob.create_page_blob(size + 512)
            blob.upload_page(vhd_footer(size, kind=kind), offset=size, length=512)
            return str(blob.url)

    def define(self, gallery: str) -> None:
        """A gallery of that name with the definition `debian`."""
        client = self.compute()
        client.galleries.begin_create_or_update("flight", gallery, {"location": "westeurope"}, **CALMLY).result()
        client.gallery_images.begin_create_or_update("flight", gallery, "debian", DEFINED, **CALMLY).result()

    def publish(self, gallery: str, version: str, url: str, **profile: Any) -> Any:
        """The SDK's poller for a version made from a blob."""
        source = {"uri": url, "storageAccountId": self.account}
        properties = {"storageProfile": {"osDiskImage": {"source": source}}, "publishingProfile": profile}
        body = {"location": "westeurope", "tags": {"digest": "abc"}, "properties": properties}
        versions = self.compute().gallery_image_versions
        return versions.begin_create_or_update("flight", gallery, "debian", version, body, **CALMLY)

    def version(self, gallery: str, version: str) -> Any:
        versions = self.compute().gallery_image_versions
        return versions.get("flight", gallery, "debian", version, expand="ReplicationStatus", **CALMLY)

    def ask(self, method: str, path: str, *, token: str = "Bearer hush-hush") -> dict[str, Any]:
        url = f"{self.manager}{path}?api-version=2024-01-01"
        asked = urllib.request.Request(url, method=method, headers={"Authorization": token})
        with urllib.request.urlopen(asked) as answer:
            found = json.load(answer)
            assert isinstance(found, dict)
            return found


@pytest.fixture
def shared(rehearsal: Any) -> Place:
    """The rehearsal that all tests of a session share."""
    ports = rehearsal.settings.rehearsal
    return Place(
        f"http://127.0.0.1:{ports.compute_port}",
        f"http://127.0.0.1:{ports.blob_port}/{REHEARSAL_ACCOUNT}",
        rehearsal.settings.azure,
        rehearsal.servers[1].log,
    )


def stand_in(work: Path, *more: str, takes_s: float = 0.2) -> tuple[Server, Place]:
    """A stand-in without a storage, with further options."""
    blob_port, compute_port = free_ports(2)
    ports, azure = Rehearsal(blob_port=blob_port, compute_port=compute_port), Azure()
    _, usual = servers(work=work, rehearsal=ports, azure=azure, node="node", takes_s=takes_s)
    arguments = [*map(str, usual.argv[3:]), *more]
    server = dataclasses.replace(
        usual, argv=[*usual.argv[:3], *arguments], answers=lambda: control.plays(compute_port, arguments)
    )
    storage = f"http://127.0.0.1:{blob_port}/{REHEARSAL_ACCOUNT}"
    return server, Place(f"http://127.0.0.1:{compute_port}", storage, azure, server.log)


@pytest.fixture
def keyless(tmp_path: Path) -> Iterator[Place]:
    """A stand-in whose account takes no shared keys."""
    server, place = stand_in(tmp_path, "--no-shared-keys")
    server.start()
    try:
        yield place
    finally:
        server.stop()


def refused(doing: Callable[[], Any]) -> tuple[int | None, str]:
    """Status and code with which Azure refuses."""
    with pytest.raises(HttpResponseError) as caught:
        doing()
    assert caught.value.error is not None
    return caught.value.status_code, str(caught.value.error.code)


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_sdk_makes_reads_lists_and_deletes_all_three(shared: Place) -> None:
    client = shared.compute()
    shared.define("whole")
    poller = shared.publish("whole", "1.0.0", shared.put_vhd("whole.vhd"), targetRegions=[{"name": "westeurope"}])
    assert poller.status() == "InProgress"
    made = poller.result()
    assert (made.provisioning_state, made.tags) == ("Succeeded", {"digest": "abc"})
    assert made.storage_profile.os_disk_image.source.storage_account_id == shared.account
    assert made.publishing_profile.published_date.tzinfo is not None
    gallery = client.galleries.get("flight", "whole", **CALMLY)
    assert gallery.identifier.unique_name == f"{shared.azure.subscription}-WHOLE"
    definition = client.gallery_images.get("flight", "whole", "debian", **CALMLY)
    assert (definition.hyper_v_generation, definition.features[0].value) == ("V2", "TrustedLaunchSupported")
    for listed, name in (
        (client.galleries.list(**CALMLY), "whole"),
        (client.galleries.list_by_resource_group("flight", **CALMLY), "whole"),
        (client.gallery_images.list_by_gallery("flight", "whole", **CALMLY), "debian"),
        (client.gallery_image_versions.list_by_gallery_image("flight", "whole", "debian", **CALMLY), "1.0.0"),
    ):
        assert name in [one.name for one in listed]
    nested = refused(lambda: client.galleries.begin_delete("flight", "whole", **CALMLY))
    assert nested == (409, "CannotDeleteResource")
    client.gallery_image_versions.begin_delete("flight", "whole", "debian", "1.0.0", **CALMLY).result()
    client.gallery_images.begin_delete("flight", "whole", "debian", **CALMLY).result()
    client.galleries.begin_delete("flight", "whole", **CALMLY).result()
    assert refused(lambda: client.galleries.get("flight", "whole", **CALMLY)) == (404, "ResourceNotFound")
    assert refused(lambda: shared.version("whole", "1.0.0")) == (404, "ParentResourceNotFound")


def test_the_sdk_sees_a_version_come_to_its_regions(shared: Place) -> None:
    shared.define("regions")
    url = shared.put_vhd("regions.vhd")
    regions = [{"name": "West Europe", "regionalReplicaCount": 2}, {"name": "northeurope"}]
    poller = shared.publish("regions", "1.0.0", url, targetRegions=regions)
    seen: list[int] = []
    while not poller.done():
        seen.append(sum(one.progress for one in shared.version("regions", "1.0.0").replication_status.summary))
        time.sleep(0.05)
    assert seen == sorted(seen)
    done = shared.version("regions", "1.0.0")
    assert done.replication_status.aggregated_state == "Completed"
    assert [(one.region, one.state, one.progress) for one in done.replication_status.summary] == [
        ("West Europe", "Completed", 100),
        ("North Europe", "Completed", 100),
    ]
    assert [one.regional_replica_count for one in done.publishing_profile.target_regions] == [2, 1]


def test_the_sdk_changes_where_a_version_is_but_not_what_it_is_made_of(shared: Place) -> None:
    shared.define("changes")
    url = shared.put_vhd("changes.vhd")
    shared.publish("changes", "1.0.0", url).result()
    shared.publish(
        "changes",
        "1.0.0",
        url,
        targetRegions=[{"name": "westeurope"}, {"name": "eastus"}],
        excludeFromLatest=True,
        endOfLifeDate="2099-01-01T00:00:00Z",
    ).result()
    profile = shared.version("changes", "1.0.0").publishing_profile
    assert [one.name for one in profile.target_regions] == ["West Europe", "East US"]
    assert (profile.exclude_from_latest, profile.end_of_life_date) == (True, dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
    other = shared.put_vhd("other.vhd")
    assert refused(lambda: shared.publish("changes", "1.0.0", other)) == (409, "PropertyChangeNotAllowed")
    versions = shared.compute().gallery_image_versions
    update = {"properties": {"publishingProfile": {"excludeFromLatest": False}}}
    made = versions.begin_update("flight", "changes", "debian", "1.0.0", update, **CALMLY).result()
    assert made.publishing_profile.exclude_from_latest is False


def test_the_sdk_raises_what_azure_refuses_at_the_end(shared: Place) -> None:
    shared.define("broken")
    url = shared.put_vhd("broken.vhd", kind=3)
    assert refused(lambda: shared.publish("broken", "1.0.0", url).result()) == (200, "InvalidVhd")
    failed = shared.version("broken", "1.0.0")
    assert (failed.provisioning_state, failed.replication_status.aggregated_state) == ("Failed", "Failed")
    assert "Dynamic" in failed.replication_status.summary[0].details


@pytest.mark.parametrize(
    ("version", "blob", "profile", "said"),
    [
        pytest.param("1.0", "good.vhd", {}, (400, "InvalidParameter"), id="two numbers"),
        pytest.param("1.0.0", "gone.vhd", {}, (400, "ImageBlobNotFound"), id="no such blob"),
        pytest.param("1.0.0", "block.vhd", {}, (400, "IncorrectImageBlobType"), id="not a page blob"),
        pytest.param(
            "1.0.0", "good.vhd", {"targetRegions": [{"name": "eastus"}]}, (400, "InvalidParameter"), id="not at home"
        ),
    ],
)
def test_the_sdk_raises_what_azure_refuses_at_once(
    shared: Place, version: str, blob: str, profile: dict[str, Any], said: tuple[int, str]
) -> None:
    shared.define("refused")
    url = shared.put_vhd("good.vhd").replace("good.vhd", blob)
    container = BlobServiceClient(shared.storage, credential=KEY).get_container_client("galleries")
    container.get_blob_client("block.vhd").upload_blob(b"x" * 1024, overwrite=True)
    assert refused(lambda: shared.publish("refused", version, url, **profile)) == said


def test_a_version_is_made_of_a_managed_image_by_the_sdk(shared: Place) -> None:
    shared.define("images")
    disk = {"osType": "Linux", "osState": "Generalized", "blobUri": shared.put_vhd("image.vhd")}
    properties = {"hyperVGeneration": "V2", "storageProfile": {"osDisk": disk}}
    asked = {"location": "westeurope", "properties": properties}
    image = shared.compute().images.begin_create_or_update("flight", "of-gallery", asked, **CALMLY).result()
    body = {"location": "westeurope", "properties": {"storageProfile": {"source": {"id": image.id}}}}
    versions = shared.compute().gallery_image_versions
    made = versions.begin_create_or_update("flight", "images", "debian", "2.0.0", body, **CALMLY).result()
    assert (made.storage_profile.source.id, made.storage_profile.os_disk_image.size_in_gb) == (image.id, 1)


def test_a_replication_survives_a_kill_of_the_stand_in(tmp_path: Path, shared: Place) -> None:
    slow, place = stand_in(tmp_path, "--storage", shared.storage, takes_s=3)
    place = dataclasses.replace(place, storage=shared.storage)
    slow.start()
    try:
        place.define("killed")
        poller = place.publish("killed", "1.0.0", place.put_vhd("killed.vhd"), targetRegions=None)
        pid = slow.pid()
        assert pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: slow.pid() is None)
        slow.start()
        assert poller.result().provisioning_state == "Succeeded"
        assert place.version("killed", "1.0.0").replication_status.aggregated_state == "Completed"
    finally:
        slow.stop()


def test_the_sdk_s_own_pipeline_finds_the_account_and_its_key_opens_it(shared: Place) -> None:
    client = ARMPipelineClient(base_url=shared.manager, policies=[])
    headers = {"Authorization": "Bearer x"}
    whole = f"{shared.manager}/subscriptions/{shared.azure.subscription}/providers/Microsoft.Storage/storageAccounts"
    listed = client.send_request(HttpRequest("GET", f"{whole}?api-version=2024-01-01", headers=headers)).json()
    (found,) = [one for one in listed["value"] if one["name"] == REHEARSAL_ACCOUNT]
    assert (found["id"], found["properties"]["allowSharedKeyAccess"]) == (shared.account, True)
    asked = HttpRequest("POST", f"{shared.manager}{found['id']}/listKeys?api-version=2024-01-01", headers=headers)
    key = client.send_request(asked).json()["keys"][0]["value"]
    storage = BlobServiceClient(shared.storage, credential={"account_name": found["name"], "account_key": key})
    assert storage.get_account_information()["sku_name"]


def test_the_request_log_tells_who_asked_for_keys_and_no_key(shared: Place) -> None:
    path = f"{shared.account}/listKeys"
    assert shared.ask("POST", path)["keys"][0]["value"] == REHEARSAL_KEY
    wait_until(lambda: path in shared.log.read_text())
    assert REHEARSAL_KEY not in shared.log.read_text()
    assert "hush" not in shared.log.read_text()


def test_an_account_without_shared_keys_says_so(keyless: Place) -> None:
    assert keyless.ask("GET", keyless.account)["properties"]["allowSharedKeyAccess"] is False
    assert keyless.ask("POST", f"{keyless.account}/listKeys")["keys"]


def test_keys_are_for_those_with_a_token(shared: Place) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        shared.ask("POST", f"{shared.account}/listKeys", token="")
    with caught.value as answer:
        assert answer.code == 401
        assert REHEARSAL_KEY not in answer.read().decode()
