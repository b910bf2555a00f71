"""The network: a real disk, and Enterprise Linux made here, with one thing wrong each."""

from __future__ import annotations

from typing import Any

import pytest
from eltree import el
from trees import DEBIAN, ask, changed

from flight.workflows.certify.tree import Entry

OWN = "/etc/systemd/network/80-eth0.network"
SCRIPTS = "/etc/sysconfig/network-scripts"
KEYFILE = "/etc/NetworkManager/system-connections/eth0.nmconnection"
PERSISTENT = "/etc/udev/rules.d/70-persistent-net.rules"
GENERATOR = "/usr/lib/udev/rules.d/75-persistent-net-generator.rules"
RESOLVED = "/etc/systemd/system/systemd-resolved.service"
MAC = "00:0d:3a:01:02:03"
STARTED = "/etc/systemd/system/multi-user.target.wants"
SYSTEM = "/usr/lib/systemd/system"
NO_CLOUD = {"/etc/cloud/cloud.cfg.d/99-network.cfg": "network: {config: disabled}\n"}
"""cloud-init writes no network then."""


def netplan(match: str) -> str:
    return f"network: {{ethernets: {{eth0: {{match: {{{match}}}, dhcp4: true}}}}}}"


def started(unit: str, files: dict[str, str | None]) -> dict[str, Any]:
    """The disk with one service more that starts."""
    return {"files": {f"{SYSTEM}/{unit}": "[Unit]\n", **files}, "links": {f"{STARTED}/{unit}": f"{SYSTEM}/{unit}"}}


def asking(hosts: str) -> dict[str, Any]:
    return {"files": {"/etc/nsswitch.conf": f"hosts: {hosts}\n"}}


