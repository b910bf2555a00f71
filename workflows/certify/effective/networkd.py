"""systemd-networkd: the first .network file that matches an interface is what it does with it.

Source: systemd.network(5); networkctl(1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flight.workflows.certify.effective.profile import Nic, Profile, fits, is_true
from flight.workflows.certify.effective.unitfiles import Setting, read_unit, values, words
from flight.workflows.certify.tree import Tree

FOLDERS: Final = (
    "/etc/systemd/network",
    "/usr/local/lib/systemd/network",
    "/usr/lib/systemd/network",
    "/lib/systemd/network",
)
HARDWARE: Final = ("MACAddress", "PermanentMACAddress")
OF_NETPLAN: Final = "10-netplan-"
"""How the files begin that netplan writes when a machine starts."""
OF_CLOUDINIT: Final = "10-cloud-init-"
"""The same for cloud-init, where there is no netplan."""
VIRTUALIZATION: Final = ("yes", "vm", "microsoft", "true", "1")


def files_in(tree: Tree, folders: tuple[str, ...], ending: str) -> list[str]:
    """The files of some folders by name; of several with one name that of the first folder."""
    found: dict[str, str] = {}
    for folder in folders:
        for name in tree.names(folder):
            if name.endswith(ending) and not name.startswith("."):
                found.setdefault(name, f"{folder}/{name}")
    return [found[name] for name in sorted(found)]


def matching(tree: Tree, nic: Nic) -> Iterator[tuple[str, tuple[Setting, ...], str]]:
    """The files that match an interface, in order: path, settings, and the hardware address it must have."""
    for path in files_in(tree, FOLDERS, ".network"):
        settings = tuple(_settings(tree, path))
        if not settings:
            continue  # empty, or a link to /dev/null: masked
        if _matches(settings, nic):
            yield path, settings, " ".join(value for key in HARDWARE for value in words(settings, "Match", key))


def profiles(tree: Tree, nic: Nic) -> Iterator[Profile]:
    """Those for other cards, and the first that is for this one."""
    for path, settings, hardware in matching(tree, nic):
        static = [*values(settings, "Network", "Address"), *values(settings, "Address", "Address")]
        unmanaged = any(is_true(value) for value in values(settings, "Link", "Unmanaged"))
        problem = "leaves it unmanaged" if unmanaged else ""
        yield Profile("systemd-networkd", path, _asks(settings), " ".join(static[:1]), hardware, problem)
        if not hardware:
            return


def managed_by(tree: Tree, nic: Nic) -> str:
    """The file by which networkd takes hold of an interface; empty where it leaves it alone."""
    for path, settings, hardware in matching(tree, nic):
        if not hardware:
            return "" if any(is_true(value) for value in values(settings, "Link", "Unmanaged")) else path
    return ""


def releases(tree: Tree, nic: Nic) -> bool:
    """Whether a file that sorts before what netplan writes leaves an interface alone."""
    for path, settings, _ in matching(tree, nic):
        if path.rpartition("/")[2] < OF_NETPLAN and any(
            is_true(value) for value in values(settings, "Link", "Unmanaged")
        ):
            return True
    return False


def in_the_way(tree: Tree, nic: Nic, name: str) -> str:
    """The file without DHCP that networkd takes instead of one of a name that is written later; empty for none."""
    first = next(((path, settings) for path, settings, hardware in matching(tree, nic) if not hardware), None)
    if first is None or first[0].rpartition("/")[2] >= name:
        return ""
    return "" if _asks(first[1]) else first[0]


def _asks(settings: tuple[Setting, ...]) -> bool:
    """Whether a file has networkd ask by DHCP for an address of IPv4."""
    wanted = values(settings, "Network", "DHCP")[-1:]
    is_unmanaged = any(is_true(value) for value in values(settings, "Link", "Unmanaged"))
    return any(is_true(word) or word in ("ipv4", "both") for word in wanted) and not is_unmanaged


def _settings(tree: Tree, path: str) -> Iterator[Setting]:
    name = path.rpartition("/")[2]
    for each in (path, *files_in(tree, tuple(f"{folder}/{name}.d" for folder in FOLDERS), ".conf")):
        yield from read_unit(tree.text(each) or "")


def _matches(settings: tuple[Setting, ...], nic: Nic) -> bool:
    """Whether [Match] holds, hardware addresses left aside. What depends on another machine does not hold."""
    keys = {setting.name for setting in settings if setting.section == "Match"} - set(HARDWARE)
    return all(_holds(key, words(settings, "Match", key), nic) for key in keys)


def _holds(key: str, patterns: tuple[str, ...], nic: Nic) -> bool:
    if not patterns:
        return True
    if patterns[0].startswith("!"):
        return not _holds(key, (patterns[0][1:], *patterns[1:]), nic)
    if key in ("Name", "OriginalName"):
        return fits(nic, patterns)
    if key == "Driver":
        return fits(nic, patterns, among="driver")
    known = {"Type": ("ether",), "Virtualization": VIRTUALIZATION, "Property": tuple(nic.properties)}
    return any(fits(Nic((value,), ""), patterns) for value in known.get(key, ()))
