"""What Microsoft's list does not ask for in so many words, each with a switch: secrets, updates, files without an owner."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from flight.workflows.certify.effective.accounts import homes
from flight.workflows.certify.image import Image
from flight.workflows.certify.reading.secrets import is_malware, marks_in
from flight.workflows.certify.rule import Outcome, failed, judged, not_applicable, passed, rule, unknown
from flight.workflows.certify.rules.accounts.naming import named
from flight.workflows.certify.tree import Entry

SWITCHES: Final[Mapping[str, tuple[str, ...]]] = {
    "secrets": ("secrets-left",),
    "updates": ("pkg-cve",),
    "owners": ("setuid-unowned", "world-writable-unowned"),
    "sbom": (),
    "provenance": (),
}
"""The rules that each word of recipe.values.BEYOND leaves out; the last two are files, and no rules."""

SHARED: Final = re.compile(
    r"/etc/(munge/munge\.key|krb5\.keytab|rndc\.key|bind/rndc\.key|named/rndc\.key|corosync/authkey|pacemaker/authkey|"
    r"slurm(-llnl)?/(jwt_hs256|slurm)\.key|samba/secrets\.tdb|opendnssec/.*\.key|cryptsetup-keys\.d/.*|"
    r"luks/.*\.key|tor/.*secret_key)|/crypto_keyfile\.bin|"
    r"/var/lib/(systemd/credential\.secret|samba/private/secrets\.tdb|sss/secrets/.*|tor/.*secret_key|tpm2-tss/.*|"
    r"munge/.*\.key)"
)
"""Keys without a form to know them by: a program made them when it was installed, or when it ran."""
SEEDS: Final = re.compile(
    r"/var/lib/(systemd/|urandom/|misc/)?random-seed|/etc/random-seed|/(boot|efi|boot/efi)/loader/random-seed"
)
"""Random seeds. Source: systemd-random-seed(8), bootctl(1): an image must not hold one."""
PASSWORD: Final = r"(?mi)^[ \t]*(?:proxy_)?password[ \t]*[=:][ \t]*[^\s#]"
LOGINS: Final = (
    ("/etc/apt/auth.conf", r"\bpassword\s+\S"), ("/etc/apt/auth.conf.d/*", r"\bpassword\s+\S"),
    ("/etc/yum.conf", PASSWORD), ("/etc/dnf/dnf.conf", PASSWORD), ("/etc/yum.repos.d/*", PASSWORD),
    ("/etc/rhsm/rhsm.conf", PASSWORD), ("/etc/netplan/*", PASSWORD), ("/etc/cifs*", PASSWORD), ("/etc/samba/*cred*", PASSWORD),
    ("/etc/NetworkManager/system-connections/*", r"(?m)^[ \t]*(?:psk|password|wep-key\d|secret)[ \t]*=[ \t]*\S"),
    ("/etc/wpa_supplicant/*", r"(?m)^[ \t]*(?:psk|password)[ \t]*=[ \t]*\S"),
    ("/etc/ceph/*.keyring", r"(?m)^[ \t]*key[ \t]*=[ \t]*\S"),
    ("/etc/ppp/*-secrets", r"(?m)^[ \t]*[^#\s]\S*[ \t]+\S+[ \t]+[^\s#]"), ("/etc/ipsec.secrets", r"(?m)^[^#\n]*:\s*\w+\s+\S"),
    ("/etc/openvpn/*", r"(?m)^-----BEGIN OpenVPN Static key"), ("/etc/openvpn/*/*", r"(?m)^-----BEGIN OpenVPN Static key"),
)  # fmt: skip
"""Configuration that programs log in with, and what a text that holds a login has."""
JUDGED: Final = re.compile(r"/etc/cloud/cloud\.cfg(\.d/.*)?|/etc/(g?shadow|passwd)-?|/etc/security/opasswd")
"""Configuration of packages that has a rule of its own."""
HISTORIES: Final = re.compile(r"/\.(local|config|cache)/.*(history|recently-used).*")
"""Below a home: what programs remember apart from the files that `history-absent` knows."""
HIDDEN: Final = re.compile(r"/(proc|sys|dev|run)/.*")
"""Covered by what a running system mounts there."""
NO_DATABASE: Final = "without a package database nobody's files cannot be told from a package's"


@rule(
    "pkg-cve",
    "No security update is missing",
    severity="likely blocker",
    required="every package as new as its last security update in the package index it is compared with; other updates are "
    "told as a warning. The index's day is the day of the answer",
    fix="`apt-get update && apt-get dist-upgrade` (Debian) or `dnf upgrade` (Enterprise Linux) as the build's first step; "
    "flight reads the index anew for a new --version",
    source="policy 200.5 as quoted by others; Security recommendations for Marketplace images: latest patches",
    offline="partial",
    is_secondary=True,
)
def pkg_cve(image: Image) -> Outcome:
    pending = image.snapshot.pending
    if pending is None:
        return not_applicable("no package index to compare with: give --package-index")
    as_of = f"as of {pending.dated or 'an unknown day'}"
    if pending.security:
        return failed(
            f"{_counted(pending.security, 'security update')} {as_of}: {_versions(pending.security, pending.versions)}"
        )
    if pending.versions:
        names = tuple(pending.versions)
        kind = "update" if pending.tells_security else "update (the index holds no security suite)"
        return failed(f"{_counted(names, kind)} {as_of}: {_versions(names, pending.versions)}", severity="warning")
    if not pending.tells_security:
        return not_applicable(f"the package index holds no security suite, only {named(pending.indexes)}")
    return passed(f"none of {pending.known} packages {as_of}, by {named(pending.indexes)}")


def _counted(names: tuple[str, ...], what: str) -> str:
    noun, _, rest = what.partition(" (")
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}{f' ({rest}' if rest else ''}"


def _versions(names: tuple[str, ...], versions: Mapping[str, str]) -> str:
    return named([f"{name} {versions[name]}" for name in names])


@rule(
    "secrets-left",
    "No secret is left where no other rule looks",
    severity="likely blocker",
    required="no key that a program made for itself, no login in a package's configuration, no token there; no random seed and "
    "no program's history (a warning)",
    fix="remove the file, or the line, as the build's last step; what a machine must know is given to it when it is made",
    source="Security recommendations for Marketplace images; beyond Microsoft's list",
    offline="partial",
)
def secrets_left(image: Image) -> Outcome:
    if found := [*_shared_keys(image), *_logins(image), *_marked(image)]:
        return failed(named(found))
    left = [*(f"a random seed: {path}" for path in _unowned(image, SEEDS)), *_histories(image)]
    return failed(named(left), severity="warning") if left else passed("none of the known kinds")


def _unowned(image: Image, form: re.Pattern[str]) -> Iterator[str]:
    """Files that hold something, by their whole path."""
    for path, entry in image.tree.entries.items():
        if entry.kind == "f" and entry.size and not entry.owner and form.fullmatch(path):
            yield path


def _shared_keys(image: Image) -> Iterator[str]:
    return (f"every machine's key: {path}" for path in _unowned(image, SHARED))


def _logins(image: Image) -> Iterator[str]:
    for pattern, form in LOGINS:
        for path in image.tree.glob(pattern):
            if re.search(form, image.tree.text(path) or ""):
                yield f"a login: {path}"


def _marked(image: Image) -> Iterator[str]:
    """Marks of secrets in configuration that packages own; nobody's files are judged by `no-default-creds`."""
    for path, content in image.tree.contents.items():
        entry = image.tree.entries.get(path)
        is_asked = entry and entry.owner and path.startswith("/etc/") and not JUDGED.fullmatch(path)
        marks = [mark for mark in marks_in(path, content) if not is_malware(mark)] if is_asked else []
        if marks:
            yield f"{', '.join(marks)}: {path}"


