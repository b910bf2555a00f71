"""The verbs of the service against a real Azurite behind the rehearsal's front: leases, copies, moves, maps, lists."""

from __future__ import annotations

import hashlib
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flight.workflows.cloud.endpoint import Cloud, cloud_of
from flight.workflows.kit.errors import BusyError
from flight.workflows.upload.pace import Pace
from flight.workflows.upload.plan import Move, Span
from flight.workflows.upload.receipt import BlobPlace, Remote, place_in
from flight.workflows.upload.service import BaseUnfit, BlobService

MIB = 1 << 20


@pytest.fixture
def cloud(rehearsal: Any) -> Cloud:
    return cloud_of(rehearsal.settings.azure, rehearsal.settings.rehearsal)


@pytest.fixture
def container() -> str:
    """One that no other test uses, and that is not there yet."""
    return f"c-{time.time_ns():x}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def place(cloud: Cloud, container: str) -> BlobPlace:
    return place_in(cloud, container=container, name="demo-1.0.0.vhd")


@pytest.fixture
def service(cloud: Cloud, place: BlobPlace) -> BlobService:
    return BlobService(cloud, place)


@pytest.fixture
def lease() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def held(service: BlobService, lease: str) -> BlobService:
    """A service whose blob is there, of 8 MiB, and leased."""
    service.create(8 * MIB, metadata={"upload": "1", "writer": "me%40here"}, over=None)
    service.lease(lease)
    return service


def looked(service: BlobService) -> Remote:
    found = service.look()
    assert found
    return found


def test_a_lease_is_taken_by_its_id_renewed_and_let_go(held: BlobService, lease: str) -> None:
    before = looked(held)
    assert (before.lease_state, before.lease_duration, before.writer) == ("leased", "fixed", "me@here")
    held.lease(lease)
    assert held.renew(lease)
    assert looked(held).etag == before.etag
    held.release(lease)
    assert looked(held).lease_state == ""
    assert not held.renew(lease)
    held.release(lease)


def test_somebody_elses_lease_is_respected(held: BlobService, cloud: Cloud, place: BlobPlace) -> None:
    other, id_ = BlobService(cloud, place), str(uuid.uuid4())
    etag = looked(held).etag
    for attempt in (
        lambda: other.lease(id_),
        lambda: other.put(Span(0, 512), b"x" * 512, lease=id_),
        lambda: other.create(512, metadata={"upload": "2"}, over=etag),
        lambda: other.create(512, metadata={"upload": "2"}, over=None),
        lambda: other.clear(Span(0, 512), lease=id_),
        lambda: other.resize(512, lease=id_),
        lambda: other.describe({}, under=etag, lease=id_),
    ):
        with pytest.raises(BusyError, match="me@here writes it"):
            attempt()
    assert not other.renew(id_)
    assert looked(held).etag == etag


def test_a_blob_that_is_created_over_a_leased_one_keeps_the_lease(held: BlobService, lease: str) -> None:
    held.create(MIB, metadata={"upload": "2"}, over=looked(held).etag, lease=lease)
    held.put(Span(0, 512), b"x" * 512, lease=lease)
    assert held.renew(lease)


def test_pages_are_written_cleared_listed_read_and_cut_off(held: BlobService, lease: str) -> None:
    content = bytes(range(256)) * (4 * MIB // 256)
    assert held.put(Span(0, 4 * MIB), content, lease=lease) != held.put(
        Span(5 * MIB, 6 * MIB), content[:MIB], lease=lease
    )
    held.clear(Span(MIB, 2 * MIB), lease=lease)
    assert held.ranges() == (Span(0, MIB), Span(2 * MIB, 4 * MIB), Span(5 * MIB, 6 * MIB))
    assert held.read(Span(MIB - 512, MIB + 512)) == content[:512] + bytes(512)
    etag = held.resize(4 * MIB, lease=lease)
    assert (looked(held).size_bytes, looked(held).etag) == (4 * MIB, etag)
    assert held.ranges()[-1] == Span(2 * MIB, 4 * MIB)


def test_as_many_senders_as_there_may_be_keep_their_connections(
    cloud: Cloud, place: BlobPlace, lease: str, caplog: pytest.LogCaptureFixture
) -> None:
    service = BlobService(cloud, place, pace=Pace(start=16))
    service.create(64 * MIB, metadata={"upload": "1"}, over=None)
    service.lease(lease)
    content = bytes(range(256)) * (4 * MIB // 256)
    spans = [Span(at, at + 4 * MIB) for at in range(0, 64 * MIB, 4 * MIB)]
    with caplog.at_level("WARNING"), ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda span: service.put(span, content, lease=lease), spans))) == 16
    assert "Connection pool is full" not in caplog.text
    assert service.ranges() == (Span(0, 64 * MIB),)


