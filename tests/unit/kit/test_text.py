from __future__ import annotations

import pytest

from flight.workflows.kit.text import as_written, has_controls, line_of, quoted, split_url


@pytest.mark.parametrize("text", ["\0", "a\nb", "\x1b[2J", "a\u2028b", "\x7f", "\x85"])
def test_control_characters_and_line_breaks_are_seen(text: str) -> None:
    assert has_controls(text)


def test_other_signs_are_no_controls() -> None:
    assert not has_controls("a b\u00e9\u4e2d\u2026")
    assert not has_controls("a\n\tb", besides="\n\t")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "true"),
        (12, "12"),
        ("a\nb", "'a\\nb'"),
        (["a", False, 1.5], "['a', false, 1.5]"),
        ({"a": [1]}, "{a = [1]}"),
    ],
    ids=str,
)
def test_a_value_is_written_as_toml_has_it(value: object, written: str) -> None:
    assert as_written(value) == written


def test_the_line_that_is_no_text_is_counted_from_one() -> None:
    with pytest.raises(UnicodeDecodeError) as caught:
        b"one\ntwo\n\xff".decode()
    assert line_of(caught.value) == 3


def test_a_value_is_quoted_on_one_line_and_not_at_length() -> None:
    assert quoted("a\nb\0") == "a\\nb\\x00"
    assert quoted("x" * 5000) == "x" * 80 + "… (5000 characters)"
    assert quoted(3) == "3"


def test_a_url_s_credentials_are_never_quoted() -> None:
    assert quoted("ftp://me:hunter2@x.example/y") == "ftp://…@x.example/y"


@pytest.mark.parametrize("url", ["http://x.example/debian", "https://[::1]:8080/", "file:///srv/debian"])
def test_a_url_that_packages_can_come_from(url: str) -> None:
    assert split_url(url)


@pytest.mark.parametrize(
    "url", ["", "x", "http://[", "http://x:port/", "http://", "ftp://x/", "file:", "http://x y/", "http://x\ndeb evil"]
)
def test_what_is_no_url(url: str) -> None:
    assert split_url(url) is None
