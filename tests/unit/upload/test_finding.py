"""What is there already: believed while nobody wrote to it, read again where somebody may have."""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from campaign import CLOUD, GRAIN, MIB
from madedisks import TABLE
from shops import Place, piped, place

from flight.workflows.digest import digest as digest_of
from flight.workflows.kit.errors import BusyError, ConfigError, FlightError, RemoteError, SpaceError
from flight.workflows.upload.finding import sealed_at
from flight.workflows.upload.ledger import Ledger
from flight.workflows.upload.receipt import place_in
from flight.workflows.upload.service import BlobService
from flight.workflows.upload.verify import verify


def wrote_to(shop: Place, *, name: str = "demo-1.vhd", damage: bool) -> None:
    """Somebody else's write, after which the metadata are as they were and the ETag is not."""
    blob = shop.blob(name)
    if damage:
        blob.pages.write(2 * MIB, b"damaged!" * 64)
    blob.etag = f'"0xTOUCHED{damage}"'


def without_ledgers(shop: Place) -> None:
    for ledger in (shop.disk.parent / "ledgers").iterdir():
        ledger.unlink()


@pytest.mark.parametrize("has_ledger", [True, False], ids=["ledger", "no ledger"])
@pytest.mark.parametrize("is_known", [True, False], ids=["digest known", "digest to be taken"])
def test_a_blob_that_was_damaged_after_its_seal_is_sent_again(
    shop: Place, has_ledger: bool, is_known: bool, caplog: pytest.LogCaptureFixture
) -> None:
    shop.send()
    wrote_to(shop, damage=True)
    if not has_ledger:
        without_ledgers(shop)
    receipt = shop.send(digest=digest_of(shop.disk) if is_known else "")
    assert shop.held() == shop.disk.read_bytes()
    assert not receipt.was_there
    assert receipt.etag == shop.blob().etag
    assert "it does not hold what was sealed: it is sent again" in caplog.text


def test_a_blob_that_was_written_to_and_is_the_same_is_read_and_believed_again(
    shop: Place, caplog: pytest.LogCaptureFixture
) -> None:
    shop.send()
    wrote_to(shop, damage=False)
    receipt = shop.send()
    assert (receipt.was_there, receipt.etag) == (True, shop.blob().etag)
    assert "was written to since it was sealed" in caplog.text
    caplog.clear()
    assert shop.send().was_there, "and need not be read a second time"
    assert caplog.text == ""
    assert shop.send("demo-2.vhd").base == place("demo-1.vhd").url


def forget(*names: str) -> Callable[[Any], None]:
    """Metadata that somebody wrote without these."""

    def write(blob: Any) -> None:
        blob.metadata = {name: value for name, value in blob.metadata.items() if name not in names}

    return write


def falsify_md5(blob: Any) -> None:
    blob.content_md5 = b64encode(bytes(16)).decode()


@pytest.mark.parametrize("content_md5", [True, False], ids=["MD5 asked for", "MD5 not asked for"])
@pytest.mark.parametrize(
    "damage",
    [forget("map"), forget("size_bytes"), forget("map", "size_bytes", "recipe", "version", "digest"), falsify_md5],
    ids=["map", "size", "all but the seal", "Content-MD5"],
)
def test_what_a_seal_says_beside_the_digest_is_made_good(
    shop: Place, damage: Callable[[Any], None], content_md5: bool
) -> None:
    shop.send(content_md5=True)
    before, md5 = dict(shop.blob().metadata), shop.blob().content_md5
    wrote_to(shop, damage=False)
    damage(shop.blob())
    receipt = shop.send(content_md5=content_md5)
    assert receipt.was_there
    assert (shop.blob().metadata, shop.blob().content_md5) == (before, md5)
    assert sealed_at(place("demo-1.vhd"), shop.service(place("demo-1.vhd"))).etag == receipt.etag == shop.blob().etag
    asked = len(shop.azure.account.requests)
    assert shop.send().was_there
    assert not shop.was_read(asked), "and need not be read a second time"


