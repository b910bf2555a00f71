"""What Partner Center is given: the copy in a container of its own, the SAS, and what is looked at before it is given out."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.arm.account import Account
from flight.workflows.cloud.endpoint import Cloud
from flight.workflows.cloud.names import RULES, release_container, release_container_of
from flight.workflows.kit.errors import ConfigError, RemoteError
from flight.workflows.kit.progress import Progress, Told, quiet
from flight.workflows.kit.secret import Secret
from flight.workflows.release import Release, hushed, release, release_recipe, sign, window
from flight.workflows.upload import copying
from flight.workflows.upload.plan import Span
from flight.workflows.upload.receipt import BlobPlace, Receipt, Remote, place_in
from flight.workflows.upload.tally import Hashing
from flight.workflows.upload.verbs import BaseUnfit

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
CLOUD = Cloud("public", SUBSCRIPTION, "shop", "https://shop.blob.core.windows.net", "https://management.azure.com")
KEY = base64.b64encode(b"a key of an account").decode()
ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/shop"
NOW = dt.datetime(2026, 11, 23, 15, 4, 5, 678, tzinfo=dt.UTC)
CONTAINER = "release-demo-1-0-0"
DIGEST = Hashing().digest()
"""Of what is zeros, all of it."""
BLOB = Receipt(place_in(CLOUD, container="images", name="demo-1.0.0.vhd"), '"7"', DIGEST, 1 << 20, 512, 1, 0.1, "x")
HERE = place_in(CLOUD, container=CONTAINER, name="demo-1.0.0.vhd")
METADATA = {"recipe": "demo", "version": "1.0.0", "digest": DIGEST, "upload": "one", "sealed": DIGEST, "map": "m"}


class Azure:
    """An account: its blobs by URL, the manager that knows its key, and what was asked of both."""

    def __init__(self, *, keys: bool | None = None) -> None:
        self.blobs = {BLOB.place.url: Remote('"7"', 1 << 20, METADATA)}
        self.asked: list[str] = []
        self.properties = {} if keys is None else {"allowSharedKeyAccess": keys}
        self.also: list[str] = []
        self.refuses: Exception | None = None
        self.lets_write = False
        self.seals = True
        self.is_damaged = self.is_cut = False
        self.signed: Secret | None = None

    def send_request(self, request: Any, **more: Any) -> Any:
        is_key = request.method == "POST"
        self.asked.append("key" if is_key else "account")
        shown = {"id": ID, "name": "shop", "location": "westeurope", "properties": self.properties}
        body = {"keys": [{"value": KEY}]} if is_key else {"value": [shown]}
        return SimpleNamespace(status_code=200, json=lambda: body)

    def service(self, place: BlobPlace) -> Any:
        return Service(self, place)

    def open_signed(self, container: str, sas: Secret) -> Any:
        self.signed = sas
        return Signed(self, container)


class Service:
    """The few verbs of an upload's service that a release asks for."""

    def __init__(self, azure: Azure, place: BlobPlace) -> None:
        self.azure, self.place = azure, place

    def look(self) -> Remote | None:
        there = self.azure.blobs.get(self.place.url)
        if there and there.copy_status == "pending":
            self.azure.blobs[self.place.url] = dataclasses.replace(there, copy_status="success")
        return there

    def ranges(self) -> tuple[Span, ...]:
        return (Span(0, 4096),)

    def read(self, span: Span) -> bytes:
        return (b"x" if self.azure.is_damaged else b"\0") * span.size

    def copy(
        self, base: BlobPlace, *, metadata: Mapping[str, str], over: str | None, etag: str, told: Told = quiet
    ) -> str:
        self.azure.asked.append(f"copy over {over}")
        there = self.azure.blobs.get(self.place.url)
        assert over == (there.etag if there else None)
        source = self.azure.blobs[base.url]
        if source.etag != etag:
            raise BaseUnfit("could not copy it", why="412 SourceConditionNotMet", fix="send it")
        assert "sealed" not in metadata
        self.azure.blobs[self.place.url] = Remote('"8"', source.size_bytes, dict(metadata), copy_status="success")
        return '"8"'

    def describe(self, metadata: Mapping[str, str], *, under: str, lease: str) -> str:
        self.azure.asked.append("seal")
        there = self.azure.blobs[self.place.url]
        assert (there.etag, lease) == (under, "")
        if self.azure.seals:
            self.azure.blobs[self.place.url] = dataclasses.replace(there, etag='"9"', metadata=dict(metadata))
        return '"9"'


