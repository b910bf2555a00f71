"""What starts an Enterprise Linux: the kernel's command line, boot loader entries, GRUB's environment, initramfs.

The packages' own scripts would take the command line from the machine that builds, so they find one in
/etc/kernel/cmdline; and what they wrote of menu and initramfs is made anew, since they cannot know the disk to be.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from flight.workflows.install.configure import TreeFile, text_file, write_files
from flight.workflows.install.grub import Names, render_environment
from flight.workflows.install.inside import below
from flight.workflows.install.isolation import Machine, from_inside
from flight.workflows.install.layout import ROOT, Layout
from flight.workflows.kickstart.plan import InstallPlan
from flight.workflows.kit.arriving import remove
from flight.workflows.kit.errors import RecipeError
from flight.workflows.kit.progress import Progress, Told

GRUB = Names(
    "grub2", for_bios="grub2-pc, grub2-pc-modules and grub2-tools-minimal", for_efi="shim-x64 and grub2-efi-x64"
)
BUILD_ID = "f" * 32
"""The machine ID while packages are installed, and in the names of the entries: no machine has it."""
ENTRIES = "/boot/loader/entries"
COMMAND_LINE = "/etc/kernel/cmdline"
MASKED = ("/etc/kernel/install.d/50-dracut.install", "/etc/kernel/install.d/51-dracut-rescue.install")
"""kernel-install's plugins that make an initramfs: one is made later, of the finished system, and none to rescue it."""
LARGEST_BYTES = 16 << 20
"""Of a program on the EFI partition; GRUB and shim have a tenth of it."""
DRIVERS = ("hv_vmbus", "hv_netvsc", "hv_storvsc", "hv_utils")
"""Hyper-V's, which no machine of another kind would make dracut take."""
KERNEL = r"[\w.+~-]+"
"""What uname -r says."""
FAT_NAME = r"[\w.+-]{1,100}"
RELEASED = re.compile(r'^(PRETTY_NAME|NAME|VERSION|ID)="?(.*?)"?$', re.M)


def before_packages() -> Iterator[TreeFile]:
    """What must be in the empty tree before the kernel's package is installed."""
    yield text_file("/etc/machine-id", f"{BUILD_ID}\n")
    yield text_file(COMMAND_LINE, "ro\n")
    for path in MASKED:
        yield TreeFile(path, link="/dev/null")


def after_packages() -> None:
    """Take that out again, and what was made of it. Called with the tree for /."""
    for path in (COMMAND_LINE, *MASKED):
        remove(Path(path))
    for entry in Path(ENTRIES).glob("*.conf"):
        remove(entry)
    write_files([TreeFile("/etc/machine-id", mode=0o444)])


def command_line(plan: InstallPlan, layout: Layout) -> str:
    """The kernel's arguments."""
    return " ".join([f"root=UUID={layout.at(ROOT).identifier}", "ro", *plan.bootloader.append])


def render_defaults(plan: InstallPlan, shared: str) -> str:
    """/etc/default/grub: what every family has, and that the menu is made of boot loader entries."""
    own = ["GRUB_DISABLE_SUBMENU=true", "GRUB_DISABLE_RECOVERY=true", "GRUB_ENABLE_BLSCFG=true"]
    return shared.replace("GRUB_DEFAULT=0\n", "GRUB_DEFAULT=saved\n") + "\n".join(own) + "\n"


def render_entry(release: str, command: str, system: Mapping[str, str]) -> str:
    """A boot loader entry, as Enterprise Linux's own GRUB reads it.

    Source: the Boot Loader Specification, type 1; grub_users, grub_arg and grub_class are Fedora's own keys.
    """
    name = f"{system.get('NAME', 'Linux')} ({release}) {system.get('VERSION', '')}".rstrip()
    return "".join(
        f"{key} {value}\n"
        for key, value in (
            ("title", name),
            ("version", release),
            ("linux", f"/boot/vmlinuz-{release}"),
            ("initrd", f"/boot/initramfs-{release}.img"),
            ("options", command),
            ("grub_users", "$grub_users"),
            ("grub_arg", "--unrestricted"),
            ("grub_class", system.get("ID", "linux")),
        )
    )


def newest_last(releases: Iterable[str]) -> list[str]:
    """Kernel releases in the order of their versions: numbers by value, words by letter."""
    return sorted(releases, key=lambda name: [(part.isdecimal(), int(part) if part.isdecimal() else 0, part)
                                              for part in re.findall(r"\d+|[A-Za-z]+", name)])  # fmt: skip


