"""SSH: a real disk, and Enterprise Linux made here, with one thing wrong each."""

from __future__ import annotations

from typing import Any

import pytest
from eltree import el
from trees import DEBIAN, ask, changed

from flight.workflows.certify.tree import Entry

MAIN = "/etc/ssh/sshd_config"
DROP_IN = "/etc/ssh/sshd_config.d/50-cloudimg-settings.conf"
TEXT = DEBIAN.tree.text(MAIN) or ""
ALIVE = "ClientAliveInterval"
WANTS = "/etc/systemd/system/multi-user.target.wants/ssh.service"


def alive(value: str) -> dict[str, Any]:
    return {"files": {MAIN: TEXT.replace(f"{ALIVE} 180", f"{ALIVE} {value}")}}


def included(value: str) -> dict[str, Any]:
    return {"files": {DROP_IN: f"{ALIVE} {value}\n"}}


DROPPED_IN = "/etc/systemd/system/ssh.service.d/own.conf"


def dropped_in(*lines: str) -> dict[str, Any]:
    return {"files": {DROPPED_IN: "\n".join(["[Service]", *lines, ""])}}


def listening(*addresses: str) -> dict[str, Any]:
    return {"files": {MAIN: "".join(f"ListenAddress {each}\n" for each in addresses) + TEXT}}


CASES = {
    "not-executable": ("sshd-enabled", {"entries": {"/usr/sbin/sshd": Entry("f", 0o644, size=9)}}, "fail", "0644"),
    "another-program": ("sshd-enabled", dropped_in("ExecStart=", "ExecStart=/bin/true"), "fail", "runs /bin/true"),
    "two-programs": ("sshd-enabled", dropped_in("ExecStart=/usr/sbin/sshd -D"), "fail", "2 commands"),
    "by-a-shell": ("sshd-enabled", dropped_in("ExecStart=", "ExecStart=-/bin/sh -c 'exec /usr/sbin/sshd -D'"), "pass", "is en"),
    "an-unknown-word": ("sshd-enabled", {"files": {MAIN: f"{TEXT}\nNotAKeyword yes\n"}}, "fail", "no OpenSSH knows"),
    "an-old-word": ("sshd-enabled", {"files": {MAIN: f"{TEXT}\nRSAAuthentication yes\n"}}, "pass", "is enabled"),
    "only-for-itself": ("sshd-enabled", listening("127.0.0.1", "::1"), "fail", "127.0.0.1 alone"),
    "for-others-too": ("sshd-enabled", listening("[::1]:22", "0.0.0.0"), "pass", ""),
    "by-the-unit-s-option": (
        "sshd-alive",
        dropped_in("ExecStart=", f"ExecStart=/usr/sbin/sshd -D -o {ALIVE}=9999"),
        "fail",
        "9999 in ssh.service",
    ),
    "by-the-unit-s-file": (
        "sshd-alive",
        {"files": {DROPPED_IN: "[Service]\nExecStart=\nExecStart=/usr/sbin/sshd -Df /etc/ssh/other\n",
                   "/etc/ssh/other": f"{ALIVE} 9\n"}},
        "fail",
        "9 in /etc/ssh/other:1",
    ),
    "by-the-unit-s-variable": (
        "sshd-alive",
        {"files": {DROPPED_IN: f"[Service]\nEnvironment=SSHD_OPTS=-o{ALIVE}=9999\n", "/etc/default/ssh": None}},
        "fail",
        "9999 in ssh.service",
    ),
    "a-variable-that-a-file-takes-back": ("sshd-alive", dropped_in(f"Environment=SSHD_OPTS=-o{ALIVE}=9999"), "pass", "180"),
    "a-variable-that-nothing-uses": (
        "sshd-alive",
        {"files": {DROPPED_IN: "[Service]\nExecStart=\nExecStart=/usr/sbin/sshd -D\n",
                   "/etc/default/ssh": f"SSHD_OPTS=-o{ALIVE}=0\n"}},
        "pass",
        "180",
    ),
    "as-it-is-enabled": ("sshd-enabled", {}, "pass", "ssh.service"),
    "not-installed": ("sshd-enabled", {"files": {"/usr/sbin/sshd": None}}, "fail", "no /usr/sbin/sshd"),
    "not-enabled": ("sshd-enabled", {"without": [WANTS, "/etc/systemd/system/sshd.service"]}, "fail", "disabled"),
    "masked": ("sshd-enabled", {"links": {"/etc/systemd/system/ssh.service": "/dev/null"}}, "fail", "masked"),
    "only-the-socket": (
        "sshd-enabled",
        {
            "without": [WANTS, "/etc/systemd/system/sshd.service"],
            "links": {"/etc/systemd/system/sockets.target.wants/ssh.socket": "/usr/lib/systemd/system/ssh.socket"},
        },
        "pass",
        "ssh.socket",
    ),
    "a-socket-of-a-masked-service": (
        "sshd-enabled",
        {
            "links": {
                "/etc/systemd/system/ssh.service": "/dev/null",
                "/etc/systemd/system/sockets.target.wants/ssh.socket": "/usr/lib/systemd/system/ssh.socket",
            }
        },
        "fail",
        "masked",
    ),
    "not-to-be-run": ("sshd-enabled", {"files": {"/etc/ssh/sshd_not_to_be_run": ""}}, "fail", "sshd_not_to_be_run"),
    "as-it-is": ("sshd-alive", {}, "pass", "180 in /etc/ssh/sshd_config"),
    "nothing-sets-it": ("sshd-alive", {"files": {MAIN: "UsePAM yes\n"}}, "fail", "0 is in effect"),
    "a-comment": ("sshd-alive", {"files": {MAIN: f"#{ALIVE} 180\n"}}, "fail", "0 is in effect"),
    "too-long": ("sshd-alive", alive("600"), "fail", "600 in /etc/ssh/sshd_config"),
    "too-short": ("sshd-alive", alive("29"), "fail", "29"),
    "the-least": ("sshd-alive", alive("30"), "fail", "the test tool warns"),
    "the-most": ("sshd-alive", alive("235"), "fail", "the test tool warns"),
    "one-more": ("sshd-alive", alive("236"), "fail", "236"),
    "off": ("sshd-alive", alive("0"), "fail", "0 in"),
    "in-minutes": ("sshd-alive", alive("3m"), "pass", "180"),
    "no-time": ("sshd-alive", alive("soon"), "fail", "would not start"),
    "in-a-match-block": ("sshd-alive", {"files": {MAIN: f"Match User x\n{ALIVE} 180\n"}}, "fail", "Match block"),
    "overridden": ("sshd-alive", included("600"), "fail", "50-cloudimg"),
    "overridden-within": ("sshd-alive", included("120"), "fail", "120 in /etc/ssh/sshd_config.d/50-cloudimg"),
    "only-in-a-drop-in": (
        "sshd-alive",
        {"files": {DROP_IN: f"{ALIVE} 180\n", MAIN: "Include /etc/ssh/sshd_config.d/*.conf\n"}},
        "fail",
        "not literally in /etc/ssh/sshd_config",
    ),
    "written-another-way": ("sshd-alive", {"files": {MAIN: f"{ALIVE}=180\n"}}, "fail", "not literally"),
    "by-the-command-line": (
        "sshd-alive",
        {"files": {"/etc/default/ssh": f"SSHD_OPTS=-o{ALIVE}=0\n"}},
        "fail",
        "/etc/default/ssh",
    ),
    "no-main-file": ("sshd-alive", {"without": [MAIN]}, "fail", "there is no sshd_config"),
    "no-drop-in": ("sshd-include-order", {}, "pass", "no file does"),
    "a-drop-in-within": ("sshd-include-order", included("120"), "pass", "120"),
    "a-drop-in-outside": ("sshd-include-order", included("600"), "fail", "600 in /etc/ssh/sshd_config.d/50"),
    "a-drop-in-that-loses": (
        "sshd-include-order",
        {"files": {DROP_IN: f"{ALIVE} 600\n", MAIN: f"{ALIVE} 180\nInclude /etc/ssh/sshd_config.d/*.conf\n"}},
        "pass",
        "no file does",
    ),
    "a-file-that-sshd-refuses": ("sshd-include-order", included("soon"), "unknown", "would not start"),
    "for-some": (
        "sshd-include-order",
        {"files": {MAIN: f"{TEXT}\nMatch User x\n{ALIVE} 0\n"}},
        "fail",
        "some connections",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "change", "status", "words"), CASES.values(), ids=CASES)
