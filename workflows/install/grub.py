"""GRUB for BIOS and UEFI, put in place without grub-install: that one wants a block device.

For BIOS, boot.img lies in the MBR and core.img in the BIOS-boot partition, found by sector numbers written into both;
for UEFI, the distribution's signed shim and GRUB lie at the removable path, since Azure keeps no boot entries for a new
machine. Both read /boot/grub/grub.cfg of the root filesystem, which a kernel update writes anew.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from flight.workflows.gpt import SECTOR
from flight.workflows.install.inside import below
from flight.workflows.install.isolation import Bind, Machine
from flight.workflows.install.layout import BIOS, ROOT, Layout
from flight.workflows.kit.errors import RecipeError

BOOT_CODE = 440
"""Bytes of sector 0 that are code; the disk signature and the partition table follow."""
KERNEL_SECTOR, DRIVE, DRIVE_CHECK = 0x5C, 0x64, 0x66
"""In boot.img: where core.img starts, the drive (0xff: the one that was booted), and a jump for buggy BIOSes.

Source: GRUB 2.06 and 2.12, include/grub/i386/pc/boot.h; util/setup.c patches the same.
"""
BLOCK_LIST, SEGMENT = 0x1F4, 0x820
"""In core.img's first sector: where its rest lies (sector, count, segment to load it to), include/grub/offsets.h."""
PROBE_AT = "/usr/sbin/grub-probe"
ENVIRONMENT_BYTES = 1024
"""Of /boot/grub/grubenv, which GRUB rewrites in place (grub-core/lib/envblk.c)."""
CORE_MODULES = ("biosdisk", "part_gpt", "ext2", "search_fs_uuid", "minicmd", "normal")
EFI_MODULES = (
    *CORE_MODULES[1:],
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
SIGNED = {
    "EFI/BOOT/BOOTX64.EFI": "usr/lib/shim/shimx64.efi.signed",
    "EFI/BOOT/grubx64.efi": "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
    "EFI/BOOT/mmx64.efi": "usr/lib/shim/mmx64.efi.signed",
}
"""What Debian ships signed. Its fbx64.efi stays away: the shim would start it, and it resets the machine."""


def place_modules() -> None:
    """Put GRUB's modules and font where its configuration looks for them; called with the tree for /.

    What grub-install does besides writing boot code (GRUB 2.12, util/grub-install-common.c).
    """
    boot = Path("/boot/grub")
    for kind in ("i386-pc", "x86_64-efi"):
        (boot / kind).mkdir(parents=True, exist_ok=True)
        for path in sorted(Path("/usr/lib/grub", kind).glob("*")):
            if path.suffix in (".mod", ".lst"):
                shutil.copyfile(path, boot / kind / path.name)
    (boot / "fonts").mkdir(exist_ok=True)
    font = Path("/usr/share/grub/unicode.pf2")
    if font.is_file():
        shutil.copyfile(font, boot / "fonts/unicode.pf2")
    (boot / "grubenv").write_bytes(b"# GRUB Environment Block\n".ljust(ENVIRONMENT_BYTES, b"#"))


def render_search(layout: Layout) -> str:
    """Finds the root filesystem by its UUID, whatever the disk is called."""
    return f"search.fs_uuid {layout.at(ROOT).identifier} root\nset prefix=($root)/boot/grub\n"


def render_stub(layout: Layout) -> str:
    """grub.cfg of the EFI partition: hands over to the one that kernel updates write."""
    return render_search(layout) + "configfile $prefix/grub.cfg\n"


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
fs) echo ext2 ;;
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


def bios_parts(machine: Machine, layout: Layout, *, scratch: Path, log_to: Path) -> tuple[bytes, bytes]:
    """Boot code for the MBR, and the start of the BIOS-boot partition; by the guest's own grub-mkimage."""
    boot = below(machine.root, "/usr/lib/grub/i386-pc/boot.img")
    if not boot.is_file():
        raise RecipeError(
            "the disk cannot be made bootable for BIOS (generation 1)",
            why="the system holds no /usr/lib/grub/i386-pc",
            fix="add grub-pc-bin and grub2-common to %packages",
        )
    place = layout.at(BIOS)
    sector = place.start // SECTOR
    core = _made_image(machine, layout, "i386-pc", CORE_MODULES, scratch=scratch, log_to=log_to)
    if len(core) > place.size_mib << 20:
        raise RecipeError(f"{place.wanted.where}: biosboot with {place.size_mib} MiB is too small for GRUB")
    return patched_boot(boot.read_bytes(), core_sector=sector), patched_core(core, core_sector=sector)


def efi_files(machine: Machine, layout: Layout, *, vendor: str, scratch: Path, log_to: Path) -> dict[str, bytes]:
    """The EFI partition's files: signed ones where the distribution ships them, else a GRUB of the guest's modules."""
    root = machine.root
    stub = render_stub(layout).encode()
    files = {f"EFI/{folder}/grub.cfg": stub for folder in ("BOOT", vendor)}
    signed = {to: below(root, source) for to, source in SIGNED.items()}
    if all(source.is_file() for source in signed.values()):
        files |= {to: source.read_bytes() for to, source in signed.items()}
        files |= {to.replace("/BOOT/", f"/{vendor}/"): raw for to, raw in list(files.items())}
        files[f"EFI/{vendor}/shimx64.efi"] = files.pop(f"EFI/{vendor}/BOOTX64.EFI")
        return files
    if not below(root, "/usr/lib/grub/x86_64-efi").is_dir():
        raise RecipeError(
            "the disk cannot be made bootable for UEFI (generation 2)",
            why="the system holds neither the signed shim and GRUB nor /usr/lib/grub/x86_64-efi",
            fix="add shim-signed and grub-efi-amd64-signed to %packages",
        )
    image = _made_image(machine, layout, "x86_64-efi", EFI_MODULES, scratch=scratch, log_to=log_to)
    return {**files, "EFI/BOOT/BOOTX64.EFI": image, f"EFI/{vendor}/grubx64.efi": image}


def _made_image(
    machine: Machine, layout: Layout, kind: str, modules: tuple[str, ...], *, scratch: Path, log_to: Path
) -> bytes:
    made = scratch / f"grub-{kind}"
    made.mkdir()
    (made / "early.cfg").write_text(render_search(layout))
    argv = ["grub-mkimage", "-O", kind, "-d", f"/usr/lib/grub/{kind}", "-p", "/boot/grub"]
    machine.run(
        [*argv, "-c", "/tmp/made/early.cfg", "-o", "/tmp/made/core.img", *modules],
        why=f"make the GRUB image for {kind}",
        log_to=log_to,
        mounts=(*machine.mounts, Bind(str(made), "/tmp/made", writable=True)),
    )
    return (made / "core.img").read_bytes()
