"""Which firewalls start with the machine, and what they certainly keep out, or in. Rules made at run time are not seen.

Source: firewalld.conf(5); ufw(8); nftables.service, netfilter-persistent(8), iptables-services.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flight.workflows.certify.effective import firewalld, iptables, nftables
from flight.workflows.certify.effective.ifupdown import assignments
from flight.workflows.certify.effective.packets import ACCEPTED, BLOCKED, Packet, verdict
from flight.workflows.certify.tree import Tree
from flight.workflows.kit.text import quoted

if TYPE_CHECKING:
    from flight.workflows.certify.image import Image

AZURE: Final = ("168.63.129.16", "169.254.169.254")
"""Azure's host (provisioning, DHCP, DNS, health) and its metadata service. Source: "What is IP address 168.63.129.16?"."""
NFT_FILES: Final = ("/etc/sysconfig/nftables.conf", "/etc/nftables.conf")
RULES: Final = {
    "netfilter-persistent.service": "/etc/iptables/rules.v4",
    "iptables.service": "/etc/sysconfig/iptables",
}
UFW_RULES: Final = ("/etc/ufw/before.rules", "/etc/ufw/user.rules", "/etc/ufw/after.rules")


@dataclass(frozen=True)
class Wall:
    """A firewall that starts with the machine; `blocked` are the sentences of what it does not let through.

    `doubt`: why it cannot be said what it lets through.
    """

    name: str
    at: str
    blocked: tuple[str, ...]
    doubt: str = ""


def packets_of(ports: tuple[str, ...]) -> Mapping[str, tuple[Packet, ...]]:
    """What has to get through, by what is said where it does not: one packet of each row is enough."""
    incoming = {f"SSH (port {', '.join(ports)})": tuple(Packet("in", "", port) for port in ports)}
    return incoming | {address: (Packet("out", address, "80"),) for address in AZURE}


def walls_of(image: Image, ports: tuple[str, ...]) -> Iterator[Wall]:
    """The firewalls, by the units that start them. Raises NotTaken."""
    wanted, tree = packets_of(ports), image.tree
    if image.units.is_enabled("firewalld.service"):
        yield _firewalld(tree, ports)
    if image.units.is_enabled("nftables.service"):
        path = next((path for path in NFT_FILES if tree.is_file(path)), "")
        if path:
            yield Wall("nftables", path, _blocked(wanted, lambda packet: nftables.blocks(tree, path, packet)))
    for unit, path in RULES.items():
        if image.units.is_enabled(unit) and tree.is_file(path):
            yield Wall("iptables", path, _blocked(wanted, lambda packet, at=path: _iptables(tree, at, packet)))  # type: ignore[misc]
    if (
        image.units.is_enabled("ufw.service")
        and _assigned(tree, "/etc/ufw/ufw.conf").get("ENABLED", "no").lower() == "yes"
    ):
        yield Wall("ufw", "/etc/ufw", _blocked(wanted, lambda packet: _ufw(tree, packet)))


def _assigned(tree: Tree, path: str) -> dict[str, str]:
    return assignments(tree.text(path) or "")


def _blocked(wanted: Mapping[str, tuple[Packet, ...]], blocks: Callable[[Packet], bool]) -> tuple[str, ...]:
    return tuple(what for what, packets in wanted.items() if all(blocks(packet) for packet in packets))


def _iptables(tree: Tree, path: str, packet: Packet) -> bool:
    chains, policies = iptables.read_rules(tree.text(path) or "", packet)
    start = "INPUT" if packet.way == "in" else "OUTPUT"
    return verdict(chains, start, policies.get(start, ACCEPTED)) == BLOCKED


def _ufw(tree: Tree, packet: Packet) -> bool:
    """ufw walks before, user and after; then its own policy."""
    text = "\n".join(tree.text(path) or "" for path in UFW_RULES)
    chains, _ = iptables.read_rules(text, packet)
    way = "input" if packet.way == "in" else "output"
    policy = _assigned(tree, "/etc/default/ufw").get(
        f"DEFAULT_{way.upper()}_POLICY", "DROP" if way == "input" else "ACCEPT"
    )
    for chain in (f"ufw-before-{way}", f"ufw-user-{way}", f"ufw-after-{way}"):
        ended = verdict(chains, chain, "")
        if ended:
            return ended == BLOCKED
    return policy.upper() in ("DROP", "REJECT")


def _firewalld(tree: Tree, ports: tuple[str, ...]) -> Wall:
    default = _assigned(tree, "/etc/firewalld/firewalld.conf").get("DefaultZone", "public")
    zone = firewalld.zone_of(tree) or default
    path, root = firewalld.read(tree, f"zones/{zone}.xml")
    blocked = [] if root is None or firewalld.lets_in(tree, root, ports) else [f"SSH (port {', '.join(ports)})"]
    doubt = f"its zone {quoted(zone)} has no file that can be read" if root is None else ""
    return Wall("firewalld", path or f"zone {quoted(zone)}", (*blocked, *firewalld.cut_off(tree, AZURE)), doubt)
