"""The verbs of the service, spoken by the unmodified SDK to a blob service in memory that refuses what the real one does."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ServiceRequestError
from fake_azure import FakeAzure, Faults, SimulatedKill
from fake_faults import AFTER, BEFORE, LATE
from fake_http import Asked
from fake_pages import Blob
from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows.cloud.endpoint import Cloud
from flight.workflows.kit.errors import BusyError, RemoteError
from flight.workflows.kit.progress import Progress
from flight.workflows.upload import probe
from flight.workflows.upload.pace import Pace
from flight.workflows.upload.patience import Patience
from flight.workflows.upload.plan import Move, Span
from flight.workflows.upload.receipt import BlobPlace, Remote, place_in
from flight.workflows.upload.service import BaseUnfit, BlobService

CLOUD = Cloud("rehearsal", "0" * 8, "devstoreaccount1", "http://127.0.0.1:1/devstoreaccount1", "http://127.0.0.1:2")
PLACE = place_in(CLOUD, container="images", name="demo-1.0.0.vhd")
BASE = place_in(CLOUD, container="images", name="demo-0.9.0.vhd")
LEASE, OTHER = (str(uuid.UUID(int=number)) for number in (1, 2))
MIB = 1 << 20


class Clock:
    """A time that passes only while somebody waits, or says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def azure(clock: Clock) -> FakeAzure:
    return FakeAzure(clock=lambda: clock.now)


Open = Callable[..., BlobService]


@pytest.fixture
def open_service(azure: FakeAzure, clock: Clock) -> Open:
    def opened(place: BlobPlace = PLACE, cloud: Cloud = CLOUD, **more: Any) -> BlobService:
        patience = Patience(clock=lambda: clock.now)
        patience.given_up.wait = clock.wait  # type: ignore[method-assign,assignment]
        return BlobService(cloud, place, patience=patience, transport=azure.transport(), **more)

    return opened


@pytest.fixture
def service(open_service: Open) -> BlobService:
    return open_service()


@pytest.fixture
def held(service: BlobService) -> BlobService:
    """A service whose blob is there, of 8 MiB, and leased."""
    service.create(8 * MIB, metadata={"upload": "1"}, over=None)
    service.lease(LEASE)
    return service


def blob_of(azure: FakeAzure, place: BlobPlace = PLACE) -> Blob:
    return azure.account.blobs[place.container, place.name]


# to be there ---------------------------------------------------------------------------------------------------------


def test_what_is_not_there_is_not_found_with_or_without_its_container(service: BlobService, azure: FakeAzure) -> None:
    assert service.look() is None
    azure.account.containers.add("images")
    assert service.look() is None


def test_a_blob_that_was_created_is_found_as_it_is(service: BlobService) -> None:
    etag = service.create(1024, metadata={"upload": "1", "Writer": "me%40here"}, over=None)
    found = service.look()
    assert found == Remote(etag, 1024, {"upload": "1", "writer": "me%40here"})
    assert found.writer == "me@here"


def test_a_container_is_made_once_and_where_it_may_not_be_made_nobody_asks_for_it(
    service: BlobService, azure: FakeAzure, open_service: Open
) -> None:
    service.create(512, metadata={"upload": "1"}, over=None)
    open_service(BASE).create(512, metadata={"upload": "2"}, over=None)
    assert azure.account.verbs.count("put container") == 1


def test_a_container_that_is_being_deleted_is_an_error_that_says_to_wait(
    service: BlobService, azure: FakeAzure
) -> None:
    azure.account.being_deleted.add("images")
    with pytest.raises(RemoteError, match="wait half a minute"):
        service.create(512, metadata={"upload": "1"}, over=None)


def test_a_container_that_another_made_meanwhile_is_taken(service: BlobService, azure: FakeAzure) -> None:
    azure.before = lambda asked: azure.account.containers.add("images") if asked.verb == "put container" else None
    service.create(512, metadata={"upload": "1"}, over=None)
    assert service.look()


