"""The end of an upload: the pages that the service lists are those that were written; then the seal, under that ETag."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from flight.workflows.kit.errors import BusyError, RemoteError
from flight.workflows.upload.plan import Action, Clear, Put, Span, merge, pages_after, pieces, subtract
from flight.workflows.upload.sending import Read, work_on

if TYPE_CHECKING:
    from flight.workflows.upload.receipt import BlobPlace
    from flight.workflows.upload.sending import Sender
    from flight.workflows.upload.service import Service

ROUNDS: Final = 3
"""How often what is missing is sent again. The real service keeps what it acknowledged; Azurite, killed, may forget its
last five seconds (seen in 3.35)."""


def prove(
    sender: Sender, *, read: Read, there: Iterable[Span], size_bytes: int, service: Service, to: BlobPlace
) -> str:
    """See that the blob is `size_bytes` long, and has the pages that `there` were and the sender's actions make.

    Pages that are not so are mended. The ETag under which all was so. Where the service went away meanwhile, what was
    written is read back too: a page that was there before and was written over cannot be told from its old self by a
    list of pages.
    """
    before = tuple(there)
    for mendings_left in reversed(range(ROUNDS + 1)):
        wanted = pages_after(before, sender.done_actions)
        doubted = sender.done_actions if service.was_interrupted else ()
        service.was_interrupted = False
        etag, listed = _etag(service, to, size_bytes), service.ranges()
        mending = [*_differing(doubted, read=read, service=service), *_missing(wanted, listed)]
        if not mending:
            return etag
        for action in mending if mendings_left else ():
            sender.again(work_on(action, read))
    raise RemoteError(
        f"{to.url} does not hold what was sent",
        why=f"sent: {_told(wanted)}; there: {_told(listed)}",
        fix="see whether another program writes to it, then run this again: what is missing is sent",
    )


def _missing(wanted: Iterable[Span], listed: Iterable[Span]) -> Iterator[Action]:
    """What makes the listed pages the wanted ones."""
    for gap in subtract(wanted, listed):
        yield from (Put(piece) for piece in pieces(gap))
    for stray in subtract(listed, wanted):
        yield Clear(stray)


def _differing(doubted: Iterable[Action], *, read: Read, service: Service) -> Iterator[Action]:
    """Of what was written, what does not hold what the file holds."""
    for action in doubted:
        for piece in () if isinstance(action, Clear) else pieces(action.span):
            if service.read(piece) != read(piece):
                yield Put(piece)


def _told(spans: Iterable[Span]) -> str:
    merged = merge(spans)
    return f"{sum(span.size for span in merged)} bytes in {len(merged)} ranges"


def _etag(service: Service, to: BlobPlace, size_bytes: int) -> str:
    now = service.look()
    if now is None:
        raise BusyError(
            f"{to.url} was removed while it was being sent",
            why="another program, or somebody else, removed the blob",
            fix="let the other one end, then run this again",
        )
    if now.size_bytes != size_bytes:
        raise BusyError(
            f"{to.url} was resized while it was being sent",
            why=f"another program, or somebody else, made it {now.size_bytes} bytes long; {size_bytes} are sent",
            fix="let the other one end, then run this again",
        )
    return now.etag
