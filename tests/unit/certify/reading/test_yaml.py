"""YAML from strangers: what is well-formed is read as PyYAML reads it, what is too much is refused in bounded time."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.certify.reading.yaml import DEEPEST, MOST_CHARACTERS, Refused, read_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 60))
REFUSED = {
    "a-billion-laughs": (LAUGHS, "more than"),
    "merge-keys-that-double": (MERGES, "more than"),
    "an-alias-to-itself": ("&a [*a]", "back to itself"),
    "too-deep": ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "too deeply"),
    "far-too-deep": ("[" * 20000, "too deeply"),
    "too-long": ("#" * (MOST_CHARACTERS + 1), "characters"),
}
BROKEN = {
    "an-open-list": ("a: [", "line 1"),
    "a-tab": ("a:\n\t- b", "line 2"),
    "a-python-object": ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    "two-documents": ("a: 1\n---\nb: 1", "another document"),
    "a-list-as-a-key": ("? [a]\n: b", "unhashable"),
    "no-such-day": ("a: 2020-13-45", "none of its kind"),
    "a-number-of-nothing": ("a: !!int ''", "none of its kind"),
    "a-number-without-end": (f"a: {'9' * 6000}", "none of its kind"),
    "a-zero-byte": ("a: \0", "no YAML"),
}


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED)
def test_too_much_is_refused(text: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        read_yaml(text)


@pytest.mark.parametrize(("text", "why"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_yaml_is_said_to_be_none(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        read_yaml(text)
    assert not isinstance(error.value, Refused)


def test_aliases_as_cloud_init_uses_them_are_read() -> None:
    text = "_log:\n - &base |\n   [x]\nlog_cfgs:\n - [ *base, *base ]\n"
    assert read_yaml(text) == {"_log": ["[x]\n"], "log_cfgs": [["[x]\n", "[x]\n"]]}
    assert read_yaml("# nothing\n") is None


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_yaml(text)
    except ValueError:
        pass


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet="abc: -[]{}'\"#\n", max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet="ab-_", max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_what_was_dumped_is_read_back(value: object) -> None:
    assert read_yaml(yaml.safe_dump(value)) == value
