"""The whole way of an upload: what is sent, in which order, what is never taken for done; through the unmodified SDK."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from campaign import GRAIN, MIB
from fake_azure import SimulatedKill
from fake_http import Asked
from shops import Place, parts, piped, place

from flight.workflows import upload
from flight.workflows.digest import digest as digest_of
from flight.workflows.kit.errors import BusyError, ConfigError, FlightError, RemoteError
from flight.workflows.kit.progress import Progress
from flight.workflows.upload import copying, lease
from flight.workflows.upload.plan import Span
from flight.workflows.upload.receipt import BlobPlace
from flight.workflows.upload.verify import recheck, verify

OTHER = "sha256:" + "e" * 64


# All of it -----------------------------------------------------------------------------------------------------------


def test_what_arrives_is_the_disk_and_the_seal_is_its_digest(shop: Place) -> None:
    heard = list[Progress]()
    receipt = shop.send(told=heard.append)
    assert shop.held() == shop.disk.read_bytes()
    assert shop.blob().metadata["sealed"] == receipt.digest == digest_of(shop.disk)
    assert receipt.etag == shop.blob().etag
    assert receipt.sent_bytes == shop.put_bytes() < 6 * MIB, "holes and zeros are not sent"
    sending = [progress for progress in heard if progress.what.startswith("sending")]
    assert sending[-1].done == sending[-1].total
    assert "/s" in sending[-1].what
    assert "skipped" in sending[-1].what


def test_nobody_holds_the_blob_afterwards(shop: Place) -> None:
    shop.send()
    assert not shop.blob().lease.is_held


def test_a_second_upload_finds_it_there_and_writes_nothing(shop: Place) -> None:
    first, asked = shop.send(), len(shop.azure.account.requests)
    second = shop.send()
    assert (second.sent_bytes, second.etag, second.digest) == (0, first.etag, first.digest)
    assert not [one.verb for one in shop.azure.account.requests[asked:] if one.method == "PUT"]


@pytest.mark.parametrize("is_known", [True, False], ids=["its digest is known", "it is taken"])
def test_it_is_found_there_without_the_ledger_too(shop: Place, is_known: bool) -> None:
    first = shop.send()
    for ledger in (shop.disk.parent / "ledgers").iterdir():
        ledger.unlink()
    assert shop.send(digest=first.digest if is_known else "").sent_bytes == 0


def test_what_is_not_what_was_made_is_not_sealed(shop: Place) -> None:
    with pytest.raises(FlightError, match="was damaged since it was made") as caught:
        shop.send(digest=OTHER)
    assert caught.value.fix.startswith(f"rm {shop.disk}; ")
    assert "sealed" not in shop.blob().metadata


def test_the_blob_says_the_md5_of_the_whole_where_that_is_asked_for(
    shop: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.send(content_md5=True)
    assert shop.blob().content_md5 == base64.b64encode(hashlib.md5(shop.disk.read_bytes()).digest()).decode()
    assert "sealed" in shop.blob().metadata
    with piped(shop.content, monkeypatch) as name, pytest.raises(ConfigError, match="Content-MD5 of a pipe"):
        shop.send("demo-2.vhd", disk=name, content_md5=True)


def test_a_raw_disk_gains_its_footer_on_the_way(shop: Place, tmp_path: Path) -> None:
    raw = tmp_path / "demo.raw"
    raw.write_bytes(shop.content[: 14 * MIB + 512])
    shop.send(disk=raw)
    held = shop.held()
    assert held[: 14 * MIB + 512] == raw.read_bytes()
    assert len(held) == 15 * MIB + 512
    assert held[-512:].startswith(b"conectix")


@pytest.mark.parametrize("kind", ["raw", "vhd"])
def test_a_disk_that_comes_through_a_pipe_arrives_whole(
    shop: Place, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = shop.disk.read_bytes() if kind == "vhd" else shop.content
    with piped(content, monkeypatch) as name:
        receipt = shop.send(disk=name)
    held = shop.held()
    assert held[: 16 * MIB] == shop.content
    assert (len(held), held[-512:][:8]) == (16 * MIB + 512, b"conectix")
    assert receipt.size_bytes == len(held)
    assert receipt.sent_bytes < 6 * MIB


# Taken up again ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("requests", range(1, 16))
def test_whenever_it_is_killed_what_arrived_is_not_sent_again(shop: Place, requests: int) -> None:
    shop.kill(requests)
    assert (
        "sealed" not in getattr(shop.azure.account.blobs.get(("images", "demo-1.vhd")), "metadata", {}) or requests > 10
    )
    receipt = shop.send()
    assert shop.held() == shop.disk.read_bytes()
    data = shop.put_bytes()
    assert data <= 5 * MIB + 4 * 65536, "a page that arrived was sent again"
    assert receipt.sent_bytes + receipt.found_bytes in (0, data)


def test_what_was_on_its_way_is_read_back_and_compared(shop: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "AHEAD", 0)  # in the file's order
    shop.azure.faults.next, shop.azure.faults.only = ["", "killed after"], "put page"
    with pytest.raises(SimulatedKill):
        shop.send(connections=1)
    shop.azure.faults.revive()
    asked = len(shop.azure.account.requests)
    assert shop.send().found_bytes >= 3 * MIB
    assert "get blob" in [one.verb for one in shop.azure.account.requests[asked:]]


def test_a_rerun_a_day_later_goes_on_where_nobody_wrote_meanwhile(shop: Place) -> None:
    shop.kill(7)
    before = shop.put_bytes()
    shop.clock.now += 86400
    assert shop.send().found_bytes == before > 0


def test_where_somebody_wrote_meanwhile_all_is_sent_again(shop: Place) -> None:
    shop.kill(7)
    shop.clock.now += 86400
    blob = shop.blob()
    blob.pages.write(12 * MIB, b"x" * 512)
    blob.lease.was_written()
    blob.etag = '"0xSTRANGER"'
    assert shop.send().found_bytes == 0
    assert shop.held() == shop.disk.read_bytes()


@pytest.mark.parametrize("fault", ["killed", "killed after"])
def test_a_kill_while_the_lease_is_given_back_does_not_make_strangers_pages_ours(shop: Place, fault: str) -> None:
    shop.kill(12)
    shop.clock.now += 3600
    shop.blob().pages.write(MIB, b"strange!" * 64)
    shop.blob().lease.was_written()
    shop.blob().etag = '"0xSTRANGER"'
    shop.azure.faults.next, shop.azure.faults.only = [fault], "put lease-release"
    with pytest.raises(SimulatedKill):
        shop.send()
    shop.azure.faults.revive()
    shop.send()
    assert shop.held() == shop.disk.read_bytes()


def test_another_file_of_the_name_is_sent_whole(shop: Place) -> None:
    shop.kill(7)
    shop.content = parts(16, {MIB: MIB}, seed=6)
    shop.write(shop.content)
    receipt = shop.send(replace=True)
    assert receipt.found_bytes == 0
    assert shop.held() == shop.disk.read_bytes()


def test_a_kill_between_the_seal_and_the_maps_last_word_is_made_good_by_the_next_run(shop: Place) -> None:
    shop.azure.faults.next, shop.azure.faults.only = ["killed after"], "put metadata"
    with pytest.raises(SimulatedKill):
        shop.send()
    shop.azure.faults.revive()
    assert "etag" not in shop.blob("demo-1.vhd.map").metadata
    assert shop.send().sent_bytes == 0
    assert shop.blob("demo-1.vhd.map").metadata["etag"] == shop.blob().etag


# Who else is there ---------------------------------------------------------------------------------------------------


FOREIGN = {
    "a stranger's blob": {},
    "another image, whole": {"digest": OTHER, "sealed": OTHER},
    "another image, half": {"digest": OTHER, "upload": "x"},
}


@pytest.mark.parametrize("metadata", FOREIGN.values(), ids=FOREIGN)
def test_a_name_that_holds_something_else_is_an_error_unless_told_to_replace(
    shop: Place, metadata: dict[str, str]
) -> None:
    shop.send()
    for ledger in (shop.disk.parent / "ledgers").iterdir():
        ledger.unlink()
    shop.blob().metadata = metadata
    before = shop.blob().etag
    with pytest.raises(RemoteError, match="holds something else"):
        shop.send()
    assert shop.blob().etag == before
    shop.send(replace=True)
    assert shop.blob().metadata["sealed"] == digest_of(shop.disk)


def test_somebody_elses_lease_is_respected_with_who_and_until_when(shop: Place) -> None:
    shop.kill(7)
    for ledger in (shop.disk.parent / "ledgers").iterdir():
        ledger.unlink()
    with pytest.raises(
        BusyError, match=r"@\S+ pid \d+, since \S+ writes it; its lease is held, and free 60 s after it ends"
    ):
        shop.send(replace=True)
    shop.clock.now += 61
    shop.send(replace=True)
    assert shop.held() == shop.disk.read_bytes()


def test_who_writes_stands_in_the_blob_until_it_is_sealed(shop: Place) -> None:
    shop.kill(7)
    assert "pid" in shop.blob().metadata["writer"]
    shop.send()
    assert "writer" not in shop.blob().metadata
    assert lease.writer().isascii()


def test_a_page_that_was_lost_on_its_way_is_found_and_sent_again(shop: Place) -> None:
    shop.on("get pagelist", lambda: shop.blob().pages.clear(5 * MIB, 6 * MIB))
    receipt = shop.send()
    assert shop.held() == shop.disk.read_bytes()
    assert receipt.sent_bytes == 5 * MIB + 3 * 65536 + 512 + MIB


def test_a_page_that_nobody_sent_is_cleared(shop: Place) -> None:
    shop.on("get pagelist", lambda: shop.blob().pages.write(11 * MIB, b"x" * 512))
    shop.send()
    assert shop.held() == shop.disk.read_bytes()


def test_a_blob_that_loses_its_pages_again_and_again_is_not_sealed(shop: Place) -> None:
    def lose(asked: Asked) -> None:
        if asked.verb == "get pagelist":
            shop.blob().pages.clear(5 * MIB, 6 * MIB)

    shop.azure.before = lose
    with pytest.raises(RemoteError, match="does not hold what was sent"):
        shop.send()
    assert "sealed" not in shop.blob().metadata


def test_a_write_between_the_proof_and_the_seal_stops_the_seal(shop: Place) -> None:
    def meddle() -> None:
        shop.blob().etag = '"0xSTRANGER"'

    shop.on("put metadata", meddle)
    with pytest.raises(BusyError):
        shop.send()
    assert "sealed" not in shop.blob().metadata


def test_a_blob_that_is_removed_meanwhile_is_an_error(shop: Place) -> None:
    shop.on("get pagelist", lambda: shop.azure.account.blobs.clear())
    with pytest.raises(FlightError):
        shop.send()
    assert shop.azure.account.blobs == {}


def test_a_blob_that_is_removed_before_its_proof_is_told_so(shop: Place) -> None:
    shop.on("put page", lambda: shop.on("head blob", lambda: shop.azure.account.blobs.clear()))
    with pytest.raises(BusyError, match="was removed while it was being sent"):
        shop.send(connections=1)


def test_what_a_pipe_lost_on_its_way_cannot_be_sent_again(shop: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.on("get pagelist", lambda: shop.blob().pages.clear(5 * MIB, 6 * MIB))
    with piped(shop.content, monkeypatch) as name, pytest.raises(FlightError, match="a pipe cannot be read again"):
        shop.send(disk=name)
    assert "sealed" not in shop.blob().metadata


def test_a_lease_that_was_lost_is_why_it_failed(shop: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.kill(7)
    service = shop.service(place("demo-1.vhd"))
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    with pytest.raises(BusyError, match="the lease on the blob was lost"), lease.kept(service, str(UUID(int=9))):
        assert service._wire.patience.given_up.wait(10)
        raise RemoteError("a page was refused")


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
    os.truncate(path, MIB)


@pytest.mark.parametrize("change", [rewrite, swap, cut, Path.unlink], ids=lambda change: change.__name__)
def test_a_file_that_changes_while_it_is_sent_is_an_error_and_not_sealed(
    shop: Place, change: Callable[[Path], None]
) -> None:
    shop.on("put page", lambda: change(shop.disk))
    with pytest.raises(FlightError, match="changed while"):
        shop.send(connections=1)
    assert "sealed" not in shop.blob().metadata


def test_the_first_refusal_ends_all_sending(shop: Place) -> None:
    shop.azure.faults.next, shop.azure.faults.only = ["500"] * 100, "put page"
    with pytest.raises(RemoteError):
        shop.send(connections=2)
    assert shop.put_bytes() == 0
    assert not shop.blob().lease.is_held


# Only what changed ---------------------------------------------------------------------------------------------------


@pytest.fixture
def grown(shop: Place) -> Place:
    """Last night's disk is there, and tonight something grew in it, so that most of it moved; its end is freed."""
    shop.send("demo-0.vhd")
    fresh = random.Random(9).randbytes(3 * GRAIN)
    body = shop.content
    shop.content = (
        body[:MIB] + fresh + body[MIB : 8 * MIB] + bytes(MIB - 3 * GRAIN) + body[9 * MIB : 15 * MIB] + bytes(MIB)
    )
    shop.write(shop.content)
    return shop