def test_an_md5_that_is_missing_is_taken_where_all_is_read_again_anyway(shop: Place) -> None:
    shop.send()
    wrote_to(shop, damage=False)
    shop.send(content_md5=True)
    assert b64decode(shop.blob().content_md5) == hashlib.md5(shop.disk.read_bytes()).digest()


def test_a_map_that_was_removed_is_put_again_though_the_ledger_knows_the_seal(shop: Place) -> None:
    shop.send()
    etag = shop.blob().etag
    del shop.azure.account.blobs["images", "demo-1.vhd.map"]
    with pytest.raises(RemoteError, match="is not what"):
        sealed_at(place("demo-1.vhd"), shop.service(place("demo-1.vhd")))
    assert shop.send().etag == etag == shop.blob().etag, "nothing is written to the blob"
    assert sealed_at(place("demo-1.vhd"), shop.service(place("demo-1.vhd"))).etag == etag


def test_labels_are_not_made_good_under_somebody_elses_lease(shop: Place) -> None:
    shop.send()
    wrote_to(shop, damage=False)
    forget("map")(shop.blob())
    shop.service(place("demo-1.vhd")).lease(str(UUID(int=1)))
    with pytest.raises(BusyError):
        shop.send()


@pytest.mark.parametrize("is_known", [True, False], ids=["digest known", "digest to be taken"])
def test_a_map_that_was_written_over_is_made_good(shop: Place, is_known: bool) -> None:
    shop.send()
    shop.blob("demo-1.vhd.map").pages.write(0, b"other")
    assert verify(place("demo-1.vhd"), service=shop.service(place("demo-1.vhd"))).unsure
    assert shop.send(digest=digest_of(shop.disk) if is_known else "").was_there
    assert not verify(place("demo-1.vhd"), service=shop.service(place("demo-1.vhd"))).unsure


def test_a_seal_that_names_another_disk_than_it_was_made_for_is_not_believed(
    shop: Place, caplog: pytest.LogCaptureFixture
) -> None:
    shop.send()
    shop.blob().metadata["sealed"] = "sha256:" + "0" * 64
    wrote_to(shop, damage=True)
    assert not shop.send(full=True).was_there
    assert shop.held() == shop.disk.read_bytes()
    assert "is not of the disk that it was made for" in caplog.text


