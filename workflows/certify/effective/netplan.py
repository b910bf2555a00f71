"""netplan: YAML files in the order of their names, merged; what they say of one interface. Source: netplan-yaml(5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from flight.workflows.certify.effective.networkd import OF_NETPLAN, files_in, in_the_way
from flight.workflows.certify.effective.profile import Nic, Profile, fits
from flight.workflows.certify.reading.yaml import read_yaml
from flight.workflows.certify.tree import Tree
from flight.workflows.kit.text import quoted

FOLDERS: Final = ("/etc/netplan", "/usr/lib/netplan", "/lib/netplan")
MANAGER: Final = "NetworkManager"
PROGRAMS: Final = ("/usr/lib/systemd/system-generators/netplan", "/lib/systemd/system-generators/netplan")
"""The generator that makes files for networkd or NetworkManager of them when a machine starts."""


def is_there(tree: Tree) -> bool:
    return any(tree.is_file(path) for path in PROGRAMS)


def profiles(tree: Tree, nic: Nic, *, has_manager: bool = True, has_networkd: bool = True) -> Iterator[Profile]:
    """The definitions for an interface; none of it works where one file is broken.

    `has_manager`: NetworkManager starts too; `has_networkd`: networkd is there, which netplan starts by itself.
    """
    network, places, broken = _merged(tree)
    if broken:
        yield Profile("netplan", broken, is_dhcp=False, problem=f"{places[broken]}, so netplan does nothing")
        return
    common = network.get("renderer")
    problems = {
        by_manager: _problem(tree, nic, by_manager, has_manager=has_manager, has_networkd=has_networkd)
        for by_manager in (True, False)
    }
    for name, own in _mapping(network.get("ethernets")).items():
        own = _mapping(own)
        match = _mapping(own.get("match"))
        if not _is_for(str(name), match, nic):
            continue
        addresses = own.get("addresses") or []
        static = str(addresses[0]) if isinstance(addresses, list) and addresses else ""
        problem = problems[own.get("renderer", common) == MANAGER]
        at = f"{places.get(str(name), FOLDERS[0])} ({quoted(str(name))})"
        yield Profile("netplan", at, _is_yes(own.get("dhcp4")), static, str(match.get("macaddress") or ""), problem)


def problem_of(tree: Tree, nic: Nic, *, has_manager: bool, has_networkd: bool) -> str:
    """Why a definition that names no renderer of its own, as cloud-init writes it, would come to nothing."""
    by_manager = _merged(tree)[0].get("renderer") == MANAGER
    return _problem(tree, nic, by_manager, has_manager=has_manager, has_networkd=has_networkd)


def _problem(tree: Tree, nic: Nic, by_manager: bool, *, has_manager: bool, has_networkd: bool) -> str:
    if by_manager:
        return "" if has_manager else "its renderer, NetworkManager, does not start"
    if not has_networkd:
        return "its renderer, systemd-networkd, is masked or not there"
    other = in_the_way(tree, nic, OF_NETPLAN)
    return f"networkd takes {quoted(other)} first" if other else ""


def _is_for(name: str, match: Mapping[str, Any], nic: Nic) -> bool:
    if not match:
        return name in nic.names
    names, drivers = _listed(match.get("name")), _listed(match.get("driver"))
    return (not names or fits(nic, names)) and (not drivers or fits(nic, drivers, among="driver"))


def _merged(tree: Tree) -> tuple[dict[str, Any], dict[str, str], str]:
    """The `network` of all files, the first file that names each definition, and the one that cannot be read (with why)."""
    merged: dict[str, Any] = {}
    places: dict[str, str] = {}
    for path in files_in(tree, FOLDERS, ".yaml"):
        try:
            network = _mapping(_mapping(read_yaml(tree.text(path) or "")).get("network"))
        except ValueError as error:
            return {}, {path: str(error)}, path
        for name in _mapping(network.get("ethernets")):
            places.setdefault(str(name), path)
        merged = _joined(merged, network)
    return merged, places, ""


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged, lists put together; of other values the later one holds."""
    joined = dict(one)
    for key, value in other.items():
        old = joined.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            joined[key] = _joined(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            joined[key] = [*old, *value]
        else:
            joined[key] = value
    return joined


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)] if value else []


def _is_yes(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() in ("true", "yes", "on", "y"))
