"""The storage account of the fake service: its containers, blobs, leases and copies, with the real service's rules.

Sources: the REST pages of each verb, and "Blob Storage error codes".
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

from fake_http import XML, Answer, Asked, Refusal, metadata_of, place_of, range_of
from fake_pages import PAGE, Blob, Lease

MOST = 4 << 20


class Account:
    """One storage account. `clock` counts seconds for leases and copies; `page_size` is how much a listing holds.

    A blob is found in `blobs[container, name]`. `tokens` are the bearer tokens that are taken; None: any.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, copy_polls: int = 2, page_size: int = 3) -> None:
        self.clock, self.copy_polls, self.page_size = clock, copy_polls, page_size
        self.containers: set[str] = set()
        self.being_deleted: set[str] = set()
        self.blobs: dict[tuple[str, str], Blob] = {}
        self.tokens: set[str] | None = None
        self.copies_fail = False
        self.requests: list[Asked] = []
        """What was answered, without its body."""
        self.lock = threading.RLock()
        self._versions = 0x8DC0000000000

    @property
    def verbs(self) -> list[str]:
        """What was asked, in order, as `Asked.verb` names it."""
        return [one.verb for one in self.requests]

    def answer(self, asked: Asked) -> Answer:
        """What the service answers when all goes well on the way."""
        with self.lock:
            self.requests.append(dataclasses.replace(asked, body=b""))
            try:
                self._check_authorized(asked.header("Authorization"))
                self._check_md5(asked, "Content-MD5", asked.body)
                return self._of_blob(asked) if asked.blob else self._of_container(asked)
            except Refusal as refusal:
                return refusal.answer()

    def _check_authorized(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        if not token:
            raise Refusal(401, "NoAuthenticationInformation", **{"WWW-Authenticate": "Bearer"})
        if scheme == "Bearer" and self.tokens is not None and token not in self.tokens:
            raise Refusal(401, "InvalidAuthenticationInfo")

    def _check_md5(self, asked: Asked, header: str, content: bytes) -> None:
        said = asked.header(header)
        if said and said != base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode():
            raise Refusal(400, "Md5Mismatch")

    # Containers ----------------------------------------------------------------------------------------------------

    def _of_container(self, asked: Asked) -> Answer:
        name = asked.container
        if asked.method == "PUT":
            if name in self.being_deleted:
                raise Refusal(409, "ContainerBeingDeleted")
            if name in self.containers:
                raise Refusal(409, "ContainerAlreadyExists")
            self.containers.add(name)
            return Answer(201, {"ETag": self._new_etag()})
        if name not in self.containers:
            raise Refusal(404, "ContainerNotFound")
        return self._listed(asked) if asked.query.get("comp") == "list" else Answer(200, {"ETag": '"0x1"'})

    def _listed(self, asked: Asked) -> Answer:
        """A page of the blobs, by name; the ETags of a listing have no quotes."""
        has_metadata = "metadata" in asked.query.get("include", "")
        names = sorted(name for container, name in self.blobs if container == asked.container)
        names = [name for name in names if name >= asked.query.get("marker", "")]
        page, rest = names[: self.page_size], names[self.page_size :]
        items = "".join(_listed_blob(name, self.blobs[asked.container, name], has_metadata) for name in page)
        marker = f"<NextMarker>{escape(rest[0])}</NextMarker>" if rest else "<NextMarker />"
        text = f'{XML}<EnumerationResults ContainerName="x"><Blobs>{items}</Blobs>{marker}</EnumerationResults>'
        return Answer(200, {"Content-Type": "application/xml"}, text.encode())

    # Blobs ---------------------------------------------------------------------------------------------------------

    def _of_blob(self, asked: Asked) -> Answer:
        if asked.container not in self.containers:
            raise Refusal(404, "ContainerNotFound")
        blob = self.blobs.get((asked.container, asked.blob))
        what = asked.query.get("comp", "")
        if asked.method == "PUT" and not what:
            return self._put_blob(asked, blob)
        if blob is None:
            raise Refusal(404, "BlobNotFound")
        do = {
            ("GET", ""): self._read,
            ("HEAD", ""): self._properties,
            ("GET", "pagelist"): self._page_ranges,
            ("PUT", "page"): self._put_page,
            ("PUT", "properties"): self._resize,
            ("PUT", "metadata"): self._describe,
            ("PUT", "lease"): self._lease,
            ("DELETE", ""): self._delete,
        }.get((asked.method, what))
        if do is None:
            raise Refusal(501, "APINotImplemented")
        return do(asked, blob)

    def _new_etag(self) -> str:
        self._versions += 1
        return f'"0x{self._versions:X}"'

    def _changed(self, blob: Blob, status: int = 201, **headers: str) -> Answer:
        blob.etag, blob.written_at = self._new_etag(), self.clock()
        blob.lease.was_written()
        return Answer(status, {"ETag": blob.etag, **headers})

    def _check_may_write(self, asked: Asked, blob: Blob | None, *, condition: str = "ConditionNotMet") -> None:
        """Lease, pending copy and conditions, in the order in which the service looks at them."""
        if blob is not None:
            _check_lease(blob.lease, asked.header("x-ms-lease-id"))
            if blob.is_pending:
                raise Refusal(409, "PendingCopyOperation")
        if asked.header("If-None-Match") == "*" and blob is not None:
            raise Refusal(409, "BlobAlreadyExists")
        if (etag := asked.header("If-Match")) and (blob is None or etag not in ("*", blob.etag)):
            raise Refusal(412, condition)

    def _put_blob(self, asked: Asked, there: Blob | None) -> Answer:
        if asked.header("x-ms-copy-source"):
            return self._copy(asked, there)
        self._check_may_write(asked, there)
        kind, metadata = asked.header("x-ms-blob-type"), metadata_of(asked)
        size = int(asked.header("x-ms-blob-content-length") or 0) if kind == "PageBlob" else len(asked.body)
        if kind == "PageBlob" and size % PAGE:
            raise Refusal(400, "InvalidHeaderValue")
        lease = there.lease if there else Lease(self.clock)
        blob = Blob(kind, size, "", 0.0, lease, metadata)
        if kind == "BlockBlob":
            blob.pages.write(0, asked.body)
        self.blobs[asked.container, asked.blob] = blob
        return self._changed(blob)

    def _delete(self, asked: Asked, blob: Blob) -> Answer:
        self._check_may_write(asked, blob)
        del self.blobs[asked.container, asked.blob]
        return Answer(202)

    def _describe(self, asked: Asked, blob: Blob) -> Answer:
        self._check_may_write(asked, blob)
        blob.metadata = metadata_of(asked)
        return self._changed(blob, 200)

    def _resize(self, asked: Asked, blob: Blob) -> Answer:
        self._check_may_write(asked, blob)
        size = int(asked.header("x-ms-blob-content-length") or blob.size)
        if size % PAGE:
            raise Refusal(400, "InvalidHeaderValue")
        if size < blob.size:
            blob.pages.clear(size, blob.size)
        blob.size = size
        blob.content_md5 = asked.header("x-ms-blob-content-md5")
        return self._changed(blob, 200)

    # Pages ---------------------------------------------------------------------------------------------------------

    def _put_page(self, asked: Asked, blob: Blob) -> Answer:
        if blob.kind != "PageBlob":
            raise Refusal(409, "InvalidBlobType")
        start, stop = range_of(asked.header("x-ms-range") or asked.header("Range"))
        if start % PAGE or stop % PAGE or stop <= start or stop > blob.size:
            raise Refusal(416, "InvalidPageRange")
        if asked.header("x-ms-page-write") == "clear":
            self._check_may_write(asked, blob)
            blob.pages.clear(start, stop)
            return self._changed(blob)
        if stop - start > MOST:
            raise Refusal(413, "RequestBodyTooLarge")
        content = self._from_url(asked) if asked.header("x-ms-copy-source") else asked.body
        if len(content) != stop - start:
            raise Refusal(400, "InvalidHeaderValue")
        self._check_may_write(asked, blob)
        blob.pages.write(start, content)
        return self._changed(blob)

    def _from_url(self, asked: Asked) -> bytes:
        """What another blob of the account holds, for whom that may be read by."""
        source = self._source(asked)
        start, stop = range_of(asked.header("x-ms-source-range"))
        if start % PAGE or stop > source.size:
            raise Refusal(416, "InvalidPageRange")
        content = source.pages.read(start, stop)
        self._check_md5(asked, "x-ms-source-content-md5", content)
        return content

    def _source(self, asked: Asked) -> Blob:
        """The blob that is copied or written from. Within the account a copy needs no more than its own authorization."""
        url = urlsplit(asked.header("x-ms-copy-source"))
        query = dict(parse_qsl(url.query))
        is_signed = "r" in query.get("sp", "") and bool(query.get("sig"))
        bearer = asked.header("x-ms-copy-source-authorization").removeprefix("Bearer ")
        has_token = bool(bearer) and (self.tokens is None or bearer in self.tokens)
        if asked.verb == "put page-from-url" and not is_signed and not has_token:
            raise Refusal(403, "CannotVerifyCopySource")
        source = self.blobs.get(place_of(url.path))
        if source is None:
            raise Refusal(404, "CannotVerifyCopySource")
        if (etag := asked.header("x-ms-source-if-match")) and etag != source.etag:
            raise Refusal(412, "SourceConditionNotMet")
        return source

    def _page_ranges(self, asked: Asked, blob: Blob) -> Answer:
        """A page of the ranges; the marker is where the next one starts."""
        ranges = [one for one in blob.pages.ranges() if one[0] >= int(asked.query.get("marker") or 0)]
        page, rest = ranges[: self.page_size], ranges[self.page_size :]
        items = "".join(f"<PageRange><Start>{a}</Start><End>{b - 1}</End></PageRange>" for a, b in page)
        marker = f"<NextMarker>{rest[0][0]}</NextMarker>" if rest else "<NextMarker />"
        headers = {"Content-Type": "application/xml", "ETag": blob.etag, "x-ms-blob-content-length": str(blob.size)}
        return Answer(200, headers, f"{XML}<PageList>{items}{marker}</PageList>".encode())

    # Copies --------------------------------------------------------------------------------------------------------

    def _copy(self, asked: Asked, there: Blob | None) -> Answer:
        """Copy Blob: a page blob of the source's size at once, its content and the end of it after some polls."""
        metadata = metadata_of(asked)
        if there is not None and there.lease.is_held and there.lease.seconds != -1:
            _check_lease(there.lease, asked.header("x-ms-lease-id"))
            raise Refusal(412, "InfiniteLeaseDurationRequired")
        self._check_may_write(asked, there, condition="TargetConditionNotMet")
        source = self._source(asked)
        lease = there.lease if there else Lease(self.clock)
        blob = Blob(source.kind, source.size, "", 0.0, lease, metadata or dict(source.metadata))
        blob.content_md5 = source.content_md5
        blob.copy_id, blob.copy_source = f"copy-{self._versions}", asked.header("x-ms-copy-source")
        blob.copy_status, blob.copy_polls, etag = "pending", self.copy_polls, source.etag

        def finish() -> None:
            is_good = source.etag == etag and not self.copies_fail
            blob.copy_status = "success" if is_good else "failed"
            blob.pages = source.pages.copy() if is_good else blob.pages
            blob.etag = self._new_etag()

        blob.when_copied = finish
        self.blobs[asked.container, asked.blob] = blob
        answer = self._changed(blob, 202)
        if not self.copy_polls:
            finish()
        answer.headers |= {"ETag": blob.etag, "x-ms-copy-id": blob.copy_id, "x-ms-copy-status": blob.copy_status}
        return answer

    # Looking -------------------------------------------------------------------------------------------------------

    def _properties(self, asked: Asked, blob: Blob) -> Answer:
        _poll(blob)
        md5 = {"Content-MD5": blob.content_md5} if blob.content_md5 else {}
        return Answer(200, {**_properties(blob), "Content-Length": str(blob.size), **md5})

    def _read(self, asked: Asked, blob: Blob) -> Answer:
        wanted = asked.header("x-ms-range") or asked.header("Range")
        if (etag := asked.header("If-Match")) and etag != blob.etag:
            raise Refusal(412, "ConditionNotMet")
        start, stop = range_of(wanted) if wanted else (0, blob.size)
        if wanted and start >= blob.size:
            raise Refusal(416, "InvalidRange", **{"Content-Range": f"bytes */{blob.size}"})
        stop = min(stop, blob.size)
        headers = {**_properties(blob), "Content-Type": "application/octet-stream"}
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{blob.size}"
        return Answer(206 if wanted else 200, headers, blob.pages.read(start, stop))

    # Leases --------------------------------------------------------------------------------------------------------

    def _lease(self, asked: Asked, blob: Blob) -> Answer:
        """The lease changes, the blob and its ETag do not."""
        action, lease, given = asked.header("x-ms-lease-action"), blob.lease, asked.header("x-ms-lease-id")
        if action == "acquire":
            return self._acquire(asked, blob)
        if action == "break":
            return _broken(lease)
        if not given or given != lease.id:
            raise Refusal(409, "LeaseIdMismatchWithLeaseOperation")
        if action == "release":
            lease.end()
            return Answer(200, {"ETag": blob.etag})
        if action != "renew":
            raise Refusal(400, "InvalidHeaderValue")
        if lease.is_broken:
            raise Refusal(409, "LeaseIsBrokenAndCannotBeRenewed")
        lease.begin(given, lease.seconds)
        return Answer(200, {"ETag": blob.etag, "x-ms-lease-id": given})

    def _acquire(self, asked: Asked, blob: Blob) -> Answer:
        proposed, seconds = asked.header("x-ms-proposed-lease-id"), int(asked.header("x-ms-lease-duration"))
        if seconds != -1 and not 15 <= seconds <= 60:
            raise Refusal(400, "InvalidHeaderValue")
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", proposed):
            raise Refusal(400, "InvalidHeaderValue")
        if blob.lease.state == "breaking":
            raise Refusal(409, "LeaseIsBreakingAndCannotBeAcquired")
        if blob.lease.state == "leased" and blob.lease.id != proposed:
            raise Refusal(409, "LeaseAlreadyPresent")
        if blob.is_pending and seconds != -1:
            raise Refusal(409, "PendingCopyOperation")
        blob.lease.begin(proposed, seconds)
        return Answer(201, {"ETag": blob.etag, "x-ms-lease-id": proposed})


def _check_lease(lease: Lease, given: str) -> None:
    """What a write may not do while a lease is held, or with one that is not."""
    if lease.is_held:
        if not given:
            raise Refusal(412, "LeaseIdMissing")
        if given != lease.id:
            raise Refusal(412, "LeaseIdMismatchWithBlobOperation")
    elif given:
        raise Refusal(412, "LeaseLost" if given == lease.id else "LeaseNotPresentWithBlobOperation")


def _broken(lease: Lease) -> Answer:
    if not lease.id:
        raise Refusal(409, "LeaseNotPresentWithLeaseOperation")
    left = 0.0 if lease.ends is None else max(0.0, lease.ends - lease.clock())
    lease.is_broken, lease.ends = True, lease.clock() + left
    return Answer(202, {"x-ms-lease-time": str(round(left))})


def _poll(blob: Blob) -> None:
    """A pending copy comes nearer to its end each time that somebody looks."""
    if blob.is_pending and blob.when_copied:
        blob.copy_polls -= 1
        if blob.copy_polls < 0:
            blob.when_copied()


def _properties(blob: Blob) -> dict[str, str]:
    state = blob.lease.state
    headers = {f"x-ms-meta-{name}": value for name, value in blob.metadata.items()}
    headers |= {"ETag": blob.etag, "x-ms-blob-type": blob.kind, "x-ms-lease-state": state}
    headers["x-ms-lease-status"] = "locked" if blob.lease.is_held else "unlocked"
    if state == "leased":
        headers["x-ms-lease-duration"] = "infinite" if blob.lease.seconds == -1 else "fixed"
    if blob.copy_id:
        done = 0 if blob.is_pending else blob.size
        headers |= {"x-ms-copy-id": blob.copy_id, "x-ms-copy-status": blob.copy_status}
        headers |= {"x-ms-copy-source": blob.copy_source, "x-ms-copy-progress": f"{done}/{blob.size}"}
    return headers


def _listed_blob(name: str, blob: Blob, has_metadata: bool) -> str:
    _poll(blob)
    when = formatdate(1_700_000_000 + blob.written_at, usegmt=True)
    metadata = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in blob.metadata.items())
    return (
        f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{when}</Last-Modified>"
        f"<Etag>{blob.etag.strip(chr(34))}</Etag><Content-Length>{blob.size}</Content-Length>"
        f"<BlobType>{blob.kind}</BlobType><LeaseState>{blob.lease.state}</LeaseState></Properties>"
        f"{f'<Metadata>{metadata}</Metadata>' if has_metadata else ''}</Blob>"
    )
