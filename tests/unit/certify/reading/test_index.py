"""Which packages are older than an index knows: apt's lists and RPM metadata, made here, plain and packed."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from trees import DEBIAN, changed, el

from flight.workflows.certify import saved
from flight.workflows.certify.certifying import with_pending
from flight.workflows.certify.reading import unpacking
from flight.workflows.certify.reading.index import find_index, read_pending, streams_in
from flight.workflows.certify.reading.packages import Package
from flight.workflows.kit.errors import FlightError

INSTALLED = (
    Package("bash", "5.2.37-2", "amd64"),
    Package("openssl", "3.5.1-1", "amd64"),
    Package("tzdata", "2026e-0", "all"),
    Package("gone", "1-1", "amd64", state="config-files"),
)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress,
    ".lz4": lz4.frame.compress, ".zst": zstandard.compress,
}  # fmt: skip


def paragraph(name: str, version: str, architecture: str = "amd64") -> str:
    return f"Package: {name}\nArchitecture: {architecture}\nDescription: Package: x\n Version: 99\nVersion: {version}\n"


def suite(
    folder: Path, name: str, *paragraphs: str, packed: str = "", origin: str = "Debian", label: str = "", more: str = ""
) -> Path:
    """A suite in apt's lists, its Release file signed in a manner of speaking."""
    folder.mkdir(exist_ok=True)
    prefix = f"mirror_debian_dists_{name}"
    head = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: {origin}\nLabel: {label or origin}\nSuite: x\n"
    head += f"Codename: {name}\nDate: Sat, 21 Nov 2026 00:53:03 UTC\n{more}SHA256:\n 00 1 main/Origin: no\n"
    (folder / f"{prefix}_InRelease").write_text(head)
    content = "\n".join(paragraphs).encode()
    (folder / f"{prefix}_main_binary-amd64_Packages{packed}").write_bytes(PACKERS[packed](content))
    return folder


@pytest.mark.parametrize("packed", PACKERS)
def test_a_newer_package_of_the_security_suite_is_a_security_update(tmp_path: Path, packed: str) -> None:
    suite(tmp_path, "trixie", paragraph("bash", "5.2.37-3"), paragraph("openssl", "3.5.1-1"), packed=packed)
    suite(tmp_path, "trixie-security", paragraph("openssl", "3.5.1-1+deb13u1"), packed=packed)
    found = read_pending(INSTALLED, "dpkg", tmp_path, release="trixie")
    assert found.versions == {"bash": "5.2.37-3", "openssl": "3.5.1-1+deb13u1"}
    assert found.security == ("openssl",)
    assert found.tells_security
    assert (found.dated, found.indexes, found.known) == ("2026-11-21", ("trixie-security", "trixie"), 2)


def test_what_is_as_new_or_newer_is_not_pending(tmp_path: Path) -> None:
    suite(tmp_path, "trixie-security", paragraph("openssl", "3.5.1-1"), paragraph("bash", "5.2.37-2~deb13u1"))
    assert read_pending(INSTALLED, "dpkg", tmp_path, release="trixie").versions == {}


def test_the_newest_of_several_is_named(tmp_path: Path) -> None:
    suite(tmp_path, "trixie-security", paragraph("openssl", "3.5.10-1"), paragraph("openssl", "3.5.9-1"))
    assert read_pending(INSTALLED, "dpkg", tmp_path).versions == {"openssl": "3.5.10-1"}


def test_what_is_removed_or_for_another_machine_has_no_updates(tmp_path: Path) -> None:
    rows = (paragraph("gone", "2-1"), paragraph("bash", "9-1", "arm64"), paragraph("tzdata", "2026f-0", "all"))
    suite(tmp_path, "trixie-security", *rows)
    assert read_pending(INSTALLED, "dpkg", tmp_path).versions == {"tzdata": "2026f-0"}


