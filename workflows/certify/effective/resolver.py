"""Whether names would be resolved: nsswitch.conf, and who answers at the place that /etc/resolv.conf leads to.

Source: nsswitch.conf(5), resolv.conf(5), systemd-resolved.service(8), NetworkManager.conf(5) "rc-manager".
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from flight.workflows.kit.text import quoted

if TYPE_CHECKING:
    from flight.workflows.certify.image import Image

RESOLVED: Final = "systemd-resolved.service"
KEEPERS: Final = {
    "/run/systemd/resolve/": (RESOLVED,),
    "/run/NetworkManager/": ("NetworkManager.service",),
    "/run/resolvconf/": ("resolvconf.service",),
    "/run/connman/": ("connman.service",),
    "/run/netconfig/": ("wicked.service", "NetworkManager.service"),
}
"""Who writes what /etc/resolv.conf leads to."""
MOST_LINE: Final = 4096
WRITERS: Final = (
    "NetworkManager.service", "networking.service", RESOLVED, "resolvconf.service", "wicked.service", "network.service",
    "dhcpcd.service",
)  # fmt: skip
"""Who writes /etc/resolv.conf where it is empty; systemd-networkd does not."""
STUBS: Final = {
    "127.0.0.53": (RESOLVED,),
    "127.0.0.54": (RESOLVED,),
    "127.0.0.1": ("dnsmasq.service", "unbound.service", "named.service", "bind9.service"),
}
"""Addresses of this machine, and who answers there."""
WITHOUT_DNS: Final = ("files", "db", "compat", "myhostname", "mymachines")
"""Services that say of a name of the network that there is none."""
ACTION: Final = re.compile(r"(!?)\s*([a-z]+)\s*=\s*([a-z]+)")


def trouble_of(image: Image) -> tuple[str, str]:
    """(why names are not resolved, what was seen), the first empty where they are."""
    hosts = _hosts(image.tree.text("/etc/nsswitch.conf") or "")
    has_resolved = image.units.is_enabled(RESOLVED)
    asked = _asked(hosts, has_resolved=has_resolved)
    if hosts and not asked:
        return f"/etc/nsswitch.conf has 'hosts: {quoted(' '.join(hosts))}'", ""
    if asked == "resolve":
        return "", "systemd-resolved"
    link = image.tree.lentry("/etc/resolv.conf")
    if link is not None and link.kind == "l":
        return _of_link(image, posixpath.normpath(posixpath.join("/etc", link.target)))
    return _of_file(image)


def _hosts(text: str) -> tuple[str, ...]:
    """The services of the hosts line and what is in brackets behind them; empty where the default holds."""
    for line in text.split("\n"):
        name, sign, rest = line.partition("#")[0][:MOST_LINE].partition(":")
        if sign and name.strip() == "hosts":
            return tuple(re.findall(r"\[[^]]*\]?|[^\s\[]+", rest))
    return ()


def _asked(hosts: tuple[str, ...], *, has_resolved: bool) -> str:
    """The first service that would find a name of the network: dns or resolve; empty where none is come to."""
    said = ""
    for word in hosts:
        if word.startswith("["):
            if said and _returns(word, said):
                return ""
        elif word == "dns" or (word == "resolve" and has_resolved):
            return word
        else:
            said = "unavail" if word == "resolve" else "notfound" if word in WITHOUT_DNS else ""
    return ""


def _returns(actions: str, status: str) -> bool:
    """Whether what is in brackets ends the search at a status; the last action that speaks of it counts."""
    found = False
    for negated, name, action in ACTION.findall(actions.lower()):
        if (name == status) is not bool(negated):
            found = action == "return"
    return found


def _of_link(image: Image, target: str) -> tuple[str, str]:
    target = target.replace("/var/run/", "/run/")
    for folder, units in KEEPERS.items():
        if target.startswith(folder):
            name = image.units.first_enabled(*units)
            seen = f"/etc/resolv.conf leads to {quoted(target)}"
            return ("", f"{seen}, of {name}") if name else (f"{seen}, and {units[0]} does not start", "")
    if target.startswith("/run/"):
        return f"/etc/resolv.conf leads to {quoted(target)}, which nothing that is known writes", ""
    return _of_file(image) if image.tree.is_file(target) else (f"/etc/resolv.conf leads nowhere ({quoted(target)})", "")


def _of_file(image: Image) -> tuple[str, str]:
    rows = [line.split() for line in (image.tree.text("/etc/resolv.conf") or "").split("\n")]
    servers = [row[1] for row in rows if row[:1] == ["nameserver"] and len(row) > 1]
    stub = next((server for server in servers if server in STUBS), "")
    if stub and len(servers) == 1 and not image.units.first_enabled(*STUBS[stub]):
        return f"/etc/resolv.conf has nameserver {stub}, where nothing answers", ""
    if servers:
        return "", f"nameserver {quoted(servers[0])}"
    writer = image.units.first_enabled(*WRITERS)
    return (
        ("", f"{writer} writes /etc/resolv.conf")
        if writer
        else ("nothing that starts would write /etc/resolv.conf", "")
    )
