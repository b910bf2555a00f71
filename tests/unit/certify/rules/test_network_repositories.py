"""Where packages come from: a real disk, and Enterprise Linux made here, with one thing wrong each."""

from __future__ import annotations

from typing import Any

import pytest
from eltree import el
from trees import DEBIAN, ask, changed

LIST = "/etc/apt/sources.list"
ARCHIVE = ".".join(("deb", "debian", "org"))
UBUNTU = {"/etc/os-release": 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n'}
REPOS = "/etc/yum.repos.d"


def only(text: str, **files: str) -> dict[str, Any]:
    """The disk with these sources and no others."""
    others = DEBIAN.tree.names(f"{LIST}.d")
    return {"without": [f"{LIST}.d/{name}" for name in others], "files": {LIST: text, **files}}


def ubuntu(*suites: str, host: str = "azure.archive.ubuntu.com") -> dict[str, Any]:
    change = only("".join(f"deb http://{host}/ubuntu {suite} main\n" for suite in suites))
    return {**change, "files": {**change["files"], **UBUNTU}}


CASES = {
    "as-it-is": ({}, "pass", "debian-archive.trafficmanager.net"),
    "the-archive-on-azure": (
        only("deb https://azure.deb.debian.cloud/debian trixie main\n"),
        "pass",
        "azure.deb.debian.cloud",
    ),
    "the-archive": (only(f"deb http://{ARCHIVE}/debian trixie main\n"), "pass", ARCHIVE),
    "somebody-s": (
        only("deb http://10.0.0.4/debian trixie main\n"),
        "fail",
        "10.0.0.4/debian in /etc/apt/sources.list:1",
    ),
    "none": (only(f"# deb http://{ARCHIVE}/debian trixie main\n"), "fail", "no source"),
    "a-disc": (
        only(f"deb cdrom:[Debian]/ trixie main\ndeb http://{ARCHIVE}/debian trixie main\n"),
        "fail",
        "cdrom",
    ),
    "ubuntu": (ubuntu("noble", "noble-updates", "noble-security"), "pass", "azure.archive.ubuntu.com"),
    "ubuntu-without-security": (ubuntu("noble", "noble-updates"), "fail", "-security"),
    "ubuntu-from-elsewhere": (ubuntu("noble", "noble-updates", host="archive.example"), "fail", "archive.example"),
}


@pytest.mark.parametrize(("change", "status", "words"), CASES.values(), ids=CASES)
def test_debian_s_packages_come_from_debian(change: dict[str, Any], status: str, words: str) -> None:
    outcome = ask("repos-debian", changed(DEBIAN, **change))
    assert (outcome.status, words in outcome.seen) == (status, True), outcome


def repos(text: str, **files: str) -> dict[str, Any]:
    others = el(9).tree.names(REPOS)
    return {"without": [f"{REPOS}/{name}" for name in others], "files": {f"{REPOS}/x.repo": text, **files}}


RHEL = {"/etc/os-release": 'ID=rhel\nID_LIKE=fedora\nVERSION_ID="9.6"\n'}
RHUI = "".join(f"[rhui-rhel-9-{number}]\nbaseurl=https://rhui.example/\n" for number in range(6))
ON_EL = {
    "as-it-is": ({}, "pass", "baseos"),
    "not-enabled": (repos("[baseos]\nenabled=0\nbaseurl=https://a.example/\n"), "fail", "none of 1"),
    "another": (repos("[mine]\nbaseurl=https://a.example/\n"), "fail", "none of 1"),
    "on-the-disk": (repos("[baseos]\nbaseurl=file:///mnt/iso\n"), "fail", "file:///mnt/iso"),
    "nowhere": (repos("[baseos]\nname=x\n"), "fail", "nowhere"),
    "red-hat": (repos(RHUI, **RHEL), "pass", "rhui-rhel-9-0"),
    "red-hat-with-few": (repos(RHUI.partition("[rhui-rhel-9-5]")[0], **RHEL), "fail", "5 repositories"),
}


@pytest.mark.parametrize(("change", "status", "words"), ON_EL.values(), ids=ON_EL)
def test_enterprise_linux_s_packages_come_from_its_distributor(change: dict[str, Any], status: str, words: str) -> None:
    outcome = ask("repos-el", changed(el(9), **change))
    assert (outcome.status, words in outcome.seen) == (status, True), outcome
