"""Whether a firewall's rules, as they lie in files, let a packet through: each rule fits, does not, or perhaps.

iptables' and nftables' words both become a Step; a walk over the chains ends at the first verdict that is certain. What
only perhaps fits is passed over, unless it accepts: so "blocked" is said of what is certainly blocked.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

ACCEPTED, BLOCKED, RETURNED = "accept", "drop", "return"
MOST_STEPS: Final = 20_000
MOST_DEPTH: Final = 16
"""Chains within chains. Source: nftables' own limit."""
PROTOCOLS: Final = {"6": "tcp", "17": "udp"}
SERVICES: Final = {"22": "ssh", "80": "http", "53": "domain"}
"""The names that a port goes by. Source: services(5)."""


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection; `way` is in or out, `far` the other machine's address."""

    way: str
    far: str
    port: str
    protocol: str = "tcp"
    interface: str = "eth0"


@dataclass(frozen=True)
class Step:
    """A rule. `fits`: True, False, or None where it cannot be told; `to` a verdict, or a chain that begins here.

    A `to` of neither (a counter, a log) goes on; `is_goto`: it does not come back.
    """

    fits: bool | None
    to: str
    is_goto: bool = False


def verdict(chains: Mapping[str, Sequence[Step]], start: str, policy: str) -> str:
    """accept or drop: what becomes of a packet in a chain, its policy where no rule ends it."""
    ended = _walk(chains, start, [MOST_STEPS], 0)
    return policy if ended in (RETURNED, "") else ended


def _walk(chains: Mapping[str, Sequence[Step]], name: str, left: list[int], depth: int) -> str:
    for step in chains.get(name, ()) if depth <= MOST_DEPTH else ():
        left[0] -= 1
        if left[0] < 0:
            return ACCEPTED
        ended = step.to
        if step.fits is False:
            continue
        if step.to in chains:
            ended = _walk(chains, step.to, left, depth + 1)
            if ended in (RETURNED, "") and not step.is_goto:
                continue
        if ended == ACCEPTED or (step.fits and ended in (BLOCKED, RETURNED)):
            return ended
    return ""


def fits_port(word: str, port: str) -> bool | None:
    """Whether a port, its name, a range (20-25, 20:25) or a list of them holds a port."""
    answers: list[bool | None] = []
    for part in word.strip("{} ").replace(",", " ").split():
        low, sign, high = part.replace(":", "-").partition("-")
        if part in (port, SERVICES.get(port)):
            return True
        if sign and (low or "0").isdecimal() and (high or "65535").isdecimal() and len(part) < 12:
            answers.append(int(low or "0") <= int(port) <= int(high or "65535"))
        else:
            answers.append(False if part.isdecimal() or part.replace("-", "").isalnum() else None)
    return True if True in answers else None if None in answers or not answers else False


def fits_address(word: str, address: str) -> bool | None:
    """Whether an address, a network or a list of them holds an address; None where it is a name or any machine's."""
    answers: list[bool | None] = []
    for part in word.strip("{} ").replace(",", " ").split():
        try:
            network = ipaddress.ip_network(part, strict=False)
        except ValueError:
            answers.append(None)
            continue
        is_known = bool(address) or network.prefixlen == 0
        answers.append((not network.prefixlen or ipaddress.ip_address(address) in network) if is_known else None)
    return True if True in answers else None if None in answers or not answers else False


def fits_name(word: str, name: str) -> bool:
    """Whether an interface, or all that begin as it does (eth+, eth*), is one."""
    parts = word.strip("{} ").replace(",", " ").replace('"', "").split()
    return any(name.startswith(part[:-1]) if part[-1:] in "+*" else part == name for part in parts)


def both(one: bool | None, other: bool | None) -> bool | None:
    """Of two conditions of one rule."""
    return False if one is False or other is False else None if one is None or other is None else True


def opposite(fits: bool | None, *, is_negated: bool) -> bool | None:
    return fits if fits is None or not is_negated else not fits
