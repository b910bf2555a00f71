"""A file of records that is only added to, and says truly what was written, whatever killed the writer.

A line is a JSON list, a space, and a checksum of it and of all lines before it. What follows the first line that does not
fit is not believed, and is cut off before anything is added. The first line names the format. The file has one writer at
a time: an flock, which the kernel lets go of when he dies, and each writer's pid, for the message to the next.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from flight.workflows.kit.arriving import MARK, arriving, remove
from flight.workflows.kit.errors import BusyError, FlightError, SpaceError

FORMAT: Final = "flight upload ledger"
EDITION: Final = 1
SYNC_S: Final = 1.0
"""What was added is brought to the disk at most this often; a kill loses nothing of it, a power cut this much."""
OPENED: Final = b'["opened",'
FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
SUM_BYTES: Final = 16
LEAST_BYTES: Final = 4096
"""No ledger that holds a session, and so anything worth keeping, is without its first line; a shorter file may be torn."""
FULL: Final = {errno.ENOSPC, errno.EDQUOT}

Record = list[Any]
"""JSON values; the first is a word that says what the rest are."""


class Journal:
    """Not safe for several threads, but for `sync`. Every method raises FlightError, and SpaceError on a full disk."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Hold the file for ourselves, made where it is missing; BusyError, with a pid, where another process does."""
        self.path, self._clock = path, clock
        self._synced = clock()
        with _explained(path):
            self._fd, self._records, self._size, self._sum = _held(path)
        try:
            _sweep(path)
            self.add(["opened", os.getpid()])
        except BaseException:
            self.close()
            raise

    def take_records(self) -> Iterator[Record]:
        """What is believed of what stood there; each once, and let go of, so that nothing is in memory twice."""
        self._records.reverse()
        while self._records:
            yield self._records.pop()

    def add(self, record: Record) -> None:
        """Append one record, in one write. What a full disk let through of it is taken back."""
        line = _line(record, after=self._sum)
        with _explained(self.path):
            try:
                _write(self._fd, line)
            except OSError:
                os.ftruncate(self._fd, self._size)
                raise
        self._size += len(line)
        self._sum = _checksum(line)

    def sync(self, *, now: bool = False) -> None:
        """Bring it to the disk where that is due, or `now`."""
        if now or self._clock() - self._synced >= SYNC_S:
            self._synced = self._clock()
            with _explained(self.path):
                os.fdatasync(self._fd)

    def replace(self, records: Iterable[Record]) -> None:
        """Another file, of these records only, takes the place of this one in one step; ours before and after it."""
        lines = _lines([[FORMAT, EDITION], ["opened", os.getpid()], *records])
        with _explained(self.path), contextlib.ExitStack() as undo:
            with arriving(self.path) as fresh:
                fd = os.open(fresh, FLAGS | os.O_EXCL, 0o600)
                undo.callback(os.close, fd)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _write(fd, b"".join(lines))
            undo.pop_all()
        os.close(self._fd)
        self._fd, self._size, self._sum = fd, sum(map(len, lines)), _checksum(lines[-1])

    def remove(self) -> None:
        """The file goes, and with it our hold; nothing may be added after it."""
        with _explained(self.path):
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file; twice does no harm."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def _held(path: Path) -> tuple[int, list[Record], int, bytes]:
    """A locked descriptor of the file that stands at `path`, what is believed of it, its size and last checksum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        fd = os.open(path, FLAGS | os.O_NONBLOCK, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(fd, path):
                return fd, *_begun(fd, path)
        except BlockingIOError:
            pid = _pid_in(fd)
            os.close(fd)
            raise _busy(path, pid) from None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # it was replaced between our opening and locking it


def _is_at(fd: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(fd), os.stat(path))
    return False


def _begun(fd: int, path: Path) -> tuple[list[Record], int, bytes]:
    """What is believed of the file; the rest is cut off, and an empty file gets its first line."""
    records, size, last = _read(fd, path)
    os.ftruncate(fd, size)
    if not size:
        (first,) = _lines([[FORMAT, EDITION]])
        _write(fd, first)
        return [], len(first), _checksum(first)
    return records, size, last


def _read(fd: int, path: Path) -> tuple[list[Record], int, bytes]:
    """The records up to the first line that does not fit, their bytes, and the last checksum."""
    _require_ours(fd, path)
    records, size, last = list[Record](), 0, b""
    with open(os.dup(fd), "rb") as file:
        file.seek(0)
        for record, line in _believed(file):
            records.append(record)
            size, last = size + len(line), _checksum(line)
    if records[:1] != [[FORMAT, EDITION]]:  # of another flight, or torn: nothing in it can be used
        return [], 0, b""
    return records[1:], size, last


def _require_ours(fd: int, path: Path) -> None:
    """What is not a ledger, nor the torn beginning of one (which a power cut may have made zeros), must stay as it is."""
    stat_, name = os.fstat(fd), json.dumps([FORMAT]).encode()[:-1]
    head = os.pread(fd, LEAST_BYTES, 0) if stat.S_ISREG(stat_.st_mode) else b"?"
    is_torn = stat_.st_size < LEAST_BYTES and (name.startswith(head) or not head.strip(b"\0"))
    if not is_torn and not head.startswith(name):
        raise FlightError(
            f"{path} is not a ledger of an upload",
            why="it begins otherwise, and what is in it would be lost",
            fix="give another path for the ledger, or remove that file",
        )


def _believed(file: BinaryIO) -> Iterator[tuple[Record, bytes]]:
    last = b""
    for line in file:
        body = line[: -SUM_BYTES - 2]
        if line != _summed(body, after=last):
            return
        last = _checksum(line)
        yield json.loads(body), line


def _lines(records: Iterable[Record]) -> list[bytes]:
    lines, last = [], b""
    for record in records:
        lines.append(_line(record, after=last))
        last = _checksum(lines[-1])
    return lines


def _line(record: Record, *, after: bytes) -> bytes:
    return _summed(json.dumps(record, separators=(",", ":")).encode(), after=after)


def _summed(body: bytes, *, after: bytes) -> bytes:
    """The line of a record; `after` is the checksum of the line before it."""
    return body + b" " + hashlib.blake2b(after + body, digest_size=SUM_BYTES // 2).hexdigest().encode() + b"\n"


def _checksum(line: bytes) -> bytes:
    return line[-SUM_BYTES - 1 : -1]


def _write(fd: int, content: bytes) -> None:
    """In one write, or an OSError: a regular file takes less only where the disk is full."""
    if os.write(fd, content) < len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sweep(path: Path) -> None:
    """What a kill left of replacing this file; the lock is ours, so that nobody is at it."""
    for left in path.parent.glob(f"{MARK}{'?' * 12}-{glob.escape(path.name)}"):
        remove(left)


def _pid_in(fd: int) -> str:
    """Who opened it last, as its bytes say it while he goes on writing; empty where they do not."""
    with open(os.dup(fd), "rb") as file:
        whole = file.read(os.fstat(fd).st_size)
    told = whole[whole.rfind(OPENED) :].removeprefix(OPENED)
    return told[: told.index(b"]")].decode() if OPENED in whole and b"]" in told else ""


def _busy(path: Path, pid: str) -> BusyError:
    who = f"process {pid}" if pid else "another process"
    return BusyError(
        "this blob is being uploaded from this host",
        why=f"{who} has its ledger, {path}",
        fix="let it end, then run this again",
    )


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = f"in {path.parent}: {error.strerror or error}"
        if error.errno in FULL:
            fix = "free some space there, then run this again: what was sent is not sent again"
            raise SpaceError(f"no space for the ledger {path.name}", why=why, fix=fix) from error
        fix = "see that the path is right, and that you may write there"
        raise FlightError(f"the ledger {path.name} cannot be written", why=why, fix=fix) from error
