"""A built disk becomes a raw one that any number of machines can start from: sysprep, then its free space given back.

One session of virt-sysprep does both: libguestfs boots a small Linux (about 10 s where it is emulated), takes out what
belongs to one machine, and trims the filesystems of the raw file in place, so that no second copy is made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flight.workflows import guestfs
from flight.workflows.artefact import size_on_disk
from flight.workflows.kit.arriving import remove
from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.progress import Progress, Told, quiet
from flight.workflows.kit.run import run

if TYPE_CHECKING:
    from flight.workflows.settings import Programs

OPERATIONS = {
    "abrt-data": "crash reports of the build",
    "bash-history": "root's and the users' shell histories; Azure's certification refuses them",
    "blkid-tab": "a cache of the build's block devices",
    "crash-data": "kernel dumps of the build",
    "customize": "lets virt-sysprep take out what ALSO_REMOVED names, and run the trim",
    "dhcp-client-state": "leases of the build's network, which delay the first boot in another",
    "dhcp-server-state": "leases that the image gave to others",
    "ipa-client": "the enrolment of the build machine in a domain",
    "kerberos-hostkeytab": "the host's key in a realm: a secret, and of one machine",
    "logfiles": "what the installation logged, its kickstart in /root too",
    "machine-id": "systemd makes a new one at first boot; two machines with one get one DHCP address",
    "mail-spool": "mail that the installation's jobs wrote",
    "net-hostname": "the build machine's name in ifcfg files",
    "net-hwaddr": "its hardware address in ifcfg files: another machine's card would stay without network",
    "pacct-log": "process accounting of the build",
    "package-manager-cache": "downloaded packages",
    "pam-data": "login failures counted, consoles held",
    "passwd-backups": "/etc/shadow- and the like: accounts as they were before the recipe's last change",
    "rh-subscription-manager": "the entitlement of the build machine: a secret, and of one machine",
    "rhn-systemid": "the same, of older systems",
    "rpm-db": "locks and caches of the RPM database that name the host; the packages' list stays",
    "ssh-hostkeys": "every machine makes its own at first boot; a shared one lets each pose as the others",
    "sssd-db-log": "cached accounts of a directory",
    "tmp-files": "/tmp and /var/tmp",
    "udev-persistent-net": "network names bound to hardware addresses",
    "utmp": "who is logged in",
}
"""What virt-sysprep is asked to do, and why.

Left out on purpose: user-account and ssh-userdir (the recipe's accounts and sshkey lines stay; certification is what
objects to keys), cron-spool, firewall-rules, net-nmconn and
ca-certificates (what a recipe put there is part of the image), backup-files (a package may own a *.bak), fs-uuids and
lvm-uuids (fstab and boot loader name them), kerberos-data, samba-db-log, dovecot-data and puppet-data-log (a server's
configuration lies there too), script, smolt-uuid and yum-uuid (of systems that are gone).
"""

ALSO_REMOVED = {
    "/etc/random-seed": "",
    "/var/lib/misc/random-seed": "",
    "/var/lib/random-seed": "",
    "/var/lib/urandom/random-seed": "",
    "/var/lib/systemd/random-seed": "machines that start from one seed can draw the same keys",
    "/boot/efi/loader/random-seed": "the boot loader's own",
    "/var/lib/systemd/credential.secret": "the key of one machine's encrypted credentials",
    "/root/.*history": "histories that bash-history does not know",
    "/home/*/.*history": "the same, of users",
    "/root/.ssh/known_hosts*": "",
    "/home/*/.ssh/known_hosts*": "hosts that the build met",
    "/root/.lesshst": "",
    "/root/.viminfo": "",
    "/root/.wget-hsts": "",
    "/var/lib/cloud/data": "what cloud-init found on the build machine",
    "/var/lib/cloud/instance": "",
    "/var/lib/cloud/instances": "cloud-init would take a new machine for this one, and not provision it",
    "/var/lib/cloud/sem": "",
    "/var/lib/dhcpcd/*": "leases, and the identifier that the client sends",
    "/var/lib/NetworkManager/*": "leases, and the secret that addresses derive from",
    "/var/lib/waagent/*": "the agent's state and certificates (`waagent -deprovision` does the same)",
    "/var/cache/apt/*.bin": "an index that apt makes anew, some 40 MiB",
    "/var/lib/apt/lists/*": "package lists of the build's mirror, out of date by the first boot",
}
"""Paths (globs) that no operation of virt-sysprep covers, and why; an empty reason: the one of its neighbours."""

MACHINE_ID = "/etc/machine-id"
NOT_TRIMMED = "flight: not trimmed: "
TRIM = f"""sync
code=0
while read -r device mount kind rest; do
    [ -b "$device" ] || continue
    fstrim "$mount" || {{ echo "{NOT_TRIMMED}$mount ($kind)"; code=9; }}
done < /proc/self/mounts
[ $code -ne 0 ] || rm -f /tmp/builder.log
exit $code
"""
"""Run inside the disk, by its own shell, at the end. `sync` first: what was just removed is free once it is committed.
libguestfs's log of it is removed where there is nothing to say, so that it leaves no block behind."""
FOREIGN_GUEST = "options that involve running commands"
"""What libguestfs says where the disk's programs cannot run here (another processor)."""

