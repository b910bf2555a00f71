"""A disk's files as one tree: links lead nowhere but within it."""

from __future__ import annotations

import pytest

from flight.workflows.certify.tree import Entry, NotTaken, Tree

FOLDER = Entry("d", 0o755)


def link(target: str) -> Entry:
    return Entry("l", 0o777, target=target)


TREE = Tree(
    {
        "/": FOLDER,
        "/usr": FOLDER,
        "/usr/bin": FOLDER,
        "/usr/bin/sh": link("dash"),
        "/usr/bin/dash": Entry("f", 0o755, size=4),
        "/bin": link("usr/bin"),
        "/etc": FOLDER,
        "/etc/a.conf": Entry("f", size=2),
        "/etc/b.conf": Entry("f", size=0),
        "/etc/large": Entry("f", size=1 << 40),
        "/etc/up": link("../../../../etc/a.conf"),
        "/etc/absolute": link("/etc/a.conf"),
        "/etc/loop": link("loop"),
        "/etc/ring": link("/etc/gnir"),
        "/etc/gnir": link("/etc/ring"),
        "/etc/into": link("a.conf/x"),
        "/etc/deep": FOLDER,
        "/etc/deep/c.conf": Entry("f", size=1),
        "/etc/pipe": Entry("p"),
    },
    {"/etc/a.conf": b"a\n", "/usr/bin/dash": b"\x7fELF", "/etc/deep/c.conf": b"\xff"},
)


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/bin/sh", "/usr/bin/dash"),
        ("/etc/up", "/etc/a.conf"),
        ("/etc/absolute", "/etc/a.conf"),
        ("/etc/../etc/./a.conf", "/etc/a.conf"),
        ("/", "/"),
        ("/etc/loop", None),
        ("/etc/ring", None),
        ("/etc/into", None),
        ("/etc/a.conf/..", None),
        ("/etc/none", None),
    ],
)
def test_links_are_followed_within_the_tree_only(path: str, real: str | None) -> None:
    assert TREE.real(path) == real


def test_a_link_at_the_end_can_be_asked_for_itself() -> None:
    assert TREE.place("/bin/sh") == "/usr/bin/sh"
    entry = TREE.lentry("/bin/sh")
    assert entry and (entry.kind, entry.target) == ("l", "dash")


def test_what_was_not_taken_is_not_taken_for_empty() -> None:
    with pytest.raises(NotTaken, match="/etc/large"):
        TREE.read("/etc/large")
    assert TREE.read("/etc/b.conf") == b""
    assert TREE.read("/etc/none") is None
    assert TREE.read("/etc/pipe") is None
    assert TREE.read("/etc") is None


def test_a_file_that_is_no_text_is_text_all_the_same() -> None:
    assert TREE.text("/etc/deep/c.conf") == "\N{REPLACEMENT CHARACTER}"
    assert TREE.lines("/etc/none") == []


def test_a_pattern_names_what_a_shell_s_would() -> None:
    assert TREE.glob("/etc/*.conf") == ["/etc/a.conf", "/etc/b.conf"]
    assert TREE.glob("/bin/*sh") == ["/bin/dash", "/bin/sh"]
    assert TREE.glob("/*/deep/c.conf") == ["/etc/deep/c.conf"]
    assert TREE.glob("/etc/none") == []


def test_everything_below_a_folder_comes_in_order_and_links_are_not_followed() -> None:
    assert [path for path, _ in TREE.under("/usr")] == ["/usr/bin", "/usr/bin/dash", "/usr/bin/sh"]
    assert [path for path, _ in TREE.files("/etc/deep")] == ["/etc/deep/c.conf"]
    assert list(TREE.under("/etc/a.conf")) == []


def test_a_folder_a_thousand_deep_is_walked() -> None:
    deep = {"/": FOLDER, **{"/d" * depth: FOLDER for depth in range(1, 5000)}}
    assert sum(1 for _ in Tree(deep, {}).under("/")) == 4999
