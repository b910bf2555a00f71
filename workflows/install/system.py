"""The tree becomes a system: a changeable copy, configured, its scripts run, its traces taken out."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from flight.workflows.install import configure, grub, xfs
from flight.workflows.install.configure import TreeFile, write_files
from flight.workflows.install.inside import NAME_SERVER, below, overlay
from flight.workflows.install.isolation import Bind, Machine, Volatile, from_inside
from flight.workflows.install.layout import Layout
from flight.workflows.kickstart.plan import InstallPlan, Script, Where
from flight.workflows.kit.arriving import remove
from flight.workflows.kit.errors import ProgramError, RecipeError
from flight.workflows.kit.progress import Progress, Told
from flight.workflows.kit.run import find, run

SCRIPT_AT = "/tmp/ks-script"
POLICY = Path("/usr/sbin/policy-rc.d")
RESOLVER = Path("/etc/resolv.conf")
PROBES = ("usr/sbin/grub-probe", "usr/sbin/grub2-probe")


def problems(plan: InstallPlan) -> Iterator[str]:
    """What no installer without a virtual machine can honour, each with file and line."""
    for script in plan.scripts:
        if script.kind != "post":
            yield f"{script.where}: %{script.kind} runs on the machine that installs, and here that is this one; do it in %post"
        elif not script.in_chroot:
            yield f"{script.where}: %post --nochroot would run on this machine; run it in the system"
    for part in plan.partitions:
        why = xfs.refusal() if part.fstype == "xfs" else ""
        if why:
            yield f"{part.where}: {part.mount} as xfs: {why}; give ext4, which needs neither"
    if plan.network.bootproto != "dhcp":
        yield f"{plan.network.where}: --bootproto={plan.network.bootproto}: an image's address comes by DHCP"


def spread(tree: Path, scratch: Path) -> tuple[Path, Path]:
    """A root that holds the tree and can be changed, and the folder where its changes lie.

    An overlay where the filesystem can carry one, else a copy (which shares its blocks where that is possible).
    """
    root, upper, work = scratch / "root", scratch / "changes", scratch / "overlay"
    for folder in (root, upper, work):
        folder.mkdir()
    shutil.copystat(tree, upper)
    if overlay(tree, upper, work, root):
        return root, upper
    run(["cp", "-a", "--reflink=auto", f"{tree}/.", root], why="copy the package tree")
    return root, root


def build_machine(plan: InstallPlan, layout: Layout, root: Path, scratch: Path, clock: dict[str, str]) -> Machine:
    """The machine that scripts and the guest's own programs run in; its grub-probe knows the disk to be."""
    probe = scratch / "grub-probe"
    probe.write_text(grub.render_probe(layout))
    probe.chmod(0o755)
    over = [Bind(str(probe), f"/{at}") for at in PROBES if below(root, at).is_file()]
    return Machine(
        root=root,
        mounts=(Volatile("/tmp"), Volatile("/run"), *over),
        devices=(f"disk/by-uuid/{layout.at('/').identifier}",),
        environment=clock,
    )


def configure_system(plan: InstallPlan, layout: Layout, machine: Machine, family: Any, *, log_to: Path) -> None:
    """Files, accounts, keys and services, in Anaconda's order. Raises RecipeError."""
    root = machine.root
    check_timezone(plan, root)
    folders = [TreeFile(f"{part.wanted.mount}/") for part in layout.parts if part.wanted.mount.startswith("/")]
    files = [
        *(f for f in folders if f.path != "//"),
        *configure.shared_files(plan, layout),
        *family.configuration(plan, root),
    ]
    from_inside(root, write_files, files)
    family.finish_configuration(plan, machine, log_to=log_to)
    add_users(plan, machine, log_to=log_to)
    from_inside(root, write_files, list(configure.vendor_files(plan)))
    units = plan.services
    set_services(machine, "disable", units.disabled, where=units.where, log_to=log_to)
    set_services(
        machine, "enable", (*family.enabled_units(plan, root), *units.enabled), where=units.where, log_to=log_to
    )


def check_timezone(plan: InstallPlan, root: Path) -> None:
    """Raise RecipeError for a timezone that the system does not know. UTC is what it takes where it knows none."""
    if plan.timezone not in configure.UTC and not below(root, f"/usr/share/zoneinfo/{plan.timezone}").is_file():
        raise RecipeError(
            f"the system does not know the timezone {plan.timezone}", fix="add tzdata to %packages, or correct the name"
        )


