"""The list of packages, read by the validator of CycloneDX's own library, and by package-url's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from trees import DEBIAN, changed, el

from flight.workflows.certify.beyond import sbom
from flight.workflows.certify.facts import Snapshot
from flight.workflows.certify.reading.packages import Package

DIGEST = "sha256:906ec89754527a5d89af7abeb19c8c2ea7188569a1716f5d2dc371287aa6cf16"
STRANGE = (
    Package("a\udcff b\n", "1:2\x1b", "amd64"),
    Package("x/../y@1?z#é", "1/2#3"),
    Package(" ", "1"),
    Package("kernel", "1-1", "amd64"),
    Package("kernel", "1-1", "amd64"),
    Package("kernel", "2-1", "amd64"),
)


def read(snapshot: Snapshot, *, name: str = "image", digest: str = DIGEST) -> dict[str, Any]:
    """What was rendered, once the library's strict validator is content."""
    text = sbom.render(snapshot, name=name, digest=digest)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_validator_would_refuse_what_is_no_sbom() -> None:
    text = sbom.render(DEBIAN, name="image", digest=DIGEST).replace('"type": "library"', '"type": "thing"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is not None


def test_every_installed_package_of_a_real_disk_is_in_it() -> None:
    components = {each["name"]: each for each in read(DEBIAN)["components"]}
    assert components.keys() == {package.name for package in DEBIAN.packages if package.is_installed}
    for package in DEBIAN.packages:
        found = PackageURL.from_string(components[package.name]["purl"])
        assert (found.type, found.namespace, found.name) == ("deb", "debian", package.name)
        assert found.version == package.version
        assert isinstance(found.qualifiers, dict)
        assert found.qualifiers["arch"] == package.architecture
        assert found.qualifiers["distro"] == "debian-13"


def test_a_binary_names_the_source_that_advisories_are_written_for() -> None:
    (found,) = (each for each in read(DEBIAN)["components"] if each["name"] == "libssl3t64")
    url = PackageURL.from_string(found["purl"])
    assert isinstance(url.qualifiers, dict)
    assert url.qualifiers["upstream"] == "openssl"
    assert found["properties"][0]["value"].startswith("openssl 3.")


def test_an_rpms_epoch_stands_apart_from_its_version() -> None:
    disk = changed(el(9), packages={"NetworkManager": "1:1.52.0-3.el9"})
    (found,) = (each for each in read(disk)["components"] if each["name"] == "NetworkManager")
    url = PackageURL.from_string(found["purl"])
    assert (url.type, url.namespace, url.version) == ("rpm", "almalinux", "1.52.0-3.el9")
    assert isinstance(url.qualifiers, dict)
    assert url.qualifiers["epoch"] == "1"
    assert found["version"] == "1:1.52.0-3.el9"


def test_a_removed_package_is_not_in_it() -> None:
    gone = replace(DEBIAN.packages[0], name="gone", state="config-files")
    names = [each["name"] for each in read(replace(DEBIAN, packages=(*DEBIAN.packages, gone)))["components"]]
    assert "gone" not in names


def test_it_says_which_image_it_is_of_and_who_wrote_it() -> None:
    metadata = read(DEBIAN)["metadata"]
    properties = {each["name"]: each["value"] for each in metadata["component"]["properties"]}
    assert metadata["component"]["name"] == "image"
    assert properties["flight:digest"] == DIGEST
    assert [tool["name"] for tool in metadata["tools"]["components"]] == ["flight"]


def test_the_same_image_gives_the_same_text_and_another_one_another_number() -> None:
    first = sbom.render(DEBIAN, name="image", digest=DIGEST)
    backwards = replace(DEBIAN, packages=DEBIAN.packages[::-1])
    assert first == sbom.render(backwards, name="image", digest=DIGEST)
    others = [
        read(DEBIAN, digest="sha256:00"),
        read(DEBIAN, digest=""),
        read(changed(DEBIAN, packages={"bash": "99"}), digest=""),
    ]
    numbers = {each["serialNumber"] for each in (json.loads(first), *others)}
    assert len(numbers) == 4
    assert "timestamp" not in json.loads(first)["metadata"]


@pytest.mark.parametrize(
    "release", ["ID=debian\n", 'ID="/../\x1b"\nVERSION_ID="?#"\n', ""], ids=["known", "hostile", "none"]
)
def test_what_a_hostile_disk_calls_its_packages_is_written_all_the_same(release: str) -> None:
    disk = changed(
        replace(DEBIAN, packages=STRANGE), files={"/etc/os-release": release, "/usr/lib/os-release": release}
    )
    found = read(disk, name="\udcff\x1b", digest="")
    assert sorted(each["name"] for each in found["components"]) == [" ", "a? b\n", "kernel", "kernel", "x/../y@1?z#é"]
    assert sum("purl" in each for each in found["components"]) == 2


def test_an_image_without_packages_has_an_empty_list() -> None:
    assert "components" not in read(replace(DEBIAN, packages=(), package_format=""))
