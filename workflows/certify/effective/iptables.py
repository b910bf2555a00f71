"""What iptables-save wrote: chains of rules. ufw's files have the same form. Source: iptables(8), iptables-extensions(8)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final

from flight.workflows.certify.effective.packets import (
    ACCEPTED,
    BLOCKED,
    PROTOCOLS,
    RETURNED,
    Packet,
    Step,
    both,
    fits_address,
    fits_name,
    fits_port,
    opposite,
)

VERDICTS: Final = {"ACCEPT": ACCEPTED, "DROP": BLOCKED, "REJECT": BLOCKED, "RETURN": RETURNED}
WITHOUT_A_WORD: Final = (
    "-m",
    "--match",
    "--comment",
    "--reject-with",
    "--log-prefix",
    "--log-level",
    "-c",
    "--set-counters",
)
"""Options whose word says nothing of a packet."""


def read_rules(text: str, packet: Packet) -> tuple[Mapping[str, list[Step]], Mapping[str, str]]:
    """The chains of the table `filter` as far as they concern a packet, and the policies of those that have one."""
    chains: dict[str, list[Step]] = {}
    policies: dict[str, str] = {}
    table = "filter"
    for line in text.split("\n"):
        line = line.strip()
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":") and table == "filter":
            name, policy, *_ = (*line[1:].split(), "-", "-")
            chains.setdefault(name, [])
            policies[name] = VERDICTS.get(policy, "")
        elif line.startswith(("-A ", "-I ", "--append ")) and table == "filter":
            words = _words(line)
            place = 0 if line.startswith("-I") else len(chains.get(words[1], ()))
            chains.setdefault(words[1], []).insert(place, _step(words[2:], packet))
    return chains, policies


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    return [*words, "", ""][: max(2, len(words))]


def _step(words: list[str], packet: Packet) -> Step:
    fits: bool | None = True
    to, is_goto, is_negated, place = "", False, False, 0
    while place < len(words):
        option, value = words[place], words[place + 1] if place + 1 < len(words) else ""
        place += 1
        if option == "!":
            is_negated = True
            continue
        if option in ("-j", "--jump", "-g", "--goto"):
            to, is_goto = VERDICTS.get(value, value), option in ("-g", "--goto")
        elif option not in WITHOUT_A_WORD and option.startswith("-"):
            fits = both(fits, opposite(_fits(option, value, packet), is_negated=is_negated))
        is_negated = False
    return Step(fits, to, is_goto)


def _fits(option: str, value: str, packet: Packet) -> bool | None:
    far, near = ("-s", "-d") if packet.way == "in" else ("-d", "-s")
    long = {"--source": "-s", "--src": "-s", "--destination": "-d", "--dst": "-d", "--in-interface": "-i",
            "--out-interface": "-o", "--protocol": "-p", "--dports": "--dport", "--destination-port": "--dport",
            "--state": "--ctstate", "--sports": "--sport", "--ports": "--dport"}  # fmt: skip
    option = long.get(option, option)
    if option == "-p":
        return PROTOCOLS.get(value, value).lower() in (packet.protocol, "all", "0")
    if option == "--dport":
        return fits_port(value, packet.port)
    if option == "--sport":
        return None
    if option in ("-i", "-o"):
        return (option == "-i") == (packet.way == "in") and fits_name(value, packet.interface)
    if option in (far, near):
        return fits_address(value, packet.far if option == far else "")
    if option == "--ctstate":
        return "NEW" in value.upper().split(",")
    return False if option in ("--icmp-type", "--icmpv6-type") else None
