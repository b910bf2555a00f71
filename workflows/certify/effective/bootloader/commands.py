"""The commands of GRUB that decide what is booted; each gives its status, 0 for done. Pure.

Source: GNU GRUB Manual 2.12, "Commands"; for blscfg the GRUB that Fedora and Enterprise Linux carry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flight.workflows.certify.effective.bootloader import bls
from flight.workflows.certify.effective.bootloader.holds import holds
from flight.workflows.certify.effective.bootloader.menu import (
    Item,
    Loaded,
    Shown,
    read_block,
    render_entry,
    split_options,
)
from flight.workflows.certify.effective.bootloader.script import parse

if TYPE_CHECKING:
    from flight.workflows.certify.effective.bootloader.grub import Grub

Builtin = Callable[["Grub", str, list[str]], int]
ENTRIES: Final = "/loader/entries"
KINDS: Final = {
    "-u": "fs-uuid", "--fs-uuid": "fs-uuid", "-l": "label", "--label": "label", "-f": "file", "--file": "file",
    "search.fs_uuid": "fs-uuid", "search.fs_label": "label",
}  # fmt: skip
HINTS: Final = tuple(f"--hint{kind}" for kind in ("", "-bios", "-efi", "-baremetal", "-ieee1275", "-arc"))
PROBED: Final = {
    "-u": "uuid", "--fs-uuid": "uuid", "-l": "label", "--label": "label", "-f": "type", "--fs": "type",
    "--part-uuid": "partuuid",
}  # fmt: skip
QUIETLY_WELL: Final = (
    ":", "true", "echo", "eval", "insmod", "rmmod", "boot", "normal", "save_env", "list_env", "sleep", "clear", "serial",
    "terminal", "terminal_input", "terminal_output", "keymap", "play", "loadfont", "videoinfo", "background_color",
    "background_image",
)  # fmt: skip
"""What says nothing about what is booted; any other command fails, as it does where GRUB does not have it."""


def run_builtin(grub: Grub, name: str, arguments: list[str]) -> int:
    """The status of a command that is no function of the configuration's own."""
    found = BUILTINS.get(name.partition(".")[0] if name.startswith("search.") else name)
    return found(grub, name, arguments) if found else 0 if name in QUIETLY_WELL else 1


def _test(grub: Grub, name: str, arguments: list[str]) -> int:
    def look(path: str) -> tuple[str, int] | None:
        real = grub.locate(path)
        entry = grub.files.tree.entries.get(real) if real else None
        return (entry.kind, entry.size) if entry else None

    return 0 if holds(arguments[:-1] if name == "[" and arguments[-1:] == ["]"] else arguments, look) else 1


def _set(grub: Grub, _name: str, arguments: list[str]) -> int:
    grub.env |= dict(word.split("=", 1) for word in arguments if "=" in word)
    return 0


def _unset(grub: Grub, _name: str, arguments: list[str]) -> int:
    for word in arguments:
        grub.env.pop(word, None)
    return 0


def _export(grub: Grub, _name: str, arguments: list[str]) -> int:
    grub.exported |= set(arguments)
    return 0


def _linux(grub: Grub, _name: str, arguments: list[str]) -> int:
    """Nothing is loaded, but what would be is kept."""
    if not arguments:
        return 1
    line = " ".join(f'"{word}"' if " " in word else word for word in arguments[1:])
    grub.loaded = Loaded(grub.split(arguments[0]), (), line, grub.where)
    return 0


def _initrd(grub: Grub, _name: str, arguments: list[str]) -> int:
    grub.loaded = replace(grub.loaded, initrds=tuple(map(grub.split, arguments)))
    return 0


def _chain(grub: Grub, name: str, arguments: list[str]) -> int:
    grub.loaded = Loaded(chained=" ".join((name, *arguments)), where=grub.where)
    return 0


def _setup(grub: Grub, name: str, arguments: list[str]) -> int:
    """`--is-supported` only asks, and nobody knows here."""
    return 1 if arguments else _chain(grub, name, arguments)


