"""What follows from the rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from trees import DEBIAN, changed

from flight.workflows.certify.certificate import judge
from flight.workflows.certify.certifying import Asked, generations_of, judge_snapshot
from flight.workflows.certify.facts import ESP, Container, Partition, PartitionTable, Snapshot
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, failed, passed, rule, unknown
from flight.workflows.certify.tree import NotTaken
from flight.workflows.recipe.values import Override

V2 = Asked(("V2",))
HISTORY = changed(DEBIAN, files={"/root/.bash_history": "ls\n"})
OVERRIDE = Override(("history-absent",), "Ann", "a demonstration")


def asking(outcome: Outcome, **more: str) -> object:
    words = {"severity": "blocker", "required": "r", "fix": "f", "source": "s", **more}
    return rule("a-rule", "A rule", **words)(lambda _image: outcome)  # type: ignore[arg-type]


def test_an_image_that_every_rule_is_content_with_is_certified() -> None:
    certificate = judge_snapshot(DEBIAN, V2)
    assert (certificate.verdict, certificate.exit_code, certificate.blocking) == ("certified", 0, ())
    assert certificate.system["os"].startswith("Debian GNU/Linux 13")


def test_one_blocker_is_enough() -> None:
    certificate = judge_snapshot(HISTORY, V2)
    assert (certificate.verdict, certificate.exit_code) == ("not certified", 1)
    assert [each.rule.id for each in certificate.blocking] == ["history-absent"]


def test_an_override_lets_its_rules_pass_and_is_named() -> None:
    certificate = judge_snapshot(HISTORY, replace(V2, overrides=(OVERRIDE,)))
    assert certificate.verdict == "certified"
    assert certificate.overrides == (OVERRIDE,)


def test_an_override_of_other_rules_changes_nothing() -> None:
    other = replace(OVERRIDE, rules=("sshd-alive",))
    certificate = judge_snapshot(HISTORY, replace(V2, overrides=(other,)))
    assert certificate.verdict == "not certified"
    assert certificate.overrides == ()


@pytest.mark.parametrize(
    ("outcome", "severity", "blocks"),
    [
        (passed("x"), "blocker", False),
        (failed("x"), "blocker", True),
        (failed("x"), "likely blocker", True),
        (failed("x"), "warning", False),
        (failed("x", severity="warning"), "blocker", False),
        (failed("x", severity="blocker"), "warning", True),
        (unknown("x"), "blocker", True),
        (unknown("x"), "warning", False),
    ],
)
def test_what_could_not_be_decided_weighs_as_a_failure(outcome: Outcome, severity: str, blocks: bool) -> None:
    (judged,) = judge(Image(DEBIAN), [asking(outcome, severity=severity)])  # type: ignore[list-item]
    assert judged.is_blocking == blocks


def test_a_rule_whose_file_was_not_taken_is_undecided() -> None:
    def check(_image: Image) -> Outcome:
        raise NotTaken("/etc/shadow")

    made = rule("a", "A", severity="blocker", required="r", fix="f", source="s")(check)
    outcome = made.ask(Image(DEBIAN))
    assert (outcome.status, "/etc/shadow" in outcome.seen) == ("unknown", True)


@pytest.mark.parametrize(
    ("only", "asked"),
    [
        ({"generation": "V1"}, False),
        ({"generation": "V2"}, True),
        ({"family": "el"}, False),
        ({"family": "debian"}, True),
        ({"machine": "aarch64"}, False),
        ({"claim": "nvme"}, False),
    ],
)
def test_a_rule_is_asked_of_whom_it_is_for(only: dict[str, str], asked: bool) -> None:
    (judged,) = judge(Image(DEBIAN, frozenset({"V2"})), [asking(failed("x"), **only)])  # type: ignore[list-item]
    assert (judged.status == "fail") == asked


def test_a_disk_that_nobody_saw_into_is_unusable_and_nothing_inside_passes() -> None:
    certificate = judge_snapshot(replace(Snapshot(DEBIAN.container, DEBIAN.table), unseen="it is encrypted"), V2)
    assert (certificate.verdict, certificate.exit_code) == ("unusable", 2)
    assert {each.rule.id[:4] for each in certificate.judged if each.status == "pass"} == {"vhd-"}


def test_a_file_of_another_format_is_not_certified_and_says_why() -> None:
    foreign = Snapshot(Container("a.qcow2", 5, "qcow2", ""), PartitionTable("none"), unseen="it is a qcow2 file")
    certificate = judge_snapshot(foreign, V2)
    assert (certificate.verdict, certificate.exit_code) == ("not certified", 1)
    assert "vhd-cookie" in {each.rule.id for each in certificate.blocking if each.status == "fail"}
    assert certificate.notes == ("nothing inside was looked at: it is a qcow2 file",)


def test_a_footer_that_is_wrong_around_a_disk_nobody_saw_into_is_not_called_a_verdict_on_it() -> None:
    text = Snapshot(Container("a.txt", 5, "raw", ""), PartitionTable("none"), unseen="it has no partition table")
    assert judge_snapshot(text, V2).exit_code == 2


@pytest.mark.parametrize(
    ("table", "generations"),
    [
        (DEBIAN.table, ("V1", "V2")),
        (PartitionTable("mbr", (Partition(1, "0x83", 2048, 9),), has_boot_code=True), ("V1",)),
        (PartitionTable("gpt", (Partition(1, ESP, 2048, 9),)), ("V2",)),
        (PartitionTable("mbr", (Partition(1, "0xef", 2048, 9),)), ("V2",)),
        (PartitionTable("mbr", (Partition(1, "0x83", 2048, 9),)), ("V1",)),
        (PartitionTable("gpt"), ("V2",)),
    ],
)
def test_the_generations_follow_from_how_the_disk_can_start(
    table: PartitionTable, generations: tuple[str, ...]
) -> None:
    assert generations_of(replace(DEBIAN, table=table)) == generations


def test_what_is_left_out_is_not_asked() -> None:
    ids = {each.id for each in Asked().rules}
    without = {each.id for each in Asked(without=("owners",)).rules}
    assert {"setuid-unowned", "world-writable-unowned"} == ids - without