def test_without_a_security_suite_it_is_said(tmp_path: Path) -> None:
    suite(tmp_path, "trixie", paragraph("bash", "5.2.37-2"))
    assert not read_pending(INSTALLED, "dpkg", tmp_path, release="trixie").tells_security


def test_backports_and_another_releases_suites_are_passed_over(tmp_path: Path) -> None:
    suite(tmp_path, "trixie", paragraph("bash", "5.2.37-2"))
    suite(tmp_path, "trixie-backports", paragraph("bash", "6-1"), more="NotAutomatic: yes\n")
    suite(tmp_path, "forky-security", paragraph("bash", "7-1"), label="Debian-Security")
    suite(tmp_path, "stable", paragraph("openssl", "8-1"), origin="Vendor")
    found = read_pending(INSTALLED, "dpkg", tmp_path, release="trixie")
    assert found.versions == {"openssl": "8-1"}, "a vendor calls its suites as it likes"
    assert found.indexes == ("stable", "trixie")


def test_a_list_without_a_release_file_is_known_by_its_name(tmp_path: Path) -> None:
    suite(tmp_path, "trixie-security", paragraph("openssl", "9-1"))
    (tmp_path / "mirror_debian_dists_trixie-security_InRelease").unlink()
    found = read_pending(INSTALLED, "dpkg", tmp_path, release="trixie")
    assert (found.security, found.dated) == (("openssl",), "")


@pytest.mark.parametrize("release", ["trixie", "bookworm"])
def test_a_folder_that_says_nothing_of_the_image_is_refused(tmp_path: Path, release: str) -> None:
    """Or else a disk with old lists beside it would pass."""
    suite(tmp_path, "trixie-security", paragraph("nginx", "1-1"))
    with pytest.raises(FlightError, match="holds no package index of this image"):
        read_pending(INSTALLED, "dpkg", tmp_path, release=release)


@pytest.mark.parametrize("folder", ["", "missing"])
def test_a_folder_without_an_index_is_refused(tmp_path: Path, folder: str) -> None:
    for package_format in ("dpkg", "rpm"):
        with pytest.raises(FlightError, match="holds no package index"):
            read_pending(INSTALLED, package_format, tmp_path / folder)


def test_a_damaged_list_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite(tmp_path, "trixie", paragraph("bash", "9-1") * 100, packed=".xz")
    path = tmp_path / "mirror_debian_dists_trixie_main_binary-amd64_Packages.xz"
    whole = path.read_bytes()
    monkeypatch.setattr(unpacking, "MOST_BYTES", 100)
    with pytest.raises(FlightError, match="unpacks to more than"):
        read_pending(INSTALLED, "dpkg", tmp_path)
    monkeypatch.undo()
    for content, why in ((whole[:-20], "cut short"), (whole[:20] + b"\xff" * 20 + whole[40:], "cannot be unpacked")):
        path.write_bytes(content)
        with pytest.raises(FlightError, match=why):
            read_pending(INSTALLED, "dpkg", tmp_path)


def test_the_real_disk_is_compared_for_its_own_release(tmp_path: Path) -> None:
    suite(tmp_path, "trixie-security", paragraph("openssl", "99-1"))
    suite(tmp_path, "bookworm-security", paragraph("bash", "99-1"))
    found = with_pending(DEBIAN, tmp_path)
    assert found.pending
    assert found.pending.versions == {"openssl": "99-1"}
    assert saved.from_json(saved.to_json(found)).pending == found.pending


def test_a_snapshot_that_was_kept_before_there_was_a_comparison_is_read() -> None:
    before = saved.to_json(DEBIAN)
    del before["pending"]
    assert saved.from_json(before).pending is None
    assert with_pending(DEBIAN, None).pending is None


# The index that an image was built from -------------------------------------------------------------------------