DROPPED = "table inet f { chain i { type filter hook input priority 0; policy drop; } }\n"
UNMANAGED = "[Match]\nName=eth*\n[Link]\nUnmanaged=yes\n"
CASES = {
    "no-firewall": ("firewall-open", {}, "pass", "no firewall"),
    "a-firewall-that-opens": (
        "firewall-open",
        started("nftables.service", {"/etc/nftables.conf": "table inet f { chain i { type filter hook input priority 0; } }"}),
        "pass",
        "nftables",
    ),
    "ssh-kept-out": ("firewall-open", started("nftables.service", {"/etc/nftables.conf": DROPPED}), "fail", "SSH (port 22)"),
    "azure-kept-out": (
        "firewall-open",
        started("netfilter-persistent.service", {"/etc/iptables/rules.v4": "*filter\n-A OUTPUT -d 168.63.129.16 -j DROP\n"}),
        "fail",
        "168.63.129.16",
    ),
    "another-port": (
        "firewall-open",
        started("nftables.service", {"/etc/nftables.conf": DROPPED.replace("} }", "tcp dport 2222 accept\n} }"),
                                     "/etc/ssh/sshd_config": "Port 2222\n"}),
        "pass",
        "nftables",
    ),
    "by-networkd": ("net-dhcp-eth0", {}, "pass", OWN),
    "left-to-cloud-init": ("net-dhcp-eth0", {"without": [OWN]}, "pass", "cloud-init"),
    "cloud-init-writes-none": ("net-dhcp-eth0", {"without": [OWN], "files": NO_CLOUD}, "fail", "nothing configures eth0"),
    "nothing-but-bound": (
        "net-dhcp-eth0",
        {"files": {OWN: f"[Match]\nMACAddress={MAC}\n[Network]\nDHCP=yes\n", **NO_CLOUD}},
        "fail",
        f"the hardware address {MAC} alone",
    ),
    "bound-too": (
        "net-dhcp-eth0",
        {"files": {"/etc/netplan/50-cloud-init.yaml": netplan(f"macaddress: '{MAC}'")}},
        "fail",
        MAC,
    ),
    "static": ("net-dhcp-eth0", {"files": {OWN: "[Match]\nName=eth0\n[Network]\nAddress=10.0.0.4/24\n"}}, "fail", "10.0.0.4/24"),
    "without-dhcp": ("net-dhcp-eth0", {"files": {OWN: "[Match]\nName=eth0\n", **NO_CLOUD}}, "fail", "eth0 without DHCP"),
    "another-name": ("net-dhcp-eth0", {"files": {OWN: "[Match]\nName=ens*\n[Network]\nDHCP=yes", **NO_CLOUD}}, "fail", "not"),
    "by-netplan": (
        "net-dhcp-eth0",
        {"without": [OWN], "files": {"/etc/netplan/90.yaml": netplan("name: 'eth*'"), **NO_CLOUD}},
        "pass",
        "/etc/netplan/90.yaml",
    ),
    "netplan-broken": (
        "net-dhcp-eth0",
        {"without": [OWN], "files": {"/etc/netplan/90.yaml": "network: {ethernets: [", **NO_CLOUD}},
        "fail",
        "so netplan does nothing",
    ),
    "by-ifupdown": (
        "net-dhcp-eth0",
        started("networking.service", {"/usr/sbin/ifup": "x", "/etc/network/interfaces": "auto eth0\niface eth0 inet dhcp\n"}),
        "pass",
        "/etc/network/interfaces:2",
    ),
    "taken-before-cloud-init-s": (
        "net-dhcp-eth0",
        {"without": [OWN], "files": {"/etc/systemd/network/05.network": "[Match]\nName=eth0\n[Network]\nDHCP=no\n"}},
        "fail",
        "/etc/systemd/network/05.network",
    ),
    "left-alone-before-cloud-init-s": (
        "net-dhcp-eth0",
        {"without": [OWN], "files": {"/etc/systemd/network/05.network": UNMANAGED}},
        "fail",
        "/etc/systemd/network/05.network",
    ),
    "taken-before-netplan-s": (
        "net-dhcp-eth0",
        {"without": [OWN], "files": {"/etc/systemd/network/05.network": UNMANAGED, **NO_CLOUD,
                                     "/etc/netplan/90.yaml": netplan("name: 'eth*'")}},
        "fail",
        "/etc/systemd/network/05.network",
    ),
    "behind-cloud-init-s": (
        "net-dhcp-eth0",
        {"files": {OWN: "[Match]\nName=eth0\n[Network]\nDHCP=no\n"}},
        "pass",
        "cloud-init",
    ),
    "networkd-masked": (
        "net-dhcp-eth0",
        {"links": {"/etc/systemd/system/systemd-networkd.service": "/dev/null"}},
        "fail",
        "systemd-networkd, is masked",
    ),
    "no-manager": (
        "net-dhcp-eth0",
        {"without": ["/usr/lib/systemd/system-generators/netplan", f"{SYSTEM}/systemd-networkd.service"]},
        "fail",
        "nothing that configures a network",
    ),
    "no-rule": ("net-no-persistent-rules", {}, "pass", "none is"),
    "a-rule": ("net-no-persistent-rules", {"files": {PERSISTENT: "x"}}, "fail", "70-persistent"),
    "an-empty-rule": ("net-no-persistent-rules", {"files": {PERSISTENT: ""}}, "fail", "70-per"),
    "a-linked-rule": ("net-no-persistent-rules", {"links": {PERSISTENT: "/dev/null"}}, "fail", "70-"),
    "the-generator": ("net-no-persistent-rules", {"files": {GENERATOR: "x"}}, "fail", "75-"),
    "another-rule": (
        "net-no-persistent-rules",
        {"files": {"/etc/udev/rules.d/10-net.rules": f'SUBSYSTEM=="net", ATTR{{address}}=="{MAC}", NAME="eth0"\n'}},
        "fail",
        "10-net.rules",
    ),
    "a-link-file": (
        "net-no-persistent-rules",
        {"files": {"/etc/systemd/network/10-eth0.link": f"[Match]\nMACAddress={MAC}\n[Link]\nName=eth0\n"}},
        "fail",
        "10-eth0.link",
    ),
    "functions-left-alone": ("net-vf-unmanaged", {}, "pass", "nothing configures it"),
    "functions-taken": (
        "net-vf-unmanaged",
        {"without": ["/usr/lib/udev/rules.d/10-azure-unmanaged-sriov.rules", "/etc/systemd/network/01-azure-sriov.network"],
         "files": {OWN: "[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n"}},
        "fail",
        OWN,
    ),
    "resolved": ("dns-works", {}, "pass", "systemd-resolved"),
    "resolved-does-not-start": ("dns-works", {"links": {RESOLVED: "/dev/null"}}, "fail", "resolve"),
    "without-dns": ("dns-works", {"files": {"/etc/nsswitch.conf": "hosts: files\n"}}, "fail", "hosts: files"),
    "only-a-resolver": ("dns-works", asking("files resolve"), "pass", "systemd-resolved"),
    "no-nsswitch": ("dns-works", {"files": {"/etc/nsswitch.conf": None}}, "pass", "systemd-resolved"),
    "a-link-to-nowhere": ("dns-works", {"files": {"/etc/nsswitch.conf": "hosts: files dns\n"},
                                        "links": {"/etc/resolv.conf": "/nowhere"}}, "fail", "leads nowhere"),
    "a-stub-without-its-service": (
        "dns-works",
        {"without": ["/etc/resolv.conf"], "files": {"/etc/nsswitch.conf": "hosts: files dns\n"},
         "entries": {"/etc/resolv.conf": Entry("f", size=0)}},
        "pass",
        "systemd-resolved.service writes",
    ),
    "nothing-writes-the-file": (
        "dns-works",
        {"files": {"/etc/nsswitch.conf": "hosts: dns"}, "without": ["/etc/resolv.conf"], "links": {RESOLVED: "/dev/null"}},
        "fail",
        "nothing that starts",
    ),
    "ended-before-dns": ("dns-works", asking("files [NOTFOUND=return] dns"), "fail", "files [NOTFOUND=return] dns"),
    "ended-but-for-success": ("dns-works", asking("files [!SUCCESS=return] dns"), "fail", "[!SUCCESS=return]"),
    "ended-after-the-resolver": ("dns-works", asking("files resolve [!UNAVAIL=return] dns"), "pass", "systemd-resolved"),
    "ended-where-nothing-is-local": ("dns-works", asking("files mdns4_minimal [NOTFOUND=return] dns"), "pass", "resolv"),
    "ended-by-a-resolver-that-does-not-start": (
        "dns-works",
        {"files": {"/etc/nsswitch.conf": "hosts: resolve [!SUCCESS=return] dns"}, "links": {RESOLVED: "/dev/null"}},
        "fail",
        "resolve",
    ),
    "a-link-to-what-nothing-writes": (
        "dns-works",
        {"files": {"/etc/nsswitch.conf": "hosts: files dns\n"}, "links": {"/etc/resolv.conf": "/run/nothing/resolv.conf"}},
        "fail",
        "/run/nothing/resolv.conf",
    ),
    "localhost": ("hosts-localhost", {}, "pass", "127.0.0.1 and ::1"),
    "no-localhost": ("hosts-localhost", {"files": {"/etc/hosts": "127.0.0.1 localhost\n#::1 localhost"}}, "fail", "not for ::1"),
    "no-hosts": ("hosts-localhost", {"without": ["/etc/hosts"]}, "fail", "127.0.0.1 and ::1"),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "change", "status", "words"), CASES.values(), ids=CASES)