def test_nothing_is_created_over_a_blob_that_nobody_spoke_of(service: BlobService) -> None:
    etag = service.create(512, metadata={"upload": "1"}, over=None)
    with pytest.raises(BusyError, match="somebody else is writing"):
        service.create(512, metadata={"upload": "2"}, over=None)
    service.create(1024, metadata={"upload": "2"}, over=etag)
    with pytest.raises(BusyError, match="created or changed"):
        service.create(1024, metadata={"upload": "3"}, over=etag)
    found = service.look()
    assert found
    assert found.upload == "2"


def test_a_blob_that_is_created_over_a_leased_one_keeps_the_lease(held: BlobService, azure: FakeAzure) -> None:
    there = held.look()
    assert there
    held.create(512, metadata={"upload": "2"}, over=there.etag, lease=LEASE)
    assert blob_of(azure).lease.id == LEASE
    held.put(Span(0, 512), b"x" * 512, lease=LEASE)


# the lease -----------------------------------------------------------------------------------------------------------


def test_a_lease_is_seen_kept_by_renewals_and_let_go(held: BlobService, clock: Clock) -> None:
    found = held.look()
    assert found
    assert (found.lease_state, found.lease_duration, found.is_leased) == ("leased", "fixed", True)
    for _ in range(4):
        clock.wait(50)
        assert held.renew(LEASE)
    held.release(LEASE)
    found = held.look()
    assert found
    assert (found.lease_state, found.is_leased) == ("", False)
    assert not held.renew(LEASE)
    held.release(LEASE)


def test_a_lease_changes_no_etag(held: BlobService) -> None:
    before = held.look()
    assert held.renew(LEASE)
    after = held.look()
    assert before
    assert after
    assert before.etag == after.etag


def test_the_same_id_takes_a_lease_twice(held: BlobService) -> None:
    held.lease(LEASE)
    assert held.renew(LEASE)


def test_somebody_elses_lease_is_respected_with_who_and_until_when(
    service: BlobService, azure: FakeAzure, open_service: Open
) -> None:
    theirs = open_service()
    writer = "me%40there pid 7%2C since 2026-11-23T14:00:00+00:00"
    etag = theirs.create(512, metadata={"upload": "1", "writer": writer}, over=None)
    theirs.lease(OTHER)
    attempts: dict[str, Callable[[], object]] = {
        "lease": lambda: service.lease(LEASE),
        "put": lambda: service.put(Span(0, 512), b"x" * 512, lease=LEASE),
        "create": lambda: service.create(512, metadata={"upload": "2"}, over=etag),
        "create anew": lambda: service.create(512, metadata={"upload": "2"}, over=None),
        "copy": lambda: service.copy(BASE, metadata={"upload": "2"}, over=etag, etag='"1"'),
        "describe": lambda: service.describe({"upload": "2"}, under=etag, lease=LEASE),
        "clear": lambda: service.clear(Span(0, 512), lease=LEASE),
        "resize": lambda: service.resize(1024, lease=LEASE),
    }
    for attempt in attempts.values():
        with pytest.raises(BusyError) as caught:
            attempt()
        assert "me@there pid 7, since 2026-11-23T14:00:00+00:00 writes it" in caught.value.why
        assert "free 60 s after it ends" in caught.value.why
    assert not service.renew(LEASE)
    blob_of(azure).lease.seconds = -1
    with pytest.raises(BusyError, match="has no end"):
        service.lease(LEASE)


def test_a_lease_that_ended_is_renewed_only_where_nobody_wrote_or_leased_since(
    held: BlobService, azure: FakeAzure, clock: Clock
) -> None:
    clock.wait(61)
    assert held.renew(LEASE)
    clock.wait(61)
    azure.account.answer(stranger_writes())
    assert not held.renew(LEASE)
    held.lease(LEASE)
    clock.wait(61)
    held.lease(OTHER)
    clock.wait(61)
    assert not held.renew(LEASE)


def stranger_writes() -> Asked:
    headers = {"Authorization": "SharedKey x", "x-ms-page-write": "update", "x-ms-range": "bytes=0-511"}
    return Asked("PUT", PLACE.container, PLACE.name, {"comp": "page"}, headers, b"y" * 512)


