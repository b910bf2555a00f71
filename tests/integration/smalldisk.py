"""A disk of 64 MiB that boots both ways: GRUB, the host's kernel and a busybox that asks for a login name.

Made from files alone in under a second. Words on the kernel's command line change what its init does: `endless` says
nothing more, `turnoff` powers off.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

SECTOR = 512
CORE_START, ESP_START = 2048, 4096
"""First sectors of the BIOS boot partition and the EFI system partition."""
ESP_MIB, DISK_MIB = 60, 64
ROOT_UUID = "0d4f6e1a-5a2e-4b8e-9f3c-7f1f0f6f2a11"
HOSTNAME = "smalldisk"
MODULES = ["part_gpt", "fat", "normal", "linux", "serial", "terminal", "search", "search_fs_file", "configfile", "boot"]
INIT = f"""#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox hostname {HOSTNAME}
/bin/busybox grep -q endless /proc/cmdline && /bin/busybox sleep 100000
/bin/busybox grep -q turnoff /proc/cmdline && /bin/busybox poweroff -f
while :; do /bin/busybox getty -L 115200 ttyS0 vt100; done
"""


def make_disk(folder: Path, *, words: str = "") -> Path:
    """The disk, raw; `words` are added to the kernel's command line."""
    folder.mkdir(parents=True, exist_ok=True)
    _make_grub(folder)
    esp = _make_esp(folder, _make_initramfs(folder), words)
    disk = folder / "small.raw"
    _truncate(disk, DISK_MIB << 20)
    bios_boot = "21686148-6449-6E6F-744E-656564454649"
    table = (
        f"label: gpt\nstart={CORE_START},size=2048,type={bios_boot}\nstart={ESP_START},size={ESP_MIB << 11},type=U\n"
    )
    _do("sfdisk", "-q", disk, given=table.encode())
    with open(disk, "r+b") as file:
        file.write(_boot_code())
        for start, part in ((CORE_START, _core(folder)), (ESP_START, esp.read_bytes())):
            file.seek(start * SECTOR)
            file.write(part)
    return disk


def zero(disk: Path, *, start: int, count: int) -> None:
    """Overwrite `count` bytes from byte `start` on."""
    with open(disk, "r+b") as file:
        file.seek(start)
        file.write(bytes(count))


def put_kernel(disk: Path, kernel: Path) -> None:
    """Replace the kernel on the disk's EFI system partition."""
    _do("mcopy", "-o", "-i", f"{disk}@@{ESP_START * SECTOR}", kernel, "::vmlinuz")


def _make_grub(folder: Path) -> None:
    early = folder / "early.cfg"
    early.write_text("search --no-floppy --set=root --file /grub/grub.cfg\nconfigfile /grub/grub.cfg\n")
    _do("grub-mkimage", "-O", "i386-pc", "-p", "/grub", "-c", early, "-o", folder / "core.img", *MODULES, "biosdisk")
    _do("grub-mkimage", "-O", "x86_64-efi", "-p", "/grub", "-c", early, "-o", folder / "grub.efi", *MODULES)


def _make_initramfs(folder: Path) -> Path:
    tree = folder / "tree"
    for name in ("bin", "proc", "dev", "lib64"):
        (tree / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    linked = subprocess.run(["ldd", "/bin/busybox"], check=False, capture_output=True, text=True).stdout
    for library in (word for word in linked.split() if word.startswith("/")):
        (tree / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, tree / library[1:])
    (tree / "init").write_text(INIT)
    (tree / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    archive = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=names.encode(), stdout=subprocess.PIPE, check=True
    )
    initramfs = folder / "initrd"
    initramfs.write_bytes(archive.stdout)
    return initramfs


def _make_esp(folder: Path, initramfs: Path, words: str) -> Path:
    kernel = max(Path("/boot").glob("vmlinuz-*"), key=lambda path: path.stat().st_mtime)
    config = folder / "grub.cfg"
    config.write_text(
        "serial --unit=0 --speed=115200\nterminal_output console serial\n"
        f"linux /vmlinuz root=UUID={ROOT_UUID} console=ttyS0,115200 {words}\ninitrd /initrd\nboot\n"
    )
    esp = folder / "esp.img"
    _truncate(esp, ESP_MIB << 20)
    _do("mkfs.vfat", "-F", "32", esp)
    _do("mmd", "-i", esp, "::EFI", "::EFI/BOOT", "::grub")
    for source, to in (
        (folder / "grub.efi", "EFI/BOOT/BOOTX64.EFI"),
        (config, "grub/grub.cfg"),
        (kernel, "vmlinuz"),
        (initramfs, "initrd"),
    ):
        _do("mcopy", "-i", esp, source, f"::{to}")
    return esp


def _boot_code() -> bytes:
    """GRUB's boot.img for the first sector: where the core lies, any drive, no floppy's workaround."""
    code = bytearray(Path("/usr/lib/grub/i386-pc/boot.img").read_bytes()[:440])
    code[0x5C:0x64] = struct.pack("<Q", CORE_START)
    code[0x64] = 0xFF
    code[0x66:0x68] = b"\x90\x90"
    return bytes(code)


def _core(folder: Path) -> bytes:
    """GRUB's core with the block list that its own first sector loads the rest by."""
    core = bytearray((folder / "core.img").read_bytes())
    core[0x1F4:0x200] = struct.pack("<QHH", CORE_START + 1, -(-len(core) // SECTOR) - 1, 0x820)
    return bytes(core)


def _truncate(path: Path, size_bytes: int) -> None:
    with open(path, "wb") as file:
        file.truncate(size_bytes)


def _do(*argv: str | Path, given: bytes | None = None) -> None:
    subprocess.run([str(word) for word in argv], check=True, capture_output=True, input=given)
