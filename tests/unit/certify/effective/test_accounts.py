"""passwd and shadow as one, homes, and the places of keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.certify.effective.accounts import Account, accounts_of, homes, key_files, key_lines
from flight.workflows.certify.tree import Entry, Tree

HASH = "$6$saltsalt$" + "a" * 86


def tree(files: dict[str, str], *, links: dict[str, str] | None = None) -> Tree:
    entries = {"/": Entry("d")}
    for path in (*files, *(links or {})):
        for at in range(1, len(path)):
            if path[at] == "/":
                entries[path[:at]] = Entry("d")
    entries |= {path: Entry("f", size=len(text)) for path, text in files.items()}
    entries |= {path: Entry("l", target=target) for path, target in (links or {}).items()}
    return Tree(entries, {path: text.encode() for path, text in files.items()})


def accounts(passwd: str, shadow: str = "") -> tuple[Account, ...]:
    return accounts_of(tree({"/etc/passwd": passwd, "/etc/shadow": shadow}))


def test_shadow_decides_where_passwd_says_x() -> None:
    (it,) = accounts("root:x:0:0:root:/root:/bin/bash\n", "bin:*:1::::::\nroot:!:1:0:99999:7:::\n")[:1]
    assert it == Account("root", 0, 0, "/root", "/bin/bash", "!", "/etc/shadow:2")


def test_passwd_decides_where_it_holds_the_field_itself() -> None:
    first, second = accounts(f"me:{HASH}:5:5::/:/bin/sh\n", "me:!:1::::::\n")
    assert (first.password, first.where, first.is_known) == (HASH, "/etc/passwd:1", True)
    assert (second.password, second.where, second.is_known) == ("!", "/etc/shadow:1", False)


def test_of_two_lines_the_first_is_used_and_the_other_told() -> None:
    first, second = accounts("me:x:5:5::/:/bin/sh\n", f"me:!:1::::::\nme:{HASH}:1::::::\n")
    assert (first.is_locked, second.is_locked, second.is_known) == (True, False, False)


def test_an_account_without_a_line_in_shadow_is_locked() -> None:
    assert accounts("me:x:5:5::/:/bin/sh\n")[0].is_locked


def test_comments_and_blank_lines_are_no_accounts() -> None:
    assert accounts("# me:x:0:0::/:\n\n  \n", "#me::1\n") == ()


@pytest.mark.parametrize(
    "line", ["me", "me:", "me::", "me::0", "me::zero:0:::", "me::99999999999999999999:0", "me::-1:0::/:"]
)
def test_a_line_cut_short_is_an_account_that_lets_anybody_in(line: str) -> None:
    (it,) = accounts(line + "\n")
    assert (it.name, it.lets_anybody_in, it.uid in (0, -1)) == ("me", True, True)


@pytest.mark.parametrize(
    ("password", "is_locked", "keeps_hash"),
    [
        ("!", True, False), ("!!", True, False), ("*", True, False), ("!*", True, False), ("*LOCK*", True, False),
        ("!locked", True, False), (f"!{HASH}", True, True), (f"!!{HASH}", True, True), ("!abJnggxhB/yWI", True, True),
        ("x", True, False), ("", False, False), (HASH, False, False), ("abJnggxhB/yWI", False, False), ("NP", False, False),
    ],
)  # fmt: skip
def test_what_a_password_field_means(password: str, is_locked: bool, keeps_hash: bool) -> None:
    it = accounts("me:x:5:5::/:/bin/sh\n", f"me:{password}:1::::::\n")[0]
    assert (it.is_locked, it.keeps_hash, it.lets_anybody_in) == (is_locked, keeps_hash, password == "")


@pytest.mark.parametrize(
    ("uid", "shell", "is_person"),
    [
        ("1000", "/bin/bash", True), ("1000", "", True), ("1000", "/usr/sbin/nologin", False), ("1000", "/bin/false", False),
        ("999", "/bin/bash", False), ("65534", "/bin/sh", False), ("60000", "/bin/sh", True), ("x", "/bin/sh", False),
    ],
)  # fmt: skip
def test_who_is_a_person(uid: str, shell: str, is_person: bool) -> None:
    assert accounts(f"me:x:{uid}:5::/home/me:{shell}\n")[0].is_person == is_person


def test_homes_are_roots_each_accounts_and_those_of_nobody() -> None:
    files = {
        "/etc/passwd": "a:x:1:1::/srv/a:\nb:x:2:2::../etc:\nc:x:3:3::/nonexistent:\nd:x:4:4::/linked:\ne:x:5:5::/etc/passwd:\n",
        "/root/x": "", "/srv/a/x": "", "/home/gone/x": "", "/home/file": "",
    }  # fmt: skip
    it = tree(files, links={"/linked": "srv/a"})
    assert homes(it, accounts_of(it)) == ("/root", "/srv/a", "/home/gone")


def test_keys_are_looked_for_where_sshd_does_and_in_every_home() -> None:
    files = {
        "/etc/passwd": "me:x:1000:1000::/home/me:/bin/sh\n", "/etc/keys/me": "k", "/etc/ids/1000%": "k", "/home/me/.k": "k",
        "/home/me/.ssh/authorized_keys": "k", "/home/you/.ssh/authorized_keys2": "k",
    }  # fmt: skip
    it = tree(files)
    found = key_files(it, accounts_of(it), ["/etc/keys/%u", "/etc/ids/%U%%", "%h/.k", ".k", "none"])
    assert {path for path, _ in found} == set(files) - {"/etc/passwd"}


def test_a_loop_of_links_is_no_key() -> None:
    links = {"/root/.ssh/authorized_keys": "authorized_keys2", "/root/.ssh/authorized_keys2": "authorized_keys"}
    assert list(key_files(tree({}, links=links), ())) == []


def test_lines_that_let_in_and_lines_that_only_speak() -> None:
    stub = 'no-pty,command="echo \'Please login as the user \\"me\\" rather than" ssh-rsa AAAA'
    hidden = 'environment="X=command=1" ssh-rsa AAAA # command="echo \'Please login as the user "'
    assert key_lines(f"# c\n\n{stub}\nssh-rsa AAAA me\n{hidden}\n") == (["ssh-rsa AAAA me", hidden], [stub])


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_is_an_error(passwd: str, shadow: str) -> None:
    it = tree({"/etc/passwd": passwd, "/etc/shadow": shadow})
    found = accounts_of(it)
    homes(it, found)
    list(key_files(it, found, [passwd]))
