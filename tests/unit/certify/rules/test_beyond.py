"""Beyond Microsoft's list: updates that an index knows, secrets that no other rule sees, files of nobody's."""

from __future__ import annotations

from typing import Any

import pytest
from trees import DEBIAN, ask, changed, el

from flight.workflows.certify.beyond import sbom
from flight.workflows.certify.certifying import Asked, judge_snapshot
from flight.workflows.certify.reading.index import Pending
from flight.workflows.certify.rules import RULES
from flight.workflows.certify.rules.beyond import SWITCHES
from flight.workflows.certify.tree import Entry
from flight.workflows.recipe.values import BEYOND

NEWER = {"bash": "5.3-1", "libssl3t64": "3.5.8-1", "openssl": "3.5.8-1"}
SUITES = ("trixie-security", "trixie")
TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA2"


def pending(versions: dict[str, str], *security: str, tells: bool = True) -> dict[str, Any]:
    return {"pending": Pending(versions, security, "2026-11-21", SUITES, 324, tells)}


ROWS = (
    ("pkg-cve", {}, "not applicable", "--package-index", None),
    ("pkg-cve", pending({}), "pass", "none of 324 packages as of 2026-11-21, by trixie-security, trixie", None),
    ("pkg-cve", pending({}, tells=False), "not applicable", "no security suite", None),
    ("pkg-cve", pending(NEWER, "libssl3t64", "openssl"), "fail",
     "2 security updates as of 2026-11-21: libssl3t64 3.5.8-1, openssl 3.5.8-1", None),
    ("pkg-cve", pending({"bash": "5.3-1"}), "fail", "1 update as of 2026-11-21: bash 5.3-1", "warning"),
    ("pkg-cve", pending(NEWER, tells=False), "fail", "3 updates (the index holds no security suite)", "warning"),
    ("secrets-left", {}, "pass", "none of the known kinds", None),
    ("secrets-left", {"files": {"/etc/munge/munge.key": b"\x00\x01" * 64}}, "fail", "/etc/munge/munge.key", None),
    ("secrets-left", {"files": {"/var/lib/systemd/credential.secret": b"x" * 4096}}, "fail", "every machine's key", None),
    ("secrets-left", {"files": {"/etc/krb5.keytab": b"\x05\x02"}}, "fail", "/etc/krb5.keytab", None),
    ("secrets-left", {"files": {"/etc/krb5.keytab": b""}}, "pass", "", None),
    ("secrets-left", {"files": {"/etc/apt/auth.conf.d/vendor.conf": "machine example.org login me password hunter\n"}},
     "fail", "a login: /etc/apt/auth.conf.d/vendor.conf", None),
    ("secrets-left", {"files": {"/etc/NetworkManager/system-connections/w.nmconnection": "[wifi-security]\npsk=abcdefgh\n"}},
     "fail", "a login", None),
    ("secrets-left", {"files": {"/etc/yum.repos.d/v.repo": "[v]\nusername=me\npassword = hunter\n"}}, "fail", "v.repo", None),
    ("secrets-left", {"files": {"/etc/yum.repos.d/v.repo": "[v]\n#password = hunter\npassword=\n"}}, "pass", "", None),
    ("secrets-left", {"entries": {"/etc/yum.repos.d/v.repo": Entry("f", size=1 << 20)}}, "unknown", "v.repo", None),
    ("secrets-left", {"entries": {"/etc/yum.repos.d/v.repo": Entry("p")}}, "pass", "", None),
    ("secrets-left", {"files": {"/etc/ppp/chap-secrets": "# Secrets for authentication\n# client server secret\n"}},
     "pass", "", None),
    ("secrets-left", {"files": {"/etc/openvpn/server/ta.key": "#\n-----BEGIN OpenVPN Static key V1-----\n"}},
     "fail", "ta.key", None),
    ("secrets-left", {"files": {"/etc/bash.bashrc": f"export TOKEN={TOKEN}\n"}}, "fail", "a GitHub token: /etc/bash", None),
    ("secrets-left", {"files": {"/var/lib/systemd/random-seed": b"r" * 512}}, "fail", "a random seed", "warning"),
    ("secrets-left", {"files": {"/root/.local/state/python_history": "import os\n"}}, "fail", "a history: /root/", "warning"),
    ("setuid-unowned", {}, "pass", "there is none", None),
    ("setuid-unowned", {"entries": {"/usr/local/bin/up": Entry("f", 0o4755, size=9)}}, "fail", "/usr/local/bin/up", None),
    ("setuid-unowned", {"entries": {"/opt/v/mail": Entry("f", 0o2755, size=9)}}, "fail", "/opt/v/mail", None),
    ("setuid-unowned", {"entries": {"/opt/v/data": Entry("f", 0o2644, size=9)}}, "pass", "", None),
    ("setuid-unowned", {"entries": {"/opt/v/ping": Entry("f", 0o755, size=9, capability="0100000200")}}, "fail", "ping", None),
    ("setuid-unowned", {"entries": {"/usr/bin/up": Entry("f", 0o4755, size=9, owner="vendor")}}, "pass", "", None),
    ("setuid-unowned", {"entries": {"/srv/shared": Entry("d", 0o2775)}}, "pass", "", None),
    ("setuid-unowned", {"package_format": ""}, "unknown", "package database", None),
    ("world-writable-unowned", {}, "pass", "there is none", None),
    ("world-writable-unowned", {"entries": {"/opt/v/x.conf": Entry("f", 0o666)}}, "fail", "/opt/v/x.conf", None),
    ("world-writable-unowned", {"entries": {"/opt/v/in": Entry("d", 0o777)}}, "fail", "/opt/v/in", None),
    ("world-writable-unowned", {"entries": {"/opt/v/in": Entry("d", 0o1777)}}, "pass", "", None),
    ("world-writable-unowned", {"entries": {"/opt/v/disk": Entry("b", 0o666)}}, "fail", "/opt/v/disk", None),
    ("world-writable-unowned", {"entries": {"/dev/null": Entry("c", 0o666)}}, "pass", "", None),
    ("world-writable-unowned", {"links": {"/opt/v/link": "/etc/passwd"}}, "pass", "", None),
    ("world-writable-unowned", {"entries": {"/opt/v/in": Entry("d", 0o777, owner="vendor")}}, "pass", "", None),
    ("world-writable-unowned", {"package_format": ""}, "unknown", "package database", None),
)  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "change", "status", "words", "severity"), ROWS, ids=[f"{row[0]}-{n}" for n, row in enumerate(ROWS)]
)
def test_a_disk_is_judged(rule: str, change: dict[str, Any], status: str, words: str, severity: str | None) -> None:
    outcome = ask(rule, changed(DEBIAN, **change))
    assert (outcome.status, outcome.severity) == (status, severity)
    assert words in outcome.seen


