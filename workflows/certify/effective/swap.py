"""Who would turn on swap space: fstab, swap units, crypttab, cloud-init, commands that run at the start. Pure.

Sources: swapon(8), systemd.swap(5), crypttab(5), cloud-init's modules "Mounts" and "Disk Setup".
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from flight.workflows.certify.effective.fstab import RESOURCE, crypt_names, filesystem_of, fstab_of, identifier
from flight.workflows.certify.effective.unitfiles import values
from flight.workflows.certify.tree import NotTaken, Tree

if TYPE_CHECKING:
    from flight.workflows.certify.image import Image

MARKS: Final = (b"SWAPSPACE2", b"SWAP-SPACE", b"S1SUSPEND")
MARK_AT: Final = 4086
"""Where mkswap's mark stands, with pages of 4 KiB. Source: Linux, include/linux/swap.h (union swap_header)."""
RESOURCE_FOLDER: Final = "mnt"
"""Where cloud-init (/mnt) and waagent (/mnt/resource) mount the resource disk."""
MEMORY: Final = re.compile(r"/dev/zram\d*")
ZRAM: Final = tuple(
    f"{folder}/systemd/zram-generator.conf" for folder in ("/etc", "/run", "/usr/local/lib", "/usr/lib")
)
"""The first of these counts, and all in the folders `….d`. Source: zram-generator.conf(5)."""
ZRAM_GENERATOR: Final = "/usr/lib/systemd/system-generators/zram-generator"
ZRAM_SERVICE: Final = "zramswap.service"
MAKERS: Final = {"dphys-swapfile.service": "/var/swap", "swapspace.service": "/var/lib/swapspace"}
"""Services of Debian's packages that make and turn on swap files, and where."""
STARTED: Final = ("/etc/rc.local", "/etc/rc.d/rc.local")
CRONTABS: Final = ("/etc/crontab", "/etc/cron.d/*", "/var/spool/cron/crontabs/*", "/var/spool/cron/*")
"""Of these the lines that cron runs at every start. Source: crontab(5)."""
WITH_VALUE: Final = {
    "swapon": ("-p", "--priority", "-o", "--options"),
    "mkswap": ("-p", "--pagesize", "-L", "--label", "-U", "--uuid", "-v", "-e", "--endianness", "-o", "--offset"),
}
"""Options whose value is a word of its own."""
SWAPON: Final = ("swapon",)
MAKING: Final = ("mkswap", "swapon")
"""cloud-init's commands make swap space and write it into fstab: `swapon -a` has no word for it."""
STARTERS: Final = (".timer", ".path")
COMMANDS: Final = ("ExecStartPre", "ExecStart", "ExecStartPost")


class Swap(NamedTuple):
    """Swap space that is turned on: a path, device or identifier as it is written, and by what (file:line).

    `is_later`: not by the start itself, but by something that the start sets going.
    """

    what: str
    by: str
    is_later: bool = False


def swaps_of(image: Image) -> Iterator[Swap]:
    """All that the start of a machine would turn on. Raises NotTaken."""
    yield from _from_fstab(image)
    yield from _from_units(image)
    yield from _from_crypttab(image.tree)
    yield from _from_cloudinit(image)
    yield from _from_commands(image)


def _from_fstab(image: Image) -> Iterator[Swap]:
    for line in fstab_of(image.tree).lines:
        if line.is_swap and line.is_automatic and not image.units.is_masked(unit_name(line.spec)):
            yield Swap(line.spec, line.source)


def _from_units(image: Image) -> Iterator[Swap]:
    for name in _unit_names(image, ".swap"):
        if image.units.is_enabled(name):
            for what in image.units.setting(name, "Swap", "What"):
                yield Swap(what, name)


def _from_crypttab(tree: Tree) -> Iterator[Swap]:
    """A device that is encrypted anew, with another key, whenever the machine starts."""
    for number, fields in crypt_names(tree):
        options = fields[3].split(",") if len(fields) > 3 else []
        if "swap" in options and "noauto" not in options:
            yield Swap(fields[1], f"/etc/crypttab:{number}")


def _from_cloudinit(image: Image) -> Iterator[Swap]:
    """`swap:` makes a file where it is given a size; `mounts:` are lines of fstab."""
    if not image.cloudinit.is_there or image.cloudinit.disabled_by:
        return
    swap, mounts = image.cloudinit.config.get("swap"), image.cloudinit.config.get("mounts")
    if isinstance(swap, dict) and str(swap.get("size", "0")).strip().lower() not in ("0", "", "none", "false"):
        yield Swap(str(swap.get("filename", "/swap.img")), "cloud-init's swap:")
    for row in mounts if isinstance(mounts, list) else ():
        fields = [str(field) for field in row] if isinstance(row, list) else []
        if len(fields) > 2 and fields[2] == "swap" and "noauto" not in ",".join(fields[3:4]).split(","):
            yield Swap(fields[0], "cloud-init's mounts:")
    for key in ("bootcmd", "runcmd"):
        found = [word for line in _commands(image.cloudinit.config.get(key)) for word in turned_on(line, MAKING)]
        yield from (Swap(word, f"cloud-init's {key}:", is_later=True) for word in dict.fromkeys(found))


