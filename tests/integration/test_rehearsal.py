"""The rehearsal as it runs: the unmodified Azure SDK against Azurite and the stand-in, and servers that are killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.mgmt.compute import ComputeManagementClient
from azure.storage.blob import BlobServiceClient, ContainerClient
from home import free_ports

from flight.workflows.cloud.endpoint import REHEARSAL_ACCOUNT, REHEARSAL_KEY, AnyToken
from flight.workflows.kit.errors import BusyError, ProgramError
from flight.workflows.kit.server import Server
from flight.workflows.rehearsal import azurite, ensure_running, install, render_status, servers, status
from flight.workflows.settings import Azure, Rehearsal

MIB = 1 << 20
KEY = {"account_name": REHEARSAL_ACCOUNT, "account_key": REHEARSAL_KEY}


def vhd_footer(size: int, *, kind: int = 2) -> bytes:
    fields = struct.pack(">8sIIQI4sI4sQQ", b"conectix", 2, 0x10000, 2**64 - 1, 0, b"qem2", 0x50003, b"Wi2k", size, size)
    raw = bytearray(fields + struct.pack(">III", 0, kind, 0)).ljust(512, b"\0")
    raw[64:68] = struct.pack(">I", ~sum(raw) & 0xFFFFFFFF)
    return bytes(raw)


@dataclass(frozen=True)
class Place:
    """Where a rehearsal is, and the SDK's clients for it."""

    work: Path
    rehearsal: Rehearsal
    azure: Azure

    @property
    def servers(self) -> tuple[Server, Server]:
        return servers(work=self.work, rehearsal=self.rehearsal, azure=self.azure)

    @property
    def storage(self) -> str:
        return f"http://127.0.0.1:{self.rehearsal.blob_port}/{REHEARSAL_ACCOUNT}"

    @property
    def manager(self) -> str:
        return f"http://127.0.0.1:{self.rehearsal.compute_port}"

    def container(self) -> ContainerClient:
        client = BlobServiceClient(self.storage, credential=KEY).get_container_client("images")
        if not client.exists():
            client.create_container()
        return client

    def put_vhd(self, name: str, *, kind: int = 2, size: int = 4 * MIB) -> str:
        with self.container().get_blob_client(name) as blob:
            blob.create_page_blob(size + 512)
            blob.upload_page(vhd_footer(size, kind=kind), offset=size, length=512)
            return str(blob.url)

    def images(self) -> Any:
        client = ComputeManagementClient(
            AnyToken(), self.azure.subscription, base_url=self.manager, credential_scopes=["x/.default"]
        )
        return client.images

    def create(self, name: str, url: str, **changes: Any) -> Any:
        """The SDK's poller for an image made from a blob."""
        disk = {"osType": "Linux", "osState": "Generalized", "blobUri": url}
        properties = {"hyperVGeneration": "V2", "storageProfile": {"osDisk": disk}}
        properties |= {name: value for name, value in changes.items() if name in properties}
        asked = {"location": changes.get("location", "westeurope"), "properties": properties, "tags": {"digest": "abc"}}
        return self.images().begin_create_or_update("flight", name, asked, enforce_https=False)


@pytest.fixture
def shared(rehearsal: Any) -> Place:
    """The rehearsal that all tests of a session share."""
    return Place(rehearsal.work, rehearsal.settings.rehearsal, rehearsal.settings.azure)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Place]:
    """A rehearsal of its own, to be killed and started; nothing runs yet, nothing is left."""
    blob_port, compute_port = free_ports(2)
    place = Place(tmp_path, Rehearsal(blob_port=blob_port, compute_port=compute_port), Azure())
    try:
        yield place
    finally:
        for server in place.servers:
            server.stop()


def start(place: Place) -> None:
    ensure_running(work=place.work, rehearsal=place.rehearsal, azure=place.azure)


def states(place: Place) -> list[str]:
    return [one.state for one in status(place.servers)]


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kill(server: Server) -> None:
    pid = server.pid()
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: server.pid() is None)


