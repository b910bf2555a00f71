"""What is known of a disk: plain values, without a judgement. Rules read them, `saved` keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from flight.workflows.certify.reading.index import Pending
from flight.workflows.certify.reading.initramfs import Initramfs
from flight.workflows.certify.reading.packages import Package
from flight.workflows.certify.tree import Tree
from flight.workflows.vhd import FOOTER_BYTES, Footer, read_footer

ESP: Final = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
BIOS_BOOT: Final = "21686148-6449-6e6f-744e-656564454649"
SWAP: Final = "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"
LVM: Final = "e6d6d379-f507-44c2-a23c-238f2a3df928"
"""Partition types in a GPT. Source: UEFI Specification, Discoverable Partitions Specification."""


@dataclass(frozen=True)
class Container:
    """The file around the disk. `form`: "VHD" (a footer stands at its end), "raw", or the name of another format.

    `tail_hex` are its last 512 bytes. Sizes are bytes.
    """

    name: str
    file_bytes: int
    form: str
    tail_hex: str

    @cached_property
    def footer(self) -> Footer | None:
        tail = bytes.fromhex(self.tail_hex)
        return read_footer(tail) if len(tail) == FOOTER_BYTES and tail.startswith(b"conectix") else None

    @property
    def disk_bytes(self) -> int:
        """The length of the disk itself, as far as the file holds it."""
        return self.file_bytes - (FOOTER_BYTES if self.footer else 0)


@dataclass(frozen=True)
class Partition:
    """A partition; `type` is a GUID in lower case, or an MBR's byte as "0x83". Places and lengths are sectors of 512."""

    number: int
    type: str
    start: int
    sectors: int
    guid: str = ""
    name: str = ""
    is_active: bool = False


@dataclass(frozen=True)
class PartitionTable:
    """`kind`: gpt, mbr or none. `problem`: why it cannot be read; `backup_problem`: of a GPT's second header.

    `has_boot_code`: the first sector holds a boot loader's code. `has_core`: so does the BIOS boot partition, or (mbr)
    the gap before the first partition. `gap_sectors` of those 2047 hold any data.
    """

    kind: str
    partitions: tuple[Partition, ...] = ()
    problem: str = ""
    backup_problem: str = ""
    has_boot_code: bool = False
    has_core: bool = False
    gap_sectors: int = 0


@dataclass(frozen=True)
class Filesystem:
    """What lies on a partition or logical volume: `type` is blkid's word (ext4, swap, crypto_LUKS, LVM2_member, …).

    `partition` is its number, 0 for a logical volume. `mounted_at` is where the disk's own fstab puts it; empty where
    it is nowhere. `problem`: why it could not be read.
    """

    device: str
    partition: int
    size_bytes: int
    type: str = ""
    uuid: str = ""
    label: str = ""
    partuuid: str = ""
    partlabel: str = ""
    mounted_at: str = ""
    problem: str = ""

    @property
    def is_logical_volume(self) -> bool:
        return not self.partition and self.device.count("/") > 2


@dataclass(frozen=True)
class Snapshot:
    """All that rules may know of a disk.

    `unseen` is why nothing inside could be looked at: then `tree` and all that follows are empty. `package_format`:
    dpkg, rpm, or empty. `initramfs` by path; where one could not be read, `unreadable` says why. `signers` names who
    signed the boot files. `marks` are what secrets and malware look like, by the path of an unowned file. `heads`: the
    first 4096 bytes of a few files. `pending`: what a package index knows newer, where it was compared with one.
    `digest` names the disk's content, `looked_at` the time (ISO 8601); both may be empty.
    """

    container: Container
    table: PartitionTable
    filesystems: tuple[Filesystem, ...] = ()
    tree: Tree = field(default_factory=lambda: Tree({}, {}))
    package_format: str = ""
    packages: tuple[Package, ...] = ()
    initramfs: Mapping[str, Initramfs] = field(default_factory=dict)
    signers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    marks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    heads: Mapping[str, bytes] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unseen: str = ""
    digest: str = ""
    looked_at: str = ""
    pending: Pending | None = None
