"""A guest's serial console: read as it grows, cleaned of terminal codes, and watched for signs of how a boot ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WINDOW_BYTES = 8192
"""How much of what was read before is searched again: a sign may arrive in pieces."""
CURSOR_MOVE = re.compile(r"\x1b\[[0-9;]*[HfEFd]|\r\n?")
TERMINAL_CODE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][0-9A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[=>78cDEHMNOZ])")
FIRMWARE_LAST = re.compile(r"(?:Booting from Hard Disk\.\.\.|GRUB loading\.*|BdsDxe: starting Boot[^\n]*)\s*\Z")
"""What is said before a jump into code of the disk's: by the firmware, by the first sector of GRUB's core."""
NOT_TEXT = re.compile(r"[^\n\t\x20-\x7e\xa0-\U0010ffff]")


@dataclass(frozen=True)
class Sign:
    """A line that tells how a boot ends. `meaning` completes "the guest …"; `hint` is what to look at then."""

    name: str
    pattern: str
    meaning: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Sighting:
    """A sign, and the text on the console that matched it."""

    sign: Sign
    text: str


LOGIN = Sign("login", r"^(?!Last )([A-Za-z0-9][\w.-]*) login:", "asks for a login name")

NO_BOOT_CODE = Sign(
    "no bootable device",
    r"No bootable device|BdsDxe: No bootable option or device was found",
    "has a disk that the firmware cannot boot from",
    "give BIOS boot code in the disk's first sector, UEFI an EFI system partition with EFI/BOOT/BOOTX64.EFI",
)

FAILURES = (
    Sign(
        "kernel panic",
        r"Kernel panic - not syncing.*",
        "had a kernel panic",
        "where the panic is about the root filesystem: look for a wrong root=, or a driver missing in the initramfs",
    ),
    Sign(
        "no root filesystem",
        r"ALERT! .* does not exist.*|Warning: /dev/disk/by-\S+ does not exist",
        "did not find its root filesystem",
        "compare root= in GRUB's configuration with the filesystem's UUID, and the drivers in the initramfs",
    ),
    Sign(
        "initramfs shell",
        r"^\(initramfs\)|^dracut:/#",
        "stopped at the initramfs's shell",
        "see above it why the root filesystem was not mounted: a wrong root=, or a driver missing in the initramfs",
    ),
    Sign(
        "emergency mode",
        r"You are in emergency mode|Entering emergency mode|Press Enter for maintenance"
        r"|Give root password for maintenance|Cannot open access to console",
        "went into emergency mode",
        "look for a line of /etc/fstab that waits for something that is not there, or a damaged filesystem",
    ),
    Sign(
        "systemd froze",
        r"Freezing execution.*",
        "has a systemd that froze",
        "see above it what systemd missed: the root filesystem is incomplete",
    ),
    Sign(
        "GRUB rescue",
        r"grub rescue>",
        "stopped at GRUB's rescue prompt",
        "see whether the filesystem's UUID changed, or /boot/grub is gone: GRUB's core does not find its modules",
    ),
    Sign(
        "GRUB prompt",
        r"^grub>",
        "stopped at GRUB's prompt",
        "see whether grub.cfg is where GRUB looks for it, and has an entry to boot",
    ),
    Sign(
        "no kernel",
        r"error: (?:\S+:)?(?:you need to load the kernel first|invalid magic number|premature end of file"
        r"|invalid arch-dependent|bad shim signature|kernel too old).*",
        "has a kernel that GRUB cannot load",
        "see whether the kernel's file is missing, cut short or unsigned",
    ),
    NO_BOOT_CODE,
    Sign(
        "UEFI shell",
        r"UEFI Interactive Shell|^Shell>",
        "ended in the UEFI shell",
        "put EFI/BOOT/BOOTX64.EFI on an EFI system partition: the firmware found none",
    ),
    Sign(
        "Secure Boot",
        r"prohibited by secure boot policy|Security Violation|BdsDxe: failed to \S+ Boot.*: Access Denied",
        "was refused by Secure Boot",
        "sign the loader and the kernel by a key that the firmware trusts, or turn Secure Boot off",
    ),
)
"""Each ends a boot for good; none of them is printed by a boot that goes well."""


def clean_console(raw: bytes) -> str:
    """The console's text: terminal codes and control characters gone, every cursor move to a new place a new line."""
    text = CURSOR_MOVE.sub("\n", raw.decode(errors="replace"))
    return NOT_TEXT.sub("", TERMINAL_CODE.sub("", text))


def find_sign(text: str, signs: Sequence[Sign]) -> Sighting | None:
    """The sign that stands first in a cleaned text."""
    found = [(match.start(), sign, match) for sign in signs if (match := re.search(sign.pattern, text, re.MULTILINE))]
    if not found:
        return None
    _, sign, match = min(found, key=lambda each: each[0])
    return Sighting(sign, match[0].strip())


def last_lines(text: str, count: int) -> tuple[str, ...]:
    """The last lines of a cleaned text that are not blank."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return tuple(lines[-count:])


class Console:
    """A console's log that grows while it is read; nothing is read twice but the window before the end."""

    def __init__(self, path: Path, signs: Sequence[Sign]) -> None:
        self.path, self.signs = path, tuple(signs)
        self.size_bytes = 0
        self._window = b""

    def look(self) -> Sighting | None:
        """Read what came since the last look; the first sign in it, if any."""
        fresh = self._read_on()
        if not fresh:
            return None
        seen = self._window + fresh
        self._window = seen[-WINDOW_BYTES:]
        if len(seen) > len(self._window):
            self._window = self._window.partition(b"\n")[2]  # a cut line must not look like the start of one
        return find_sign(clean_console(seen), self.signs)

    @property
    def is_at_firmware(self) -> bool:
        """Whether the firmware had the last word: the disk's boot code has been started, and is silent."""
        return FIRMWARE_LAST.search(clean_console(self._window)) is not None

    def last_lines(self, count: int) -> tuple[str, ...]:
        return last_lines(clean_console(self._window), count)

    def _read_on(self) -> bytes:
        try:
            with open(self.path, "rb") as file:
                file.seek(self.size_bytes)
                fresh = file.read()
        except FileNotFoundError:  # the guest has not started yet
            return b""
        self.size_bytes += len(fresh)
        return fresh
