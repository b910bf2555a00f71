"""What GRUB boots: which configuration it reads, and which entry of its menu is the default. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from flight.workflows.certify.effective.bootentry import Choice, Entry, entry_of
from flight.workflows.certify.effective.bootfiles import BootFiles
from flight.workflows.certify.effective.bootloader.grub import Grub
from flight.workflows.certify.effective.bootloader.menu import Item, Loaded, Shown, TooMuch
from flight.workflows.kit.text import quoted

FEATURES: Final = (
    "chainloader_bpb", "ntldr", "platform_search_hint", "default_font_path", "all_video_module", "menuentry_id",
    "menuentry_options", "200_final", "nativedisk_cmd", "timeout_style",
)  # fmt: skip
"""Each is "y" as feature_NAME in GRUB 2.06 and 2.12."""
VENDORS: Final = {"rhel": "redhat", "ol": "redhat"}
"""The folder on the EFI partition, where it is not os-release's ID."""
FOLDERS: Final = ("/boot/grub", "/boot/grub2")
CPUS: Final = {"efi": "x86_64", "pc": "i386"}
NUMBER: Final = re.compile(r"[0-9]{1,6}")
NEGATIVE: Final = re.compile(r"-[0-9]{1,9}")


class Config(NamedTuple):
    """A configuration GRUB begins with: a path of the tree, and the device it lies on."""

    path: str
    device: str


def grub_configs(files: BootFiles, firmware: str, system: str) -> list[Config]:
    """The one that is read first; `system` is os-release's ID.

    By UEFI that is the one beside the boot loader on the EFI partition, which on most systems only leads to the one in
    /boot. Where there is none, the boot loader holds the way to /boot itself.
    """
    if firmware == "efi" and (beside := sorted(_on_efi_partitions(files), key=lambda it: _rank(it.path, system))):
        return beside[:1]
    folders = FOLDERS if system in ("debian", "ubuntu", "") else FOLDERS[::-1]
    paths = (files.tree.real(f"{folder}/grub.cfg") for folder in folders)
    return [Config(path, files.device_of(path)) for path in paths if path is not None and files.tree.is_file(path)][:1]


def _on_efi_partitions(files: BootFiles) -> Iterator[Config]:
    for device, _ in files.efi_partitions():
        folder = files.locate(device, "/EFI")
        for name in files.tree.names(folder) if folder else ():
            path = files.locate(device, f"/EFI/{name}/grub.cfg")
            if path is not None and files.tree.is_file(path):
                yield Config(path, device)


def _rank(path: str, system: str) -> tuple[int, str]:
    """The system's own folder before others; the one for removable media last, for it only stands in for another."""
    name = path.split("/")[-2].lower()
    return 0 if name == VENDORS.get(system, system) else 2 if name == "boot" else 1, path


def boot_by_grub(files: BootFiles, config: Config, firmware: str, machine: str) -> Choice:
    """Runs it. Raises NotTaken where a file's content is not known."""
    env = _environment(files, config, firmware, machine)
    grub = Grub(files, env, exported=set(env))
    try:
        grub.run_file(config.path, f"({config.device}){files.on_device(config.path)}")
    except Shown:
        pass
    except (TooMuch, ValueError) as error:
        return Choice(read=tuple(grub.read), problem=f"GRUB's configuration cannot be read: {error}")
    return _choice(grub, config)


def _environment(files: BootFiles, config: Config, firmware: str, machine: str) -> dict[str, str]:
    folder = files.on_device(config.path).rpartition("/")[0]
    cpu = "arm64" if machine == "aarch64" else CPUS[firmware]
    features = {f"feature_{name}": "y" for name in FEATURES}
    prefix = f"({config.device}){folder if config.device else config.path.rpartition('/')[0]}"
    return {**features, "root": config.device, "prefix": prefix, "grub_platform": firmware, "grub_cpu": cpu}


def _choice(grub: Grub, config: Config) -> Choice:
    default = grub.env.get("default", "")
    direct, menu, env = grub.loaded, grub.menu, grub.env
    read = tuple(dict.fromkeys(grub.read))
    try:
        entries: dict[int, Entry] = {}
        _open(grub, menu, entries)
    except (TooMuch, ValueError) as error:
        return Choice(read=read, problem=f"GRUB's menu cannot be worked out: {error}")
    if not menu and direct.kernel:
        it = _entry(grub, Item("", "", config.path, 0), direct)
        return Choice(it, (it,), read, it.problem)
    if not menu:
        missing = f": it does not find {quoted(grub.missing[0])}" if grub.missing else ""
        return Choice(read=read, problem=f"GRUB's menu from {config.path} is empty{missing}")
    item = chosen(menu, default)
    it = entries[id(item)]
    return Choice(it, tuple(entries.values()), read, it.problem, _waits(env.get("timeout", ""), env, item))


def _waits(timeout: str, env: Mapping[str, str], item: Item) -> str:
    """Why the menu stays on the screen. Source: GNU GRUB Manual 2.12, "timeout", "Authentication and authorisation"."""
    if NEGATIVE.fullmatch(timeout):
        return f"GRUB's timeout is {quoted(timeout)}: it waits for a key"
    if env.get("superusers") and item.is_restricted:
        return f"GRUB asks for a password before '{quoted(item.title)}', which is not --unrestricted"
    return ""


def chosen(menu: Sequence[Item], default: str) -> Item:
    """The entry that is taken by itself: a number from 0, an id or a title, `OUTER>INNER` for one of a submenu.

    What names none is the first. Source: GNU GRUB Manual 2.12, "default".
    """
    word, _, rest = default.replace(">>", "\0").partition(">")
    word = word.replace("\0", ">")
    if NUMBER.fullmatch(word):
        item = menu[int(word)] if int(word) < len(menu) else menu[0]
    else:
        item = next((each for each in menu if word in (each.title, each.id) and word), menu[0])
    return chosen(item.children, rest.replace("\0", ">>")) if item.children else item


def _open(grub: Grub, menu: Sequence[Item], entries: dict[int, Entry]) -> None:
    """Open submenus, and see what every entry would load. Each is run in an environment of its own."""
    env, functions, depth = dict(grub.env), dict(grub.functions), grub.depth
    for item in menu:
        grub.env, grub.functions, grub.depth = {**env, "chosen": item.title}, dict(functions), depth
        grub.menu, grub.loaded, grub.path, grub.arguments = [], Loaded(), item.path, item.arguments
        try:
            grub.deeper(partial(grub.run, item.body))
        except Shown:
            grub.loaded = Loaded(chained="configfile", where=grub.where)
            grub.depth = depth
        if item.is_submenu:
            item.children = grub.menu
            for child in item.children:
                child.is_restricted |= item.is_restricted
            grub.deeper(partial(_open, grub, item.children, entries))
        if not item.children:
            entries[id(item)] = _entry(grub, item, grub.loaded)


def _entry(grub: Grub, item: Item, loaded: Loaded) -> Entry:
    source = loaded.where or f"{item.path}:{item.line}"
    if loaded.kernel is None:
        what = f": it calls {quoted(loaded.chained)}" if loaded.chained else ""
        problem = f"the entry '{quoted(item.title)}' starts no Linux{what}"
        return Entry(title=item.title, id=item.id, source=source, problem=problem)
    return entry_of(
        grub.files, title=item.title, name=item.id, source=source, kernel=loaded.kernel, initrds=loaded.initrds,
        command_line=loaded.arguments,
    )  # fmt: skip
