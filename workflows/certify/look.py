"""The look inside: one session of libguestfs, read-only, that answers what it is asked.

The talk with guestfish has three steps: what entries are there (`look.sh list`), the contents of those that were chosen
then (`look.sh take`), and once it is known which files no package owns, those of these. Filesystems are read by
libguestfs's Linux in its virtual machine, never by this host's kernel; nothing of the disk is run, no link of it followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flight.workflows import guestfs
from flight.workflows.certify import choose
from flight.workflows.certify.compose import CannotLook, Device, System, compose
from flight.workflows.certify.container import holds_raw_disk, read_container
from flight.workflows.certify.facts import Filesystem, Snapshot
from flight.workflows.certify.taken import Taken, marks_of, members
from flight.workflows.certify.tree import Entry
from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.progress import Progress, Told, quiet
from flight.workflows.kit.run import find, run
from flight.workflows.kit.scratch import scratch_folder

if TYPE_CHECKING:
    from flight.workflows.settings import Programs

MOST_ENTRIES: Final = 1_000_000
"""Entries of all filesystems together; each costs some 1500 bytes of memory here."""
TIMEOUT_S: Final = 900
"""A look takes half a minute where guests are emulated; one that hangs is ended."""
MISSING: Final = "apt-get install guestfish, or name another one: [programs] guestfish in luigi.cfg"
LISTED, TAKEN = "flight: listed", "flight: taken"
FIELDS: Final = 8
"""Of an entry in look.sh's list: kind, mode, uid, gid, size, mtime, path, target."""


def look(
    disk: Path, *, programs: Programs, work: Path, log_to: Path, accelerated: bool = False, told: Told = quiet
) -> Snapshot:
    """All facts of a disk file. Where nothing inside can be seen, `unseen` of the snapshot says why.

    The appliance is kept below `work`. Raises FlightError where the file cannot be read or libguestfs does not start.
    """
    container, table = read_container(disk)
    before = _stamp(disk)
    outside = Snapshot(container, table)
    if not holds_raw_disk(container):
        return replace(outside, unseen=f"{table.problem}")
    try:
        inside = _look_inside(
            disk, outside, programs=programs, work=work, log_to=log_to, accelerated=accelerated, told=told
        )
    except CannotLook as error:
        return replace(outside, unseen=error.because)
    if _stamp(disk) != before:
        return replace(outside, unseen="another process wrote to the file meanwhile")
    return inside


def _look_inside(
    disk: Path, outside: Snapshot, *, programs: Programs, work: Path, log_to: Path, accelerated: bool, told: Told
) -> Snapshot:
    guestfs.require_kernel()
    scratches = work / "cache"
    scratches.mkdir(parents=True, exist_ok=True)
    is_made = (scratches / "libguestfs").is_dir()
    least = guestfs.LEAST_FREE_BYTES + (0 if is_made else guestfs.APPLIANCE_BYTES)
    guestfs.require_space(scratches, doing="look inside a disk", least_bytes=least)
    with (
        scratch_folder(scratches, "look") as folder,
        guestfs.session(folder, programs.qemu_system, work=work, accelerated=accelerated) as env,
    ):
        talk = Talk(folder, outside, log_to=log_to, told=told)
        _guestfish(disk, talk, programs, env, log_to=log_to)
        return talk.snapshot


def _guestfish(disk: Path, talk: Talk, programs: Programs, env: Mapping[str, str], *, log_to: Path) -> None:
    guestfish = find(programs.guestfish, why="look inside the disk", fix=MISSING)
    argv = [guestfish, "--ro", "--format=raw", "--add", str(disk.resolve())]
    try:
        run(
            argv, why="look inside the disk", log_to=log_to, stdin=talk.opening().encode(), replies=talk.reply, env=env,
            timeout_s=TIMEOUT_S, contained=os.geteuid() == 0,
        )  # fmt: skip
    except ProgramError as error:
        raise ProgramError(error.what, why=error.why, fix=guestfs.fix_of(error.why) or error.fix) from None