def make_bootable(plan: InstallPlan, layout: Layout, machine: Machine, *, log_to: Path, told: Told) -> list[str]:
    """One initramfs and one entry for each kernel, then GRUB's menu; the kernels' releases, the newest last."""
    kernels = newest_last(from_inside(machine.root, _kernels))
    if not kernels:
        raise RecipeError(
            f"{plan.packages.where}: there is no kernel among the packages", fix="add kernel to %packages"
        )
    for place, release in enumerate(kernels):
        told(Progress(place, len(kernels), "making the initramfs"))
        machine.run(
            dracut(release, from_inside(machine.root, _drivers, release)),
            why="make the initramfs",
            log_to=log_to,
            fix="add dracut to %packages",
        )
    system = dict(RELEASED.findall(from_inside(machine.root, _os_release)))
    command = command_line(plan, layout)
    files = list(_boot_files(kernels, command, system))
    from_inside(machine.root, _settle_entries, files)
    fix = "add grub2-tools to %packages"
    machine.run(["grub2-mkconfig", "-o", GRUB.menu], why="write the boot menu", log_to=log_to, fix=fix)
    from_inside(machine.root, _settle_entries, files)
    return kernels


def dracut(release: str, drivers: tuple[str, ...]) -> list[str]:
    """The command line: for any machine, not for the one that builds."""
    added = ["--add-drivers", " ".join(drivers)] if drivers else []
    return ["dracut", "--force", "--no-hostonly", *added, f"/boot/initramfs-{release}.img", release]


def _kernels() -> list[str]:
    """Releases of the kernels that are installed; a kernel that only its modules' folder holds is put into /boot."""
    for path in Path("/lib/modules").glob("*/vmlinuz"):
        target = Path("/boot", f"vmlinuz-{path.parent.name}")
        if _is_plain(path) and not target.is_file():
            shutil.copy(path, target)
    names = (path.name.removeprefix("vmlinuz-") for path in Path("/boot").glob("vmlinuz-*") if _is_plain(path))
    return [name for name in names if re.fullmatch(KERNEL, name) and Path("/lib/modules", name).is_dir()]


def _drivers(release: str) -> tuple[str, ...]:
    """Those of `DRIVERS` that this kernel has as modules."""
    listed = Path("/lib/modules", release, "modules.dep")
    known = listed.read_text(errors="replace") if listed.is_file() else ""
    return tuple(name for name in DRIVERS if re.search(rf"/{name}\.ko(\.\w+)?:", known))


def _os_release() -> str:
    path = Path("/etc/os-release")
    return path.read_text(errors="replace") if path.is_file() else ""


def _boot_files(kernels: list[str], command: str, system: Mapping[str, str]) -> Iterator[TreeFile]:
    for release in kernels:
        yield text_file(f"{ENTRIES}/{BUILD_ID}-{release}.conf", render_entry(release, command, system))
    saved = {"saved_entry": f"{BUILD_ID}-{kernels[-1]}"}
    yield TreeFile(f"{GRUB.folder}/grubenv", render_environment(saved), 0o600)
    yield text_file(COMMAND_LINE, f"{command}\n")


def _settle_entries(files: list[TreeFile]) -> None:
    """grub2-mkconfig may have written into them; a package's script may have left others."""
    for entry in Path(ENTRIES).glob("*.conf"):
        remove(entry)
    write_files(files)


def command_lines(root: Path) -> list[str]:
    """The kernel's arguments of every entry, each once."""
    entries = sorted(path for path in below(root, ENTRIES).glob("*.conf") if not path.is_symlink())
    lines = (line for path in entries for line in path.read_text().splitlines() if line.startswith("options "))
    return list(dict.fromkeys(line.removeprefix("options ") for line in lines))


def efi_programs(root: Path) -> tuple[str, dict[str, bytes]]:
    """The vendor's folder on the EFI partition, as its packages brought it into the tree, and the files in it by name."""
    folders = sorted(path for path in below(root, "/boot/efi/EFI").glob("*") if path.name.upper() != "BOOT")
    vendor = next((path for path in folders if _is_plain(path / "shimx64.efi") and not path.is_symlink()), None)
    if vendor is None:
        return "redhat", {}
    return vendor.name, {path.name: path.read_bytes() for path in sorted(vendor.iterdir()) if _is_wanted(path)}


def _is_wanted(path: Path) -> bool:
    return _is_plain(path) and re.fullmatch(FAT_NAME, path.name) is not None and path.stat().st_size <= LARGEST_BYTES


def _is_plain(path: Path) -> bool:
    """A link of a script's would lead to this machine's own files."""
    return path.is_file() and not path.is_symlink()
