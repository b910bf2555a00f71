"""Versions by known rows. tests/integration/certify/test_versions.py asks dpkg and rpm about others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.certify.reading.versions import compare_versions, debian_key, rpm_key, upstream_version

DEBIAN = (
    ("1.0", "1.0-0", 0),
    ("1.0", "0:1.0", 0),
    ("1.00", "1.0", 0),
    ("1.0", "1.0.0", -1),
    ("1.9", "1.10", -1),
    ("1:0.1", "2.0", 1),
    ("1.0~rc1", "1.0", -1),
    ("1.0~~", "1.0~", -1),
    ("1.0~", "1.0a", -1),
    ("1.0a", "1.0+", -1),
    ("1.0-1", "1.0-1+deb12u1", -1),
    ("1.0-1~bpo12+1", "1.0-1", -1),
    ("2.7.3.0-3+deb12u1", "2.9.1.1-2", -1),
    ("3.0.17-1~deb12u2", "3.0.17-1~deb12u10", -1),
    ("1.0-1-1", "1.0-1-2", -1),
    ("9" * 5000, "1" + "0" * 5000, -1),
    ("", "0", 0),
)
RPM = (
    ("1.0", "1.0", 0),
    ("1.0-1", "1.0-1.", 0),
    ("1.0-1.el9", "1.0-2.el9", -1),
    ("1.0-9.el9", "1.0-10.el9", -1),
    ("1:0.1-1", "2.0-1", 1),
    ("1.0~rc1-1", "1.0-1", -1),
    ("1.0^git1-1", "1.0-1", 1),
    ("1.0^git1-1", "1.0.1-1", -1),
    ("1.0~rc1^git1", "1.0~rc1", 1),
    ("1.0a", "1.0.1", -1),
    ("2a", "2.0", -1),
    ("1_0", "1.0", 0),
    ("5.5p1", "5.5p10", -1),
    ("10xyz", "10.1xyz", -1),
    ("5.14.0-427.13.1.el9_4", "5.14.0-503.11.1.el9_5", -1),
    ("1.0", "1.0-1", -1),
    ("9" * 5000, "1" + "0" * 5000, -1),
    ("", "~", 1),
)


@pytest.mark.parametrize(("left", "right", "order"), DEBIAN)
def test_debian_versions_are_ordered_as_policy_says(left: str, right: str, order: int) -> None:
    assert compare_versions(left, right, package_format="dpkg") == order
    assert compare_versions(right, left, package_format="dpkg") == -order


@pytest.mark.parametrize(("left", "right", "order"), RPM)
def test_rpm_versions_are_ordered_as_rpm_does(left: str, right: str, order: int) -> None:
    assert compare_versions(left, right, package_format="rpm") == order
    assert compare_versions(right, left, package_format="rpm") == -order


@given(st.text(), st.text())
def test_any_text_has_a_place(left: str, right: str) -> None:
    for key in (debian_key, rpm_key):
        assert (key(left) < key(right)) + (key(left) == key(right)) + (key(left) > key(right)) == 1


@pytest.mark.parametrize(
    ("version", "upstream"),
    [
        ("2:1.48.6-2", "1.48.6"),
        ("2.7.3.0-3+deb12u1", "2.7.3.0"),
        ("1.48.6", "1.48.6"),
        ("5.14.0-427.13.1.el9_4", "5.14.0"),
        ("1:3.0.7-27.el9", "3.0.7"),
        ("1.2-rc1-3", "1.2-rc1"),
        ("4.3+dfsg-1", "4.3+dfsg"),
    ],
)
def test_the_upstream_version_is_what_the_authors_call_it(version: str, upstream: str) -> None:
    assert upstream_version(version) == upstream
