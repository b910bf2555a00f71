"""nftables' own files: tables, chains on a hook with their policy, rules. Source: nft(8)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
    verdict,
)
from flight.workflows.certify.tree import Tree

TOKEN: Final = re.compile(r'"[^"\n]*"|[{};\n]|==|!=|[^\s{};"=!]+|[=!]')
MOST_FILES: Final = 64
MOST_TOKENS: Final = 200_000
MOST_VALUE, MOST_LINE = 256, 4096
"""Characters of a defined value, and of a line."""
VERDICTS: Final = {"accept": ACCEPTED, "drop": BLOCKED, "reject": BLOCKED, "return": RETURNED}
HOOK: Final = re.compile(r"type filter hook (input|output)\b")
DEFINED: Final = re.compile(r"^[ \t]*define[ \t]+(\w+)[ \t]*=[ \t]*([^\n;]*)", re.MULTILINE)
INCLUDED: Final = re.compile(r'^[ \t]*include[ \t]+"([^"\n]*)"', re.MULTILINE)
FAMILIES: Final = ("inet", "ip", "ip6", "arp", "bridge", "netdev")
STATES: Final = ("new",)


@dataclass
class Chain:
    """`hook`: input or output, empty for one that others jump to; each rule is its words."""

    hook: str = ""
    policy: str = ACCEPTED
    rules: list[list[str]] = field(default_factory=list)


def blocks(tree: Tree, path: str, packet: Packet) -> bool:
    """Whether the ruleset of a file certainly does not let a packet through: one chain on its hook is enough."""
    hook = "input" if packet.way == "in" else "output"
    for chains in read_tables(_text(tree, path, [MOST_FILES])).values():
        steps = {name: [_step(rule, packet) for rule in chain.rules] for name, chain in chains.items()}
        for name, chain in chains.items():
            if chain.hook == hook and verdict(steps, name, chain.policy) == BLOCKED:
                return True
    return False


def _text(tree: Tree, path: str, left: list[int]) -> str:
    """A file without comments, with what it includes put in its place."""
    left[0] -= 1
    if left[0] < 0:
        return ""
    lines = (
        re.sub(r"^((?:[^\"#]|\"[^\"]*\")*)#.*", r"\1", line[:MOST_LINE]) for line in (tree.text(path) or "").split("\n")
    )
    text = "\n".join(lines).replace("\\\n", " ")

    def included(found: re.Match[str]) -> str:
        pattern = found[1] if found[1].startswith("/") else f"/etc/{found[1]}"
        return "\n".join(_text(tree, each, left) for each in tree.glob(pattern))

    return INCLUDED.sub(included, text)


def read_tables(text: str) -> Mapping[str, dict[str, Chain]]:
    """The chains of each table, of the families that a packet of IPv4 passes."""
    defined = {name: value.strip()[:MOST_VALUE] for name, value in DEFINED.findall(text)}
    text = re.sub(r"\$(\w+)", lambda found: defined.get(found[1], found[0]), DEFINED.sub("", text))
    tables: dict[str, dict[str, Chain]] = {}
    for path, words in _statements([found[0] for found in TOKEN.finditer(text[: 1 << 20])][:MOST_TOKENS]):
        if path and path[0][:1] == ("flush",):
            continue
        if words[:2] == ["flush", "ruleset"]:
            tables.clear()
        if len(path) != 2 or path[0][:1] != ("table",) or path[1][:1] != ("chain",):
            continue
        family = path[0][1] if path[0][1:2] and path[0][1] in FAMILIES else "ip"
        if family in ("ip", "inet"):
            chain = tables.setdefault(" ".join(path[0]), {}).setdefault(path[1][-1], Chain())
            _add(chain, words)
    return tables


def _add(chain: Chain, words: list[str]) -> None:
    if hook := HOOK.match(" ".join(words)):
        chain.hook = hook[1]
    elif words[:1] == ["policy"]:
        chain.policy = VERDICTS.get(words[-1], ACCEPTED)
    else:
        chain.rules.append(words)


def _statements(tokens: list[str]) -> Iterator[tuple[list[tuple[str, ...]], list[str]]]:
    """(the blocks that are open, the words of one statement); a set in braces is one word."""
    path: list[tuple[str, ...]] = []
    words: list[str] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        place += 1
        is_block = token == "{" and words[:1] and words[0] in ("table", "chain", "set", "map", "flowtable", "counter")
        if token == "{" and not is_block:
            end = next((at for at in range(place, len(tokens)) if tokens[at] == "}"), len(tokens))
            words.append("{" + " ".join(word for word in tokens[place:end] if word.strip()) + "}")
            place = end + 1
        elif is_block:
            path.append(tuple(words))
            words = []
        elif token in ("}", ";", "\n"):
            if words:
                yield path, words
            words = []
            path = path[:-1] if token == "}" else path
        else:
            words.append(token)
    if words:
        yield path, words


def _step(words: list[str], packet: Packet) -> Step:
    """A rule for a packet. What is not known of it makes it a perhaps."""
    fits: bool | None = True
    place = 0
    while place < len(words):
        word = words[place]
        if word in VERDICTS:
            return Step(fits, VERDICTS[word])
        if word in ("jump", "goto"):
            return Step(fits, "".join(words[place + 1 : place + 2]), word == "goto")
        if "vmap" in words[place : place + 5]:
            return _mapped(words, place, fits, packet)
        taken, answer = _condition(words, place, packet)
        fits = both(fits, answer)
        place += taken
    return Step(fits, "")


def _mapped(words: list[str], place: int, fits: bool | None, packet: Packet) -> Step:
    """A condition that maps its values to verdicts, as `ct state vmap { new : jump x, established : accept }` does."""
    at = words.index("vmap", place)
    pair = " ".join(word for word in words[place:at] if word not in ("meta", "th"))
    for part in "".join(words[at + 1 : at + 2]).strip("{}").split(","):
        key, _, value = part.rpartition(":")
        holds = _holds(pair, key.strip(), packet)
        if holds is not False:
            to = value.split()
            return Step(both(fits, holds), VERDICTS.get(to[-1], to[-1]) if to else "", to[:1] == ["goto"])
    return Step(False, "")


def _condition(words: list[str], place: int, packet: Packet) -> tuple[int, bool | None]:
    """How many words a condition has, and whether it holds."""
    first, second = words[place], "".join(words[place + 1 : place + 2])
    if first in ("counter", "log", "comment", "meta", "th") or first in ("prefix", "level", "name"):
        if first in ("meta", "th", "counter", "log"):
            return 1, True
        return 2, True
    if first.startswith(('"', "=")) and first != "==":
        return 1, True
    pair = (
        first if first in ("iif", "oif", "iifname", "oifname", "l4proto", "nfproto", "dport") else f"{first} {second}"
    )
    at = place + (1 if pair == first else 2)
    is_negated = words[at : at + 1] == ["!="]
    at += words[at : at + 1] in (["!="], ["=="])
    value = "".join(words[at : at + 1])
    answer = opposite(_holds(pair, value, packet), is_negated=is_negated)
    return max(1, at + 1 - place), answer


def _holds(pair: str, value: str, packet: Packet) -> bool | None:
    far, near = ("ip saddr", "ip daddr") if packet.way == "in" else ("ip daddr", "ip saddr")
    protocol, _, what = pair.partition(" ")
    parts = [PROTOCOLS.get(part, part) for part in value.strip("{} ").replace(",", " ").split()]
    if value.startswith(("@", "$")):
        return None
    if what == "dport" or pair == "dport":
        return fits_port(value, packet.port) if protocol in (packet.protocol, "dport") else False
    if pair in ("iif", "iifname", "oif", "oifname"):
        return pair.startswith("i" if packet.way == "in" else "o") and fits_name(value, packet.interface)
    if pair in (far, near):
        return fits_address(value, packet.far if pair == far else "")
    if pair in ("ip protocol", "l4proto"):
        return packet.protocol in parts
    if pair == "nfproto":
        return "ipv4" in parts
    if pair == "ct state":
        return any(state in parts for state in STATES)
    return False if protocol in ("icmp", "icmpv6", "ip6", "ether", "arp") else None