def test_half_a_pipe_is_not_said_to_go_on(shop: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    content = shop.disk.read_bytes()
    with piped(content[: 9 * MIB + 7], monkeypatch) as name, pytest.raises(FlightError):
        shop.send(disk=name)
    found = verify(place("demo-1.vhd"), service=shop.service(place("demo-1.vhd")))
    assert "pipe it again" in found.next[0]
    assert "not known before the pipe ends" in str(found.lines)


@pytest.mark.parametrize("by", [MIB, -MIB], ids=["longer", "shorter"])
def test_a_blob_that_was_resized_after_its_seal_is_sent_again(
    shop: Place, by: int, caplog: pytest.LogCaptureFixture
) -> None:
    shop.send()
    blob = shop.blob()
    blob.size += by
    blob.etag = '"0xRESIZED"'
    assert not shop.send().was_there
    assert shop.held() == shop.disk.read_bytes()
    assert "was resized since it was sealed" in caplog.text


def test_who_writes_to_it_while_it_is_read_again_is_not_written_over(shop: Place) -> None:
    shop.send()
    wrote_to(shop, damage=False)
    shop.on("get pagelist", lambda: wrote_to(shop, damage=True))
    with pytest.raises(BusyError):
        shop.send()


@pytest.mark.parametrize("who", [BlobService, Ledger], ids=["the map's mark", "the ledger"])
def test_an_error_right_after_the_seal_costs_the_next_run_nothing(
    shop: Place, who: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise SpaceError("no room")

    with monkeypatch.context() as broken, pytest.raises(SpaceError):
        broken.setattr(who, {BlobService: "mark_map", Ledger: "sealed"}[who], fail)
        shop.send()
    assert "sealed" in shop.blob().metadata
    asked = len(shop.azure.account.requests)
    assert shop.send().was_there
    assert not shop.was_read(asked)
    assert shop.blob("demo-1.vhd.map").metadata["etag"] == shop.blob().etag


def test_a_file_that_was_rewritten_and_its_time_set_back_is_not_taken_for_what_it_was(shop: Place) -> None:
    shop.send()
    before = shop.disk.stat()
    with open(shop.disk, "r+b") as file:
        file.seek(2 * MIB)
        file.write(b"changed")
    os.utime(shop.disk, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(RemoteError, match="holds something else") as refused:
        shop.send()
    assert digest_of(shop.disk).removeprefix("sha256:")[:12] in refused.value.why, "and both are told"


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1f\x8b" + bytes(MIB - 2), b"QFI\xfb" + bytes(MIB), bytes(100)],
    ids=["empty", "gzip", "qcow2", "half a sector"],
)
def test_what_is_no_disk_leaves_the_old_blob_as_it_is(
    shop: Place, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.send()
    before = shop.blob().etag, shop.held()
    with (
        piped(content, monkeypatch) as name,
        pytest.raises(FlightError, match=r"disk that can be uploaded|nothing came"),
    ):
        shop.send(disk=name, replace=True)
    assert (shop.blob().etag, shop.held()) == before
    with (
        piped(content, monkeypatch) as name,
        pytest.raises(FlightError, match=r"disk that can be uploaded|nothing came"),
    ):
        shop.send("demo-2.vhd", disk=name)
    assert ("images", "demo-2.vhd") not in shop.azure.account.blobs


def test_a_pipe_is_not_known_to_be_what_is_there_and_that_is_said(shop: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.send()
    with piped(shop.disk.read_bytes(), monkeypatch) as name, pytest.raises(RemoteError, match="only the end of the"):
        shop.send(disk=name)


def test_a_pipe_has_no_base(shop: Place) -> None:
    with pytest.raises(ConfigError, match="a pipe has no base"):
        shop.send(disk=Path("-"), base=place("demo-0.vhd"))


def test_a_delta_does_not_say_the_md5_of_its_base(shop: Place) -> None:
    shop.send(content_md5=True)
    with open(shop.disk, "r+b") as file:
        file.seek(3 * MIB)
        file.write(b"x" * GRAIN)
    assert shop.send("demo-2.vhd").base
    assert shop.blob("demo-1.vhd").content_md5
    assert not shop.blob("demo-2.vhd").content_md5
    assert shop.send("demo-3.vhd", content_md5=True).base
    assert shop.blob("demo-3.vhd").content_md5 not in ("", shop.blob("demo-1.vhd").content_md5)


def test_a_blob_that_is_there_without_the_md5_that_is_wanted_is_told(
    shop: Place, caplog: pytest.LogCaptureFixture
) -> None:
    shop.send()
    assert shop.send(content_md5=True).was_there
    assert "without the MD5 of the whole" in caplog.text


def test_a_blob_that_somebody_resized_is_not_sealed(shop: Place) -> None:
    def resize() -> None:
        shop.blob().size += MIB

    shop.on("put page", resize)
    with pytest.raises(BusyError, match="was resized"):
        shop.send()
    assert "sealed" not in shop.blob().metadata


def test_the_last_mending_is_looked_at_too(shop: Place) -> None:
    lost = iter(range(3))

    def lose(asked: Any) -> None:
        if asked.verb == "get pagelist" and next(lost, None) is not None:
            shop.blob().pages.clear(5 * MIB, 6 * MIB)

    shop.azure.before = lose
    shop.send()
    assert shop.held() == shop.disk.read_bytes()


def test_the_name_of_a_map_is_no_name_for_a_blob() -> None:
    with pytest.raises(ConfigError, match="cannot be called"):
        place_in(CLOUD, container="images", name="demo-1.vhd.map")


def test_a_raw_disk_of_a_file_needs_no_table(shop: Place, tmp_path: Path) -> None:
    raw = tmp_path / "data.raw"
    raw.write_bytes(b"x" * MIB)
    assert shop.send("data.vhd", disk=raw).size_bytes == MIB + 512
    assert TABLE not in raw.read_bytes()
