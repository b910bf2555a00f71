"""GRUB for BIOS and UEFI, put in place without grub-install: that one wants a block device.

For BIOS, boot.img lies in the MBR and core.img in the BIOS-boot partition, found by sector numbers written into both;
for UEFI, the distribution's signed shim and GRUB lie at the removable path, since Azure keeps no boot entries for a new
machine. Both read grub.cfg of the root filesystem, which a kernel update writes anew. Families differ in what they call
things (`Names`) and in where they keep what is signed.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flight.workflows.gpt import SECTOR
from flight.workflows.install.inside import below
from flight.workflows.install.isolation import Bind, Machine
from flight.workflows.install.layout import BIOS, ROOT, Layout
from flight.workflows.kit.errors import ProgramError, RecipeError

BOOT_CODE = 440
"""Bytes of sector 0 that are code; the disk signature and the partition table follow."""
KERNEL_SECTOR, DRIVE, DRIVE_CHECK = 0x5C, 0x64, 0x66
"""In boot.img: where core.img starts, the drive (0xff: the one that was booted), and a jump for buggy BIOSes.

Source: GRUB 2.06 and 2.12, include/grub/i386/pc/boot.h; util/setup.c patches the same.
"""
LARGEST_CORE_BYTES = 8 << 20
BLOCK_LIST, SEGMENT = 0x1F4, 0x820
"""In core.img's first sector: where its rest lies (sector, count, segment to load it to), include/grub/offsets.h."""
ENVIRONMENT_BYTES = 1024
"""Of /boot/grub/grubenv, which GRUB rewrites in place (grub-core/lib/envblk.c)."""
CORE_MODULES = ("part_gpt", "search_fs_uuid", "minicmd", "normal")
EFI_MODULES = (
    *CORE_MODULES,
    "fat",
    "configfile",
    "echo",
    "linux",
    "loadenv",
    "test",
    "all_video",
    "serial",
    "gzio",
)
FILESYSTEM = {"ext4": "ext2", "xfs": "xfs"}
"""GRUB's word for a filesystem, and for the module that reads it."""
REMOVABLE = {"shimx64.efi": "BOOTX64.EFI", "grubx64.efi": "grubx64.efi", "mmx64.efi": "mmx64.efi"}
"""What of the vendor's folder also lies in EFI/BOOT, and its name there.

The distributions' fbx64.efi stays away: the shim would start it, and it resets the machine.
"""


@dataclass(frozen=True)
class Names:
    """What a family calls GRUB (its programs and its folder), and the packages that bring each half."""

    program: str
    for_bios: str
    for_efi: str

    @property
    def folder(self) -> str:
        return f"/boot/{self.program}"

    @property
    def menu(self) -> str:
        return f"{self.folder}/grub.cfg"


def place_modules(names: Names) -> None:
    """Put GRUB's modules and font where its configuration looks for them; called with the tree for /.

    What grub-install does besides writing boot code (GRUB 2.12, util/grub-install-common.c).
    """
    boot = Path(names.folder)
    boot.mkdir(parents=True, exist_ok=True)
    for kind in ("i386-pc", "x86_64-efi"):
        if Path("/usr/lib/grub", kind).is_dir():
            (boot / kind).mkdir(exist_ok=True)
        for path in sorted(Path("/usr/lib/grub", kind).glob("*")):
            if path.suffix in (".mod", ".lst"):
                shutil.copyfile(path, boot / kind / path.name)
    (boot / "fonts").mkdir(exist_ok=True)
    font = Path("/usr/share/grub/unicode.pf2")
    if font.is_file():
        shutil.copyfile(font, boot / "fonts/unicode.pf2")
    (boot / "grubenv").write_bytes(render_environment({}))


def render_environment(variables: Mapping[str, str]) -> bytes:
    """grubenv: GRUB rewrites it in place, so it has one size always."""
    lines = "".join(f"{name}={value}\n" for name, value in variables.items())
    return f"# GRUB Environment Block\n{lines}".encode().ljust(ENVIRONMENT_BYTES, b"#")


def render_search(layout: Layout, names: Names) -> str:
    """Finds the root filesystem by its UUID, whatever the disk is called."""
    return f"search.fs_uuid {layout.at(ROOT).identifier} root\nset prefix=($root){names.folder}\n"


def render_stub(layout: Layout, names: Names) -> str:
    """grub.cfg of the EFI partition: hands over to the one that kernel updates write."""
    return render_search(layout, names) + "configfile $prefix/grub.cfg\n"


def render_probe(layout: Layout) -> str:
    """A grub-probe that knows the disk to be: it stands over the real one while grub-mkconfig runs."""
    root = layout.at(ROOT)
    place = f"hd0,gpt{root.number}"
    return f"""\
#!/bin/sh
target=fs
while [ $# -gt 0 ]; do
    case "$1" in
    --target=*) target="${{1#--target=}}" ;;
    -t | --target) shift; target="$1" ;;
    esac
    shift
done
case "$target" in
device) echo /dev/disk/by-uuid/{root.identifier} ;;
fs_uuid) echo {root.identifier} ;;
partuuid) echo {root.uid} ;;
fs) echo {FILESYSTEM[root.wanted.fstype]} ;;
partmap) echo gpt ;;
drive) echo '({place})' ;;
compatibility_hint | bios_hints) echo {place} ;;
hints_string) echo --hint-bios={place} --hint-efi={place} --hint-baremetal=ahci0,gpt{root.number} ;;
abstraction | cryptodisk_uuid | fs_label) ;;
*) exit 1 ;;
esac
"""