def _commands(rows: object) -> Iterator[str]:
    """Lines of commands; a row is a text, or a list of words."""
    for row in rows if isinstance(rows, list) else ():
        yield from (" ".join(map(str, row)) if isinstance(row, list) else str(row)).splitlines()


def _from_commands(image: Image) -> Iterator[Swap]:
    """swapon in a service that starts, or in rc.local where that can be run; packages that come with such a service."""
    later = _starters(image)
    for name in _unit_names(image, ".service"):
        if words := _run_by(image, name):
            is_enabled = image.units.is_enabled(name)
            if is_enabled or name in later:
                yield from (Swap(word, name if is_enabled else later[name], not is_enabled) for word in words)
    for path in {image.tree.real(path): path for path in reversed(STARTED)}.values():
        entry = image.tree.entry(path)
        if entry and entry.mode & 0o111:
            lines = enumerate(image.tree.lines(path), 1)
            yield from (Swap(word, f"{path}:{number}") for number, line in lines for word in turned_on(line))
    for path in (path for pattern in CRONTABS for path in image.tree.glob(pattern)):
        rows = ((number, line) for number, line in enumerate(image.tree.lines(path), 1) if "@reboot" in line)
        yield from (Swap(word, f"{path}:{number}") for number, line in rows for word in turned_on(line))
    for name, path in MAKERS.items():
        if image.units.is_enabled(name):
            yield Swap(path, name)


def _run_by(image: Image, name: str) -> list[str]:
    """What a service gives to swapon. One whose file was not taken says nothing: most have to do with something else."""
    try:
        settings = image.units.files.settings(name)
    except NotTaken:
        return []
    return [word for key in COMMANDS for value in values(settings, "Service", key) for word in turned_on(value)]


def _starters(image: Image) -> dict[str, str]:
    """What starts a service later, by the service: a timer, or a watched path."""
    found = dict[str, str]()
    for ending in STARTERS:
        for name in filter(image.units.is_enabled, _unit_names(image, ending)):
            named = image.units.setting(name, ending[1:].title(), "Unit")[-1:]
            found.setdefault(named[0] if named else name.removesuffix(ending) + ".service", name)
    return found


def turned_on(line: str, programs: tuple[str, ...] = SWAPON) -> Iterator[str]:
    """What a line of commands gives to swapon."""
    for command in re.split(r"[;&|()]+", "" if line.lstrip().startswith("#") else line):
        words = [word.strip("\"'") for word in command.split()]
        at = next((place for place, word in enumerate(words) if posixpath.basename(word) in programs), len(words))
        with_value = WITH_VALUE[posixpath.basename(words[at])] if at < len(words) else ()
        for before, word in itertools.pairwise(words[at:]):
            if not word.startswith("-") and before not in with_value:
                yield word


def _unit_names(image: Image, ending: str) -> list[str]:
    files = image.units.files
    names = (name for folder in files.folders for name in image.tree.names(folder) if name.endswith(ending))
    return list(dict.fromkeys(names))


def unit_name(spec: str) -> str:
    """The swap unit that systemd makes of a line of fstab. Source: systemd.unit(5), "String Escaping"."""
    known = identifier(spec)
    path = f"/dev/disk/by-{known[0].lower()}/{known[1]}" if known else spec
    parts = (re.sub(r"[^A-Za-z0-9:_.]|^\.", _escaped, part) for part in path.split("/") if part)
    return "-".join(parts) + ".swap"


def _escaped(sign: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in sign[0].encode(errors="surrogateescape"))


def is_beside_the_disk(image: Image, swap: Swap) -> bool:
    """Whether it lies in memory or on the resource disk: below the place of that, and no such file is in the image."""
    if MEMORY.fullmatch(swap.what) or RESOURCE.fullmatch(swap.what):
        return True
    parts = swap.what.strip("/").split("/")
    if parts[0] != RESOURCE_FOLDER or ".." in parts or image.tree.lentry(swap.what) is not None:
        return False
    folder = posixpath.dirname(swap.what)
    return (image.tree.real(folder) or folder).split("/")[1] == RESOURCE_FOLDER


def is_on_the_disk(image: Image, swap: Swap) -> bool:
    """Whether it is a file of the system's, or a device that is there; else it is a variable, or nothing there is."""
    if identifier(swap.what) is None and not swap.what.startswith("/dev/"):
        return swap.what.startswith("/")
    return filesystem_of(swap.what, image.snapshot.filesystems) is not None


def swap_files(image: Image) -> list[str]:
    """Files with mkswap's mark, turned on or not."""
    return sorted(path for path, head in image.snapshot.heads.items() if head[MARK_AT:].startswith(MARKS))


def zram(image: Image) -> str:
    """What makes swap space of memory: a file or a service; empty for nothing."""
    tree = image.tree
    if image.units.is_enabled(ZRAM_SERVICE):
        return ZRAM_SERVICE
    paths = [path for path in ZRAM if tree.is_file(path)][:1] + [
        at for path in ZRAM for at in tree.glob(f"{path}.d/*.conf")
    ]
    made = (path for path in paths if any(line.startswith("[zram") for line in tree.lines(path)))
    return next(made, "") if tree.is_file(ZRAM_GENERATOR) else ""
