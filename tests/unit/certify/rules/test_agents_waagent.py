"""The agent: a real disk, and Enterprise Linux made here, with one thing wrong each."""

from __future__ import annotations

from typing import Any

import pytest
from trees import DEBIAN, ask, changed, el

from flight.workflows.certify.tree import Entry

CONF = "/etc/waagent.conf"
TEXT = DEBIAN.tree.text(CONF) or ""
ETC = "/etc/systemd/system"
WANTS = f"{ETC}/multi-user.target.wants/walinuxagent.service"
UNIT, SCRIPT = "/usr/lib/systemd/system/walinuxagent.service", "/etc/init.d/walinuxagent"
VERSION = "/usr/lib/python3/dist-packages/azurelinuxagent/common/version.py"
NO_AGENT: dict[str, Any] = {"packages": {"waagent": None}, "without": ["/usr/sbin/waagent"]}
NO_CLOUDINIT: dict[str, Any] = {"packages": {"cloud-init": None}, "without": ["/usr/bin/cloud-init"]}


def conf(**values: str) -> dict[str, Any]:
    """The configuration with these lines behind the others: the last one wins."""
    lines = "".join(f"{key.replace('_', '.')}={value}\n" for key, value in values.items())
    return {"files": {CONF: f"{TEXT}{lines}"}}


def unit(command: str) -> dict[str, Any]:
    """The unit with a drop-in that has it run this instead."""
    return {"files": {f"{ETC}/walinuxagent.service.d/x.conf": f"[Service]\nExecStart=\nExecStart={command}\n"}}


def version(text: str) -> dict[str, Any]:
    return {"files": {VERSION: f"AGENT_VERSION = '{text}'\n"}}


CASES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "as-it-is": ("waagent-present", {}, "pass", "waagent 2.12.0.2-3, /usr/sbin/waagent"),
    "not-there": ("waagent-present", NO_AGENT, "fail", "neither a package nor a program"),
    "only-a-package": ("waagent-present", {"without": ["/usr/sbin/waagent"]}, "fail", "a program waagent is not"),
    "a-program-that-cannot-run": (
        "waagent-present",
        {"entries": {"/usr/sbin/waagent": Entry("f", 0o644, size=9)}},
        "fail",
        "/usr/sbin/waagent is there, and nobody may run it",
    ),
    "without-a-package": ("waagent-present", {"packages": {"waagent": None}}, "fail", "no package has it"),
    "without-a-configuration": ("waagent-present", {"files": {CONF: None}}, "fail", "missing or empty"),
    "with-an-empty-one": ("waagent-present", {"files": {CONF: ""}}, "fail", "missing or empty"),
    "new": ("waagent-version", version("2.15.0.1"), "pass", f"2.15.0.1 in {VERSION}"),
    "debian-13": ("waagent-version", {}, "fail", "2.12.0.2"),
    "too-old": ("waagent-version", version("2.2.53"), "fail", "2.2.53 in"),
    "just-new-enough-for-azure": ("waagent-version", version("2.2.53.1"), "fail", "2.2.53.1"),
    "no-version": ("waagent-version", {"packages": {"waagent": None}, "without": [VERSION]}, "unknown", "neither"),
    "no-agent-no-version": ("waagent-version", NO_AGENT, "not applicable", "there is no agent"),
    "updates": ("waagent-autoupdate", {}, "pass", "AutoUpdate.Enabled=y (/etc/waagent.conf:"),
    "no-updates": (
        "waagent-autoupdate",
        conf(AutoUpdate_Enabled="n"),
        "fail",
        "AutoUpdate.Enabled=n in /etc/waagent.conf:",
    ),
    "no-new-updates": (
        "waagent-autoupdate",
        conf(AutoUpdate_UpdateToLatestVersion="N"),
        "fail",
        "UpdateToLatestVersion=n",
    ),
    "updates-unless-said": ("waagent-autoupdate", {"files": {CONF: "A=b\n"}}, "pass", "where it is not set"),
    "enabled": ("waagent-enabled", {}, "pass", f"walinuxagent.service, by {WANTS}"),
    "not-enabled": ("waagent-enabled", {"without": [WANTS]}, "fail", "walinuxagent.service is disabled"),
    "masked": ("waagent-enabled", {"links": {f"{ETC}/walinuxagent.service": "/dev/null"}}, "fail", "masked"),
    "no-unit": ("waagent-enabled", {"without": [UNIT, SCRIPT]}, "fail", "no unit"),
    "a-script-of-the-old-kind": ("waagent-enabled", {"without": [UNIT]}, "pass", "/etc/rc2.d/S01walinuxagent"),
    "on-another-hypervisor": (
        "waagent-enabled",
        {"files": {f"{ETC}/walinuxagent.service.d/x.conf": "[Unit]\nConditionVirtualization=kvm\n"}},
        "fail",
        "ConditionVirtualization=kvm keeps",
    ),
    "another-program": ("waagent-enabled", unit("/bin/true"), "fail", "walinuxagent.service runs /bin/true"),
    "its-name-printed": ("waagent-enabled", unit("/bin/echo /usr/sbin/waagent"), "fail", "which is not the agent"),
    "no-program": ("waagent-enabled", unit(""), "fail", "runs nothing"),
    "a-program-that-is-not-there": ("waagent-enabled", unit("/opt/waagent -daemon"), "fail", "/opt/waagent -daemon"),
    "by-python": ("waagent-enabled", unit("/usr/bin/python3 -u /usr/sbin/waagent -daemon"), "pass", WANTS),
    "by-a-shell": ("waagent-enabled", unit('-/bin/sh -c "exec waagent -daemon"'), "pass", WANTS),
    "by-its-name": ("waagent-enabled", unit("waagent -daemon"), "pass", WANTS),
    "put-to-sleep": ("waagent-enabled", {"files": {"/var/lib/waagent/disable_agent": ""}}, "fail", "sleep for ever"),
    "cloud-init-provisions": ("waagent-prov-agent", {}, "pass", "Provisioning.Agent=cloud-init"),
    "auto": ("waagent-prov-agent", conf(Provisioning_Agent="auto"), "pass", "cloud-init provisions"),
    "auto-alone": (
        "waagent-prov-agent",
        {**conf(Provisioning_Agent="auto"), **NO_CLOUDINIT},
        "pass",
        "the agent provisions",
    ),
    "disabled": ("waagent-prov-agent", conf(Provisioning_Agent="disabled"), "fail", "nobody provisions"),
    "cloud-init-is-missing": ("waagent-prov-agent", NO_CLOUDINIT, "fail", "cloud-init does not start"),
    "auto-and-disabled-by-a-file": (
        "waagent-prov-agent",
        {"files": {CONF: "Provisioning.Agent=auto\n", "/etc/cloud/cloud-init.disabled": ""}},
        "fail",
        "cloud-init does not start",
    ),
    "left-alone": ("waagent-resdisk", {}, "pass", "are off"),
    "formatted": (
        "waagent-resdisk",
        conf(ResourceDisk_Format="y"),
        "fail",
        "ResourceDisk.Format=y (/etc/waagent.conf:",
    ),
    "swapped": ("waagent-resdisk", conf(ResourceDisk_EnableSwap="y"), "fail", "ResourceDisk.EnableSwap=y"),
    "the-agent's-own": (
        "waagent-resdisk",
        conf(Provisioning_Agent="waagent", ResourceDisk_Format="y"),
        "not applicable",
        "",
    ),
    "five-minutes": ("waagent-scsi-timeout", {}, "pass", "OS.RootDeviceScsiTimeout=300"),
    "half-a-minute": (
        "waagent-scsi-timeout",
        conf(OS_RootDeviceScsiTimeout="30"),
        "fail",
        "OS.RootDeviceScsiTimeout=30 (",
    ),
    "no-time-said": ("waagent-scsi-timeout", {"files": {CONF: "A=b\n"}}, "fail", "no OS.RootDeviceScsiTimeout in"),
}


