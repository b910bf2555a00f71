"""What is read, what is sent, in which order, and what is never taken for done: against a blob service in memory."""

from __future__ import annotations

import dataclasses
import itertools
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows.cloud.endpoint import Cloud
from flight.workflows.digest import BLOCK
from flight.workflows.digest import digest as digest_of
from flight.workflows.kit.errors import BusyError, ConfigError, FlightError, RemoteError
from flight.workflows.kit.progress import Progress
from flight.workflows.upload import identity as identity_found
from flight.workflows.upload.patience import Patience, retry_after
from flight.workflows.upload.plan import BRIDGE, MOST, PAGE, Span, merge, plan_puts, plan_reads
from flight.workflows.upload.receipt import Identity, Receipt, Remote, place_in
from flight.workflows.upload.transfer import recheck, upload

CLOUD = Cloud("rehearsal", "0" * 8, "devstoreaccount1", "http://127.0.0.1:1/devstoreaccount1", "http://127.0.0.1:2")
PLACE = place_in(CLOUD, container="images", name="demo-1.0.0.vhd")
DIGEST, OTHER = "sha256:" + "d" * 64, "sha256:" + "e" * 64


# plan ----------------------------------------------------------------------------------------------------------------

spans = st.builds(lambda start, size: Span(start, start + size), st.integers(0, 60), st.integers(0, 12))


@given(st.lists(spans), st.integers(0, 5))
def test_merged_spans_hold_the_same_bytes_and_the_short_holes_between_them(given_: list[Span], bridge: int) -> None:
    held = sorted({byte for span in given_ for byte in range(span.start, span.stop)})
    bridged = set(held)
    for left, right in itertools.pairwise(held):
        if right - left - 1 <= bridge:
            bridged |= set(range(left, right))
    merged = merge(given_, bridge=bridge)
    assert {byte for span in merged for byte in range(span.start, span.stop)} == bridged
    assert all(left.stop + bridge < right.start for left, right in itertools.pairwise(merged))