def test_a_rule_notices_its_one_thing(rule: str, change: dict[str, Any], status: str, words: str) -> None:
    outcome = ask(rule, changed(DEBIAN, **change))
    assert (outcome.status, words in outcome.seen) == (status, True), outcome


WEIGHTS = {
    "in-range-but-not-the-best": (alive("120"), "warning"),
    "overridden-within-the-range": (included("120"), "warning"),
    "not-in-the-main-file": (
        {"files": {DROP_IN: f"{ALIVE} 180\n", MAIN: "Include sshd_config.d/*.conf\n"}},
        "likely blocker",
    ),
    "out-of-range": (alive("600"), None),
}


@pytest.mark.parametrize(("change", "severity"), WEIGHTS.values(), ids=WEIGHTS)
def test_a_lesser_fault_of_the_interval_weighs_less(change: dict[str, Any], severity: str | None) -> None:
    assert ask("sshd-alive", changed(DEBIAN, **change)).severity == severity


@pytest.mark.parametrize("rule", ["sshd-enabled", "sshd-alive", "sshd-include-order"])
def test_a_claim_that_ssh_is_disabled_asks_nothing_of_it(rule: str) -> None:
    assert ask(rule, DEBIAN, claims={"ssh-disabled"}).status == "not applicable"


@pytest.mark.parametrize("release", [8, 9, 10])
@pytest.mark.parametrize("rule", ["sshd-enabled", "sshd-alive", "sshd-include-order"])
def test_enterprise_linux_is_as_it_should_be(rule: str, release: int) -> None:
    assert ask(rule, el(release)).status == "pass"


def test_enterprise_linux_s_unit_has_another_name() -> None:
    snapshot = changed(el(9), without=["/etc/systemd/system/multi-user.target.wants/sshd.service"])
    assert ask("sshd-enabled", snapshot).status == "fail"