def found_in(folder: Path) -> list[dict[str, str]]:
    """As InstallPackages has it in its facts."""
    files = sorted(folder.glob("*_InRelease"))
    return [{"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for path in files]


def test_the_index_of_the_build_is_found_by_its_digests(tmp_path: Path) -> None:
    least = suite(tmp_path / "index-b", "trixie")
    suite(suite(tmp_path / "index-a", "trixie"), "trixie-security")
    assert find_index(tmp_path, found_in(least)) == least, "not the one that holds more"
    assert find_index(tmp_path, found_in(tmp_path / "index-a")) == tmp_path / "index-a"


def test_an_index_that_was_read_anew_since_is_not_the_builds(tmp_path: Path) -> None:
    folder = suite(tmp_path / "index-a", "trixie")
    found = found_in(folder)
    suite(folder, "trixie", more="Valid-Until: tomorrow\n")
    assert find_index(tmp_path, found) is None
    assert find_index(tmp_path, []) is None
    assert find_index(tmp_path / "missing", found) is None


def test_dnfs_index_is_found_below_its_own_name(tmp_path: Path) -> None:
    folder = repository(tmp_path / "rpm-index-ab12" / "BaseOS-0123456789abcdef", primary=PRIMARY)
    digest = hashlib.sha256((folder / "repodata" / "repomd.xml").read_bytes()).hexdigest()
    assert find_index(tmp_path, [{"file": "BaseOS/repomd.xml", "sha256": digest}]) == tmp_path / "rpm-index-ab12"
    assert find_index(tmp_path, [{"file": "AppStream/repomd.xml", "sha256": digest}]) is None


# Enterprise Linux -----------------------------------------------------------------------------------------------

PRIMARY = """<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
<package type="rpm"><name>bash</name><arch>x86_64</arch><version epoch="0" ver="5.1.8" rel="10.el9"/></package>
<package type="rpm"><name>bash</name><arch>src</arch><version epoch="0" ver="6" rel="1.el9"/></package>
<package type="rpm"><name>bash</name><arch>x86_64</arch><version epoch="0" ver="7" rel="1.el10"/></package>
<package type="rpm"><name>perl</name><arch>x86_64</arch><version epoch="9" ver="1" rel="1.module+el9"/></package>
</metadata>"""
UPDATEINFO = """<updates>
<update type="security"><id>A</id><pkglist><collection>
 <package name="bash" version="5.1.8" release="11.el9" epoch="0" arch="x86_64"/>
 <package name="bash" version="5.1.8" release="12.el9" epoch="0" arch="aarch64"/></collection></pkglist></update>
<update type="bugfix"><id>B</id><pkglist><collection>
 <package name="tzdata" version="2026z" release="1.el9" epoch="0" arch="noarch"/></collection></pkglist></update>
<update type="security"><id>C</id><pkglist>
 <collection><module name="perl" stream="5.32"/>
  <package name="perl" version="6" release="1.module+el9" epoch="4" arch="x86_64"/></collection>
 <collection><module name="perl" stream="5.99"/>
  <package name="perl" version="7" release="1.module+el9" epoch="4" arch="x86_64"/></collection></pkglist></update>
</updates>"""
RPMS = (
    Package("bash", "5.1.8-9.el9", "x86_64"),
    Package("kernel-core", "5.14.0-427.el9", "x86_64"),
    Package("kernel-core", "5.14.0-503.el9", "x86_64"),
    Package("perl", "4:5.32.1-1.module+el9", "x86_64"),
    Package("tzdata", "2024a-1.el9", "noarch"),
)


def repository(folder: Path, *, primary: str = "", updateinfo: str = "", packed: str = ".gz") -> Path:
    (folder / "repodata").mkdir(parents=True)
    parts = {"primary": primary, "updateinfo": updateinfo}
    rows = [
        f'<data type="{kind}"><location href="repodata/{kind}.xml{packed}"/><timestamp>1795000000</timestamp></data>'
        for kind, text in parts.items()
        if text
    ]
    for kind, text in parts.items():
        (folder / "repodata" / f"{kind}.xml{packed}").write_bytes(PACKERS[packed](text.encode()))
    text = f'<repomd xmlns="http://linux.duke.edu/metadata/repo">{"".join(rows)}</repomd>'
    (folder / "repodata" / "repomd.xml").write_text(text)
    return folder


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
def test_security_advisories_are_followed_where_there_are_some(tmp_path: Path, packed: str) -> None:
    repository(tmp_path / "BaseOS-0123456789abcdef", primary=PRIMARY, updateinfo=UPDATEINFO, packed=packed)
    found = read_pending(RPMS, "rpm", tmp_path)
    assert found.versions == {"bash": "5.1.8-11.el9"}
    assert (found.security, found.dated, found.indexes) == (("bash",), "2026-11-18", ("BaseOS",))


def test_a_modules_advisory_counts_where_its_stream_is_enabled(tmp_path: Path) -> None:
    repository(tmp_path / "AppStream", updateinfo=UPDATEINFO)
    found = read_pending(RPMS, "rpm", tmp_path, streams=frozenset({"perl:5.32"}))
    assert found.versions["perl"] == "4:6-1.module+el9"


def test_streams_are_read_from_the_disk() -> None:
    disk = changed(
        el(9),
        files={
            "/etc/dnf/modules.d/perl.module": "[perl]\nname=perl\nstream = 5.32\nprofiles=\nstate=enabled\n",
            "/etc/dnf/modules.d/php.module": "[php]\nname=php\nstream=8.1\nstate=disabled\n",
        },
    )
    assert streams_in(disk.tree) == {"perl:5.32"}


def test_without_advisories_every_update_may_be_one(tmp_path: Path) -> None:
    repository(tmp_path, primary=PRIMARY)
    found = read_pending(RPMS, "rpm", tmp_path)
    assert found.versions == {"bash": "5.1.8-10.el9"}, "neither a source, nor of another release, nor a module's"
    assert found.security == ("bash",)
    assert found.indexes == (f"{tmp_path.name} (all updates)",)


def test_the_newest_of_several_installed_ones_counts(tmp_path: Path) -> None:
    row = '<package name="kernel-core" version="5.14.0" release="503.el9" epoch="0" arch="x86_64"/>'
    text = f'<updates><update type="security"><pkglist><collection>{row}</collection></pkglist></update></updates>'
    repository(tmp_path, updateinfo=text)
    assert read_pending(RPMS, "rpm", tmp_path).versions == {}


def test_metadata_of_another_release_is_refused(tmp_path: Path) -> None:
    repository(tmp_path, primary=PRIMARY.replace("el9", "el8").replace("el10", "el8"))
    with pytest.raises(FlightError, match="holds no package index of this image"):
        read_pending(RPMS, "rpm", tmp_path)


@pytest.mark.parametrize("part", ["primary", "repomd"])
def test_torn_metadata_is_refused(tmp_path: Path, part: str) -> None:
    repository(tmp_path, primary=PRIMARY, packed="")
    path = tmp_path / "repodata" / f"{part}.xml"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(FlightError, match="it is no XML"):
        read_pending(RPMS, "rpm", tmp_path)


def test_metadata_that_is_not_all_there_is_refused(tmp_path: Path) -> None:
    repository(tmp_path, primary=PRIMARY)
    (tmp_path / "repodata" / "primary.xml.gz").unlink()
    with pytest.raises(FlightError, match="cannot read the package index"):
        read_pending(RPMS, "rpm", tmp_path)
    repository(tmp_path / "none")
    (tmp_path / "repodata" / "repomd.xml").unlink()
    with pytest.raises(FlightError, match="names no list of packages"):
        read_pending(RPMS, "rpm", tmp_path)


def test_a_disk_whose_packages_are_not_known_is_compared_with_nothing(tmp_path: Path) -> None:
    assert with_pending(replace(DEBIAN, packages=()), tmp_path).pending is None