def add_users(plan: InstallPlan, machine: Machine, *, log_to: Path) -> None:
    """Make the accounts and give them their keys. Raises RecipeError naming the line."""
    for user in plan.users:
        try:
            machine.run(configure.useradd(user), why=f"make the user '{user.name}'", log_to=log_to)
        except ProgramError as error:
            raise RecipeError(
                f"{user.where}: the user '{user.name}' could not be made", why=error.why, fix="correct the user line"
            ) from None
    if plan.root_locked:
        machine.run(["usermod", "--lock", "--expiredate", "", "root"], why="lock root's password", log_to=log_to)
    passwd = from_inside(machine.root, _read, "/etc/passwd")
    from_inside(machine.root, write_files, list(configure.key_files(plan, passwd)))


def _read(path: str) -> str:
    """Nothing for what is no file: a pipe would never end."""
    return Path(path).read_text(errors="surrogateescape") if os.path.isfile(path) else ""


def set_services(machine: Machine, verb: str, units: tuple[str, ...], *, where: Where, log_to: Path) -> None:
    """systemctl disable or enable, without a running systemd. Raises RecipeError for a unit to enable that does not exist."""
    for unit in units:
        try:
            machine.run(["systemctl", verb, unit], why=f"{verb} services", log_to=log_to)
        except ProgramError as error:
            if verb == "disable" and "does not exist" in error.why:
                continue  # what is not there does not start
            raise RecipeError(
                f"{where}: a service could not be {verb}d: {unit}",
                why=error.why,
                fix="correct the name, or add the package that brings it",
            ) from None


def run_scripts(plan: InstallPlan, machine: Machine, *, logs: Path, told: Told) -> list[str]:
    """Run every %post in its order; its output goes to post-N.log, and to --log in the system. Where each one stood."""
    ran = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(no_daemons(machine.root))
        if plan.post_network:
            stack.enter_context(resolving(machine.root))
        for number, script in enumerate(plan.scripts, 1):
            told(Progress(number - 1, len(plan.scripts), f"running %post ({script.where})"))
            _run_script(script, replace(machine, network=plan.post_network), logs / f"post-{number}.log")
            ran.append(str(script.where))
    return ran


def _run_script(script: Script, machine: Machine, log_to: Path) -> None:
    """Raises RecipeError that names the line and quotes the last words, whether or not --erroronfail was given.

    Anaconda goes on after a failure without it; an image of which a part was not made is no image here.
    """
    log_to.unlink(missing_ok=True)
    try:
        machine.run(
            [*shlex.split(script.interpreter), SCRIPT_AT],
            why="run %post",
            log_to=log_to,
            files=((SCRIPT_AT, script.text),),
        )
    except ProgramError as error:
        code = re.search(r"ended with exit code \d+|was killed by \w+", error.what)
        raise RecipeError(
            f"{script.where}: %post {code[0] if code else 'failed'}",
            why=error.why,
            fix="mend the script; what was installed before it is kept",
        ) from None
    if script.log and log_to.exists():
        try:
            from_inside(machine.root, write_files, [TreeFile(script.log, log_to.read_bytes(), 0o600)])
        except RecipeError as error:
            raise RecipeError(f"{script.where}: --log={script.log}: {error.what}", why=error.why) from None


@contextlib.contextmanager
def no_daemons(root: Path) -> Iterator[None]:
    """invoke-rc.d starts nothing meanwhile (exit code 101: forbidden by policy)."""
    if from_inside(root, os.path.isdir, POLICY.parent) and not from_inside(root, os.path.lexists, POLICY):
        from_inside(root, write_files, [TreeFile(str(POLICY), b"#!/bin/sh\nexit 101\n", 0o755)])
    yield
    from_inside(root, remove, POLICY)


@contextlib.contextmanager
def resolving(root: Path) -> Iterator[None]:
    """The system asks this machine's name servers, through slirp4netns, meanwhile; what it held before comes back."""
    find("slirp4netns", why="give %post the network", fix="apt-get install slirp4netns iproute2")
    kept = from_inside(root, _kept, RESOLVER)
    from_inside(root, write_files, [TreeFile(str(RESOLVER), f"nameserver {NAME_SERVER}\n".encode())])
    yield
    from_inside(root, remove, RESOLVER)
    from_inside(root, write_files, kept)


def _kept(path: Path) -> list[TreeFile]:
    """What stands there, to be written again."""
    if path.is_symlink():
        return [TreeFile(str(path), link=os.readlink(path))]
    return [TreeFile(str(path), path.read_bytes(), path.stat().st_mode & 0o7777)] if path.is_file() else []


def finish(tidy: Callable[[Path], None]) -> None:
    """Last touches, called with the tree for /: no trace of the build, no identity of a machine."""
    tidy(Path("/"))
    write_files([TreeFile("/etc/machine-id", mode=0o444)])
