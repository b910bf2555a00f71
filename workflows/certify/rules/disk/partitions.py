"""The partition table: where partitions are, what they are for, and what starts the machine."""

from __future__ import annotations

from typing import Final

from flight.workflows.certify.container import EXTENDED, GAP_SECTORS, holds_raw_disk
from flight.workflows.certify.effective.bootfiles import BootFiles, boot_files
from flight.workflows.certify.facts import BIOS_BOOT, ESP, LVM, SWAP, Partition, PartitionTable
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, Severity, failed, not_applicable, passed, rule, unknown
from flight.workflows.gpt import SECTOR
from flight.workflows.kit.text import quoted

MBR_SWAP: Final = "0x82"
MBR_LVM: Final = "0x8e"
MBR_EXTENDED: Final = tuple(f"0x{kind:02x}" for kind in EXTENDED)
SWAPPED: Final = ("swap", "swsuspend")
"""blkid's words for swap space: empty, and with a suspended system in it."""
LOADERS: Final = {"x86_64": ("BOOTX64.EFI",), "aarch64": ("BOOTAA64.EFI",)}
"""The name that firmware looks for where nothing else is remembered. Source: UEFI Specification 2.10, section 3.5.1.1."""
SECOND_STAGES: Final = {"BOOTX64.EFI": "x64", "BOOTAA64.EFI": "aa64"}
"""How the names of shim's companions end: grubx64.efi, and fbx64.efi, which follows the CSV files in other folders."""
SHIMS_SIGNER: Final = "Microsoft"
"""Who signs loaders for Linux: only shim. Source: Microsoft's UEFI signing requirements."""
NO_GPT: Final = {"mbr": "its partition table is an MBR, not a GPT"}
NOT_LOOKED: Final = "its filesystems were not looked at"
MOST_NAMED: Final = 4


@rule(
    "first-mib-free",
    "The first MiB of the disk is free",
    severity="blocker",
    required="no partition begins below sector 2048, and a GPT has nothing between its entries and there (an MBR's boot "
    "loader may use that gap: the sources speak of GPT only)",
    fix="begin the first partition at 1 MiB, the BIOS boot partition too: `part biosboot --fstype=biosboot --size=1` in a "
    "kickstart; what an older boot loader left in the gap is zeroed: `dd if=/dev/zero of=DISK bs=512 seek=34 count=2014 "
    "conv=notrunc`",
    source='Marketplace FAQ, "VM images must have 1 MB of free space"; Delphix moved bios_grub there to pass',
)
def first_mib_free(image: Image) -> Outcome:
    table = image.snapshot.table
    if table.problem or not table.partitions:
        return unknown(table.problem or "it has no partitions")
    early = [part for part in table.partitions if part.start < GAP_SECTORS]
    if early:
        return failed(f"{_named(early)} at sector {early[0].start}")
    if table.kind == "gpt" and table.gap_sectors:
        return failed(f"{table.gap_sectors} sectors behind the GPT hold something", severity="warning")
    return passed(f"the first partition begins at sector {min(part.start for part in table.partitions)}")


@rule(
    "part-align-1mib",
    "Partitions begin at whole MiB",
    severity="warning",
    required="each partition's first sector is a multiple of 2048",
    fix="partition the disk anew with 1 MiB alignment, the default of sfdisk, parted and Anaconda",
    source="Microsoft's Linux guide; general practice",
)
def part_align_1mib(image: Image) -> Outcome:
    table = image.snapshot.table
    if table.problem or not table.partitions:
        return unknown(table.problem or "it has no partitions")
    # An extended partition holds no data, and installers begin it 2 sectors before its first logical one.
    odd = [part for part in table.partitions if part.start % GAP_SECTORS and part.type not in MBR_EXTENDED]
    return failed(f"{_named(odd)} at sector {odd[0].start}") if odd else passed(f"all {len(table.partitions)} do")