def refused(doing: Callable[[], Any]) -> tuple[int | None, str]:
    """Status and code with which Azure refuses."""
    with pytest.raises(HttpResponseError) as caught:
        doing()
    assert caught.value.error is not None
    return caught.value.status_code, str(caught.value.error.code)


def test_the_sdk_makes_reads_lists_and_deletes_an_image(shared: Place) -> None:
    poller = shared.create("whole-1.0.0", shared.put_vhd("whole.vhd"))
    assert poller.status() == "InProgress"
    made = poller.result()
    assert (made.provisioning_state, made.hyper_v_generation, made.tags) == ("Succeeded", "V2", {"digest": "abc"})
    images = shared.images()
    read = images.get("flight", "whole-1.0.0", enforce_https=False)
    assert read.storage_profile.os_disk.blob_uri.endswith("/images/whole.vhd")
    assert read.id == made.id
    for listed in (images.list(enforce_https=False), images.list_by_resource_group("flight", enforce_https=False)):
        assert "whole-1.0.0" in [image.name for image in listed]
    images.begin_delete("flight", "whole-1.0.0", enforce_https=False).result()
    assert refused(lambda: images.get("flight", "whole-1.0.0", enforce_https=False)) == (404, "ResourceNotFound")


def test_what_was_uploaded_is_downloaded(shared: Place) -> None:
    shared.put_vhd("bytes.vhd")
    blob = shared.container().get_blob_client("bytes.vhd")
    page = os.urandom(64 * 1024)
    blob.upload_page(page, offset=MIB, length=len(page), validate_content=True)
    assert blob.download_blob(offset=MIB, length=len(page)).readall() == page
    assert blob.download_blob(offset=4 * MIB).readall() == vhd_footer(4 * MIB)


@pytest.mark.parametrize(
    ("name", "blob", "changes", "said"),
    [
        pytest.param("gone", "gone.vhd", {}, (400, "ImageBlobNotFound"), id="no such blob"),
        pytest.param("block", "block.vhd", {}, (400, "IncorrectImageBlobType"), id="not a page blob"),
        pytest.param("dynamic", "dynamic.vhd", {}, (200, "InvalidVhd"), id="a dynamic VHD"),
        pytest.param("empty", "empty.vhd", {}, (200, "InvalidVhd"), id="no footer"),
        pytest.param("odd", "odd.vhd", {}, (200, "InvalidVhd"), id="not whole MiB"),
        pytest.param(
            "elsewhere",
            "good.vhd",
            {"location": "eastus"},
            (400, "StorageAccountLocationMismatch"),
            id="another region",
        ),
        pytest.param("bad_-", "good.vhd", {}, (400, "InvalidParameter"), id="a bad name"),
        pytest.param("other", "good.vhd", {"hyperVGeneration": None}, (400, "InvalidParameter"), id="no generation"),
        pytest.param("other", "good.vhd", {"hyperVGeneration": "V3"}, (400, "InvalidParameter"), id="generation 3"),
    ],
)
def test_the_sdk_raises_what_azure_refuses(
    shared: Place, name: str, blob: str, changes: dict[str, Any], said: tuple[int, str]
) -> None:
    container = shared.container()
    container.get_blob_client("block.vhd").upload_blob(b"x" * 1024, overwrite=True)
    container.get_blob_client("empty.vhd").create_page_blob(4 * MIB + 512)
    shared.put_vhd("dynamic.vhd", kind=3)
    shared.put_vhd("odd.vhd", size=4 * MIB + 512)
    shared.put_vhd("good.vhd")
    assert refused(lambda: shared.create(name, f"{shared.storage}/images/{blob}", **changes).result()) == said


def test_an_image_keeps_what_it_was_made_of(shared: Place) -> None:
    url = shared.put_vhd("kept.vhd")
    shared.create("kept", url).result()
    assert refused(lambda: shared.create("kept", url, hyperVGeneration="V1")) == (409, "PropertyChangeNotAllowed")
    shared.create("kept", url).result()


