"""Which files' contents are taken out of a disk, by name and size, before any of them is read. Pure.

KEPT stay in the snapshot. PARSED are turned into facts and dropped: they are large. Of files that no package owns, marks
of secrets are looked for, and nothing is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from flight.workflows.certify.tree import Entry, Tree

KIB: Final = 1 << 10
MIB: Final = 1 << 20
KEPT: Final = tuple(
    (re.compile(pattern), most)
    for pattern, most in (
        (r"/etc/(passwd|shadow|group|gshadow|sudoers|fstab)-?", 4 * MIB),
        (r"/etc/(?!ssl/certs/|ssh/moduli|ca-certificates/|pki/ca-trust/extracted/|selinux/.*/policy/).*", 256 * KIB),
        (r"/boot/(config-|grub2?/(grub\.cfg|grubenv|custom\.cfg|device\.map)|loader/|extlinux/|syslinux/).*", MIB),
        (r"/(boot/)?efi/(.*/)?[^/]*\.(cfg|conf|env)|/(boot/)?efi/(.*/)?grubenv", MIB),
        (r"/(usr/)?lib/modules/[^/]+/(config|modules\.(builtin|dep|softdep))", 8 * MIB),
        (r"/usr/local/lib/(systemd|modprobe\.d|udev)/.*", 256 * KIB),
        (r"/(usr/)?lib/systemd/(system|network|system-preset)/.*|/(usr/)?lib/systemd/[^/]+\.conf", 256 * KIB),
        (r"/(usr/(local/)?)?lib/(udev/rules|modprobe|modules-load|sysctl|dracut/dracut\.conf)\.d/.*", 256 * KIB),
        (r"/usr/lib/(NetworkManager|netplan)/.*", 256 * KIB),
        (r"/usr/(etc|share/cloud|lib/cloud-init|lib/os-release|lib/firewalld|lib/tmpfiles\.d|lib/sysusers\.d).*", 256 * KIB),
        (r"/usr/lib/os-release", 64 * KIB),
        (r"/usr/share/netplan/.*\.ya?ml", 64 * KIB),
        (r"/usr/.*/azurelinuxagent/common/version\.py", 256 * KIB),
        (r"/usr/.*/cloudinit/version\.py", 64 * KIB),
        (r"/var/lib/(cloud|waagent|dhcp|dhclient|dhcpcd|NetworkManager|systemd/deb-systemd-helper-enabled)/.*", 64 * KIB),
        (r"/var/lib/dbus/machine-id", 4 * KIB),
        (r"/var/spool/cron/.*", 64 * KIB),
        (r"/(root|home/[^/]+)/\.[^/]*", 256 * KIB),
        (r"/(root|home/[^/]+)/\.(ssh|aws|azure|docker|kube|config|gnupg)/.*", 64 * KIB),
        (r"/root/[^/]*\.(ks|cfg)", MIB),
        (r"/var/log/anaconda/ks-script-.*", 256 * KIB),
    )
)  # fmt: skip
"""A pattern of the whole path, and the largest size in bytes."""
PARSED: Final = tuple(
    (re.compile(pattern), most)
    for pattern, most in (
        (r"/var/lib/dpkg/(status|diversions)", 64 * MIB),
        (r"/var/lib/dpkg/status\.d/[^/]+", MIB),
        (r"/var/lib/dpkg/info/[^/]+\.list", 16 * MIB),
        (r"/(var/lib/rpm|usr/lib/sysimage/rpm|usr/share/rpm)/[^/]+", 512 * MIB),
        (r"/boot/(initrd|initramfs)[^/]*", 512 * MIB),
        (r"/boot/[0-9a-f]{32}/.*/(initrd|linux)", 512 * MIB),
        (r"/boot/vmlinu[zx]-.*", 64 * MIB),
        (r"(?i)/(boot/)?(efi/)?EFI/.*\.efi", 128 * MIB),
    )
)
HEADS: Final = re.compile(r"/[^/]*swap[^/]*|/(var|opt|mnt|home)/[^/]*swap[^/]*|/var/(lib/)?swap/[^/]*")
"""Files that may be swap space."""
MOST_BYTES: Final = 1 << 30
"""Of one kind of contents together."""
MARKS_MOST: Final = MIB
"""The largest file that is searched for marks."""
MARKS_TOTAL: Final = 256 * MIB
MARKS_FILES: Final = 50_000
"""Files that are searched: more of them would take minutes where guests are emulated."""
MOST_KEPT: Final = 64 * MIB
"""Of what stays in memory and in the snapshot."""
UNMARKED: Final = re.compile(
    r"/(proc|sys|dev|run)/.*|/var/lib/(dpkg|rpm|apt)/.*|/usr/lib/(sysimage|modules)/.*|/boot/init.*|.*\.pyc"
)
"""Files without an owner that come with every system, and hold no secret."""


def plan_contents(tree: Tree) -> tuple[list[str], list[str], list[str]]:
    """What is taken: (kept, parsed) by whole content, and the files of which only the head is."""
    kept = [path for path, entry in _regular(tree.entries) if _fits(path, entry, KEPT)]
    parsed = [path for path, entry in _regular(tree.entries) if _fits(path, entry, PARSED)]
    shell = tree.real("/bin/sh")
    heads = [path for path, entry in _regular(tree.entries) if HEADS.fullmatch(path)]
    return _bounded(kept, tree, most=MOST_KEPT), _bounded(parsed, tree), [*heads[:64], *([shell] if shell else [])]


def plan_marks(tree: Tree, taken: Callable[[str], bool]) -> tuple[list[str], int]:
    """The files without an owner whose marks are to be looked for, and how many more there are than that."""
    unowned = [
        path
        for path, entry in _regular(tree.entries)
        if not entry.owner and entry.size <= MARKS_MOST and not UNMARKED.fullmatch(path) and not taken(path)
    ]
    chosen = _bounded(unowned, tree, most=MARKS_TOTAL)[:MARKS_FILES]
    return chosen, len(unowned) - len(chosen)


def _regular(entries: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    return ((path, entry) for path, entry in entries.items() if entry.kind == "f" and entry.size > 0)


def _fits(path: str, entry: Entry, rows: tuple[tuple[re.Pattern[str], int], ...]) -> bool:
    return any(entry.size <= most and pattern.fullmatch(path) for pattern, most in rows)


def _bounded(paths: list[str], tree: Tree, *, most: int = MOST_BYTES) -> list[str]:
    """As many of them, the smallest first, as stay below `most` bytes together."""
    left, chosen = most, []
    for path in sorted(paths, key=lambda path: (tree.entries[path].size, path)):
        left -= tree.entries[path].size
        if left < 0:
            break
        chosen.append(path)
    return chosen