@rule(
    "gpt-backup-ok",
    "The GPT and its backup are whole",
    severity="warning",
    required="right checksums in both headers, the backup in the disk's last sector (the VHD's footer is no part of it); "
    "as a blocker every partition within the disk, and none over another",
    fix="on a raw copy without footer: `sgdisk --verify DISK`, then `sfdisk --relocate gpt-bak-std DISK`",
    source="UEFI Specification 2.10, chapter 5",
)
def gpt_backup_ok(image: Image) -> Outcome:
    table = image.snapshot.table
    if table.kind != "gpt":
        return not_applicable("it has no GPT") if holds_raw_disk(image.snapshot.container) else unknown(table.problem)
    if table.problem:
        severity: Severity = "blocker" if "V2" in image.generations else "warning"
        return failed(f"the GPT: {table.problem}", severity=severity)
    if misplaced := _misplaced(table, image.snapshot.container.disk_bytes // SECTOR):
        return failed(misplaced, severity="blocker")
    return failed(f"its backup: {table.backup_problem}") if table.backup_problem else passed("both are")


def _misplaced(table: PartitionTable, disk_sectors: int) -> str:
    """The first partition that is outside the disk, or over another; empty for none."""
    end, before = 0, ""
    for part in sorted(table.partitions, key=lambda part: part.start):
        if part.sectors < 1:
            return f"partition {part.number} ends before it begins"
        if part.start + part.sectors > disk_sectors:
            return f"partition {part.number} ends beyond the disk, at sector {part.start + part.sectors - 1}"
        if part.start < end:
            return f"partition {part.number} begins within partition {before}"
        end, before = part.start + part.sectors, str(part.number)
    return ""


@rule(
    "gen2-layout",
    "UEFI finds a boot loader",
    severity="blocker",
    required="a GPT with an EFI system partition (FAT) that holds EFI/BOOT/BOOTX64.EFI, on arm64 EFI/BOOT/BOOTAA64.EFI: "
    "a new machine's firmware remembers no other path. It is an EFI program; where it is shim, grubx64.efi is beside it, or "
    "fbx64.efi with a CSV file in another folder (on arm64 with aa64 in their names)",
    fix="make an EFI system partition, then on Debian `grub-install --target=x86_64-efi --removable --no-nvram`; on "
    "Enterprise Linux install shim-x64 and grub2-efi-x64, which put it there",
    source="Microsoft's Linux guide (generation 2 is UEFI), RHEL guide; UEFI Specification 2.10, section 3.5.1.1",
    generation="V2",
)
def gen2_layout(image: Image) -> Outcome:
    table = image.snapshot.table
    if not holds_raw_disk(image.snapshot.container):
        return unknown(table.problem)
    if table.problem or table.kind != "gpt":
        return failed(table.problem or NO_GPT.get(table.kind, "it has no partition table"))
    esps = [part for part in table.partitions if part.type == ESP]
    if not esps:
        return failed("no EFI system partition")
    if not image.snapshot.filesystems:
        return unknown(NOT_LOOKED)
    found = [_loader(image, part) for part in esps]
    return next((each for each in found if each.status == "pass"), found[0])


def _loader(image: Image, esp: Partition) -> Outcome:
    """What firmware finds on an EFI system partition."""
    it = next((each for each in image.snapshot.filesystems if each.partition == esp.number), None)
    if it is None or it.type != "vfat":
        return failed(f"the EFI system partition {esp.number} holds no FAT filesystem")
    if it.problem or not it.mounted_at:
        return unknown(f"{it.device} was not read: {quoted(it.problem)}" if it.problem else NOT_LOOKED)
    names = LOADERS.get(image.machine) or ("BOOTX64.EFI", "BOOTAA64.EFI")
    files = boot_files(image.snapshot)
    for name in names:
        real = files.locate(it.device, f"/EFI/BOOT/{name}")
        entry = image.tree.entries.get(real) if real else None
        if real and entry and entry.kind == "f":
            fault = "is empty" if not entry.size else _unfit(image, files, it.device, real, name)
            return failed(f"EFI/BOOT/{name} {fault}") if fault else passed(f"EFI/BOOT/{name}")
    return failed(f"no EFI/BOOT/{' or '.join(names)} on partition {esp.number}")


def _unfit(image: Image, files: BootFiles, device: str, real: str, name: str) -> str:
    """Why a loader starts nothing; empty where it does, or where nothing is known of it."""
    if why := image.snapshot.unreadable.get(real):
        return f"cannot be read: {quoted(why)}"
    if not any(SHIMS_SIGNER in signer for signer in image.snapshot.signers.get(real, ())):
        return ""
    kind = SECOND_STAGES[name]

    def is_there(path: str) -> bool:
        found = files.locate(device, path)
        return found is not None and image.tree.is_file(found) and image.tree.entries[found].size > 0

    lists = (f"BOOT{kind}.CSV", "BOOT.CSV")
    folders = image.tree.names(files.locate(device, "/EFI") or "")
    has_list = any(is_there(f"/EFI/{each}/{row}") for each in folders if each.upper() != "BOOT" for row in lists)
    if is_there(f"/EFI/BOOT/grub{kind}.efi") or (is_there(f"/EFI/BOOT/fb{kind}.efi") and has_list):
        return ""
    return f"is shim, without what it starts: grub{kind}.efi, or fb{kind}.efi and a CSV file"


@rule(
    "gen1-layout",
    "A BIOS finds a boot loader",
    severity="blocker",
    required="an MBR with boot code, and behind it GRUB in the gap or an active partition; or a GPT with boot code before it "
    "and a BIOS boot partition that holds GRUB; x86_64",
    fix="make a BIOS boot partition of 1 MiB, then `grub-install --target=i386-pc DISK` on Debian, "
    "`grub2-install --target=i386-pc DISK` on Enterprise Linux; or offer the image for generation 2 only",
    source="Microsoft's Linux guide (generation 1 is BIOS), RHEL guide",
    generation="V1",
)
def gen1_layout(image: Image) -> Outcome:
    table = image.snapshot.table
    if not holds_raw_disk(image.snapshot.container):
        return unknown(table.problem)
    if image.machine == "aarch64":
        return failed("it is for aarch64, and Azure's Arm machines are of generation 2 only")
    if table.problem or table.kind == "none":
        return failed(table.problem or "it has no partition table")
    if not table.has_boot_code:
        return failed("no boot code in the first sector")
    return _core(table) if table.kind == "gpt" else _behind_mbr(table)


def _behind_mbr(table: PartitionTable) -> Outcome:
    """What the first sector's code goes on with: GRUB in the gap, or the loader of the active partition."""
    if table.has_core or any(part.is_active for part in table.partitions):
        return passed("an MBR with boot code")
    return failed("an MBR with boot code, nothing in the gap behind it, and no active partition")


def _core(table: PartitionTable) -> Outcome:
    """Where GRUB's second part is, which no gap has room for behind a GPT."""
    if not any(part.type == BIOS_BOOT for part in table.partitions):
        return failed("a GPT without a BIOS boot partition")
    return passed("GRUB in the BIOS boot partition") if table.has_core else failed("its BIOS boot partition is empty")


@rule(
    "os-no-lvm",
    "The OS disk is without LVM",
    severity="warning",
    required="no partition of type LVM, no physical volume",
    fix="use plain partitions: a disk whose volume group has the name of another's cannot be attached there for repair",
    source="Microsoft's guides for Linux and Debian; security recommendations for images; the RHEL guide allows it",
)
def os_no_lvm(image: Image) -> Outcome:
    snapshot = image.snapshot
    volumes = [each.device for each in snapshot.filesystems if each.type == "LVM2_member" or each.is_logical_volume]
    typed = [part for part in snapshot.table.partitions if part.type in (LVM, MBR_LVM)]
    if volumes:
        return failed(f"LVM on {_listed(volumes)}")
    if typed:
        return failed(f"{_named(typed)} of type LVM")
    return passed("none") if snapshot.filesystems else unknown(NOT_LOOKED)


@rule(
    "os-no-swap-part",
    "The OS disk has no swap partition",
    severity="blocker",
    required="no partition of type swap (0x82, 0657fd6d-…), no swap space on a partition or logical volume",
    fix="delete it (`swapoff`, its line in /etc/fstab, the partition, `resume=` on the kernel's line) and let cloud-init "
    "or waagent make swap on the resource disk; in a kickstart leave out `part swap`",
    source="self-test 41; LISA verify_no_swap_on_osdisk (P1); Microsoft's Linux guide; policy 200.3.3.3 (Bitwarden's "
    "reports, 2026)",
)
def os_no_swap_part(image: Image) -> Outcome:
    snapshot = image.snapshot
    spaces = [each for each in snapshot.filesystems if each.type in SWAPPED]
    typed = [part for part in snapshot.table.partitions if part.type in (SWAP, MBR_SWAP)]
    if spaces:
        return failed(f"swap space on {_listed([each.device for each in spaces])}")
    if typed:
        return failed(f"{_named(typed)} of type swap")
    return passed("none") if snapshot.filesystems else unknown(NOT_LOOKED)


def _named(partitions: list[Partition]) -> str:
    """`partition 3`, `partitions 1, 2`."""
    return f"partition{'s'[: len(partitions) > 1]} {_listed([str(part.number) for part in partitions])}"


def _listed(words: list[str]) -> str:
    more = len(words) - MOST_NAMED
    return ", ".join(words[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
