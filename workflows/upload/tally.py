"""What was read, sent, moved and found there, counted by all senders together: for the receipt, and for who watches."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flight.workflows.digest import PREFIX, block_lines, grain_hashes
from flight.workflows.kit.progress import Progress, human_bytes, human_seconds
from flight.workflows.upload.blockmap import BlockMap, MapBuilder
from flight.workflows.upload.plan import Span


class Hashing:
    """The digest and the block map of what is read, in any order, by any number of threads."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, bytes]] = []
        self._map = MapBuilder()
        self._lock = threading.Lock()

    def add(self, read: Span, content: bytes) -> bytes:
        """The hashes of its grains, for who wants to know what it is."""
        hashes = grain_hashes(content)
        lines = block_lines(hashes, read.start, read.size)
        self._map.add(read, hashes)
        with self._lock:
            self._lines.append((read.start, lines))
        return hashes

    def digest(self) -> str:
        whole = hashlib.sha256()
        for _, lines in sorted(self._lines):
            whole.update(lines)
        return PREFIX + whole.hexdigest()

    def block_map(self, size_bytes: int) -> BlockMap:
        return self._map.build(size_bytes)


@dataclass
class Tally:
    """Bytes by what became of them, and the requests that wrote them. `total_bytes` 0: not known (a pipe)."""

    total_bytes: int = 0
    blob_bytes: int = 0
    zero_bytes: int = 0
    """Read, and nothing but zeros."""
    sent_bytes: int = 0
    moved_bytes: int = 0
    cleared_bytes: int = 0
    found_bytes: int = 0
    """Of an earlier try, and not sent again."""
    puts: int = 0
    clock: Callable[[], float] = time.monotonic
    _began: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, **more: int) -> None:
        """`count(sent_bytes=4096, puts=1)`."""
        with self._lock:
            for name, value in more.items():
                setattr(self, name, getattr(self, name) + value)

    def begin(self, *, total_bytes: int, blob_bytes: int) -> None:
        """From now on it is sent: so much of so long a blob."""
        self.total_bytes, self.blob_bytes, self._began = total_bytes, blob_bytes, self.clock()

    @property
    def done_bytes(self) -> int:
        return self.zero_bytes + self.sent_bytes + self.moved_bytes + self.cleared_bytes + self.found_bytes

    @property
    def skipped_bytes(self) -> int:
        """Holes and zeros."""
        return self.zero_bytes + max(0, self.blob_bytes - self.total_bytes if self.total_bytes else 0)

    def progress(self) -> Progress:
        return Progress(min(self.done_bytes, self.total_bytes), self.total_bytes, self._words())

    def _words(self) -> str:
        elapsed = self.clock() - self._began if self._began is not None else 0.0
        pace = (self.done_bytes - self.found_bytes) / elapsed if elapsed > 0 else 0.0
        left = (self.total_bytes - self.done_bytes) / pace if pace else 0.0
        words = (
            "sending",
            f"{human_bytes(round(self.sent_bytes / elapsed))}/s" if elapsed > 0 else "",
            f"{human_seconds(left)} left" if left > 0 else "",
            f"{human_bytes(self.found_bytes)} were there" if self.found_bytes else "",
            f"{human_bytes(self.moved_bytes)} moved" if self.moved_bytes else "",
            f"{human_bytes(self.skipped_bytes)} skipped" if self.skipped_bytes else "",
        )
        return ", ".join(filter(None, words))
