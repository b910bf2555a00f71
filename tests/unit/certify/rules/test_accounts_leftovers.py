"""Logs, kickstarts, jobs: a real disk with one thing left on it each."""

from __future__ import annotations

from typing import Any

import pytest
from eltree import el
from trees import DEBIAN, ask, changed

from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules.accounts import leftovers
from flight.workflows.certify.tree import Entry

RULES = [value.id for value in vars(leftovers).values() if isinstance(value, Rule)]
HASH = "$6$saltsalt$" + "aB3" * 28 + "xy"


def file(path: str, text: str = "x") -> dict[str, Any]:
    return {"files": {path: text}}


CASES = {
    "logs: compressed": ("logs-clean", file("/var/log/dpkg.log.2.gz"), "fail", "dpkg.log.2.gz"),
    "logs: rotated": ("logs-clean", file("/var/log/apt/history.log.1"), "fail", "history.log.1"),
    "logs: rotated by date": ("logs-clean", file("/var/log/messages-20260801"), "fail", "messages-"),
    "logs: of the installer": ("logs-clean", file("/var/log/anaconda/journal.log"), "fail", "anaconda"),
    "logs: of Debian's installer": ("logs-clean", file("/var/log/installer/syslog"), "fail", "installer"),
    "logs: of a machine that ran": ("logs-clean", file("/var/log/auth.log"), "fail", "auth.log"),
    "logs: who logged in": ("logs-clean", {"entries": {"/var/log/wtmp": Entry("f", size=384)}}, "fail", "wtmp"),
    "logs: a journal": (
        "logs-clean", {"entries": {"/var/log/journal/abc/system.journal": Entry("f", size=8 << 20)}}, "fail", "journal",
    ),
    "logs: what installing wrote": ("logs-clean", file("/var/log/dpkg.log"), "pass", "none"),
    "logs: empty": ("logs-clean", file("/var/log/auth.log", ""), "pass", "none"),
    "logs: a kickstart": ("logs-clean", file("/root/anaconda-ks.cfg", "lang en_US\n"), "fail", "anaconda-ks.cfg"),
    "logs: a kickstart with a hash": (
        "logs-clean", file("/root/anaconda-ks.cfg", f"rootpw --iscrypted {HASH}\n"), "fail as blocker", "hash in /root",
    ),
    "logs: a kickstart with a password": (
        "logs-clean", file("/root/original-ks.cfg", "rootpw --plaintext geheim7\n"), "fail as blocker", "plain text in /root",
    ),
    "logs: a token in one": (
        "logs-clean", file("/var/log/build.log", "token gh" + "p_" + "aB3dE5gH7j" * 4 + "\n"), "fail as blocker", "GitHub",
    ),
    "jobs: one": ("cron-foreign", file("/etc/cron.d/update"), "fail", "/etc/cron.d/update"),
    "jobs: root's": ("cron-foreign", file("/var/spool/cron/crontabs/root"), "fail", "crontabs/root"),
    "jobs: a link": ("cron-foreign", {"links": {"/etc/cron.daily/x": "/opt/x"}}, "fail", "/etc/cron.daily/x"),
    "jobs: a package's": ("cron-foreign", {"entries": {"/etc/cron.d/x": Entry("f", size=1, owner="x")}}, "pass", "none"),
    "jobs: a folder's placeholder": ("cron-foreign", file("/etc/cron.d/.placeholder"), "pass", "none"),
    "jobs: nobody knows whose": ("cron-foreign", {"package_format": ""}, "unknown", "package database"),
    "defender: onboarded": (
        "no-preinstalled-mdatp", file("/etc/opt/microsoft/mdatp/mdatp_onboard.json", "{}"), "fail", "onboard.json",
    ),
    "defender: installed": ("no-preinstalled-mdatp", {"packages": {"mdatp": "101.2"}}, "pass", "not onboarded"),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_real_disk_passes(rule: str) -> None:
    assert ask(rule, DEBIAN).status == "pass"


@pytest.mark.parametrize("release", [8, 9, 10])
@pytest.mark.parametrize("rule", RULES)
def test_enterprise_linux_passes(rule: str, release: int) -> None:
    assert ask(rule, el(release)).status == "pass"


@pytest.mark.parametrize(("rule", "change", "outcome", "words"), CASES.values(), ids=CASES)
def test_one_thing_left(rule: str, change: dict[str, Any], outcome: str, words: str) -> None:
    said = ask(rule, changed(DEBIAN, **change))
    assert said.status + (f" as {said.severity}" if said.severity else "") == outcome, said
    assert words in said.seen


def test_a_job_of_enterprise_linux_is_told() -> None:
    assert ask("cron-foreign", changed(el(9), files={"/var/spool/cron/root": "* * * * * x\n"})).status == "fail"
