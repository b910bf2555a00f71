"""What lies in the work folder was torn, cut or edited: it is made again, or one error says what to remove."""

from __future__ import annotations

import os
import re
import shutil
import socket

import pytest
from home import Home, Ran


@pytest.fixture
def home(tiny: Home) -> Home:
    return tiny


def forget_uploads(home: Home) -> None:
    for folder in home.work.glob(f"{home.recipe}/Upload*"):
        shutil.rmtree(folder)


def walk(home: Home, *args: str) -> Ran:
    ran = home.luigi("UploadImage", "--local-scheduler", *args)
    assert "Traceback" not in ran.said
    return ran


@pytest.mark.parametrize("torn", [None, '{"stage"'], ids=["gone", "torn"])
def test_a_vhd_without_its_facts_is_converted_again(home: Home, torn: str | None) -> None:
    forget_uploads(home)
    assert walk(home).code == 0  # whatever other tests have left out
    facts = home.made_in("ConvertImage") / "facts.json"
    facts.unlink() if torn is None else facts.write_text(torn)
    forget_uploads(home)
    assert "ConvertImage tiny (no facts)" in home.flight("clean", "--all", "--dry-run").said
    ran = walk(home)
    assert ran.code == 0, ran.said
    assert ran.made == ["ConvertImage", "UploadBlob", "UploadImage"]


def test_a_vhd_that_was_cut_short_is_converted_again(home: Home) -> None:
    vhd = home.link("vhd").resolve()
    os.truncate(vhd, vhd.stat().st_size - 4096)
    forget_uploads(home)
    ran = walk(home)
    assert ran.code == 0, ran.said
    assert ran.made == ["ConvertImage", "UploadBlob", "UploadImage"]


def test_a_vhd_that_is_gone_and_comes_out_different_is_certified_again_in_the_same_run(home: Home) -> None:
    facts = home.made_in("CertifyImage") / "facts.json"
    facts.write_text(re.sub(r'"digest": "sha256:[0-9a-f]{64}"', f'"digest": "sha256:{"0" * 64}"', facts.read_text()))
    home.link("vhd").resolve().unlink()
    forget_uploads(home)
    ran = walk(home)
    assert ran.code == 0, ran.said
    assert ran.made == ["ConvertImage", "CertifyImage", "UploadBlob", "UploadImage"]


def test_a_vhd_with_other_bytes_is_not_sealed_and_the_fix_that_is_named_mends_it(home: Home) -> None:
    vhd = home.link("vhd").resolve()
    with open(vhd, "r+b") as file:
        file.seek(1 << 20)
        file.write(b"XXXX")
    ran = walk(home, "--container", "elsewhere")
    assert ran.code == 30
    assert f"fix: rm {vhd}; " in ran.said
    vhd.unlink()
    assert walk(home, "--container", "elsewhere").made[:2] == ["ConvertImage", "UploadBlob"]
    for folder in home.work.glob(f"{home.recipe}/Upload*"):
        shutil.rmtree(folder)
    assert walk(home).code == 0


def test_a_torn_receipt_is_written_again_and_an_edited_one_is_named(home: Home) -> None:
    receipt = home.link("image.json").resolve()
    whole = receipt.read_text()
    receipt.write_text(whole.replace('"digest"', '"digesX"', 1))
    ran = walk(home, "--recheck")
    assert ran.code == 30
    assert f"{receipt} is no receipt of an image" in ran.said
    receipt.write_text(whole[:40])
    assert walk(home, "--recheck").made == ["UploadImage"]


def test_a_recheck_that_finds_the_rehearsals_port_taken_is_one_error_and_makes_nothing(home: Home) -> None:
    home.flight("rehearsal", "stop")
    with socket.create_server(("127.0.0.1", home.compute_port)):
        ran = walk(home, "--recheck")
    assert ran.code == 30
    assert f"port {home.compute_port} of 127.0.0.1 is taken" in ran.said
    assert ran.made == []
    ran = walk(home, "--recheck")
    assert ran.code == 0
    assert "UploadImage: the image still is what the receipt says" in ran.said


def test_a_torn_state_of_the_rehearsal_is_told_in_lines_with_what_to_remove(home: Home) -> None:
    home.flight("rehearsal", "stop")
    state = home.work / "rehearsal" / "compute.json"
    whole = state.read_text()
    state.write_text(whole[:20])
    for ran in (home.flight("rehearsal", "start"), walk(home, "--recheck")):
        assert ran.code in (2, 30)
        assert "Traceback" not in ran.said
        assert "|   fix: remove it: the rehearsal then starts without images" in ran.said
    state.write_text(whole)
    assert walk(home, "--recheck").code == 0
