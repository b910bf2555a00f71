"""Sending a VHD: only its data, in parallel, sealed when all of it has arrived.

The blob says at its creation what it will hold (`Identity`). The seal, that same digest, is written last: when it is
the digest of the bytes that were sent, when the pages that the service lists are those that were sent, and under the
ETag that they were listed with. A blob without a seal, or with another digest in it, is never taken for done.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import os
import secrets
import shlex
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

from flight.workflows.digest import PREFIX, block_lines
from flight.workflows.kit.errors import BusyError, FlightError, RemoteError
from flight.workflows.kit.progress import Progress, Told, quiet
from flight.workflows.upload.plan import PAGE, Span, merge, plan_puts, plan_reads
from flight.workflows.upload.receipt import BlobPlace, Identity, Receipt, Remote, short_digest
from flight.workflows.upload.service import FENCE_BITS, Service
from flight.workflows.vhd.sparse import extents, read_exactly


def upload(
    vhd: Path,
    *,
    to: BlobPlace,
    identity: Identity,
    service: Service,
    connections: int = 8,
    replace: bool = False,
    told: Told = quiet,
) -> Receipt:
    """Bring a VHD to `to`, or find that it is there. Memory: `connections` times 4 MiB, twice at worst.

    Raises RemoteError (refused, not reached, or the name holds something else and `replace` is not said), BusyError
    (another upload took the blob over), FlightError (the file changed meanwhile).
    """
    started = time.monotonic()
    told(Progress(what=f"looking at {to.url}"))
    there = service.look()
    if there is not None and there.holds(identity):
        return _receipt(to, identity, service, etag=there.etag, sent=Sent(), started=started)
    check_may_write(there, identity, to=to, replace=replace)
    with reading(vhd, identity) as fd:
        fence = 1 + secrets.randbits(FENCE_BITS)  # 0 is what everybody has who sets none
        over = there.etag if there else None
        service.create(identity.size_bytes, metadata=identity.metadata(), fence=fence, over=over)
        sent = _send_all(fd, identity.size_bytes, service=service, fence=fence, connections=connections, told=told)
    told(Progress(what=f"sealing {to.url}"))
    check_digest(vhd, identity, sent)
    etag = seal(identity, sent=sent, fence=fence, service=service, to=to)
    return _receipt(to, identity, service, etag=etag, sent=sent, started=started)


def check_may_write(there: Remote | None, identity: Identity, *, to: BlobPlace, replace: bool) -> None:
    """A name that holds something else is not written over, unless told to. Our own half of an upload is."""
    is_our_half = there is not None and there.digest == identity.digest and not there.sealed
    if there is None or replace or is_our_half:
        return
    raise RemoteError(
        f"{to.url} holds something else",
        why=f"there is {there}; to be sent is {identity}",
        fix="give the image a new version, or add --replace",
    )


class Sent:
    """What the service has taken, and the digest of what was read for it; senders add to it from their threads."""

    def __init__(self, reads: Iterable[Span] = ()) -> None:
        self.spans: list[Span] = []
        self.read_bytes = 0
        self._lock = threading.Lock()
        self._order = collections.deque(reads)
        self._early: dict[Span, bytes] = {}
        self._hash = hashlib.sha256()

    @property
    def sent_bytes(self) -> int:
        return sum(span.size for span in self.spans)

    @property
    def digest(self) -> str:
        return PREFIX + self._hash.hexdigest()

    def add(self, read: Span, puts: Iterable[Span], lines: bytes) -> None:
        """One read is wholly sent. `lines` are its lines of the digest, which takes them in the order of the file."""
        with self._lock:
            self.spans.extend(puts)
            self.read_bytes += read.size
            self._early[read] = lines
            while self._order and self._order[0] in self._early:
                self._hash.update(self._early.pop(self._order.popleft()))


@contextlib.contextmanager
def reading(vhd: Path, identity: Identity) -> Iterator[int]:
    """A descriptor of the file; a FlightError if it is not as long as `identity` says, or changes within the block."""
    with open(vhd, "rb", buffering=0) as file:
        before = _state(os.fstat(file.fileno()))
        if before[0] != identity.size_bytes or identity.size_bytes % PAGE:
            raise FlightError(
                f"{vhd} is not what is to be uploaded",
                why=f"it has {before[0]} bytes, not {identity.size_bytes}, in whole pages of {PAGE}",
                fix=made_anew(vhd),
            )
        yield file.fileno()
        if _state(os.fstat(file.fileno())) != before or _state(os.stat(vhd)) != before:
            raise FlightError(
                f"{vhd} changed while it was uploaded",
                why="its size, time or inode is not what it was: the blob stays unsealed and is not used",
                fix="find out who writes to it, then run this again",
            )


def _state(stat: os.stat_result) -> tuple[int, int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_dev


def _send_all(fd: int, size: int, *, service: Service, fence: int, connections: int, told: Told) -> Sent:
    """Read, check for zeros and send, `connections` at once; the first failure ends all of it."""
    reads = plan_reads((Span(data.start, data.stop) for data in extents(fd)), size=size)
    total, sent, left = sum(read.size for read in reads), Sent(reads), collections.deque(reads)

    def send(read: Span) -> None:
        content = _read_whole(fd, read)
        puts = plan_puts(read, content)
        for put in puts:
            part = content if put == read else content[put.start - read.start : put.stop - read.start]
            service.put(put, part, fence=fence)
        sent.add(read, puts, block_lines(content, read.start))

    def send_on() -> None:
        while True:
            try:
                read = left.popleft()
            except IndexError:  # nothing is left
                return
            send(read)

    with _senders(connections, left, service) as pool:
        running: set[Future[None]] = {pool.submit(send_on) for _ in range(connections)}
        while running:
            ended, running = wait(running, timeout=0.2, return_when=FIRST_EXCEPTION)
            for one in ended:
                one.result()
            told(Progress(sent.read_bytes, total, "sending"))
    return sent


@contextlib.contextmanager
def _senders(connections: int, left: collections.deque[Span], service: Service) -> Iterator[ThreadPoolExecutor]:
    """Threads that are gone when the block is left; after an error (or Ctrl-C) they begin nothing more."""
    pool = ThreadPoolExecutor(connections, thread_name_prefix="put-page")
    try:
        yield pool
    except BaseException:
        left.clear()
        service.give_up()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read_whole(fd: int, span: Span) -> bytes:
    content = read_exactly(fd, span.start, span.size)
    if len(content) != span.size:
        raise FlightError(
            f"could not read {span} of the VHD", why=f"only {len(content)} bytes came", fix="find out who cut it short"
        )
    return content


def check_digest(vhd: Path, identity: Identity, sent: Sent) -> None:
    """Raises FlightError where the bytes that were sent are not those that were made."""
    if sent.digest != identity.digest:
        raise FlightError(
            f"{vhd} was damaged since it was made",
            why=f"its digest is {sent.digest}, not {identity.digest}: the blob stays unsealed",
            fix=made_anew(vhd),
        )


def made_anew(vhd: Path) -> str:
    """What brings an artefact back that is there and is not whole."""
    return f"rm {shlex.quote(str(vhd))}; then run this again: it is made anew"


def seal(identity: Identity, *, sent: Sent, fence: int, service: Service, to: BlobPlace) -> str:
    """Write the seal under the ETag with which all pages were found in place; the ETag that it leaves."""
    now = service.look()
    if now is None or now.fence != fence:
        raise BusyError(
            f"{to.url} was taken over or removed while it was being sent",
            why="another upload, or somebody else, created or removed the blob",
            fix="let the other one end, then run this again",
        )
    arrived, planned = service.ranges(), merge(sent.spans)
    if arrived != planned or now.size_bytes != identity.size_bytes:
        raise RemoteError(
            f"{to.url} does not hold what was sent",
            why=f"sent: {_told(planned, identity.size_bytes)}; there: {_told(arrived, now.size_bytes)}",
            fix="run this again: the blob is not sealed, so it is sent anew",
        )
    return service.describe(identity.metadata(sealed=True), under=now.etag)


def _told(spans: tuple[Span, ...], size: int) -> str:
    return f"{sum(span.size for span in spans)} of {size} bytes, in {len(spans)} ranges"


def _receipt(to: BlobPlace, identity: Identity, service: Service, *, etag: str, sent: Sent, started: float) -> Receipt:
    return Receipt(
        place=to,
        etag=etag,
        digest=identity.digest,
        size_bytes=identity.size_bytes,
        sent_bytes=sent.sent_bytes,
        puts=len(sent.spans),
        seconds=round(time.monotonic() - started, 3),
        client=service.client,
    )


def recheck(receipt: Receipt, *, service: Service) -> tuple[str, ...]:
    """Every way in which the blob is not what the receipt says any more; nothing where all is well."""
    now = service.look()
    if now is None:
        return (f"{receipt.place.url} is gone",)
    says = {
        "it is not a page blob": not now.is_page_blob,
        "it is not sealed: somebody is sending it, or was killed": not now.sealed,
        f"it holds another digest, {short_digest(now.sealed)}": bool(now.sealed) and now.sealed != receipt.digest,
        f"it has {now.size_bytes} bytes, not {receipt.size_bytes}": now.size_bytes != receipt.size_bytes,
        f"it was written to since: its ETag is {now.etag}, not {receipt.etag}": now.etag != receipt.etag,
    }
    return tuple(f"{receipt.place.url}: {problem}" for problem, holds in says.items() if holds)
