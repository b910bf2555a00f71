"""The Azure Linux agent."""

from __future__ import annotations

from typing import Final

from flight.workflows.certify.effective.programs import which
from flight.workflows.certify.effective.waagent import Waagent, numbers, other_command, provisioner
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, failed, not_applicable, passed, rule, unknown
from flight.workflows.kit.text import quoted

FLOOR: Final = "2.2.53.1"
"""The oldest agent that Azure supports. Source: support-extensions-agent-version.md, 2025-09; LISA."""
GOOD: Final = "2.13"
"""What a publisher ships since reviewers refused 2.11. Source: bitwarden/self-host, 2026."""
UPDATES: Final = ("AutoUpdate.UpdateToLatestVersion", "AutoUpdate.Enabled")
"""The newer key, which the agent heeds first, and the older one."""
NO_AGENT: Final = "there is no agent (waagent-present)"
TIMEOUT: Final = "300"


@rule(
    "waagent-present",
    "The Azure Linux agent is installed",
    severity="blocker",
    required="the agent's package, its program waagent, and its configuration, which is not empty",
    fix="`apt-get install waagent` (Ubuntu: walinuxagent) or `dnf install WALinuxAgent`; where only its configuration is "
    "missing, take /etc/waagent.conf from the package",
    source="Microsoft's Linux guide; Marketplace's security recommendations; policy 200.3.3.4 (Bitwarden's reports, 2026)",
)
def waagent_present(image: Image) -> Outcome:
    agent = image.waagent
    if not agent.is_there:
        return failed("there is neither a package nor a program of the agent")
    if not agent.program:
        return failed(
            f"the package {agent.package.name if agent.package else ''} is installed, a program waagent is not"
        )
    if not which(image.tree, "waagent"):
        return failed(f"{agent.program} is there, and nobody may run it")
    if not agent.has_conf:
        return failed(f"{quoted(agent.conf)} is missing or empty, and the agent ends without it")
    if not agent.package:
        return failed(f"{agent.program} is there, and no package has it", severity="warning")
    return passed(f"{agent.package.name} {quoted(agent.package.version)}, {agent.program}")


@rule(
    "waagent-version",
    "The agent is new enough",
    severity="blocker",
    required=f"version {FLOOR} or later, {GOOD} or later to be safe from what reviewers refused in 2026",
    fix="Debian: install waagent from backports, or the release after; Ubuntu: `apt-get install walinuxagent` of the newest "
    "release; EL: `dnf update WALinuxAgent`; else from Microsoft's releases of WALinuxAgent",
    source="Microsoft's minimum version of the agent (2025-09); LISA verify_waagent_version (P1); self-test 39; policy "
    "200.3.3.4 (Bitwarden's reports, 2026)",
    known_on="2026-11-22",
)
def waagent_version(image: Image) -> Outcome:
    agent = image.waagent
    if not agent.is_there:
        return not_applicable(NO_AGENT)
    found = numbers(agent.version)
    if not found:
        return unknown("neither the agent's version.py nor a package says its version")
    seen = f"{quoted(agent.version)} in {quoted(agent.version_in)}"
    if found < numbers(FLOOR):
        return failed(seen)
    if found >= numbers(GOOD):
        return passed(seen)
    if all(agent.is_on(key, True) for key in UPDATES):
        return failed(f"{seen}; it fetches the newest at its first start", severity="info")
    return failed(seen, severity="warning")


@rule(
    "waagent-autoupdate",
    "The agent updates itself",
    severity="warning",
    required="neither AutoUpdate.Enabled nor AutoUpdate.UpdateToLatestVersion is n in the agent's configuration",
    fix="write `AutoUpdate.Enabled=y` and `AutoUpdate.UpdateToLatestVersion=y` into /etc/waagent.conf (Debian 12 comes with n)",
    source="self-test 51; LISA verify_waagent_version; the agent's own conf.py",
)
def waagent_autoupdate(image: Image) -> Outcome:
    # Testers look for the older key alone, the agent heeds the newer one first: neither may say n.
    agent = image.waagent
    if not agent.is_there:
        return not_applicable(NO_AGENT)
    for key in UPDATES:
        if not agent.is_on(key, True):
            return failed(f"{key}=n in {quoted(agent.where(key))}")
    key = "AutoUpdate.Enabled"
    return passed(f"{key}={quoted(agent.value(key))} ({quoted(agent.where(key))})")


