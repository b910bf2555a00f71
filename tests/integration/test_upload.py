"""Uploads through the SDK's own client to a real Azurite, and images of them through the SDK's own resource manager client."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import http.client
import http.server
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
from azure.core.credentials import AccessToken
from home import free_ports

from flight.workflows import image, vhd
from flight.workflows import upload as workflow_upload
from flight.workflows.cloud import endpoint
from flight.workflows.cloud.endpoint import AnyToken, Cloud, cloud_of
from flight.workflows.digest import digest
from flight.workflows.image import image_place, register
from flight.workflows.image import recheck as recheck_image
from flight.workflows.kit.errors import BusyError, ConfigError, RemoteError
from flight.workflows.rehearsal import servers
from flight.workflows.rehearsal.azurite import Certificate
from flight.workflows.settings import Azure, Rehearsal
from flight.workflows.upload import recheck, send_disk
from flight.workflows.upload.plan import MOST, Span, merge
from flight.workflows.upload.probe import check_may_upload
from flight.workflows.upload.receipt import BlobPlace, Identity, Receipt, place_in
from flight.workflows.upload.service import BlobService
from flight.workflows.upload.verify import verify
from flight.workflows.vhd import EPOCH, footer

from .conftest import Running

TAGS = {"recipe": "demo", "version": "1.0.0", "commit": "0" * 40}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real fixed VHD of 64 MiB: data at odd places, long and short holes, written zeros."""
    folder, chance = tmp_path_factory.mktemp("disk"), random.Random(5)
    raw, converted = folder / "demo.raw", folder / "demo.vhd"
    with open(raw, "wb") as file:
        file.truncate(64 << 20)
        for at, size in (
            (0, 512),
            (1 << 20, 9 << 20),
            (12 << 20, 4096),
            ((12 << 20) + (96 << 10), 4096),
            (63 << 20, 1),
        ):
            file.seek(at)
            file.write(chance.randbytes(size))
        file.seek(30 << 20)
        file.write(bytes(5 << 20))
    vhd.convert(raw, converted)
    return converted


@pytest.fixture
def cloud(rehearsal: Running) -> Cloud:
    return cloud_of(rehearsal.settings.azure, rehearsal.settings.rehearsal)


@pytest.fixture
def place(cloud: Cloud, request: pytest.FixtureRequest) -> BlobPlace:
    """A name that no other test uses, in a container that is not there yet."""
    return place_in(cloud, container=f"c{abs(hash(request.node.name)):x}-{time.time_ns():x}", name="demo-1.0.0.vhd")


def identity_of(path: Path) -> Identity:
    return Identity(digest(path), path.stat().st_size, "0123456789ab", "demo", "1.0.0")


def downloaded(cloud: Cloud, place: BlobPlace) -> bytes:
    return cloud.container(place.container).get_blob_client(place.name).download_blob().readall()


def sent(path: Path, cloud: Cloud, place: BlobPlace, **how: Any) -> Receipt:
    """Each uploader has a ledger of its own, as on hosts of their own."""
    with tempfile.TemporaryDirectory() as ledgers:
        return send_disk(
            path, cloud=cloud, to=place, identity=identity_of(path), ledgers=Path(ledgers), full=True, **how
        )


def test_the_blob_downloaded_is_the_vhd_byte_for_byte(disk: Path, cloud: Cloud, place: BlobPlace) -> None:
    receipt = sent(disk, cloud, place)
    assert downloaded(cloud, place) == disk.read_bytes()
    assert receipt.sent_bytes < 10 << 20, "holes and zeros are not sent"
    blob = cloud.container(place.container).get_blob_client(place.name)
    properties = blob.get_blob_properties()
    assert properties.blob_type == "PageBlob"
    assert properties.metadata.pop("map").startswith("sha256:")
    assert properties.metadata == identity_of(disk).metadata(sealed=True)
    assert properties.etag == receipt.etag
    ranges = merge(Span(one.start, one.end + 1) for one in blob.list_page_ranges())
    assert sum(span.size for span in ranges) == receipt.sent_bytes
    assert verify(place, service=BlobService(cloud, place), deep=True).problems == ()
    assert recheck(receipt, service=BlobService(cloud, place)) == ()


