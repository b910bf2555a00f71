"""sudo's Defaults: what is read, in which order, and what is not."""

from __future__ import annotations

from flight.workflows.certify.effective.sudoers import Default, defaults_of
from flight.workflows.certify.tree import Entry, Tree


def defaults(files: dict[str, str]) -> tuple[Default, ...]:
    folders = {path.rpartition("/")[0] for path in files} | {"/etc", "/usr", "/usr/etc", "/"}
    entries = {path: Entry("d") for path in folders} | {
        path: Entry("f", size=len(text)) for path, text in files.items()
    }
    return defaults_of(Tree(entries, {path: text.encode() for path, text in files.items()}))


def names(text: str) -> list[tuple[str, bool, bool]]:
    return [(each.name, each.is_on, each.is_for_all) for each in defaults({"/etc/sudoers": text})]


def test_settings_are_separated_by_commas_and_quotes_hold_them_together() -> None:
    said = names('Defaults env_reset, !lecture,mail="a,b" , secure_path += "/x"\n')
    assert said == [
        ("env_reset", True, True),
        ("lecture", False, True),
        ("mail", True, True),
        ("secure_path", True, True),
    ]


def test_a_host_a_user_or_a_command_may_be_meant() -> None:
    for line in (
        "Defaults:me targetpw",
        "Defaults@a, b targetpw",
        "Defaults!/bin/sh targetpw",
        "Defaults>root targetpw",
    ):
        assert names(line) == [("targetpw", True, False)], line


def test_a_backslash_goes_on_and_a_comment_ends() -> None:
    assert names("Defaults env_reset, \\\n   targetpw # not rootpw\n# Defaults rootpw\n") == [
        ("env_reset", True, True),
        ("targetpw", True, True),
    ]


def test_includes_are_read_where_they_stand_each_once() -> None:
    files = {
        "/etc/sudoers": "Defaults a\n@includedir /etc/sudoers.d\n#include local\nDefaults z\n",
        "/etc/sudoers.d/20": "Defaults c\n",
        "/etc/sudoers.d/10": 'Defaults b\n@include "/etc/sudoers"\n',
        "/etc/sudoers.d/off.bak": "Defaults never\n",
        "/etc/sudoers.d/off~": "Defaults never\n",
        "/etc/local": "Defaults y\n",
    }
    assert [each.name for each in defaults(files)] == ["a", "b", "c", "y", "z"]


def test_the_vendors_file_is_read_where_there_is_no_other() -> None:
    assert [each.where for each in defaults({"/usr/etc/sudoers": "Defaults a\n"})] == ["/usr/etc/sudoers:1"]


def test_a_file_made_to_cost_time_is_read_too() -> None:
    for text in (
        "a\\\n" * 300_000,
        "Defaults@" + "a , " * 200_000,
        'Defaults "' * 90_000,
        "Defaults" + " " * (1 << 20),
    ):
        defaults({"/etc/sudoers": text})
