"""Requests to the fake service and its answers, as values; what of them is the same for every verb."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from urllib3 import HTTPResponse

METADATA = 8 << 10
XML = '<?xml version="1.0" encoding="utf-8"?>'


@dataclass
class Answer:
    """What the service answers."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Refusal(Exception):
    """A status and a code of the service's."""

    def __init__(self, status: int, code: str, **headers: str) -> None:
        super().__init__(status, code)
        self.status, self.code, self.headers = status, code, headers

    def answer(self) -> Answer:
        body = f"{XML}<Error><Code>{self.code}</Code><Message>{self.code} in words.</Message></Error>"
        headers = {"x-ms-error-code": self.code, "Content-Type": "application/xml", **self.headers}
        return Answer(self.status, headers, body.encode())


@dataclass
class Asked:
    """A request, taken apart."""

    method: str
    container: str
    blob: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    @property
    def verb(self) -> str:
        """`put page`, `put page-from-url`, `head blob`, …: what a fault is aimed at."""
        what = self.query.get("comp", "")
        if what == "page" and self.header("x-ms-copy-source"):
            what = "page-from-url"
        elif what == "page" and self.header("x-ms-page-write") == "clear":
            what = "clear"
        elif what == "lease":
            what = f"lease-{self.header('x-ms-lease-action')}"
        elif not what and self.blob and self.method == "PUT":
            what = "copy" if self.header("x-ms-copy-source") else self.header("x-ms-blob-type")
        return f"{self.method.lower()} {what or ('blob' if self.blob else 'container')}"


def taken_apart(request: requests.PreparedRequest) -> Asked:
    url = urlsplit(request.url or "")
    container, name = place_of(url.path)
    body = request.body if isinstance(request.body, bytes) else b"" if request.body is None else _whole(request.body)
    return Asked(request.method or "", container, name, dict(parse_qsl(url.query)), request.headers, body)


def _whole(body: Any) -> bytes:
    content: bytes = body.read() if hasattr(body, "read") else str(body).encode()
    return content


def place_of(path: str) -> tuple[str, str]:
    """Container and blob of /ACCOUNT/CONTAINER/BLOB, or of /CONTAINER/BLOB where the host names the account."""
    parts = unquote(path).strip("/").split("/")
    parts = parts[1:] if parts[0] == "devstoreaccount1" else parts
    return parts[0], "/".join(parts[1:])


def as_response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    headers = {"Date": formatdate(usegmt=True), "x-ms-version": "2026-04-06", "x-ms-request-id": "0", **answer.headers}
    headers.setdefault("Last-Modified", formatdate(usegmt=True))
    headers.setdefault("Content-Length", str(len(answer.body)))
    is_head = request.method == "HEAD"
    response = requests.Response()
    response.raw = HTTPResponse(
        io.BytesIO(b"" if is_head else answer.body),
        headers=headers,
        status=answer.status,
        preload_content=False,
        request_method=request.method,
        reason="",
    )
    response.status_code, response.url, response.request = answer.status, request.url or "", request
    response.headers.update(headers)
    return response


def range_of(header: str) -> tuple[int, int]:
    """Start and stop of `bytes=a-b`."""
    found = re.fullmatch(r"bytes=(\d+)-(\d+)", header)
    if not found:
        raise Refusal(400, "InvalidHeaderValue")
    return int(found[1]), int(found[2]) + 1


def metadata_of(asked: Asked) -> dict[str, str]:
    found = {name[10:]: value for name, value in asked.headers.items() if name.lower().startswith("x-ms-meta-")}
    if any(not name for name in found):
        raise Refusal(400, "EmptyMetadataKey")
    if not all(name.isidentifier() and name.isascii() and str(value).isascii() for name, value in found.items()):
        raise Refusal(400, "InvalidMetadata")
    if sum(len(name) + len(value) for name, value in found.items()) > METADATA:
        raise Refusal(400, "MetadataTooLarge")
    return found
