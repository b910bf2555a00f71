"""Marks of secrets and of malware in a file's content: what a person would have to look at. Pure.

It is run over files that no package owns. A mark is worth little if every disk bears it, so that placeholders, examples
and compiled programs are passed over; what is hidden on purpose stays hidden. Source of the forms: each issuer's own
documentation of its tokens; RFC 7468 (PEM), crypt(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from flight.workflows.certify.reading.bombs import bomb_in

PRIVATE_KEY: Final = "a private key"
CRYPT_HASH: Final = "a password's hash"
EICAR: Final = "the EICAR test file"
BOMB: Final = "an archive bomb"
MALWARE: Final = (EICAR, BOMB)
"""How the marks begin that are no secrets."""

DOCUMENTS: Final = re.compile(
    r"/usr/(local/)?share/(doc|man|info|locale|help)/.*|.*\.(md|rst|pyc|1|5|8)|.*/(README|CHANGELOG)[^/]*"
)
"""Here secrets are examples. Malware is looked for all the same."""
HASHES_OF_ITS_OWN: Final = re.compile(r"/etc/g?shadow-?|/etc/(master\.)?passwd-?")
"""Files whose hashes other rules judge."""
EICAR_TEXT: Final = b"".join((b"X5O!P%@AP[4", b"\\PZX54(P^)7CC)7}$EICAR", b"-STANDARD-ANTIVIRUS-", b"TEST-FILE!$H+H*"))
"""In pieces, so that no scanner takes this file for it. Source: EICAR, "Anti-Malware Testfile"."""

WORDS: Final = re.compile(
    rb"(?i)x{4}|\*{3}|\.{3}|[<>${]|%(?![0-9a-f]{2})|12345678|abcdefgh|"
    rb"changeit|my[-_]?(?:secret|pass)|redacted|placeholder|example|dummy|sample|your|"
    rb"\A(pass|passwd|password|pw|pwd|secret|token|user|username|login|foo|bar|baz|test|none|null|auth|cred(ential)?s?)\Z"
)
"""What stands where a secret would."""
LEAST_SIGNS: Final = 8
"""Different characters that a generated secret has at least."""
MOST_TRIED: Final = 256
"""Places in one file where a closer look is taken: a file made to cost time costs little."""
PEM: Final = re.compile(rb"-----BEGIN ((?:[A-Z0-9]{1,12} ){0,3})PRIVATE KEY( BLOCK)?-----")
PEM_BODY: Final = 64
"""Base64 signs that the shortest key has (ed25519 in PKCS #8)."""
PKCS12: Final = re.compile(rb"\A\x30(?:\x81.|\x82..|\x83...|\x80)\x02\x01\x03\x30", re.DOTALL)
HASH: Final = re.compile(
    rb"\$(?:1\$[^\s$:]{1,8}\$[./A-Za-z0-9]{22}|5\$(?:rounds=\d{1,9}\$)?[^\s$:]{1,16}\$[./A-Za-z0-9]{43}|"
    rb"6\$(?:rounds=\d{1,9}\$)?[^\s$:]{1,16}\$[./A-Za-z0-9]{86}|2[abxy]\$\d\d\$[./A-Za-z0-9]{53}|"
    rb"(?:y|gy|7)\$[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43})(?![./A-Za-z0-9])"
)
URL: Final = re.compile(rb"://([^\s/:@\"'<>]{1,64}):([^\s/:@\"'<>]{3,128})@([A-Za-z0-9.-]+)")
PLAIN: Final = (
    (b"rootpw", re.compile(rb"(?m)^[ \t]*rootpw[ \t]+(?!.*--(?:lock|iscrypted))(?:--\S+[ \t]+)*([^\s#-]\S*)")),
    (b"--password", re.compile(rb"(?m)^[ \t]*user[ \t](?!.*--(?:lock|iscrypted)).*--password[= \t]([^\s#]+)")),
    (b"plain_text_passwd", re.compile(rb"(?m)^[ \t-]*[\"']?plain_text_passwd[\"']?[ \t]*:[ \t]*([^\s#]+)")),
)
"""Passwords as kickstarts and cloud-init's user data hold them in plain text."""

TOKENS: Final = (
    ("an AWS access key", b"AKIA", rb"AKIA([A-Z2-7]{16})(?![A-Za-z0-9+/=])"),
    ("a GitHub token", b"gh", rb"gh[pousr]_([A-Za-z0-9]{36,251})(?![A-Za-z0-9])"),
    ("a GitHub token", b"github_pat_", rb"github_pat_([A-Za-z0-9]{22}_[A-Za-z0-9]{59})"),
    ("a GitLab token", b"glpat-", rb"glpat-([A-Za-z0-9_-]{20,64})"),
    ("an Azure storage key", b"AccountKey=", rb"AccountKey=(?!Eby8vdM02xNO)([A-Za-z0-9+/]{86}==)"),
    ("an Azure access key", b"SharedAccessKey=", rb"SharedAccessKey=([A-Za-z0-9+/]{43}=)"),
    ("an Azure application's secret", b"8Q~", rb"(?<![\w~.-])([\w~.-]{3}8Q~[\w~.-]{34})(?![\w~.-])"),
    ("a Slack token", b"xox", rb"xox[abeoprs]-(\d{9,14}-[A-Za-z0-9-]{20,200})"),
    ("an npm token", b"npm_", rb"npm_([A-Za-z0-9]{36})(?![A-Za-z0-9])"),
    ("a PyPI token", b"pypi-AgEIc", rb"pypi-AgEIc([A-Za-z0-9_-]{50,250})"),
    ("a Docker Hub token", b"dckr_pat_", rb"dckr_pat_([A-Za-z0-9_-]{27})"),
    ("a HashiCorp Vault token", b"hvs.", rb"hvs\.([A-Za-z0-9_-]{90,})"),
    ("a Stripe key", b"k_live_", rb"[rs]k_live_([A-Za-z0-9]{24,128})"),
)  # fmt: skip
"""What it is, a text that every such file holds, and its form; the group is what must look like a secret.

The storage key that begins with Eby8vdM02xNO is the emulator's, printed in its documentation.
"""
COMPILED: Final = tuple((what, sign, re.compile(form)) for what, sign, form in TOKENS)
GNUPG: Final = re.compile(
    rb"\A\(\d\d?:(?:protected-|shadowed-)?private-key|\A(?:Created|Key): .*\(private-key", re.DOTALL
)
OTHER_KEYS: Final = (
    ("a private key (PuTTY)", b"PuTTY-User-Key-File-", re.compile(rb"\APuTTY-User-Key-File-\d")),
    ("a private key (GnuPG)", b"private-key", GNUPG),
    ("a private key (age)", b"AGE-SECRET-KEY-1", re.compile(rb"AGE-SECRET-KEY-1[A-Z0-9]{58}")),
    ("a private key (WireGuard)", b"PrivateKey", re.compile(rb"(?m)^[ \t]*PrivateKey[ \t]*=[ \t]*[A-Za-z0-9+/]{43}=")),
)  # fmt: skip


def marks_in(path: str, content: bytes) -> tuple[str, ...]:
    """What the content looks like, sorted; none for nearly every file. Time grows with its length alone."""
    marks = set(_malware(content))
    if not DOCUMENTS.fullmatch(path):
        marks.update(_keys(path, content))
        if b"\0" not in content[:8192]:
            marks.update(_secrets(path, content))
    return tuple(sorted(marks))


def is_malware(mark: str) -> bool:
    return mark.startswith(MALWARE)


def is_key(mark: str) -> bool:
    return mark.startswith(PRIVATE_KEY)


def _malware(content: bytes) -> Iterator[str]:
    if content[:256].strip().startswith(EICAR_TEXT):
        yield EICAR
    if said := bomb_in(content):
        yield f"{BOMB} ({said})"


def _keys(path: str, content: bytes) -> Iterator[str]:
    if b"PRIVATE KEY" in content:
        for found in islice(PEM.finditer(content), MOST_TRIED):
            if _is_pem_body(content[found.end() : found.end() + 4096]):
                yield f"{PRIVATE_KEY} ({'PGP' if found[2] else 'PEM'})"
    for what, sign, form in OTHER_KEYS:
        if sign in content and form.search(content):
            yield what
    if PKCS12.match(content) and not path.endswith("cacerts"):
        yield f"{PRIVATE_KEY} (PKCS #12)"


def _is_pem_body(text: bytes) -> bool:
    """Whether a key follows, and not a placeholder: enough of base64, after headers, line ends perhaps as JSON's."""
    if not text.startswith((b"\n", b"\r", b" ", b"\\n", b"\\r")):
        return False
    text = text.partition(b"-----END")[0].replace(b"\\r", b"\n").replace(b"\\n", b"\n")
    lines = [line.strip(b" \t\r\n\"'+,>|") for line in text.splitlines()]
    body = b"".join(line for line in lines if b":" not in line and b"," not in line)
    return (
        re.match(rb"[A-Za-z0-9+/=]{%d}" % PEM_BODY, body) is not None and len(set(body[:PEM_BODY])) >= 2 * LEAST_SIGNS
    )


def _secrets(path: str, content: bytes) -> Iterator[str]:
    for what, sign, form in COMPILED:
        if sign in content and any(_is_generated(found[1]) for found in form.finditer(content)):
            yield what
    if b"sig=" in content and _has_sas(content):
        yield "a SAS token"
    if b"://" in content and any(_is_password(found) for found in URL.finditer(content)):
        yield "a password in a URL"
    if b"$" in content and not HASHES_OF_ITS_OWN.fullmatch(path) and HASH.search(content):
        yield CRYPT_HASH
    if any(_is_chosen(found[1]) for sign, form in PLAIN if sign in content for found in form.finditer(content)):
        yield "a password in plain text"


def _is_generated(text: bytes) -> bool:
    return len(set(text)) >= LEAST_SIGNS and not WORDS.search(text)


def _is_password(found: re.Match[bytes]) -> bool:
    user, password, host = found.groups()
    is_example = re.search(rb"(?i)(^|\.)example(\.|$)|^host(name)?$|^proxy$|^server$", host) or host in (b"", b".")
    return not is_example and not WORDS.search(password) and not WORDS.search(user) and user != password


def _is_chosen(text: bytes) -> bool:
    """A password that somebody set; a kickstart's template has a word of its own there."""
    return not re.search(rb"[<{$%]|(?i:redacted|x{4})", text)


def _has_sas(content: bytes) -> bool:
    """A shared access signature: `sv=` with a date, and `sig=` with a whole HMAC-SHA256, in one word."""
    for found in islice(re.finditer(rb"sig=[A-Za-z0-9+/%]{43,90}", content), MOST_TRIED):
        word = re.split(rb"[\s\"'<>]", content[max(0, found.start() - 1024) : found.start()])[-1]
        rest = re.split(rb"[\s\"'<>]", content[found.start() : found.start() + 1024])[0]
        if re.search(rb"(?:^|[?&;])sv=20\d\d-\d\d-\d\d", word + rest) and _is_generated(
            found[0][4:].replace(b"%", b"")
        ):
            return True
    return False
