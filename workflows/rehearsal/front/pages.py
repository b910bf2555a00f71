"""Put Page From URL, which Azurite does not do (501): the source is read, then put.

Azurite has judged the request before: 501 means that it let it through. The source is read with the leave that the
request brings for it: a token, a signature in the URL, or the account's key, where the request itself is signed with it.
Source: Azure Storage REST API, "Put Page From URL".
"""

from __future__ import annotations

import http.client
import re
import urllib.parse

from flight.workflows.rehearsal.front import refusal
from flight.workflows.rehearsal.front.asked import Asked
from flight.workflows.rehearsal.front.body import Body
from flight.workflows.rehearsal.front.rules import check_md5
from flight.workflows.rehearsal.front.storage import Line, own_headers, own_target

SOURCE_PREFIX = "x-ms-source-if-"
PASSED_ON = ("x-ms-lease-id", "x-ms-version", "x-ms-client-request-id")
"""Beside conditions: what of the request concerns the blob that is written to."""
LOOPBACK = ("127.0.0.1", "localhost")


def put_from(line: Line, asked: Asked, *, port: int) -> http.client.HTTPResponse:
    """Azurite's answer to a Put Page with what the source holds. `port` is the front's own. Raises Refusal."""
    content = _read_source(line, asked, port)
    check_md5(asked.headers.get("x-ms-source-content-md5"), content.md5)
    return line.ask("PUT", own_target(asked.path, "comp=page"), plan_put(asked, content), content)


def plan_put(asked: Asked, content: Body) -> list[tuple[str, str]]:
    """The headers of the Put Page, with the conditions that the request makes for the blob that is written to."""
    start, stop = asked.pages or (0, 0)
    conditions = [
        (name, value) for name, value in asked.headers.items() if re.match(r"if-|x-ms-if-", name) or name in PASSED_ON
    ]
    return [
        ("Host", asked.headers.get("host", "")),
        *conditions,
        ("x-ms-page-write", "update"),
        ("x-ms-range", f"bytes={start}-{stop - 1}"),
        ("Content-Length", str(content.size_bytes)),
    ]


def plan_read(asked: Asked, *, port: int) -> tuple[str, list[tuple[str, str]]]:
    """Target and headers with which the source is read. Raises Refusal for a source that is not in the rehearsal."""
    url = urllib.parse.urlsplit(asked.source or "")
    if not _is_ours(url, asked, port):
        raise refusal.unreadable_source(400, "The rehearsal reads from its own storage only.")
    start, stop = asked.source_bytes or (0, 0)
    headers = [
        *(pair for pair in own_headers(asked) if pair[0] != "Host"),
        ("Host", url.netloc),
        ("x-ms-range", f"bytes={start}-{stop - 1}"),
        *(
            (name.removeprefix("x-ms-source-"), value)
            for name, value in asked.headers.items()
            if name.startswith(SOURCE_PREFIX)
        ),
    ]
    token = asked.headers.get("x-ms-copy-source-authorization")
    is_signed = "sig" in urllib.parse.parse_qs(url.query)
    if token:
        headers.append(("Authorization", token))
    elif not is_signed and asked.headers.get("authorization", "").startswith("SharedKey "):
        return own_target(url.path, url.query), headers
    return f"{url.path}?{url.query}".rstrip("?"), headers


def _read_source(line: Line, asked: Asked, port: int) -> Body:
    target, headers = plan_read(asked, port=port)
    answer = line.ask("GET", target, headers)
    content = answer.read()
    if answer.status in (304, 412):
        raise refusal.source_changed()
    if answer.status not in (200, 206):
        said = re.search(rb"<Message>([^<\n]*)", content)
        raise refusal.unreadable_source(answer.status, said[1].decode(errors="replace") if said else answer.reason)
    start, stop = asked.source_bytes or (0, 0)
    if len(content) != stop - start:
        raise refusal.bad_pages()  # it reaches past the end of the source
    return Body(len(content), content)


def _is_ours(url: urllib.parse.SplitResult, asked: Asked, port: int) -> bool:
    if url.netloc == asked.headers.get("host"):
        return True
    try:
        return url.hostname in LOOPBACK and url.port == port
    except ValueError:
        return False