@pytest.mark.parametrize(("name", "change", "status", "words"), CASES.values(), ids=CASES)
def test_a_debian_with_one_thing_changed(name: str, change: dict[str, Any], status: str, words: str) -> None:
    outcome = ask(name, changed(DEBIAN, **change))
    assert (outcome.status, words in outcome.seen) == (status, True), outcome.seen


EL_UNIT = f"{ETC}/multi-user.target.wants/waagent.service"
EL_CASES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "present": ("waagent-present", {}, "pass", "WALinuxAgent"),
    "recent": ("waagent-version", {}, "pass", "2.13.1.1"),
    "old": (
        "waagent-version",
        {"without": ["/usr/lib/python3/site-packages"], "packages": {"WALinuxAgent": "2.7.0.6-9.el9"}},
        "fail",
        "2.7.0.6 in the package WALinuxAgent",
    ),
    "enabled": ("waagent-enabled", {}, "pass", EL_UNIT),
    "not-enabled": ("waagent-enabled", {"without": [EL_UNIT]}, "fail", "waagent.service is disabled"),
}


@pytest.mark.parametrize(("name", "change", "status", "words"), EL_CASES.values(), ids=EL_CASES)
def test_a_made_enterprise_linux_with_one_thing_changed(
    name: str, change: dict[str, Any], status: str, words: str
) -> None:
    outcome = ask(name, changed(el(9), **change))
    assert (outcome.status, words in outcome.seen) == (status, True), outcome.seen


SEVERITIES: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "an-old-agent": ("waagent-version", version("2.2.52"), None),
    "one-that-reviewers-refused": (
        "waagent-version",
        {"files": {**version("2.11.1.4")["files"], CONF: "AutoUpdate.Enabled=n\n"}},
        "warning",
    ),
    "one-that-updates-itself": ("waagent-version", version("2.11.1.4"), "info"),
    "no-package": ("waagent-present", {"packages": {"waagent": None}}, "warning"),
    "swap": ("waagent-resdisk", conf(ResourceDisk_EnableSwap="y"), "likely blocker"),
    "format": ("waagent-resdisk", conf(ResourceDisk_Format="y"), None),
}


@pytest.mark.parametrize(("name", "change", "severity"), SEVERITIES.values(), ids=SEVERITIES)
def test_some_failures_weigh_otherwise(name: str, change: dict[str, Any], severity: str | None) -> None:
    assert ask(name, changed(DEBIAN, **change)).severity == severity
