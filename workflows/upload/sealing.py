"""The seal: what makes a blob one that is whole. The end of an upload, and said anew where a blob was read and is the disk.

The map of blocks comes first, then the metadata, under the ETag at which all was seen to be there; then the ledger, and
the map's last word, which names the ETag that the seal left. A kill in between costs the next run one look, or one reading.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from flight.workflows.upload.blockmap import seal_of, to_bytes
from flight.workflows.upload.receipt import MAP, SEAL

if TYPE_CHECKING:
    from flight.workflows.upload.job import Job
    from flight.workflows.upload.tally import Hashing


def seal(job: Job, seen: Hashing, *, under: str, lease: str = "", said: Mapping[str, str] | None = None) -> str:
    """Let the blob with the ETag `under` say that it holds what was seen; the ETag that this leaves.

    `said` is what it says already: of that only what is wrong or missing becomes another.
    """
    size, digest = job.source.size_bytes or 0, seen.digest()
    identity = dataclasses.replace(job.identity, digest=digest, size_bytes=size).metadata(sealed=True)
    raw = to_bytes(seen.block_map(size))
    must = {name: identity[name] for name in ("digest", "size_bytes", SEAL)} | {MAP: seal_of(raw)}
    metadata = {**identity, **(said or {}), **must}
    job.service.put_map(raw, {"digest": digest})
    sealed = under if metadata == said else job.service.describe(metadata, under=under, lease=lease)
    try:
        job.ledger.sealed(sealed, digest, None)
    finally:  # either of them lets the next run believe the seal
        job.service.mark_map(map_marks(digest, sealed))
    return sealed


def say_md5(job: Job, md5: bytes | None, *, under: str, lease: str = "") -> str:
    """Let the blob with the ETag `under` say this Content-MD5, or none; the ETag that this leaves."""
    etag = job.service.set_md5(md5, under=under, lease=lease)
    job.ledger.wrote(etag)
    return etag


def map_marks(digest: str, etag: str) -> dict[str, str]:
    """What a finished map says of its blob: under this ETag it was sealed, with this digest."""
    return {"digest": digest, "etag": etag}
