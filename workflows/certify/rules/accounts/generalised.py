"""What makes a disk one machine: its names, its keys, and what it remembers of being provisioned."""

from __future__ import annotations

import posixpath
import re
from typing import Final

from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, Severity, failed, judged, passed, rule
from flight.workflows.certify.rules.accounts.naming import named
from flight.workflows.kit.text import quoted

NONE: Final = "there is none"
MACHINE_IDS: Final = ("/etc/machine-id", "/var/lib/dbus/machine-id")
MANAGED: Final = re.compile(
    r"/run/.+|/usr/lib/systemd/resolv\.conf|/lib/systemd/resolv\.conf|/etc/resolvconf/run/.+|/var/run/.+"
)
"""Where resolved, NetworkManager, resolvconf and netconfig keep the file that /etc/resolv.conf is a link to."""
LEASES: Final = re.compile(
    r"/var/lib/(dhcp|dhcp3|dhclient)/.*\.leases?~?|/var/lib/dhcpcd5?/.+|/etc/dhcpcd\.duid|/var/lib/wicked/.*lease.*|"
    r"/var/lib/NetworkManager/(.*lease.*|secret_key|seen-bssids)|/var/lib/systemd/network/.*lease.*"
)
AGENT: Final = "/var/lib/waagent"


@rule(
    "ssh-hostkeys-removed",
    "No SSH host key is left",
    severity="blocker",
    required="nothing named ssh_host_* in /etc/ssh, and no file where a HostKey line points",
    fix="remove the files that were seen (`rm -f /etc/ssh/ssh_host_*` for the usual ones) as the last step of the build; the "
    "agent or cloud-init makes new ones at first boot",
    source="Azure Linux agent, -deprovision; policy 200.4 as quoted by others; Bitwarden's reports, 2026",
)
def ssh_hostkeys_removed(image: Image) -> Outcome:
    patterns = ["/etc/ssh/ssh_host_*", "/usr/etc/ssh/ssh_host_*", "/etc/dropbear/dropbear_*_host_key"]
    found = [path for pattern in patterns for path in image.tree.glob(pattern)]
    set_there = [path for each in image.sshd.every("HostKey") for path in each.arguments if image.tree.is_file(path)]
    found = list(dict.fromkeys([*found, *set_there]))
    return judged(not found, named(found) if found else NONE)


@rule(
    "machine-id-empty",
    "The machine id is left to the first boot",
    severity="likely blocker",
    required="/etc/machine-id (and dbus's) empty, absent, or `uninitialized`",
    fix="`truncate --size 0 /etc/machine-id; rm -f /var/lib/dbus/machine-id`, or `cloud-init clean --machine-id`",
    source="Azure Linux agent; cloud-init; machine-id(5): two machines with one id get one DHCP address",
)
def machine_id_empty(image: Image) -> Outcome:
    for path in MACHINE_IDS:
        if (image.tree.lentry(path) or image.tree.entry(path)) is None:
            continue
        if image.tree.is_folder(path):
            return failed(f"{path} is a folder")
        said = (image.tree.text(path) or "").strip()
        if said not in ("", "uninitialized"):
            return failed(f"{path} says '{quoted(said, most=40)}'")
    return passed("empty" if image.tree.is_file(MACHINE_IDS[0]) else NONE)


@rule(
    "cloudinit-clean",
    "cloud-init remembers no machine",
    severity="blocker",
    required="nothing in /var/lib/cloud/{instance,instances,data,sem,seed} (or where cloud_dir points), no log of cloud-init "
    "(a log alone is a warning)",
    fix="`cloud-init clean --logs --machine-id --seed` as the last step of the build",
    source="Microsoft's generic Linux guide; RHEL guide; Bitwarden's reports, 2026",
)
def cloudinit_clean(image: Image) -> Outcome:
    state = [path for folder in image.cloudinit.folders for path in _state_in(image, folder)]
    logs = [path for path in image.tree.glob("/var/log/cloud-init*.log*") if _has_content(image, path)]
    return _left(state, logs)


def _state_in(image: Image, top: str) -> list[str]:
    state = [path for path in (f"{top}/instance", *image.tree.glob(f"{top}/instances/*")) if image.tree.lentry(path)]
    return state + [path for name in ("data", "sem", "seed") for path in _left_in(image, f"{top}/{name}")]


@rule(
    "waagent-clean",
    "The Azure Linux agent remembers no machine",
    severity="blocker",
    required=f"nothing in {AGENT} (or where Lib.Dir points), no log of the agent (a log alone is a warning)",
    fix="`waagent -force -deprovision` (with +user for the build's account), or `rm -rf /var/lib/waagent/* /var/log/waagent.log "
    "/var/log/azure`",
    source="Azure Linux agent, -deprovision; RHEL guide",
)
def waagent_clean(image: Image) -> Outcome:
    logs = [path for path in image.tree.glob("/var/log/waagent.log*") if _has_content(image, path)]
    folders = (AGENT, image.waagent.value("Lib.Dir"))
    state = [path for folder in folders if folder.startswith("/") for path in _left_in(image, folder)]
    return _left(list(dict.fromkeys(state)), [*logs, *_left_in(image, "/var/log/azure")])