def patched_boot(boot: bytes, *, core_sector: int) -> bytes:
    """boot.img made ready for the MBR."""
    raw = bytearray(boot[:SECTOR])
    raw[KERNEL_SECTOR : KERNEL_SECTOR + 8] = struct.pack("<Q", core_sector)
    raw[DRIVE] = 0xFF
    raw[DRIVE_CHECK : DRIVE_CHECK + 2] = b"\x90\x90"
    return bytes(raw[:BOOT_CODE])


def patched_core(core: bytes, *, core_sector: int) -> bytes:
    """core.img made ready for the BIOS-boot partition, in whole sectors."""
    raw = bytearray(core + bytes(-len(core) % SECTOR))
    sectors = len(raw) // SECTOR
    raw[BLOCK_LIST:SECTOR] = struct.pack("<QHH", core_sector + 1, sectors - 1, SEGMENT)
    return bytes(raw)


def bios_parts(machine: Machine, layout: Layout, names: Names, *, scratch: Path, log_to: Path) -> tuple[bytes, bytes]:
    """Boot code for the MBR, and the start of the BIOS-boot partition; by the guest's own grub-mkimage."""
    boot = below(machine.root, "/usr/lib/grub/i386-pc/boot.img")
    if not boot.is_file():
        raise RecipeError(
            "the disk cannot be made bootable for BIOS (generation 1)",
            why="the system holds no /usr/lib/grub/i386-pc",
            fix=f"add {names.for_bios} to %packages",
        )
    place = layout.at(BIOS)
    sector = place.start // SECTOR
    core = _made_image(machine, layout, names, "i386-pc", ("biosdisk", *CORE_MODULES), scratch=scratch, log_to=log_to)
    if len(core) > place.size_mib << 20:
        raise RecipeError(
            f"{place.wanted.where}: biosboot with {place.size_mib} MiB is too small for GRUB", fix="give it --size=2"
        )
    return patched_boot(boot.read_bytes(), core_sector=sector), patched_core(core, core_sector=sector)


def efi_files(
    machine: Machine,
    layout: Layout,
    names: Names,
    signed: Mapping[str, bytes],
    *,
    vendor: str,
    scratch: Path,
    log_to: Path,
) -> dict[str, bytes]:
    """The EFI partition's files: signed ones where the distribution ships them, else a GRUB of the guest's modules.

    `signed`: what the vendor's folder there shall hold (the shim, GRUB), by name.
    """
    stub = render_stub(layout, names).encode()
    files = {f"EFI/{folder}/grub.cfg": stub for folder in ("BOOT", vendor)}
    if signed:
        own = {f"EFI/{vendor}/{name}": raw for name, raw in signed.items()}
        removable = {f"EFI/BOOT/{to}": signed[name] for name, to in REMOVABLE.items() if name in signed}
        return {**own, **removable, **files}
    if not below(machine.root, "/usr/lib/grub/x86_64-efi").is_dir():
        raise RecipeError(
            "the disk cannot be made bootable for UEFI (generation 2)",
            why="the system holds neither a signed shim and GRUB nor /usr/lib/grub/x86_64-efi",
            fix=f"add {names.for_efi} to %packages",
        )
    image = _made_image(machine, layout, names, "x86_64-efi", EFI_MODULES, scratch=scratch, log_to=log_to)
    return {**files, "EFI/BOOT/BOOTX64.EFI": image, f"EFI/{vendor}/grubx64.efi": image}


def _made_image(
    machine: Machine, layout: Layout, names: Names, kind: str, modules: tuple[str, ...], *, scratch: Path, log_to: Path
) -> bytes:
    made = scratch / f"grub-{kind}"
    made.mkdir()
    (made / "early.cfg").write_text(render_search(layout, names))
    argv = [f"{names.program}-mkimage", "-O", kind, "-d", f"/usr/lib/grub/{kind}", "-p", names.folder]
    reads = FILESYSTEM[layout.at(ROOT).wanted.fstype]
    machine.run(
        [*argv, "-c", "/tmp/made/early.cfg", "-o", "/tmp/made/core.img", reads, *modules],
        why=f"make the GRUB image for {kind}",
        log_to=log_to,
        mounts=(*machine.mounts, Bind(str(made), "/tmp/made", writable=True)),
    )
    core = made / "core.img"
    if core.is_symlink() or not core.is_file() or core.stat().st_size > LARGEST_CORE_BYTES:
        raise ProgramError(
            f"the system's {names.program}-mkimage made no GRUB image for {kind}",
            why="what it left is no plain file, or is too large for one",
            fix="look which package or script replaced that program",
        )
    return core.read_bytes()
