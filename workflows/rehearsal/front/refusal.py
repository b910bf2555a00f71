"""The refusals of Blob Storage that the front speaks itself, in the service's words.

Source: Azure Storage REST API, "Blob Storage error codes" and "Common REST API error codes".
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape


class Refusal(Exception):
    """A status and a code; `more` are headers that go with it."""

    def __init__(self, status: int, code: str, message: str, *, more: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.more = status, code, message, more or {}

    def render(self, *, request_id: str, at: str) -> bytes:
        """The body, as the service writes it."""
        message = f"{self.message}\nRequestId:{request_id}\nTime:{at}"
        told = f"<Error><Code>{self.code}</Code><Message>{escape(message)}</Message></Error>"
        return f'<?xml version="1.0" encoding="utf-8"?>{told}'.encode()


def too_large(most_bytes: int) -> Refusal:
    return Refusal(
        413,
        "RequestBodyTooLarge",
        "The request body is too large and exceeds the maximum permissible limit.",
        more={"x-ms-maxlimit": str(most_bytes)},
    )


def bad_header(name: str) -> Refusal:
    return Refusal(
        400,
        "InvalidHeaderValue",
        f"The value for one of the HTTP headers is not in the correct format.\nHeaderName:{name}",
    )


def bad_pages() -> Refusal:
    return Refusal(416, "InvalidPageRange", "The page range specified is invalid.")


def wrong_md5() -> Refusal:
    return Refusal(
        400,
        "Md5Mismatch",
        "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
    )


def bad_md5() -> Refusal:
    return Refusal(
        400,
        "InvalidMd5",
        "The MD5 value specified in the request is invalid. MD5 value must be 128 bits and base64 encoded.",
    )


def finite_lease(*, has_id: bool) -> Refusal:
    """A copy onto a blob with a lease that ends: not even its holder may."""
    if has_id:
        return Refusal(
            412,
            "InfiniteLeaseDurationRequired",
            "The lease ID matched, but the specified lease must be an infinite-duration lease.",
        )
    return Refusal(
        412, "LeaseIdMissing", "There is currently a lease on the blob and no lease ID was specified in the request."
    )


def source_changed() -> Refusal:
    return Refusal(
        412,
        "SourceConditionNotMet",
        "The source condition specified using HTTP conditional header(s) is not met.",
    )


def unreadable_source(status: int, why: str) -> Refusal:
    """The source cannot be read; `status` is what reading it was answered with."""
    return Refusal(status, "CannotVerifyCopySource", why)