@pytest.mark.parametrize("release", [8, 9, 10])
@pytest.mark.parametrize("rule", ["secrets-left", "setuid-unowned", "world-writable-unowned"])
def test_enterprise_linux_passes_as_it_comes(rule: str, release: int) -> None:
    assert ask(rule, el(release)).status == "pass"


def test_an_update_of_enterprise_linux_blocks() -> None:
    disk = changed(el(9), pending=Pending({"bash": "5.1.8-10.el9"}, ("bash",), "2026-11-21", ("BaseOS",), 20, True))
    assert ask("pkg-cve", disk).status == "fail"


def test_what_no_other_rule_judges_is_not_said_twice() -> None:
    """A token in nobody's file is a default credential; the same in a package's configuration is a secret left."""
    disk = changed(DEBIAN, files={"/opt/vendor/env": f"TOKEN={TOKEN}\n"})
    assert ask("no-default-creds", disk).status == "fail"
    assert ask("secrets-left", disk).status == "pass"


def test_a_switch_leaves_its_rules_out_and_nothing_else() -> None:
    every = {rule.id for rule in RULES}
    assert set(SWITCHES) == set(BEYOND)
    for word, names in SWITCHES.items():
        assert set(names) <= every
        assert every - {rule.id for rule in Asked(without=(word,)).rules} == set(names)


@pytest.mark.parametrize("content", [b"\n" * 262144, b"x: a " * 52428, b" " * 262144], ids=["lines", "words", "blanks"])
def test_a_file_that_is_made_to_cost_time_costs_little(content: bytes) -> None:
    """A pattern that begins anew behind each line end would take minutes: the run would be ended."""
    names = ("apt/auth.conf", "yum.conf", "NetworkManager/system-connections/x", "ppp/x-secrets", "ipsec.secrets")
    paths = (*(f"/etc/{name}" for name in (*names, "ceph/x.keyring", "netplan/x", "mysql/debian.cnf")), "/root/.my.cnf")
    disk = changed(DEBIAN, files=dict.fromkeys(paths, content))
    assert {ask(rule, disk).status for rule in ("secrets-left", "no-default-creds")} <= {"pass", "fail"}


def test_an_os_release_that_is_too_large_is_unknown_and_no_crash() -> None:
    disk = changed(DEBIAN, entries={"/usr/lib/os-release": Entry("f", size=1 << 20)})
    certificate = judge_snapshot(disk, Asked())
    assert certificate.verdict == "not certified"
    assert "os" not in certificate.system
    assert sbom.render(disk, name="image", digest="")
