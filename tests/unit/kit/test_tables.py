from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.kit.tables import lines_of_keys

NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
VALUES = st.sampled_from(["1", '"a = b"', "[1, 2]", "true", "'''\nx = 1\n[y]\n'''", '"""z = 1"""'])
TABLES = st.lists(st.tuples(NAMES, st.booleans(), st.dictionaries(NAMES, VALUES, max_size=3)), max_size=4)


def flattened(value: Any, place: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Every place of a document that holds a value, tables and entries of arrays of tables among them."""
    if isinstance(value, dict):
        inner = {found for key, part in value.items() for found in flattened(part, (*place, key))}
        return inner | ({place} if place else set())
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {found for number, part in enumerate(value) for found in flattened(part, (*place, number))}
    return {place}


@given(top=st.dictionaries(NAMES, VALUES, max_size=3), tables=TABLES)
def test_every_place_of_a_document_has_the_line_it_is_written_on(
    top: dict[str, str], tables: list[tuple[str, bool, dict[str, str]]]
) -> None:
    lines = [f"{key} = {value}" for key, value in top.items()]
    for name, repeated, keys in tables:
        lines += [f"[[{name}]]" if repeated else f"[{name}]", *(f"{key} = {value}" for key, value in keys.items())]
    text = "\n".join(lines)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # the same table twice: nobody asks for its lines
    found = lines_of_keys(text)
    assert set(found) == flattened(document)
    written = text.split("\n")
    for place, line in found.items():
        word = next(part for part in reversed(place) if isinstance(part, str))
        assert written[line - 1].lstrip("[").startswith(word)


@pytest.mark.parametrize(
    ("text", "place", "line"),
    [
        ('a.b = 1\n"c d" = 2', ("a", "b"), 1),
        ("# x = 1\n  x = 2", ("x",), 2),
        ("[ a . b ]\nc = 1".replace(" . ", "."), ("a", "b", "c"), 2),
    ],
    ids=["dotted key", "comment", "dotted table"],
)
def test_a_key_s_line_is_found(text: str, place: tuple[str, ...], line: int) -> None:
    tomllib.loads(text)
    assert lines_of_keys(text)[place] == line
