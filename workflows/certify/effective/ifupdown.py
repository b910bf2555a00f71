"""ifupdown and those that read its files: interfaces(5) of Debian, ifcfg files of Enterprise Linux and SUSE.

Source: interfaces(5); nm-settings-ifcfg-rh(5); ifcfg(5) of wicked.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from flight.workflows.certify.effective.networkd import files_in
from flight.workflows.certify.effective.profile import Nic, Profile, fits
from flight.workflows.certify.tree import Tree
from flight.workflows.kit.text import quoted

INTERFACES: Final = "/etc/network/interfaces"
MOST_FILES: Final = 64
MOST_LINES: Final = 20_000
CLOUD_HELPER: Final = "cloud-ifupdown"
"""Debian's cloud images have a rule of udev that writes an interface's DHCP lines when it appears."""
UDEV: Final = ("/etc/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
STARTING: Final = ("auto", "allow-auto", "allow-hotplug")
SCRIPTS: Final = "/etc/sysconfig/network-scripts"
SUSE: Final = "/etc/sysconfig/network"
BY_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")
"""Names that `source-directory` takes (run-parts(8))."""


def profiles(tree: Tree, nic: Nic) -> Iterator[Profile]:
    """The stanzas of interfaces(5) that are started with the machine, of IPv4."""
    lines = list(islice(_lines(tree, INTERFACES, [MOST_FILES]), MOST_LINES))
    started = {word for _, (first, *rest) in lines if first in STARTING for word in rest}
    started = {name for name in nic.names if any(fnmatch.fnmatchcase(name, word.lstrip("/")) for word in started)}
    for number, (at, words) in enumerate(lines):
        if words[0] != "iface" or len(words) < 4 or words[2] != "inet" or not fits(nic, words[1:2]):
            continue
        own = dict(_stanza(lines[number + 1 :]))
        static = own.get("address", "a static address") if words[3] == "static" else ""
        hardware = own.get("hwaddress", "").removeprefix("ether").strip()
        problem = "" if started else f"no 'auto {nic.names[0]}' starts it"
        yield Profile("ifupdown", at, words[3] == "dhcp", static, hardware, problem)
    helper = next((path for path in files_in(tree, UDEV, ".rules") if CLOUD_HELPER in path), "")
    if helper:
        yield Profile("ifupdown", helper, is_dhcp=True)


def _stanza(lines: list[tuple[str, list[str]]]) -> Iterator[tuple[str, str]]:
    for _, words in lines:
        if words[0] in (*STARTING, "iface", "mapping", "rename", "no-auto-down", "no-scripts"):
            return
        yield words[0], " ".join(words[1:])


def _lines(tree: Tree, path: str, left: list[int]) -> Iterator[tuple[str, list[str]]]:
    """(file:line, words), files that are sourced put in where they are; `left` counts how many more are read."""
    left[0] -= 1
    for number, line in enumerate((tree.text(path) or "").replace("\\\n", " ").split("\n"), 1):
        if left[0] < 0:
            return
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] in ("source", "source-directory"):
            for each in _sourced(tree, words):
                yield from _lines(tree, each, left)
        else:
            yield f"{path}:{number}", words


def _sourced(tree: Tree, words: list[str]) -> Iterator[str]:
    for pattern in words[1:]:
        for found in tree.glob(pattern if pattern.startswith("/") else f"/etc/network/{pattern}"):
            if words[0] == "source":
                yield found
            else:
                yield from (f"{found}/{name}" for name in tree.names(found) if BY_NAME.fullmatch(name))


def assignments(text: str) -> dict[str, str]:
    """A shell's NAME=value lines, unquoted; the last of a name counts."""
    found = {}
    for line in text.split("\n"):
        name, sign, value = line.strip().partition("=")
        if sign and not name.startswith("#"):
            try:
                found[name.strip()] = " ".join(shlex.split(value, comments=True))
            except ValueError:
                found[name.strip()] = value.strip()
    return found


def ifcfg_files(tree: Tree, folder: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    for name in tree.names(folder):
        if name.startswith("ifcfg-") and not name.endswith(("~", ".bak", ".orig", ".rpmnew", ".rpmsave", ".rpmorig")):
            yield f"{folder}/{name}", assignments(tree.text(f"{folder}/{name}") or "")


def ifcfg_profiles(
    tree: Tree, nic: Nic, *, folder: str = SCRIPTS, manager: str = "NetworkManager"
) -> Iterator[Profile]:
    """The ifcfg files for an interface, or for any card of one hardware address."""
    for path, own in ifcfg_files(tree, folder):
        device = own.get("DEVICE", "" if folder == SCRIPTS else path.partition("ifcfg-")[2])
        hardware = own.get("HWADDR", own.get("LLADDR", "") if folder == SUSE else "")
        if own.get("TYPE", "Ethernet") != "Ethernet" or not (device in nic.names or (not device and hardware)):
            continue
        kind = own.get("BOOTPROTO", "none").lower()
        address = next((own[key] for key in ("IPADDR", "IPADDR0", "IPADDR1") if own.get(key)), "")
        is_dhcp = kind in ("dhcp", "bootp", "dhcp4")
        is_started = own.get("ONBOOT", "yes").lower() in ("yes", "true", "1")
        if folder == SUSE:
            is_started = own.get("STARTMODE", "manual").lower() in ("auto", "onboot", "hotplug", "boot", "nfsroot")
        problem = "" if is_started else "it is not started with the machine"
        yield Profile(manager, path, is_dhcp, "" if is_dhcp else address, hardware, problem)


def literal_faults(tree: Tree) -> list[str]:
    """What a search for letters misses in Enterprise Linux's two files. Source: LISA verify_ifcfg_eth0."""
    path = f"{SCRIPTS}/ifcfg-eth0"
    text = tree.text(path)
    if text is None:
        return [f"there is no {path}"]
    missing = [word for word in ("DEVICE=eth0", "BOOTPROTO=dhcp", "ONBOOT=yes") if word not in text]
    missing += [] if "UUID=" not in text else [f"no UUID={quoted(assignments(text).get('UUID', ''))}"]
    faults = [f"{path} lacks {', '.join(missing)}"] if missing else []
    if "NETWORKING=yes" not in (tree.text("/etc/sysconfig/network") or ""):
        faults.append("/etc/sysconfig/network lacks NETWORKING=yes")
    return faults
