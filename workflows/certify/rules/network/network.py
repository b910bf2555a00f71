"""The network: eth0 by DHCP on whatever machine, names resolved, nothing of Azure's shut out."""

from __future__ import annotations

from typing import Final

from flight.workflows.certify.effective.firewall import walls_of
from flight.workflows.certify.effective.ifupdown import assignments, literal_faults
from flight.workflows.certify.effective.network import function_managed_by, network_of
from flight.workflows.certify.effective.network import hardware_names as names_by_hardware
from flight.workflows.certify.effective.profile import Profile
from flight.workflows.certify.effective.resolver import trouble_of
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, Severity, failed, judged, not_applicable, passed, rule, unknown
from flight.workflows.kit.text import quoted

PERSISTENT: Final = ("/etc/udev/rules.d/70-persistent-net.rules", "/lib/udev/rules.d/75-persistent-net-generator.rules")
LAST_STRICT: Final = 8
"""The last Enterprise Linux of which the missing ifcfg file is more than a warning (see uncertainty 8)."""


@rule(
    "firewall-open",
    "No firewall of the image shuts out SSH or Azure's host",
    severity="blocker",
    required="a firewall that starts with the machine lets SSH in, and lets 168.63.129.16 and 169.254.169.254 be reached",
    fix="disable it (`systemctl disable nftables`, `firewall-offline-cmd --disabled`), or allow ssh in and these two out",
    source="Microsoft's security recommendations; RHEL guide's kickstart",
    offline="partial",
)
def firewall_open(image: Image) -> Outcome:
    walls = list(walls_of(image, _ports(image)))
    if "ssh-disabled" in image.claims:
        walls = [wall for wall in walls if not all(what.startswith("SSH") for what in wall.blocked)]
    shut = next((wall for wall in walls if wall.blocked), None)
    if shut:
        return failed(f"{shut.name} ({quoted(shut.at)}) keeps out {', '.join(shut.blocked)}")
    doubtful = next((wall for wall in walls if wall.doubt), None)
    if doubtful and "ssh-disabled" not in image.claims:
        return unknown(f"{doubtful.name}: {doubtful.doubt}")
    names = ", ".join(f"{wall.name} ({quoted(wall.at)})" for wall in walls)
    return passed(f"{names} lets through what is needed" if walls else "no firewall starts with the machine")


def _ports(image: Image) -> tuple[str, ...]:
    """The ports that sshd listens on."""
    ports = tuple(each.value for each in image.sshd.every("Port") if each.holds and each.value.isdecimal())
    return ports[:8] or ("22",)


@rule(
    "net-dhcp-eth0",
    "eth0 gets its address by DHCP, on any machine",
    severity="blocker",
    required="eth0 is configured by DHCP whatever its hardware address is, and has no static address; on Enterprise Linux "
    "also ifcfg-eth0 with DEVICE=eth0, BOOTPROTO=dhcp, ONBOOT=yes and NETWORKING=yes, in these very letters",
    fix="on Debian `auto eth0` and `iface eth0 inet dhcp`, or netplan's `eth0: {dhcp4: true}`; on Enterprise Linux "
    "/etc/sysconfig/network-scripts/ifcfg-eth0; remove HWADDR, macaddress and static addresses",
    source="LISA verify_ifcfg_eth0, verify_network_file_configuration (P1); RHEL guide; cloud-image-val",
)
def net_dhcp_eth0(image: Image) -> Outcome:
    network = network_of(image)
    static = next((each for each in network.profiles if each.static and not each.problem), None)
    if static:
        return failed(f"{quoted(static.at)} sets the address {quoted(static.static)}")
    if not network.managers:
        return failed("nothing that configures a network starts with the machine")
    automatic = network.automatic
    if not automatic:
        return failed(_without_dhcp(network.profiles))
    if network.rival:
        return failed(f"{quoted(network.rival.at)}: eth0 without DHCP", severity="likely blocker")
    for bound in network.bound:
        return failed(f"{quoted(bound.at)} is for the hardware address {quoted(bound.hardware)}", severity="warning")
    return _as_lisa(image, automatic.at)


def _without_dhcp(profiles: tuple[Profile, ...]) -> str:
    """Why there is no DHCP, from what comes nearest to it."""
    for each in sorted(profiles, key=lambda each: bool(each.hardware)):
        if each.hardware:
            return f"{quoted(each.at)} is for the hardware address {quoted(each.hardware)} alone"
        return f"{quoted(each.at)}: {each.problem or 'eth0 without DHCP'}"
    return "nothing configures eth0"


