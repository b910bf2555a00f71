"""Azurite behind the front: connections to it, and what the front asks of it on its own account."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ssl
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, field

from flight.workflows.cloud.endpoint import REHEARSAL_ACCOUNT, REHEARSAL_KEY
from flight.workflows.rehearsal.front.asked import Asked
from flight.workflows.rehearsal.front.body import Body
from flight.workflows.rehearsal.front.rules import Target

ANSWER_S = 300.0
"""Azurite writes its index every five seconds, and answers nobody meanwhile; a slow disk makes it slower still."""
VERSION = "2021-12-02"
"""Of the API, for what the front asks itself."""
NOTHING = Body()
HEADERS = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Storage:
    """Where Azurite listens. `tls`, where it has a certificate."""

    host: str
    port: int
    tls: ssl.SSLContext | None = field(default=None, compare=False)

    def connect(self) -> Line:
        """A connection for one thread; nothing is sent yet."""
        if self.tls:
            return Line(http.client.HTTPSConnection(self.host, self.port, timeout=ANSWER_S, context=self.tls))
        return Line(http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_S))


class Line:
    """One connection that is kept; an answer must be read to its end before the next question."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def ask(self, method: str, target: str, headers: HEADERS, body: Body = NOTHING) -> http.client.HTTPResponse:
        """Send a request as it is. Raises OSError or HTTPException where Azurite does not answer.

        Node.js ends connections that nobody used for some seconds; a request that meets one that is gone is sent again.
        """
        given = list(headers)
        if self._connection.sock is not None:
            try:
                return self._once(method, target, given, body)
            except (ConnectionError, http.client.RemoteDisconnected):
                self.close()
        return self._once(method, target, given, body)

    def close(self) -> None:
        self._connection.close()

    def _once(self, method: str, target: str, headers: list[tuple[str, str]], body: Body) -> http.client.HTTPResponse:
        connection = self._connection
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders()
            is_chunked = any(name.lower() == "transfer-encoding" for name, _ in headers)
            for piece in body.pieces():
                connection.send(b"".join((b"%x\r\n" % len(piece), piece, b"\r\n")) if is_chunked else piece)
            if is_chunked:
                connection.send(b"0\r\n\r\n")
            return connection.getresponse()
        except BaseException:
            self.close()
            raise

    def look(self, asked: Asked) -> Target | None:
        """The blob that a request is about; None where there is none."""
        answer = self.ask("HEAD", own_target(asked.path), own_headers(asked))
        answer.read()
        if answer.status != 200:
            return None
        return Target(
            is_page_blob=answer.getheader("x-ms-blob-type") == "PageBlob",
            size_bytes=int(answer.getheader("Content-Length") or 0),
            lease=answer.getheader("x-ms-lease-duration") or "",
        )


def own_headers(asked: Asked) -> list[tuple[str, str]]:
    """What each question of the front's own brings: the host as the client named it, which may hold the account."""
    return [("Host", asked.headers.get("host", "")), ("x-ms-version", VERSION)]


def own_target(path: str, query: str = "") -> str:
    """A path with the front's own leave for all that it does, as the account's owner."""
    return f"{path}?{query}{'&' if query else ''}{_LEAVE}"


def account_sas() -> str:
    """A shared access signature for reading and writing any blob of the rehearsal's account.

    Source: Azure Storage REST API, "Create an account SAS", the string to sign of version 2020-12-06.
    """
    fields = {"sp": "rw", "ss": "b", "srt": "o", "st": "", "se": "9999-12-31T23:59:59Z", "sip": "", "spr": ""}
    signed = "\n".join([REHEARSAL_ACCOUNT, *fields.values(), VERSION, "", ""])
    digest = hmac.digest(base64.b64decode(REHEARSAL_KEY), signed.encode(), hashlib.sha256)
    given = {name: value for name, value in fields.items() if value}
    return urllib.parse.urlencode({**given, "sv": VERSION, "sig": base64.b64encode(digest).decode()})


_LEAVE = account_sas()
