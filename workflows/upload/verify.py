"""Is a blob still what was sealed? Asked of its receipt, of itself and its map, or of every byte of its pages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from flight.workflows.digest import GRAIN
from flight.workflows.kit.errors import RemoteError
from flight.workflows.kit.progress import Progress, Told, human_bytes, quiet
from flight.workflows.upload.base import TOUCHED, map_beside
from flight.workflows.upload.blockmap import BlockMap
from flight.workflows.upload.plan import Span, merge, plan_reads, subtract
from flight.workflows.upload.receipt import ANY_LENGTH, BlobPlace, Receipt, Remote, short_digest
from flight.workflows.upload.tally import Hashing

if TYPE_CHECKING:
    from flight.workflows.upload.service import Service

READERS: Final = 8
DEEP: Final = "--deep reads every byte, and says which are others"
MENDED: Final = "`flight upload` of the same disk reads it again, and sends it again where it is not what was sealed"
PIPED: Final = "it came through a pipe, which ended too soon: pipe it again, or give `flight upload` a file"
RESUMED: Final = "`flight upload` of the same disk to it, from the same host, sends what is missing"


@dataclass(frozen=True)
class Verified:
    """What was found of a blob: lines for a person, what is not as it was sealed, and where the bytes differ.

    `unsure`: why nothing wrong was seen, and yet it is not known to be right. `next`: what would tell more, or mend it.
    """

    lines: tuple[str, ...]
    problems: tuple[str, ...] = ()
    differing: tuple[Span, ...] = ()
    unsure: str = ""
    next: tuple[str, ...] = ()


def recheck(receipt: Receipt, *, service: Service) -> tuple[str, ...]:
    """Every way in which the blob is not what the receipt says any more; nothing where all is well."""
    return tuple(f"{receipt.place.url}: {problem}" for problem in _problems(receipt, service.look()))


def _problems(receipt: Receipt, now: Remote | None) -> tuple[str, ...]:
    if now is None:
        return ("it is gone",)
    says = {
        "it is not a page blob": not now.is_page_blob,
        "it is not sealed: somebody is sending it, or was killed": not now.sealed,
        f"it holds another digest, {short_digest(now.sealed)}": bool(now.sealed) and now.sealed != receipt.digest,
        f"it has {now.size_bytes} bytes, not {receipt.size_bytes}": now.size_bytes != receipt.size_bytes,
        f"it was written to since: its ETag is {now.etag}, not {receipt.etag}": now.etag != receipt.etag,
    }
    return tuple(problem for problem, holds in says.items() if holds)


@contextlib.contextmanager
def kept_as_uploaded(receipt: Receipt, *, service: Service, undo: Callable[[], object]) -> Iterator[None]:
    """Around what is made of a blob: looked at before anything is made or removed, and once more when it is made.

    Raises RemoteError where it is not what the receipt says; then what was made of it is undone.
    """
    if problems := _problems(receipt, service.look()):
        raise not_as_uploaded(receipt, why="; ".join(problems))
    yield
    if problems := _problems(receipt, service.look()):
        undo()
        raise not_as_uploaded(receipt, why=f"{'; '.join(problems)}: what was made of it is removed again")


def not_as_uploaded(receipt: Receipt, *, why: str) -> RemoteError:
    return RemoteError(
        f"{receipt.place.url} is not as it was uploaded",
        why=why,
        fix="`flight verify` says what differs; `flight upload` of the same disk, or for a recipe's image "
        "`luigi --module flight.workflows UploadBlob --recheck`, sends it again",
    )


def verify(place: BlobPlace, *, service: Service, deep: bool = False, told: Told = quiet) -> Verified:
    """Look at a blob again; `deep`: download its pages and take their digest. Raises RemoteError where there is none.

    Without `deep` only its ETag, and pages that are gone, can tell that somebody wrote to it.
    """
    there = service.look()
    if there is None:
        why = "the container holds no blob of this name"
        raise RemoteError(f"there is no blob {place.url}", why=why, fix="check the name")
    lines: tuple[str, ...] = (f"blob   {place.url}", f"holds  {there}", f"size   {_length(there)}")
    if problem := unsealed(there):
        return Verified(lines, (problem,), next=_ending(there))
    beside, pages = map_beside(place, there, service), service.ranges()
    lines = (*lines, f"map    {beside.doubt or 'as it was sealed'}")
    touched = (TOUCHED,) if beside.is_other(there) else ()
    if not deep:
        gone = subtract(beside.blocks.spans(), pages) if beside.blocks else ()
        return _by_words(Verified(lines, touched, gone), is_sure=beside.etag == there.etag)
    return _read_again(there, pages, Verified(lines, touched), beside.blocks, service=service, told=told)


def _length(there: Remote) -> str:
    return "not known before the pipe ends" if there.size_bytes == ANY_LENGTH else f"{there.size_bytes} bytes"


def _by_words(found: Verified, *, is_sure: bool) -> Verified:
    """What follows where not all of it was read."""
    if found.problems or found.differing:
        return replace(found, next=(DEEP, MENDED))
    if not is_sure:
        return replace(found, unsure="seal and length are there, and no map that tells its ETag", next=(DEEP,))
    return found


def _ending(there: Remote) -> tuple[str, ...]:
    """What makes a blob whole that is not."""
    if not there.upload:
        return ()
    if there.is_leased:
        return ("let the one who writes it end",)
    return (PIPED if there.size_bytes == ANY_LENGTH else RESUMED,)


def unsealed(there: Remote) -> str:
    """Why it cannot be what was sealed; empty where it may be."""
    if not there.is_page_blob:
        return "it is not a page blob"
    if not there.sealed:
        if not there.upload:
            return "it is not sealed, and flight does not write it"
        return f"it is not sealed: {there.writer} {'writes it' if there.is_leased else 'began it and did not end it'}"
    said = there.metadata.get("size_bytes", "")
    return f"it has {there.size_bytes} bytes, and {said} were sealed" if said != str(there.size_bytes) else ""


def _read_again(
    there: Remote, pages: Iterable[Span], found: Verified, blocks: BlockMap | None, *, service: Service, told: Told
) -> Verified:
    seen = read_back(pages, size=there.size_bytes, service=service, told=told)
    digest, read = seen.digest(), human_bytes(sum(page.size for page in pages))
    if digest == there.sealed:
        lines = (*found.lines, f"deep   {read} read: {digest}, as it was sealed")
        return replace(found, lines=lines, next=(MENDED,) if found.problems else ())
    problem = f"its digest is {short_digest(digest)}, and {short_digest(there.sealed)} was sealed"
    return Verified(
        (*found.lines, f"deep   {read} read: {digest}"),
        (*found.problems, problem),
        differing(seen.block_map(there.size_bytes), blocks) if blocks else (),
        next=(MENDED,),
    )


def differing(seen: BlockMap, sealed: BlockMap) -> tuple[Span, ...]:
    """The blocks whose content is not the same, as spans of bytes."""
    blocks = {*seen.blocks(), *sealed.blocks()}
    other = (block for block in blocks if seen.digest_at(block) != sealed.digest_at(block))
    return merge(Span(block * GRAIN, min((block + 1) * GRAIN, sealed.size_bytes)) for block in other)


def read_back(pages: Iterable[Span], *, size: int, service: Service, told: Told) -> Hashing:
    """Digest and map of what the pages hold."""
    reads = plan_reads(pages, size=size)
    hashing, total, done = Hashing(), sum(read.size for read in reads), 0

    def read_again(read: Span) -> Span:
        hashing.add(read, service.read(read))
        return read

    with ThreadPoolExecutor(READERS, thread_name_prefix="get-page") as pool:
        try:
            for read in pool.map(read_again, reads):
                done += read.size
                told(Progress(done, total, "reading the blob again"))
        except BaseException:
            service.give_up()
            pool.shutdown(cancel_futures=True)
            raise
    return hashing
