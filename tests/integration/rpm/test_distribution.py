"""The distribution itself, read by rpm and dnf: a fault in it must not look like one of the installer's."""

from __future__ import annotations

import gzip
import hashlib
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rpm.distribution import STREAMS, Distribution, build, newer_kernel
from rpm.programs import ran

PRIMARY = "{http://linux.duke.edu/metadata/common}"
DAMAGED = {"bad-checksum", "missing-file"}
EXPECTED_TO_BE_REFUSED = {"unsigned", "foreign-signed", "bad-checksum"}


def listed(repository: Path) -> dict[str, tuple[Path, str]]:
    """Every package that the metadata names: its file and its SHA-256."""
    text = ran(["zcat", *repository.glob("repodata/*primary.xml.gz")])
    return {
        each.findtext(f"{PRIMARY}name", ""): (
            repository / each.find(f"{PRIMARY}location").get("href", ""),  # type: ignore[union-attr]
            each.findtext(f"{PRIMARY}checksum", ""),
        )
        for each in ElementTree.fromstring(text)
    }


def dnf(distribution: Distribution, root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """dnf for an empty root that knows these two repositories and nothing of the host's."""
    settings = {
        "installroot": root,
        "releasever": "9",
        "setopt=reposdir": "/nonexistent",
        "setopt=cachedir": f"{root}-cache",
        "setopt=logdir": f"{root}-log",
        "setopt=module_platform_id": "platform:el9",
        "setopt=group_package_types": "mandatory",
    }
    argv: list[str] = ["dnf", "--quiet", *(f"--{name}={value}" for name, value in settings.items())]
    for stream in STREAMS:
        argv += [f"--repofrompath={stream},{distribution.url(stream)}"]
        argv += [f"--setopt={stream}.gpgkey={distribution.key.as_uri()}"]
    Path(f"{root}-log").mkdir(exist_ok=True)
    env = {"HOME": str(root), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    return subprocess.run([*argv, *words], capture_output=True, text=True, env=env)


@pytest.mark.parametrize("stream", STREAMS)
def test_the_metadata_names_every_package_with_its_checksum_but_the_damaged(
    distribution: Distribution, stream: str
) -> None:
    packages = listed(distribution.repository(stream))
    assert len(packages) > 10
    wrong = {
        name
        for name, (path, checksum) in packages.items()
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != checksum
    }
    assert wrong == (DAMAGED if stream == "AppStream" else set())


def test_every_package_is_signed_by_our_key_but_those_that_shall_not_be(
    distribution: Distribution, tmp_path: Path
) -> None:
    macros = ["--define", f"_dbpath {tmp_path}"]
    ran(["rpmkeys", *macros, "--import", distribution.key])
    packages = [path for stream in STREAMS for path in distribution.repository(stream).glob("Packages/*.rpm")]
    argv: list[str | Path] = ["rpmkeys", *macros, "--define", "_pkgverify_level all", "-K", *packages]
    said = subprocess.run(argv, capture_output=True, text=True, env={"PATH": "/usr/bin", "LC_ALL": "C"}).stdout
    refused = {re.sub(r"-[^-]+-[^-]+\.rpm$", "", Path(at).name) for at in re.findall(r"(?m)^(\S+): .*NOT OK$", said)}
    assert said.count("\n") == len(packages)
    assert refused == EXPECTED_TO_BE_REFUSED


def test_the_stranger_did_sign_its_package(distribution: Distribution, tmp_path: Path) -> None:
    ran(["rpmkeys", "--define", f"_dbpath {tmp_path}", "--import", distribution.foreign_key])
    ran(["rpmkeys", "--define", f"_dbpath {tmp_path}", "-K", distribution.package("foreign-signed")])


def group(distribution: Distribution, name: str, kind: str) -> list[str]:
    """Packages of a group; read as XML, since dnf of Debian 13 finds no groups."""
    path = min((distribution.repository("BaseOS") / "repodata").glob("*comps*.xml*"))
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    found = (each for each in ElementTree.fromstring(raw).iter("group") if each.findtext("id") == name)
    return [each.text or "" for each in next(found).findall(f"packagelist/packagereq[@type='{kind}']")]


def test_a_group_has_packages_of_each_kind(distribution: Distribution) -> None:
    assert "systemd" in group(distribution, "core", "mandatory")
    assert "chrony" in group(distribution, "core", "default")
    assert group(distribution, "core", "optional") == ["sudo"]


def test_dnf_reads_both_streams_of_the_module(distribution: Distribution, tmp_path: Path) -> None:
    said = dnf(distribution, tmp_path, "module", "list").stdout
    assert re.findall(r"(?m)^modtool +(\d) ", said) == ["1", "2"]
    assert dnf(distribution, tmp_path, "install", "--assumeno", "@modtool:2").stderr == "Operation aborted.\n"


def test_everything_that_boots_can_be_installed_together(distribution: Distribution, tmp_path: Path) -> None:
    wanted = [
        *group(distribution, "core", "mandatory"),
        "kernel",
        "grub2-pc",
        "grub2-efi-x64",
        "shim-x64",
        "glibc-minimal-langpack",
        "sudo",
    ]
    assert dnf(distribution, tmp_path, "install", "--assumeno", *wanted).stderr == "Operation aborted.\n"


def test_what_needs_a_thing_that_nobody_has_cannot_be_installed(distribution: Distribution, tmp_path: Path) -> None:
    said = dnf(distribution, tmp_path, "install", "--assumeno", "needs-missing").stderr
    assert "nothing provides something-nobody-has" in said


def test_the_second_time_it_comes_from_the_cache(distribution: Distribution, tmp_path: Path) -> None:
    again = build(tmp_path / "again")
    assert again.package("bash", "BaseOS").samefile(distribution.package("bash", "BaseOS"))
    assert not (again.folder / "secret-key").exists()


def test_a_newer_kernel_is_signed_and_lies_beside_the_old_one(distribution: Distribution, tmp_path: Path) -> None:
    packages = newer_kernel(distribution, tmp_path / "newer", called="99.0.0-1-testlinux")
    ran(["rpmkeys", "--define", f"_dbpath {tmp_path}", "--import", distribution.key])
    ran(["rpmkeys", "--define", f"_dbpath {tmp_path}", "-K", *packages])
    files = ran(["rpm", "-qpl", packages[0]]).splitlines()
    assert "/usr/lib/modules/99.0.0-1-testlinux/vmlinuz" in files
    assert not [path for path in files if distribution.kernel in path]
    kernels = packages[0], distribution.package("kernel-core", "BaseOS")
    versions = ran(["rpm", "-qp", "--qf", "%{version}\n", *kernels]).splitlines()
    assert versions == [
        "99.0.0",
        distribution.facts[f"linux-image-{distribution.kernel}"].split("-")[0],
    ]
