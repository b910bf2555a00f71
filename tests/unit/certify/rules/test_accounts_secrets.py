"""Keys, passwords, malware: a real disk with one such file each."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from eltree import el
from trees import DEBIAN, ask, changed

from flight.workflows.certify.reading.secrets import EICAR_TEXT
from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules.accounts import secrets
from flight.workflows.certify.tree import Entry

RULES = [value.id for value in vars(secrets).values() if isinstance(value, Rule)]
HASH = "$6$saltsalt$" + "aB3" * 28 + "xy"
BODY = base64.encodebytes(b"".join(hashlib.sha256(bytes([i])).digest() for i in range(8))).decode()
KEY = f"-----BEGIN PRIVATE KEY-----\n{BODY}-----END PRIVATE KEY-----\n"
TOKEN = "gh" + "p_" + "aB3dE5gH7j" * 3 + "k9LmN0"


def file(path: str, text: str | bytes = "x") -> dict[str, Any]:
    return {"files": {path: text}}


def cloud(text: str) -> dict[str, Any]:
    return file("/etc/cloud/cloud.cfg.d/99-ours.cfg", text)


CASES = {
    "logins: a hash put aside": ("no-default-creds", file("/etc/shadow-", f"root:{HASH}:1::::::\n"), "fail", "/etc/shadow-"),
    "logins: a group's": ("no-default-creds", file("/etc/gshadow", f"sudo:{HASH}::\n"), "fail", "/etc/gshadow"),
    "logins: old passwords": ("no-default-creds", file("/etc/security/opasswd", f"me:1:1:{HASH}\n"), "fail", "opasswd"),
    "logins: cloud-init's, plain": (
        "no-default-creds", cloud("users:\n - name: me\n   plain_text_passwd: geheim\n"), "fail", "99-ours.cfg",
    ),
    "logins: cloud-init's, hashed": ("no-default-creds", cloud(f'users: [{{name: me, passwd: "{HASH}"}}]\n'), "fail", "99-ours"),
    "logins: cloud-init's, of everybody": ("no-default-creds", cloud("password: geheim\n"), "fail", "99-ours.cfg"),
    "logins: cloud-init's list": ("no-default-creds", cloud("chpasswd:\n  list: |\n    root:geheim\n"), "fail", "99-ours"),
    "logins: cloud-init's list as a list": ("no-default-creds", cloud("chpasswd:\n  list:\n  - root:geheim\n"), "fail", "99"),
    "logins: cloud-init locks": (
        "no-default-creds", cloud('users:\n - lock_passwd: true\n   passwd: "!"\nchpasswd:\n  expire: false\n'), "pass", "none",
    ),
    "logins: cloud-init's users of chpasswd": (
        "no-default-creds", cloud("chpasswd: {users: [{name: root, password: geheim, type: text}]}\n"), "fail", "99-ours",
    ),
    "logins: the same as a block": (
        "no-default-creds", cloud("chpasswd:\n  users:\n  - {name: root, password: geheim}\n"), "fail", "99-ours",
    ),
    "logins: random ones": (
        "no-default-creds", cloud("chpasswd: {expire: false, users: [{name: me, type: RANDOM}]}\n"), "pass", "none",
    ),
    "logins: a list within braces": ("no-default-creds", cloud('chpasswd: {list: "root:geheim"}\n'), "fail", "99-ours"),
    "logins: a list within brackets": ("no-default-creds", cloud('chpasswd: {list: ["root:geheim"]}\n'), "fail", "99-ours"),
    "logins: users within braces": (
        "no-default-creds", cloud("users: [default, {name: me, plain_text_passwd: geheim}]\n"), "fail", "99-ours",
    ),
    "logins: a hash of an old kind": ("no-default-creds", cloud("users: [{name: me, hashed_passwd: aB3dE5gH7}]\n"), "fail", "99"),
    "logins: the default user's": (
        "no-default-creds", cloud("system_info: {default_user: {plain_text_passwd: geheim}}\n"), "fail", "99-ours",
    ),
    "logins: a number": ("no-default-creds", cloud("{password: 123456}\n"), "fail", "99-ours"),
    "logins: locked within braces": (
        "no-default-creds", cloud('users: [{name: me, lock_passwd: true, passwd: "*"}]\nchpasswd: {list: 5}\n'), "pass", "none",
    ),
    "logins: in a folder of the main file's choice": (
        "no-default-creds",
        {"files": {"/etc/cloud/cloud.cfg": "conf_d: /etc/cloud/ours\n", "/etc/cloud/ours/a.cfg": "{password: geheim}\n"}},
        "fail", "/etc/cloud/ours/a.cfg",
    ),
    "logins: a seed's": (
        "no-default-creds", file("/var/lib/cloud/seed/nocloud/user-data", "#cloud-config\n{password: geheim}\n"), "fail", "seed",
    ),
    "logins: a seed's elsewhere": (
        "no-default-creds",
        {"files": {
            "/etc/cloud/cloud.cfg.d/99-ours.cfg": "system_info: {paths: {cloud_dir: /srv/cloud/}}\n",
            "/srv/cloud/seed/nocloud/user-data": "#cloud-config\npassword: geheim\n",
        }},
        "fail", "/srv/cloud/seed",
    ),
    "logins: a seed without one": (
        "no-default-creds", file("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: a\n"), "pass", "none",
    ),
    "logins: cloud-init's, too much to read": (
        "no-default-creds", cloud("a: &a [b]\nc: [" + "*a, " * 60000 + "]"), "unknown", "99-ours.cfg",
    ),
    "logins: cloud-init's, too many files": (
        "no-default-creds",
        {"files": {f"/etc/cloud/cloud.cfg.d/{number}.cfg": "#" * 60_000 for number in range(10)}}, "unknown", "cloud.cfg.d",
    ),
    "logins: a comment": ("no-default-creds", cloud("# password: geheim\n"), "pass", "none"),
    "logins: netrc": ("no-default-creds", file("/root/.netrc", "machine a login b password c\n"), "fail", ".netrc"),
    "logins: Docker's": (
        "no-default-creds", file("/root/.docker/config.json", '{"auths":{"a":{"auth":"eDp5"}}}'), "fail", ".docker",
    ),
    "logins: Docker's without one": ("no-default-creds", file("/root/.docker/config.json", '{"auths":{}}'), "pass", "none"),
    "logins: Amazon's": (
        "no-default-creds", file("/home/me/.aws/credentials", "[default]\naws_secret_access_key = x\n"), "fail", ".aws",
    ),
    "logins: Debian's MySQL": ("no-default-creds", file("/etc/mysql/debian.cnf", "password = x\n"), "fail", "debian.cnf"),
    "logins: a token": ("no-default-creds", file("/opt/app/.env", f"TOKEN={TOKEN}\n"), "fail", "a GitHub token in /opt/app"),
    "logins: a URL": (
        "no-default-creds", file("/etc/apt/sources.list.d/p.list", "deb https://me:geheim7@repo.corp/ a b\n"), "fail", "in a URL",
    ),
    "logins: a log's is the logs' rule": ("no-default-creds", file("/var/log/build.log", f"{TOKEN}\n"), "pass", "none"),
    "logins: too large to know": (
        "no-default-creds", {"entries": {"/etc/gshadow": Entry("f", size=50 << 20)}}, "unknown", "gshadow",
    ),
    "keys: one": ("no-private-keys", file("/etc/ssl/private/ssl-cert-snakeoil.key", KEY), "fail", "snakeoil"),
    "keys: a user's": ("no-private-keys", file("/root/.ssh/id_rsa", KEY), "fail", "id_rsa"),
    "keys: a host's has its own rule": ("no-private-keys", file("/etc/ssh/ssh_host_rsa_key", KEY), "pass", "none"),
    "keys: a test's": (
        "no-private-keys", file("/usr/local/lib/python3/site-packages/x/tests/key.pem", KEY), "fail as warning", "in tests",
    ),
    "keys: a certificate": ("no-private-keys", file("/etc/ssl/a.pem", KEY.replace("PRIVATE KEY", "CERTIFICATE")), "pass", ""),
    "malware: a scanner's test": ("malware", file("/srv/a.txt", EICAR_TEXT), "fail", "EICAR test file: /srv/a.txt"),
    "malware: a bomb": (
        "malware", {"marks": {"/srv/zip-bomb.zip": ("an archive bomb (zip, 42 KiB → 5461 MiB)",)}}, "fail", "zip-bomb.zip",
    ),
    "malware: a key is none": ("malware", file("/root/.ssh/id_rsa", KEY), "pass", "neither"),
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


def test_a_secret_itself_is_never_repeated() -> None:
    snapshot = changed(
        DEBIAN, files={"/opt/a": TOKEN, "/etc/shadow-": f"root:{HASH}:1::::::\n", "/root/.pgpass": "h:1:d:u:geheim\n"}
    )
    seen = ask("no-default-creds", snapshot).seen
    assert not any(secret in seen for secret in (TOKEN, HASH, "geheim"))