def test_a_rule_notices_its_one_thing(rule: str, change: dict[str, Any], status: str, words: str) -> None:
    outcome = ask(rule, changed(DEBIAN, **change))
    assert (outcome.status, words in outcome.seen) == (status, True), outcome


IFCFG = f"{SCRIPTS}/ifcfg-eth0"
ON_EL = {
    "as-it-is": ("net-dhcp-eth0", 9, {}, "pass", IFCFG),
    "no-ifcfg-in-8": ("net-dhcp-eth0", 8, {"without": [IFCFG]}, "fail", f"there is no {IFCFG}"),
    "a-keyfile-in-9": (
        "net-dhcp-eth0",
        9,
        {"without": [IFCFG], "entries": {KEYFILE: Entry("f", 0o600)},
         "files": {KEYFILE: "[connection]\ntype=ethernet\ninterface-name=eth0\n"}},
        "fail",
        f"there is no {IFCFG}",
    ),
    "quoted": ("net-dhcp-eth0", 9, {"files": {IFCFG: 'DEVICE="eth0"\nBOOTPROTO=dhcp\nONBOOT=yes\n'}}, "fail", "DEVICE=eth0"),
    "bound": ("net-dhcp-eth0", 9, {"files": {IFCFG: f"DEVICE=eth0\nBOOTPROTO=dhcp\nONBOOT=yes\nHWADDR={MAC}\n"}}, "fail", MAC),
    "static": ("net-dhcp-eth0", 9, {"files": {IFCFG: "DEVICE=eth0\nONBOOT=yes\nIPADDR=10.0.0.4\n"}}, "fail", "10.0.0.4"),
    "networking-is-not-said": ("net-dhcp-eth0", 9, {"without": ["/etc/sysconfig/network"]}, "fail", "NETWORKING=yes"),
    "not-managed": (
        "net-dhcp-eth0",
        9,
        {"files": {"/etc/NetworkManager/conf.d/x.conf": "[keyfile]\nunmanaged-devices=*\n", **NO_CLOUD}},
        "fail",
        "leaves eth0 alone",
    ),
    "firewalld-lets-in": ("firewall-open", 9, {}, "pass", "firewalld"),
    "firewalld-does-not": (
        "firewall-open",
        9,
        {"files": {"/etc/firewalld/firewalld.conf": "DefaultZone=drop\n",
                   "/usr/lib/firewalld/zones/drop.xml": '<zone target="DROP"/>'}},
        "fail",
        "firewalld (/usr/lib/firewalld/zones/drop.xml) keeps out SSH",
    ),
    "a-zone-without-a-file": (
        "firewall-open", 9, {"files": {"/etc/firewalld/firewalld.conf": "DefaultZone=mine\n"}}, "unknown", "zone mine",
    ),
    "functions-left-alone": ("net-vf-unmanaged", 9, {}, "pass", "nothing"),
    "functions-taken": (
        "net-vf-unmanaged",
        9,
        {"without": ["/etc/NetworkManager/conf.d", "/etc/udev/rules.d", "/usr/lib/udev/rules.d"]},
        "fail",
        "NetworkManager would configure it",
    ),
    "functions-left-by-a-rule": (
        "net-vf-unmanaged",
        9,
        {"without": ["/etc/NetworkManager/conf.d"], "files": {"/etc/udev/rules.d/68-azure.rules":
         'SUBSYSTEM=="net", DRIVERS=="hv_pci", ACTION=="add", ENV{NM_UNMANAGED}="1"\n'}},
        "pass",
        "nothing",
    ),
    "no-cloud-setup": ("net-nm-cloud-setup", 9, {"packages": {"NetworkManager-cloud-setup": None}}, "fail", "not installed"),
    "cloud-setup": (
        "net-nm-cloud-setup",
        9,
        {"packages": {"NetworkManager-cloud-setup": "1.50"}, "files": {f"{SYSTEM}/nm-cloud-setup.timer": "[Timer]\n"},
         "links": {"/etc/systemd/system/timers.target.wants/nm-cloud-setup.timer": f"{SYSTEM}/nm-cloud-setup.timer"}},
        "pass",
        "enabled",
    ),
    "a-new-yum": ("yum-http-caching", 9, {}, "not applicable", "6.6"),
    "an-old-yum": ("yum-http-caching", 9, {"files": {"/etc/os-release": 'ID=centos\nVERSION_ID="6"\n'}}, "fail", "not set"),
    "an-old-yum-that-caches": (
        "yum-http-caching",
        9,
        {"files": {"/etc/os-release": 'ID=centos\nVERSION_ID="6"\n', "/etc/yum.conf": "[main]\nhttp_caching=packages\n"}},
        "pass",
        "packages",
    ),
    "a-resolver": ("dns-works", 9, {}, "pass", "NetworkManager"),
    "a-resolver-that-does-not-start": (
        "dns-works",
        9,
        {"links": {"/etc/systemd/system/NetworkManager.service": "/dev/null"}},
        "fail",
        "does not start",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "release", "change", "status", "words"), ON_EL.values(), ids=ON_EL)
