"""What would configure eth0 on a machine of Azure, and whether a virtual function beside it is left alone.

Every manager that starts with the machine is asked for its profiles; cloud-init writes one at each first boot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flight.workflows.certify.effective import ifupdown, netplan, networkd, networkmanager, udev
from flight.workflows.certify.effective.profile import FUNCTION, SYNTHETIC, Nic, Profile
from flight.workflows.certify.effective.unitfiles import read_unit, values
from flight.workflows.certify.tree import Tree
from flight.workflows.kit.text import quoted

if TYPE_CHECKING:
    from flight.workflows.certify.image import Image

FUNCTIONS: Final = ("hv_pci", "mlx4", "mlx5", "mana")
"""Words by which a rule of udev names a virtual function: its bus's driver, or its own."""
BY_ADDRESS: Final = re.compile(r"ATTRS?\{address\}==")
NAMES: Final = re.compile(r"\bNAME[:+]?=[^=]")
LAST_IFCFG: Final = 9
"""The last Enterprise Linux whose NetworkManager reads ifcfg files. Source: RHEL 10's list of removed features."""
NETWORKD, MANAGER = "systemd-networkd.service", "NetworkManager.service"


@dataclass(frozen=True)
class Network:
    """`managers` start with the machine. `profiles` are for eth0, those of other hardware among them."""

    managers: tuple[str, ...]
    profiles: tuple[Profile, ...]

    @property
    def bound(self) -> tuple[Profile, ...]:
        return tuple(each for each in self.profiles if each.hardware)

    @property
    def free(self) -> tuple[Profile, ...]:
        """Those that are for eth0 whatever its hardware address."""
        return tuple(each for each in self.profiles if not each.hardware)

    @property
    def automatic(self) -> Profile | None:
        """The first that asks by DHCP, and nothing stands in its way."""
        return next((each for each in self.free if each.is_dhcp and not each.problem), None)

    @property
    def rival(self) -> Profile | None:
        """A connection of NetworkManager's without DHCP, which it may take instead of the one with it."""
        keyfiles = (
            each for each in self.free if each.manager == "NetworkManager" and each.at.endswith(".nmconnection")
        )
        return next((each for each in keyfiles if not each.is_dhcp and not each.problem), None)


def network_of(image: Image) -> Network:
    """Raises NotTaken."""
    managers = dict(_managers(image))
    profiles = tuple(profile for ask in managers.values() for profile in ask(image.tree))
    return Network(
        tuple(managers), (*profiles, *_of_cloudinit(image, managers), *_by_itself(image, managers, profiles))
    )


def _managers(image: Image) -> Iterator[tuple[str, Callable[[Tree], Iterator[Profile]]]]:
    tree, units = image.tree, image.units
    has_networkd, has_manager = units.is_enabled(NETWORKD), units.is_enabled(MANAGER)
    if tree.is_file("/sbin/ifup") and units.first_enabled("networking.service", "ifupdown-pre.service"):
        yield "ifupdown", lambda tree: ifupdown.profiles(tree, SYNTHETIC)
    if netplan.is_there(tree):
        may = {"has_manager": has_manager, "has_networkd": _may_start(image, NETWORKD)}
        yield "netplan", lambda tree: netplan.profiles(tree, SYNTHETIC, **may)
    if has_networkd:
        yield "systemd-networkd", lambda tree: networkd.profiles(tree, SYNTHETIC)
    if has_manager:
        yield "NetworkManager", lambda tree: _of_manager(image, SYNTHETIC)
    elif units.is_enabled("network.service"):
        yield "network-scripts", lambda tree: ifupdown.ifcfg_profiles(tree, SYNTHETIC, manager="network-scripts")
    if units.is_enabled("wicked.service"):
        yield "wicked", lambda tree: ifupdown.ifcfg_profiles(tree, SYNTHETIC, folder=ifupdown.SUSE, manager="wicked")


