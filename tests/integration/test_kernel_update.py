"""A kernel update on the finished disk, with the distribution's own packages: the next boot runs the new kernel.

The disk is built with an older kernel; the newest one is installed in it by its own dpkg, which runs its own
update-initramfs and update-grub on the real disk (in libguestfs's Linux); then it boots, both ways.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from home import Home

from flight.workflows.hypervisor.boot import boot_to_login
from flight.workflows.hypervisor.domain import Firmware
from flight.workflows.hypervisor.probe import libguestfs_env, probe
from flight.workflows.settings import parse_settings

KERNEL = re.compile(r"linux-image-(\d[^_\s]*-cloud-amd64)(?=_|\s|$)")


def newest(packages: Path) -> Path:
    """The package file of the newest kernel; the numbers of a release decide, as in dpkg's order of versions."""
    return max(packages.glob("linux-image-[0-9]*-cloud-amd64_*.deb"), key=lambda path: numbers(path.name))


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def older_than(release: str, indexes: Path) -> str:
    """The newest kernel's release in the package indexes that is older than `release`."""
    known = {
        name[1]
        for index in indexes.glob("index-*/*_Packages")
        for name in re.finditer(rf"(?m)^Package: {KERNEL.pattern}$", index.read_text())
    }
    return max((name for name in known if numbers(name) < numbers(release)), key=numbers)


def release_of(package: Path) -> str:
    found = KERNEL.match(package.name)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def package(tiny: Home) -> Path:
    """The newest kernel's package file, as the small image's walk fetched and checked it."""
    return newest(tiny.work / "cache" / "debs")


@pytest.fixture(scope="module")
def home(tiny: Home, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose small image has the kernel before the newest one, and then got the newest."""
    cache = (tiny.work / "cache").resolve()
    home = Home(tmp_path_factory.mktemp("update"), recipe="tiny", recipes=tiny.recipes, cache=cache)
    older = older_than(release_of(package), cache)
    home.edit("tiny.ks.j2", "linux-image-cloud-amd64", f"linux-image-{older}")
    built = home.luigi("BuildImage", "--local-scheduler")
    assert built.code == 0, built.said
    assert kernels(home) == [older]
    update(home, package)
    return home


def kernels(home: Home) -> list[str]:
    facts = json.loads((home.link("qcow2").resolve().parent / "facts.json").read_text())
    return list(facts["found"]["kernels"])


def update(home: Home, package: Path) -> None:
    """What `apt upgrade` does to a running image: dpkg installs the kernel, and its hooks do the rest."""
    settings = parse_settings({}, base=home.folder)
    disk = home.folder / "updated.qcow2"
    home.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(home.link("qcow2").resolve()),
             str(disk), timeout_s=60)  # fmt: skip
    environment = libguestfs_env(probe(settings.programs.qemu_system, settings.paths.work))
    words = [f"{name}={value}" for name, value in environment.items()]
    done = home.run(
        "env", *words, "virt-customize", "--format", "qcow2", "--add", str(disk), "--no-network",
        "--copy-in", f"{package.resolve()}:/root", "--run-command", f"dpkg -i /root/{package.name}",
        timeout_s=900,
    )  # fmt: skip
    assert done.code == 0, done.said


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_the_next_boot_runs_the_new_kernel(home: Home, package: Path, tmp_path: Path, firmware: Firmware) -> None:
    settings = parse_settings({}, base=home.folder)
    boot = boot_to_login(home.folder / "updated.qcow2", settings=settings, work=tmp_path, firmware=firmware)
    said = boot.console.read_text(errors="replace")
    assert f"Linux version {release_of(package)} " in said
    assert f"BOOT_IMAGE=/boot/vmlinuz-{release_of(package)} " in said
