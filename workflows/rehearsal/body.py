"""The body of a request, taken apart as strictly as Azure does: an unknown member, a wrong type, a value out of range.

`Part` is one object of a body. Azure names what is at fault in two ways: by its path in the JSON where the text itself
could not be read, by the property's own name where its value is refused; a part knows both.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flight.workflows.rehearsal import refusal

MOST_TAGS: Final = 50
TAG_NAME_CHARACTERS: Final = 512
TAG_VALUE_CHARACTERS: Final = 256
NOT_IN_TAG_NAMES: Final = frozenset("<>%&\\?/")
"""Source of the limits: "Use tags to organize your Azure resources"."""
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Part:
    """One object of a body: its members, its path in the JSON, and what stands before a member's name in a refusal."""

    values: Mapping[str, Any]
    path: str = ""
    shown: str = ""

    def part(self, member: str, kind: str, members: Collection[str], *, shown: str | None = None) -> Part:
        """The object of that name, an empty one where it is left out; `kind` is what Azure calls its type."""
        value = self.values.get(member)
        path = f"{self.path}.{member}".strip(".")
        return _part({} if value is None else value, kind, members, path=path, shown=self._below(member, shown))

    def parts(self, member: str, kind: str, members: Collection[str], *, shown: str | None = None) -> tuple[Part, ...]:
        """The objects of a list, none where it is left out."""
        listed = self.values.get(member)
        path = f"{self.path}.{member}".strip(".")
        if listed is None:
            return ()
        if not isinstance(listed, list):
            raise refusal.bad_content(f"a list is expected at '{path}'")
        below = self._below(member, shown)
        return tuple(
            _part(value, kind, members, path=f"{path}[{number}]", shown=below) for number, value in enumerate(listed)
        )

    def has(self, member: str) -> bool:
        return self.values.get(member) not in (None, "")

    def required(self, member: str) -> Any:
        if not self.has(member):
            raise refusal.missing(self.name_of(member))
        return self.values[member]

    def text(self, member: str) -> str:
        """A text, empty where it is left out."""
        value = self.values.get(member)
        if value is not None and not isinstance(value, str):
            raise refusal.bad_value(self.name_of(member))
        return value or ""

    def one_of(self, member: str, known: Sequence[str], *, default: str = "") -> str:
        """The value as Azure spells it; Azure reads it without case. No default: it must be given."""
        if default and self.values.get(member) is None:
            return default
        given = self.required(member)
        for value in known:
            if isinstance(given, str) and given.lower() == value.lower():
                return value
        raise refusal.bad_value(self.name_of(member))

    def flag(self, member: str, *, default: bool = False) -> bool:
        value = self.values.get(member)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise refusal.bad_value(self.name_of(member))
        return value

    def whole(self, member: str, *, default: int, least: int, most: int) -> int:
        """A whole number of that range."""
        value = self.values.get(member)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            raise refusal.bad_value(self.name_of(member))
        if not least <= value <= most:
            raise refusal.out_of_range(value, self.name_of(member), least=least, most=most)
        return value

    def moment(self, member: str) -> str:
        """A date or a time of ISO 8601, in UTC and as Azure writes it; empty where it is left out."""
        value = self.values.get(member)
        if value is None:
            return ""
        try:
            if not isinstance(value, str) or not _DATE.match(value):
                raise ValueError
            read = dt.datetime.fromisoformat(value)
        except ValueError:
            raise refusal.no_date(str(value), f"{self.path}.{member}".strip(".")) from None
        return moment((read if read.tzinfo else read.replace(tzinfo=dt.UTC)).timestamp())

    def name_of(self, member: str) -> str:
        """The property as a refusal names it."""
        return f"{self.shown}{member}"

    def _below(self, member: str, shown: str | None) -> str:
        return f"{self.shown}{member}." if shown is None else shown


def read_body(body: bytes, kind: str, members: Collection[str]) -> Part:
    """The whole of a body. Raises Refusal where it is no JSON object, or has a member that `kind` does not know."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise refusal.bad_content(str(error)) from None
    return _part(value, kind, members, path="", shown="")


def read_location(asked: Part) -> str:
    location = asked.values.get("location")
    if not isinstance(location, str) or not location.strip():
        raise refusal.no_location()
    return normal_location(location)


def read_tags(asked: Part) -> dict[str, str]:
    tags = asked.values.get("tags") or {}
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise refusal.bad_content("'tags' takes names and texts")
    for objection in _tag_faults(tags):
        raise objection
    return dict(tags)


def normal_location(text: str) -> str:
    """`West Europe` and `westeurope` are the same to ARM."""
    return text.replace(" ", "").lower()


def moment(seconds: float) -> str:
    """Seconds since 1970 as ARM writes a time."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def _part(value: Any, kind: str, members: Collection[str], *, path: str, shown: str) -> Part:
    if not isinstance(value, dict):
        raise refusal.bad_content(f"an object is expected at '{path}'")
    for member in value:
        if member not in members:
            raise refusal.unknown_member(member, kind, f"{path}.{member}".strip("."))
    return Part(value, path, shown)


def _tag_faults(tags: Mapping[str, str]) -> Iterator[refusal.Refusal]:
    if len(tags) > MOST_TAGS:
        yield refusal.bad_tag("InvalidTags", f"The number of tags {len(tags)} exceeds the maximum of {MOST_TAGS}.")
    for name, value in tags.items():
        if NOT_IN_TAG_NAMES & set(name) or not name.isprintable():
            reserved = ",".join(sorted(NOT_IN_TAG_NAMES))
            words = f"The tag names '{name}' have reserved characters '{reserved}' or control characters."
            yield refusal.bad_tag("InvalidTagNameCharacters", words)
        if not 0 < len(name) <= TAG_NAME_CHARACTERS:
            yield refusal.bad_tag("InvalidTagNameLength", f"The tag name '{name}' has a length that is not supported.")
        if len(value) > TAG_VALUE_CHARACTERS:
            words = (
                f"Tag value too large. Following tag value '{value}' exceeded the maximum length. "
                f"Maximum allowed length for tag value - '{TAG_VALUE_CHARACTERS}' characters."
            )
            yield refusal.bad_tag("InvalidTagValueLength", words)