def _of_manager(image: Image, nic: Nic) -> Iterator[Profile]:
    if networkmanager.leaves_alone(image.tree, nic):
        yield Profile("NetworkManager", "unmanaged-devices", is_dhcp=False, problem="NetworkManager leaves eth0 alone")
        return
    yield from networkmanager.profiles(image.tree, nic)
    if image.is_el and image.release <= LAST_IFCFG:
        yield from ifupdown.ifcfg_profiles(image.tree, nic)


def _of_cloudinit(image: Image, managers: dict[str, Callable[[Tree], Iterator[Profile]]]) -> Iterator[Profile]:
    """At a first boot it writes DHCP for the machine's own card, in the words of a manager that is there."""
    if managers and image.cloudinit.writes_network:
        problem = _against_cloudinit(image, tuple(managers))
        yield Profile("cloud-init", "cloud-init, at each first boot", is_dhcp=True, problem=problem)


def _against_cloudinit(image: Image, managers: tuple[str, ...]) -> str:
    """What makes nothing of cloud-init's file, which is for the first of these that is there. Source: its renderers."""
    if "ifupdown" in managers:
        return ""
    if "netplan" in managers:
        starts, has_networkd = image.units.is_enabled(MANAGER), _may_start(image, NETWORKD)
        return netplan.problem_of(image.tree, SYNTHETIC, has_manager=starts, has_networkd=has_networkd)
    if managers != ("systemd-networkd",):
        return ""
    other = networkd.in_the_way(image.tree, SYNTHETIC, networkd.OF_CLOUDINIT)
    return f"networkd takes {quoted(other)} first" if other else ""


def _may_start(image: Image, unit: str) -> bool:
    return image.units.is_there(unit) and not image.units.is_masked(unit)


def _by_itself(
    image: Image, managers: dict[str, Callable[[Tree], Iterator[Profile]]], others: tuple[Profile, ...]
) -> Iterator[Profile]:
    """What NetworkManager makes up where no profile is for eth0."""
    is_left = "NetworkManager" in managers and all(each.hardware for each in others)
    if is_left and networkmanager.makes_its_own(image.tree, SYNTHETIC):
        yield Profile("NetworkManager", "NetworkManager, which makes up a connection", is_dhcp=True)


def function_managed_by(image: Image) -> str:
    """What would take hold of a virtual function, as words for a person; empty where all leave it alone."""
    rule = _udev_rule(image.tree)
    properties = {"AZURE_UNMANAGED_SRIOV=1"} if rule else set()
    nic = Nic(FUNCTION.names, FUNCTION.driver, frozenset(properties))
    if image.units.is_enabled(MANAGER) and not rule and not networkmanager.leaves_alone(image.tree, nic):
        return "NetworkManager"
    if image.units.is_enabled(NETWORKD) or netplan.is_there(image.tree):
        path = networkd.managed_by(image.tree, nic)
        found = next((each for each in netplan.profiles(image.tree, nic) if not each.hardware), None)
        if found and not networkd.releases(image.tree, nic):
            return found.at
        return "" if rule and "unmanaged" in rule else path
    return ""


def _udev_rule(tree: Tree) -> str:
    """udev's rule that tells managers to leave virtual functions alone; empty for none."""
    for _, rule in udev.rules(tree):
        if ("NM_UNMANAGED" in rule or "ID_NET_MANAGED_BY" in rule) and any(word in rule for word in FUNCTIONS):
            return rule
    return ""


def hardware_names(tree: Tree) -> str:
    """A rule of udev, or a .link file, that gives a card of one hardware address its name; empty for none."""
    for path, rule in udev.rules(tree, udev.FOLDERS[:1]):
        if BY_ADDRESS.search(rule) and NAMES.search(rule):
            return path
    for path in networkd.files_in(tree, networkd.FOLDERS[:1], ".link"):
        settings = tuple(read_unit(tree.text(path) or ""))
        if values(settings, "Link", "Name") and any(values(settings, "Match", key) for key in networkd.HARDWARE):
            return path
    return ""
