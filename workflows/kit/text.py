"""What a person's words may hold, and how they are quoted back to them: on one line, and not at length."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

MOST_QUOTED: Final = 80
"""Characters of a value that an error repeats."""
BREAKS: Final = ("Cc", "Zl", "Zp")
"""Unicode's categories of control characters, line and paragraph separators."""
CREDENTIALS: Final = re.compile(r"//[^/]*@")
"""What stands before a URL's host; looked for as text, since it may be no URL."""


def has_controls(text: str, *, besides: str = "") -> bool:
    """Whether a control character or a line break stands in it, other than those of `besides`."""
    return any(unicodedata.category(sign) in BREAKS and sign not in besides for sign in text)


def texts_in(value: object) -> Iterator[str]:
    """Every text in a value as TOML and JSON have them, names of keys among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield key
            yield from texts_in(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from texts_in(part)


def quoted(value: object, *, most: int = MOST_QUOTED) -> str:
    """A value as an error repeats it: control characters spelt out, what is too long cut off, no URL's credentials."""
    text = CREDENTIALS.sub("//…@", value if isinstance(value, str) else repr(value))
    if len(text) > most:
        text = f"{text[:most]}… ({len(text)} characters)"
    return "".join(repr(sign)[1:-1] if has_controls(sign) else sign for sign in text)


def as_written(value: object) -> str:
    """A value of a TOML file, much as a person wrote it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{quoted(', '.join(map(as_written, value)))}]"
    if isinstance(value, Mapping):
        return "{" + quoted(", ".join(f"{key} = {as_written(part)}" for key, part in value.items())) + "}"
    return f"'{quoted(value)}'" if isinstance(value, str) else quoted(str(value))


def line_of(error: UnicodeDecodeError) -> int:
    """The line, counted from 1, in which a whole file stops being text."""
    return error.object.count(b"\n", 0, error.start) + 1


def split_url(text: str) -> SplitResult | None:
    """The parts of a URL that packages can come from (http, https, file); None where it is none."""
    if has_controls(text) or " " in text:
        return None
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 -- raises ValueError where it is no number
    except ValueError:
        return None
    fits = parts.hostname if parts.scheme in ("http", "https") else parts.scheme == "file" and parts.path
    return parts if fits else None
