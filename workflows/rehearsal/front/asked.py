"""A request as the front sees it: which operation it is, and on which pages. Pure."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

RANGE = re.compile(r"bytes=(\d{1,19})-(\d{1,19})")


@dataclass(frozen=True)
class Asked:
    """`target` is the path with its query, as it came; the names of `headers` are in small letters."""

    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        """Without the query."""
        return self.target.partition("?")[0]

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def is_page_write(self) -> bool:
        """Put Page, of either kind, with content of its own or from a URL."""
        return self.method == "PUT" and self.query.get("comp") == "page"

    @property
    def is_clear(self) -> bool:
        return self.is_page_write and self.headers.get("x-ms-page-write", "").lower() == "clear"

    @property
    def is_put_from(self) -> bool:
        """Put Page From URL."""
        return self.is_page_write and self.source is not None

    @property
    def is_copy(self) -> bool:
        """Copy Blob (and not Put Blob From URL, which names the type of what it makes)."""
        is_put = self.method == "PUT" and "comp" not in self.query
        return is_put and self.source is not None and "x-ms-blob-type" not in self.headers

    @property
    def source(self) -> str | None:
        """The URL that is copied from."""
        return self.headers.get("x-ms-copy-source")

    @property
    def length_wanted(self) -> str | None:
        """The size that a page blob shall have from now on."""
        return self.headers.get("x-ms-blob-content-length") if self.method == "PUT" else None

    @property
    def pages(self) -> tuple[int, int] | None:
        """Start and stop, in bytes, of the pages that are written; None where there is no such range."""
        return read_range(self.headers.get("x-ms-range") or self.headers.get("range"))

    @property
    def source_bytes(self) -> tuple[int, int] | None:
        """Start and stop of what is read from the source."""
        return read_range(self.headers.get("x-ms-source-range"))


def read_range(text: str | None) -> tuple[int, int] | None:
    """Start and stop of `bytes=FIRST-LAST`; None for anything else."""
    found = RANGE.fullmatch((text or "").strip())
    return (int(found[1]), int(found[2]) + 1) if found else None
