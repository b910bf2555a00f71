"""Lists of packages from texts. tests/integration/certify/test_packages.py asks dpkg and rpm themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.certify.reading import packages
from flight.workflows.certify.reading.packages import (
    Package,
    owner_of,
    parse_rpm,
    parse_rpm_owners,
    read_dpkg,
    read_dpkg_lists,
)

STATUS = """\
Package: libc6
Essential: yes
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: glibc (2.36-9+deb12u13)
Version: 2.36-9+deb12u13+b1
Conffiles:
 /etc/ld.so.conf.d/x.conf d4e7a7b88a71b5ffd9e2644e71a0cfab
Description: GNU C Library
 Shared libraries.
 .
 Package: not-a-field

Package: walinuxagent
Status: install ok triggers-pending
Source: waagent
Version: 2.7.3.0-3+deb12u1
Architecture: amd64

Package: floppyd
Status: deinstall ok config-files
Version: 1.0

Package: ghost
Status: purge ok not-installed
"""


def test_packages_of_a_status_file_know_their_source_and_state() -> None:
    assert read_dpkg(STATUS) == (
        Package("libc6", "2.36-9+deb12u13+b1", "amd64", "glibc", "2.36-9+deb12u13", "installed"),
        Package("walinuxagent", "2.7.3.0-3+deb12u1", "amd64", "waagent", "2.7.3.0-3+deb12u1", "triggers-pending"),
        Package("floppyd", "1.0", "", "floppyd", "1.0", "config-files"),
        Package("ghost", "", "", "ghost", "", "not-installed"),
    )
    assert [package.is_installed for package in read_dpkg(STATUS)] == [True, True, False, False]


def test_an_empty_status_file_names_none() -> None:
    assert read_dpkg("") == read_dpkg("\n\n \n") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("\x7fELF\0\0", "line 1 is no field: '\\x7fELF", id="something else"),
        pytest.param("Status: install ok installed\n", "names no package", id="no name"),
        pytest.param("Package: a\nVersion: 1\n", "gives 'a' no state", id="no state"),
        pytest.param("Package: a\nStatus: installed\n", "gives 'a' no state", id="half a state"),
        pytest.param("Package: a\nStatus: install ok installed\n", "'a' without a version", id="no version"),
    ],
)
def test_a_damaged_status_file_is_an_error_that_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_dpkg(text)
    assert said in str(caught.value)


def test_absurdly_many_packages_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MOST_PACKAGES", 3)
    with pytest.raises(ValueError, match="more than 3 packages"):
        read_dpkg(STATUS)


LISTS = {
    "bash": "/.\n/bin\n/bin/bash\n/usr\n/usr/share/doc/bash\n",
    "libc6:amd64": "/.\n/usr\n/usr/lib/x86_64-linux-gnu/libc.so.6\n/lib64/ld-linux-x86-64.so.2\n",
    "dash": "/.\n/bin/sh\n/usr/share/man/man1/sh.1.gz\n",
    "vendor-sh": "/bin/sh\n",
}
DIVERSIONS = "/bin/sh\n/bin/sh.distrib\nvendor-sh\n/usr/share/man/man1/sh.1.gz\n/usr/share/man/man1/sh.real.1.gz\n:\n"


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        pytest.param("/bin/bash", "bash", id="as it is listed"),
        pytest.param("/usr/bin/bash", "bash", id="listed in /bin, lying in /usr/bin"),
        pytest.param("/lib/x86_64-linux-gnu/libc.so.6", "libc6", id="listed in /usr/lib, named in /lib"),
        pytest.param("/usr/lib64/ld-linux-x86-64.so.2", "libc6", id="lib64"),
        pytest.param("/usr", "bash", id="a folder of several"),
        pytest.param("/bin/sh", "vendor-sh", id="the one that diverts"),
        pytest.param("/usr/bin/sh.distrib", "dash", id="the one that is diverted"),
        pytest.param("/usr/share/man/man1/sh.real.1.gz", "dash", id="diverted by the administrator"),
        pytest.param("/usr/share/man/man1/sh.1.gz", None, id="where the administrator has a file instead"),
        pytest.param("/usr/local/bin/bash", None, id="a namesake elsewhere"),
        pytest.param("/usr/usr/bin/bash", None, id="no merged folder"),
        pytest.param("/.", None, id="the top"),
    ],
)
def test_a_path_is_owned_by_its_package_under_either_name(path: str, owner: str | None) -> None:
    assert owner_of(path, read_dpkg_lists(LISTS, DIVERSIONS)) == owner


def test_damaged_diversions_are_an_error() -> None:
    with pytest.raises(ValueError, match="not three lines each"):
        read_dpkg_lists(LISTS, "/bin/sh\n/bin/sh.distrib\n")


ROWS = (
    "openssl\t1\t3.0.7\t27.el9\tx86_64\topenssl-3.0.7-27.el9.src.rpm\t1700000000\n"
    "bash\t0\t5.1.8\t9.el9\tx86_64\tbash-5.1.8-9.el9.src.rpm\t1690000000\n"
    "gpg-pubkey\t0\t8483c65d\t5ccc5b19\t(none)\t(none)\t1556000000\n"
)


def test_packages_of_an_rpm_database_know_epoch_source_and_time() -> None:
    assert parse_rpm(ROWS) == (
        Package("bash", "5.1.8-9.el9", "x86_64", "bash", "5.1.8-9.el9", built=1690000000),
        Package("gpg-pubkey", "8483c65d-5ccc5b19", built=1556000000),
        Package("openssl", "1:3.0.7-27.el9", "x86_64", "openssl", "1:3.0.7-27.el9", built=1700000000),
    )


def test_the_owners_of_paths_are_read_from_rpm() -> None:
    owners = parse_rpm_owners("/usr/bin/bash\tbash\n/usr/lib\tfilesystem\n/usr/lib\tother\n/usr/lib64/a b.so\tlibs\n")
    assert owners == {"/usr/bin/bash": "bash", "/usr/lib": "filesystem", "/usr/lib64/a b.so": "libs"}
    assert owner_of("/bin/bash", owners) == "bash"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("bash\t0\t5.1.8\n", "a row that is none: 'bash", id="too short"),
        pytest.param("bash\t0\t5.1.8\t9\tx86_64\ta.src.rpm\t1\tevil\n", "a row that is none", id="too long"),
        pytest.param("\t0\t5.1.8\t9\tx86_64\ta.src.rpm\t1\n", "a row that is none", id="no name"),
        pytest.param("bash\t-1\t5.1.8\t9\tx86_64\ta.src.rpm\t1\n", "gives 'bash' an epoch", id="no number"),
    ],
)
def test_rows_that_rpm_would_not_write_are_an_error(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_rpm(ROWS + text)
    assert said in str(caught.value)


def test_absurdly_many_rows_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MOST_PACKAGES", 2)
    with pytest.raises(ValueError, match="more than 2 rows"):
        parse_rpm(ROWS)


@given(st.text())
def test_whatever_the_text_is_the_answer_is_a_value_or_a_valueerror(text: str) -> None:
    for read in (read_dpkg, parse_rpm, parse_rpm_owners, lambda text: read_dpkg_lists({"a": text}, text)):
        try:
            read(text)
        except ValueError as error:
            assert str(error)
