"""When a stage makes something else of the same facts, its edition must be raised, or old artefacts are used as new.

What each stage makes of fixed facts is kept in tests/golden/editions, beside the edition that made it. Where the output
differs and the edition is still the same, the test fails; `pytest --regenerate` refuses too. Raise `edition` in
workflows/pipeline.py, then regenerate.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trees import DEBIAN, el

from flight.workflows import digest, pipeline, prepare, vhd
from flight.workflows.certify.certifying import Asked, judge_snapshot
from flight.workflows.cloud.names import blob_name, image_name
from flight.workflows.image import WantedImage
from flight.workflows.install import configure, grub
from flight.workflows.install.debian import bootstrap, sources
from flight.workflows.install.debian import family as debian
from flight.workflows.install.layout import plan_layout, render_fstab
from flight.workflows.kickstart.plan import Bootloader, InstallPlan, Packages, Partition
from flight.workflows.recipe.values import CLAIMS
from flight.workflows.stage import Stage
from flight.workflows.upload.receipt import Identity

GOLDEN = Path(__file__).parents[1] / "golden" / "editions"
PLAN = InstallPlan(
    recipe="fixed",
    version="1.0.0",
    family="debian",
    release="trixie",
    mirror="http://mirror.example/debian",
    partitions=(
        Partition("biosboot", "biosboot", 1),
        Partition("/boot/efi", "efi", 64, label="EFI"),
        Partition("/", "ext4", 1024, grow=True, label="root"),
    ),
    bootloader=Bootloader(append=("console=ttyS0,115200n8",), timeout_s=1),
    packages=Packages(names=("gcc",), excluded=("vim",), recommends=False, docs=False, languages=("en_US.UTF-8",)),
    image_sources=("deb http://archive.example/debian trixie main",),
)


def package_step(folder: Path) -> Any:
    wanted = sources.plan_packages(PLAN)
    return {
        "arguments": bootstrap.render_arguments(PLAN, wanted),
        "dpkg": bootstrap.render_dpkg_options(PLAN),
        "apt": bootstrap.settings_of(PLAN),
        "asked": list(wanted.asked),
    }


def disk_step(folder: Path) -> Any:
    layout = plan_layout(PLAN)
    return {
        "partitions": [
            (part.wanted.mount, part.start_mib, part.size_mib, str(part.identifier)) for part in layout.parts
        ],
        "fstab": render_fstab(layout),
        "grub": configure.render_grub_defaults(PLAN),
        "stub": grub.render_stub(layout, debian.GRUB),
        "search": grub.render_search(layout, debian.GRUB),
        "hosts": configure.render_hosts("localhost"),
        "keyboard": debian.render_keyboard("us"),
    }


def prepare_step(folder: Path) -> Any:
    return {"argv": prepare.sysprep_argv("virt-sysprep", Path("/disk.raw"), trim=True), "trim": prepare.TRIM}


def convert_step(folder: Path) -> Any:
    raw, disk = folder / "disk.raw", folder / "disk.vhd"
    raw.write_bytes(b"boot" * 128 + bytes(3 << 20) + b"end")
    with open(raw, "r+b") as file:
        file.truncate((4 << 20) - 512)
    found = vhd.convert(raw, disk)
    return {"found": {**found, "shares_blocks": None}, "digest": digest.digest(disk)}


def certify_step(folder: Path) -> Any:
    asked = Asked(("V1", "V2"), claims=tuple(CLAIMS))
    return {
        name: {each.rule.id: f"{each.status}, {each.severity}" for each in judge_snapshot(snapshot, asked).judged}
        for name, snapshot in (("debian", DEBIAN), ("el 9", el(9)))
    }


def blob_step(folder: Path) -> Any:
    identity = Identity("sha256:0123", 4 << 20, "0123456789ab", "fixed", "1.0.0")
    return {"name": blob_name("fixed", "1.0.0"), "metadata": identity.metadata(sealed=True)}


def image_step(folder: Path) -> Any:
    tags = {"recipe": "fixed", "version": "1.0.0", "digest": "sha256:0123", "commit": "unknown"}
    wanted = WantedImage("westeurope", "V2", "https://account.example/images/fixed-1.0.0.vhd", tags)
    return {"name": image_name("fixed", "1.0.0"), "body": wanted.body()}


STEPS: dict[type[Stage], Callable[[Path], Any]] = {
    pipeline.InstallPackages: package_step,
    pipeline.BuildImage: disk_step,
    pipeline.PrepareImage: prepare_step,
    pipeline.ConvertImage: convert_step,
    pipeline.CertifyImage: certify_step,
    pipeline.UploadBlob: blob_step,
    pipeline.UploadImage: image_step,
}
"""RenderKickstart is not among them: its one fact is its output."""


@pytest.mark.parametrize("stage", STEPS, ids=lambda stage: stage.__name__)
def test_an_edition_is_raised_when_the_same_facts_make_something_else(
    stage: type[Stage], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made = json.loads(json.dumps(STEPS[stage](tmp_path)))
    path = GOLDEN / f"{stage.__name__}.json"
    golden = json.loads(path.read_text()) if path.exists() else {"edition": 0, "made": None}
    forgotten = made != golden["made"] and stage.edition == golden["edition"]
    if request.config.getoption("--regenerate") and not forgotten:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"edition": stage.edition, "made": made}, indent=1, sort_keys=True) + "\n")
        golden = json.loads(path.read_text())
    assert not forgotten, (
        f"{stage.__name__} makes something else of the same facts: raise its edition, then --regenerate"
    )
    assert golden == {"edition": stage.edition, "made": made}, "run pytest --regenerate"
