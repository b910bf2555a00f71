"""What an image boots: of all entries of its boot loader the one that is taken when nobody touches a key. Pure.

Generation 2 starts by UEFI, generation 1 by BIOS; where an image is for both, each of them is followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flight.workflows.certify.effective.bootentry import Choice, Entry
from flight.workflows.certify.effective.bootfiles import BootFiles, boot_files
from flight.workflows.certify.effective.bootloader.by_grub import boot_by_grub, grub_configs
from flight.workflows.certify.effective.bootloader.by_systemd import boot_by_systemd, is_systemd_boot, unified_images
from flight.workflows.certify.effective.commandline import values
from flight.workflows.certify.tree import NotTaken
from flight.workflows.kit.text import quoted

if TYPE_CHECKING:
    from flight.workflows.certify.image import Image

FIRMWARES: Final = {"V2": "efi", "V1": "pc"}
"""By generation, in GRUB's words for a platform."""
OTHERS: Final = {
    "/boot/extlinux/extlinux.conf": "extlinux",
    "/boot/syslinux/syslinux.cfg": "syslinux",
    "/boot/grub/menu.lst": "GRUB 0.97",
    "/etc/lilo.conf": "LILO",
}
"""Boot loaders whose configuration is not followed."""


@dataclass(frozen=True)
class Boot:
    """`booting` holds the entry that boots by each firmware that was asked for, once where they are the same.

    `entries` are all there are, `read` the files that had a say. `problem`: why it is not known what boots, or why it
    cannot; then `booting` is empty. `waits`: why a boot loader does not go on before a person comes.
    """

    booting: tuple[Entry, ...] = ()
    entries: tuple[Entry, ...] = ()
    read: tuple[str, ...] = ()
    problem: str = ""
    waits: str = ""

    @property
    def unknown(self) -> str:
        """The problem as those rules mention it that it does not belong to; empty where there is none."""
        return "what boots is not known: see cmdline-console" if self.problem else ""

    @property
    def entry(self) -> Entry:
        """The entry that boots; an empty one where that is not known."""
        return self.booting[0] if self.booting else Entry()

    @property
    def kernel(self) -> str:
        return self.entry.kernel

    @property
    def version(self) -> str:
        """What `uname -r` says."""
        return self.entry.version

    @property
    def initramfs(self) -> str:
        """Its path; of several the last, for those before hold microcode. Empty where there is none."""
        return self.entry.initrds[-1] if self.entry.initrds else ""

    @property
    def command_line(self) -> str:
        return self.entry.command_line

    @property
    def root(self) -> str:
        """The word that root= gives."""
        return (values(self.command_line, "root") or [""])[-1]

    @property
    def source(self) -> str:
        """file:line of the command line."""
        return self.entry.source


def boot_of(image: Image) -> Boot:
    files = boot_files(image.snapshot)
    firmwares = [word for generation, word in FIRMWARES.items() if generation in image.generations] or ["efi"]
    choices = [_choice(image, files, firmware) for firmware in firmwares]
    read = tuple(dict.fromkeys(path for choice in choices for path in choice.read))
    entries = tuple(dict.fromkeys(entry for choice in choices for entry in choice.entries))
    if problem := next((choice.problem for choice in choices if choice.problem), ""):
        return Boot((), entries, read, problem)
    waits = next((choice.waits for choice in choices if choice.waits), "")
    return Boot(_different([choice.booting for choice in choices if choice.booting]), entries, read, waits=waits)


def _different(entries: list[Entry]) -> tuple[Entry, ...]:
    """Entries that start the same in the same way count once."""
    found: dict[tuple[object, ...], Entry] = {}
    for it in entries:
        found.setdefault((it.kernel, it.initrds, it.command_line), it)
    return tuple(found.values())


def _choice(image: Image, files: BootFiles, firmware: str) -> Choice:
    try:
        for config in grub_configs(files, firmware, image.os_release.get("ID", "")):
            return boot_by_grub(files, config, firmware, image.machine)
        if firmware == "efi" and is_systemd_boot(files):
            return boot_by_systemd(files)
    except NotTaken as error:
        return Choice(problem=f"{error}: what boots is not known")
    return Choice(problem=_why_none(files))


def _why_none(files: BootFiles) -> str:
    if unified := unified_images(files):
        return f"{quoted(unified[0])} is a unified kernel image: its command line is not read"
    other = next((path for path in OTHERS if files.tree.is_file(path)), None)
    if other:
        return f"{OTHERS[other]} boots it, and {other} is not read"
    return "no boot loader's configuration was found (GRUB, systemd-boot)"
