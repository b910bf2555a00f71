"""Who a blob is, where it lies, what is kept of an upload, and how the command line names a place."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from campaign import CLOUD

from flight.workflows import upload
from flight.workflows.kit.errors import ConfigError, FlightError
from flight.workflows.kit.progress import quiet
from flight.workflows.settings import Azure, Rehearsal, Upload
from flight.workflows.upload import command
from flight.workflows.upload import identity as identity_found
from flight.workflows.upload.receipt import Identity, Receipt, Remote, place_in

PLACE = place_in(CLOUD, container="images", name="demo-1.0.0.vhd")
DIGEST = "sha256:" + "d" * 64


def test_metadata_is_ascii_whatever_a_recipe_is_called() -> None:
    identity = Identity(DIGEST, 512, "0123456789ab", "größe", "1.0~rc1+ü")
    for name, value in identity.metadata(sealed=True).items():
        assert name.isidentifier()
        assert value.isascii()
    assert Remote('"1"', 512, identity.metadata()).digest == DIGEST
    assert "größe 1.0~rc1+ü, not sealed" in str(Remote('"1"', 512, identity.metadata()))


def test_a_receipt_is_read_as_it_was_written(tmp_path: Path) -> None:
    receipt = Receipt(PLACE, '"1"', DIGEST, 512, 512, 1, 0.5, "azure-storage-blob 12")
    (tmp_path / "demo.blob.json").write_text(receipt.to_json())
    assert Receipt.load(tmp_path / "demo.blob.json") == receipt
    (tmp_path / "demo.blob.json").write_text(receipt.to_json().replace(f'"{DIGEST}"', "null"))
    with pytest.raises(FlightError, match="somebody edited it"):
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


# What the command line says ------------------------------------------------------------------------------------------

PUBLIC, REHEARSED = Azure(cloud="public"), Azure()


@pytest.mark.parametrize(
    ("text", "azure", "url"),
    [
        ("mine/images/a-1.vhd", PUBLIC, "https://mine.blob.core.windows.net/images/a-1.vhd"),
        (
            "https://mine.blob.core.windows.net/images/a-1.vhd",
            PUBLIC,
            "https://mine.blob.core.windows.net/images/a-1.vhd",
        ),
        ("devstoreaccount1/images/a.vhd", REHEARSED, "http://127.0.0.1:10000/devstoreaccount1/images/a.vhd"),
        (
            "http://127.0.0.1:10000/devstoreaccount1/images/a.vhd",
            REHEARSED,
            "http://127.0.0.1:10000/devstoreaccount1/images/a.vhd",
        ),
    ],
    ids=["words", "address", "rehearsed", "address of the rehearsal"],
)
def test_a_place_is_named_by_words_or_by_its_address(text: str, azure: Azure, url: str) -> None:
    assert command.target_of(text, azure, Rehearsal()).place.url == url


@pytest.mark.parametrize(
    ("text", "azure", "words"),
    [
        ("images/a.vhd", PUBLIC, "is no place for a blob"),
        ("mine/images/", PUBLIC, "is no place for a blob"),
        ("mine/images/folder/a.vhd", PUBLIC, "is no place for a blob"),
        ("mine/Images/a.vhd", PUBLIC, "is no name for a container"),
        ("mine/images/a.vhd.", PUBLIC, "is no name for a blob"),
        ("My/images/a.vhd", PUBLIC, "is no name for a storage account"),
        ("mine/images/a.vhd", REHEARSED, "the rehearsal has no storage account 'mine'"),
        ("https://mine.blob.core.windows.net/images/a.vhd?sv=2024&sig=x", PUBLIC, "an address with a SAS is not taken"),
    ],
    ids=["two words", "no name", "four words", "container", "blob", "account", "rehearsal", "SAS"],
)
def test_a_place_that_is_none_is_refused_with_what_would_do(text: str, azure: Azure, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        command.target_of(text, azure, Rehearsal())
    assert caught.value.fix
    assert "sig=" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("hpc-node-1.2.3.vhd", "hpc-node"),
        ("hpc-node_v2.vhd", "hpc-node"),
        ("flight-compute-debian13-1.0.0-rc1.vhd", "flight-compute-debian13"),
        ("debian13.vhd", "debian13"),
        ("1.vhd", "1"),
    ],
)
def test_what_a_blob_is_of_is_known_by_its_name(name: str, kind: str) -> None:
    assert command.image_type(name) == kind


def test_a_receipt_is_told_in_a_few_lines() -> None:
    receipt = Receipt(PLACE, '"1"', DIGEST, 4 << 30, 7 << 20, 3, 2.5, "sdk", moved_bytes=600 << 20, base="x/base.vhd")
    assert list(command.upload_lines(receipt)) == [
        f"blob    {PLACE.url}",
        "size    4.0 GiB, 4294967296 bytes",
        "sent    7.0 MiB in 3 requests, 2.5 s, 2.8 MiB/s; 4.0 GiB did not need to be",
        "base    x/base.vhd: the service copied it, and moved 600 MiB in it",
        f"sealed  {DIGEST}",
    ]
    nothing = dataclasses.replace(receipt, sent_bytes=0, puts=0, moved_bytes=0)
    assert list(command.upload_lines(nothing))[2:4] == [
        "sent    nothing: all that is no hole was there, 2.5 s",
        "base    x/base.vhd: the service copied it",
    ]


@pytest.mark.parametrize(
    ("given", "full", "connections", "replaces", "md5"),
    [
        ([], True, 3, True, True),
        (["--no-replace", "--no-content-md5", "--connections", "9"], True, 9, False, False),
        (["--full", "--replace", "--content-md5"], True, 3, True, True),
    ],
    ids=["the settings", "otherwise", "the same"],
)
def test_what_the_command_line_does_not_say_the_settings_do(
    given: list[str], full: bool, connections: int, replaces: bool, md5: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = dict[str, Any]()
    monkeypatch.setattr(upload, "send_disk", lambda disk, **how: heard.update(how))
    parser = argparse.ArgumentParser()
    command.add_upload_arguments(parser)
    args = parser.parse_args(["disk.vhd", "--to", "a/b/c.vhd", *given])
    settings = Upload(connections=3, delta=False, content_md5=True, replace=True)
    target = command.Target(CLOUD, PLACE)
    command.upload(args, target, None, ledgers=Path("ledgers"), settings=settings, told=quiet)
    asked = heard["full"], heard["connections"], heard["replace"], heard["content_md5"]
    assert asked == (full, connections, replaces, md5)


def test_a_number_of_connections_that_is_none_is_refused() -> None:
    parser = argparse.ArgumentParser()
    command.add_upload_arguments(parser)
    args = parser.parse_args(["disk.vhd", "--to", "a/b/c.vhd", "--connections", "0"])
    with pytest.raises(ConfigError, match="--connections 0 is refused"):
        command.upload(args, command.Target(CLOUD, PLACE), None, ledgers=Path("x"), settings=Upload(), told=quiet)