def test_a_second_upload_finds_it_there_and_sends_nothing(disk: Path, cloud: Cloud, place: BlobPlace) -> None:
    first = sent(disk, cloud, place)
    second = sent(disk, cloud, place)
    assert (second.sent_bytes, second.puts, second.etag) == (0, 0, first.etag)


def test_what_was_damaged_since_though_its_seal_stands_is_sent_again(
    disk: Path, cloud: Cloud, place: BlobPlace
) -> None:
    sent(disk, cloud, place)
    blob = cloud.container(place.container).get_blob_client(place.name)
    blob.upload_page(b"damaged!" * 64, offset=2 << 20, length=512)
    assert "sealed" in blob.get_blob_properties().metadata
    assert not sent(disk, cloud, place).was_there
    assert downloaded(cloud, place) == disk.read_bytes()
    blob.set_blob_metadata(blob.get_blob_properties().metadata)
    assert sent(disk, cloud, place).was_there, "what is the same is read, and not sent"


def test_what_has_changed_since_is_found_by_a_recheck(disk: Path, cloud: Cloud, place: BlobPlace) -> None:
    receipt, service = sent(disk, cloud, place), BlobService(cloud, place)
    blob = cloud.container(place.container).get_blob_client(place.name)
    blob.upload_page(b"x" * 512, 0, 512)
    (problem,) = recheck(receipt, service=service)
    assert "was written to since" in problem
    blob.delete_blob()
    (problem,) = recheck(receipt, service=service)
    assert "is gone" in problem


def test_a_name_that_holds_something_else_is_an_error_unless_told_to_replace(
    disk: Path, cloud: Cloud, place: BlobPlace
) -> None:
    container = cloud.container(place.container)
    container.create_container()
    container.upload_blob(place.name, b"a block blob of somebody's")
    with pytest.raises(RemoteError, match="holds something else"):
        sent(disk, cloud, place)
    sent(disk, cloud, place, replace=True)
    assert downloaded(cloud, place) == disk.read_bytes()


def test_two_uploaders_that_start_at_once_leave_one_whole_blob(disk: Path, cloud: Cloud, place: BlobPlace) -> None:
    ends: list[object] = []

    def run() -> None:
        try:
            ends.append(sent(disk, cloud, place))
        except BusyError as error:
            ends.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(isinstance(end, Receipt) for end in ends)
    assert sent(disk, cloud, place).sent_bytes == 0
    assert downloaded(cloud, place) == disk.read_bytes()


