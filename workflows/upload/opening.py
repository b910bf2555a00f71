"""The blob that is written to: taken up where an earlier try left it, or made, and its lease held."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flight.workflows.kit.errors import FlightError, RemoteError
from flight.workflows.upload import lease
from flight.workflows.upload.copying import settled
from flight.workflows.upload.job import no_base
from flight.workflows.upload.ledger import Session
from flight.workflows.upload.receipt import ANY_LENGTH
from flight.workflows.upload.service import BaseUnfit

if TYPE_CHECKING:
    from flight.workflows.upload.base import Base
    from flight.workflows.upload.job import Job
    from flight.workflows.upload.receipt import Remote

_UNKNOWN: Final = ", of which only the end of the pipe would tell whether it is the same"


@dataclass(frozen=True)
class Opened:
    """A blob whose lease is held; `base` is what it was copied from."""

    session: Session
    base: Base | None


@contextlib.contextmanager
def opened(job: Job, there: Remote | None) -> Iterator[Opened]:
    """The blob to write to; its lease is kept up while the block runs, and let go of at its end.

    Raises RemoteError where the name holds something else, BusyError where another holds its lease.
    """
    _check_may_write(job, there)
    there = settled(job.service, there, told=job.told)
    found = _taken_up(job, there) or _begun(job, there)
    with lease.kept(job.service, found.session.lease):
        yield found


def _check_may_write(job: Job, there: Remote | None) -> None:
    """A name that holds something else is not written over, unless told to. Our own half of an upload is."""
    if there is None or job.replace or (not there.sealed and _is_ours(job, there)):
        return
    raise RemoteError(
        f"{job.to.url} holds something else",
        why=f"there is {there}; to be sent is {job.identity}{_UNKNOWN if job.source.state is None else ''}",
        fix="give another name (a recipe's image: another version), or add --replace",
    )


def _is_ours(job: Job, there: Remote) -> bool:
    session = job.ledger.session
    is_this_ledgers = session is not None and there.upload == session.upload
    return is_this_ledgers or bool(job.identity.digest and there.digest == job.identity.digest)


def _taken_up(job: Job, there: Remote | None) -> Opened | None:
    """What an earlier try left, where it is what that try's ledger knows of: nothing that is there is sent again."""
    session = job.ledger.session
    if session is None or there is None or there.sealed or there.upload != session.upload or job.ledger.seal:
        return None
    if session.file is None or session != dataclasses.replace(
        session, url=job.to.url, size_bytes=job.source.size_bytes or 0, file=job.source.state
    ):
        return None
    if not _is_held_again(job, session):
        return None
    with _let_go_of_if_refused(job, session):
        base = job.find_base(session.size_bytes) if session.base else None
        if session.base and (base is None or (base.place.url, base.etag) != (session.base, session.base_etag)):
            job.service.release(session.lease)
            return None
        if there.size_bytes != session.size_bytes:
            job.ledger.wrote(job.service.resize(session.size_bytes, lease=session.lease))
    return Opened(session, base)


@contextlib.contextmanager
def _let_go_of_if_refused(job: Job, session: Session) -> Iterator[None]:
    """The lease is not left behind for its minute where a blob could not be opened."""
    try:
        yield
    except FlightError:
        with contextlib.suppress(FlightError):
            job.service.release(session.lease)
        raise


def _is_held_again(job: Job, session: Session) -> bool:
    """The lease of the earlier try is ours again, and nobody wrote to the blob since that try did.

    A lease that can be renewed says so by itself, unless a try took it anew and was killed before it had looked.
    """
    if job.service.renew(session.lease) and not job.ledger.is_in_doubt:
        return True
    job.ledger.doubt()
    job.service.lease(session.lease)
    now = job.service.look()
    if now is not None and now.etag in job.ledger.etags:
        job.ledger.trust()
        return True
    job.service.release(session.lease)
    return False


def _begun(job: Job, there: Remote | None) -> Opened:
    """A blob of our own: empty, or a copy of the base."""
    size = job.source.size_bytes
    base = job.find_base(size) if size is not None else None
    session = _new_session(job, base)
    if there is not None:
        _let_go_of_ours(job, there)
        job.service.lease(session.lease)  # nobody else writes to what is to be written over
    try:
        with _let_go_of_if_refused(job, session):
            job.ledger.begin(session)
            job.ledger.wrote(_copied(job, base, there, session) if base else _created(job, there, session))
            if base or there is None:
                job.service.lease(session.lease)
            if base and base.size_bytes != size:
                job.ledger.wrote(job.service.resize(session.size_bytes, lease=session.lease))
    except BaseUnfit:
        return _begun(dataclasses.replace(job, find_base=no_base), job.service.look())
    return Opened(session, base)


def _let_go_of_ours(job: Job, there: Remote) -> None:
    """The lease of an earlier try that was killed a moment ago, and is not gone on with."""
    session = job.ledger.session
    if session is not None and there.is_leased and there.upload == session.upload:
        job.service.release(session.lease)


def _new_session(job: Job, base: Base | None) -> Session:
    return Session(
        url=job.to.url,
        upload=str(uuid.uuid4()),
        lease=str(uuid.uuid4()),
        size_bytes=job.source.size_bytes or 0,
        file=job.source.state,
        base=base.place.url if base else "",
        base_etag=base.etag if base else "",
    )


def _metadata(job: Job, session: Session) -> dict[str, str]:
    return {**job.identity.metadata(), "upload": session.upload, "writer": lease.writer()}


def _created(job: Job, there: Remote | None, session: Session) -> str:
    return job.service.create(
        job.source.size_bytes or ANY_LENGTH,
        metadata=_metadata(job, session),
        over=there.etag if there else None,
        lease=session.lease if there else "",
    )


def _copied(job: Job, base: Base, there: Remote | None, session: Session) -> str:
    if there is not None:  # a copy may not go where a lease of limited length is held
        job.service.release(session.lease)
    over = there.etag if there else None
    return job.service.copy(base.place, metadata=_metadata(job, session), over=over, etag=base.etag, told=job.told)
