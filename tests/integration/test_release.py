"""The SAS for Partner Center: made of an upload, and used as somebody would who has nothing but the URL."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import itertools
import json
import random
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from azure.core.credentials import AccessToken
from azure.storage.blob import ContainerClient
from home import free_ports

from flight.workflows import release, upload, vhd
from flight.workflows.cloud.endpoint import REHEARSAL_ACCOUNT, REHEARSAL_KEY, Cloud, cloud_of
from flight.workflows.digest import digest
from flight.workflows.kit.errors import RemoteError
from flight.workflows.kit.progress import Progress
from flight.workflows.rehearsal import servers
from flight.workflows.rehearsal.azurite import Certificate
from flight.workflows.release import Release
from flight.workflows.settings import Azure, Rehearsal
from flight.workflows.upload import Identity, Receipt

from .conftest import Running

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk")
    with open(folder / "demo.raw", "wb") as file:
        file.truncate(16 << 20)
        file.seek(3 << 20)
        file.write(random.Random(7).randbytes(1 << 20))
    vhd.convert(folder / "demo.raw", folder / "demo.vhd")
    return folder / "demo.vhd"


@pytest.fixture
def cloud(rehearsal: Running) -> Cloud:
    return cloud_of(rehearsal.settings.azure, rehearsal.settings.rehearsal)


@pytest.fixture
def version() -> str:
    """One that no other test releases."""
    return f"1.0.{next(NUMBERS)}"


def sent(disk: Path, cloud: Cloud, version: str, folder: Path) -> Path:
    """The receipt of an upload, as UploadBlob leaves it."""
    who = Identity(digest(disk), disk.stat().st_size, "0123456789ab", "demo", version)
    receipt = upload.send(disk, cloud=cloud, container="uploaded", identity=who, ledgers=folder / "ledgers")
    path = folder / "demo.blob.json"
    path.write_text(receipt.to_json())
    return path


def released(receipt: Path, cloud: Cloud, version: str, **more: Any) -> Release:
    return release.release_recipe(receipt, cloud=cloud, recipe="demo", version=version, **more)


def asked(url: str, *, method: str = "GET", trust: Path | None = None, **headers: str) -> bytes:
    """As anybody asks who has the URL: no SDK, no login."""
    request = urllib.request.Request(
        url, method=method, headers={name.replace("_", "-"): v for name, v in headers.items()}
    )
    trusted = ssl.create_default_context(cafile=str(trust)) if trust else None
    try:
        with urllib.request.urlopen(request, timeout=30, context=trusted) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        error.close()
        raise


def test_who_has_the_url_reads_the_disk_and_nothing_else(
    disk: Path, cloud: Cloud, version: str, tmp_path: Path
) -> None:
    receipt = sent(disk, cloud, version, tmp_path)
    made = released(receipt, cloud, version)
    url = made.url.reveal()
    assert asked(url) == disk.read_bytes()
    place, _, sas = url.partition("?")
    container = place.rpartition("/")[0]
    assert container.endswith(f"/release-demo-1-0-{version.rpartition('.')[2]}")
    assert b"<Name>demo-" in asked(f"{container}?restype=container&comp=list&{sas}")
    blob = Receipt.load(receipt).place
    for method, where in (("PUT", f"{container}/x"), ("DELETE", place), ("GET", blob.url)):
        with pytest.raises(urllib.error.HTTPError) as error:
            asked(f"{where}?{sas}", method=method, x_ms_blob_type="BlockBlob", content_length="0")
        assert error.value.code == 403


def test_the_copy_carries_the_seal_and_stays_as_it_is_when_the_source_goes(
    disk: Path, cloud: Cloud, version: str, tmp_path: Path
) -> None:
    receipt = sent(disk, cloud, version, tmp_path)
    made = released(receipt, cloud, version)
    properties = cloud.container(made.place.container).get_blob_client(made.place.name).get_blob_properties()
    assert properties.metadata["sealed"] == Receipt.load(receipt).digest == digest(disk)
    cloud.container("uploaded").delete_blob(made.place.name)
    assert asked(made.url.reveal()) == disk.read_bytes()


def test_a_second_time_nothing_is_copied(disk: Path, cloud: Cloud, version: str, tmp_path: Path) -> None:
    receipt = sent(disk, cloud, version, tmp_path)
    first = released(receipt, cloud, version)
    blob = cloud.container(first.place.container).get_blob_client(first.place.name)
    etag = blob.get_blob_properties().etag
    second = released(receipt, cloud, version, days=90)
    assert (first.was_there, second.was_there) == (False, True)
    assert blob.get_blob_properties().etag == etag
    asked_for = parse_qs(urlsplit(second.url.reveal()).query)
    assert (asked_for["sp"], asked_for["sr"]) == (["rl"], ["c"])
    assert (second.ends - second.starts).days == 91


def test_a_copy_that_was_touched_is_copied_anew(disk: Path, cloud: Cloud, version: str, tmp_path: Path) -> None:
    receipt = sent(disk, cloud, version, tmp_path)
    made = released(receipt, cloud, version)
    blob = cloud.container(made.place.container).get_blob_client(made.place.name)
    properties = blob.get_blob_properties()
    blob.set_blob_metadata({name: value for name, value in properties.metadata.items() if name != "sealed"})
    blob.upload_page(b"x" * 512, offset=0, length=512)
    assert not released(receipt, cloud, version).was_there
    assert asked(made.url.reveal()) == disk.read_bytes()


def test_what_else_lies_in_the_container_is_not_given_away(
    disk: Path, cloud: Cloud, version: str, tmp_path: Path
) -> None:
    receipt = sent(disk, cloud, version, tmp_path)
    made = released(receipt, cloud, version)
    cloud.container(made.place.container).upload_blob("draft.txt", b"not yet")
    with pytest.raises(RemoteError, match="is not the release's own") as error:
        released(receipt, cloud, version)
    assert "draft.txt" in error.value.why


def test_a_blob_that_somebody_wrote_to_is_not_released(disk: Path, cloud: Cloud, version: str, tmp_path: Path) -> None:
    receipt = sent(disk, cloud, version, tmp_path)
    place = Receipt.load(receipt).place
    cloud.container(place.container).get_blob_client(place.name).upload_page(b"x" * 512, offset=0, length=512)
    with pytest.raises(RemoteError, match="is not as it was uploaded"):
        released(receipt, cloud, version)


def test_the_key_and_the_sas_are_in_no_log_and_in_nothing_that_is_told(
    disk: Path, cloud: Cloud, version: str, tmp_path: Path, rehearsal: Running, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Progress] = []
    with caplog.at_level("INFO"):
        made = released(sent(disk, cloud, version, tmp_path), cloud, version, told=heard.append)
    (signature,) = parse_qs(urlsplit(made.url.reveal()).query)["sig"]
    told = f"{caplog.text} {heard} {made} {' '.join(made.lines())} {rehearsal.servers[1].log.read_text()}"
    assert signature not in told
    assert REHEARSAL_KEY not in told


@contextlib.contextmanager
def manager_without_keys(rehearsal: Running, folder: Path) -> Iterator[str]:
    """A stand-in whose account says that its shared keys are off."""
    (port,) = free_ports(1)
    azure, storage = rehearsal.settings.azure, rehearsal.settings.rehearsal.blob_port
    argv = [sys.executable, "-m", "flight.workflows.rehearsal.server", "--no-shared-keys"]
    argv += ["--port", str(port), "--state", str(folder / "compute.json"), "--subscription", azure.subscription]
    argv += ["--group", azure.resource_group, "--storage", f"http://127.0.0.1:{storage}/{REHEARSAL_ACCOUNT}"]
    argv += ["--location", azure.location, "--takes-s", "0.2"]
    with open(folder / "log", "wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as server:
        try:
            yield _answering(f"http://127.0.0.1:{port}", server)
        finally:
            server.terminate()


def _answering(url: str, server: subprocess.Popen[bytes]) -> str:
    while server.poll() is None:
        try:
            asked(url)
        except urllib.error.HTTPError:
            return url
        except OSError:
            time.sleep(0.05)
        else:
            return url
    raise AssertionError("the stand-in did not start")


def test_where_shared_keys_are_off_the_way_is_the_gallery(
    disk: Path, cloud: Cloud, version: str, tmp_path: Path, rehearsal: Running
) -> None:
    receipt = sent(disk, cloud, version, tmp_path)
    with manager_without_keys(rehearsal, tmp_path) as manager:
        with pytest.raises(RemoteError, match="signs no SAS") as error:
            released(receipt, dataclasses.replace(cloud, manager=manager), version)
    assert "PublishImage" in error.value.fix
    assert not cloud.container(release.release_container("demo", version)).exists()


class Token:
    """Credentials whose token Azurite takes for one of Azure's: it looks at the claims, not at who signed."""

    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        now = int(time.time())
        claims = {"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/t/", "iat": now, "nbf": now}
        parts = ({"alg": "RS256", "typ": "JWT"}, {**claims, "exp": now + 3600})
        text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        return AccessToken(f"{text}.c2lnbmVk", now + 3600)


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud as the real ones are: https, a token instead of a key, and a key only for who asks the manager."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    chain, key, trust = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(trust)
    blob_port, compute_port = free_ports(2)
    ports = Rehearsal(blob_port=blob_port, compute_port=compute_port)
    pair = servers(work=tmp_path, rehearsal=ports, azure=Azure(), certificate=Certificate(chain, key))
    try:
        for server in pair:
            server.start()
        storage = f"https://127.0.0.1:{blob_port}/{REHEARSAL_ACCOUNT}"
        manager = f"http://127.0.0.1:{compute_port}"
        yield Cloud("public", Azure().subscription, REHEARSAL_ACCOUNT, storage, manager, token=Token(), trust=trust)
    finally:
        for server in pair:
            server.stop()


def test_over_https_with_a_token_the_key_signs_a_sas_for_https_alone(disk: Path, real: Cloud, tmp_path: Path) -> None:
    made = released(sent(disk, real, "1.0.0", tmp_path), real, "1.0.0")
    url = made.url.reveal()
    assert parse_qs(urlsplit(url).query)["spr"] == ["https"]
    assert asked(url, trust=real.trust) == disk.read_bytes()
    sas = url.partition("?")[2]
    with ContainerClient(
        real.storage, made.place.container, credential=sas, connection_verify=str(real.trust)
    ) as signed:
        assert [one.name for one in signed.list_blobs()] == ["demo-1.0.0.vhd"]
