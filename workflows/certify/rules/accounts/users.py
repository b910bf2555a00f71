"""Accounts, passwords, keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from flight.workflows.certify.effective.accounts import Account, homes, key_files, key_lines, trusting_files
from flight.workflows.certify.effective.cloudlogins import key_files_of_cloud
from flight.workflows.certify.effective.sudoers import MAIN, defaults_of
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, failed, judged, passed, rule, unknown
from flight.workflows.certify.rules.accounts.naming import named
from flight.workflows.certify.tree import Entry
from flight.workflows.kit.text import quoted

BUILDERS: Final = re.compile(r"azureuser|packer|vagrant|lisa.*|ec2-user|cloud-user|testadmin", re.IGNORECASE)
"""Accounts that tools make for themselves, whatever their uid."""
SHELL_HISTORY: Final = re.compile(r".*/\.?[a-z]*sh_history|.*/\.z?history|.*/\.histfile")
"""Any shell's. Source: LISA's patterns, fish, which has no dot before its name, and what zsh's own set-up proposes."""
OTHER_HISTORY: Final = re.compile(r"\.[a-z]+_history(-.*)?|\.lesshst|\.viminfo")
ELSEWHERE: Final = ("TrustedUserCAKeys", "AuthorizedKeysCommand")
"""By these sshd lets in keys that no authorized_keys has."""
NO_ACCOUNTS: Final = "there is no /etc/passwd"


@rule(
    "history-absent",
    "No shell history is left",
    severity="blocker",
    required="no history file of any shell in root's or any other home, not even an empty one",
    fix="remove them at the end of the build: `rm -f /root/.*history /home/*/.*history`, with HISTFILE unset in the "
    "shell that does it",
    source="self-test 48 (1 KiB at most); LISA verify_bash_history_is_empty (P1); policy 200.5.1 (Bitwarden's reports, 2026: "
    "deleted, not truncated)",
)
def history_absent(image: Image) -> Outcome:
    found = {path: _size(image, path) for path, entry in image.tree.entries.items() if _is_history(path, entry)}
    full = sorted(path for path, size in found.items() if size)
    if full:
        return failed(f"{named(full)}: {sum(found.values())} bytes")
    if found:
        return failed(f"{named(sorted(found))}: empty, but there", severity="warning")
    if others := list(_other_histories(image)):
        return failed(f"no shell's, but {named(others)}", severity="warning")
    return passed("there is none")


def _is_history(path: str, entry: Entry) -> bool:
    return (
        path.endswith(("history", "histfile"))
        and entry.kind in "fl"
        and not entry.owner
        and bool(SHELL_HISTORY.fullmatch(path))
    )


def _size(image: Image, path: str) -> int:
    """The bytes of a file, or of the file that a link leads to; a link to /dev/null holds none."""
    entry = image.tree.entry(path)
    return entry.size if entry is not None and entry.kind == "f" else 0


def _other_histories(image: Image) -> Iterator[str]:
    for home in homes(image.tree, image.accounts):
        for name in image.tree.names(home):
            if OTHER_HISTORY.fullmatch(name) and _size(image, f"{home}/{name}"):
                yield f"{home.rstrip('/')}/{name}"


@rule(
    "no-user-password",
    "No account has a password",
    severity="blocker",
    required="a ! or * before every account's password in /etc/shadow; no empty field",
    fix="lock each account: `usermod --password '!' NAME`, then `rm -f /etc/shadow- /etc/passwd-`, which hold the old hash; in a "
    "kickstart `user --name=NAME --lock`",
    source="LISA verify_no_pre_exist_users (P1); Marketplace FAQ; empty ones: Security recommendations for Marketplace images",
)
def no_user_password(image: Image) -> Outcome:
    if not image.accounts:
        return unknown(NO_ACCOUNTS)
    if empty := [_at(each) for each in image.accounts if each.lets_anybody_in]:
        return failed(f"no password is asked of {named(empty)}")
    if hashed := [_at(each) for each in image.accounts if not each.is_locked]:
        return failed(f"a password is set for {named(hashed)}")
    if kept := [_at(each) for each in image.accounts if each.keeps_hash]:
        return failed(f"locked, with the old hash kept: {named(kept)}", severity="warning")
    return passed(f"all {len(image.accounts)} accounts are locked")


def _at(account: Account) -> str:
    return f"{quoted(account.name, most=32)} ({account.where})"


@rule(
    "no-authorized-keys",
    "No SSH key lets anybody in",
    severity="blocker",
    required="no authorized_keys with anything in it, in any home or where sshd's AuthorizedKeysFile points; no key in "
    "cloud-init's configuration or seed, no .rhosts, and nothing else that sshd is to ask",
    fix="remove the files that were seen (`rm -f /root/.ssh/authorized_keys* /home/*/.ssh/authorized_keys*` for the usual ones); "
    "Azure puts the user's own key there",
    source="LISA verify_no_pre_exist_users (P1); Marketplace FAQ",
)
def no_authorized_keys(image: Image) -> Outcome:
    if not image.accounts:
        return unknown(NO_ACCOUNTS)
    patterns = [pattern for each in image.sshd.every("AuthorizedKeysFile") for pattern in each.arguments]
    found = {
        path: key_lines(image.tree.text(path) or "")
        for path, entry in key_files(image.tree, image.accounts, patterns)
        if entry.size
    }
    if open_ones := [f"{len(keys)} in {path}" for path, (keys, _) in found.items() if keys]:
        return failed(f"keys: {named(open_ones)}")
    if commented := [path for path, (_, stubs) in found.items() if not stubs]:
        return failed(f"no key, but not empty: {named(commented)}")
    if clouds := list(key_files_of_cloud(image)):
        return failed(
            f"cloud-init would let in keys of {named(clouds)}", fix="remove ssh_authorized_keys from the file"
        )
    if trusting := list(trusting_files(image.tree, image.accounts)):
        return failed(
            f"other machines are trusted in {named(trusting)}", severity="likely blocker", fix="remove the file"
        )
    if found:
        return failed(f"a key that cloud-init disabled is left in {named(list(found))}", severity="warning")
    return _asked_elsewhere(image)


