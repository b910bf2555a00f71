"""What the service refuses and Azurite 3.35 takes. Pure, but for the one look at the blob that is written to.

Source: Azure Storage REST API, "Put Page", "Put Page From URL", "Put Blob", "Set Blob Properties", "Copy Blob".
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from flight.workflows.rehearsal.front import refusal
from flight.workflows.rehearsal.front.asked import Asked

PAGE = 512
MOST_PUT_BYTES = 4 << 20
"""How much one Put Page may bring."""


@dataclass(frozen=True)
class Target:
    """The blob that is written to, as far as the rules ask. `lease` is "fixed", "infinite" or nothing."""

    is_page_blob: bool
    size_bytes: int
    lease: str = ""


Look = Callable[[], Target | None]
"""Looks at the blob that is written to; None: there is none."""


def check(asked: Asked, *, body_bytes: int, look: Look) -> None:
    """Raises Refusal for what breaks the service's rules; what Azurite refuses itself is left to it."""
    if asked.is_page_write:
        _check_pages(asked, body_bytes, look)
    elif asked.is_copy:
        target = look()
        if target and target.lease == "fixed":
            raise refusal.finite_lease(has_id="x-ms-lease-id" in asked.headers)
    elif asked.length_wanted is not None and not is_whole_pages(asked.length_wanted):
        raise refusal.bad_header("x-ms-blob-content-length")


def _check_pages(asked: Asked, body_bytes: int, look: Look) -> None:
    if not asked.is_clear and body_bytes > MOST_PUT_BYTES:
        raise refusal.too_large(MOST_PUT_BYTES)
    pages = asked.pages
    if pages is None:
        raise refusal.bad_header("x-ms-range")
    start, stop = pages
    if start % PAGE or stop % PAGE or stop <= start:
        raise refusal.bad_pages()
    if asked.is_put_from:
        _check_source(asked, stop - start)
    elif not asked.is_clear and body_bytes != stop - start:
        raise refusal.bad_header("Content-Length")
    target = look()
    if target and target.is_page_blob and stop > target.size_bytes:
        raise refusal.bad_pages()


def _check_source(asked: Asked, size: int) -> None:
    if size > MOST_PUT_BYTES:
        raise refusal.too_large(MOST_PUT_BYTES)
    source = asked.source_bytes
    if source is None or source[1] - source[0] != size:
        raise refusal.bad_header("x-ms-source-range")
    if source[0] % PAGE:
        raise refusal.bad_pages()


def is_whole_pages(size: str) -> bool:
    return size.isdecimal() and int(size) % PAGE == 0


def check_md5(told: str | None, found: Callable[[], bytes]) -> None:
    """Raises Refusal where a Content-MD5 was told and is not that of the content; `found` computes it, if need be."""
    if told is None:
        return
    try:
        wanted = base64.b64decode(told, validate=True)
    except ValueError:
        wanted = b""
    if len(wanted) != 16:
        raise refusal.bad_md5()
    if wanted != found():
        raise refusal.wrong_md5()