@pytest.mark.parametrize(
    ("query", "headers", "code"),
    [("?api-version=2026-04-01", {}, 401), ("", {"Authorization": "Bearer x"}, 400)],
    ids=["no token", "no api-version"],
)
def test_any_http_client_is_held_to_azures_manners(
    shared: Place, query: str, headers: dict[str, str], code: int
) -> None:
    path = f"/subscriptions/{shared.azure.subscription}/providers/Microsoft.Compute/images"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(f"{shared.manager}{path}{query}", headers=headers))
    with caught.value as answer:
        assert answer.code == code
        assert set(json.load(answer)) == {"error"}


def test_the_request_log_tells_every_request_and_no_token(shared: Place) -> None:
    path = f"/subscriptions/{shared.azure.subscription}/providers/Microsoft.Compute/images?api-version=2026-04-01"
    asked = urllib.request.Request(f"{shared.manager}{path}", headers={"Authorization": "Bearer hush-hush"})
    with urllib.request.urlopen(asked) as answer:
        assert answer.status == 200
    log = shared.servers[1].log
    wait_until(lambda: path in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"at", "method", "path", "status", "ms"} <= set(lines[-1])
    assert "hush" not in log.read_text()


def test_servers_listen_on_loopback_only(shared: Place) -> None:
    listening = {
        words[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if (words := line.split())[3] == "0A"
    } | {words[1] for line in Path("/proc/net/tcp6").read_text().splitlines()[1:] if (words := line.split())[3] == "0A"}
    for port in (shared.rehearsal.blob_port, shared.rehearsal.compute_port):
        assert [one for one in listening if one.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_starting_is_done_once_and_stopping_leaves_no_process(own: Place) -> None:
    assert states(own) == ["stopped", "stopped"]
    start(own)
    assert states(own) == ["runs", "runs"]
    pids = [server.pid() for server in own.servers]
    assert [server.start() for server in own.servers] == [False, False]
    assert [server.pid() for server in own.servers] == pids
    assert [server.stop() for server in own.servers] == [True, True]
    assert states(own) == ["stopped", "stopped"]
    assert not [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]
    assert [server.stop() for server in own.servers] == [False, False]


def test_two_starts_at_once_start_one_of_each(own: Place) -> None:
    begun: list[bool] = []
    lock = threading.Lock()

    def one() -> None:
        for server in own.servers:
            news = server.start()
            with lock:
                begun.append(news)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(begun) == [False] * 6 + [True] * 2
    assert states(own) == ["runs", "runs"]


def test_an_operation_and_its_blob_survive_a_kill_of_both_servers(own: Place) -> None:
    slow = servers(work=own.work, rehearsal=own.rehearsal, azure=own.azure, takes_s=6)
    for server in slow:
        server.start()
    url = own.put_vhd("disk.vhd")
    poller = own.create("one", url)
    asked = poller.polling_method()._initial_response.http_response.headers["Azure-AsyncOperation"]
    index = own.work / "rehearsal" / "azurite" / "__azurite_db_blob__.json"
    wait_until(
        lambda: index.exists() and "disk.vhd" in index.read_text()
    )  # Azurite writes its index every five seconds
    for server in slow:
        kill(server)
    assert [one.state for one in status(slow)] == ["died", "died"]
    for server in slow:
        assert server.start()
    token = {"Authorization": "Bearer x"}

    def told() -> str:
        with urllib.request.urlopen(urllib.request.Request(asked, headers=token)) as answer:
            return str(json.load(answer)["status"])

    wait_until(lambda: told() == "Succeeded")
    assert own.images().get("flight", "one", enforce_https=False).provisioning_state == "Succeeded"
    assert own.container().get_blob_client("disk.vhd").download_blob(offset=4 * MIB).readall() == vhd_footer(4 * MIB)
    for server in slow:
        server.stop()


@pytest.mark.parametrize("which", [0, 1], ids=["azurite", "compute"])
def test_a_port_that_is_taken_is_an_error_that_names_who_has_it(own: Place, which: int) -> None:
    server = own.servers[which]
    with socket.create_server(("127.0.0.1", server.port)):
        with pytest.raises(BusyError, match=f"pid {os.getpid()}"):
            server.start()
        found = status([server])
    assert found[0].state == "taken"
    assert f"pid {os.getpid()}" in render_status(found)[0]


def test_a_stand_in_started_for_other_settings_is_started_anew(own: Place) -> None:
    start(own)
    other = Place(own.work, own.rehearsal, Azure(resource_group="other"))
    first = own.servers[1].pid()
    assert states(other) == ["runs", "silent"]
    start(other)
    assert states(other) == ["runs", "runs"]
    assert other.servers[1].pid() != first
    assert refused(lambda: list(own.images().list_by_resource_group("flight", enforce_https=False)))[0] == 404
    assert not list(other.images().list_by_resource_group("other", enforce_https=False))


def test_servers_whose_folder_was_removed_are_found_and_started_anew(own: Place) -> None:
    start(own)
    pids = [server.pid() for server in own.servers]
    (own.work / "rehearsal").rename(own.work / "gone")
    start(own)
    assert states(own) == ["runs", "runs"]
    assert not set(pids) & {server.pid() for server in own.servers}
    assert not [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]
    own.put_vhd("disk.vhd")


def test_a_server_that_cannot_start_is_told_with_its_last_words(own: Place) -> None:
    folder = own.work / "rehearsal"
    folder.mkdir()
    (folder / "compute.json").write_text("{")
    compute = own.servers[1]
    with pytest.raises(ProgramError, match=r"\| .*is not the state of a rehearsal\n +\|   why: ") as caught:
        compute.start()
    assert "Traceback" not in str(caught.value)
    assert compute.pid() is None


class Token:
    """A token as a real cloud's would look to Azurite, which checks its shape and times, not its signature."""

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        import jwt

        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/x/",
            "iat": now,
            "nbf": now - 5,
            "exp": now + 600,
        }
        return AccessToken(jwt.encode(claims, "k" * 32, algorithm="HS256"), now + 600)


def test_a_storage_with_a_certificate_takes_tokens_and_the_stand_in_reads_from_it(own: Place) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    chain, key, trust = (own.work / name for name in ("chain.pem", "key.pem", "ca.pem"))
    chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems) + authority.cert_pem.bytes())
    key.write_bytes(issued.private_key_pem.bytes())
    authority.cert_pem.write_to_path(str(trust))
    secure = servers(
        work=own.work,
        rehearsal=own.rehearsal,
        azure=own.azure,
        certificate=azurite.Certificate(chain, key),
        takes_s=0.2,
    )
    with contextlib.ExitStack() as stack:
        for server in secure:
            server.start()
            stack.callback(server.stop)
        url = own.storage.replace("http:", "https:")
        client = BlobServiceClient(url, credential=Token(), connection_verify=str(trust))
        container = client.create_container("images")
        with container.get_blob_client("disk.vhd") as blob:
            blob.create_page_blob(4 * MIB + 512)
            blob.upload_page(vhd_footer(4 * MIB), offset=4 * MIB, length=512)
        made = own.create("one", f"{url}/images/disk.vhd").result()
        assert made.provisioning_state == "Succeeded"


