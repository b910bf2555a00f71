"""What stands in an initramfs: the names of its files, and which kernel modules those are.

An initramfs is one cpio archive after the other with zeros between: plain ones first (microcode for the processor), then
compressed ones, each of which holds one or more archives itself. Contents are unpacked to get to the next name, and
thrown away; only the two lists of modules are read.

Source: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel, and its init/initramfs.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from flight.workflows.certify.reading import compression, cpio

MOST_BYTES: Final = 1 << 30
"""Unpacked, over all compressed archives; a large distribution's has 200 MiB."""
MOST_ENTRIES: Final = 200_000
MOST_NAMES_BYTES: Final = 32 << 20
MOST_LISTED_BYTES: Final = 8 << 20
"""All lists of modules together; one is 1 MiB at most where a whole distribution's modules are in it."""
MOST_ARCHIVES: Final = 1000
MODULE: Final = re.compile(r"(?:usr/)?lib/modules/([^/]+)/.+\.ko(?:\.xz|\.zst|\.gz)?")
LISTS: Final = re.compile(r"(?:usr/)?lib/modules/[^/]+/modules\.(dep|builtin)")
SQUASHED: Final = ("squash-root.img", "squashfs-root.img")
"""dracut's squash module packs most files into a filesystem image of this name."""


@dataclass(frozen=True)
class Initramfs:
    """`files`: all names, without a slash or ./ before them, in their order. Modules' names have _ for -, and are sorted.

    `modules` lie there as files, modules.dep names `modules_dep`, modules.builtin names `builtin`. `kernels` are the
    releases below lib/modules that hold modules. `compressions` as they follow each other, "none" for a plain archive.
    """

    files: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    compressions: tuple[str, ...] = ()
    modules_dep: tuple[str, ...] = ()
    builtin: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()

    @property
    def is_squashed(self) -> bool:
        """Whether more files lie in a filesystem image inside, where nobody looked."""
        return any(name in SQUASHED for name in self.files)


def read_initramfs(data: bytes) -> Initramfs:
    """Raises ValueError with a short reason where anything of it is damaged, cut short, or larger than can be."""
    found = _Found()
    at = _past_zeros(data, 0)
    if at == len(data):
        raise ValueError("it is empty" if not data else "it holds nothing but zeros")
    while at < len(data):
        at = _past_zeros(data, found.read_member(data, at))
    return found.as_initramfs()


def module_name(path: str) -> str:
    """A module's name as the kernel has it: `kernel/drivers/hv/hyperv-keyboard.ko.xz` is hyperv_keyboard."""
    name = path.rpartition("/")[2]
    return re.sub(r"\.ko(\.xz|\.zst|\.gz)?$", "", name).replace("-", "_")


@dataclass
class _Found:
    """What was seen so far, and how much of it."""

    files: dict[str, None] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    kernels: set[str] = field(default_factory=set)
    compressions: list[str] = field(default_factory=list)
    lists: dict[str, set[str]] = field(default_factory=lambda: {"dep": set(), "builtin": set()})
    archive: int = 0
    entries: int = 0
    entries_before: int = 0
    unpacked_bytes: int = 0
    names_bytes: int = 0
    listed_bytes: int = 0

    def read_member(self, data: bytes, at: int) -> int:
        """Read the plain archive, or the compressed member with all its archives, that begins there; where it ends."""
        self._begin()
        try:
            if data.startswith((*cpio.MAGICS, *cpio.OLD_MAGICS), at):
                self.compressions.append("none")
                return at + self._read_plain(data, at)
            self.compressions.append(compression.form_at(data, at))
            return self._read_packed(data, at)
        except EOFError:
            raise ValueError(f"its archive {self.archive} is cut short {self._place}") from None
        except ValueError as error:
            raise ValueError(f"its archive {self.archive} {error}{self._after}") from None

    def as_initramfs(self) -> Initramfs:
        return Initramfs(
            files=tuple(self.files),
            modules=tuple(sorted(self.modules)),
            compressions=tuple(self.compressions),
            modules_dep=tuple(sorted(self.lists["dep"])),
            builtin=tuple(sorted(self.lists["builtin"])),
            kernels=tuple(sorted(self.kernels)),
        )

    def _begin(self) -> None:
        self.archive += 1
        self.entries_before = self.entries
        if self.archive > MOST_ARCHIVES:
            raise ValueError(f"it holds more than {MOST_ARCHIVES} archives")

    @property
    def _place(self) -> str:
        count = self.entries - self.entries_before
        return f"after {count} {'file' if count == 1 else 'files'}" if count else "before its first file"

    @property
    def _after(self) -> str:
        return f", {self._place}" if self.entries > self.entries_before else ""

    def _read_plain(self, data: bytes, at: int) -> int:
        stream = cpio.Stream(_plain(data, at))
        self._read_archive(stream)
        return stream.taken

    def _read_packed(self, data: bytes, at: int) -> int:
        stream = cpio.Stream(compression.unpacked(data, at, self.compressions[-1]), self._count)
        is_first = True
        while stream.skip_zeros():
            if not is_first:
                self._begin()
            is_first = False
            self._read_archive(stream)
        return stream.value

    def _count(self, chunk: bytes) -> None:
        self.unpacked_bytes += len(chunk)
        if self.unpacked_bytes > MOST_BYTES:
            raise ValueError(f"unpacks to more than {MOST_BYTES >> 20} MiB")

    def _read_archive(self, stream: cpio.Stream) -> None:
        for entry in cpio.entries(stream):
            self.entries += 1
            self.names_bytes += len(entry.name)
            if self.entries > MOST_ENTRIES:
                raise ValueError(f"holds more than {MOST_ENTRIES} files")
            if self.names_bytes > MOST_NAMES_BYTES:
                raise ValueError(f"holds more than {MOST_NAMES_BYTES >> 20} MiB of file names")
            self._note(entry, stream)

    def _note(self, entry: cpio.Entry, stream: cpio.Stream) -> None:
        name = re.sub(r"^(\.?/)+", "", entry.name)
        if name in ("", "."):
            return
        self.files[name] = None
        if not entry.is_file:
            return
        if match := MODULE.fullmatch(name):
            self.modules.add(module_name(name))
            self.kernels.add(match[1])
        elif match := LISTS.fullmatch(name):
            self.listed_bytes += entry.size
            if self.listed_bytes > MOST_LISTED_BYTES:
                raise ValueError(f"lists modules in {entry.size} bytes, which is no list")
            self.lists[match[1]].update(_listed(stream.read(entry.size).decode(errors="replace").splitlines()))


def _listed(lines: Iterable[str]) -> Iterable[str]:
    """The modules that modules.dep or modules.builtin have a line for. Source: modules.dep(5), kmod's depmod(8)."""
    return (module_name(line.partition(":")[0].strip()) for line in lines if line.strip())


def _plain(data: bytes, at: int) -> compression.Unpacking:
    """The bytes themselves, in pieces, so that none is copied twice."""
    for start in range(at, len(data), 1 << 20):
        yield data[start : start + (1 << 20)]
    return len(data)


def _past_zeros(data: bytes, at: int) -> int:
    """The offset of the next byte that is not zero."""
    while at < len(data):
        piece = data[at : at + 65536]
        rest = piece.lstrip(b"\0")
        if rest:
            return at + len(piece) - len(rest)
        at += len(piece)
    return at
