"""The main job on real packages, once: a kickstart becomes a registered image; then everything that is asked of it.

The tests stand in the order of a user's day and share one home; each leaves it as the next one expects it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from home import Home, Ran

from flight.workflows import digest
from flight.workflows.cloud.endpoint import REHEARSAL_ACCOUNT, Cloud
from flight.workflows.hypervisor.boot import Expected, boot_to_login
from flight.workflows.hypervisor.domain import Firmware
from flight.workflows.kit.errors import FlightError
from flight.workflows.settings import parse_settings

ALL = [
    "RenderKickstart", "InstallPackages", "BuildImage", "PrepareImage", "ConvertImage", "CertifyImage", "UploadBlob",
    "UploadImage",
]  # fmt: skip
TEMPLATE = "flight-compute-debian13.ks.j2"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("walk"), recipe="flight-compute-debian13")
    assert home.flight("scheduler", "start").code == 0
    yield home
    home.stop_servers()


@pytest.fixture(scope="module")
def walked(home: Home) -> Ran:
    ran = home.luigi("UploadImage")
    assert ran.code == 0, ran.said
    return ran


@pytest.fixture(scope="module")
def cloud(home: Home) -> Cloud:
    storage = f"http://127.0.0.1:{home.blob_port}/{REHEARSAL_ACCOUNT}"
    manager = f"http://127.0.0.1:{home.compute_port}"
    return Cloud("rehearsal", "00000000-0000-0000-0000-000000000000", REHEARSAL_ACCOUNT, storage, manager)


def test_the_walk_makes_every_stage_once_in_order(walked: Ran) -> None:
    assert walked.made == ALL


def test_the_blob_downloaded_is_the_vhd_byte_for_byte(walked: Ran, home: Home, cloud: Cloud, tmp_path: Path) -> None:
    copy = tmp_path / "downloaded.vhd"
    with (
        cloud.container("images").get_blob_client("flight-compute-debian13-1.0.0.vhd") as blob,
        open(copy, "wb") as file,
    ):
        file.truncate(blob.get_blob_properties().size)
        for page in blob.list_page_ranges():
            start, stop = int(page.start or 0), int(page.end or 0) + 1
            for offset in range(start, stop, 64 << 20):
                file.seek(offset)
                file.write(blob.download_blob(offset, min(64 << 20, stop - offset)).readall())
    compared = home.run(
        "qemu-img", "compare", "-f", "raw", "-F", "raw", str(copy), str(home.link("vhd")), timeout_s=300
    )
    assert compared.code == 0, compared.said
    assert compared.said.strip() == "Images are identical."


def test_facts_receipts_and_tags_carry_one_digest(walked: Ran, home: Home, cloud: Cloud) -> None:
    vhd = home.link("vhd").resolve()
    facts = json.loads((vhd.parent / "facts.json").read_text())
    image = cloud.compute().images.get("flight", "flight-compute-debian13-1.0.0", **cloud.per_call)
    said = {
        facts["found"]["digest"],
        home.receipt("blob.json")["digest"],
        home.receipt("image.json")["digest"],
        image.tags["digest"],
    }
    assert said == {digest.digest(vhd)}
    assert image.tags["recipe"] == "flight-compute-debian13"
    assert image.tags["version"] == "1.0.0"


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_the_image_boots_to_its_login(walked: Ran, home: Home, tmp_path: Path, firmware: Firmware) -> None:
    settings = parse_settings({}, base=home.folder)
    expected = Expected(root_uuid=root_uuid(home))
    boot = boot_to_login(
        home.link("vhd").resolve(), settings=settings, work=tmp_path, firmware=firmware, expected=expected
    )
    assert "login:" in boot.reached


def test_another_disks_console_does_not_pass(walked: Ran, home: Home, tmp_path: Path) -> None:
    settings = parse_settings({}, base=home.folder)
    other = Expected(root_uuid="00000000-1111-2222-3333-444444444444")
    with pytest.raises(FlightError):
        boot_to_login(home.link("vhd").resolve(), settings=settings, work=tmp_path, expected=other)


def root_uuid(home: Home) -> str:
    facts = json.loads((home.link("qcow2").resolve().parent / "facts.json").read_text())
    return next(part["id"] for part in facts["found"]["partitions"] if part["mount"] == "/")


def test_a_second_run_makes_nothing(walked: Ran, home: Home) -> None:
    ran = home.luigi("UploadImage")
    assert ran.code == 0
    assert ran.made == []
    assert "Nothing would run." in home.flight("show", "walk").said


def test_a_recheck_finds_all_well_and_mends_a_blob_that_is_gone(walked: Ran, home: Home, cloud: Cloud) -> None:
    well = home.luigi("UploadBlob", "--recheck")
    assert well.made == []
    assert "UploadBlob: the blob still is what the receipt says" in well.said
    with cloud.container("images") as container:
        container.delete_blob("flight-compute-debian13-1.0.0.vhd")
    assert home.luigi("UploadBlob").made == []
    again = home.luigi("UploadBlob", "--recheck")
    assert again.code == 0, again.said
    assert again.made == ["UploadBlob"]
    assert "is gone" in again.said


def test_a_comment_in_the_kickstart_installs_nothing(walked: Ran, home: Home) -> None:
    home.edit(TEMPLATE, "\n%packages", "\n# A comment.\n\n%packages")
    assert home.luigi("UploadImage").made == []
    assert "Nothing would run." in home.flight("show", "walk").said
    assert home.luigi("BuildImage").made == []


def test_an_edited_post_line_runs_from_the_disk_on_and_never_over_what_was_sent(walked: Ran, home: Home) -> None:
    before = (home.recipes / TEMPLATE).read_text()
    (home.recipes / TEMPLATE).write_text(f"{before}\n%post --erroronfail\necho edited > /etc/edited\n%end\n")
    assert "scripts: + echo edited > /etc/edited" in home.flight("show", "walk").said
    ran = home.luigi("UploadImage")
    assert ran.code == 30
    assert ran.made == ["RenderKickstart", "BuildImage", "PrepareImage", "ConvertImage", "CertifyImage"]
    assert "holds something else" in ran.said
    assert "Traceback" not in ran.said
    told = home.luigi("UploadImage", "--replace")
    assert told.code == 0, told.said
    assert told.made == ["UploadBlob", "UploadImage"]
    (home.recipes / TEMPLATE).write_text(before)
    back = home.luigi("UploadImage", "--replace")
    assert back.made == ["UploadBlob", "UploadImage"], back.said


def test_a_clean_takes_this_versions_artefacts_only(walked: Ran, home: Home) -> None:
    assert home.flight("clean", "--version", "1.0").said.strip() == "Nothing to remove."
    dry = home.flight("clean", "--dry-run")
    assert "would go" in dry.said
    assert home.link("vhd").exists()
    assert home.flight("clean").code == 0
    assert not home.link("vhd").exists()