def test_azurite_is_installed_as_the_lock_file_pins_it_and_not_twice() -> None:
    assert install.is_installed()
    assert install.install() is False
    package = json.loads((azurite.program().parents[3] / "package.json").read_text())
    assert package["version"] == json.loads((install.PINNED / "package.json").read_text())["dependencies"]["azurite"]


def test_a_package_of_other_bytes_than_pinned_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = tmp_path / "npm"
    pinned.mkdir()
    lock = json.loads((install.PINNED / "package-lock.json").read_text())
    one = lock["packages"]["node_modules/tslib"]
    other = lock["packages"]["node_modules/lodash"]["integrity"]
    top = {"name": "one", "dependencies": {"tslib": one["version"]}}
    wrong = {"lockfileVersion": 3, "packages": {"": top, "node_modules/tslib": {**one, "integrity": other}}}
    (pinned / "package.json").write_text(json.dumps(top))
    (pinned / "package-lock.json").write_text(json.dumps(wrong))
    monkeypatch.setattr(install, "PINNED", pinned)
    monkeypatch.setattr("sys.prefix", str(tmp_path / "venv"))
    with pytest.raises(ProgramError, match="EINTEGRITY"):
        install.install()
    assert not list((tmp_path / "venv" / "share" / "flight").iterdir())