def test_a_host_that_slept_takes_its_lease_up_again_and_writes_on(held: BlobService, clock: Clock) -> None:
    clock.wait(3600)
    etag = held.put(Span(0, 512), b"x" * 512, lease=LEASE)
    assert held.read(Span(0, 512)) == b"x" * 512
    clock.wait(3600)
    held.describe({"sealed": "sha256:1"}, under=etag, lease=LEASE)


def test_a_host_that_slept_while_another_wrote_writes_no_more(
    held: BlobService, azure: FakeAzure, clock: Clock
) -> None:
    clock.wait(3600)
    azure.account.answer(stranger_writes())
    there = held.look()
    assert there
    with pytest.raises(BusyError, match="created or changed"):
        held.put(Span(0, 512), b"x" * 512, lease=LEASE)
    with pytest.raises(BusyError, match="created or changed"):
        held.describe({"sealed": "sha256:1"}, under=there.etag, lease=LEASE)
    assert held.read(Span(0, 512)) == b"y" * 512


def test_a_lease_that_was_broken_cannot_be_renewed(held: BlobService, azure: FakeAzure) -> None:
    headers = {"Authorization": "SharedKey x", "x-ms-lease-action": "break"}
    azure.account.answer(Asked("PUT", PLACE.container, PLACE.name, {"comp": "lease"}, headers, b""))
    assert not held.renew(LEASE)
    with pytest.raises(BusyError):
        held.lease(OTHER)


# pages ---------------------------------------------------------------------------------------------------------------


def test_pages_are_written_cleared_listed_and_read(held: BlobService) -> None:
    spans = [Span(at * MIB, at * MIB + 4096) for at in range(8)]
    etags = [held.put(span, bytes([7]) * 4096, lease=LEASE) for span in spans]
    assert len(set(etags)) == 8
    assert held.ranges() == tuple(spans), "a listing has several pages"
    held.clear(Span(MIB, MIB + 512), lease=LEASE)
    assert held.ranges()[1] == Span(MIB + 512, MIB + 4096)
    assert held.read(Span(MIB, MIB + 1024)) == bytes(512) + bytes([7]) * 512
    etag = held.resize(4 * MIB, lease=LEASE)
    found = held.look()
    assert found
    assert (found.size_bytes, found.etag) == (4 * MIB, etag)
    assert held.ranges()[-1].start == 3 * MIB


