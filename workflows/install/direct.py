"""The disk without a virtual machine: both steps, in order."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flight.workflows.install import grub, system
from flight.workflows.install.debian import family as debian
from flight.workflows.install.disk import to_qcow2, write_at, write_esp, write_filesystems, write_table
from flight.workflows.install.el import family as el
from flight.workflows.install.isolation import enclosed, from_inside
from flight.workflows.install.layout import BIOS, EFI, layout_faults, plan_layout
from flight.workflows.install.times import clamp, clock_of
from flight.workflows.kit.arriving import MARK, remove
from flight.workflows.kit.errors import RecipeError
from flight.workflows.kit.progress import Progress, Told, quiet

if TYPE_CHECKING:
    from flight.workflows.kickstart.plan import InstallPlan
    from flight.workflows.settings import Programs

FAMILIES = {"debian": debian, "el": el}


def install_packages(
    plan: InstallPlan, to: Path, *, cache: Path, programs: Programs, log_to: Path, told: Told = quiet
) -> dict[str, Any]:
    """Make the package tree of `plan` at `to`, where nothing stands yet; its facts: packages, indexes, bytes fetched.

    `cache` keeps package files and indexes between runs and between recipes; `log_to` is a folder. Needs root and the
    network. Raises RecipeError (what cannot be honoured, no such package), ConfigError (a key, a login), RemoteError,
    SpaceError, ProgramError.
    """
    family = _family(plan)
    cache.mkdir(parents=True, exist_ok=True)
    log_to.mkdir(parents=True, exist_ok=True)
    names = [name for each in plan.repositories for name in (each.user_from, each.password_from) if name]
    scratch = Path(tempfile.mkdtemp(prefix=MARK, dir=to.parent))
    scratch.chmod(0o755)
    try:
        facts: dict[str, Any] = enclosed(
            family.install,
            plan,
            to.absolute(),
            cache=cache.absolute(),
            programs=programs,
            logs=log_to.absolute(),
            scratch=scratch.absolute(),
            environment={name: os.environ[name] for name in names if name in os.environ},
            why="install the packages",
            told=told,
        )
        return facts
    finally:
        remove(scratch)


def refusals(plan: InstallPlan) -> list[str]:
    """What this installer cannot do of what the plan asks, each with file and line; on another host it may be able to."""
    family = FAMILIES.get(plan.family)
    if family is None:
        return [f"{plan.recipe}: the family '{plan.family}' cannot be installed without a virtual machine"]
    return [*family.problems(plan), *system.problems(plan), *layout_faults(plan)]


def _family(plan: InstallPlan) -> Any:
    """The module that knows the plan's family. Raises RecipeError, before anything is done, for what cannot be."""
    if faults := refusals(plan):
        raise RecipeError(f"{plan.recipe} asks for what this installer cannot do", why="\n       ".join(faults))
    return FAMILIES[plan.family]


def build_disk(
    plan: InstallPlan, tree: Path, to: Path, *, programs: Programs, log_to: Path, told: Told = quiet
) -> dict[str, Any]:
    """Make the qcow2 disk at `to` from a package tree, which stays as it is; its facts: partitions, kernels, scripts.

    Needs root. Raises RecipeError (what cannot be honoured, a script that failed), SpaceError, ProgramError.
    """
    _family(plan)
    log_to.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=MARK, dir=to.parent))
    scratch.chmod(0o755)
    try:
        facts: dict[str, Any] = enclosed(
            _build,
            plan,
            tree.absolute(),
            to.absolute(),
            scratch=scratch.absolute(),
            logs=log_to.absolute(),
            qemu_img=programs.qemu_img,
            why="build the disk",
            told=told,
        )
        return facts
    finally:
        remove(scratch)


def _build(
    plan: InstallPlan, tree: Path, to: Path, *, scratch: Path, logs: Path, qemu_img: str, told: Told
) -> dict[str, Any]:
    """All of the second step. Runs in namespaces of its own: its mounts end with it."""
    started = time.time() - 1
    family, layout, log = FAMILIES[plan.family], plan_layout(plan), logs / "disk.log"
    root, changes = system.spread(tree, scratch)
    epoch = plan.source_date_epoch or int(tree.stat().st_mtime)
    clock = clock_of(epoch)
    machine = system.build_machine(plan, layout, root, scratch, clock)
    told(Progress(0, 0, "configuring the system"))
    system.configure_system(plan, layout, machine, family, log_to=log)
    from_inside(root, grub.place_modules, family.GRUB)
    system.run_scripts(plan, machine, logs=logs, told=told)
    kernels = family.make_bootable(plan, layout, machine, log_to=log, told=told)
    boot, core = grub.bios_parts(machine, layout, family.GRUB, scratch=scratch, log_to=log)
    vendor, signed = family.efi_programs(root)
    files = grub.efi_files(machine, layout, family.GRUB, signed, vendor=vendor, scratch=scratch, log_to=log)
    from_inside(root, system.finish, family.tidy_system)  # no program of the system's runs from here on
    family.label(plan, root, scratch=scratch, log_to=log)
    clamp(changes, since=started, to=epoch)
    told(Progress(0, 0, "writing the filesystems"))
    disk = scratch / "disk.raw"
    write_table(disk, layout)
    write_at(disk, 0, boot)
    write_at(disk, layout.at(BIOS).start, core)
    write_esp(disk, layout.at(EFI), files, scratch=scratch, clock=clock, log_to=log)
    write_filesystems(disk, layout, root, scratch=scratch, clock=clock, log_to=log)
    told(Progress(0, 0, "making the qcow2"))
    to_qcow2(disk, to, qemu_img=qemu_img, log_to=log)
    return {
        "partitions": [
            {"mount": part.wanted.mount, "start_mib": part.start_mib, "size_mib": part.size_mib, "id": part.identifier}
            for part in layout.parts
        ],
        "kernels": kernels,
        "command_lines": family.command_lines(root),
        "virtual_bytes": plan.disk_gib << 30,
    }