class Signed:
    """A container as somebody sees it who has the SAS alone."""

    def __init__(self, azure: Azure, container: str) -> None:
        self.azure, self.container = azure, container

    def __enter__(self) -> Signed:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def get_blob_client(self, name: str) -> Any:
        return SimpleNamespace(get_blob_properties=lambda **_: self._properties(name), upload_blob=self._upload)

    def list_blobs(self, **_: Any) -> Any:
        here = f"{CLOUD.storage}/{self.container}/"
        names = [url.removeprefix(here) for url in self.azure.blobs if url.startswith(here)]
        return [SimpleNamespace(name=name) for name in (*names, *self.azure.also)]

    def _properties(self, name: str) -> Any:
        if self.azure.refuses:
            raise self.azure.refuses
        size = self.azure.blobs[f"{CLOUD.storage}/{self.container}/{name}"].size_bytes
        return SimpleNamespace(size=512 if self.azure.is_cut else size)

    def _upload(self, content: bytes, **_: Any) -> None:
        if not self.azure.lets_write:
            raise refusal(403, "AuthorizationPermissionMismatch")


def refusal(status: int, code: str) -> HttpResponseError:
    error = HttpResponseError(f"{code} in words")
    error.status_code, error.error_code = status, code  # type: ignore[attr-defined]
    return error


def released(azure: Azure, **more: Any) -> Release:
    seams: dict[str, Any] = {"open_service": azure.service, "open_signed": azure.open_signed, "compute": azure}
    return release(BLOB, **{"cloud": CLOUD, "container": CONTAINER, "now": NOW, **seams, **more})


# The copy --------------------------------------------------------------------------------------------------------------


def test_the_blob_is_copied_by_the_service_and_sealed_when_it_is_there() -> None:
    azure = Azure()
    made = released(azure)
    assert azure.asked == ["account", "key", "copy over None", "seal"]
    copied = azure.blobs[HERE.url].metadata
    assert {**copied, "upload": "one", "map": "m"} == METADATA
    assert copied["upload"] != "one"
    assert "map" not in copied
    assert not made.was_there


def test_a_second_time_nothing_is_copied_and_the_sas_is_new() -> None:
    azure = Azure()
    released(azure)
    azure.asked.clear()
    made = released(azure, now=NOW + dt.timedelta(days=1))
    assert azure.asked == ["account", "key"]
    assert made.was_there
    assert made.ends == dt.datetime(2026, 12, 24, 15, 4, 5, tzinfo=dt.UTC)


def test_a_copy_that_was_damaged_since_is_copied_anew() -> None:
    azure = Azure()
    released(azure)
    azure.is_damaged = True
    assert not released(azure).was_there
    assert azure.asked.count("seal") == 2


@pytest.mark.parametrize(
    ("left", "copies"),
    [
        (Remote('"3"', 1 << 20, {"digest": DIGEST}, copy_status="success"), True),
        (Remote('"3"', 1 << 20, {"digest": DIGEST}, copy_status="pending"), True),
        (Remote('"3"', 1 << 20, {"digest": DIGEST, "sealed": DIGEST}, copy_status="failed"), True),
        (Remote('"3"', 512, {"digest": DIGEST, "sealed": DIGEST}), True),
        (Remote('"3"', 1 << 20, {"digest": DIGEST, "sealed": DIGEST}, copy_status="success"), False),
    ],
    ids=["not sealed", "still at it", "failed", "too short", "whole"],
)
def test_what_an_earlier_run_left_is_copied_over_unless_it_is_whole(
    left: Remote, copies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "AGAIN_S", 0.0)
    azure = Azure()
    azure.blobs[HERE.url] = left
    assert released(azure).was_there is not copies
    assert ('copy over "3"' in azure.asked) is copies


@pytest.mark.parametrize(
    "there",
    [Remote('"3"', 1 << 20, {"digest": "e" * 64, "sealed": "e" * 64}), Remote('"3"', 1 << 20, {})],
    ids=["another release", "not flight's"],
)
def test_what_is_another_image_is_replaced_only_where_that_is_said(there: Remote) -> None:
    azure = Azure()
    azure.blobs[HERE.url] = there
    with pytest.raises(RemoteError, match="is there already, and is another image"):
        released(azure)
    assert azure.blobs[HERE.url] == there
    assert not released(azure, replace=True).was_there


