"""Senders: each takes what is to be done next and does it, unless the ledger or the blob says that it is done."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final, NamedTuple

from flight.workflows.digest import grain_hashes
from flight.workflows.upload.ledger import Done, Kind
from flight.workflows.upload.plan import Action, Clear, Move, Put, Span
from flight.workflows.upload.service import BaseUnfit

if TYPE_CHECKING:
    from flight.workflows.upload.base import Base
    from flight.workflows.upload.ledger import Ledger
    from flight.workflows.upload.service import Service
    from flight.workflows.upload.tally import Tally


class Work(NamedTuple):
    """What is to be done, what the file holds at its span (nothing, for a Clear), and the tag of that for the ledger."""

    action: Action
    content: bytes
    tag: str

    @property
    def kind(self) -> Kind:
        return KIND[type(self.action)]


Read = Callable[[Span], bytes]
"""What the file holds at a span."""
Take = Callable[[], Iterable[Work] | None]
"""The next few; None when all is taken. Called by several threads at once."""
KIND: Final[dict[type[Action], Kind]] = {Put: "put", Move: "move", Clear: "clear"}
TAG: Final = 16
"""Hex digits."""
LOOK_S: Final = 0.2


class Sender:
    """Does actions on one blob. Safe for several threads. What was done stands in `done_actions`, for the proof."""

    def __init__(self, service: Service, ledger: Ledger, tally: Tally, *, lease: str, base: Base | None = None) -> None:
        self._service, self._ledger, self._tally = service, ledger, tally
        self._lease, self._base, self._can_move = lease, base, base is not None
        self._actions: list[Action] = []
        self._lock = threading.Lock()

    @property
    def done_actions(self) -> tuple[Action, ...]:
        with self._lock:
            return tuple(self._actions)

    def do(self, work: Work) -> None:
        """Bring the span to what the file holds there: not again where that is known, or seen, to be so."""
        if self._is_there(work):
            self._tally.count(found_bytes=work.action.span.size)
        else:
            self._ledger.starting(work.kind, work.action.span)
            self.again(work)
        with self._lock:
            self._actions.append(work.action)

    def again(self, work: Work) -> None:
        """As `do`, whatever the ledger says: the blob was looked at, and is not so."""
        action, etag = work.action, self._write(work.action, work.content)
        self._ledger.finished(Done(work.kind, action.span, work.tag, etag))

    def resize(self, size: int) -> None:
        """Cut the blob to its length."""
        self._ledger.wrote(self._service.resize(size, lease=self._lease))

    def _is_there(self, work: Work) -> bool:
        action = work.action
        if (work.kind, action.span, work.tag) in self._ledger.done:
            return True
        if isinstance(action, Clear) or action.span not in self._ledger.begun:
            return False
        return self._service.read(action.span) == work.content

    def _write(self, action: Action, content: bytes) -> str:
        """The ETag that it leaves."""
        if isinstance(action, Move) and self._can_move:
            try:
                return self._move(action, content)
            except BaseUnfit:  # what is sent instead is right in any case
                self._can_move = False
        if isinstance(action, Clear):
            self._tally.count(cleared_bytes=action.span.size)
            return self._service.clear(action.span, lease=self._lease)
        etag = self._service.put(action.span, content, lease=self._lease)
        self._tally.count(sent_bytes=action.span.size, puts=1)
        return etag

    def _move(self, action: Move, content: bytes) -> str:
        assert self._base
        etag = self._service.put_from(
            action,
            base=self._base.place,
            base_etag=self._base.etag,
            md5=hashlib.md5(content, usedforsecurity=False).digest(),
            lease=self._lease,
        )
        self._tally.count(moved_bytes=action.span.size)
        return etag


def tag_of(hashes: bytes) -> str:
    """What the ledger calls content whose grains have these hashes."""
    return hashlib.sha256(hashes).hexdigest()[:TAG]


def work_on(action: Action, read: Read) -> Work:
    """For what nobody read and hashed yet."""
    content = b"" if isinstance(action, Clear) else read(action.span)
    return Work(action, content, tag_of(grain_hashes(content)))


def send_all(take: Take, sender: Sender, *, service: Service, senders: int, tell: Callable[[], None]) -> None:
    """Do all that `take` gives, by so many threads; the first failure ends all of it. `tell` is called now and then."""
    stopped = threading.Event()

    def send_on() -> None:
        while not stopped.is_set() and (taken := take()) is not None:
            for work in taken:
                sender.do(work)

    with _senders(senders, stopped, service) as pool:
        running: set[Future[None]] = {pool.submit(send_on) for _ in range(senders)}
        while running:
            ended, running = wait(running, timeout=LOOK_S, return_when=FIRST_EXCEPTION)
            for one in ended:
                one.result()
            tell()


@contextlib.contextmanager
def _senders(many: int, stopped: threading.Event, service: Service) -> Iterator[ThreadPoolExecutor]:
    """Threads that are gone when the block is left; after an error (or Ctrl-C) they begin nothing more."""
    pool = ThreadPoolExecutor(many, thread_name_prefix="put-page")
    try:
        yield pool
    except BaseException:
        stopped.set()
        service.give_up()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