def _left(state: list[str], logs: list[str]) -> Outcome:
    """State keeps a machine from being provisioned; a log alone tells of another one."""
    if state:
        return failed(named(state))
    lesser: Severity = "warning"
    return failed(f"only logs: {named(logs)}", severity=lesser) if logs else passed(NONE)


def _left_in(image: Image, folder: str) -> list[str]:
    """The files and links in a folder that no package owns."""
    return [path for path, entry in image.tree.under(folder) if entry.kind != "d" and not entry.owner]


def _has_content(image: Image, path: str) -> bool:
    entry = image.tree.entry(path)
    return entry is not None and entry.kind == "f" and entry.size > 0


@rule(
    "dhcp-leases-clean",
    "No DHCP client remembers a network",
    severity="warning",
    required="no lease and no client identifier of dhclient, dhcpcd, NetworkManager or networkd",
    fix="`rm -f /var/lib/dhcp/*.leases /var/lib/dhclient/*.leases /var/lib/dhcpcd/* /var/lib/NetworkManager/*lease*`",
    source="Azure Linux agent, -deprovision",
)
def dhcp_leases_clean(image: Image) -> Outcome:
    folders = ("/var/lib/dhcp", "/var/lib/dhcp3", "/var/lib/dhclient", "/var/lib/dhcpcd", "/var/lib/dhcpcd5",
               "/var/lib/wicked", "/var/lib/NetworkManager", "/var/lib/systemd/network")  # fmt: skip
    files = [path for folder in folders for path in _left_in(image, folder)]
    found = [path for path in (*files, "/etc/dhcpcd.duid") if LEASES.fullmatch(path) and _has_content(image, path)]
    return judged(not found, named(found) if found else NONE)


@rule(
    "resolv-conf",
    "The build's name servers are not left",
    severity="warning",
    required="/etc/resolv.conf absent, without name servers, or a link to a file below /run that is made at boot",
    fix="`rm -f /etc/resolv.conf`, or with systemd-resolved `ln -sf /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf`",
    source="Security recommendations for Marketplace images; Azure Linux agent, -deprovision",
)
def resolv_conf(image: Image) -> Outcome:
    path = "/etc/resolv.conf"
    entry = image.tree.lentry(path)
    if entry is None:
        return passed(NONE)
    target = posixpath.normpath(posixpath.join("/etc", entry.target)) if entry.kind == "l" else ""
    if target and MANAGED.fullmatch(target):
        return passed(f"a link to {quoted(target)}")
    servers = [line.split()[1] for line in image.tree.lines(path) if re.match(r"\s*nameserver\s+\S", line)]
    if servers:
        return failed(f"name servers of the build: {named(servers)}")
    if target and not image.tree.is_file(path):
        return failed(f"a link to {quoted(target)}, which is not there")
    return passed("it names no server")


@rule(
    "hostname-generic",
    "The machine has no name yet",
    severity="warning",
    required="/etc/hostname absent, empty, or localhost",
    fix="`truncate --size 0 /etc/hostname`; Azure gives each machine its own name",
    source="Azure Linux agent, -deprovision (reset_hostname)",
)
def hostname_generic(image: Image) -> Outcome:
    for path in ("/etc/hostname", "/etc/HOSTNAME"):
        lines = [line.strip() for line in image.tree.lines(path)]
        names = [line for line in lines if line and not line.startswith("#")]
        if names and not re.fullmatch(r"localhost(\..+)?|localhost\d*", names[0], re.IGNORECASE):
            return failed(f"{path} says '{quoted(names[0], most=40)}'")
    return passed("none, or localhost")


@rule(
    "subscription-clean",
    "The system is registered with no vendor",
    severity="warning",
    required="no certificate in /etc/pki/consumer and /etc/pki/entitlement, no other vendor's registration",
    fix="`subscription-manager unregister && subscription-manager clean`; Ubuntu: `pro detach`; SUSE: `SUSEConnect --cleanup`",
    source="RHEL guide",
)
def subscription_clean(image: Image) -> Outcome:
    folders = ("/etc/pki/consumer", "/etc/pki/entitlement", "/var/lib/ubuntu-advantage/private")
    files = [path for folder in folders for path in _left_in(image, folder)]
    files += ["/etc/sysconfig/rhn/systemid", "/etc/zypp/credentials.d/SCCcredentials", "/etc/SUSEConnect"]
    found = [path for path in files if _has_content(image, path)]
    return judged(not found, named(found) if found else "registered nowhere")