TIMEOUT_S = 1800
"""A session takes half a minute; one that hangs is ended."""


def facts() -> dict[str, Any]:
    """What decides how a disk is prepared, for the stage's key."""
    return {"operations": sorted(OPERATIONS), "also_removed": sorted(ALSO_REMOVED)}


def prepare(
    qcow2: Path,
    to: Path,
    *,
    programs: Programs,
    work: Path,
    log_to: Path,
    accelerated: bool = False,
    told: Told = quiet,
) -> dict[str, Any]:
    """Make the raw disk `to` of `qcow2`, which is only read; what was found, sizes in bytes.

    The appliance is kept below `work`; scratch files lie beside `to` under a name that `sweep` knows.
    `accelerated`: whether KVM can run a guest here. On any error nothing is left at `to`.
    Raises ProgramError, with what libguestfs said, and SpaceError.
    """
    guestfs.require_kernel()
    try:
        _unpack(qcow2, to, programs, log_to=log_to, told=told)
        guestfs.require_space(to.parent, doing="prepare a disk")
        before = size_on_disk(to)
        with guestfs.session(to.parent, programs.qemu_system, work=work, accelerated=accelerated) as env:
            trimmed_by, not_trimmed = _sysprep(to, programs, env, log_to=log_to, told=told)
    except BaseException:
        remove(to)
        raise
    after = size_on_disk(to)
    return {
        "virtual_bytes": to.stat().st_size, "data_bytes": after, "given_back_bytes": max(0, before - after),
        "trimmed_by": trimmed_by, "not_trimmed": not_trimmed, "operations": sorted(OPERATIONS),
    }  # fmt: skip


def sysprep_argv(program: str, disk: Path, *, trim: bool) -> list[str]:
    """The command line. virt-sysprep 1.48 gives a customized disk a random machine ID: it is emptied after that."""
    removed = [word for path in ALSO_REMOVED for word in ("--delete", path)]
    emptied = ["--touch", MACHINE_ID, "--truncate", MACHINE_ID]
    trimming = ["--run-command", TRIM] if trim else []
    return [
        program, "--format", "raw", "--add", str(disk), "--enable", ",".join(OPERATIONS), "--no-network",
        *removed, *emptied, *trimming,
    ]  # fmt: skip


def _unpack(qcow2: Path, to: Path, programs: Programs, *, log_to: Path, told: Told) -> None:
    def heard(line: str) -> None:
        if percent := re.match(r"\s*\((\d+)\.\d+/100%\)", line):
            told(Progress(int(percent[1]), 100, "unpacking the disk"))

    argv: list[str | Path] = [programs.qemu_img, "convert", "-p", "-f", "qcow2", "-O", "raw", "-S", "4k", qcow2, to]
    run(argv, why=f"unpack {qcow2.name}", log_to=log_to, heard=heard)


def _sysprep(
    disk: Path, programs: Programs, env: dict[str, str], *, log_to: Path, told: Told
) -> tuple[str, Sequence[str]]:
    """Sysprep and trim in one session; where the disk's own fstrim cannot, a second session of libguestfs's tries.

    The program that trimmed, and which filesystems it could not trim.
    """
    try:
        _guestfs(sysprep_argv(programs.virt_sysprep, disk, trim=True), "sysprep", env, log_to=log_to, told=told)
        return "virt-sysprep", []
    except CannotTrim:
        _guestfs(sysprep_argv(programs.virt_sysprep, disk, trim=False), "sysprep", env, log_to=log_to, told=told)
    argv = [programs.virt_sparsify, "--in-place", "--format", "raw", str(disk)]
    lines = _guestfs(argv, "trimming", env, log_to=log_to, told=told)
    return "virt-sparsify", [line.partition("warning: ")[2] for line in lines if "warning: " in line]


def _step_of(message: str) -> str:
    """virt-sysprep's message as a few words for a person."""
    if message.startswith("Running:"):
        return "giving back free space"
    performing = re.match(r'Performing "(.+)"', message)
    return performing[1] if performing else message.removesuffix(" ...")


class CannotTrim(ProgramError):
    """The disk's own programs could not trim its filesystems; everything else may be well."""


def _guestfs(argv: list[str], doing: str, env: dict[str, str], *, log_to: Path, told: Told) -> list[str]:
    """One session of libguestfs; the lines that it wrote."""
    lines: list[str] = []

    def heard(line: str) -> None:
        lines.append(line)
        if step := re.match(r"\[ *[\d.]+\] (.+)", line):
            told(Progress(what=f"{doing}: {_step_of(step[1])}"))

    told(Progress(what=f"{doing}: starting libguestfs"))
    try:
        run(
            argv, why=f"prepare the disk ({doing})", log_to=log_to, timeout_s=TIMEOUT_S, env=env, heard=heard,
            contained=os.geteuid() == 0,
        )  # fmt: skip
    except ProgramError as error:
        said = " ".join(" ".join(lines).split())  # libguestfs breaks its messages into lines of 76 columns
        if FOREIGN_GUEST in said or any(line.startswith(NOT_TRIMMED) for line in lines):
            raise CannotTrim(error.what, why=error.why, fix=error.fix) from None
        fix = guestfs.fix_of(said) or error.fix
        raise type(error)(error.what, why=error.why, fix=fix) from None
    return lines
