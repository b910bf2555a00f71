"""Where the system gets its updates: from the distribution, not from the network that built it."""

from __future__ import annotations

from typing import Final

from flight.workflows.certify.effective.repositories import apt_sources, dnf_repositories
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, failed, passed, rule
from flight.workflows.kit.text import quoted

ARCHIVE: Final = ("deb", "debian.org")
"""The host and the domain of Debian's own archive."""
DEBIAN: Final = (".".join(ARCHIVE), "debian-archive.trafficmanager.net", "azure.deb.debian.cloud/debian")
UBUNTU: Final = {"x86_64": "azure.archive.ubuntu.com", "aarch64": "ports.ubuntu.com"}
"""The archives that LISA looks for. Source: verify_repository_installed."""
BASE: Final = ("base", "baseos", "rhel", "fedora", "centos", "rhui")
"""Words in the name of a repository that LISA takes for the system's own."""
RHUI: Final = "rhui-"
MOST_LACKING: Final = 5
LOCAL: Final = ("file:", "cdrom:", "media:")


@rule(
    "repos-debian",
    "Packages come from the distribution's own archive",
    severity="warning",
    required=f"an enabled source of apt at the host {ARCHIVE[0]} of {ARCHIVE[1]}, {DEBIAN[1]} or {DEBIAN[2]}; "
    f"on Ubuntu at {UBUNTU['x86_64']} (on Arm {UBUNTU['aarch64']}), with its -updates and -security suites",
    fix="write the archive's address into /etc/apt/sources.list or a .sources file below /etc/apt/sources.list.d",
    source="LISA verify_repository_installed (P1)",
    family="debian",
)
def repos_debian(image: Image) -> Outcome:
    sources = apt_sources(image.tree)
    if not sources:
        return failed("apt has no source")
    local = next((each for each in sources if each.uri.startswith(LOCAL)), None)
    if local:
        return failed(f"{quoted(local.at)} is of {quoted(local.uri)}")
    hosts = (UBUNTU.get(image.machine, UBUNTU["x86_64"]),) if image.os_release.get("ID") == "ubuntu" else DEBIAN
    known = next((each for each in sources if any(host in each.uri for host in hosts)), None)
    if not known:
        return failed(f"{quoted(sources[0].uri)} in {quoted(sources[0].at)}")
    suites = {each.suite for each in sources}
    wanted = ("-updates", "-security") if hosts[0] in UBUNTU.values() else ()
    missing = [ending for ending in wanted if not any(ending in suite for suite in suites)]
    return failed(f"no source has a suite {' or '.join(missing)}") if missing else passed(quoted(known.uri))


@rule(
    "repos-el",
    "Packages come from the distribution's own repositories",
    severity="warning",
    required=f"an enabled repository whose name has one of {', '.join(BASE)}, with an address on the network; on Red Hat's own "
    f"more than {MOST_LACKING} that begin with {RHUI}",
    fix="install the distribution's release package anew (almalinux-release, rocky-release), or Azure's rhui package",
    source="LISA verify_repository_installed (P1)",
    family="el",
)
def repos_el(image: Image) -> Outcome:
    repositories = dnf_repositories(image.tree)
    if image.os_release.get("ID") == "rhel":
        count = sum(each.id.lower().startswith(RHUI) for each in repositories)
        if count <= MOST_LACKING:
            return failed(f"{count} repositories begin with {RHUI}")
    own = [each for each in repositories if each.is_enabled and any(word in each.id.lower() for word in BASE)]
    known = next((each for each in own if each.uri and not each.uri.startswith(LOCAL)), None)
    if known:
        return passed(f"{quoted(known.id)} in {quoted(known.at)}")
    if own:
        return failed(f"{quoted(own[0].id)} is of {quoted(own[0].uri) or 'nowhere'}")
    return failed(f"none of {len(repositories)} repositories is the system's own and enabled")
