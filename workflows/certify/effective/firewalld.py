"""firewalld: which of its zones a packet from outside comes to, and whether SSH is let in there.

Source: firewalld.zone(5), firewalld.richlanguage(5), firewalld.direct(5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree

from flight.workflows.certify.effective.packets import fits_address, fits_port
from flight.workflows.certify.tree import Tree

FOLDERS: Final = ("/etc/firewalld", "/usr/lib/firewalld")
MOST_XML: Final = 1 << 20
ANYWHERE: Final = "0.0.0.0/0"
INTERFACE: Final = "eth0"
ABOUT: Final = ("service", "port", "source-port", "protocol", "icmp-type", "icmp-block", "forward-port", "masquerade")
"""What a rich rule is about; without any of them it is about everything."""
DENYING: Final = ("reject", "drop")


def zone_of(tree: Tree) -> str:
    """The zone that all addresses, or else eth0, were put into by name; empty for the default one."""
    by_interface = ""
    for name in tree.names(f"{FOLDERS[0]}/zones"):
        _, root = read(tree, f"zones/{name}")
        if root is None or not name.endswith(".xml"):
            continue
        if any(each.get("address") == ANYWHERE for each in root.findall("source")):
            return name.removesuffix(".xml")
        if not by_interface and any(each.get("name") == INTERFACE for each in root.iter("interface")):
            by_interface = name.removesuffix(".xml")
    return by_interface


def lets_in(tree: Tree, zone: ElementTree.Element, ports: tuple[str, ...]) -> bool:
    """Whether a connection from somewhere to one of the ports is let in: rich rules are asked before the rest."""
    for rule in sorted(zone.findall("rule"), key=_turn):
        if not _is_about(tree, rule, ports):
            continue
        if rule.find("accept") is not None:
            return True
        if any(rule.find(word) is not None for word in DENYING) and _is_for_all(rule):
            return False
    names = [each.get("name") or "" for each in zone.findall("service")]
    return (
        zone.get("target") == "ACCEPT"
        or any(_is_port(each, ports) for each in zone.findall("port"))
        or any(_is_all_of_tcp(each) for each in zone.findall("protocol"))
        or any(_serves(tree, name, ports) for name in names)
    )


def _turn(rule: ElementTree.Element) -> tuple[int, bool]:
    """The order of rich rules: by priority, and of one priority those that deny first."""
    try:
        priority = int(rule.get("priority") or "0")
    except ValueError:
        priority = 0
    return priority, rule.find("accept") is not None


def _is_about(tree: Tree, rule: ElementTree.Element, ports: tuple[str, ...]) -> bool:
    """Whether a rich rule speaks of the ports on IPv4."""
    if rule.get("family") == "ipv6":
        return False
    about = next((each for each in rule if each.tag in ABOUT), None)
    if about is None:
        return True
    if about.tag == "service":
        return _serves(tree, about.get("name") or "", ports)
    return (about.tag == "port" and _is_port(about, ports)) or (about.tag == "protocol" and _is_all_of_tcp(about))


def _is_for_all(rule: ElementTree.Element) -> bool:
    """Whether it is for whatever address; one that is limited to a rate is not."""
    source = rule.find("source")
    return (source is None or source.get("address") == ANYWHERE) and rule.find("*/limit") is None


def _is_all_of_tcp(element: ElementTree.Element) -> bool:
    return element.get("value") in ("tcp", "6")


def _serves(tree: Tree, name: str, ports: tuple[str, ...]) -> bool:
    _, root = read(tree, f"services/{name}.xml")
    if root is None:
        return name == "ssh" and "22" in ports
    return any(_is_port(each, ports) for each in root.findall("port"))


def _is_port(element: ElementTree.Element, ports: tuple[str, ...]) -> bool:
    return element.get("protocol") == "tcp" and any(fits_port(element.get("port") or "", port) for port in ports)


def cut_off(tree: Tree, addresses: tuple[str, ...]) -> Iterator[str]:
    """The addresses that a direct rule drops on their way out."""
    _, root = read(tree, "direct.xml")
    for rule in root.iter("rule") if root is not None else ():
        words = (rule.text or "").split()
        if rule.get("chain") == "OUTPUT" and {"DROP", "REJECT"} & set(words):
            named = (word for word in words if "." in word)
            yield from (address for word in named for address in addresses if fits_address(word, address))


def read(tree: Tree, name: str) -> tuple[str, ElementTree.Element | None]:
    """A file of firewalld's, ours before the vendor's, and its root; None where it is no plain XML."""
    path = next((f"{folder}/{name}" for folder in FOLDERS if tree.is_file(f"{folder}/{name}")), "")
    text = tree.text(path) if path else None
    if text is None or len(text) > MOST_XML or "<!ENTITY" in text or "<!DOCTYPE" in text:
        return path, None
    try:
        return path, ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return path, None