def _histories(image: Image) -> Iterator[str]:
    for home in homes(image.tree, image.accounts):
        for path, entry in image.tree.files(home):
            if entry.size and not entry.owner and HISTORIES.fullmatch(path.removeprefix(image.tree.real(home) or home)):
                yield f"a history: {path}"


@rule(
    "setuid-unowned",
    "No program with another's rights that no package brought",
    severity="warning",
    required="every setuid or setgid program, and every one with capabilities, belongs to a package",
    fix="`chmod u-s,g-s FILE` or `setcap -r FILE`; or ship it in a package, so that updates and audits know it",
    source="CIS Benchmarks, 'Ensure SUID and SGID files are reviewed'; beyond Microsoft's list",
)
def setuid_unowned(image: Image) -> Outcome:
    if not image.snapshot.package_format:
        return unknown(NO_DATABASE)
    found = [path for path, entry in image.tree.entries.items() if not entry.owner and _takes_rights(entry)]
    return judged(not found, named(sorted(found)) if found else "there is none")


def _takes_rights(entry: Entry) -> bool:
    """setgid without the group's x asks for mandatory locks, and gives nobody anything. Source: chmod(2), fcntl(2)."""
    takes_group = entry.mode & 0o2010 == 0o2010
    return entry.kind == "f" and bool(entry.mode & 0o4000 or takes_group or entry.capability)


@rule(
    "world-writable-unowned",
    "Nothing that everybody may write, and no package brought",
    severity="warning",
    required="no file or device of nobody's that everybody may write; such a folder only with the sticky bit, as /tmp has it",
    fix="`chmod o-w PATH`, or `chmod +t FOLDER` where everybody is to keep files in it",
    source="CIS Benchmarks, 'Ensure world writable files and directories are secured'; beyond Microsoft's list",
)
def world_writable_unowned(image: Image) -> Outcome:
    if not image.snapshot.package_format:
        return unknown(NO_DATABASE)
    found = [
        path
        for path, entry in image.tree.entries.items()
        if not entry.owner and _is_everybodys(entry) and not HIDDEN.fullmatch(path)
    ]
    return judged(not found, named(sorted(found)) if found else "there is none")


def _is_everybodys(entry: Entry) -> bool:
    is_sticky_folder = entry.kind == "d" and bool(entry.mode & 0o1000)
    return entry.kind in "fdbc" and bool(entry.mode & 0o002) and not is_sticky_folder
