"""Lists of packages, before dpkg and rpm themselves; RPM databases that are damaged, foreign or hostile."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flight.workflows.certify.reading import packages
from flight.workflows.certify.reading.packages import owner_of, query_rpm, read_dpkg, read_dpkg_lists
from flight.workflows.kit.errors import ProgramError

DPKG = Path("/var/lib/dpkg")
SPEC = """\
Name: {name}
Epoch: {epoch}
Version: 1.2.3
Release: {release}
Summary: for a test
License: none
BuildArch: noarch
%description
For a test.
%install
mkdir -p %{{buildroot}}/usr/bin %{{buildroot}}/usr/share/{name}
echo {name} >%{{buildroot}}/usr/bin/{name}
echo {name} >"%{{buildroot}}/usr/share/{name}/with a blank"
%files
/usr/bin/{name}
/usr/share/{name}
"""


def said(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_the_packages_of_this_host_are_those_that_dpkg_lists() -> None:
    form = r"${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\t${db:Status-Status}\n"
    rows = {tuple(line.split("\t")) for line in said("dpkg-query", "-W", "-f", form).splitlines()}
    found = read_dpkg((DPKG / "status").read_text())
    assert {(p.name, p.version, p.architecture, p.source, p.source_version, p.state) for p in found} == rows


@pytest.mark.parametrize(
    "path",
    ["/bin/bash", "/usr/bin/env", "/bin/sh", "/usr/bin/apt-get", "/lib/x86_64-linux-gnu/libc.so.6", "/sbin/fsck"],
)
def test_the_owner_of_a_path_is_the_one_that_dpkg_names(path: str) -> None:
    lists = {file.stem: file.read_text() for file in (DPKG / "info").glob("*.list")}
    owners = read_dpkg_lists(lists, (DPKG / "diversions").read_text())
    usual, merged = path.removeprefix("/usr"), f"/usr{path.removeprefix('/usr')}"
    asked = subprocess.run(["dpkg", "-S", usual, merged], capture_output=True, text=True).stdout
    names = [line.split(":")[0] for line in asked.splitlines() if not line.startswith("diversion")]
    assert owner_of(usual, owners) == owner_of(merged, owners) == names[-1]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An RPM database of two packages, as EL 9 has it."""
    work = tmp_path_factory.mktemp("rpm")
    (work / "db").mkdir()
    for name, epoch, release in (("one", 0, "1.el9"), ("two", 3, "4.el9_2")):
        (work / f"{name}.spec").write_text(SPEC.format(name=name, epoch=epoch, release=release))
        said(
            "rpmbuild",
            "-bb",
            "--quiet",
            "--define",
            f"_topdir {work}",
            "--define",
            f"_rpmdir {work}",
            work / f"{name}.spec",
        )
    made = list(work.glob("noarch/*.rpm"))
    said("rpm", "--dbpath", work / "db", "-i", "--justdb", "--nodeps", "--noscripts", "--force-debian", *made)
    return work / "db"


@pytest.fixture
def copy(database: Path, tmp_path: Path) -> Path:
    """The database, to be damaged."""
    return Path(shutil.copytree(database, tmp_path / "db"))


def headers(database: Path) -> list[tuple[int, bytes]]:
    with closing(sqlite3.connect(database / "rpmdb.sqlite")) as connection:
        return connection.execute("select hnum, blob from Packages").fetchall()


def as_berkeley(database: Path, to: Path) -> None:
    """Packages, as EL 8 has it: a hash from numbers to headers."""
    rows = [f" {struct.pack('<I', number).hex()}\n {blob.hex()}\n" for number, blob in headers(database)]
    (to / "dump").write_text(f"VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END\n{''.join(rows)}DATA=END\n")
    said("db_load", "-f", to / "dump", to / "Packages")


def require_both(folder: Path, log: Path) -> None:
    found, owners = query_rpm(folder, log_to=log)
    assert [(p.name, p.version, p.architecture, p.source, p.source_version) for p in found] == [
        ("one", "1.2.3-1.el9", "noarch", "one", "1.2.3-1.el9"),
        ("two", "3:1.2.3-4.el9_2", "noarch", "two", "3:1.2.3-4.el9_2"),
    ]
    assert all(package.built > 1_700_000_000 for package in found)
    assert owners["/usr/bin/one"] == owner_of("/bin/one", owners) == "one"
    assert owners["/usr/share/two/with a blank"] == "two"