def test_a_rule_notices_it_on_enterprise_linux(
    rule: str, release: int, change: dict[str, Any], status: str, words: str
) -> None:
    outcome = ask(rule, changed(el(release), **change))
    assert (outcome.status, words in outcome.seen) == (status, True), outcome


@pytest.mark.parametrize(("release", "severity"), [(8, "likely blocker"), (9, "warning"), (10, "warning")])
def test_a_missing_ifcfg_file_weighs_less_from_9_on(release: int, severity: str) -> None:
    assert ask("net-dhcp-eth0", changed(el(release), without=[IFCFG])).severity == severity


@pytest.mark.parametrize(
    ("method", "interface", "status"),
    [("disabled", "eth0", "fail"), ("disabled", "ens3", "pass"), ("auto", "eth0", "pass")],
)
def test_a_connection_without_dhcp_may_win(method: str, interface: str, status: str) -> None:
    text = f"[connection]\ntype=ethernet\ninterface-name={interface}\n[ipv4]\nmethod={method}\n"
    snapshot = changed(changed(el(9), entries={KEYFILE: Entry("f", 0o600)}), files={KEYFILE: text})
    assert ask("net-dhcp-eth0", snapshot).status == status


def test_a_locked_down_image_may_keep_ssh_out() -> None:
    snapshot = changed(DEBIAN, **started("nftables.service", {"/etc/nftables.conf": DROPPED}))
    assert ask("firewall-open", snapshot, claims={"ssh-disabled"}).status == "pass"