files = st.lists(st.sampled_from(["hole", "zeros", "data", "one byte"]), min_size=1, max_size=150).flatmap(
    lambda blocks: st.tuples(st.just(blocks), st.integers(1, BLOCK // PAGE))
)
"""What each block holds, and how many pages the last one has."""


def content_of(blocks: list[str], last_pages: int) -> tuple[bytes, list[Span]]:
    """The content of a file, and the extents that a filesystem would tell."""
    kinds = {"hole": bytes(BLOCK), "zeros": bytes(BLOCK), "data": b"\xff" * BLOCK, "one byte": bytes(PAGE - 1) + b"\1"}
    content = b"".join(kinds[kind].ljust(BLOCK, b"\0") for kind in blocks)
    content = content[: (len(blocks) - 1) * BLOCK + last_pages * PAGE]
    places = (Span(at * BLOCK, min((at + 1) * BLOCK, len(content))) for at in range(len(blocks)))
    return content, list(merge(span for span, kind in zip(places, blocks, strict=True) if kind != "hole"))


@settings(max_examples=60, deadline=None)
@given(files)
def test_what_is_sent_makes_the_same_file_of_an_empty_one(file: tuple[list[str], int]) -> None:
    content, extents = content_of(*file)
    copy = bytearray(len(content))
    for read in plan_reads(extents, size=len(content)):
        for put in plan_puts(read, content[read.start : read.stop]):
            assert read.start <= put.start < put.stop <= read.stop
            assert put.start % PAGE == put.stop % PAGE == 0
            assert put.size <= MOST
            assert not any(copy[put.start : put.stop]), "no byte is sent twice"
            copy[put.start : put.stop] = content[put.start : put.stop]
    assert bytes(copy) == content


@settings(max_examples=60, deadline=None)
@given(files)
def test_no_run_starts_or_ends_with_a_zero_block_nor_holds_a_hole_longer_than_the_bridge(
    file: tuple[list[str], int],
) -> None:
    content, extents = content_of(*file)
    for read in plan_reads(extents, size=len(content)):
        for put in plan_puts(read, content[read.start : read.stop]):
            flags = [any(content[at : min(at + BLOCK, put.stop)]) for at in range(put.start, put.stop, BLOCK)]
            assert flags[0]
            assert flags[-1]
            longest = max(len(run) for run in "".join("x" if flag else "." for flag in flags).split("x"))
            assert longest * BLOCK <= BRIDGE


extents_of_a_large_file = st.lists(
    st.builds(lambda at, size: Span(at, at + size), st.integers(0, 2**40), st.integers(1, 2**26)), max_size=9
)


@given(extents_of_a_large_file)
def test_reads_cover_every_extent_in_whole_blocks_of_at_most_four_mib(extents: list[Span]) -> None:
    size = max((one.stop for one in extents), default=0)
    reads = plan_reads(extents, size=size)
    covered = merge(reads)
    assert all(any(run.start <= one.start and one.stop <= run.stop for run in covered) for one in extents)
    assert all(read.start % BLOCK == 0 and (read.stop % BLOCK == 0 or read.stop == size) for read in reads)
    assert all(0 < read.size <= MOST for read in reads)
    assert sum(read.size for read in reads) == sum(run.size for run in covered), "no byte is read twice"
    wanted = merge(extents, bridge=BRIDGE + 2 * BLOCK)
    assert all(any(one.start - BLOCK < run.start and run.stop < one.stop + BLOCK for one in wanted) for run in covered)


def test_a_file_of_holes_is_not_read() -> None:
    assert plan_reads([], size=1 << 40) == ()


# patience ------------------------------------------------------------------------------------------------------------


class Clock:
    """A time that passes only while somebody rests."""

    def __init__(self) -> None:
        self.now, self.rests = 100.0, list[float]()

    def wait(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += seconds


def patience(clock: Clock, **more: Any) -> Patience:
    made = Patience(clock=lambda: clock.now, **more)
    made.given_up.wait = clock.wait  # type: ignore[method-assign,assignment]
    return made


def answer(status: int, code: str = "", **headers: str) -> HttpResponseError:
    error = HttpResponseError(f"{code} happened")
    error.status_code, error.error_code = status, code  # type: ignore[attr-defined]
    error.response = SimpleNamespace(headers=headers, status_code=status)  # type: ignore[assignment]
    return error


def failing(*errors: Exception) -> Callable[[], str]:
    left = list(errors)

    def request() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return request


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(answer(503, "ServerBusy"), id="busy"),
        pytest.param(answer(500, "InternalError"), id="internal"),
        pytest.param(answer(400, "Md5Mismatch"), id="a page damaged on its way"),
        pytest.param(ServiceRequestError("Connection aborted"), id="cut off"),
        pytest.param(ServiceRequestError("Failed to resolve 'x'"), id="the name server is gone for a moment"),
    ],
)
def test_a_request_is_tried_again_after(error: Exception) -> None:
    clock = Clock()
    assert patience(clock).ask(failing(error)) == "done"
    assert clock.rests


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(answer(403, "AuthorizationFailure"), id="forbidden"),
        pytest.param(answer(412, "SequenceNumberConditionNotMet"), id="taken over"),
        pytest.param(answer(400, "InvalidPageRange"), id="a defect of ours"),
    ],
)
def test_a_request_is_not_tried_again_after(error: Exception) -> None:
    clock = Clock()
    with pytest.raises(HttpResponseError):
        patience(clock).ask(failing(error))
    assert not clock.rests


def test_at_first_contact_a_host_that_is_not_there_is_an_error_at_once() -> None:
    clock = Clock()
    with pytest.raises(ServiceRequestError):
        patience(clock, hopeful=False).ask(failing(ServiceRequestError("Failed to resolve 'x'")))
    assert not clock.rests


def test_waits_grow_from_a_quarter_of_a_second_to_half_a_minute_and_tries_end() -> None:
    clock = Clock()
    with pytest.raises(HttpResponseError):
        patience(clock).ask(failing(*(answer(500) for _ in range(10))))
    assert len(clock.rests) == 9
    assert clock.rests[0] < 0.4
    assert 20 < clock.rests[-1] < 40


def test_a_pause_that_the_server_asks_for_is_kept_by_every_sender() -> None:
    clock = Clock()
    shared = patience(clock)
    shared._wait_after(answer(503, "ServerBusy", **{"Retry-After": "7"}), 0)
    assert shared.ask(failing()) == "done"
    assert clock.rests == [7.0]


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), ("3600", 30.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0)], ids=str
)
def test_retry_after_is_read(header: str, seconds: float) -> None:
    assert retry_after(answer(503, **{"Retry-After": header})) == seconds