def _as_lisa(image: Image, at: str) -> Outcome:
    faults = literal_faults(image.tree) if image.is_el else []
    if not faults:
        return passed(f"DHCP: {quoted(at)}")
    weight: Severity = "likely blocker" if 0 < image.release <= LAST_STRICT else "warning"
    return failed(f"DHCP: {quoted(at)}; but {'; '.join(faults)}", severity=weight)


@rule(
    "net-no-persistent-rules",
    "No interface is named by its hardware address",
    severity="likely blocker",
    required=f"neither {PERSISTENT[0]} nor {PERSISTENT[1]} is there, and no other rule or .link file names a card by its address",
    fix=f"remove {PERSISTENT[0]} and {PERSISTENT[1]}",
    source="LISA verify_udev_rules_moved (P1); Microsoft's Linux guide",
)
def net_no_persistent_rules(image: Image) -> Outcome:
    there = [path for path in PERSISTENT if image.tree.lentry(path) is not None]
    if there:
        return failed(f"{' and '.join(there)} {'are' if there[1:] else 'is'} there")
    other = names_by_hardware(image.tree)
    return failed(f"{quoted(other)} names a card by its address", severity="warning") if other else passed("none is")


@rule(
    "net-vf-unmanaged",
    "The virtual function of accelerated networking is left alone",
    severity="warning",
    required="a rule of udev or a setting of the network's manager leaves mlx4, mlx5 and mana interfaces unmanaged",
    fix='install azure-vm-utils; or write SUBSYSTEM=="net", DRIVERS=="hv_pci", ACTION=="add", ENV{NM_UNMANAGED}="1" into '
    "/etc/udev/rules.d/68-azure-sriov-nm-unmanaged.rules",
    source="RHEL guide (2026); cloud-image-val; azure-vm-utils",
)
def net_vf_unmanaged(image: Image) -> Outcome:
    who = function_managed_by(image)
    return failed(f"{quoted(who)} would configure it") if who else passed("nothing configures it")


@rule(
    "net-nm-cloud-setup",
    "nm-cloud-setup configures further addresses",
    severity="info",
    required="NetworkManager-cloud-setup is installed and its timer enabled",
    fix="`dnf install NetworkManager-cloud-setup`, `systemctl enable nm-cloud-setup.timer`",
    source="cloud-image-val",
    family="el",
)
def net_nm_cloud_setup(image: Image) -> Outcome:
    if not image.package("NetworkManager-cloud-setup"):
        return failed("NetworkManager-cloud-setup is not installed")
    return judged(
        image.units.is_enabled("nm-cloud-setup.timer"), f"the timer is {image.units.state('nm-cloud-setup.timer')}"
    )


@rule(
    "yum-http-caching",
    "yum caches packages only",
    severity="warning",
    required="http_caching=packages in /etc/yum.conf, on releases before 6.6",
    fix="write http_caching=packages into /etc/yum.conf",
    source="LISA verify_yum_conf (P2)",
    family="el",
)
def yum_http_caching(image: Image) -> Outcome:
    version = image.os_release.get("VERSION_ID", "")
    if version and image.release >= 7:
        return not_applicable("for releases before 6.6 only")
    value = assignments(image.tree.text("/etc/yum.conf") or "").get("http_caching", "")
    return judged(value == "packages", f"http_caching is {quoted(value)}" if value else "http_caching is not set")


@rule(
    "dns-works",
    "Names are resolved",
    severity="blocker",
    required="the hosts line of /etc/nsswitch.conf asks DNS, and what /etc/resolv.conf leads to starts with the machine",
    fix="write `hosts: files dns` into /etc/nsswitch.conf; enable systemd-resolved where /etc/resolv.conf is a link to its file, "
    "or remove that link",
    source="LISA verify_dns_name_resolution; Marketplace FAQ (2023)",
    offline="partial",
)
def dns_works(image: Image) -> Outcome:
    trouble, seen = trouble_of(image)
    return failed(trouble) if trouble else passed(seen)


@rule(
    "hosts-localhost",
    "localhost is a name of both loopback addresses",
    severity="info",
    required="/etc/hosts has localhost for 127.0.0.1 and for ::1",
    fix="write `127.0.0.1 localhost` and `::1 localhost` into /etc/hosts",
    source="cloud-image-val",
)
def hosts_localhost(image: Image) -> Outcome:
    rows = [line.partition("#")[0].split() for line in (image.tree.text("/etc/hosts") or "").split("\n")]
    named = {row[0] for row in rows if "localhost" in row[1:]}
    missing = [address for address in ("127.0.0.1", "::1") if address not in named]
    return judged(not missing, f"not for {' and '.join(missing)}" if missing else "for 127.0.0.1 and ::1")
