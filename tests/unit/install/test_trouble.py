"""What goes wrong with the system that is built is told with its line, and with what would do."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from flight.workflows.install import build_disk, disk, grub, system, xfs
from flight.workflows.install.configure import TreeFile, write_files
from flight.workflows.install.debian import family
from flight.workflows.install.el import boot as el_boot
from flight.workflows.install.el import family as el_family
from flight.workflows.install.layout import plan_layout
from flight.workflows.kickstart.plan import InstallPlan, Packages, Partition, User, Where
from flight.workflows.kit.errors import ProgramError, RecipeError, SpaceError
from flight.workflows.kit.progress import quiet
from flight.workflows.settings import Programs

LINE = Where("small.ks", 7)
PARTS = (
    Partition("biosboot", "biosboot", 1, where=LINE),
    Partition("/boot/efi", "vfat", 64, where=LINE),
    Partition("/", "ext4", 1024, where=LINE),
)
PLAN = InstallPlan("small", "1", "debian", "trixie", "http://mirror.example/debian", partitions=PARTS)
LAYOUT = plan_layout(PLAN)


@dataclass
class StandIn:
    """A machine none of whose programs is really run: `does` is called instead."""

    root: Path
    does: Callable[[], object]
    mounts: tuple[Any, ...] = ()

    def run(self, argv: list[str], **_: Any) -> None:
        self.does()


def failing(folder: Path) -> Any:
    def fail() -> None:
        raise ProgramError("could not: it ended with exit code 1", why="| no such thing")

    return StandIn(folder, fail)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((replace(PARTS[0], fstype="ext4"), *PARTS[1:]), "small.ks:7: biosboot holds no ext4"),
        (
            (PARTS[0], replace(PARTS[1], fstype="ext4"), PARTS[2]),
            "small.ks:7: /boot/efi is FAT by UEFI's specification",
        ),
    ],
    ids=["biosboot", "EFI"],
)
def test_a_boot_loaders_partition_holds_what_the_firmware_reads(parts: tuple[Partition, ...], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        plan_layout(replace(PLAN, partitions=parts))
    assert said in caught.value.why


def test_a_timezone_that_the_system_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="does not know the timezone Europe/Paris") as caught:
        system.check_timezone(replace(PLAN, timezone="Europe/Paris"), tmp_path)
    assert "tzdata" in caught.value.fix


def test_a_user_that_cannot_be_made_is_told_with_the_line(tmp_path: Path) -> None:
    plan = replace(PLAN, users=(User("jo", groups=("nosuch",), where=LINE),))
    with pytest.raises(RecipeError, match=r"small\.ks:7: the user 'jo' could not be made") as caught:
        system.add_users(plan, failing(tmp_path), log_to=tmp_path / "log")
    assert caught.value.why == "| no such thing"


def test_a_service_that_is_not_there_is_told_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"small\.ks:7: a service could not be enabled: nosuch"):
        system.set_services(failing(tmp_path), "enable", ("nosuch",), where=LINE, log_to=tmp_path / "log")


def test_a_system_without_a_kernel_does_not_boot(tmp_path: Path) -> None:
    plan = replace(PLAN, packages=Packages(where=LINE))
    with pytest.raises(RecipeError, match=r"small\.ks:7: there is no kernel among the packages"):
        family.make_bootable(plan, LAYOUT, failing(tmp_path), log_to=tmp_path / "log", told=quiet)


def test_an_enterprise_linux_without_a_kernel_does_not_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(el_boot, "from_inside", lambda root, function, *args: [])
    plan = replace(PLAN, packages=Packages(where=LINE))
    with pytest.raises(RecipeError, match=r"small\.ks:7: there is no kernel among the packages") as caught:
        el_boot.make_bootable(plan, LAYOUT, failing(tmp_path), log_to=tmp_path / "log", told=quiet)
    assert caught.value.fix == "add kernel to %packages"


def test_a_line_whose_program_no_package_brought_is_told(tmp_path: Path) -> None:
    plan = replace(PLAN, authselect="select sssd")
    with pytest.raises(RecipeError, match="'authselect' needs /usr/bin/authselect, which no package brought"):
        el_family.finish_configuration(plan, failing(tmp_path), log_to=tmp_path / "log")


def test_a_system_without_grubs_modules_does_not_boot(tmp_path: Path) -> None:
    machine: Any = failing(tmp_path)
    with pytest.raises(RecipeError, match="BIOS") as bios:
        grub.bios_parts(machine, LAYOUT, family.GRUB, scratch=tmp_path, log_to=tmp_path / "log")
    with pytest.raises(RecipeError, match="UEFI") as uefi:
        grub.efi_files(machine, LAYOUT, family.GRUB, {}, vendor="debian", scratch=tmp_path, log_to=tmp_path / "log")
    assert family.GRUB.for_bios in bios.value.fix
    assert family.GRUB.for_efi in uefi.value.fix


def test_a_core_that_is_larger_than_its_partition_is_told_with_the_line(tmp_path: Path) -> None:
    boot = tmp_path / "usr/lib/grub/i386-pc/boot.img"
    boot.parent.mkdir(parents=True)
    boot.write_bytes(bytes(512))
    machine: Any = StandIn(tmp_path, lambda: (tmp_path / "grub-i386-pc/core.img").write_bytes(bytes(2 << 20)))
    with pytest.raises(RecipeError, match=r"small\.ks:7: biosboot with 1 MiB is too small for GRUB"):
        grub.bios_parts(machine, LAYOUT, family.GRUB, scratch=tmp_path, log_to=tmp_path / "log")


def test_a_file_for_somebody_whom_the_system_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="whom the system does not know"):
        write_files([TreeFile(str(tmp_path / "motd"), owner="nobody-of-that-name")])


def test_a_file_in_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "motd").write_text("a file")
    with pytest.raises(RecipeError, match="cannot be written into the system") as caught:
        write_files([TreeFile(str(tmp_path / "motd" / "today"))])
    assert str(tmp_path / "motd") in caught.value.why


def stray(root: Path) -> None:
    (root / "boot/efi").symlink_to("/elsewhere")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda root: None, "is gone"),
        (lambda root: (root / "boot/efi").write_text("x"), "is no folder"),
        (stray, "leads to another place"),
    ],
    ids=["gone", "a file", "a link"],
)
def test_a_script_that_took_a_partitions_folder_away_is_told_with_the_partition(
    tmp_path: Path, change: Callable[[Path], object], said: str
) -> None:
    (tmp_path / "root/boot").mkdir(parents=True)
    change(tmp_path / "root")
    with pytest.raises(RecipeError, match=r"small\.ks:7: /boot/efi has a partition of its own") as caught:
        disk.write_filesystems(
            tmp_path / "disk", LAYOUT, tmp_path / "root", scratch=tmp_path, clock={}, log_to=tmp_path / "log"
        )
    assert caught.value.what.endswith(said)


def test_an_ext4_that_is_too_small_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: list[object], **_: Any) -> None:
        raise ProgramError("could not", why="| mkfs.ext4: Could not allocate block in ext2 filesystem")

    monkeypatch.setattr(disk, "run", run)
    with pytest.raises(RecipeError, match=r"small\.ks:7: / with 1024 MiB is too small") as caught:
        disk.write_ext4(
            tmp_path / "disk", LAYOUT.at("/"), tmp_path, scratch=tmp_path, clock={}, log_to=tmp_path / "log"
        )
    assert caught.value.fix == "make it larger, or install less"


def test_an_xfs_that_is_too_small_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def run(argv: list[object], **_: Any) -> None:
        ran.append(argv[0])
        if argv[0] == "cp":
            raise SpaceError("could not", why="| cp: error writing 'x': No space left on device")

    monkeypatch.setattr(xfs, "run", run)
    (tmp_path / "disk").touch()
    with pytest.raises(RecipeError, match=r"small\.ks:7: / with 1024 MiB is too small"):
        xfs.write_xfs(tmp_path / "disk", LAYOUT.at("/"), tmp_path, scratch=tmp_path, log_to=tmp_path / "log")
    assert ran == ["mkfs.xfs", "mount", "cp", "umount"]


@pytest.mark.parametrize(
    ("kernel", "said"), [("ext4", "this host's kernel knows no XFS"), ("xfs", "this host has no loop devices")]
)
def test_an_xfs_that_this_host_cannot_fill_is_refused_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str, said: str
) -> None:
    (tmp_path / "filesystems").write_text(f"nodev\tproc\n\t{kernel}\n")
    monkeypatch.setattr(xfs, "_module", lambda: False)
    asked = functools.partial(xfs.refusal, tmp_path / "filesystems", tmp_path / "loop-control")
    monkeypatch.setattr(xfs, "refusal", asked)
    plan = replace(PLAN, partitions=(*PARTS[:2], replace(PARTS[2], fstype="xfs")))
    with pytest.raises(RecipeError) as caught:
        build_disk(plan, tmp_path / "tree", tmp_path / "disk", programs=Programs(), log_to=tmp_path / "logs")
    assert caught.value.why.startswith(f"small.ks:7: / as xfs: {said}")


def test_a_filesystem_that_dumpe2fs_does_not_describe_is_an_error() -> None:
    with pytest.raises(ProgramError, match="dumpe2fs does not say 'Inode count'"):
        disk.used_inodes("something else")
