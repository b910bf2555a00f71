"""Several filesystems as the one tree that the system in them would mount. Pure.

A filesystem is a Device: blkid's words, and its entries by their path from its own top. The root is the one that looks
like a system; its fstab says where the others belong.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from flight.workflows.certify.facts import ESP, Filesystem, PartitionTable
from flight.workflows.certify.tree import Entry, Tree
from flight.workflows.kit.text import quoted

LINUX: Final = ("ext2", "ext3", "ext4", "xfs", "btrfs")
SUBVOLUMES: Final = ("", "/root", "/@", "/@rootfs")
"""Where a btrfs keeps a root: at its top, or in a subvolume of these names (Fedora; Ubuntu, SUSE; Debian)."""
SIGNS: Final = (("/etc/os-release", "/usr/lib/os-release"), ("/usr/bin", "/bin"), ("/etc",))
"""A root has one of each."""


class CannotLook(Exception):
    """The disk could not be looked into; it becomes the snapshot's `unseen`. Completes "could not look inside because …"."""

    @property
    def because(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Device:
    """A device of the disk as the look found it. `number` is that of its listing; `fstabs` by the subvolume's path."""

    number: int
    filesystem: Filesystem
    entries: Mapping[str, Entry] = field(default_factory=dict)
    fstabs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mount:
    """A device's folder `top` at `at` of the tree."""

    device: Device
    top: str
    at: str


@dataclass(frozen=True)
class System:
    """The tree as mounted, and where each of its paths lies on the disk."""

    tree: Tree
    filesystems: tuple[Filesystem, ...]
    mounts: tuple[Mount, ...]
    notes: tuple[str, ...]

    def source(self, path: str) -> str:
        """A path of the tree as `NUMBER/path` of a listing."""
        best = max((m for m in self.mounts if _is_below(path, m.at)), key=lambda mount: len(mount.at))
        return f"{best.device.number}{best.top}{path.removeprefix(best.at.rstrip('/'))}"


def compose(devices: tuple[Device, ...], table: PartitionTable) -> System:
    """The system on a disk. Raises CannotLook where there is none, or more than one."""
    root = _root(devices, table)
    mounts, notes = _mounts(root, devices, table)
    entries: dict[str, Entry] = {}
    for mount in mounts:
        _mount(entries, mount)
    places = {mount.device.filesystem.device: mount.at for mount in mounts}
    filesystems = tuple(replace(each.filesystem, mounted_at=places.get(each.filesystem.device, "")) for each in devices)
    return System(Tree(entries, {}), filesystems, mounts, notes)


def _root(devices: tuple[Device, ...], table: PartitionTable) -> Mount:
    found = [
        Mount(device, top, "/")
        for device in devices
        for top in (SUBVOLUMES if device.filesystem.type == "btrfs" else ("",))
        if all(any(f"{top}{path}" in device.entries for path in paths) for paths in SIGNS)
    ]
    if len(found) > 1:
        places = " and ".join(f"{each.device.filesystem.device}{each.top}" for each in found)
        raise CannotLook(f"it holds two systems or more, on {places}: which of them would start cannot be known")
    if not found:
        raise CannotLook(_why_no_root(devices, table))
    return found[0]


def _why_no_root(devices: tuple[Device, ...], table: PartitionTable) -> str:
    by_type = {device.filesystem.type: device.filesystem for device in devices}
    if table.problem and not any(device.entries for device in devices):
        return table.problem
    for device in devices:
        if any(path.lower() == "/windows/system32" for path in device.entries) or device.filesystem.type == "ntfs":
            return f"it holds Windows ({device.filesystem.device}), and only Linux images are certified here"
    for kind, words in (("crypto_LUKS", "LUKS"), ("BitLocker", "BitLocker")):
        if kind in by_type:
            return f"the filesystem on {by_type[kind].device} is encrypted ({words})"
    for device in devices:
        if device.filesystem.problem:
            it = device.filesystem
            return f"the filesystem on {it.device} ({it.type}) cannot be read: {it.problem}"
    known = (*LINUX, "vfat", "swap", "LVM2_member", "")
    strange = [
        f"{device} ({kind})" for kind, device in ((k, d.device) for k, d in by_type.items()) if kind not in known
    ]
    if strange:
        return f"there is a filesystem that flight does not know: {', '.join(strange)}"
    if not any(device.filesystem.type in LINUX for device in devices):
        return "there is no Linux filesystem on it"
    return "no filesystem on it holds a system (an os-release in /etc or /usr/lib, and /usr)"


def _mounts(
    root: Mount, devices: tuple[Device, ...], table: PartitionTable
) -> tuple[tuple[Mount, ...], tuple[str, ...]]:
    mounts, notes = {"/": root}, list[str]()
    for spec, at, options in _wanted(root.device.fstabs.get(root.top, "")):
        if at in mounts:
            continue
        if re.search(r"(?:^|,)r?bind(?:,|$)", options):
            mounts[at] = _bound(spec, at, mounts)
            continue
        found = find_device(spec, [each.filesystem for each in devices])
        chosen = next((each for each in devices if each.filesystem is found), None)
        if chosen is not None:
            mounts[at] = Mount(_readable(chosen, at), _subvolume(chosen, options, at), at)
        elif spec.startswith("/dev/mapper/") and any(each.filesystem.type == "crypto_LUKS" for each in devices):
            raise CannotLook(f"{at}, which its fstab takes from {quoted(spec)}, is encrypted (LUKS)")
    for guess, at in _guessed(devices, table, mounts, root):
        mounts[at] = Mount(guess, "", at)
        notes.append(f"{guess.filesystem.device} stands in no fstab: looked at as {at}")
    used = {mount.device.number for mount in mounts.values()}
    for device in devices:
        if device.filesystem.type in LINUX and device.number not in used:
            notes.append(f"{device.filesystem.device} ({device.filesystem.type}) stands in no fstab: not looked at")
    return tuple(sorted(mounts.values(), key=lambda mount: (mount.at.count("/"), mount.at))), tuple(notes)


def _wanted(fstab: str) -> Iterator[tuple[str, str, str]]:
    """Spec, place and options of what the system mounts by itself, besides its root and what is no file's place."""
    for spec, at, kind, options in fstab_rows(fstab):
        place = posixpath.normpath(f"/{at.lstrip('/')}")
        if at.startswith("/") and place != "/" and kind != "swap" and "noauto" not in options.split(","):
            yield spec, place, options


def _readable(device: Device, at: str) -> Device:
    """The device; what cannot be read must not look as if it were empty."""
    found = device.filesystem
    if not device.entries:
        why = found.problem or "flight does not know that filesystem"
        raise CannotLook(
            f"{at}, which its fstab puts on {found.device} ({found.type or 'unknown'}), cannot be read: {why}"
        )
    return device


def _bound(source: str, at: str, mounts: Mapping[str, Mount]) -> Mount:
    """A folder of the tree at a second place."""
    path = posixpath.normpath(f"/{source.lstrip('/')}")
    above = max((mount for mount in mounts.values() if _is_below(path, mount.at)), key=lambda mount: len(mount.at))
    rest = path.removeprefix(above.at.rstrip("/")).rstrip("/")
    return Mount(above.device, f"{above.top}{rest}", at)


def _guessed(
    devices: tuple[Device, ...], table: PartitionTable, mounts: Mapping[str, Mount], root: Mount
) -> Iterator[tuple[Device, str]]:
    """What systemd would mount by its type, or an installer meant: a boot partition, the EFI system partition."""
    used = {mount.device.number for mount in mounts.values()}
    boots = [
        each
        for each in devices
        if each.number not in used
        and each.filesystem.type in LINUX
        and any(re.fullmatch(r"/(vmlinuz.*|loader|grub2?)", path) for path in each.entries)
    ]
    if "/boot" not in mounts and len(boots) == 1:
        yield boots[0], "/boot"
    esps = {part.number for part in table.partitions if part.type in (ESP, "0xef")}
    esp = [each for each in devices if each.filesystem.partition in esps and each.entries and each.number not in used]
    if esp and not any(mount.device.filesystem.partition in esps for mount in mounts.values()):
        yield esp[0], "/efi" if f"{root.top}/efi" in root.device.entries else "/boot/efi"


def fstab_rows(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Spec, place, type and options of every line that has all of them; octal escapes undone. Source: fstab(5)."""
    for line in text.splitlines():
        fields = [re.sub(r"\\([0-3][0-7]{2})", lambda it: chr(int(it[1], 8)), word) for word in line.split()]
        if len(fields) >= 3 and not fields[0].startswith("#"):
            at = fields[1] if fields[1] == "/" else fields[1].rstrip("/")
            yield fields[0], at, fields[2], fields[3] if len(fields) > 3 else "defaults"


def find_device(spec: str, filesystems: list[Filesystem]) -> Filesystem | None:
    """The filesystem that a spec of fstab or of root= names. Source: fstab(5), udev's links below /dev/disk."""
    for word in ("UUID", "LABEL", "PARTUUID", "PARTLABEL"):
        folder = f"/dev/disk/by-{word.lower()}/"
        spec = f"{word}={spec.removeprefix(folder)}" if spec.startswith(folder) else spec
    name, _, value = spec.partition("=")
    value = value.strip("\"'")
    for each in filesystems:
        names = {"UUID": each.uuid, "LABEL": each.label, "PARTUUID": each.partuuid, "PARTLABEL": each.partlabel}
        is_named = value and (
            value == names.get(name) or ("UUID" in name and value.lower() == names.get(name, "").lower())
        )
        if is_named or (spec.startswith("/dev/") and spec in _device_names(each)):
            return each
    return None


def _device_names(filesystem: Filesystem) -> Iterator[str]:
    """As which device a filesystem can be named; of the disk's own names any, for the first disk may have any."""
    yield filesystem.device
    if filesystem.partition:
        for disk in ("sda", "vda", "xvda", "hda"):
            yield f"/dev/{disk}{filesystem.partition}"
        yield f"/dev/nvme0n1p{filesystem.partition}"
    elif filesystem.device.count("/") == 3:
        group, _, volume = filesystem.device.removeprefix("/dev/").partition("/")
        yield f"/dev/mapper/{group.replace('-', '--')}-{volume.replace('-', '--')}"


def _subvolume(device: Device, options: str, at: str) -> str:
    """The folder of a btrfs that is mounted; its top where none is named."""
    if device.filesystem.type != "btrfs":
        return ""
    found = re.search(r"(?:^|,)subvol=/?([^,]*)", options)
    if not found and re.search(r"(?:^|,)subvolid=(?!5(?:,|$)|0(?:,|$))", options):
        raise CannotLook(f"its fstab names the subvolume for {at} by a number, and only names are understood")
    return f"/{found[1].rstrip('/')}" if found and found[1].strip("/") else ""


def _is_below(path: str, folder: str) -> bool:
    return folder == "/" or path == folder or path.startswith(f"{folder}/")


def _mount(entries: dict[str, Entry], mount: Mount) -> None:
    """Put a device's entries into the tree, over what stood below its place."""
    if mount.at != "/":
        for path in [path for path in entries if path.startswith(f"{mount.at}/")]:
            del entries[path]
    cut = len(mount.top)
    for path, entry in mount.device.entries.items():
        if path == mount.top or path == "/":
            entries[mount.at] = entry if path == (mount.top or "/") else entries.get(mount.at, entry)
        elif not mount.top or path.startswith(f"{mount.top}/"):
            entries[f"{'' if mount.at == '/' else mount.at}{path[cut:]}"] = entry
