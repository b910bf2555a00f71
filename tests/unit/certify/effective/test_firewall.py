"""Firewalls from their files: what is said to be kept out is certainly kept out, and the usual ones keep nothing out."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from trees import changed

from flight.workflows.certify.effective.firewall import AZURE, Wall, walls_of
from flight.workflows.certify.effective.packets import Step, fits_address, fits_port, verdict
from flight.workflows.certify.facts import Container, PartitionTable, Snapshot
from flight.workflows.certify.image import Image

NOTHING = Snapshot(Container("x", 0, "raw", ""), PartitionTable("none"))
WANTS = "/etc/systemd/system/multi-user.target.wants"
SYSTEM = "/usr/lib/systemd/system"


def walls(unit: str, files: Mapping[str, str]) -> list[Wall]:
    there = {f"{SYSTEM}/{unit}": "[Install]\nWantedBy=multi-user.target\n", **files}
    there |= {f"{SYSTEM}/multi-user.target": "[Unit]\n", "/etc/machine-id": "0" * 32}
    links = {f"{WANTS}/{unit}": f"{SYSTEM}/{unit}", "/etc/systemd/system/default.target": f"{SYSTEM}/multi-user.target"}
    return list(walls_of(Image(changed(NOTHING, files=there, links=links)), ("22",)))


def blocked(unit: str, files: Mapping[str, str]) -> tuple[str, ...]:
    (wall,) = walls(unit, files)
    return wall.blocked


SSH = ("SSH (port 22)",)
IPTABLES = {
    "what-enterprise-linux-ships": (
        ":INPUT ACCEPT [0:0]\n-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p icmp -j ACCEPT\n"
        "-A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT\n"
        "-A INPUT -j REJECT --reject-with icmp-host-prohibited\nCOMMIT",
        (),
    ),
    "the-same-without-ssh": (
        ":INPUT ACCEPT [0:0]\n-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p icmp -j ACCEPT\n"
        "-A INPUT -i lo -j ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited",
        SSH,
    ),
    "policy-drop": (":INPUT DROP [0:0]\n-A INPUT -p tcp --dport 443 -j ACCEPT", SSH),
    "another-interface": (":INPUT DROP\n-A INPUT -i ens3 -p tcp --dport 22 -j ACCEPT", SSH),
    "any-such-interface": (":INPUT DROP\n-A INPUT -i eth+ -p tcp --dport ssh -j ACCEPT", ()),
    "not-that-interface": (":INPUT DROP\n-A INPUT ! -i lo -p 6 -m multiport --dports 20:25,80 -j ACCEPT", ()),
    "from-one-network": (":INPUT DROP\n-A INPUT -s 10.0.0.0/8 -p tcp --dport 22 -j ACCEPT", ()),
    "a-chain-of-its-own": (
        ":INPUT DROP\n:mine -\n-A INPUT -j mine\n-A mine -p udp -j ACCEPT\n-A mine -p tcp --dport 22 -j ACCEPT",
        (),
    ),
    "a-chain-that-goes-back": (":INPUT DROP\n:mine -\n-A INPUT -j mine\n-A mine -j RETURN\n-A mine -j ACCEPT", SSH),
    "a-chain-without-end": (":INPUT DROP\n:mine -\n-A INPUT -j mine\n-A mine -j mine", SSH),
    "inserted-before": (":INPUT ACCEPT\n-A INPUT -p tcp --dport 22 -j ACCEPT\n-I INPUT -j DROP", SSH),
    "perhaps-dropped": (":INPUT ACCEPT\n-A INPUT -p tcp --dport 22 -m recent --update --hitcount 9 -j DROP", ()),
    "other-tables": ("*nat\n:INPUT DROP\n-A INPUT -j DROP\n*filter\n:INPUT ACCEPT", ()),
    "azure-s-host": (f":OUTPUT ACCEPT\n-A OUTPUT -d {AZURE[0]}/32 -j DROP", AZURE[:1]),
    "azure-s-host-for-users": (f":OUTPUT ACCEPT\n-A OUTPUT -d {AZURE[0]} -m owner ! --uid-owner 0 -j DROP", ()),
    "link-local": (":OUTPUT ACCEPT\n-A OUTPUT -d 169.254.0.0/16 -p tcp -j REJECT", AZURE[1:]),
    "nothing-goes-out": (":OUTPUT DROP\n-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", AZURE),
    "garbage": (":\n-A\n-A INPUT\n-A INPUT -p\n:INPUT\n-A INPUT 'x\n*", ()),
}


@pytest.mark.parametrize(("text", "expected"), IPTABLES.values(), ids=IPTABLES)
def test_iptables_rules_are_walked(text: str, expected: tuple[str, ...]) -> None:
    text = text if text.startswith("*") else f"*filter\n{text}"
    assert blocked("netfilter-persistent.service", {"/etc/iptables/rules.v4": text}) == expected
    assert blocked("iptables.service", {"/etc/sysconfig/iptables": text}) == expected


INPUT = "type filter hook input priority filter; policy drop;"
OUTPUT = "type filter hook output priority 0; policy accept;"


def table(*rules: str, beside: str = "", hook: str = INPUT) -> str:
    """One chain on a hook, after what stands beside it."""
    lines = "".join(f"    {rule}\n" for rule in rules)
    return f"table inet f {{\n  {beside}\n  chain here {{\n    {hook}\n{lines}  }}\n}}\n"


MAPPED = "ct state vmap { established : accept, related : accept, invalid : drop }"
HAPPY = "chain ssh { tcp dport 22 accept; }"
NFTABLES = {
    "what-debian-ships": ("flush ruleset\n" + table(hook="type filter hook input priority filter;"), ()),
    "policy-drop": (table("ct state established,related accept; iif lo accept"), SSH),
    "ssh-by-name": (table("tcp dport ssh accept"), ()),
    "ssh-in-a-set": (table('tcp dport { 22, 443 } ct state new counter accept comment "x"'), ()),
    "not-in-the-set": (table("tcp dport { 80, 443 } accept", "udp dport 22 accept"), SSH),
    "a-range": (table("tcp dport 20-30 accept"), ()),
    "a-defined-port": ("define PORT = 22\n" + table("tcp dport $PORT accept"), ()),
    "a-named-set": (table("tcp dport @o accept", beside="set o { type inet_service; elements = { 22 } }"), ()),
    "states-mapped": (table(MAPPED, "tcp dport 22 accept"), ()),
    "new-ones-dropped": (table("ct state vmap { new : drop }", "tcp dport 22 accept"), SSH),
    "new-ones-elsewhere": (table("ct state vmap { new : jump ssh }", beside=HAPPY), ()),
    "another-chain": (table('iifname "eth0" jump ssh', beside=HAPPY), ()),
    "another-interface": (table('iifname "ens3" tcp dport 22 accept'), SSH),
    "not-that-interface": (table('iifname != "lo" meta l4proto tcp th dport 22 accept'), ()),
    "only-version-six": (table().replace("inet", "ip6"), ()),
    "dropped-at-the-end": (
        table("tcp dport 443 accept", "reject with icmpx type 3", hook=INPUT.replace("drop", "accept")),
        SSH,
    ),
    "perhaps-accepted": (table("tcp dport 22 limit rate 10/minute accept"), ()),
    "azure-s-host": (table(f"ip daddr {AZURE[0]} drop", hook=OUTPUT), AZURE[:1]),
    "both-of-azure": (table("ip daddr { 168.63.129.16, 169.254.0.0/16 } tcp dport 80 reject", hook=OUTPUT), AZURE),
    "nothing-goes-out": (table("oif lo accept", hook=OUTPUT.replace("accept", "drop")), AZURE),
    "a-comment": (table("# tcp dport 22 accept"), SSH),
    "flushed-later": (table() + "flush ruleset\n", ()),
    "garbage": ('table { chain { } } } } {{{{ } "\n' + INPUT, ()),
}


@pytest.mark.parametrize(("text", "expected"), NFTABLES.values(), ids=NFTABLES)
def test_nftables_rules_are_walked(text: str, expected: tuple[str, ...]) -> None:
    assert blocked("nftables.service", {"/etc/nftables.conf": text}) == expected
    files = {"/etc/sysconfig/nftables.conf": 'include "/etc/nftables/*.nft"\n', "/etc/nftables/main.nft": text}
    assert blocked("nftables.service", files) == expected


def test_files_that_include_one_another_come_to_an_end() -> None:
    text = 'include "/etc/nftables.conf"\n' * 3
    assert blocked("nftables.service", {"/etc/nftables.conf": text}) == ()


UFW = "*filter\n:ufw-user-input - [0:0]\n:ufw-user-output - [0:0]\n:ufw-user-limit-accept - [0:0]\n:ufw-user-limit - [0:0]\n"
LIMITED = f"""{UFW}
-A ufw-user-input -p tcp --dport 22 -m conntrack --ctstate NEW -m recent --set
-A ufw-user-input -p tcp --dport 22 -m recent --update --seconds 30 --hitcount 6 -j ufw-user-limit
-A ufw-user-input -p tcp --dport 22 -j ufw-user-limit-accept
-A ufw-user-limit -j REJECT
-A ufw-user-limit-accept -j ACCEPT
"""
UFWS = {
    "nothing-is-allowed": (UFW, "", SSH),
    "ssh-is-allowed": (UFW + "-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n", "", ()),
    "ssh-is-limited": (LIMITED, "", ()),
    "all-is-allowed": (UFW, 'DEFAULT_INPUT_POLICY="ACCEPT"\n', ()),
    "nothing-goes-out": (UFW + "-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n", 'DEFAULT_OUTPUT_POLICY="REJECT"\n', AZURE),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "defaults", "expected"), UFWS.values(), ids=UFWS)
def test_ufw_is_its_rules_and_its_policies(rules: str, defaults: str, expected: tuple[str, ...]) -> None:
    files = {"/etc/ufw/ufw.conf": "ENABLED=yes\n", "/etc/ufw/user.rules": rules, "/etc/default/ufw": defaults}
    assert blocked("ufw.service", files) == expected


def test_ufw_that_is_not_enabled_is_no_wall() -> None:
    assert walls("ufw.service", {"/etc/ufw/ufw.conf": "ENABLED=no\n", "/etc/ufw/user.rules": UFW}) == []


ZONES = {
    "public": ('<zone><service name="ssh"/><service name="dhcpv6-client"/></zone>', ()),
    "without-ssh": ('<zone><service name="cockpit"/></zone>', SSH),
    "target-accept": ('<zone target="ACCEPT"/>', ()),
    "target-drop": ('<zone target="DROP"></zone>', SSH),
    "a-port": ('<zone target="DROP"><port port="20-25" protocol="tcp"/></zone>', ()),
    "a-port-of-udp": ('<zone><port port="22" protocol="udp"/></zone>', SSH),
    "a-rich-rule": (
        '<zone><rule family="ipv4"><source address="10.0.0.0/8"/><service name="ssh"/><accept/></rule></zone>',
        (),
    ),
    "a-rich-rule-for-another-port": ('<zone><rule><port port="9090" protocol="tcp"/><accept/></rule></zone>', SSH),
    "a-rich-rule-for-a-port": ('<zone><rule><port port="22" protocol="tcp"/><accept/></rule></zone>', ()),
    "a-rich-rule-for-all": ('<zone><rule family="ipv4"><source address="10.0.0.0/8"/><accept/></rule></zone>', ()),
    "a-rich-rule-against": ('<zone><service name="ssh"/><rule><service name="ssh"/><reject/></rule></zone>', SSH),
    "against-all-of-version-six": ('<zone><service name="ssh"/><rule family="ipv6"><drop/></rule></zone>', ()),
    "against-some": (
        '<zone><service name="ssh"/><rule><source address="10.0.0.0/8"/><service name="ssh"/><drop/></rule></zone>',
        (),
    ),
    "for-it-before-against-it": (
        '<zone><rule priority="-1"><service name="ssh"/><accept/></rule><rule><service name="ssh"/><drop/></rule></zone>',
        (),
    ),
    "entities": ('<!DOCTYPE z [<!ENTITY a "b">]><zone>&a;</zone>', ()),
    "no-xml": ("<zone", ()),
}


@pytest.mark.parametrize(("zone", "expected"), ZONES.values(), ids=ZONES)
def test_firewalld_is_its_default_zone(zone: str, expected: tuple[str, ...]) -> None:
    files = {"/etc/firewalld/firewalld.conf": "DefaultZone=work\n", "/usr/lib/firewalld/zones/work.xml": zone}
    assert blocked("firewalld.service", files) == expected


def test_firewalld_s_zone_of_eth0_and_services_of_its_own_count() -> None:
    files = {
        "/etc/firewalld/zones/public.xml": '<zone><service name="ssh"/></zone>',
        "/etc/firewalld/zones/mine.xml": '<zone><interface name="eth0"/><service name="ssh"/></zone>',
        "/etc/firewalld/services/ssh.xml": '<service><port port="2222" protocol="tcp"/></service>',
        "/etc/firewalld/direct.xml": '<direct><rule ipv="ipv4" chain="OUTPUT">-d 168.63.129.16 -j DROP</rule></direct>',
    }
    (wall,) = walls("firewalld.service", files)
    assert wall == Wall("firewalld", "/etc/firewalld/zones/mine.xml", (*SSH, AZURE[0]))


def test_a_zone_for_all_addresses_comes_before_that_of_an_interface() -> None:
    files = {
        "/etc/firewalld/zones/mine.xml": '<zone><interface name="eth0"/><service name="ssh"/></zone>',
        "/etc/firewalld/zones/none.xml": '<zone target="DROP"><source address="0.0.0.0/0"/></zone>',
    }
    (wall,) = walls("firewalld.service", files)
    assert wall == Wall("firewalld", "/etc/firewalld/zones/none.xml", SSH)


@pytest.mark.parametrize("files", [{}, {"/etc/firewalld/zones/work.xml": "<zone"}])
def test_a_zone_without_a_file_is_in_doubt(files: dict[str, str]) -> None:
    (wall,) = walls("firewalld.service", {"/etc/firewalld/firewalld.conf": "DefaultZone=work\n", **files})
    assert "zone work" in wall.doubt


def test_a_firewall_that_does_not_start_is_no_wall() -> None:
    image = Image(changed(NOTHING, files={"/etc/nftables.conf": f"table inet f {{ chain in {{ {INPUT} }} }}"}))
    assert list(walls_of(image, ("22",))) == []


@pytest.mark.parametrize(
    ("word", "fits"),
    [("22", True), ("ssh", True), ("20:30", True), ("{ 80, 22 }", True), ("80", False), ("http", False), ("1:9", False),
     ("", None), ("$PORT", None), (":30", True), ("30:", False), ("9" * 99, False), ("1-" + "9" * 99, False)],
)  # fmt: skip
def test_a_port_is_found_in_what_names_ports(word: str, fits: bool | None) -> None:
    assert fits_port(word, "22") is fits


@pytest.mark.parametrize(
    ("word", "address", "fits"),
    [("168.63.129.16", "168.63.129.16", True), ("168.63.0.0/16", "168.63.129.16", True), ("10.0.0.0/8", "168.63.129.16", False),
     ("0.0.0.0/0", "", True), ("10.0.0.0/8", "", None), ("host.example", "168.63.129.16", None), ("::1", "168.63.129.16", False)],
)  # fmt: skip
def test_an_address_is_found_in_what_names_addresses(word: str, address: str, fits: bool | None) -> None:
    assert fits_address(word, address) is fits


def test_a_walk_is_bounded() -> None:
    chains = {f"{level}": [Step(True, f"{level + 1}")] * 10 for level in range(30)}
    assert verdict(chains, "0", "drop") == "accept"
