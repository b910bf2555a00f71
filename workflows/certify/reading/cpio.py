"""cpio archives as the kernel unpacks them: a stream of entries, contents skipped.

    header   110 bytes: the magic, then thirteen numbers of eight hex digits
    name     ends in a zero byte; header and name are padded to a multiple of four
    content  padded likewise

Source: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final

MAGICS: Final = (b"070701", b"070702")
"""newc, and newc with checksums; the kernel unpacks no other form."""
OLD_MAGICS: Final = (b"070707", b"\xc7\x71", b"\x71\xc7")
HEADER_BYTES: Final = 110
NUMBERS: Final = struct.Struct(">13I")
MOST_NAME_BYTES: Final = 4096
"""The kernel's PATH_MAX, the zero byte included."""
TRAILER: Final = "TRAILER!!!"


@dataclass(frozen=True)
class Entry:
    """A file, folder or link: its name as it stands there, its mode with the kind's bits, its content's length."""

    name: str
    mode: int
    links: int
    size: int

    @property
    def is_file(self) -> bool:
        """Whether it is a file with content; of hard links, all but the last have theirs elsewhere."""
        return stat.S_ISREG(self.mode) and (self.size > 0 or self.links > 1)


class Stream:
    """Bytes in their order out of chunks, each of which is shown to `seen` first.

    `taken` counts those that were read; `value` is what the chunks returned in the end.
    """

    def __init__(self, chunks: Generator[bytes, None, int], seen: Callable[[bytes], None] = lambda _: None) -> None:
        self._chunks, self._seen, self._chunk, self._at = chunks, seen, b"", 0
        self.taken, self.value = 0, 0

    def read(self, count: int) -> bytes:
        """So many bytes. Raises EOFError where there are fewer."""
        if self._at + count <= len(self._chunk):  # nearly always
            part = self._chunk[self._at : self._at + count]
            self._take(count)
            return part
        parts = []
        while count:
            self._require()
            part = self._chunk[self._at : self._at + count]
            self._take(len(part))
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def skip(self, count: int) -> None:
        """Leave so many bytes out. Raises EOFError where there are fewer."""
        while count:
            self._require()
            step = min(count, len(self._chunk) - self._at)
            self._take(step)
            count -= step

    def skip_zeros(self) -> bool:
        """Go to the next byte that is not zero, and say whether there is one."""
        while self._is_filled():
            rest = self._chunk[self._at :].lstrip(b"\0")
            self._take(len(self._chunk) - self._at - len(rest))
            if rest:
                return True
        return False

    def _require(self) -> None:
        if not self._is_filled():
            raise EOFError

    def _take(self, count: int) -> None:
        self._at += count
        self.taken += count

    def _is_filled(self) -> bool:
        """Whether there is a byte to read, the next chunk fetched where need be."""
        while self._at >= len(self._chunk):
            try:
                self._chunk, self._at = next(self._chunks), 0
            except StopIteration as ended:
                self.value = self.value if ended.value is None else ended.value  # None: it had ended before
                self._chunk, self._at = b"", 0
                return False
            self._seen(self._chunk)
        return True


def entries(stream: Stream) -> Iterator[Entry]:
    """One archive's entries up to its trailer. An entry's content is next in the stream, and may be read before going on.

    Raises ValueError where it is no archive, EOFError where it is cut short.
    """
    while True:
        entry = _read_entry(stream)
        if entry.name == TRAILER:
            return
        start = stream.taken
        yield entry
        stream.skip(entry.size + -entry.size % 4 - (stream.taken - start))


def _read_entry(stream: Stream) -> Entry:
    magic = stream.read(6)
    if magic not in MAGICS:
        old = ", a cpio of an older form, which the kernel does not unpack" if magic.startswith(OLD_MAGICS) else ""
        raise ValueError(f"has {magic.hex(' ')} where an entry should begin{old}")
    header = stream.read(HEADER_BYTES - len(magic))
    try:
        _, mode, _, _, links, _, size, *_, name_bytes, _ = NUMBERS.unpack(bytes.fromhex(header.decode("ascii")))
    except (ValueError, struct.error):
        raise ValueError("has an entry whose header is not made of hex digits") from None
    if not 0 < name_bytes <= MOST_NAME_BYTES:
        raise ValueError(f"has an entry whose name claims to be {name_bytes} bytes long")
    raw = stream.read(name_bytes)
    stream.skip(-(HEADER_BYTES + name_bytes) % 4)
    return Entry(raw.partition(b"\0")[0].decode(errors="backslashreplace"), mode, links, size)