@pytest.mark.parametrize(
    "source",
    [
        None,
        Remote('"7"', 1 << 20, {**METADATA, "sealed": ""}),
        Remote('"6"', 1 << 20, METADATA),
        Remote('"7"', 1 << 21, METADATA),
    ],
    ids=["gone", "not sealed", "written to", "of another size"],
)
def test_a_blob_that_is_not_as_it_was_uploaded_is_not_released(source: Remote | None) -> None:
    azure = Azure()
    azure.blobs = {BLOB.place.url: source} if source else {}
    with pytest.raises(RemoteError, match="is not as it was uploaded") as error:
        released(azure)
    assert "UploadBlob --recheck" in error.value.fix
    assert HERE.url not in azure.blobs


def test_a_blob_that_is_written_to_while_it_is_copied_is_not_released() -> None:
    azure = Azure()
    look = Service.look

    class Racing(Service):
        def look(self) -> Remote | None:
            there = look(self)
            azure.blobs[BLOB.place.url] = Remote('"9"', 1 << 20, METADATA)
            return there

    with pytest.raises(RemoteError, match="is not as it was uploaded") as error:
        released(
            azure, open_service=lambda place: Racing(azure, place) if place == BLOB.place else Service(azure, place)
        )
    assert "412" in error.value.why


def test_a_copy_that_is_not_whole_is_an_error() -> None:
    azure = Azure()
    azure.seals = False
    with pytest.raises(RemoteError, match="is not what was copied"):
        released(azure)


# The signature ---------------------------------------------------------------------------------------------------------


def test_the_sas_is_what_partner_center_wants() -> None:
    url = urlsplit(released(Azure()).url.reveal())
    assert f"{url.scheme}://{url.netloc}{url.path}" == HERE.url
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert (asked["sp"], asked["sr"], asked["spr"]) == ("rl", "c", "https")
    assert (asked["st"], asked["se"]) == ("2026-11-22T15:04:05Z", "2026-12-23T15:04:05Z")
    assert len(base64.b64decode(asked["sig"])) == 32


def test_the_rehearsal_speaks_http() -> None:
    account = Account(ID, "devstoreaccount1", "westeurope", allows_keys=True)
    sas = sign(account, Secret(KEY), container="c", starts=NOW, ends=NOW, is_real=False)
    assert "spr" not in parse_qs(sas.reveal())


def test_neither_the_key_nor_the_sas_is_seen() -> None:
    azure, heard = Azure(), list[Progress]()
    made = released(azure, told=heard.append)
    assert azure.signed
    seen = f"{made!r} {made} {heard} {' '.join(made.lines())}"
    assert KEY not in seen
    assert "sig=" not in seen
    assert azure.signed.reveal() not in seen


def test_what_is_told_of_it_says_until_when_and_what_it_gives() -> None:
    lines = "\n".join(released(Azure()).lines())
    assert f"container '{CONTAINER}'" in lines
    assert "read and listed, not written, from 2026-11-22 15:04 UTC to 2026-12-23 15:04 UTC" in lines


def test_where_shared_keys_are_off_the_way_is_the_gallery_and_nothing_is_copied() -> None:
    azure = Azure(keys=False)
    with pytest.raises(RemoteError, match="signs no SAS that lasts 30 days") as error:
        released(azure)
    assert "PublishImage" in error.value.fix
    assert azure.asked == ["account"]
    assert [*azure.blobs] == [BLOB.place.url]


@pytest.mark.parametrize("days", [-1, 0, 20, 367])
def test_days_that_partner_center_or_good_sense_would_refuse_are_refused(days: int) -> None:
    azure = Azure()
    with pytest.raises(ConfigError, match=f"a SAS of {days} days is refused") as error:
        released(azure, days=days)
    assert "from 21 to 366" in error.value.fix
    assert azure.asked == []


@given(
    days=st.integers(21, 366),
    now=st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC)),
)
def test_a_sas_starts_a_day_before_and_lasts_from_now(days: int, now: dt.datetime) -> None:
    starts, ends = window(days, now)
    assert starts <= now - dt.timedelta(days=1)
    assert dt.timedelta(days=days) - dt.timedelta(seconds=1) < ends - now <= dt.timedelta(days=days)