def test_nobody_waits_once_another_sender_has_failed_for_good() -> None:
    shared = Patience()
    shared.given_up.set()
    with pytest.raises(HttpResponseError):
        shared.ask(failing(answer(503, "ServerBusy", **{"Retry-After": "30"})))


# identity, place and receipt -----------------------------------------------------------------------------------------


def test_metadata_is_ascii_whatever_a_recipe_is_called() -> None:
    identity = Identity(DIGEST, 512, "0123456789ab", "größe", "1.0~rc1+ü")
    for name, value in identity.metadata(sealed=True).items():
        assert name.isidentifier()
        assert value.isascii()
    assert Remote('"1"', 512, 1, identity.metadata()).digest == DIGEST
    assert "größe 1.0~rc1+ü, not whole" in str(Remote('"1"', 512, 1, identity.metadata()))


def test_a_receipt_is_read_as_it_was_written(tmp_path: Path) -> None:
    receipt = Receipt(PLACE, '"1"', DIGEST, 512, 512, 1, 0.5, "azure-storage-blob 12")
    (tmp_path / "demo.blob.json").write_text(receipt.to_json())
    assert Receipt.load(tmp_path / "demo.blob.json") == receipt
    (tmp_path / "demo.blob.json").write_text(receipt.to_json().replace(f'"{DIGEST}"', "null"))
    with pytest.raises(FlightError, match="'digest' is None"):
        Receipt.load(tmp_path / "demo.blob.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"place": {}}'], ids=repr)
def test_what_is_no_receipt_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo.blob.json").write_text(text)
    with pytest.raises(FlightError, match=r"demo\.blob\.json is no receipt"):
        Receipt.load(tmp_path / "demo.blob.json")


@pytest.mark.parametrize("found", [{}, {"digest": DIGEST}, {"digest": 1, "file_bytes": 512}], ids=repr)
def test_facts_that_do_not_say_what_is_sent_are_told_with_what_to_remove(found: dict[str, object]) -> None:
    with pytest.raises(FlightError) as caught:
        identity_found(found, key="0123456789ab", recipe="demo", version="1")
    assert "remove the folder *-0123456789ab" in caught.value.fix


def test_a_place_with_a_name_that_azure_refuses_is_an_error_before_anything_is_asked() -> None:
    with pytest.raises(ConfigError, match="'Images' is no name for a container"):
        place_in(CLOUD, container="Images", name="x.vhd")


# transfer ------------------------------------------------------------------------------------------------------------


class Memory:
    """A blob service with one blob, in memory; `before_put` is called before each page run is taken."""

    client = "memory"

    def __init__(self) -> None:
        self.blob: bytearray | None = None
        self.metadata: Mapping[str, str] = {}
        self.fence = self.version = 0
        self.pages: list[Span] = []
        self.was_given_up = False
        self.before_put: Callable[[Span], None] = lambda span: None
        self.lock = threading.Lock()

    @property
    def etag(self) -> str:
        return f'"{self.version}"'

    def look(self) -> Remote | None:
        return None if self.blob is None else Remote(self.etag, len(self.blob), self.fence, self.metadata)

    def create(self, size: int, *, metadata: Mapping[str, str], fence: int, over: str | None) -> None:
        if over != (None if self.blob is None else self.etag):
            raise BusyError("somebody else is writing")
        self.blob, self.metadata, self.fence, self.pages = bytearray(size), metadata, fence, []
        self.version += 1

    def put(self, span: Span, content: bytes, *, fence: int) -> None:
        self.before_put(span)
        with self.lock:
            if fence != self.fence or self.blob is None:
                raise BusyError("somebody else is writing")
            assert len(content) == span.size
            self.blob[span.start : span.stop] = content
            self.pages.append(span)
            self.version += 1

    def ranges(self) -> tuple[Span, ...]:
        return merge(self.pages)

    def describe(self, metadata: Mapping[str, str], *, under: str) -> str:
        if under != self.etag:
            raise BusyError("somebody else is writing")
        self.metadata = metadata
        self.version += 1
        return self.etag

    def give_up(self) -> None:
        self.was_given_up = True


@pytest.fixture
def vhd(tmp_path: Path) -> Path:
    """A sparse file with data at odd places, written zeros, and a footer in a short last block."""
    path = tmp_path / "demo.vhd"
    parts = {1 << 20: b"a" * (9 << 20), 20 << 20: bytes(5 << 20), (30 << 20) + 4096: b"b", 40 << 20: b"conectix"}
    with open(path, "wb") as file:
        file.truncate((40 << 20) + 512)
        for at, content in parts.items():
            file.seek(at)
            file.write(content)
    return path


def identity_of(path: Path, digest: str = "") -> Identity:
    return Identity(digest or digest_of(path), path.stat().st_size, "0123456789ab", "demo", "1.0.0")


def test_what_arrives_is_the_file_and_the_seal_is_its_digest(vhd: Path) -> None:
    service, heard = Memory(), list[Progress]()
    receipt = upload(vhd, to=PLACE, identity=identity_of(vhd), service=service, told=heard.append)
    assert service.blob == vhd.read_bytes()
    assert service.metadata["sealed"] == service.metadata["digest"] == digest_of(vhd)
    assert receipt.etag == service.etag
    assert receipt.sent_bytes == sum(span.size for span in service.pages) == (9 << 20) + BLOCK + 512
    assert receipt.puts == len(service.pages)
    sending = [one for one in heard if one.total]
    assert sending[-1].percent == 100


def test_a_second_upload_of_the_same_sends_nothing(vhd: Path) -> None:
    service = Memory()
    first = upload(vhd, to=PLACE, identity=identity_of(vhd), service=service)
    version = service.version
    second = upload(vhd, to=PLACE, identity=identity_of(vhd), service=service)
    assert (second.sent_bytes, second.etag, service.version) == (0, first.etag, version)


def test_our_own_half_of_an_upload_is_not_taken_for_done_but_sent_again(vhd: Path) -> None:
    service = Memory()
    service.create(vhd.stat().st_size, metadata=identity_of(vhd).metadata(), fence=7, over=None)
    service.put(Span(0, 512), b"x" * 512, fence=7)
    upload(vhd, to=PLACE, identity=identity_of(vhd), service=service)
    assert service.blob == vhd.read_bytes()
    assert service.metadata["sealed"] == digest_of(vhd)


FOREIGN: dict[str, Mapping[str, str]] = {
    "foreign": {},
    "another image, whole": {"digest": OTHER, "sealed": OTHER, "recipe": "old", "version": "0.9"},
    "another image, half": {"digest": OTHER},
    "ours, with another's seal": {"digest": "OURS", "sealed": OTHER},
}


@pytest.mark.parametrize("metadata", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_name_that_holds_something_else_is_an_error_unless_told_to_replace(
    vhd: Path, metadata: Mapping[str, str]
) -> None:
    service = Memory()
    metadata = {name: value.replace("OURS", digest_of(vhd)) for name, value in metadata.items()}
    service.create(1024, metadata=metadata, fence=0, over=None)
    with pytest.raises(RemoteError, match="holds something else"):
        upload(vhd, to=PLACE, identity=identity_of(vhd), service=service)
    assert service.metadata == metadata
    upload(vhd, to=PLACE, identity=identity_of(vhd), service=service, replace=True)
    assert service.blob == vhd.read_bytes()


def test_a_sealed_blob_of_another_size_is_not_taken_for_done(vhd: Path) -> None:
    service = Memory()
    service.create(1024, metadata=identity_of(vhd).metadata(sealed=True), fence=0, over=None)
    with pytest.raises(RemoteError, match="holds something else"):
        upload(vhd, to=PLACE, identity=identity_of(vhd), service=service)


def test_an_uploader_whose_blob_was_taken_over_fails_and_leaves_the_other_ones_pages_alone(vhd: Path) -> None:
    service = Memory()

    def take_over(span: Span) -> None:
        service.before_put = lambda span: None
        service.create(512, metadata=identity_of(vhd, OTHER).metadata(), fence=99, over=service.etag)

    service.before_put = take_over
    with pytest.raises(BusyError):
        upload(vhd, to=PLACE, identity=identity_of(vhd), service=service)
    assert service.blob == bytes(512)
    assert service.metadata["digest"] == OTHER
    assert "sealed" not in service.metadata


def test_a_page_that_was_lost_on_its_way_is_found_before_the_seal(vhd: Path) -> None:
    service = Memory()
    original = service.put

    def lossy(span: Span, content: bytes, *, fence: int) -> None:
        if span.start != 40 << 20:
            original(span, content, fence=fence)

    service.put = lossy  # type: ignore[method-assign]
    with pytest.raises(RemoteError, match="does not hold what was sent"):
        upload(vhd, to=PLACE, identity=identity_of(vhd), service=service)
    assert "sealed" not in service.metadata


def test_a_foreign_page_written_between_the_proof_and_the_seal_stops_the_seal(vhd: Path) -> None:
    service = Memory()
    original = service.ranges

    def meddled() -> tuple[Span, ...]:
        found = original()
        service.put(Span(0, 512), b"x" * 512, fence=service.fence)
        return found

    service.ranges = meddled  # type: ignore[method-assign]
    with pytest.raises(BusyError):
        upload(vhd, to=PLACE, identity=identity_of(vhd), service=service)
    assert "sealed" not in service.metadata


def test_a_blob_that_is_removed_meanwhile_is_an_error(vhd: Path) -> None:
    service = Memory()
    service.look = lambda: None  # type: ignore[method-assign]
    with pytest.raises(BusyError, match="removed"):
        upload(vhd, to=PLACE, identity=identity_of(vhd), service=service)
    assert "sealed" not in service.metadata


def rewrite(path: Path) -> None:
    with open(path, "r+b") as file:
        file.write(b"changed")
    os.utime(path, ns=(1, 1))


def swap(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def cut(path: Path) -> None:
    os.truncate(path, 1 << 20)


@pytest.mark.parametrize("change", [rewrite, swap, cut], ids=lambda change: change.__name__)
def test_a_file_that_changes_while_it_is_sent_is_an_error_and_not_sealed(
    vhd: Path, change: Callable[[Path], None]
) -> None:
    service, once = Memory(), threading.Lock()
    service.before_put = lambda span: change(vhd) if once.acquire(blocking=False) else None
    with pytest.raises(FlightError, match=r"changed while|could not read"):
        upload(vhd, to=PLACE, identity=identity_of(vhd), service=service, connections=1)
    assert "sealed" not in service.metadata


def test_a_file_of_another_length_than_its_identity_says_is_refused_before_a_blob_is_made(vhd: Path) -> None:
    service = Memory()
    wrong = dataclasses.replace(identity_of(vhd), size_bytes=1024)
    with pytest.raises(FlightError, match="not what is to be uploaded"):
        upload(vhd, to=PLACE, identity=wrong, service=service)
    assert service.blob is None


def test_a_file_that_is_not_what_its_digest_says_is_not_sealed(vhd: Path) -> None:
    service = Memory()
    with pytest.raises(FlightError, match="was damaged since it was made") as caught:
        upload(vhd, to=PLACE, identity=identity_of(vhd, OTHER), service=service)
    assert caught.value.fix.startswith(f"rm {vhd}; ")
    assert "sealed" not in service.metadata


def test_the_first_failure_ends_all_sending(vhd: Path) -> None:
    service, begun = Memory(), list[Span]()

    def fail(span: Span) -> None:
        begun.append(span)
        raise RemoteError("refused")

    service.before_put = fail
    with pytest.raises(RemoteError, match="refused"):
        upload(vhd, to=PLACE, identity=identity_of(vhd), service=service, connections=2)
    assert service.was_given_up
    assert len(begun) <= 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("put-page")]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"etag": '"99"'}, "was written to since"),
        ({"metadata": {"digest": OTHER}}, "not sealed"),
        ({"metadata": {"digest": OTHER, "sealed": OTHER}}, "another digest"),
        ({"size_bytes": 1024}, "1024 bytes"),
        ({"is_page_blob": False}, "not a page blob"),
    ],
    ids=["written to", "unsealed", "other digest", "other size", "other type"],
)
def test_a_recheck_tells_what_is_not_as_the_receipt_says(vhd: Path, changed: dict[str, Any], problem: str) -> None:
    service = Memory()
    receipt = upload(vhd, to=PLACE, identity=identity_of(vhd), service=service)
    assert recheck(receipt, service=service) == ()
    now = service.look()
    assert now is not None
    service.look = lambda: dataclasses.replace(now, **changed)  # type: ignore[method-assign]
    (found,) = recheck(receipt, service=service)
    assert problem in found


def test_a_recheck_tells_that_a_blob_is_gone(vhd: Path) -> None:
    receipt = Receipt(PLACE, '"1"', DIGEST, 512, 512, 1, 0.5, "memory")
    assert recheck(receipt, service=Memory()) == (f"{PLACE.url} is gone",)
