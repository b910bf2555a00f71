"""A disk becomes a page blob: found there, taken up again, made of the newest of its type, or sent whole; proven, sealed.

The blob says at its creation who writes it (`upload`, `writer`) and what it is to hold. The seal, the digest of what was
read, is written last: when the pages that the service lists are those that were written, and under the ETag that they
were listed with. A blob without a seal is never taken for done.
"""

from __future__ import annotations

import contextlib
import shlex
import time
from typing import TYPE_CHECKING, Any

from flight.workflows.kit.errors import ConfigError, FlightError
from flight.workflows.kit.memory import share_one_heap
from flight.workflows.kit.progress import Progress
from flight.workflows.upload import finding, proof, sealing
from flight.workflows.upload.delta import plan_delta
from flight.workflows.upload.opening import Opened, opened
from flight.workflows.upload.pipe import PipeSource
from flight.workflows.upload.plan import Put, Span
from flight.workflows.upload.reading import WholeMd5, read_whole, take_all, take_planned
from flight.workflows.upload.receipt import Receipt
from flight.workflows.upload.sending import Read, Sender, Work, send_all, tag_of
from flight.workflows.upload.source import FileSource
from flight.workflows.upload.tally import Hashing, Tally

if TYPE_CHECKING:
    from flight.workflows.upload.job import Job


def upload(job: Job) -> Receipt:
    """Bring a disk to its blob, or find that it is there. Memory: 4 MiB for each of the senders, twice at worst.

    Raises RemoteError (refused, not reached, or the name holds something else and `replace` is not said), BusyError
    (somebody else holds the blob or took it over), FlightError (the file changed, is not what its identity says, or the
    ledger cannot be written).
    """
    _check_length(job)
    started, tally = time.monotonic(), Tally()
    share_one_heap()
    job.told(Progress(what=f"looking at {job.to.url}"))
    there = job.service.look()
    if there is not None:
        job = finding.with_digest(job, there)
        if finding.is_wanted(job, there):
            if etag := finding.held_under(job, there):
                return _receipt(job, tally, digest=there.sealed, etag=etag, started=started, was_there=True)
            there = finding.without_seal(there)
        elif finding.contradicts_itself(job, there):
            job.warned(f"the seal of {job.to.url} is not of the disk that it was made for: it is sent again")
            there = finding.without_seal(there)
    if isinstance(job.source, PipeSource):
        job.source.look()
    with _whole_md5(job) as md5, opened(job, there) as blob:
        hashing, sender = _send(job, blob, tally)
        etag = _sealed(job, blob, hashing, sender, md5)
    return _receipt(job, tally, digest=hashing.digest(), etag=etag, started=started, base=blob.session.base)


def _whole_md5(job: Job) -> contextlib.AbstractContextManager[WholeMd5 | None]:
    """Taken where it is asked for."""
    if not job.content_md5:
        return contextlib.nullcontext()
    if isinstance(job.source, FileSource):
        return WholeMd5(job.source)
    raise ConfigError(
        "the Content-MD5 of a pipe is not taken",
        why="it would have to be read in order",
        fix="give --no-content-md5, or a file",
    )


def _send(job: Job, blob: Opened, tally: Tally) -> tuple[Hashing, Sender]:
    """All is written that is to be; and what was read on the way."""
    sender = Sender(job.service, job.ledger, tally, lease=blob.session.lease, base=blob.base)
    if blob.base is None or not isinstance(job.source, FileSource):
        hashing = Hashing()
        take = take_all(job.source, hashing, tally)
    else:
        hashing = read_whole(job.source, told=job.told)
        _check_digest(job, hashing.digest())  # before anything is written that nobody could use
        plan = plan_delta(hashing.block_map(blob.session.size_bytes), blob.base.blocks, pages=blob.base.pages)
        take = take_planned(plan, job.source, tally)
    send_all(take, sender, service=job.service, senders=job.senders, tell=lambda: job.told(tally.progress()))
    if isinstance(job.source, PipeSource):
        _end_of_pipe(job, job.source, sender, hashing)
    return hashing, sender


def _end_of_pipe(job: Job, source: PipeSource, sender: Sender, hashing: Hashing) -> None:
    """What only its end tells: the footer of a raw disk, and how long the blob is."""
    for span, content in source.tail():
        sender.do(Work(Put(span), content, tag_of(hashing.add(span, content))))
    sender.resize(source.size_bytes or 0)


def _read_again(job: Job) -> Read:
    """Reads the disk once more."""
    if isinstance(job.source, FileSource):
        return job.source.read

    def refuse(span: Span) -> bytes:
        raise FlightError(
            f"{span} did not arrive, and a pipe cannot be read again",
            fix="run this again, from a file where there is one",
        )

    return refuse


def _sealed(job: Job, blob: Opened, hashing: Hashing, sender: Sender, md5: WholeMd5 | None) -> str:
    """All that was written is seen to be there, and the blob says so from now on: the ETag that this leaves."""
    job.told(Progress(what=f"sealing {job.to.url}"))
    pages = blob.base.pages if blob.base else ()
    size, lease = job.source.size_bytes or 0, blob.session.lease
    etag = proof.prove(sender, read=_read_again(job), there=pages, size_bytes=size, service=job.service, to=job.to)
    if md5 or blob.base:  # a copy has the base's
        etag = sealing.say_md5(job, md5.digest() if md5 else None, under=etag, lease=lease)
    if isinstance(job.source, FileSource):
        job.source.check_unchanged()
    _check_digest(job, hashing.digest())
    return sealing.seal(job, hashing, under=etag, lease=lease)


def _check_length(job: Job) -> None:
    wanted, there = job.identity.size_bytes, job.source.size_bytes
    if wanted and there != wanted:
        raise FlightError(
            f"{job.source.name} is not what is to be uploaded",
            why=f"it has {there} bytes, and {wanted} were made",
            fix=_made_anew(job.source.name),
        )


def _made_anew(name: str) -> str:
    """What brings an artefact back that is there and is not whole."""
    return f"rm {shlex.quote(name)}; then run this again: it is made anew"


def _check_digest(job: Job, digest: str) -> None:
    """Raises FlightError where the bytes that were read are not those that were made."""
    wanted = job.identity.digest
    if wanted and digest != wanted:
        name = job.source.name
        raise FlightError(
            f"{name} was damaged since it was made",
            why=f"its digest is {digest}, not {wanted}: the blob is left unfinished, and nobody uses it",
            fix=_made_anew(name),
        )


def _receipt(job: Job, tally: Tally, *, digest: str, etag: str, started: float, **more: Any) -> Receipt:
    return Receipt(
        place=job.to,
        etag=etag,
        digest=digest,
        size_bytes=job.source.size_bytes or 0,
        sent_bytes=tally.sent_bytes,
        puts=tally.puts,
        seconds=round(time.monotonic() - started, 3),
        client=job.service.client,
        moved_bytes=tally.moved_bytes,
        found_bytes=tally.found_bytes,
        **more,
    )
