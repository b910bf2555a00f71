"""Accounts, passwords, keys: a real disk with one thing wrong each."""

from __future__ import annotations

from typing import Any

import pytest
from eltree import el
from trees import DEBIAN, ask, changed

from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules.accounts import users
from flight.workflows.certify.tree import Entry

HASH = "$y$j9T$abcdefgh$" + "A1b2C3d4E5" * 4 + "xyz"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMp9JKDgk9OZEzlc1hxYXvxaYEAVWwU6DLOQ me@there\n"
STUB = (
    'no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command="echo \'Please login as the user \\"debian\\" rather '
    'than the user \\"root\\".\';echo;sleep 10;exit 142" ' + KEY
)
PASSWD = DEBIAN.tree.text("/etc/passwd") or ""
SHADOW = DEBIAN.tree.text("/etc/shadow") or ""
RULES = [value.id for value in vars(users).values() if isinstance(value, Rule)]


def account(line: str, password: str = "!") -> dict[str, Any]:
    """The disk with one account more."""
    name = line.partition(":")[0]
    return {"files": {"/etc/passwd": f"{PASSWD}{line}\n", "/etc/shadow": f"{SHADOW}{name}:{password}:20000::::::\n"}}


def root(password: str) -> dict[str, Any]:
    lines = [line for line in SHADOW.splitlines() if not line.startswith("root:")]
    return {"files": {"/etc/shadow": "\n".join([f"root:{password}:20000:0:99999:7:::", *lines])}}


def cloud(text: str) -> dict[str, Any]:
    return {"files": {"/etc/cloud/cloud.cfg.d/99-ours.cfg": text}}


def sshd(line: str) -> dict[str, Any]:
    return {"files": {"/etc/ssh/sshd_config.d/99-ours.conf": f"{line}\n"}}


