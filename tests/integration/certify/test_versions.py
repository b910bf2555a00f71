"""The order of versions, before the programs that define it."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows.certify.reading.versions import compare_versions

DEBIAN = st.builds(
    lambda epoch, start, rest, revision: f"{epoch}{start}{rest}{revision}",
    st.sampled_from(["", "", "0:", "1:", "12:"]),
    st.sampled_from(["0", "1", "01", "10"]),
    st.text("0019az.+~-A", max_size=8),
    st.sampled_from(["", "-0", "-1", "-1+b1", "-1~x", "-1.1"]),
).filter(lambda version: not version.endswith("-"))
RPM = st.builds(
    lambda epoch, start, rest, release: f"{epoch}{start}{rest}{release}",
    st.sampled_from(["", "", "0:", "1:", "12:"]),
    st.sampled_from(["0", "1", "01", "a"]),
    st.text("0019az.+~^_A", max_size=8),
    st.sampled_from(["", "-0", "-1.el9", "-1.el9_4", "-10.el9", "-1~x"]),
)


def dpkg_says(left: str, right: str) -> int:
    def holds(relation: str) -> bool:
        return subprocess.run(["dpkg", "--compare-versions", left, relation, right], stderr=-1).returncode == 0

    return holds("gt") - holds("lt")


@settings(max_examples=150)
@given(DEBIAN, DEBIAN)
def test_debian_versions_are_ordered_as_dpkg_orders_them(left: str, right: str) -> None:
    assert compare_versions(left, right, package_format="dpkg") == dpkg_says(left, right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1.0", "1.0-0"),
        ("1.0a", "1.0a0"),
        ("1~", "1~~a"),
        ("1.0-1~", "1.0-1"),
        ("0", "0~"),
        ("1-0", "1-0~"),
        ("1.0", "1.0~a"),
    ],
)
def test_what_is_nearly_equal_is_so_for_dpkg_too(left: str, right: str) -> None:
    assert compare_versions(left, right, package_format="dpkg") == dpkg_says(left, right)


@settings(max_examples=20)
@given(st.lists(st.tuples(RPM, RPM), min_size=50, max_size=200))
def test_rpm_versions_are_ordered_as_rpm_orders_them(pairs: list[tuple[str, str]]) -> None:
    calls = " ".join(f'print(rpm.vercmp("{left}", "{right}").." ")' for left, right in pairs)
    said = subprocess.run(["rpm", "--eval", "%{lua: " + calls + "}"], check=True, capture_output=True, text=True).stdout
    ours = [compare_versions(left, right, package_format="rpm") for left, right in pairs]
    assert dict(zip(pairs, ours, strict=True)) == dict(zip(pairs, map(int, said.split()), strict=True))