class Talk:
    """What is said to guestfish, and what is made of its answers; `folder` is where they lie."""

    def __init__(self, folder: Path, outside: Snapshot, *, log_to: Path, told: Told) -> None:
        self.folder, self.outside, self.log_to, self.told = folder, outside, log_to, told
        self.snapshot = outside
        self._system: System | None = None
        self._asked: dict[str, str] = {}
        self._headed: list[str] = []
        self._kept: frozenset[str] = frozenset()

    def opening(self) -> str:
        """Start the Linux, give it the script, ask for the list."""
        self.told(Progress(what="looking inside: starting libguestfs"))
        script = self.folder / "look.sh"
        script.write_text(resources.files("flight.workflows.certify").joinpath("look.sh").read_text())
        return "\n".join((
            "run",
            'debug sh "mkdir -p /flight/scratch && mount --bind /flight/scratch /sysroot"',
            f"upload {_word(script)} /look.sh",
            f'debug sh "bash /sysroot/look.sh list {MOST_ENTRIES}"',
            f"download /listed.tar {_word(self.folder / 'listed.tar')}",
            f"!echo '{LISTED}'",
            "",
        ))  # fmt: skip

    def reply(self, line: str) -> str | None:
        if line == LISTED:
            return self._choose()
        if line != TAKEN:
            return ""
        if self.snapshot is self.outside:
            return self._read_contents()
        self._read_marks()
        return None

    def _choose(self) -> str | None:
        self.told(Progress(what="looking inside: choosing what to read"))
        self._system = compose(read_devices(self.folder / "listed.tar"), self.outside.table)
        kept, parsed, self._headed = choose.plan_contents(self._system.tree)
        self._kept = frozenset(kept)
        return self._ask([*kept, *parsed])

    def _ask(self, paths: list[str]) -> str:
        assert self._system
        self._asked = {self._system.source(path): path for path in paths}
        headed = [self._system.source(path) for path in self._headed]
        for name, names in (("wanted", self._asked), ("headed", headed)):
            (self.folder / name).write_bytes(b"".join(os.fsencode(each) + b"\0" for each in names))
        return "\n".join((
            *(f"upload {_word(self.folder / name)} /{name}" for name in ("wanted", "headed")),
            'debug sh "bash /sysroot/look.sh take"',
            f"download /taken.tar {_word(self.folder / 'taken.tar')}",
            f"!echo '{TAKEN}'",
            "",
        ))  # fmt: skip

    def _answers(self) -> Iterator[tuple[str, bytes]]:
        """Path in the tree and content of what was asked for last."""
        archive = self.folder / "taken.tar"
        trouble = next((content for name, content in members(archive) if name == "heads/trouble"), b"")
        for name, content in members(archive):
            if name in self._asked and os.fsencode(name) not in trouble:  # tar fills with zeros what it could not read
                yield self._asked[name], content

    def _read_contents(self) -> str | None:
        assert self._system
        self.told(Progress(what="looking inside: reading what was found"))
        taken = Taken(self._system, self.folder, self.log_to, self._kept.__contains__)
        for path, content in self._answers():
            taken.take(path, content)
        for name, content in members(self.folder / "taken.tar"):
            if name.startswith("heads/") and name[6:].isdecimal():
                taken.heads[self._headed[int(name[6:])]] = content
        self.snapshot = taken.snapshot(self.outside)
        marks = marks_of((path, content) for path, content in taken.kept.items() if self._is_unowned(path))
        self.snapshot = replace(self.snapshot, marks=marks)
        paths, left = choose.plan_marks(self.snapshot.tree, taken.kept.__contains__)
        if left:
            note = f"{left} files that no package owns were not searched for secrets: they are too many"
            self.snapshot = replace(self.snapshot, notes=(*self.snapshot.notes, note))
        self._headed = []
        return self._ask(paths) if paths else None

    def _is_unowned(self, path: str) -> bool:
        return not self.snapshot.tree.entries[path].owner

    def _read_marks(self) -> None:
        self.told(Progress(what="looking inside: searching for secrets"))
        self.snapshot = replace(self.snapshot, marks={**self.snapshot.marks, **marks_of(self._answers())})