class Faults:
    """A way to Azurite on which things go wrong: `faults` says what happens to the next Put Pages."""

    def __init__(self, port: int) -> None:
        self.port, self.faults, self.met = port, list[str](), list[str]()
        faults = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                is_put_page = self.command == "PUT" and "comp=page" in self.path
                fault = faults.faults.pop() if is_put_page and faults.faults else ""
                faults.met += [fault] if fault else []
                if fault == "damaged":
                    body = bytes([body[0] ^ 1]) + body[1:]
                    said, is_ = self.headers.get("Content-MD5"), base64.b64encode(hashlib.md5(body).digest()).decode()
                    if said and said != is_:
                        return self.refuse(400, "Md5Mismatch")  # as the service does; not every Azurite looks
                if fault == "cut off":
                    self.close_connection = True
                    return
                if fault == "busy":
                    return self.refuse(503, "ServerBusy")
                asked = http.client.HTTPConnection("127.0.0.1", faults.port)
                asked.request(self.command, self.path, body=body or None, headers=dict(self.headers))
                self.relay(asked.getresponse(), drop=fault == "answer lost")
                asked.close()

            do_GET = do_HEAD = do_PUT = pass_on

            def refuse(self, status: int, code: str) -> None:
                self.send_response(status)
                self.send_header("x-ms-error-code", code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def relay(self, answer: http.client.HTTPResponse, *, drop: bool) -> None:
                content = answer.read()
                if drop:
                    self.close_connection = True
                    return
                self.send_response_only(answer.status, answer.reason)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else None
                self.send_header("Content-Length", length or str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)


@pytest.fixture
def faults(rehearsal: Running) -> Iterator[Faults]:
    made = Faults(rehearsal.settings.rehearsal.blob_port)
    made.thread.start()
    yield made
    made.server.shutdown()
    made.thread.join()
    made.server.server_close()


@pytest.mark.parametrize("fault", ["damaged", "busy", "cut off", "answer lost"])
def test_a_page_that_goes_wrong_on_its_way_is_sent_again(
    disk: Path, cloud: Cloud, place: BlobPlace, faults: Faults, fault: str
) -> None:
    through = dataclasses.replace(
        cloud, storage=f"http://127.0.0.1:{faults.server.server_port}/{endpoint.REHEARSAL_ACCOUNT}"
    )
    faults.faults = [fault] * 2
    sent(disk, through, place)
    assert faults.met == [fault] * 2
    assert downloaded(cloud, place) == disk.read_bytes()


# errors --------------------------------------------------------------------------------------------------------------


def test_a_rehearsal_that_does_not_run_is_an_error_that_says_how_to_start_it(disk: Path, cloud: Cloud) -> None:
    (port,) = free_ports(1)
    gone = dataclasses.replace(cloud, storage=f"http://127.0.0.1:{port}/devstoreaccount1")
    with pytest.raises(RemoteError, match="flight rehearsal start"):
        sent(disk, gone, place_in(gone, container="images", name="x.vhd"))


def test_an_account_that_does_not_exist_is_an_error_that_names_it(disk: Path) -> None:
    nowhere = Cloud(
        "public", "0", "nosuchaccount", "https://nosuchaccount.invalid", "https://manager.invalid", token=AnyToken()
    )
    with pytest.raises(RemoteError, match=r"check \[azure\] account \('nosuchaccount'\)"):
        sent(disk, nowhere, place_in(nowhere, container="images", name="x.vhd"))


def test_an_identity_without_permission_is_told_so(
    disk: Path, cloud: Cloud, place: BlobPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "REHEARSAL_KEY", base64.b64encode(b"another key").decode())
    with pytest.raises(RemoteError, match="403"):
        sent(disk, cloud, place)


def test_nobody_logged_in_is_an_error_that_says_how_to_log_in(
    disk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_", "MSI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")  # asks no metadata service of the test's host
    public = cloud_of(Azure(cloud="public", account="mystore"), Rehearsal())
    with pytest.raises(RemoteError, match="nobody is logged in") as error:
        sent(disk, public, place_in(public, container="images", name="x.vhd"))
    assert "az login" in error.value.fix


def test_a_probe_leaves_nothing_behind_and_tells_who_may_not_upload(
    cloud: Cloud, place: BlobPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_may_upload(cloud, container=place.container)
    assert list(cloud.container(place.container).list_blobs()) == []
    monkeypatch.setattr(endpoint, "REHEARSAL_KEY", base64.b64encode(b"another key").decode())
    with pytest.raises(RemoteError, match="403"):
        check_may_upload(cloud, container=place.container)


# memory --------------------------------------------------------------------------------------------------------------

MEASURED = """
import sys, tempfile
from pathlib import Path
from flight.workflows.cloud.endpoint import Cloud
from flight.workflows.upload import send_disk
from flight.workflows.upload.receipt import Identity, place_in

storage, container, name, path = sys.argv[1:]
cloud = Cloud("rehearsal", "0", "devstoreaccount1", storage, "http://127.0.0.1:1")
place = place_in(cloud, container=container, name=name)
with tempfile.TemporaryDirectory() as ledgers:
    send_disk(Path(path), cloud=cloud, to=place, identity=Identity("", 0, "", "demo", "1"), ledgers=Path(ledgers))
print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))
"""


def test_an_upload_needs_less_than_150_mb_however_large_the_disk_is(
    cloud: Cloud, place: BlobPlace, tmp_path: Path
) -> None:
    large = tmp_path / "large.vhd"
    with open(large, "wb") as file:
        file.truncate(4 << 30)
        file.seek(0, os.SEEK_END)
        file.write(footer(4 << 30, made=EPOCH, uid=uuid.UUID(int=1)))
        for at in range(0, 128 << 20, MOST):
            file.seek(at * 16)
            file.write(random.Random(at).randbytes(MOST))
    argv = [cloud.storage, place.container, place.name, str(large)]
    said = subprocess.run([sys.executable, "-c", MEASURED, *argv], capture_output=True, text=True, check=True).stdout
    assert int(said) * 1024 < 150_000_000


# images --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def uploaded(disk: Path, cloud: Cloud, place: BlobPlace) -> Receipt:
    return sent(disk, cloud, place)


def name_of(place: BlobPlace) -> str:
    return f"demo-{place.container}"


@pytest.mark.parametrize("generation", ["V1", "V2"])
def test_an_image_is_registered_read_back_and_known_again(uploaded: Receipt, cloud: Cloud, generation: str) -> None:
    to = image_place(cloud, resource_group="flight", name=name_of(uploaded.place), location="West Europe")
    first = register(uploaded, to=to, cloud=cloud, generation=generation, tags=TAGS)
    assert not first.was_there
    found = cloud.compute().images.get("flight", to.name, **cloud.per_call)
    assert found.hyper_v_generation == generation
    assert found.tags == {**TAGS, "digest": uploaded.digest}
    assert found.storage_profile.os_disk.blob_uri == uploaded.place.url
    assert found.storage_profile.os_disk.os_state == "Generalized"
    assert found.id.lower() == first.id.lower()
    assert register(uploaded, to=to, cloud=cloud, generation=generation, tags=TAGS).was_there
    assert recheck_image(first, cloud=cloud) == ()


def test_an_image_of_another_digest_is_replaced_only_when_told_to(
    uploaded: Receipt, cloud: Cloud, disk: Path, tmp_path: Path
) -> None:
    to = image_place(cloud, resource_group="flight", name=name_of(uploaded.place), location="westeurope")
    first = register(uploaded, to=to, cloud=cloud, generation="V2", tags=TAGS)
    other_disk = tmp_path / "other.vhd"
    other_disk.write_bytes(b"other".ljust(512) + disk.read_bytes()[512:])
    other = sent(other_disk, cloud, place_in(cloud, container=uploaded.place.container, name="other.vhd"))
    with pytest.raises(RemoteError, match="is another image"):
        register(other, to=to, cloud=cloud, generation="V2", tags=TAGS)
    assert not register(other, to=to, cloud=cloud, generation="V2", tags=TAGS, replace=True).was_there
    problems = recheck_image(first, cloud=cloud)
    assert any("its digest is" in problem for problem in problems)
    assert any("its blob is" in problem for problem in problems)


def test_what_the_resource_manager_refuses_is_told_with_its_code(uploaded: Receipt, cloud: Cloud) -> None:
    name = name_of(uploaded.place)
    nowhere = image_place(cloud, resource_group="nowhere", name=name, location="westeurope")
    with pytest.raises(RemoteError, match="az group create --name nowhere --location westeurope"):
        register(uploaded, to=nowhere, cloud=cloud, generation="V2", tags=TAGS)
    to = image_place(cloud, resource_group="flight", name=name, location="westeurope")
    gone = dataclasses.replace(uploaded, place=dataclasses.replace(uploaded.place, url=uploaded.place.url + "x"))
    with pytest.raises(RemoteError, match="could not create image"):
        register(gone, to=to, cloud=cloud, generation="V2", tags=TAGS)
    far = image_place(cloud, resource_group="flight", name=name, location="northeurope")
    with pytest.raises(RemoteError, match="could not create image"):
        register(uploaded, to=far, cloud=cloud, generation="V2", tags=TAGS)
    with pytest.raises(ConfigError):
        register(uploaded, to=to, cloud=cloud, generation="V9", tags=TAGS)


def test_a_blob_that_is_no_vhd_is_refused_as_an_image(disk: Path, cloud: Cloud, place: BlobPlace) -> None:
    receipt = sent(disk, cloud, place)
    blob = cloud.container(place.container).get_blob_client(place.name)
    blob.clear_page(disk.stat().st_size - 512, 512)
    to = image_place(cloud, resource_group="flight", name=name_of(place), location="westeurope")
    with pytest.raises(RemoteError, match="is not as it was uploaded"):
        register(receipt, to=to, cloud=cloud, generation="V2", tags=TAGS)
    receipt = dataclasses.replace(receipt, etag=blob.get_blob_properties().etag)
    with pytest.raises(RemoteError, match="could not create image"):
        register(receipt, to=to, cloud=cloud, generation="V2", tags=TAGS)


# the cloud's own code path -------------------------------------------------------------------------------------------


class Token:
    """A token as Azurite's `--oauth basic` takes it: it looks at issuer, audience and times, not at the signature."""

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        assert scopes == ("https://storage.azure.com/.default",)
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3600,
        }
        parts = ({"alg": "HS256", "typ": "JWT"}, claims)
        text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        return AccessToken(f"{text}.c2lnbmVk", now + 3600)


@pytest.fixture(scope="module")
def tls_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud as the real ones are: https, and a token instead of a key."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    chain, key, trust = folder / "chain.pem", folder / "key.pem", folder / "ca.pem"
    chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(trust)
    blob_port, compute_port = free_ports(2)
    azurite, _ = servers(
        work=folder,
        rehearsal=Rehearsal(blob_port=blob_port, compute_port=compute_port),
        azure=Azure(),
        certificate=Certificate(chain, key),
    )
    azurite.start()
    account = endpoint.REHEARSAL_ACCOUNT
    storage = f"https://127.0.0.1:{blob_port}/{account}"
    yield Cloud("public", "0", account, storage, "https://manager.invalid", token=Token(), trust=trust)
    azurite.stop()


def test_over_https_with_a_token_the_blob_is_the_vhd_byte_for_byte(disk: Path, tls_cloud: Cloud) -> None:
    place = place_in(tls_cloud, container="images", name="tls.vhd")
    receipt = sent(disk, tls_cloud, place)
    assert receipt.place.url.startswith("https://")
    assert downloaded(tls_cloud, place) == disk.read_bytes()
    assert recheck(receipt, service=BlobService(tls_cloud, place)) == ()


def test_a_server_whose_certificate_is_not_trusted_is_sent_nothing(disk: Path, tls_cloud: Cloud) -> None:
    distrusting = dataclasses.replace(tls_cloud, trust=None)
    with pytest.raises(RemoteError, match="REQUESTS_CA_BUNDLE"):
        sent(disk, distrusting, place_in(distrusting, container="images", name="x.vhd"))


# as the stages ask for it ---------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is read of a recipe here."""

    name: str
    folder: Path
    azure: Any


def test_a_recipe_is_sent_registered_and_looked_at_again_by_its_receipts(
    disk: Path, cloud: Cloud, place: BlobPlace, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    commit = ["-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-q", "--allow-empty", "-m", "first"]
    subprocess.run(["git", "-C", tmp_path, *commit], check=True)
    found = {"digest": digest(disk), "file_bytes": disk.stat().st_size}
    name = name_of(place)
    who = workflow_upload.identity(found, key="0123456789ab", recipe=name, version="1.0.0~rc1")
    ledgers = tmp_path / "ledgers"
    receipt = workflow_upload.send(disk, cloud=cloud, container=place.container, identity=who, ledgers=ledgers)
    assert receipt.place.name == f"{name}-1.0.0-rc1.vhd"
    (tmp_path / "blob.json").write_text(receipt.to_json())
    recipe: Any = Recipe(name, tmp_path, SimpleNamespace(generation="V2"))
    made = image.register_recipe(tmp_path / "blob.json", cloud=cloud, azure=Azure(), recipe=recipe, version="1.0.0~rc1")
    (tmp_path / "image.json").write_text(made.to_json())
    assert made.tags == {"recipe": name, "version": "1.0.0~rc1", "digest": digest(disk), "commit": made.tags["commit"]}
    assert re.fullmatch(r"[0-9a-f]{40}", made.tags["commit"])
    assert workflow_upload.look_again(tmp_path / "blob.json", cloud=cloud) == ()
    assert image.look_again(tmp_path / "image.json", cloud=cloud) == ()
    elsewhere = dataclasses.replace(cloud, storage="http://127.0.0.1:1/devstoreaccount1")
    (problem,) = workflow_upload.look_again(tmp_path / "blob.json", cloud=elsewhere)
    assert "the settings lead to http://127.0.0.1:1/" in problem
