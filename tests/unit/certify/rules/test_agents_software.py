"""Daemons, Python, OpenSSL, the clock: a real disk, and Enterprise Linux made here, with one thing wrong each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from trees import DEBIAN, ask, changed, el

from flight.workflows.certify.effective.dhcptimeout import timeouts
from flight.workflows.certify.tree import Entry

ETC, USR = "/etc/systemd/system", "/usr/lib/systemd/system"
PROGRAM = Entry("f", 0o755, size=4096)
CHRONY, AZURE = "/etc/chrony/chrony.conf", "/etc/chrony/conf.d/azure.conf"
REFCLOCK = "refclock PHC /dev/ptp_hyperv poll 3 dpoll -2 offset 0 stratum 2\n"
STEP = "makestep 1.0 -1\n"
KVP = "hv-kvp-daemon.service"
KVP_UNIT = next(name for name in DEBIAN.tree.names(USR) if name.endswith(KVP))
KVP_FILES = [f"{USR}/{KVP_UNIT}", f"/etc/init.d/{KVP_UNIT.removesuffix('.service')}"]
DHCLIENT = "/etc/dhcp/dhclient.conf"
UDEV = "/etc/udev/rules.d/90-x.rules"
PTP_STARTS = 'SUBSYSTEM=="ptp", ENV{SYSTEMD_WANTS}+="chrony.service"\n'
NO_PYTHON = {"entries": dict.fromkeys(("/usr/bin/python3", "/usr/bin/python"))}

CASES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "daemons": ("hyperv-daemons", {}, "pass", KVP),
    "no-daemons": ("hyperv-daemons", {"packages": {"hyperv-daemons": None}}, "fail", "none of the packages"),
    "daemons-without-a-unit": ("hyperv-daemons", {"without": KVP_FILES}, "fail", "no unit starts"),
    "daemons-masked": ("hyperv-daemons", {"links": {f"{ETC}/{KVP_UNIT}": "/dev/null"}}, "fail", "is masked"),
    "daemons-by-device": (
        "hyperv-daemons",
        {
            "without": [f"{ETC}/multi-user.target.wants/{KVP_UNIT}"],
            "files": {UDEV: f'KERNEL=="vmbus/hv_kvp", ENV{{SYSTEMD_WANTS}}+="{KVP_UNIT}"\n'},
        },
        "pass",
        KVP,
    ),
    "grows": ("growpart", {}, "pass", "are there"),
    "does-not-grow": (
        "growpart",
        {"packages": {"cloud-guest-utils": None}, "without": ["/usr/bin/growpart"]},
        "fail",
        "missing: growpart",
    ),
    "no-way-to-enlarge": (
        "growpart",
        {"packages": {"e2fsprogs": None}, "without": ["/usr/sbin/resize2fs"]},
        "fail",
        "resize2fs",
    ),
    "extensions": ("ext-support", {}, "pass", "Extensions.Enabled is on"),
    "no-extensions": (
        "ext-support",
        {"files": {"/etc/waagent.conf": "Extensions.Enabled=n\n"}},
        "fail",
        "Extensions.Enabled=n",
    ),
    "an-agent-too-old-for-them": (
        "ext-support",
        {"files": {"/usr/lib/python3/dist-packages/azurelinuxagent/common/version.py": "AGENT_VERSION = '2.2.40'\n"}},
        "fail",
        "the agent is 2.2.40",
    ),
    "no-agent": ("ext-support", {"packages": {"waagent": None}, "without": ["/usr/sbin/waagent"]}, "fail", "no agent"),
    "no-python-for-them": ("ext-support", NO_PYTHON, "fail", "no Python"),
    "python": ("python-version", {}, "pass", "3.13"),
    "an-old-python": (
        "python-version",
        {"links": {"/usr/bin/python3": "python3.7"}, "entries": {"/usr/bin/python3.7": PROGRAM}},
        "fail",
        "3.7 (/usr/bin/python3.7)",
    ),
    "the-other-python": (
        "python-version",
        {**NO_PYTHON, "links": {"/usr/local/bin/python": "/opt/python3.12"}, "files": {"/opt/python3.12": b"\x7fELF"}},
        "fail",
        "no Python",
    ),
    "no-python": ("python-version", NO_PYTHON, "fail", "there is no Python"),
    "openssl": ("openssl-version", {}, "pass", "3.5"),
    "openssl-1.1.1": ("openssl-version", {"packages": {"openssl": "1.1.1w-0+deb11u1"}}, "pass", "1.1.1w"),
    "openssl-1.1.0": ("openssl-version", {"packages": {"openssl": "1.1.0l-1~deb9u1"}}, "fail", "1.1.0l"),
    "openssl-0.9.8": ("openssl-version", {"packages": {"openssl": "0.9.8o-4"}}, "fail", "0.9.8o"),
    "openssl-without-a-package": ("openssl-version", {"packages": {"openssl": None}}, "unknown", "no package says"),
    "no-openssl": (
        "openssl-version",
        {"packages": {"openssl": None}, "without": ["/usr/bin/openssl"]},
        "fail",
        "not installed",
    ),
    "no-omi": ("omi-version", {}, "pass", "no OMI"),
    "an-old-omi": ("omi-version", {"packages": {"omi": "1.6.8.0"}}, "fail", "omi 1.6.8.0"),
    "a-new-omi": ("omi-version", {"packages": {"omi": "1.6.8.1"}}, "pass", "omi 1.6.8.1"),
    "omi-without-a-package": (
        "omi-version",
        {"entries": {"/opt/omi/bin/omiserver": PROGRAM}},
        "fail",
        "no package says",
    ),
    "the-host's-clock": ("time-chrony-ptp", {}, "pass", "refclock PHC /dev/ptp_hyperv, makestep 1.0 -1"),
    "no-chrony": ("time-chrony-ptp", {"without": ["/usr/sbin/chronyd"]}, "fail", "not installed"),
    "chrony-masked": (
        "time-chrony-ptp",
        {"links": {f"{ETC}/chrony.service": "/dev/null"}},
        "fail",
        "chrony.service is masked",
    ),
    "chrony-by-its-device": (
        "time-chrony-ptp",
        {"without": [f"{ETC}/multi-user.target.wants/chrony.service"], "files": {UDEV: PTP_STARTS}},
        "pass",
        "ptp_hyperv",
    ),
    "no-unit-of-chrony": (
        "time-chrony-ptp",
        {"without": [f"{USR}/chrony.service", f"{ETC}/chronyd.service", "/etc/init.d/chrony"]},
        "fail",
        "no unit of chrony",
    ),
    "no-refclock": ("time-chrony-ptp", {"files": {AZURE: STEP}}, "fail", "no refclock PHC, instead of"),
    "another-clock": (
        "time-chrony-ptp",
        {"files": {AZURE: f"refclock PHC /dev/ptp0 poll 3\n{STEP}"}},
        "fail",
        f"refclock PHC /dev/ptp0 in {AZURE}:1",
    ),
    "a-comment": ("time-chrony-ptp", {"files": {AZURE: f"! {REFCLOCK}{STEP}"}}, "fail", "no refclock"),
    "no-step": ("time-chrony-ptp", {"files": {AZURE: REFCLOCK}}, "fail", "makestep is not set"),
    "a-few-steps": (
        "time-chrony-ptp",
        {"files": {AZURE: REFCLOCK, CHRONY: f"makestep 1 -1\nconfdir {AZURE.rpartition('/')[0]}\nmakestep 1 3\n"}},
        "fail",
        f"makestep 1 3 in {CHRONY}:3",
    ),
    "no-number": ("time-chrony-ptp", {"files": {AZURE: f"{REFCLOCK}makestep nan x\n"}}, "fail", "makestep nan x"),
    "an-include-in-circles": (
        "time-chrony-ptp",
        {"files": {AZURE: f"{REFCLOCK}{STEP}include /etc/chrony/conf.d/*.conf\n"}},
        "pass",
        "ptp_hyperv",
    ),
    "no-name-for-the-clock": (
        "time-chrony-ptp",
        {"files": {"/usr/lib/udev/rules.d/50-udev-default.rules": "# nothing\n"}},
        "fail",
        "no rule of udev makes /dev/ptp_hyperv",
    ),
    "names-of-disks": ("azure-vm-utils", {}, "pass", "azure-vm-utils"),
    "no-names-of-disks": ("azure-vm-utils", {"packages": {"azure-vm-utils": None}}, "fail", "not installed"),
    "no-timeout": ("dhcp-timeout", {}, "pass", "no timeout is set"),
    "a-short-timeout": (
        "dhcp-timeout",
        {"files": {DHCLIENT: "#timeout 10;\ntimeout 60;\n"}},
        "fail",
        f"60 s in {DHCLIENT}:2",
    ),
    "a-long-timeout": ("dhcp-timeout", {"files": {DHCLIENT: "timeout 300;\n"}}, "pass", "300 s"),
    "within-braces": ("dhcp-timeout", {"files": {DHCLIENT: 'interface "eth0" {timeout 30;}\n'}}, "fail", "30 s"),
    "another-word": ("dhcp-timeout", {"files": {DHCLIENT: "initial-timeout 3;\n#timeout 60;\n"}}, "pass", "no timeout"),
}


@pytest.mark.parametrize(("name", "change", "status", "words"), CASES.values(), ids=CASES)
def test_a_debian_with_one_thing_changed(name: str, change: dict[str, Any], status: str, words: str) -> None:
    outcome = ask(name, changed(DEBIAN, **change))
    assert (outcome.status, words in outcome.seen) == (status, True), outcome.seen


CHRONYD = f"{ETC}/multi-user.target.wants/chronyd.service"
EL_CASES: dict[str, tuple[str, int, dict[str, Any], str, str]] = {
    "daemons": ("hyperv-daemons", 9, {}, "pass", "hypervkvpd.service"),
    "grows": ("growpart", 10, {}, "pass", "are there"),
    "no-xfs-tools": ("growpart", 9, {"packages": {"xfsprogs": None}}, "fail", "xfs_growfs"),
    "python-of-8": ("python-version", 8, {}, "fail", "3.6.8"),
    "python-of-9": ("python-version", 9, {}, "pass", "3.9.21"),
    "8-without-a-python-of-the-user's": (
        "python-version",
        8,
        {
            "without": ["/usr/bin/python3"],
            "packages": {"python3": None, "platform-python": "3.6.8-70.el8"},
            "entries": {"/usr/libexec/platform-python": PROGRAM},
        },
        "fail",
        "3.6.8 (the package platform-python)",
    ),
    "openssl-of-8": ("openssl-version", 8, {}, "pass", "1:1.1.1k-14.el8"),
    "the-host's-clock": ("time-chrony-ptp", 9, {}, "pass", "ptp_hyperv"),
    "chrony-disabled": ("time-chrony-ptp", 9, {"without": [CHRONYD]}, "fail", "chronyd.service is disabled"),
    "vm-utils": ("azure-vm-utils", 10, {}, "pass", "azure-vm-utils"),
    "a-long-timeout": ("dhcp-timeout", 9, {}, "pass", "300 s"),
    "a-short-timeout": (
        "dhcp-timeout",
        9,
        {"files": {"/etc/sysconfig/network-scripts/ifcfg-eth0": "IPV4_DHCP_TIMEOUT=45\n"}},
        "fail",
        "45 s in /etc/sysconfig/network-scripts/ifcfg-eth0:1",
    ),
}


@pytest.mark.parametrize(("name", "release", "change", "status", "words"), EL_CASES.values(), ids=EL_CASES)
def test_a_made_enterprise_linux_with_one_thing_changed(
    name: str, release: int, change: dict[str, Any], status: str, words: str
) -> None:
    outcome = ask(name, changed(el(release), **change))
    assert (outcome.status, words in outcome.seen) == (status, True), outcome.seen


def test_a_locked_down_appliance_may_refuse_extensions() -> None:
    disk = changed(DEBIAN, files={"/etc/waagent.conf": "Extensions.Enabled=n\n"})
    assert ask("ext-support", disk).severity is None
    assert ask("ext-support", disk, claims={"ssh-disabled"}).severity == "warning"
    assert ask("ext-support", disk, claims={"ssh-disabled", "extensions"}).severity is None


def test_only_generation_2_has_nvme_disks_to_name() -> None:
    assert ask("azure-vm-utils", DEBIAN, generations={"V1"}).status == "not applicable"


def test_a_filesystem_that_nobody_knows_needs_no_tool() -> None:
    disks = tuple(replace(each, type="jfs") if each.mounted_at == "/" else each for each in DEBIAN.filesystems)
    disk = changed(DEBIAN, filesystems=disks, packages={"e2fsprogs": None}, without=["/usr/sbin/resize2fs"])
    assert ask("growpart", disk).status == "pass"


def test_timeouts_of_networkmanager_are_found_wherever_they_stand() -> None:
    files = {
        "/etc/NetworkManager/conf.d/a.conf": "[connection]\nipv4.dhcp-timeout = 60\n",
        "/etc/NetworkManager/system-connections/eth0.nmconnection": "[ipv4]\ndhcp-timeout=0\n",
    }
    found = list(timeouts(changed(DEBIAN, files=files).tree))
    assert [tuple(each) for each in found] == [(60, "/etc/NetworkManager/conf.d/a.conf:2")]
