"""What is there already: is it the very disk that is to be sent, and does it still hold what was sealed?

A seal is believed while the blob's ETag is the one that the seal left; the map's mark tells that, and the ledger. Else the
blob is read again: who wrote to it may have left the seal as it was.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from flight.workflows.kit.errors import RemoteError
from flight.workflows.upload.base import TOUCHED
from flight.workflows.upload.blockmap import seal_of, to_bytes
from flight.workflows.upload.reading import read_whole
from flight.workflows.upload.receipt import MAP, SEAL, Receipt, Remote
from flight.workflows.upload.source import FileSource
from flight.workflows.upload.verify import read_back, unsealed

if TYPE_CHECKING:
    from flight.workflows.upload.job import Job
    from flight.workflows.upload.receipt import BlobPlace
    from flight.workflows.upload.service import Service


def with_digest(job: Job, there: Remote) -> Job:
    """The job, its identity with the digest of the file where only that tells whether it is what is there."""
    if job.identity.digest or not _may_be_it(job, there) or not isinstance(job.source, FileSource):
        return job
    seal, session = job.ledger.seal, job.ledger.session
    is_known = seal and session and session.file == job.source.state and seal.etag == there.etag
    digest = seal.digest if is_known and seal else read_whole(job.source, told=job.told).digest()
    return dataclasses.replace(job, identity=dataclasses.replace(job.identity, digest=digest))


def is_wanted(job: Job, there: Remote) -> bool:
    """Whether its seal says that it is what is to be sent."""
    return _may_be_it(job, there) and there.sealed == job.identity.digest


def holds_it_still(job: Job, there: Remote) -> bool:
    """Whether a blob that is wanted holds what was sealed: by its ETag, or else by all its bytes. Its map is made good."""
    if _is_untouched(job, there):
        return True
    job.warned(f"{job.to.url} was written to since it was sealed, or that cannot be ruled out: it is read again")
    seen = read_back(job.service.ranges(), size=there.size_bytes, service=job.service, told=job.told)
    now = job.service.look()
    if now is None or now.etag != there.etag or seen.digest() != there.sealed:
        job.warned("it does not hold what was sealed: it is sent again")
        return False
    raw = to_bytes(seen.block_map(there.size_bytes))
    if seal_of(raw) == there.metadata.get(MAP):
        job.service.put_map(raw, map_marks(there.sealed, there.etag))
    return True


def sealed_at(place: BlobPlace, service: Service) -> Receipt:
    """What is known of a blob that is whole, sealed, and untouched since. RemoteError for any other."""
    there = service.look()
    doubt = "the container holds no blob of this name"
    if there is not None:
        marks = map_marks(there.sealed, there.etag)
        doubt = unsealed(there) or ("" if service.map_marks() == marks else f"{TOUCHED}, or its map was not finished")
    if there is None or doubt:
        fix = "`flight upload` the disk to it: what is there already is not sent again"
        raise RemoteError(f"{place.url} is not what `flight upload` leaves", why=doubt, fix=fix)
    return Receipt(place, there.etag, there.sealed, there.size_bytes, 0, 0, 0.0, service.client, was_there=True)


def map_marks(digest: str, etag: str) -> dict[str, str]:
    """What a finished map says of its blob: under this ETag it was sealed, with this digest."""
    return {"digest": digest, "etag": etag}


def without_seal(there: Remote) -> Remote:
    """A blob whose seal does not hold: one of ours that is not whole."""
    return dataclasses.replace(there, metadata={**there.metadata, SEAL: ""})


def _may_be_it(job: Job, there: Remote) -> bool:
    return there.is_page_blob and bool(there.sealed) and there.size_bytes == job.source.size_bytes


def _is_untouched(job: Job, there: Remote) -> bool:
    """Nobody wrote to it since it was sealed. A map whose last word is missing, by a kill or an error, gets it."""
    marks = job.service.map_marks() or {}
    wanted = map_marks(there.sealed, there.etag)
    if marks == wanted:
        return True
    is_of_it = marks == {"digest": there.sealed}
    seal, session = job.ledger.seal, job.ledger.session
    is_known = seal is not None and seal.etag == there.etag
    is_held = not is_known and is_of_it and session is not None and job.service.renew(session.lease)
    if is_of_it and (is_known or is_held):
        job.service.mark_map(wanted)
    if is_held and session:
        job.service.release(session.lease)
    return is_known or is_held
