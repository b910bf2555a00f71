"""GRUB's language: whatever a disk says, a menu or a problem comes of it. tests/integration asks GRUB itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows.certify.effective.bootfiles import BootFiles
from flight.workflows.certify.effective.bootloader.by_grub import Config, boot_by_grub, chosen
from flight.workflows.certify.effective.bootloader.holds import holds
from flight.workflows.certify.effective.bootloader.menu import Item, read_block, split_options
from flight.workflows.certify.effective.bootloader.script import Command, If, parse
from flight.workflows.certify.tree import Entry, Tree

WORDS = (
    "if", "then", "else", "elif", "fi", "for", "in", "do", "done", "while", "until", "function", "menuentry", "submenu", "{",
    "}", "[", "]", "set", "default=1>0", "x=$x$x", "$x", "${x}", "'a b'", '"$x"', "linux", "/vmlinuz", "initrd", "source",
    "/boot/grub/grub.cfg", "configfile", "blscfg", "search", "--set=root", "--label", "load_env", "-f", "-n", "=", "!", "-a",
    ";", "\n", "\n", "&&", "#", "\\", "'", '"', "$", "probe", "return", "1", "true", "false",
)  # fmt: skip


def boot(text: str) -> str:
    content = text.encode()
    entries = {path: Entry("d", 0o755) for path in ("/", "/boot", "/boot/grub")}
    path = "/boot/grub/grub.cfg"
    tree = Tree({**entries, path: Entry("f", size=len(content))}, {path: content})
    return boot_by_grub(BootFiles(tree), Config(path, ""), "efi", "x86_64").problem


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40))
def test_words_in_any_order_are_a_menu_or_a_problem(words: list[str]) -> None:
    assert boot(" ".join(words))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_menu_or_a_problem(text: str) -> None:
    assert boot(text)


def test_a_name_is_of_plain_letters_only() -> None:
    assert "starts ${²}$², which is not there" in boot("menuentry x { linux ${²}$² }\n")


def test_blocks_belong_to_their_commands() -> None:
    (it,) = parse("menuentry 'a' {\n if x; then y; fi; z\n}\n")
    assert isinstance(it, Command)
    assert it.body is not None
    assert isinstance(it.body[0], If)
    assert [it.line, len(it.body)] == [1, 2]


def test_a_brace_ends_a_command_on_its_line() -> None:
    (it,) = parse("menuentry 'a' { linux /x y }\n")
    assert isinstance(it, Command)
    assert it.body is not None
    (inner,) = it.body
    assert isinstance(inner, Command)
    assert [word[0].text for word in inner.words] == ["linux", "/x", "y"]


TESTS = {
    "x": True,
    "": False,
    "-n x": True,
    "-z x": False,
    "a = a": True,
    "a == b": False,
    "a != b": True,
    "1 -lt 2": True,
    "x -eq 0": True,
    "! a = b": True,
    "! ! x": True,
    "a = b -o x": True,
    "a = b -a x": False,
    "x -a x -o a = b": True,
    "( a = b -o x ) -a x": True,
    "-f /file": True,
    "-f /folder": False,
    "-d /folder": True,
    "-e /gone": False,
    "-s /file": True,
    "-s /empty": False,
    "-f": True,
    "( ( (": False,
    "=": True,
}


@pytest.mark.parametrize(("words", "result"), TESTS.items())
def test_conditions_hold_as_they_do_for_grub(words: str, result: bool) -> None:
    files = {"/file": ("f", 1), "/empty": ("f", 0), "/folder": ("d", 0)}
    assert holds(words.split(), files.get) is result


def test_endless_conditions_end() -> None:
    assert holds(["!"] * 100_000, lambda path: None) in (True, False)
    assert holds(["("] * 100_000, lambda path: None) in (True, False)


def test_options_take_their_word_or_hold_it() -> None:
    options, words = split_options(["--id", "a", "--class=b", "-q", "title", "-"], ("--id", "--class"))
    assert (options, words) == ({"--id": "a", "--class": "b", "-q": ""}, ["title", "-"])


def test_an_environment_block_is_read_as_it_was_written() -> None:
    text = "# GRUB Environment Block\n# WARNING\na=1\nb=x=y\nc=two\\\nlines\nd=a\\\\b\n" + "#" * 100
    assert read_block(text) == {"a": "1", "b": "x=y", "c": "two\nlines", "d": "a\\b"}


def test_a_title_may_hold_the_sign_between_titles() -> None:
    menu = [
        Item("x", "", "", 0),
        Item("a>b", "", "", 0, is_submenu=True, children=[Item("c", "", "", 0), Item("d", "", "", 0)]),
    ]
    assert chosen(menu, "a>>b>d").title == "d"
    assert chosen(menu, "a>b").title == "x"