@rule(
    "waagent-enabled",
    "The agent starts with the machine",
    severity="blocker",
    required="its unit (walinuxagent.service in Debian and Ubuntu, waagent.service elsewhere) is enabled and not masked, it "
    "runs the agent, and nothing tells that to sleep",
    fix="`systemctl unmask walinuxagent; systemctl enable walinuxagent` (EL: waagent), remove /var/lib/waagent/disable_agent",
    source="Microsoft's Linux guide; RHEL guide; policy 200.3.3.4 (Bitwarden's reports, 2026)",
)
def waagent_enabled(image: Image) -> Outcome:
    agent, units = image.waagent, image.units
    if not agent.is_there:
        return not_applicable(NO_AGENT)
    if not agent.unit:
        return failed("there is no unit of the agent")
    if units.is_masked(agent.unit):
        return failed(f"{agent.unit} is masked")
    link = units.enabled_by(agent.unit)
    if not link:
        return failed(f"{agent.unit} is {units.state(agent.unit)}: nothing starts it")
    if hindrance := units.hindrance(agent.unit, image.boot.command_line):
        return failed(f"{quoted(hindrance)} keeps {agent.unit} from starting")
    if other := other_command(image):
        return failed(f"{agent.unit} runs {quoted(other)}, which is not the agent")
    if agent.disabled_by:
        return failed(f"{quoted(agent.disabled_by)} makes the agent sleep for ever")
    return passed(f"{agent.unit}, by {quoted(link)}")


@rule(
    "waagent-prov-agent",
    "Somebody provisions a new machine",
    severity="blocker",
    required="Provisioning.Agent is cloud-init, and that starts; or auto; or waagent. Not disabled",
    fix="write `Provisioning.Agent=cloud-init` into /etc/waagent.conf and let cloud-init start, or `Provisioning.Agent=auto`",
    source="Microsoft's Linux guide; RHEL guide; the agent's own conf.py",
)
def waagent_prov_agent(image: Image) -> Outcome:
    agent, cloudinit, who = image.waagent, image.cloudinit, provisioner(image)
    if not agent.is_there:
        return not_applicable(NO_AGENT)
    key = "Provisioning.Agent"
    seen = f"{key}={quoted(agent.value(key))} ({quoted(agent.where(key))})"
    if not who:
        return failed(f"{seen}: nobody provisions")
    if who == "cloud-init" and not cloudinit.starts:
        return failed(f"{seen}, and cloud-init does not start (cloudinit-present)")
    return passed(f"{seen}: {'cloud-init' if who == 'cloud-init' else 'the agent'} provisions")


@rule(
    "waagent-resdisk",
    "The agent leaves the resource disk to cloud-init",
    severity="warning",
    required="ResourceDisk.Format=n and ResourceDisk.EnableSwap=n where cloud-init provisions",
    fix="write `ResourceDisk.Format=n` and `ResourceDisk.EnableSwap=n` into /etc/waagent.conf (Debian comes with Format=y)",
    source="Microsoft's Linux guide; RHEL guide; cloud-image-val; LISA verify_swap; Bitwarden's reports, 2026",
)
def waagent_resdisk(image: Image) -> Outcome:
    agent = image.waagent
    if not agent.is_there:
        return not_applicable(NO_AGENT)
    if provisioner(image) != "cloud-init":
        return not_applicable("cloud-init does not provision, so the resource disk is the agent's")
    key = "ResourceDisk.EnableSwap"
    if agent.is_on(key):
        return failed(f"{key}=y ({quoted(agent.where(key))})", severity="likely blocker")
    key = "ResourceDisk.Format"
    if agent.is_on(key):
        return failed(f"{key}=y ({quoted(agent.where(key))})")
    return passed("ResourceDisk.Format and ResourceDisk.EnableSwap are off")


@rule(
    "waagent-scsi-timeout",
    "The agent gives a disk five minutes",
    severity="warning",
    required=f"OS.RootDeviceScsiTimeout={TIMEOUT}",
    fix=f"write `OS.RootDeviceScsiTimeout={TIMEOUT}` into /etc/waagent.conf",
    source="LISA verify_disks_device_timeout_setting",
)
def waagent_scsi_timeout(image: Image) -> Outcome:
    agent, key = image.waagent, "OS.RootDeviceScsiTimeout"
    if not agent.is_there:
        return not_applicable(NO_AGENT)
    seen = _shown(agent, key)
    return passed(seen) if agent.value(key) == TIMEOUT else failed(seen)


def _shown(agent: Waagent, key: str) -> str:
    where = quoted(agent.where(key))
    return f"{key}={quoted(agent.value(key))} ({where})" if agent.is_set(key) else f"no {key} in {quoted(agent.conf)}"