# What is tried before it is given out ------------------------------------------------------------------------------------


def test_a_container_that_holds_more_is_not_given_away() -> None:
    azure = Azure()
    azure.also = ["draft.vhd"]
    with pytest.raises(RemoteError, match="is not the release's own") as error:
        released(azure)
    assert "it holds: draft.vhd" in error.value.why
    assert azure.asked == ["account", "key"], "nothing is copied beside it"


def test_a_copy_that_somebody_cut_meanwhile_is_not_given_away() -> None:
    azure = Azure()
    azure.is_cut = True
    with pytest.raises(RemoteError, match="changed while it was signed for"):
        released(azure)


def test_disks_whose_names_are_tamed_alike_have_containers_of_their_own() -> None:
    urls = [place_in(CLOUD, container="images", name=name).url for name in ("Disk_1.0.vhd", "disk-1-0.vhd")]
    names = [release_container_of("disk-1-0", url) for url in urls]
    assert names[0] != names[1]
    assert all(RULES["container"].holds(name) for name in names)
    assert RULES["container"].holds(release_container_of("x" * 200, urls[0]))


def test_a_sas_that_lets_be_written_is_thrown_away() -> None:
    azure = Azure()
    azure.lets_write = True
    with pytest.raises(RemoteError, match="lets be written, and was thrown away"):
        released(azure)


@pytest.mark.parametrize(
    ("refuses", "why"),
    [
        (lambda: refusal(403, "AuthorizationFailure"), "403 AuthorizationFailure"),
        (
            lambda: ServiceRequestError("Max retries exceeded with url: /c/x?sp=rl&sig=aGVsbG8%3D (Caused by …)"),
            "sig=•••",
        ),
    ],
    ids=["refused", "not reached"],
)
def test_a_sas_that_does_not_work_is_an_error_without_its_signature(
    refuses: Callable[[], Exception], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flight.workflows.upload.patience.Patience.rest", lambda self, seconds: None)
    azure = Azure()
    azure.refuses = refuses()
    with pytest.raises(RemoteError, match="with the SAS that was signed") as error:
        released(azure)
    assert why in error.value.why
    assert "aGVsbG8" not in f"{error.value} {error.value.__cause__}"
    assert error.value.__suppress_context__


def test_a_signature_is_taken_out_of_words_wherever_it_stands() -> None:
    assert hushed("GET '/c?sv=1&sig=a%2Bb%3D&sp=rl': sig=xy") == "GET '/c?sv=1&sig=•••&sp=rl': sig=•••"


# A recipe's ------------------------------------------------------------------------------------------------------------


def test_a_recipe_that_is_not_uploaded_is_told_how_to(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not uploaded yet") as error:
        release_recipe(tmp_path / "demo.blob.json", cloud=CLOUD, recipe="demo", version="1.0.0")
    assert "UploadBlob --recipe demo --version 1.0.0" in error.value.fix


def test_a_blob_that_lies_where_the_settings_do_not_lead_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "demo.blob.json"
    path.write_text(BLOB.to_json())
    elsewhere = dataclasses.replace(CLOUD, storage="https://other.blob.core.windows.net")
    with pytest.raises(ConfigError, match="is uploaded elsewhere"):
        release_recipe(path, cloud=elsewhere, recipe="demo", version="1.0.0")


@pytest.mark.parametrize(
    ("recipe", "version", "container"),
    [
        ("demo", "1.0.0", "release-demo-1-0-0"),
        ("Flight_Compute", "2026.11~rc1-", "release-flight-compute-2026-11-rc1"),
        ("x" * 80, "1", f"release-{'x' * 46}-"),
    ],
    ids=["plain", "tamed", "too long"],
)
def test_a_release_has_a_container_of_its_own(recipe: str, version: str, container: str) -> None:
    name = release_container(recipe, version)
    assert name.startswith(container)
    assert RULES["container"].holds(name)


@given(
    recipe=st.from_regex(r"[A-Za-z0-9][\w.-]{0,90}", fullmatch=True),
    version=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True),
)
def test_every_recipe_and_version_has_a_container_that_azure_takes(recipe: str, version: str) -> None:
    assert RULES["container"].holds(release_container(recipe, version))
