"""What holds for every rule: it has its place and its words, and no disk brings it down."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from trees import DEBIAN, changed, el

from flight.workflows.certify.facts import Container, PartitionTable, Snapshot
from flight.workflows.certify.image import CLAIMS, Image
from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules import MODULES, RULES, rules_in
from flight.workflows.certify.tree import Entry, Tree

IDS = [rule.id for rule in RULES]
JUNK = bytes(range(256)) * 40
EMPTY = Snapshot(Container("a.vhd", 0, "raw", ""), PartitionTable("none"))
BOTH = frozenset({"V1", "V2"})


def filled(content: bytes) -> Snapshot:
    """Every file whose content is known holds this instead."""
    contents = dict.fromkeys(DEBIAN.tree.contents, content)
    entries = {
        path: entry._replace(size=len(content)) if path in contents else entry
        for path, entry in DEBIAN.tree.entries.items()
    }
    return replace(DEBIAN, tree=Tree(entries, contents), heads={path: content for path in DEBIAN.heads})


def instead(entry: Entry) -> Snapshot:
    """Everything whose content is known is something else: a folder, a pipe, a link to itself."""
    entries = {path: entry if path in DEBIAN.tree.contents else old for path, old in DEBIAN.tree.entries.items()}
    return replace(DEBIAN, tree=Tree(entries, {}))


TERROR = ("/etc/cron.d/\x1b]0;x\x07\n\udcff", "/root/.\nhistory", "/etc/ssh/sshd_config.d/\n.conf")
HOSTILE = {
    "an empty tree": EMPTY,
    "no contents": replace(DEBIAN, tree=Tree(DEBIAN.tree.entries, {})),
    "junk": filled(JUNK),
    "one endless line": filled(b"a" * (1 << 20)),
    "brackets": filled(b"[{(\"'" * 5000),
    "sections": filled(b"[a]\n<zone>\n{{{{\n- - - -\nMatch\nInclude /etc/ssh/*\n\\\n" * 50),
    "folders": instead(Entry("d")),
    "pipes": instead(Entry("p")),
    "devices": instead(Entry("c")),
    "links in a ring": instead(Entry("l", target="/etc/passwd")),
    "names of terror": changed(DEBIAN, files=dict.fromkeys(TERROR, "x")),
    "no packages": replace(DEBIAN, packages=(), package_format=""),
    "no filesystems": replace(DEBIAN, filesystems=(), table=PartitionTable("none", problem="gone")),
    "no footer": replace(DEBIAN, container=Container("a.vhd", 5, "raw", "00")),
}  # fmt: skip


def test_no_two_rules_have_one_name() -> None:
    assert len(set(IDS)) == len(IDS)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in IDS)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_says_what_who_and_what_to_do(rule: Rule) -> None:
    for words in (rule.title, rule.required, rule.fix, rule.source):
        assert words == words.strip() and len(words) > 3, words
        assert "\n" not in words
    assert not rule.title.endswith(".")
    assert not rule.claim or rule.claim in CLAIMS


def test_every_module_holds_rules() -> None:
    assert [module.__name__ for module in MODULES if not rules_in(module)] == []


@pytest.mark.parametrize("snapshot", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("claims", [frozenset[str](), frozenset(CLAIMS)], ids=["nothing claimed", "all claimed"])
def test_no_disk_brings_a_rule_down(snapshot: Snapshot, claims: frozenset[str]) -> None:
    image = Image(snapshot, BOTH, claims)
    for rule in RULES:
        outcome = rule.ask(image)
        assert outcome.seen, rule.id
        assert len(outcome.seen) < 4000, rule.id


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_real_debian_is_content_with_every_rule(rule: Rule) -> None:
    outcome = rule.ask(Image(DEBIAN, frozenset({"V2"})))
    assert outcome.status in ("pass", "not applicable") or (outcome.severity or rule.severity) == "info", outcome


@pytest.mark.parametrize("release", [8, 9, 10])
@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_made_enterprise_linux_is_content_with_every_rule(rule: Rule, release: int) -> None:
    outcome = rule.ask(Image(el(release), BOTH))
    if (rule.id, release) == ("python-version", 8):  # which has Python 3.6
        assert (outcome.status, rule.severity) == ("fail", "warning")
        return
    assert outcome.status in ("pass", "not applicable") or (outcome.severity or rule.severity) == "info", outcome
