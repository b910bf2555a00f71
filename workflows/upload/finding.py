"""What is there already: is it the very disk that is to be sent, and does it still hold what was sealed?

A seal is believed while the blob's ETag is the one that the seal left; the map's mark tells that, and the ledger. Else the
blob is read again: who wrote to it may have left the seal as it was.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from flight.workflows.kit.errors import RemoteError
from flight.workflows.upload import sealing
from flight.workflows.upload.base import TOUCHED
from flight.workflows.upload.blockmap import seal_of
from flight.workflows.upload.reading import WholeMd5, read_whole
from flight.workflows.upload.receipt import MAP, SEAL, Receipt, Remote
from flight.workflows.upload.source import FileSource
from flight.workflows.upload.verify import read_back, unsealed

if TYPE_CHECKING:
    from flight.workflows.upload.job import Job
    from flight.workflows.upload.receipt import BlobPlace
    from flight.workflows.upload.service import Service
    from flight.workflows.upload.tally import Hashing


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


def contradicts_itself(job: Job, there: Remote) -> bool:
    """Whether it was made for the very disk that is to be sent, and its seal names another: somebody wrote that."""
    return bool(there.sealed and job.identity.digest) and there.digest == job.identity.digest != there.sealed


def held_under(job: Job, there: Remote) -> str | None:
    """The ETag under which a blob that is wanted holds what was sealed; None where it does not hold it any more.

    Where its own ETag does not tell, all its bytes do; then what is wrong with its seal, map and Content-MD5 is made good.
    """
    if there.size_bytes != job.source.size_bytes:
        job.warned(f"{job.to.url} was resized since it was sealed: it is sent again")
        return None
    if _is_untouched(job, there):
        if job.content_md5 and not there.content_md5:
            job.warned(f"{job.to.url} was sealed without the MD5 of the whole, and is left so: another name gets one")
        return there.etag
    job.warned(f"{job.to.url} was written to since it was sealed, or that cannot be ruled out: it is read again")
    seen = read_back(job.service.ranges(), size=there.size_bytes, service=job.service, told=job.told)
    now = job.service.look()
    if now is None or now.etag != there.etag or seen.digest() != there.sealed:
        job.warned("it does not hold what was sealed: it is sent again")
        return None
    return _sealed_anew(job, there, seen)


def _sealed_anew(job: Job, there: Remote, seen: Hashing) -> str:
    """The ETag after the seal, and what is said beside it, were made good where they were not."""
    if job.ledger.session:  # of a try that was killed a moment ago
        job.service.release(job.ledger.session.lease)
    etag = there.etag
    if (there.content_md5 or job.content_md5) and isinstance(job.source, FileSource):
        with WholeMd5(job.source) as taken:
            md5 = taken.digest()
        job.source.check_unchanged()
        if md5.hex() != there.content_md5:
            etag = sealing.say_md5(job, md5, under=etag)
    return sealing.seal(job, seen, under=etag, said=there.metadata)


def sealed_at(place: BlobPlace, service: Service) -> Receipt:
    """What is known of a blob that is whole, sealed, and untouched since. RemoteError for any other."""
    there = service.look()
    doubt = "the container holds no blob of this name"
    if there is not None:
        marks = sealing.map_marks(there.sealed, there.etag)
        doubt = unsealed(there) or ("" if service.map_marks() == marks else f"{TOUCHED}, or its map was not finished")
    if there is None or doubt:
        fix = "`flight upload` the disk to it: what is there already is not sent again"
        raise RemoteError(f"{place.url} is not what `flight upload` leaves", why=doubt, fix=fix)
    return Receipt(place, there.etag, there.sealed, there.size_bytes, 0, 0, 0.0, service.client, was_there=True)


def without_seal(there: Remote) -> Remote:
    """A blob whose seal does not hold: one of ours that is not whole."""
    return dataclasses.replace(there, metadata={**there.metadata, SEAL: ""})


def _may_be_it(job: Job, there: Remote) -> bool:
    """A disk as long as the blob is, or was when it was sealed."""
    lengths = (str(there.size_bytes), there.metadata.get("size_bytes"))
    return there.is_page_blob and bool(there.sealed) and str(job.source.size_bytes) in lengths


def _is_untouched(job: Job, there: Remote) -> bool:
    """Nobody wrote to it, or to its map, since it was sealed. A map that lacks its last word, by a kill or an error, gets it."""
    found = job.service.get_map(job.to.name)
    if found is None or seal_of(found[0]) != there.metadata.get(MAP):
        return False
    marks, wanted = found[1], sealing.map_marks(there.sealed, there.etag)
    if marks == wanted:
        return True
    if marks != {"digest": there.sealed}:
        return False
    seal, session = job.ledger.seal, job.ledger.session
    is_known = seal is not None and seal.etag == there.etag
    is_held = not is_known and session is not None and job.service.renew(session.lease)
    if is_known or is_held:
        job.service.mark_map(wanted)
    if is_held and session:
        job.service.release(session.lease)
    return is_known or is_held
