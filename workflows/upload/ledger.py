"""What an upload did so far, so that a rerun sends the rest and nothing else: values, and the journal that they stand in.

A write is noted before it is sent and after it is acknowledged. What was begun and not finished may be there or not:
whoever comes back reads it, and compares. Live and read back, the state comes from the same records by the same rules.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

from flight.workflows.kit.kept import of_its_types
from flight.workflows.upload.journal import Journal, Record
from flight.workflows.upload.plan import Span
from flight.workflows.upload.source import FileState

Kind = Literal["put", "move", "clear"]
KINDS = get_args(Kind)


@dataclass(frozen=True)
class Session:
    """One upload: of which file, to which blob, under which lease, from which base, by which plan.

    `upload` and `lease` are UUIDs, the first stands in the blob's metadata. `file` is None for a pipe. `base` is a URL,
    empty in a full upload; `plan` is the SHA-256 of the plan of a delta.
    """

    url: str
    upload: str
    lease: str
    size_bytes: int
    file: FileState | None = None
    base: str = ""
    base_etag: str = ""
    plan: str = ""


@dataclass(frozen=True)
class Done:
    """A write that the service acknowledged. `tag` says what was written: `sending.tag_of` its content."""

    kind: Kind
    span: Span
    tag: str
    etag: str


@dataclass(frozen=True)
class Sealed:
    """The blob is whole and sealed; `etag` is what the seal left, `map_raw` the block map that is to lie beside it."""

    etag: str
    digest: str
    map_raw: bytes | None = None


Key = tuple[Kind, Span, str]


class Ledger:
    """A journal of one upload, at one path. Safe for several threads, once the session has begun.

    Every method that writes raises FlightError where it cannot, SpaceError on a full disk; what was noted stays.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self._clock = path, clock
        self._lock = threading.Lock()
        self._forget_all()
        self._journal: Journal | None = None
        self._take_hold()

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """The ledger at `path`, made where it is missing. BusyError, with the pid, where another process has it."""
        return cls(path)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def session(self) -> Session | None:
        """The upload that was begun last; None where there is none to go on with."""
        return self._session

    @property
    def done(self) -> Mapping[Key, str]:
        """The ETag that each acknowledged write left. Alive: look things up in it while others write, do not go through it."""
        return self._done

    @property
    def begun(self) -> AbstractSet[Span]:
        """What was begun and is not known to be done; alive, as `done` is."""
        return self._begun

    @property
    def etags(self) -> AbstractSet[str]:
        """Every ETag that our own writes left on the blob; alive, as `done` is."""
        return self._etags

    @property
    def is_in_doubt(self) -> bool:
        """Whether the lease of this session was asked for once more, and nobody looked since whether the blob is ours."""
        return self._is_in_doubt

    @property
    def seal(self) -> Sealed | None:
        return self._seal

    def begin(self, session: Session) -> None:
        """Forget all that was, and begin this upload; in one step: after a kill it is the one or the other."""
        if self._journal is None:
            self._take_hold()
        assert self._journal
        record = ["session", asdict(session)]
        self._journal.replace([record])
        self._forget_all()
        self._apply(record)

    def starting(self, kind: Kind, span: Span) -> None:
        """This write is about to be sent."""
        self._note(["begun", kind, span.start, span.stop])

    def finished(self, done: Done) -> None:
        """This write was acknowledged."""
        self._note(["done", done.kind, done.span.start, done.span.stop, done.tag, done.etag])

    def wrote(self, etag: str) -> None:
        """Another write of ours, of no span (the blob was created, resized), left this ETag."""
        self._note(["wrote", etag], sync=True)

    def doubt(self) -> None:
        """The lease ended, and is about to be asked for again: that we hold it proves nothing from now on."""
        self._note(["doubt"], sync=True)

    def trust(self) -> None:
        """The lease is held, and nobody had written since we did."""
        self._note(["trust"], sync=True)

    def sealed(self, etag: str, digest: str, map_raw: bytes | None) -> None:
        """The seal is written. The map is kept here until it lies beside the blob."""
        text = None if map_raw is None else base64.b64encode(map_raw).decode()
        self._note(["sealed", etag, digest, text], sync=True)

    def forget(self) -> None:
        """There is nothing to go on with: the file goes. A session may begin again."""
        with self._lock:
            if self._journal is not None:
                self._journal.remove()
            self._journal = None
            self._forget_all()

    def close(self) -> None:
        """Let go of the file, for another process to take; twice does no harm."""
        with self._lock:
            if self._journal is not None:
                self._journal.close()
            self._journal = None

    def _take_hold(self) -> None:
        self._journal = Journal(self.path, clock=self._clock)
        try:
            for record in self._journal.take_records():
                self._apply(record)
        except (ValueError, TypeError, KeyError):  # of a flight whose sessions hold other things
            self._forget_all()

    def _note(self, record: Record, *, sync: bool = False) -> None:
        with self._lock:
            assert self._journal, "the ledger is closed"
            journal = self._journal
            journal.add(record)
            self._apply(record)
        journal.sync(now=sync)  # not under the lock: a disk may take its time, and the others have pages to send

    def _forget_all(self) -> None:
        self._session: Session | None = None
        self._seal: Sealed | None = None
        self._done: dict[Key, str] = {}
        self._begun: set[Span] = set()
        self._etags: set[str] = set()
        self._is_in_doubt = False

    def _apply(self, record: Record) -> None:
        """What a record means; ValueError and the like for one that this flight does not write."""
        match record:
            case ["opened", int()]:
                pass
            case ["session", dict(values)]:
                self._session = _session(values)
            case ["begun", kind, int(start), int(stop)] if kind in KINDS:
                self._begun.add(Span(start, stop))
            case ["done", kind, int(start), int(stop), str(tag), str(etag)] if kind in KINDS:
                span = Span(start, stop)
                self._begun.discard(span)
                self._done[kind, span, tag] = etag
                self._etags.add(etag)
            case ["doubt" | "trust" as word]:
                self._is_in_doubt = word == "doubt"
            case ["wrote", str(etag)]:
                self._etags.add(etag)
            case ["sealed", str(etag), str(digest), text]:
                self._seal = Sealed(etag, digest, None if text is None else base64.b64decode(text))
                self._etags.add(etag)
            case _:
                raise ValueError(record[:1])


def _session(values: Mapping[str, Any]) -> Session:
    file = values["file"]
    return of_its_types(Session(**{**values, "file": None if file is None else of_its_types(FileState(**file))}))
