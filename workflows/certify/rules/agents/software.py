"""Other programs that Azure or its reviewers ask for: daemons, Python, OpenSSL."""

from __future__ import annotations

import posixpath
import re
from typing import Final

from flight.workflows.certify.effective import udev
from flight.workflows.certify.effective.dhcptimeout import timeouts
from flight.workflows.certify.effective.programs import which
from flight.workflows.certify.effective.waagent import numbers
from flight.workflows.certify.image import Image
from flight.workflows.certify.reading.versions import upstream_version
from flight.workflows.certify.rule import Outcome, Severity, failed, passed, rule, unknown
from flight.workflows.kit.text import quoted

DAEMONS: Final = ("hyperv-daemons", "hypervkvpd", "linux-cloud-tools-azure", "linux-cloud-tools-common", "hyper-v")
"""Debian and EL, EL's part of it, Ubuntu (two), SUSE."""
KVP_UNITS: Final = (
    "hyperv-daemons.hv-kvp-daemon.service",
    "hypervkvpd.service",
    "hv-kvp-daemon.service",
    "hv_kvp_daemon.service",
)
GROWERS: Final = {
    "ext4": ("resize2fs", "e2fsprogs"),
    "ext3": ("resize2fs", "e2fsprogs"),
    "xfs": ("xfs_growfs", "xfsprogs"),
    "btrfs": ("btrfs", "btrfs-progs"),
}
"""What makes a filesystem larger: the program, and the package that has it."""
PARTITIONERS: Final = (("sfdisk", "fdisk", "util-linux"), ("sgdisk", "gdisk"))
"""What growpart changes a table with: a program, then packages that have it."""
EXTENSIONS_FLOOR: Final = "2.2.41"
PYTHON_FLOOR: Final = "3.9"
PLATFORM: Final = "/usr/libexec/platform-python"
"""Enterprise Linux 8's own, for its tools and the agent; no tester asks it."""
PYTHONS: Final = {
    "python3": ("python3", "python36", "python3-minimal"),
    "python": ("python2", "python"),
    "platform-python": ("platform-python",),
}
"""The packages that a program comes from."""
OPENSSL_FLOOR: Final = "3.0.0"
OPENSSL_OLD: Final = ((1, 1, 1), (1, 0, 2))
OMI_FLOOR: Final = "1.6.8.1"
"""The first without the fault called OMIGOD, CVE-2021-38647."""
DHCP_FLOOR_S: Final = 300


@rule(
    "hyperv-daemons",
    "Hyper-V's daemons talk to the host",
    severity="warning",
    required="the daemons' package, and the unit of the key-value daemon starts with the machine, or with its device",
    fix="`apt-get install hyperv-daemons`, `dnf install hyperv-daemons`, Ubuntu: `apt-get install linux-cloud-tools-azure`",
    source="Microsoft's Linux guide; RHEL guide; Debian guide; LISA verify_kvp (P1)",
)
def hyperv_daemons(image: Image) -> Outcome:
    package = image.package(*DAEMONS)
    unit = next((name for name in KVP_UNITS if image.units.is_there(name)), "")
    if not package:
        return failed("none of the packages of Hyper-V's daemons is installed")
    if not unit:
        return failed(f"{package.name} is installed, and no unit starts the key-value daemon")
    starter = image.units.enabled_by(unit)
    if not starter and not image.units.is_masked(unit):
        starter = udev.starter_of(image.tree, unit)
    if not starter:
        return failed(f"{unit} of {package.name} is {image.units.state(unit)}: nothing starts it")
    return passed(f"{package.name} {quoted(package.version)}, {unit}")


@rule(
    "growpart",
    "The root can grow with its disk",
    severity="warning",
    required="growpart, sfdisk or sgdisk for it, and what enlarges the root's filesystem",
    fix="Debian: `apt-get install cloud-guest-utils fdisk e2fsprogs`; EL: `dnf install cloud-utils-growpart gdisk`",
    source="Microsoft's Linux guide; RHEL guide",
)
def growpart(image: Image) -> Outcome:
    root = next((each.type for each in image.snapshot.filesystems if each.mounted_at == "/"), "")
    wanted = [(("growpart", "cloud-guest-utils", "cloud-utils-growpart"),), PARTITIONERS]
    wanted += [(GROWERS[root],)] if root in GROWERS else []
    missing = [" or ".join(row[0] for row in rows) for rows in wanted if not any(_has(image, *row) for row in rows)]
    return failed(f"missing: {', '.join(missing)}") if missing else passed("growpart, and what it needs, are there")


def _has(image: Image, program: str, *packages: str) -> bool:
    return bool(which(image.tree, program) or image.package(*packages))