def test_a_whole_page_run_of_four_mib_is_taken(held: BlobService) -> None:
    content = bytes(range(256)) * (4 * MIB // 256)
    held.put(Span(4 * MIB, 8 * MIB), content, lease=LEASE)
    assert held.read(Span(4 * MIB, 8 * MIB)) == content


@pytest.mark.parametrize(
    ("span", "code"),
    [
        (Span(0, 4 * MIB + 512), "RequestBodyTooLarge"),
        (Span(8 * MIB, 8 * MIB + 512), "InvalidPageRange"),
        (Span(8 * MIB - 512, 8 * MIB + 512), "InvalidPageRange"),
    ],
    ids=["too large", "past the end", "over the end"],
)
def test_what_the_service_refuses_is_told_with_its_code(held: BlobService, span: Span, code: str) -> None:
    with pytest.raises(RemoteError, match=code):
        held.put(span, bytes(span.size), lease=LEASE)


def test_a_page_that_is_damaged_on_its_way_is_refused_and_sent_again(held: BlobService, azure: FakeAzure) -> None:
    azure.faults.only, azure.faults.next = "put page", ["damaged", "damaged"]
    held.put(Span(0, 4096), b"x" * 4096, lease=LEASE)
    assert held.read(Span(0, 4096)) == b"x" * 4096
    assert len(azure.faults.log) == 2


def test_without_md5_damage_is_not_noticed(azure: FakeAzure, open_service: Open) -> None:
    service = open_service(md5=False)
    service.create(MIB, metadata={"upload": "1"}, over=None)
    service.lease(LEASE)
    azure.faults.only, azure.faults.next = "put page", ["damaged"]
    service.put(Span(0, 512), b"x" * 512, lease=LEASE)
    assert service.read(Span(0, 512)) != b"x" * 512


# a base --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def base_etag(open_service: Open) -> str:
    """The ETag of a base of 4 MiB that holds something in its second MiB, sealed."""
    service = open_service(BASE)
    service.create(4 * MIB, metadata={"upload": "0"}, over=None)
    service.lease(OTHER)
    service.put(Span(MIB, 2 * MIB), bytes([9]) * MIB, lease=OTHER)
    found = service.look()
    assert found
    etag = service.describe({"recipe": "demo", "sealed": "sha256:0"}, under=found.etag, lease=OTHER)
    service.release(OTHER)
    return etag


def test_a_copy_is_waited_for_and_has_metadata_of_its_own(
    service: BlobService, azure: FakeAzure, base_etag: str
) -> None:
    azure.account.copy_polls, heard = 5, list[Progress]()
    etag = service.copy(BASE, metadata={"upload": "1"}, over=None, etag=base_etag, told=heard.append)
    found = service.look()
    assert found == Remote(etag, 4 * MIB, {"upload": "1"}, copy_status="success")
    assert service.ranges() == (Span(MIB, 2 * MIB),)
    assert [one.total for one in heard] == [4 * MIB] * 5
    service.lease(LEASE)
    service.put(Span(MIB, 2 * MIB), bytes([1]) * MIB, lease=LEASE)
    assert blob_of(azure, BASE).pages.read(MIB, MIB + 4) == bytes([9]) * 4, "a copy shares nothing with its base"


def test_a_copy_of_a_base_that_was_changed_is_refused_and_makes_nothing(service: BlobService, base_etag: str) -> None:
    with pytest.raises(BaseUnfit, match="SourceConditionNotMet"):
        service.copy(BASE, metadata={"upload": "1"}, over=None, etag='"0x1"')
    assert service.look() is None


def test_a_copy_of_a_base_that_is_gone_is_refused(service: BlobService, azure: FakeAzure) -> None:
    azure.account.containers.add("images")
    with pytest.raises(BaseUnfit, match="CannotVerifyCopySource"):
        service.copy(BASE, metadata={"upload": "1"}, over=None, etag='"0x1"')


def test_a_copy_that_fails_in_the_service_is_an_error(service: BlobService, azure: FakeAzure, base_etag: str) -> None:
    azure.account.copies_fail = True
    with pytest.raises(BaseUnfit, match="could not copy"):
        service.copy(BASE, metadata={"upload": "1"}, over=None, etag=base_etag)


def test_a_copy_goes_over_a_blob_only_with_its_etag_and_where_no_finite_lease_is(
    held: BlobService, base_etag: str
) -> None:
    there = held.look()
    assert there
    with pytest.raises(BusyError):
        held.copy(BASE, metadata={"upload": "2"}, over=there.etag, etag=base_etag)
    held.release(LEASE)
    with pytest.raises(BusyError):
        held.copy(BASE, metadata={"upload": "2"}, over='"0x1"', etag=base_etag)
    assert held.copy(BASE, metadata={"upload": "2"}, over=there.etag, etag=base_etag)


def test_nobody_writes_to_a_copy_that_is_not_done(
    service: BlobService, azure: FakeAzure, base_etag: str, open_service: Open
) -> None:
    azure.account.copy_polls, refusals = 3, list[str]()

    def meddle(asked: Asked) -> None:
        if asked.verb == "head blob" and blob_of(azure).is_pending:
            refusals.append(azure.account.answer(stranger_writes()).headers["x-ms-error-code"])

    service.create(512, metadata={"upload": "1"}, over=None)
    there = service.look()
    assert there
    azure.before = meddle
    service.copy(BASE, metadata={"upload": "2"}, over=there.etag, etag=base_etag)
    assert set(refusals) == {"PendingCopyOperation"}


def move_of(content: bytes) -> dict[str, Any]:
    return {"base": BASE, "md5": hashlib.md5(content).digest(), "lease": LEASE}


def test_what_moved_is_written_by_the_service_itself(held: BlobService, azure: FakeAzure, base_etag: str) -> None:
    content = bytes(512) + bytes([9]) * (MIB - 512)
    move = Move(Span(0, MIB), MIB - 512)
    held.put_from(move, base_etag=base_etag, **move_of(content))
    assert held.read(Span(0, MIB)) == content
    source = next(one for one in azure.account.requests if one.verb == "put page-from-url").header("x-ms-copy-source")
    assert "sp=r" in source


REFUSED_MOVES: dict[str, tuple[dict[str, Any], str]] = {
    "another MD5": ({"md5": hashlib.md5(b"").digest()}, "Md5Mismatch"),
    "another ETag": ({"base_etag": '"0x1"'}, "SourceConditionNotMet"),
    "no such base": ({"base": place_in(CLOUD, container="images", name="no.vhd")}, "CannotVerifyCopySource"),
}


@pytest.mark.parametrize(("changed", "code"), REFUSED_MOVES.values(), ids=REFUSED_MOVES.keys())
def test_a_base_that_is_not_as_its_map_says_is_refused_at_once_and_nothing_is_written(
    held: BlobService, azure: FakeAzure, base_etag: str, changed: dict[str, Any], code: str
) -> None:
    asked = {**move_of(bytes([9]) * MIB), "base_etag": base_etag, **changed}
    with pytest.raises(BaseUnfit, match=code):
        held.put_from(Move(Span(0, MIB), MIB), **asked)
    assert azure.account.verbs.count("put page-from-url") == 1
    assert held.ranges() == ()


# the seal, the map, and who is the newest ----------------------------------------------------------------------------


def test_metadata_is_replaced_only_under_its_etag(held: BlobService) -> None:
    there = held.look()
    assert there
    etag = held.describe({"sealed": "sha256:1"}, under=there.etag, lease=LEASE)
    found = held.look()
    assert found
    assert (found.metadata, found.etag) == ({"sealed": "sha256:1"}, etag)
    with pytest.raises(BusyError):
        held.describe({"sealed": "sha256:2"}, under=there.etag, lease=LEASE)


@pytest.mark.parametrize("metadata", [{"a-b": "1"}, {"a": "x" * 9000}], ids=["no identifier", "too large"])
def test_metadata_that_the_service_refuses_is_an_error(held: BlobService, metadata: dict[str, str]) -> None:
    there = held.look()
    assert there
    with pytest.raises(RemoteError, match="Metadata"):
        held.describe(metadata, under=there.etag, lease=LEASE)


def test_a_map_lies_beside_its_blob(held: BlobService, azure: FakeAzure, open_service: Open) -> None:
    assert held.get_map(PLACE.name) is None
    held.put_map(b"first", {"etag": '"1"'})
    held.put_map(b"map", {"etag": '"2"', "digest": "sha256:1"})
    assert open_service(BASE).get_map(PLACE.name) == (b"map", {"etag": '"2"', "digest": "sha256:1"})
    assert azure.account.blobs["images", "demo-1.0.0.vhd.map"].kind == "BlockBlob"


def test_the_newest_sealed_blobs_of_a_recipe_are_found_among_all_that_lie_there(
    azure: FakeAzure, clock: Clock, open_service: Open
) -> None:
    assert open_service().newest(recipe="demo") == []
    etags = {}
    for name, metadata in {
        "b.vhd": {"recipe": "demo", "sealed": "sha256:1"},
        "half.vhd": {"recipe": "demo"},
        "other.vhd": {"recipe": "another", "sealed": "sha256:2"},
        "a.vhd": {"recipe": "demo", "sealed": "sha256:3"},
        "c.vhd": {"recipe": "demo", "sealed": "sha256:4"},
    }.items():
        clock.wait(10)
        place = place_in(CLOUD, container="images", name=name)
        etags[name] = open_service(place).create(512, metadata=metadata, over=None)
    open_service().put_map(b"map", {"recipe": "demo", "sealed": "sha256:1"})
    found = open_service().newest(recipe="demo")
    assert [place.name for place, _ in found] == ["c.vhd", "a.vhd", "b.vhd"]
    assert [remote.etag for _, remote in found] == [etags[place.name] for place, _ in found]
    assert found[0][0] == place_in(CLOUD, container="images", name="c.vhd")


def test_a_recipe_with_letters_of_its_own_is_found_by_its_name(open_service: Open) -> None:
    open_service().create(512, metadata={"recipe": "gr%C3%B6%C3%9Fe", "sealed": "sha256:1"}, over=None)
    assert [place.name for place, _ in open_service().newest(recipe="größe")] == [PLACE.name]


# what goes wrong on the way ------------------------------------------------------------------------------------------

VERBS: dict[str, tuple[str, Callable[[BlobService, str, str], object]]] = {
    "look": ("head", lambda one, etag, base: one.look()),
    "create": (
        "put PageBlob",
        lambda one, etag, base: one.create(MIB, metadata={"upload": "9"}, over=etag, lease=LEASE),
    ),
    "lease": ("put lease-acquire", lambda one, etag, base: one.lease(LEASE)),
    "renew": ("put lease-renew", lambda one, etag, base: one.renew(LEASE)),
    "release": ("put lease-release", lambda one, etag, base: one.release(LEASE)),
    "put": ("put page", lambda one, etag, base: one.put(Span(0, 512), b"x" * 512, lease=LEASE)),
    "put_from": (
        "put page-from-url",
        lambda one, etag, base: one.put_from(Move(Span(0, MIB), MIB), base_etag=base, **move_of(bytes([9]) * MIB)),
    ),
    "clear": ("put clear", lambda one, etag, base: one.clear(Span(0, 512), lease=LEASE)),
    "resize": ("put properties", lambda one, etag, base: one.resize(MIB, lease=LEASE)),
    "ranges": ("get pagelist", lambda one, etag, base: one.ranges()),
    "read": ("get blob", lambda one, etag, base: one.read(Span(0, 512))),
    "describe": ("put metadata", lambda one, etag, base: one.describe({"sealed": "1"}, under=etag, lease=LEASE)),
    "put_map": ("put BlockBlob", lambda one, etag, base: one.put_map(b"map", {})),
    "get_map": ("get blob", lambda one, etag, base: one.get_map(PLACE.name)),
    "newest": ("get list", lambda one, etag, base: one.newest(recipe="demo")),
}


def state_of(azure: FakeAzure) -> dict[tuple[str, str], tuple[object, ...]]:
    """What lies in the account, but for ETags."""
    return {
        place: (blob.kind, blob.size, blob.metadata, blob.lease.id, blob.pages.ranges(), blob.pages.read(0, blob.size))
        for place, blob in azure.account.blobs.items()
    }


@pytest.mark.parametrize("fault", [*BEFORE, *AFTER, *LATE])
@pytest.mark.parametrize(("aim", "verb"), VERBS.values(), ids=VERBS.keys())
def test_a_verb_that_something_happens_to_ends_as_if_nothing_had(
    held: BlobService, azure: FakeAzure, base_etag: str, aim: str, verb: Callable[..., object], fault: str
) -> None:
    there = held.look()
    assert there
    azure.faults.only, azure.faults.next = aim, [fault, "", fault]
    returned = verb(held, there.etag, base_etag)
    assert azure.faults.log[0][1] == fault
    after = state_of(azure)
    azure.arrive(all_of_them=True)
    assert state_of(azure) == after, "what arrives late is refused, or was done already"
    if isinstance(returned, str) and fault != "late":  # a page run that is written once more has another ETag
        found = held.look()
        assert found
        assert returned == found.etag
    azure.faults.next = []
    if aim not in ("put PageBlob", "put metadata", "put lease-release"):
        verb(held, there.etag, base_etag)
    assert state_of(azure) == after


@pytest.mark.parametrize("fault", [*BEFORE, *AFTER])
def test_a_copy_that_something_happens_to_ends_as_if_nothing_had(
    service: BlobService, azure: FakeAzure, base_etag: str, fault: str
) -> None:
    azure.account.containers.add("images")
    azure.faults.only, azure.faults.next = "put copy", [fault]
    etag = service.copy(BASE, metadata={"upload": "1"}, over=None, etag=base_etag)
    assert azure.faults.log == [("put copy", fault)]
    assert service.look() == Remote(etag, 4 * MIB, {"upload": "1"}, copy_status="success")


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_whatever_happens_on_the_way_the_blob_ends_the_same(seed: int) -> None:
    clock = Clock()
    azure = FakeAzure(Faults(seed=seed, rate=0.3), clock=lambda: clock.now)
    patience = Patience(tries=60, clock=lambda: clock.now)
    patience.given_up.wait = lambda seconds: clock.wait(0.01)  # type: ignore[method-assign,assignment]
    service = BlobService(CLOUD, PLACE, patience=patience, transport=azure.transport())
    service._wire.contact, service._wire.renewing.tries = patience, 60
    service.create(8 * MIB, metadata={"upload": "1"}, over=None)
    service.lease(LEASE)
    for at in range(8):
        service.put(Span(at * MIB, at * MIB + 512), bytes([at + 1]) * 512, lease=LEASE)
    service.clear(Span(0, 512), lease=LEASE)
    assert service.ranges() == tuple(Span(at * MIB, at * MIB + 512) for at in range(1, 8))
    there = service.look()
    assert there
    etag = service.describe({"sealed": "sha256:1"}, under=there.etag, lease=LEASE)
    service.release(LEASE)
    found = service.look()
    assert found == Remote(etag, 8 * MIB, {"sealed": "sha256:1"})


def test_what_arrives_after_its_second_try_and_the_end_of_the_lease_is_refused(
    held: BlobService, azure: FakeAzure
) -> None:
    azure.faults.only, azure.faults.next = "put", ["late"]
    azure.faults.delay = lambda: 100  # type: ignore[method-assign]
    held.put(Span(0, 512), b"x" * 512, lease=LEASE)
    there = held.look()
    assert there
    etag = held.describe({"sealed": "sha256:1"}, under=there.etag, lease=LEASE)
    held.release(LEASE)
    azure.arrive(all_of_them=True)
    found = held.look()
    assert found
    assert found.etag == etag
    assert azure.account.verbs.count("put page") == 2


def test_an_interrupted_connection_is_told_until_that_is_forgotten(held: BlobService, azure: FakeAzure) -> None:
    assert not held.was_interrupted
    azure.faults.next = ["503"]
    held.put(Span(0, 512), b"x" * 512, lease=LEASE)
    assert not held.was_interrupted
    azure.faults.next = ["reset after"]
    held.renew(LEASE)
    assert held.was_interrupted
    held.was_interrupted = False
    assert not held.was_interrupted


def test_a_service_that_pushes_back_gets_fewer_at_once(azure: FakeAzure, open_service: Open) -> None:
    pace = Pace(start=8)
    service = open_service(pace=pace)
    service.create(MIB, metadata={"upload": "1"}, over=None)
    service.lease(LEASE)
    azure.faults.only, azure.faults.next = "put page", ["503"]
    service.put(Span(0, 512), b"x" * 512, lease=LEASE)
    assert pace.limit == 4


def test_no_more_writes_are_in_flight_than_the_pace_allows(azure: FakeAzure, open_service: Open) -> None:
    service = open_service(pace=Pace(start=2, most=2))
    service.create(MIB, metadata={"upload": "1"}, over=None)
    service.lease(LEASE)
    azure.most_in_flight = 0
    azure.before = lambda asked: time.sleep(0.005)
    threads = [
        threading.Thread(target=service.put, args=(Span(at * 512, at * 512 + 512), b"x" * 512), kwargs={"lease": LEASE})
        for at in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert azure.most_in_flight == 2
    assert service.ranges() == (Span(0, 5120),)


def test_who_gives_up_waits_for_nothing(azure: FakeAzure) -> None:
    service = BlobService(CLOUD, PLACE, transport=azure.transport())
    service.create(MIB, metadata={"upload": "1"}, over=None)
    service.lease(LEASE)
    service.give_up()
    azure.faults.next = ["503"] * 20
    with pytest.raises(RemoteError, match="ServerBusy"):
        service.put(Span(0, 512), b"x" * 512, lease=LEASE)
    assert len(azure.faults.log) == 1


@pytest.mark.parametrize("seed", range(6))
def test_a_process_that_is_killed_sends_nothing_more_until_it_is_started_again(
    held: BlobService, azure: FakeAzure, seed: int
) -> None:
    azure.faults = Faults(seed=seed)
    azure.faults.kill_after(2)
    held.put(Span(0, 512), b"x" * 512, lease=LEASE)
    with pytest.raises(SimulatedKill):
        held.put(Span(512, 1024), b"x" * 512, lease=LEASE)
    with pytest.raises(SimulatedKill):
        held.release(LEASE)
    azure.faults.revive()
    took_effect = azure.faults.log[-1][1] == "killed after"
    assert held.ranges() == (Span(0, 1024 if took_effect else 512),)


# tokens --------------------------------------------------------------------------------------------------------------


class Tokens:
    """A credential whose tokens last ten minutes; the account takes those that have not ended."""

    def __init__(self, azure: FakeAzure) -> None:
        self.azure, self.ends = azure, dict[str, float]()

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        assert scopes == ("https://storage.azure.com/.default",)
        now, token = time.time(), f"token-{len(self.ends) + 1}"
        self.ends[token] = now + 600
        self.azure.account.tokens = {token for token, end in self.ends.items() if end > now}
        return AccessToken(token, int(now) + 600)


@pytest.fixture
def public(azure: FakeAzure) -> Cloud:
    tokens = Tokens(azure)
    return Cloud("public", "0" * 8, "mystore", "https://mystore.blob.core.windows.net", "https://m", token=tokens)


def test_a_token_that_ends_while_pages_are_sent_is_asked_for_again(
    azure: FakeAzure, open_service: Open, public: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_in(public, container="images", name=PLACE.name)
    service = open_service(place, public)
    service.create(MIB, metadata={"upload": "1"}, over=None)
    service.lease(LEASE)
    service.put(Span(0, 512), b"x" * 512, lease=LEASE)
    assert azure.account.tokens == {"token-1"}
    later = time.time() + 601
    monkeypatch.setattr(time, "time", lambda: later)
    service.put(Span(512, 1024), b"x" * 512, lease=LEASE)
    assert azure.account.tokens == {"token-2"}
    assert service.ranges() == (Span(0, 1024),)


def test_with_a_token_the_service_reads_the_base_in_our_name(
    azure: FakeAzure, open_service: Open, public: Cloud
) -> None:
    base, place = (place_in(public, container="images", name=name) for name in (BASE.name, PLACE.name))
    source, service = open_service(base, public), open_service(place, public)
    for one in (source, service):
        one.create(MIB, metadata={"upload": one.place.name}, over=None)
        one.lease(LEASE)
    etag = source.put(Span(0, 512), b"x" * 512, lease=LEASE)
    given = len(azure.account.tokens or ())
    for at in (512, 1024):
        move = Move(Span(at, at + 512), 0)
        service.put_from(move, base_etag=etag, **{**move_of(b"x" * 512), "base": base})
    assert service.read(Span(512, 1536)) == b"x" * 1024
    assert azure.account.tokens
    assert len(azure.account.tokens) == given + 1, "one token does for both"
    moved = next(one for one in azure.account.requests if one.verb == "put page-from-url")
    assert moved.header("x-ms-copy-source") == base.url
    assert moved.header("x-ms-copy-source-authorization").startswith("Bearer token-")


# the probe -----------------------------------------------------------------------------------------------------------


def test_a_trial_blob_that_cannot_be_deleted_is_told_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def delete_blob() -> None:
        raise ServiceRequestError("Connection refused")

    monkeypatch.setattr(probe, "BlobService", lambda cloud, place: SimpleNamespace(create=lambda *args, **named: None))
    blob = SimpleNamespace(get_blob_client=lambda name: SimpleNamespace(delete_blob=delete_blob))
    cloud: Any = SimpleNamespace(**vars(CLOUD), is_rehearsal=True, container=lambda name: blob)
    with pytest.raises(RemoteError, match=r"could not delete http://127\.0\.0\.1:1/.*/flight-doctor-[\w-]+\.vhd again"):
        probe.check_may_upload(cloud, container="images")
