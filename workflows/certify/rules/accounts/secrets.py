"""Keys and passwords in files that no package owns, and what a malware scanner would stop at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from flight.workflows.certify.effective.accounts import homes
from flight.workflows.certify.effective.cloudlogins import password_files
from flight.workflows.certify.image import Image
from flight.workflows.certify.reading.secrets import CRYPT_HASH, HASH, is_key, is_malware
from flight.workflows.certify.rule import Outcome, failed, passed, rule
from flight.workflows.certify.rules.accounts.leftovers import is_log
from flight.workflows.certify.rules.accounts.naming import named

BACKUPS: Final = ("/etc/shadow-", "/etc/passwd-", "/etc/gshadow", "/etc/gshadow-", "/etc/security/opasswd")
"""Where hashes stand beside /etc/shadow."""
CREDENTIALS: Final = (
    (".netrc", r"\bpassword\s+\S"), (".pgpass", r"(?m)^[^#\s]"), (".my.cnf", r"(?m)^[ \t]*password[ \t]*=\s*\S"),
    (".git-credentials", r"://"), (".npmrc", r"_authToken|_password"), (".pypirc", r"(?m)^[ \t]*password[ \t]*[:=]"),
    (".vault-token", r"\S"), (".aws/credentials", r"aws_secret_access_key"), (".docker/config.json", r'"auth"\s*:\s*"[^"]'),
    (".kube/config", r"client-key-data|token:|password:"), (".azure/accessTokens.json", r"[\w]"),
    (".azure/msal_token_cache.json", r"[\w]"), (".azure/service_principal_entries.json", r"[\w]"),
    (".config/gh/hosts.yml", r"oauth_token:\s*\S"),
)  # fmt: skip
"""Files in homes where programs keep what they log in with, and what a text that is a credential holds."""
ITS_OWN_RULE: Final = re.compile(r"/etc/ssh/ssh_host_.*|/var/lib/waagent/.*")
"""Keys that have a rule of their own."""
A_TEST: Final = re.compile(r".*/(tests?|testdata|fixtures|examples?|docs?)/.*")


@rule(
    "no-default-creds",
    "No password or token comes with the image",
    severity="blocker",
    required="no hash beside /etc/shadow, no password in cloud-init's configuration or seed, no token or login in a "
    "file of nobody's",
    fix="remove the file, or the line; what a machine must know is given to it when it is made (custom data, Key Vault)",
    source="Marketplace FAQ, Default credentials; Security recommendations for Marketplace images",
    offline="partial",
)
def no_default_creds(image: Image) -> Outcome:
    clouds = [f"a password in {path}" for path in password_files(image)]
    found = [*_hashes(image), *clouds, *_logins(image), *_tokens(image)]
    return failed(named(found)) if found else passed("none of the known kinds")


def _hashes(image: Image) -> Iterator[str]:
    for path in BACKUPS:
        if HASH.search(image.tree.read(path) or b""):
            yield f"{CRYPT_HASH} in {path}"


def _logins(image: Image) -> Iterator[str]:
    places = [(f"{home}/{name}", form) for home in homes(image.tree, image.accounts) for name, form in CREDENTIALS]
    for path, form in (*places, ("/etc/mysql/debian.cnf", r"(?m)^[ \t]*password[ \t]*=\s*\S")):
        if re.search(form, image.tree.text(path) or ""):
            yield f"a login in {path}"


def _tokens(image: Image) -> Iterator[str]:
    for path, marks in sorted(image.snapshot.marks.items()):
        said = [mark for mark in marks if not is_key(mark) and not is_malware(mark)]
        if said and not is_log(path):
            yield f"{', '.join(said)} in {path}"


@rule(
    "no-private-keys",
    "No private key comes with the image",
    severity="likely blocker",
    required="no private key in a file that no package owns: every machine would share it",
    fix="remove the key, and let each machine make its own at first boot; `make-ssl-cert generate-default-snakeoil` makes "
    "Debian's anew",
    source="Security recommendations for Marketplace images",
)
def no_private_keys(image: Image) -> Outcome:
    keys = [path for path, marks in sorted(image.snapshot.marks.items()) if any(map(is_key, marks))]
    keys = [path for path in keys if not ITS_OWN_RULE.fullmatch(path) and not is_log(path)]
    if real := [path for path in keys if not A_TEST.fullmatch(path)]:
        return failed(named(real))
    return failed(f"in tests or examples: {named(keys)}", severity="warning") if keys else passed("there is none")


@rule(
    "malware",
    "Nothing that a malware scanner stops at",
    severity="blocker",
    required="no test file of scanners, no archive bomb, in a file that no package owns; no more than that is looked for",
    fix="remove the file: a test's fixture in an unpacked source tree is enough to be refused",
    source="policy 200.5.2 as quoted by others; Security recommendations for Marketplace images",
    offline="partial",
    is_secondary=True,
)
def malware(image: Image) -> Outcome:
    rows = sorted(image.snapshot.marks.items())
    found = [f"{mark}: {path}" for path, marks in rows for mark in marks if is_malware(mark)]
    return failed(named(found)) if found else passed("neither test files nor archive bombs")