def read_devices(archive: Path) -> tuple[Device, ...]:
    """look.sh's list as values. Raises CannotLook where it is not whole."""
    files = dict(members(archive))
    capabilities = dict(read_capabilities(files.get("./capabilities", b"").decode(errors="surrogateescape")))
    numbers = sorted(int(name.rpartition(".")[2]) for name in files if name.startswith("./device."))
    devices = [_device(number, files, capabilities) for number in numbers]
    if sum(len(each.entries) for each in devices) > MOST_ENTRIES:
        raise CannotLook(f"it holds more than {MOST_ENTRIES:,} files")
    return tuple(each for each in devices if each.filesystem.partition or each.filesystem.type or each.entries)


def _device(number: int, files: Mapping[str, bytes], capabilities: Mapping[str, str]) -> Device:
    words = dict(_pairs(files[f"./device.{number}"].decode(errors="replace")))
    device = words.get("DEVICE", "")
    partition = re.fullmatch(r"/dev/sda(\d+)", device)
    filesystem = Filesystem(
        device, int(partition[1]) if partition else 0, int(words.get("BYTES") or 0), words.get("TYPE", ""),
        words.get("UUID", ""), words.get("LABEL", ""), words.get("PART_ENTRY_UUID", ""),
        words.get("PART_ENTRY_NAME", ""), problem=words.get("PROBLEM", "").strip(),
    )  # fmt: skip
    fstabs = {
        {".": ""}.get(top := name.split(".", 3)[3], f"/{top}"): content.decode(errors="replace")
        for name, content in files.items()
        if name.startswith(f"./fstab.{number}.")
    }
    entries = f"./entries.{number}"
    if entries not in files:
        return Device(number, filesystem)
    trouble = files.get(f"./trouble.{number}", b"").decode(errors="replace").strip()
    ended = files.get(f"./ended.{number}", b"").strip()
    read = dict(read_entries(files[entries], number, capabilities))
    if len(read) >= MOST_ENTRIES:
        raise CannotLook(f"the filesystem on {device} holds more than {MOST_ENTRIES:,} files")
    if ended != b"0":
        why = (
            "listing its files took too long"
            if ended == b"124"
            else trouble.splitlines()[0]
            if trouble
            else "it broke off"
        )
        raise CannotLook(f"the filesystem on {device} cannot be read: {why}")
    return Device(number, filesystem, read, fstabs)


def read_entries(raw: bytes, number: int, capabilities: Mapping[str, str]) -> Iterator[tuple[str, Entry]]:
    """Path from the filesystem's own top, and entry."""
    fields = raw.split(b"\0")
    for at in range(0, len(fields) - FIELDS, FIELDS):
        kind, mode, uid, gid, size, mtime, path, target = fields[at : at + FIELDS]
        name = os.fsdecode(path[1:]) or "/"
        yield name, Entry(
            kind.decode(), int(mode, 8), int(uid), int(gid), int(size), int(float(mtime)), os.fsdecode(target),
            capability=capabilities.get(f"{number}{name}", "") if capabilities else "",
        )  # fmt: skip


def read_capabilities(text: str) -> Iterator[tuple[str, str]]:
    """`NUMBER/path` and the attribute in hex, from getfattr's words; it writes odd signs of a name in octal."""
    path = ""
    for line in text.splitlines():
        if line.startswith("# file: "):
            path = re.sub(r"\\([0-3][0-7]{2})", lambda it: chr(int(it[1], 8)), line.removeprefix("# file: "))
        elif line.startswith("security.capability=0x"):
            yield path, line.partition("=0x")[2]


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """NAME=value lines; blkid puts a backslash before odd signs."""
    for line in text.splitlines():
        name, _, value = line.partition("=")
        yield name, re.sub(r"\\(.)", r"\1", value)


def _word(path: Path) -> str:
    """A path as one word of guestfish."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size
