"""Who can log in to a disk's system: /etc/passwd and /etc/shadow as one, homes, and where sshd looks for keys.

Lines are read leniently: one that is cut short counts with empty fields, so that no mistake in a file hides an account.

Source: passwd(5), shadow(5), crypt(5), sshd_config(5) "AuthorizedKeysFile".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from flight.workflows.certify.tree import Entry, Tree

PASSWD: Final = "/etc/passwd"
SHADOW: Final = "/etc/shadow"
NOBODY: Final = (65534, 65533)
FIRST_PERSON: Final = 1000
"""The first uid of a person. Source: login.defs(5) UID_MIN, which both families leave at that."""
NO_LOGIN: Final = ("nologin", "false", "sync", "shutdown", "halt", "true", "null")
"""Names of programs that stand for a shell, and let nobody in."""
KEY_FILES: Final = (".ssh/authorized_keys", ".ssh/authorized_keys2")
"""Where sshd looks unless it is told otherwise."""
TRUSTING: Final = ("/etc/hosts.equiv", "/etc/ssh/shosts.equiv", ".rhosts", ".shosts")
"""Files, and such in homes, that let users of other machines in. Source: hosts.equiv(5), sshd(8)."""
STUB: Final = re.compile(r"""(?:^|,)command="echo 'Please login as the user """)
"""How cloud-init begins the command of a key of root's that it disabled."""


@dataclass(frozen=True)
class Account:
    """An account. `uid` and `gid` are -1 where no number stands; `shell` is empty for /bin/sh, as in passwd.

    `password` is the field that decides, in `where` ("/etc/shadow:3"): of shadow where passwd says x. `is_known`: it
    stands in passwd; a line of shadow alone lets nobody in, yet may hold a hash.
    """

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    password: str
    where: str
    is_known: bool = True

    @property
    def is_locked(self) -> bool:
        """No password fits. "x" is no hash either: it stands where shadow has no line of that name."""
        return self.password[:1] in ("!", "*") or self.password == "x"

    @property
    def lets_anybody_in(self) -> bool:
        return self.password == ""

    @property
    def keeps_hash(self) -> bool:
        """Locked, with the old hash behind the mark: who reads it can guess, and `passwd -u` brings it back."""
        return self.is_locked and len(self.password.lstrip("!*")) >= 13

    @property
    def has_login_shell(self) -> bool:
        return self.shell.rpartition("/")[2] not in NO_LOGIN

    @property
    def is_person(self) -> bool:
        return self.uid >= FIRST_PERSON and self.uid not in NOBODY and self.has_login_shell


def accounts_of(tree: Tree) -> tuple[Account, ...]:
    """Every account, in passwd's order; then the lines of shadow that no account uses. Of two the first is used."""
    hashes: dict[str, tuple[str, str]] = {}
    again: list[tuple[str, str, str]] = []
    for where, fields in _lines(tree, SHADOW, 2):
        if fields[0] in hashes:
            again.append((fields[0], fields[1], where))
        else:
            hashes[fields[0]] = fields[1], where
    found = [_account(where, fields, hashes) for where, fields in _lines(tree, PASSWD, 7)]
    used = {account.where for account in found}
    again += [(name, password, where) for name, (password, where) in hashes.items() if where not in used]
    return (*found, *(Account(name, -1, -1, "", "", password, where, False) for name, password, where in again))


def homes(tree: Tree, accounts: Iterable[Account]) -> tuple[str, ...]:
    """The real path of every home that is there: root's, each account's, and what lies in /home without one."""
    named = ["/root", *(account.home for account in accounts if account.home.startswith("/"))]
    left = [f"/home/{name}" for name in tree.names("/home")]
    real = (tree.real(path) for path in (*named, *left))
    return tuple(dict.fromkeys(path for path in real if path is not None and tree.is_folder(path)))


def key_files(
    tree: Tree, accounts: Iterable[Account], patterns: Iterable[str] = KEY_FILES
) -> Iterator[tuple[str, Entry]]:
    """Every file that sshd would read keys from, for each account, by `patterns` as AuthorizedKeysFile has them.

    In homes the default names are looked for too, whatever sshd is told: a key there is one line away from use.
    """
    everybody, wanted = tuple(accounts), tuple(dict.fromkeys((*patterns, *KEY_FILES)))
    paths = [_expanded(pattern, account) for account in everybody for pattern in wanted if account.is_known]
    paths += [f"{home.rstrip('/')}/{name}" for home in homes(tree, everybody) for name in KEY_FILES]
    for path in dict.fromkeys(real for path in paths if (real := tree.real(path)) is not None):
        if tree.entries[path].kind == "f":
            yield path, tree.entries[path]


def trusting_files(tree: Tree, accounts: Iterable[Account]) -> Iterator[str]:
    """The files that trust another machine. Raises NotTaken."""
    places = [name for name in TRUSTING if name.startswith("/")]
    places += [f"{home.rstrip('/')}/{name}" for home in homes(tree, accounts) for name in TRUSTING if name[0] == "."]
    for path in places:
        if any(line.strip() and not line.lstrip().startswith("#") for line in tree.lines(path)):
            yield path


def key_lines(text: str) -> tuple[list[str], list[str]]:
    """The lines of an authorized_keys that let somebody in, and those that cloud-init disabled."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    return [line for line in lines if not STUB.search(line)], [line for line in lines if STUB.search(line)]


def _lines(tree: Tree, path: str, count: int) -> Iterator[tuple[str, list[str]]]:
    """Where a line stands, and its first `count` fields."""
    for number, line in enumerate(tree.lines(path), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield f"{path}:{number}", (line.split(":") + [""] * count)[:count]


def _account(where: str, fields: list[str], hashes: dict[str, tuple[str, str]]) -> Account:
    name, password, uid, gid, _, home, shell = fields
    if password == "x" and name in hashes:
        password, where = hashes[name]
    return Account(name, _number(uid), _number(gid), home.strip(), shell.strip(), password, where)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else -1


def _expanded(pattern: str, account: Account) -> str:
    tokens = {"%h": account.home, "%u": account.name, "%U": str(account.uid), "%%": "%"}
    path = re.sub("%[huU%]", lambda found: tokens[found[0]], pattern)
    return path if path.startswith("/") else f"{account.home.rstrip('/')}/{path}"
