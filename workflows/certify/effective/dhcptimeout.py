"""How long DHCP clients keep trying, where their configuration says so.

Source: dhclient.conf(5), "timeout"; nm-settings(5), "ipv4.dhcp-timeout".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from flight.workflows.certify.tree import Tree

DHCLIENT: Final = ("/etc/dhcp/dhclient.conf", "/etc/dhclient.conf", "/etc/dhcp/dhclient-*.conf", "/etc/dhclient-*.conf")
MANAGER: Final = (
    "/usr/lib/NetworkManager/conf.d/*.conf",
    "/etc/NetworkManager/NetworkManager.conf",
    "/etc/NetworkManager/conf.d/*.conf",
    "/etc/NetworkManager/system-connections/*",
    "/etc/sysconfig/network-scripts/ifcfg-*",
)
OF_DHCLIENT: Final = re.compile(r"(?:^|[\s;{}])timeout\s+(\d{1,9})\s*;")
OF_MANAGER: Final = re.compile(r"^\s*(?:ipv4\.dhcp-timeout|dhcp-timeout|IPV4_DHCP_TIMEOUT)\s*=\s*\"?(\d{1,10})\b")
USUAL: Final = 0
"""NetworkManager's word for its own default."""


class Timeout(NamedTuple):
    seconds: int
    where: str


def timeouts(tree: Tree) -> Iterator[Timeout]:
    """Every timeout that is set, in seconds. Raises NotTaken."""
    for path in _files(tree, DHCLIENT):
        for number, line in enumerate(tree.lines(path), 1):
            for found in OF_DHCLIENT.findall(line.partition("#")[0]):
                yield Timeout(int(found), f"{path}:{number}")
    for path in _files(tree, MANAGER):
        for number, line in enumerate(tree.lines(path), 1):
            match = OF_MANAGER.match(line)
            if match and int(match[1]) != USUAL:
                yield Timeout(int(match[1]), f"{path}:{number}")


def _files(tree: Tree, patterns: tuple[str, ...]) -> list[str]:
    return [path for pattern in patterns for path in tree.glob(pattern) if tree.is_file(path)]