ME = "me:x:1000:1000::/home/me:/bin/bash"
DAEMON = "app:x:990:990::/srv/app:/usr/sbin/nologin"
HOME = {"/home/me": Entry("d", 0o755)}
CASES = {
    "history: root's": ("history-absent", {"files": {"/root/.bash_history": "ls\n"}}, "fail", "/root/.bash_history"),
    "history: an empty one": ("history-absent", {"files": {"/root/.bash_history": ""}}, "fail as warning", "empty"),
    "history: led to nowhere": ("history-absent", {"links": {"/root/.bash_history": "/dev/null"}}, "fail as warning", "empty"),
    "history: led to a file": (
        "history-absent",
        {"links": {"/root/.bash_history": "../var/keep"}, "files": {"/var/keep": "ls\n"}}, "fail", "3 bytes",
    ),
    "history: of a home of nobody": ("history-absent", {"files": {"/home/gone/.zsh_history": "x"}}, "fail", "zsh"),
    "history: of the skeleton": ("history-absent", {"files": {"/etc/skel/.history": "x"}}, "fail", "/etc/skel"),
    "history: deep in a home": ("history-absent", {"files": {"/root/a/b/.ksh_history": "x"}}, "fail", "ksh"),
    "history: fish's": ("history-absent", {"files": {"/root/.local/share/fish/fish_history": "x"}}, "fail", "fish"),
    "history: another program's": ("history-absent", {"files": {"/root/.mysql_history": "x"}}, "fail as warning", ".mysql"),
    "history: zsh's, as its set-up proposes": ("history-absent", {"files": {"/root/.histfile": "x"}}, "fail", ".histfile"),
    "history: zsh's, another": ("history-absent", {"files": {"/root/.zhistory": "x"}}, "fail", "/root/.zhistory"),
    "history: a package's own": (
        "history-absent", {"entries": {"/usr/share/x/.history": Entry("f", size=9, owner="x")}}, "pass", "none",
    ),
    "password: a hash": ("no-user-password", account(ME, HASH), "fail", "me (/etc/shadow:"),
    "password: none asked": ("no-user-password", account(ME, ""), "fail", "no password is asked of me"),
    "password: a daemon's": ("no-user-password", account(DAEMON, HASH), "fail", "app"),
    "password: locked with its hash": ("no-user-password", account(ME, f"!{HASH}"), "fail as warning", "old hash"),
    "password: in passwd itself": (
        "no-user-password", {"files": {"/etc/passwd": f"{PASSWD}me:{HASH}:1000:1000::/:/bin/sh\n"}}, "fail", "/etc/passwd:",
    ),
    "password: passwd without a field": (
        "no-user-password", {"files": {"/etc/passwd": f"{PASSWD}me::1000:1000::/:/bin/sh\n"}}, "fail", "no password",
    ),
    "password: of nobody in passwd": (
        "no-user-password", {"files": {"/etc/shadow": f"{SHADOW}ghost:{HASH}:1::::::\n"}}, "fail", "ghost",
    ),
    "password: a second line of shadow": (
        "no-user-password", {"files": {"/etc/shadow": f"{SHADOW}root:{HASH}:1::::::\n"}}, "fail", "root",
    ),
    "password: a line cut short": ("no-user-password", {"files": {"/etc/shadow": f"{SHADOW}root"}}, "fail", "no password"),
    "password: NIS": ("no-user-password", {"files": {"/etc/passwd": f"{PASSWD}+::::::\n"}}, "fail", "no password"),
    "password: x in shadow, as LISA has it": ("no-user-password", account(ME, "x"), "pass", "locked"),
    "password: no passwd": ("no-user-password", {"without": ["/etc/passwd", "/etc/shadow"]}, "unknown", "/etc/passwd"),
    "password: passwd is a fifo": (
        "no-user-password", {"without": ["/etc/shadow"], "entries": {"/etc/passwd": Entry("p")}}, "unknown", "/etc/passwd",
    ),
    "password: shadow is too large": (
        "no-user-password", {"entries": {"/etc/shadow": Entry("f", size=50 << 20)}}, "unknown", "too large",
    ),
    "keys: root's": ("no-authorized-keys", {"files": {"/root/.ssh/authorized_keys": KEY}}, "fail", "1 in /root/.ssh"),
    "keys: the second file": ("no-authorized-keys", {"files": {"/root/.ssh/authorized_keys2": KEY}}, "fail", "keys2"),
    "keys: a user's": (
        "no-authorized-keys",
        {"files": {**account(ME)["files"], "/home/me/.ssh/authorized_keys": KEY + KEY}}, "fail", "2 in /home/me",
    ),
    "keys: of a home of nobody": ("no-authorized-keys", {"files": {"/home/a/.ssh/authorized_keys": KEY}}, "fail", "/home/a"),
    "keys: a daemon's, elsewhere": (
        "no-authorized-keys",
        {"files": {**account(DAEMON)["files"], "/srv/app/.ssh/authorized_keys": KEY}}, "fail", "/srv/app",
    ),
    "keys: where sshd is told to look": (
        "no-authorized-keys",
        {"files": {"/etc/ssh/sshd_config": "AuthorizedKeysFile /etc/ssh/keys/%u\n", "/etc/ssh/keys/root": KEY}},
        "fail", "/etc/ssh/keys/root",
    ),
    "keys: for some, in a Match block": (
        "no-authorized-keys",
        {"files": {"/etc/ssh/sshd_config": "Match User x\n AuthorizedKeysFile /keys/%u .k\n", "/keys/root": KEY}},
        "fail", "/keys/root",
    ),
    "keys: a link": (
        "no-authorized-keys",
        {"links": {"/root/.ssh/authorized_keys": "../../srv/k"}, "files": {"/srv/k": KEY}}, "fail", "/srv/k",
    ),
    "keys: a stub, and a key below it": (
        "no-authorized-keys", {"files": {"/root/.ssh/authorized_keys": STUB + KEY}}, "fail", "1 in",
    ),
    "keys: a stub": ("no-authorized-keys", {"files": {"/root/.ssh/authorized_keys": STUB}}, "fail as warning", "disabled"),
    "keys: comments": ("no-authorized-keys", {"files": {"/root/.ssh/authorized_keys": "# none\n"}}, "fail", "not empty"),
    "keys: an empty file": ("no-authorized-keys", {"files": {"/root/.ssh/authorized_keys": ""}}, "pass", "none"),
    "keys: a device": ("no-authorized-keys", {"entries": {"/root/.ssh/authorized_keys": Entry("c")}}, "pass", "none"),
    "keys: cloud-init's, of the first user": (
        "no-authorized-keys", cloud(f"ssh_authorized_keys:\n - {KEY}"), "fail", "keys of /etc/cloud/cloud.cfg.d/99-ours.cfg",
    ),
    "keys: cloud-init's, of a user": (
        "no-authorized-keys", cloud(f"users: [default, {{name: me, ssh-authorized-keys: [{KEY.strip()}]}}]\n"), "fail", "99-ours",
    ),
    "keys: in user data within, as Ubuntu's installer writes it": (
        "no-authorized-keys",
        cloud('datasource: {None: {userdata_raw: "#cloud-config\\nssh_authorized_keys: [ssh-rsa AAA]\\n"}}\n'), "fail", "99-ours",
    ),
    "keys: to be fetched": ("no-authorized-keys", cloud("ssh_import_id: [gh:me]\n"), "fail", "99-ours"),
    "keys: to be fetched for a user": (
        "no-authorized-keys", cloud("users:\n- name: me\n  ssh_import_id: [lp:me]\n"), "fail", "99-ours",
    ),
    "keys: none of cloud-init's": ("no-authorized-keys", cloud("ssh_authorized_keys: []\nssh_import_id:\n"), "pass", "none"),
    "keys: a seed's": (
        "no-authorized-keys",
        {"files": {"/var/lib/cloud/seed/nocloud/meta-data": f"public-keys: [{KEY.strip()}]\n"}}, "fail", "seed/nocloud",
    ),
    "keys: whoever an authority signs": (
        "no-authorized-keys", sshd("TrustedUserCAKeys /etc/ssh/ca.pub"), "fail as warning", "/etc/ssh/ca.pub (/etc/ssh/",
    ),
    "keys: a program is asked": (
        "no-authorized-keys", sshd("Match User me\nAuthorizedKeysCommand /opt/keys %u"), "fail as warning", "/opt/keys",
    ),
    "keys: no program is asked": ("no-authorized-keys", sshd("AuthorizedKeysCommand None"), "pass", "none"),
    "keys: other machines are trusted": (
        "no-authorized-keys", {"files": {"/root/.rhosts": "a.corp me\n"}}, "fail as likely blocker", "/root/.rhosts",
    ),
    "keys: the same for everybody": (
        "no-authorized-keys", {"files": {"/etc/hosts.equiv": "+\n"}}, "fail as likely blocker", "/etc/hosts.equiv",
    ),
    "keys: no machine is trusted": ("no-authorized-keys", {"files": {"/etc/hosts.equiv": "# none\n\n"}}, "pass", "none"),
    "root: a password": ("root-locked", root(HASH), "fail", "root (/etc/shadow:1)"),
    "root: none asked": ("root-locked", root(""), "fail", "root"),
    "root: locked by the agent": ("root-locked", root("*LOCK*"), "pass", "root"),
    "root: as Red Hat locks": ("root-locked", root("!!"), "pass", "root"),
    "root: locked with its hash": ("root-locked", root(f"!{HASH}"), "fail as warning", "old hash"),
    "root: a second one": ("root-locked", account("toor:x:0:0::/root:/bin/sh", HASH), "fail", "toor"),
    "root: none": ("root-locked", {"files": {"/etc/passwd": "me:x:1:1::/:/bin/sh\n", "/etc/shadow": ""}}, "unknown", "uid 0"),
    "users: one": ("no-leftover-users", account(ME), "fail", "me (uid 1000)"),
    "users: no shell named is sh": ("no-leftover-users", account("me:x:1000:1000::/home/me:"), "fail", "me"),
    "users: without a login": ("no-leftover-users", account("me:x:1000:1000::/var:/usr/sbin/nologin"), "pass", "none"),
    "users: packer's, with a low uid": ("no-leftover-users", account("packer:x:900:900::/:/bin/bash"), "fail", "packer"),
    "users: a second root": ("no-leftover-users", account("toor:x:0:0::/root:/sbin/nologin"), "fail", "toor (uid 0)"),
    "users: a home of nobody": ("no-leftover-users", {"entries": HOME}, "fail", "/home/me"),
    "users: a partition's own folder": ("no-leftover-users", {"entries": {"/home/lost+found": Entry("d")}}, "pass", "none"),
    "users: with hostile words": (
        "no-leftover-users", account("\x1b]0;owned\x07" + "a" * 200 + ":x:1000:1000::/:/bin/sh"), "fail", r"\x1b]0;owned",
    ),
    "sudo: as SUSE ships it": (
        "sudo-targetpw", {"files": {"/etc/sudoers": "Defaults targetpw # ask\n"}}, "fail", "/etc/sudoers:1",
    ),
    "sudo: in a drop-in": (
        "sudo-targetpw", {"files": {"/etc/sudoers.d/10": "Defaults:ALL  !lecture, targetpw\n"}}, "fail", "sudoers.d/10",
    ),
    "sudo: taken back later": (
        "sudo-targetpw",
        {"files": {"/etc/sudoers.d/10": "Defaults targetpw\n", "/etc/sudoers.d/20": "Defaults !targetpw\n"}},
        "fail as warning", "taken back",
    ),
    "sudo: a comment": ("sudo-targetpw", {"files": {"/etc/sudoers": "# Defaults targetpw\n"}}, "pass", "not set"),
    "sudo: a file it skips": ("sudo-targetpw", {"files": {"/etc/sudoers.d/a.b": "Defaults targetpw\n"}}, "pass", "not set"),
    "sudo: not installed": ("sudo-targetpw", {"without": ["/etc/sudoers"]}, "pass", "not set"),
    "hosts: in a home with signs": ("known-hosts-clean", {"files": {"/home/[a]/.ssh/known_hosts": "a\n"}}, "fail", "[a]"),
    "hosts: root's": ("known-hosts-clean", {"files": {"/root/.ssh/known_hosts": "a\n"}}, "fail", "known_hosts"),
    "hosts: hashed and put aside": ("known-hosts-clean", {"files": {"/home/x/.ssh/known_hosts.old": "a\n"}}, "fail", "/home/x"),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_real_disk_passes(rule: str) -> None:
    assert ask(rule, DEBIAN).status == "pass"


@pytest.mark.parametrize("release", [8, 9, 10])
@pytest.mark.parametrize("rule", RULES)
def test_enterprise_linux_passes(rule: str, release: int) -> None:
    assert ask(rule, el(release)).status == "pass"


@pytest.mark.parametrize(("rule", "change", "outcome", "words"), CASES.values(), ids=CASES)
def test_one_thing_changed(rule: str, change: dict[str, Any], outcome: str, words: str) -> None:
    said = ask(rule, changed(DEBIAN, **change))
    assert said.status + (f" as {said.severity}" if said.severity else "") == outcome, said
    assert words in said.seen
