"""NetworkManager: its keyfiles, what it leaves alone, and what it makes up for an interface that no file names.

Source: nm-settings-keyfile(5), NetworkManager.conf(5).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Final

from flight.workflows.certify.effective.networkd import files_in
from flight.workflows.certify.effective.profile import Nic, Profile, fits, is_true
from flight.workflows.certify.effective.unitfiles import Setting, read_unit
from flight.workflows.certify.tree import Tree

KEYFILES: Final = ("/etc/NetworkManager/system-connections", "/usr/lib/NetworkManager/system-connections")
MAIN: Final = "/etc/NetworkManager/NetworkManager.conf"
FOLDERS: Final = ("/etc/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d")
ETHERNET: Final = ("ethernet", "802-3-ethernet", "wired")


def profiles(tree: Tree, nic: Nic) -> Iterator[Profile]:
    """The connections for an interface; one that may start on any card counts, ones of other kinds do not."""
    for path in files_in(tree, KEYFILES, ".nmconnection"):
        own = {(setting.section, setting.name): setting.value for setting in read_unit(tree.text(path) or "")}
        if own.get(("connection", "type"), "ethernet") not in ETHERNET or not _is_for(own, nic):
            continue
        hardware = _first(own, "mac-address")
        method = own.get(("ipv4", "method"), "auto")
        static = next((own[key] for key in sorted(own) if key[0] == "ipv4" and key[1].startswith("address")), "")
        problem = "" if is_true(own.get(("connection", "autoconnect"), "true")) else "it does not connect by itself"
        yield Profile(
            "NetworkManager", path, method == "auto", static if method == "manual" else "", hardware,
            problem or _refused(tree, path),
        )  # fmt: skip


def _is_for(own: dict[tuple[str, str], str], nic: Nic) -> bool:
    name = own.get(("connection", "interface-name"), "")
    patterns = [word for word in own.get(("match", "interface-name"), "").replace(",", ";").split(";") if word]
    drivers = [word for word in own.get(("match", "driver"), "").replace(",", ";").split(";") if word]
    return (
        (not name or name in nic.names)
        and (not patterns or fits(nic, patterns))
        and (not drivers or fits(nic, drivers, among="driver"))
    )


def _first(own: dict[tuple[str, str], str], key: str) -> str:
    return next((own[section, key] for section in ETHERNET if (section, key) in own), "")


def _refused(tree: Tree, path: str) -> str:
    """Why NetworkManager would not read a keyfile in /etc: it may hold secrets, so nobody else may read it."""
    entry = tree.entry(path)
    if entry is None or not path.startswith("/etc/"):
        return ""
    return f"its mode is {entry.mode:04o}, not 0600" if entry.mode & 0o077 or entry.uid else ""


def configuration(tree: Tree) -> tuple[Setting, ...]:
    """NetworkManager.conf with its folders, in the order of reading: later settings win."""
    ours = {path.rpartition("/")[2]: path for path in files_in(tree, FOLDERS, ".conf")}
    paths = sorted(ours.values(), key=lambda path: (path.startswith("/etc/"), path.rpartition("/")[2]))
    vendor = [path for path in paths if not path.startswith("/etc/")]
    own = [path for path in paths if path.startswith("/etc/")]
    return tuple(setting for path in (*vendor, MAIN, *own) for setting in read_unit(tree.text(path) or ""))


def value_of(tree: Tree, section: str, name: str) -> str:
    """A setting of the configuration; `name+=` adds to it."""
    value = ""
    for setting in configuration(tree):
        if setting.section == section and setting.name == name:
            value = setting.value
        elif setting.section == section and setting.name == f"{name}+":
            value = f"{value};{setting.value}"
    return value


def leaves_alone(tree: Tree, nic: Nic) -> bool:
    """Whether `unmanaged-devices` names the interface."""
    is_unmanaged = False
    for word in value_of(tree, "keyfile", "unmanaged-devices").replace(",", ";").split(";"):
        negated, word = word.strip().startswith("except:"), word.strip().removeprefix("except:")
        kind, sign, pattern = word.partition(":")
        if not sign:
            kind, pattern = "interface-name", word
        values = {"interface-name": nic.names, "driver": (nic.driver,), "type": ("ethernet",)}.get(kind, ())
        if any(fnmatch.fnmatchcase(value, pattern.lstrip("=~")) for value in values if pattern):
            if negated:
                return False
            is_unmanaged = True
    return is_unmanaged


def makes_its_own(tree: Tree, nic: Nic) -> bool:
    """Whether it makes up a connection by DHCP for an interface that no file names."""
    words = value_of(tree, "main", "no-auto-default").replace(",", ";").split(";")
    return not any(fits(nic, [word.strip()]) for word in words if word.strip())