def _asked_elsewhere(image: Image) -> Outcome:
    """Whether sshd knows of keys that stand in no user's file: its owner may want it, a reviewer will ask."""
    said = [each for keyword in ELSEWHERE for each in image.sshd.every(keyword) if each.value.lower() != "none"]
    if not said:
        return passed("there is none")
    seen = [f"{quoted(each.value, most=40)} ({quoted(each.at)})" for each in said]
    return failed(f"sshd takes keys from {named(seen)}", severity="warning", fix="remove the line from sshd_config")


@rule(
    "root-locked",
    "Root has no password",
    severity="blocker",
    required="! or * in root's field of /etc/shadow, and of every other account with uid 0",
    fix="`usermod --password '!' root`; in a kickstart `rootpw --lock`",
    source="cloud-image-val (Red Hat); Azure Linux agent, Provisioning.DeleteRootPassword; Bitwarden's reports, 2026",
)
def root_locked(image: Image) -> Outcome:
    roots = [each for each in image.accounts if each.uid == 0 or each.name == "root"]
    if not roots:
        return unknown(NO_ACCOUNTS if not image.accounts else "no account has uid 0")
    if able := [_at(each) for each in roots if not each.is_locked]:
        return failed(f"not locked: {named(able)}")
    if kept := [_at(each) for each in roots if each.keeps_hash]:
        return failed(f"locked, with the old hash kept: {named(kept)}", severity="warning")
    return passed(f"locked: {named([_at(each) for each in roots])}")


@rule(
    "no-leftover-users",
    "No account of a person, or of a build tool, is left",
    severity="warning",
    required="no account with a login shell and a uid of 1000 or more, no second account with uid 0, no home without an account",
    fix="`userdel --remove NAME`; Azure makes the user's account at first boot",
    source="Microsoft's generic Linux guide; policy 200.5.x as quoted by others",
    is_secondary=True,
)
def no_leftover_users(image: Image) -> Outcome:
    if not image.accounts:
        return unknown(NO_ACCOUNTS)
    known = [each for each in image.accounts if each.is_known]
    left = [f"{quoted(each.name, most=32)} (uid {each.uid})" for each in known if _is_left(each)]
    used = {image.tree.real(each.home) for each in known if each.home}
    strays = [path for path in (f"/home/{name}" for name in image.tree.names("/home")) if _is_stray(image, path, used)]
    if left:
        return failed(f"{named(left)}")
    return failed(f"homes of nobody: {named(strays)}") if strays else passed("there is none")


def _is_left(account: Account) -> bool:
    is_second_root = account.uid == 0 and account.name != "root"
    return is_second_root or account.is_person or (account.has_login_shell and bool(BUILDERS.fullmatch(account.name)))


def _is_stray(image: Image, path: str, used: set[str | None]) -> bool:
    name = path.rpartition("/")[2]
    return image.tree.is_folder(path) and name != "lost+found" and image.tree.real(path) not in used


@rule(
    "sudo-targetpw",
    "sudo does not ask for root's password",
    severity="likely blocker",
    required="no `Defaults targetpw` in sudoers, nor in what it includes",
    fix="remove `targetpw` from the Defaults line: root is locked, nobody could use sudo",
    source="LISA verify_default_targetpw (P1)",
)
def sudo_targetpw(image: Image) -> Outcome:
    said = [each for each in defaults_of(image.tree) if each.name == "targetpw"]
    if not any(each.is_on for each in said):
        return passed("targetpw is not set")
    first = next(each for each in said if each.is_on)
    taken_back = (
        not said[-1].is_on and said[-1].is_for_all and not first.where.startswith(tuple(f"{main}:" for main in MAIN))
    )
    seen = f"targetpw in {quoted(first.where)}"
    return failed(f"{seen}, taken back in {quoted(said[-1].where)}", severity="warning") if taken_back else failed(seen)


@rule(
    "known-hosts-clean",
    "No SSH client's list of hosts is left",
    severity="warning",
    required="no known_hosts in any home",
    fix="`rm -f /root/.ssh/known_hosts* /home/*/.ssh/known_hosts*`",
    source="Security recommendations for Marketplace images; cloud-image-val (Red Hat)",
)
def known_hosts_clean(image: Image) -> Outcome:
    folders = [f"{home.rstrip('/')}/.ssh" for home in homes(image.tree, image.accounts)]
    found = [f"{at}/{name}" for at in folders for name in image.tree.names(at) if name.startswith("known_hosts")]
    return judged(not found, named(found) if found else "there is none")