def _search(grub: Grub, name: str, arguments: list[str]) -> int:
    """Sets a variable to the device, or leaves it as it was."""
    options, words = split_options(arguments, HINTS)
    kind = next((KINDS[option] for option in (name, *options) if option in KINDS), "file")
    variable = (words[1] if len(words) > 1 else "") if "." in name else options.get("--set", "")
    found = grub.files.search(kind, words[0]) if words else None
    if found is None:
        grub.missing.append(f"the filesystem '{' '.join(words[:1])}' ({grub.where})")
        return 1
    grub.env[variable or "root"] = found
    return 0


def _probe(grub: Grub, _name: str, arguments: list[str]) -> int:
    options, words = split_options(arguments, ("--set", "-s"))
    it = grub.files.filesystem(words[0].strip("()")) if words else None
    attribute = next((PROBED[option] for option in options if option in PROBED), "")
    if it is None or not attribute:
        return 1
    grub.env[options.get("--set") or options.get("-s") or "_"] = str(getattr(it, attribute))
    return 0


def _load_env(grub: Grub, _name: str, arguments: list[str]) -> int:
    options, names = split_options(arguments, ("--file", "-f"))
    given = options.get("--file") or options.get("-f")
    path, text = grub.text(given or f"{grub.env.get('prefix', '')}/grubenv")
    if text is None:
        return 1
    grub.read.append(path)
    grub.env |= {name: value for name, value in read_block(text).items() if not names or name in names}
    return 0


def _source(grub: Grub, name: str, arguments: list[str]) -> int:
    path = grub.locate(arguments[0]) if arguments else None
    if path is None or not grub.files.tree.is_file(path):
        grub.missing.append(f"{' '.join(arguments[:1])} ({grub.where})")
        return 1
    if name == "configfile":
        grub.env = {key: value for key, value in grub.env.items() if key in grub.exported}
    device, rest = grub.split(arguments[0])
    grub.run_file(path, f"({device}){rest}")
    if name == "configfile" and grub.menu:
        raise Shown
    return 0


def _blscfg(grub: Grub, _name: str, _arguments: list[str]) -> int:
    device = grub.env.get("root", "")
    if grub.env.get("grub_platform") != "efi":
        device = grub.env.get("boot") or device
    given = grub.env.get("blsdir") or ENTRIES
    found = next((rows for place in (given, f"/boot{ENTRIES}") if (rows := _entries(grub, device, place))), None)
    if found is None:
        grub.missing.append(f"boot loader entries in {given} ({grub.where})")
        return 1
    for entry in bls.newest_first(found):
        if entry.first("linux"):
            grub.read.append(entry.path)
            body = parse("\n" * (entry.line - 1) + render_entry(entry, grub.env))  # so that line numbers are the file's
            item = Item(entry.first("title") or entry.first("linux"), entry.name, entry.path, entry.line, body)
            item.is_restricted = bool(bls.expand(entry.first("grub_users"), lambda word: grub.env.get(word, "")))
            grub.add(item)
    return 0


def _entries(grub: Grub, device: str, place: str) -> list[bls.BlsEntry]:
    tree, folder = grub.files.tree, grub.files.locate(device, place)
    names = [name for name in tree.names(folder) if name.endswith(".conf") and name[0] != "."] if folder else []
    paths = {name: f"{folder}/{name}" for name in names[: bls.MOST_ENTRIES]}
    return [bls.read_entry(name, path, grub.content(path) or "") for name, path in paths.items()]


def _return(_grub: Grub, _name: str, arguments: list[str]) -> int:
    return int(arguments[0]) if arguments and re.fullmatch("[0-9]{1,3}", arguments[0]) else 0


BUILTINS: Final[Mapping[str, Builtin]] = {
    "[": _test, "test": _test, "set": _set, "unset": _unset, "export": _export, "search": _search, "probe": _probe,
    "linux": _linux, "linux16": _linux, "linuxefi": _linux, "initrd": _initrd, "initrd16": _initrd, "initrdefi": _initrd,
    "chainloader": _chain, "multiboot": _chain, "multiboot2": _chain, "fwsetup": _setup, "exit": _chain,
    "load_env": _load_env, "source": _source, ".": _source, "configfile": _source,
    "blscfg": _blscfg, "bls_import": _blscfg, "return": _return,
}  # fmt: skip