def test_an_sqlite_database_is_read(database: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in database.iterdir()}
    require_both(database, tmp_path / "log")
    assert {path.name: path.read_bytes() for path in database.iterdir()} == before


def test_what_stands_only_in_its_log_is_read_too(copy: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(copy / "rpmdb.sqlite")) as connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute("delete from Packages where hnum = 1")
        connection.commit()
        left = tmp_path / "left"
        shutil.copytree(copy, left)
    assert (left / "rpmdb.sqlite-wal").stat().st_size > 0
    assert len(query_rpm(left, log_to=None)[0]) == 1


def test_a_database_of_berkeley_is_read(database: Path, tmp_path: Path) -> None:
    as_berkeley(database, tmp_path)
    require_both(tmp_path, tmp_path / "log")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("rpmdb.sqlite", b"", id="an empty file"),
        pytest.param("rpmdb.sqlite", b"SQLite format 3\0" + bytes(9000), id="a header and zeros"),
        pytest.param("Packages", b"\0\1\2\3" * 4096, id="no database of Berkeley"),
    ],
)
def test_what_is_no_database_is_an_error_with_rpms_words(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ProgramError, match="could not read the disk's RPM database") as caught:
        query_rpm(tmp_path, log_to=None)
    assert "error: " in caught.value.why


def test_a_database_that_was_cut_is_an_error(copy: Path) -> None:
    whole = (copy / "rpmdb.sqlite").read_bytes()
    (copy / "rpmdb.sqlite").write_bytes(whole[: len(whole) // 3])
    with pytest.raises((ProgramError, ValueError)):
        query_rpm(copy, log_to=None)


def test_a_package_that_rpm_leaves_out_is_an_error(copy: Path) -> None:
    number, blob = headers(copy)[0]
    with closing(sqlite3.connect(copy / "rpmdb.sqlite")) as connection:
        connection.execute("update Packages set blob = ? where hnum = ?", (blob[:60] + bytes(64) + blob[124:], number))
        connection.commit()
    with pytest.raises(ValueError, match="rpm cannot read all of the database"):
        query_rpm(copy, log_to=None)


def test_a_database_without_packages_is_an_error(tmp_path: Path) -> None:
    said("rpm", "--dbpath", tmp_path, "--initdb")
    with pytest.raises(ValueError, match=r"finds no package in rpmdb\.sqlite"):
        query_rpm(tmp_path, log_to=None)


def test_a_database_in_a_form_that_this_rpm_does_not_know_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "Packages.db").write_bytes(b"RpmP" + bytes(4092))
    with pytest.raises((ProgramError, ValueError)):
        query_rpm(tmp_path, log_to=None)


@pytest.mark.parametrize("name", ["rpmdb.sqlite", "Packages"])
def test_a_link_is_not_followed(name: str, database: Path, tmp_path: Path) -> None:
    (tmp_path / name).symlink_to(database / "rpmdb.sqlite")
    with pytest.raises(ValueError, match="no RPM database that flight knows"):
        query_rpm(tmp_path, log_to=None)


@pytest.fixture
def other_rpm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An rpm of the test's own, in a folder that everybody may enter."""
    with tempfile.TemporaryDirectory(prefix="rpm-") as folder:
        Path(folder).chmod(0o755)
        program = Path(folder, "rpm")
        program.touch(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        yield program


def test_rpm_runs_as_nobody_and_without_powers(database: Path, other_rpm: Path) -> None:
    other_rpm.write_text(
        "#!/bin/sh\necho error: $(id -u) $(id -g) $(id -G) $(grep -E 'CapEff|NoNewPrivs' /proc/self/status) $(ulimit -v)\n"
    )
    with pytest.raises(ValueError) as caught:
        query_rpm(database, log_to=None)
    assert "65534 65534 65534 CapEff: 0000000000000000 NoNewPrivs: 1 2097152" in str(caught.value)


def test_an_rpm_that_hangs_is_ended(database: Path, other_rpm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "RPM_TIMEOUT_S", 0.5)
    other_rpm.write_text("#!/bin/sh\nexec sleep 1000\n")
    with pytest.raises(ProgramError, match=r"did not end within 0\.5 s"):
        query_rpm(database, log_to=None)


def test_an_rpm_that_is_not_there_is_named(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(ProgramError, match="the program 'rpm' is not here"):
        query_rpm(database, log_to=None)