def test_what_is_not_held_is_not_written(service: BlobService, lease: str) -> None:
    service.create(MIB, metadata={"upload": "1"}, over=None)
    with pytest.raises(BusyError, match="created or changed"):
        service.put(Span(0, 512), b"x" * 512, lease=lease)
    assert service.ranges() == ()


def test_the_seal_is_written_only_under_its_etag(held: BlobService, lease: str) -> None:
    before = looked(held).etag
    etag = held.describe({"sealed": "sha256:1", "recipe": "demo"}, under=before, lease=lease)
    assert looked(held).etag == etag
    assert looked(held).sealed == "sha256:1"
    with pytest.raises(BusyError):
        held.describe({"sealed": "sha256:2"}, under=before, lease=lease)


@pytest.fixture
def base(cloud: Cloud, container: str) -> tuple[BlobPlace, str]:
    """A base of 4 MiB with something in its second MiB, and its ETag."""
    place, lease = place_in(cloud, container=container, name="demo-0.9.0.vhd"), str(uuid.uuid4())
    service = BlobService(cloud, place)
    service.create(4 * MIB, metadata={"upload": "0"}, over=None)
    service.lease(lease)
    service.put(Span(MIB, 2 * MIB), b"b" * MIB, lease=lease)
    etag = service.describe({"sealed": "sha256:0", "recipe": "demo"}, under=looked(service).etag, lease=lease)
    service.release(lease)
    return place, etag


def test_a_copy_of_a_base_is_written_to_alone_and_has_metadata_of_its_own(
    service: BlobService, cloud: Cloud, lease: str, base: tuple[BlobPlace, str]
) -> None:
    place, base_etag = base
    etag = service.copy(place, metadata={"upload": "1"}, over=None, etag=base_etag)
    found = looked(service)
    assert (found.etag, found.metadata, found.size_bytes) == (etag, {"upload": "1"}, 4 * MIB)
    assert service.ranges() == (Span(MIB, 2 * MIB),)
    service.lease(lease)
    service.put(Span(MIB, 2 * MIB), b"c" * MIB, lease=lease)
    source = BlobService(cloud, place)
    assert looked(source).etag == base_etag
    assert source.read(Span(MIB, 2 * MIB)) == b"b" * MIB


def test_a_copy_of_a_base_that_was_changed_is_refused_whether_or_not_a_blob_is_there(
    service: BlobService, base: tuple[BlobPlace, str]
) -> None:
    place, _ = base
    with pytest.raises(BaseUnfit):
        service.copy(place, metadata={"upload": "1"}, over=None, etag='"0x1"')
    etag = service.create(MIB, metadata={"upload": "1"}, over=None)
    with pytest.raises(BaseUnfit):
        service.copy(place, metadata={"upload": "2"}, over=etag, etag='"0x1"')
    with pytest.raises(BusyError):
        service.copy(place, metadata={"upload": "2"}, over='"0x1"', etag=base[1])


def test_what_moved_is_written_by_the_service_itself(
    held: BlobService, lease: str, base: tuple[BlobPlace, str]
) -> None:
    place, base_etag = base
    move, md5 = Move(Span(512, 1024), MIB), hashlib.md5(b"b" * 512).digest()
    held.put_from(move, base=place, base_etag=base_etag, md5=md5, lease=lease)
    assert held.read(Span(0, 1536)) == bytes(512) + b"b" * 512 + bytes(512)
    with pytest.raises(BaseUnfit):
        held.put_from(Move(Span(0, 512), 0), base=place, base_etag=base_etag, md5=md5, lease=lease)
    with pytest.raises(BaseUnfit):
        held.put_from(move, base=place, base_etag='"0x1"', md5=md5, lease=lease)
    assert held.ranges() == (Span(512, 1024),)


def test_a_map_lies_beside_its_blob_and_the_newest_sealed_blob_is_found(
    held: BlobService, lease: str, base: tuple[BlobPlace, str]
) -> None:
    place, etag = base
    assert held.get_map(place.name) is None
    held.put_map(b"map", {"etag": etag})
    held.put_map(b"another", {"etag": etag, "digest": "sha256:1"})
    assert held.get_map(held.place.name) == (b"another", {"etag": etag, "digest": "sha256:1"})
    assert [(found, remote.etag) for found, remote in held.newest(recipe="demo")] == [(place, etag)]
    assert held.newest(recipe="other") == []