def test_only_what_is_new_is_sent_and_what_moved_is_moved_by_the_service(grown: Place) -> None:
    asked = len(grown.azure.account.requests)
    receipt = grown.send()
    assert grown.held() == grown.disk.read_bytes()
    assert grown.put_bytes(asked) == receipt.sent_bytes <= 64 << 10
    assert receipt.moved_bytes >= 4 * MIB
    assert receipt.base == place("demo-0.vhd").url


def test_the_copy_of_a_base_does_not_inherit_its_seal(grown: Place) -> None:
    def look() -> None:
        assert "sealed" not in grown.blob().metadata
        assert grown.blob().metadata["upload"] != ""

    grown.on("put page-from-url", look)
    grown.send()


@pytest.mark.parametrize("requests", [*range(10, 22, 2)])
def test_a_delta_that_was_killed_is_gone_on_with(grown: Place, requests: int) -> None:
    asked = len(grown.azure.account.requests)
    grown.kill(requests)
    grown.send()
    assert grown.held() == grown.disk.read_bytes()
    assert grown.put_bytes(asked) <= 128 << 10
    assert grown.held("demo-0.vhd")[:MIB] == grown.content[:MIB]


def test_without_put_page_from_url_it_is_sent_and_the_same_in_the_end(
    grown: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fake_http import Refusal

    def refuse(self: object, asked: Asked) -> bytes:
        raise Refusal(501, "APINotImplemented")

    monkeypatch.setattr(type(grown.azure.account), "_from_url", refuse)
    receipt = grown.send()
    assert grown.held() == grown.disk.read_bytes()
    assert receipt.moved_bytes == 0


def touched(shop: Place) -> None:
    shop.blob("demo-0.vhd").pages.write(2 * MIB, b"x" * 512)
    shop.blob("demo-0.vhd").etag = '"0xTOUCHED"'


def mapless(shop: Place) -> None:
    del shop.azure.account.blobs["images", "demo-0.vhd.map"]


def torn(shop: Place) -> None:
    shop.blob("demo-0.vhd.map").pages.write(100, b"x")


UNFIT = {"touched": touched, "mapless": mapless, "torn": torn}


@pytest.mark.parametrize("spoil", UNFIT.values(), ids=UNFIT)
@pytest.mark.parametrize("named", [True, False], ids=["named", "the newest"])
def test_a_base_that_cannot_be_believed_means_all_is_sent_and_one_line_says_why(
    grown: Place, spoil: Callable[[Place], None], named: bool, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(grown)
    receipt = grown.send(base=place("demo-0.vhd") if named else None)
    assert receipt.base == ""
    assert grown.held() == grown.disk.read_bytes()
    (line,) = caplog.messages
    assert "demo-0.vhd is no base: " in line
    assert line.endswith("all is sent")


def test_where_the_newest_base_will_not_do_the_one_before_it_is_taken_and_named(
    grown: Place, caplog: pytest.LogCaptureFixture
) -> None:
    grown.clock.now += 60
    grown.send("demo-0b.vhd", full=True)
    del grown.azure.account.blobs["images", "demo-0b.vhd.map"]
    assert grown.send().base == place("demo-0.vhd").url
    (line,) = caplog.messages
    assert line == "demo-0b.vhd is no base: there is no map of its blocks beside it: demo-0.vhd is taken"


def test_a_base_that_is_not_there_or_too_large_is_an_error_and_nothing_is_made(grown: Place, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="there is no base"):
        grown.send(base=place("demo-7.vhd"))
    grown.write(grown.content[: 8 * MIB])
    with pytest.raises(ConfigError, match="is no base for this image"):
        grown.send(base=place("demo-0.vhd"))
    assert ("images", "demo-1.vhd") not in grown.azure.account.blobs


@pytest.mark.parametrize(
    ("base", "words"),
    [
        (place("demo-1.vhd"), "cannot be its own base"),
        (dataclasses.replace(place("a.vhd"), account="other"), "is no base for"),
    ],
    ids=["itself", "another account's"],
)
def test_a_base_that_the_service_cannot_copy_from_is_refused(shop: Place, base: BlobPlace, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        shop.send(base=base)
    assert shop.azure.account.requests == []


def test_a_copy_that_is_still_under_way_after_a_kill_is_waited_for(
    grown: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "AGAIN_S", 0.0)
    grown.azure.account.copy_polls = 5
    grown.azure.faults.next, grown.azure.faults.only = ["killed after"], "put copy"
    with pytest.raises(SimulatedKill):
        grown.send()
    grown.azure.faults.revive()
    assert grown.blob().is_pending
    heard = list[Progress]()
    assert grown.send(told=heard.append).base
    assert "waiting for the copy of an earlier run" in [progress.what for progress in heard]
    assert grown.held() == grown.disk.read_bytes()


def test_a_file_of_another_length_than_was_made_is_refused_before_anything_is_asked(shop: Place) -> None:
    with pytest.raises(FlightError, match="is not what is to be uploaded"):
        shop.send(digest=OTHER, size=512)
    assert shop.azure.account.requests == []


def test_a_base_that_grew_is_made_as_long_as_the_image(grown: Place) -> None:
    grown.content += bytes(5 * MIB)
    grown.write(grown.content)
    assert grown.send().base
    assert grown.held() == grown.disk.read_bytes()


# Looked at again -----------------------------------------------------------------------------------------------------


def test_a_blob_as_it_was_sealed_verifies(shop: Place) -> None:
    receipt = shop.send()
    service = shop.service(place("demo-1.vhd"))
    assert recheck(receipt, service=service) == ()
    for deep in (False, True):
        found = verify(place("demo-1.vhd"), service=service, deep=deep)
        assert (found.problems, found.differing) == ((), ())


TOUCHES: dict[str, tuple[Callable[[Any], None], tuple[Span, ...]]] = {
    "a page": (lambda blob: blob.pages.write(2 * MIB + 512, b"x" * 512), (Span(2 * MIB, 2 * MIB + GRAIN),)),
    "a hole": (lambda blob: blob.pages.write(11 * MIB, b"x" * 512), (Span(11 * MIB, 11 * MIB + GRAIN),)),
    "cleared": (lambda blob: blob.pages.clear(3 * MIB, 4 * MIB), (Span(3 * MIB, 4 * MIB),)),
}


@pytest.mark.parametrize(("touch", "where"), TOUCHES.values(), ids=TOUCHES)
def test_a_blob_that_somebody_touched_is_told_with_the_ranges_that_differ(
    shop: Place, touch: Callable[[Any], None], where: tuple[Span, ...]
) -> None:
    receipt = shop.send()
    touch(shop.blob())
    shop.blob().etag = '"0xTOUCHED"'
    service = shop.service(place("demo-1.vhd"))
    (problem,) = recheck(receipt, service=service)
    assert "was written to since" in problem
    assert verify(place("demo-1.vhd"), service=service).problems == ("it was written to since it was sealed",)
    assert verify(place("demo-1.vhd"), service=service, deep=True).differing == where


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [({}, "flight does not write it"), ({"upload": "x", "writer": "me@here"}, "me@here began it and did not end it")],
    ids=["a stranger's", "half"],
)
def test_what_is_not_sealed_is_told_so(shop: Place, metadata: dict[str, str], problem: str) -> None:
    shop.send()
    shop.blob().metadata = metadata
    found = verify(place("demo-1.vhd"), service=shop.service(place("demo-1.vhd")), deep=True)
    assert problem in found.problems[0]
    assert ("sends what is missing" in str(found.next)) == bool(metadata)


def test_what_is_being_sent_is_told_with_who_does(shop: Place) -> None:
    shop.kill(6)
    found = verify(place("demo-1.vhd"), service=shop.service(place("demo-1.vhd")))
    assert "writes it" in found.problems[0]
    assert found.next == ("let the one who writes it end",)


def test_without_its_map_it_is_not_called_right_before_all_was_read(shop: Place) -> None:
    shop.send()
    mapped = shop.azure.account.blobs.pop(("images", "demo-1.vhd.map"))
    service = shop.service(place("demo-1.vhd"))
    unsure = verify(place("demo-1.vhd"), service=service)
    assert "no map that tells" in unsure.unsure
    assert "--deep reads" in unsure.next[0]
    assert verify(place("demo-1.vhd"), service=service, deep=True).unsure == ""
    shop.azure.account.blobs["images", "demo-1.vhd.map"] = mapped
    assert verify(place("demo-1.vhd"), service=service).unsure == ""


def test_what_is_not_there_is_an_error(shop: Place) -> None:
    with pytest.raises(RemoteError, match="there is no blob"):
        verify(place("demo-1.vhd"), service=shop.service(place("demo-1.vhd")))