@rule(
    "ext-support",
    "VM extensions can be installed",
    severity="blocker",
    required=f"an agent of {EXTENSIONS_FLOOR} or later, Python, and Extensions.Enabled is not n",
    fix="write `Extensions.Enabled=y` into /etc/waagent.conf; an image that is meant to refuse extensions is declared so in "
    "Partner Center, and let pass by an override in its recipe",
    source="Marketplace FAQ, VM extensions",
)
def ext_support(image: Image) -> Outcome:
    agent, key = image.waagent, "Extensions.Enabled"
    lesser: Severity | None = "warning" if "ssh-disabled" in image.claims and "extensions" not in image.claims else None
    if not agent.is_there:
        return failed("there is no agent", severity=lesser, fix="first what waagent-present asks for")
    if not agent.is_on(key):
        return failed(f"{key}=n ({quoted(agent.where(key))})", severity=lesser)
    if numbers(agent.version) < numbers(EXTENSIONS_FLOOR):
        return failed(f"the agent is {quoted(agent.version or 'of a version that nothing says')}", severity=lesser)
    if not _python(image)[0]:
        return failed("there is no Python", severity=lesser)
    return passed(f"agent {quoted(agent.version)}, {key} is on")


@rule(
    "python-version",
    "Python is new enough",
    severity="warning",
    required=f"python3 (else python) of {PYTHON_FLOOR} or later; the self-test asks for 2.6",
    fix="Debian: `apt-get install python3`; EL 8: "
    "`dnf install python3.12` and `alternatives --set python3 /usr/bin/python3.12`; else a newer release",
    source="self-test 45; LISA verify_python_version (P5); Marketplace's security recommendations",
    known_on="2026-11-22",
)
def python_version(image: Image) -> Outcome:
    version, where = _python(image)
    if not version:
        return failed("there is no Python, which the agent is written in", severity="likely blocker")
    seen = f"{quoted(version)} ({quoted(where)})"
    return passed(seen) if numbers(version) >= numbers(PYTHON_FLOOR) else failed(seen)


def _python(image: Image) -> tuple[str, str]:
    """The version of what `python3`, else `python`, starts, and what says so; empty for none."""
    path = which(image.tree, "python3", "python") or (PLATFORM if image.tree.is_file(PLATFORM) else "")
    real = image.tree.real(path) if path else None
    named = re.search(r"python(\d\.\d{1,3})$", real or "")
    version = named[1] if named else ""
    package = image.package(f"python{version}", *PYTHONS.get(posixpath.basename(path), ()))
    full = upstream_version(package.version) if package else ""
    if package and (not version or numbers(full)[:2] == numbers(version)) and path:
        return full, f"the package {package.name}"
    return version, real or ""


@rule(
    "openssl-version",
    "OpenSSL is new enough",
    severity="likely blocker",
    required=f"{OPENSSL_FLOOR} or later, or 1.1.1 or 1.0.2 with any letter",
    fix="install the package openssl of a release that is still cared for",
    source="self-test 44; LISA verify_openssl_version (P1); Marketplace's security recommendations",
    known_on="2026-11-22",
)
def openssl_version(image: Image) -> Outcome:
    package = image.package("openssl")
    if not package:
        path = which(image.tree, "openssl")
        return (
            unknown(f"{path} is there, and no package says its version") if path else failed("openssl is not installed")
        )
    version = upstream_version(package.version)
    is_well = numbers(version) >= numbers(OPENSSL_FLOOR) or numbers(version) in OPENSSL_OLD
    return passed(quoted(package.version)) if is_well else failed(quoted(package.version))


@rule(
    "omi-version",
    "No OMI with a known fault",
    severity="blocker",
    required=f"no OMI, or {OMI_FLOOR} or later",
    fix="`apt-get purge omi` or `dnf remove omi`, then `rm -rf /opt/omi`; or its newest release",
    source="LISA verify_omi_version (P1)",
    known_on="2026-11-22",
)
def omi_version(image: Image) -> Outcome:
    package = image.package("omi")
    if package:
        is_well = numbers(upstream_version(package.version)) >= numbers(OMI_FLOOR)
        return passed(f"omi {quoted(package.version)}") if is_well else failed(f"omi {quoted(package.version)}")
    program = "/opt/omi/bin/omiserver"
    return (
        failed(f"{program} is there, and no package says its version")
        if image.tree.entry(program)
        else passed("no OMI")
    )


@rule(
    "azure-vm-utils",
    "Azure's names for NVMe disks",
    severity="info",
    required="the package azure-vm-utils",
    fix="`apt-get install azure-vm-utils` or `dnf install azure-vm-utils`, where the release has it",
    source="Microsoft's guide to NVMe; azure-vm-utils",
    generation="V2",
)
def azure_vm_utils(image: Image) -> Outcome:
    package = image.package("azure-vm-utils")
    return passed(f"{package.name} {quoted(package.version)}") if package else failed("azure-vm-utils is not installed")


@rule(
    "dhcp-timeout",
    "DHCP is tried for five minutes",
    severity="likely blocker",
    required=f"no timeout is set for DHCP, or {DHCP_FLOOR_S} s and more",
    fix="take `timeout …;` out of /etc/dhcp/dhclient.conf; NetworkManager: `ipv4.dhcp-timeout=300`",
    source="LISA verify_dhcp_client_timeout (P1)",
)
def dhcp_timeout(image: Image) -> Outcome:
    found = sorted(timeouts(image.tree))
    if not found:
        return passed("no timeout is set")
    seen = f"{found[0].seconds} s in {quoted(found[0].where)}"
    return passed(seen) if found[0].seconds >= DHCP_FLOOR_S else failed(seen)
