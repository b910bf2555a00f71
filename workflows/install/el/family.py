"""The Enterprise Linux family: packages by dnf, configuration in its words, boot files by its programs."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flight.workflows.install.configure import (
    TreeFile,
    networkd_file,
    render_grub_defaults,
    text_file,
    write_files,
)
from flight.workflows.install.el import boot, selinux, sources
from flight.workflows.install.el.dnf import Dnf
from flight.workflows.install.el.transaction import Transaction, versions
from flight.workflows.install.inside import below
from flight.workflows.install.isolation import Machine, from_inside
from flight.workflows.install.layout import derived, plan_layout
from flight.workflows.install.times import clamp, epoch_of
from flight.workflows.install.tools import private_folder
from flight.workflows.install.traces import take_out
from flight.workflows.install.trust import read_key
from flight.workflows.kickstart.plan import InstallPlan, Network
from flight.workflows.kit.arriving import remove
from flight.workflows.kit.errors import RecipeError
from flight.workflows.kit.progress import Told

if TYPE_CHECKING:
    from flight.workflows.settings import Programs

GRUB = boot.GRUB
command_lines, efi_programs, make_bootable = boot.command_lines, boot.efi_programs, boot.make_bootable
NETWORK_MANAGER = "/usr/lib/systemd/system/NetworkManager.service"
FIREWALL, AUTHSELECT = "/usr/bin/firewall-offline-cmd", "/usr/bin/authselect"
BUILT_IN = ("C", "C.UTF-8", "POSIX")
"""Locales that glibc holds itself."""
TRACES = (
    "etc/ssh/ssh_host_*",
    "var/cache/dnf/*",
    "var/cache/flight",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dbus/machine-id",
    "var/lib/rpm/.rpm.lock",
    "var/lib/systemd/random-seed",
    "var/log/dnf*.log",
    "var/log/hawkey.log",
)


def problems(plan: InstallPlan) -> Iterator[str]:
    """What this family cannot honour, each with file and line."""
    yield from sources.problems(plan)


def install(
    plan: InstallPlan,
    to: Path,
    *,
    cache: Path,
    programs: Programs,
    logs: Path,
    scratch: Path,
    environment: Mapping[str, str],
    told: Told,
) -> dict[str, Any]:
    """The package tree at `to`. Runs in namespaces of its own (`isolation.enclosed`): its mounts end with it."""
    started = time.time() - 1
    private = private_folder(to.parent, cache, scratch)
    origins = sources.sources_of(plan, environment)
    dnf = Dnf(plan, origins, private=private, scratch=scratch)
    planned = dnf.fetch(cache, log_to=logs / "dnf.log", told=told)
    remove(private / "repos")  # with the logins: nobody needs them from here on
    epoch = epoch_of(plan, (index["date"] for index in planned.indexes))
    to.mkdir(mode=0o755)
    chosen = [text_file(path, text) for path, text in sources.module_files(plan)]
    from_inside(to, write_files, [*boot.before_packages(), *chosen])
    transaction = Transaction(plan, dnf, planned, cache / "rpms", epoch)
    transaction.run(to, root=private, log_to=logs / "packages.log", told=told)
    from_inside(to, boot.after_packages)
    from_inside(to, tidy_system, Path("/"))
    selinux.label(to, scratch=scratch, log_to=logs / "packages.log")
    clamp(to, since=started, to=epoch)
    os.utime(to, (epoch, epoch))
    return {
        "packages": versions(planned),
        "indexes": list(planned.indexes),
        "downloaded_bytes": planned.fetched_bytes,
        "epoch": epoch,
    }


def configuration(plan: InstallPlan, tree: Path) -> Iterator[TreeFile]:
    """Files of /etc that Enterprise Linux spells in its own way. Raises RecipeError for what no package can do."""
    selinux.check_policy(plan, tree)
    check_language(plan, tree)
    yield text_file("/etc/locale.conf", f"LANG={plan.language}\n")
    yield text_file("/etc/vconsole.conf", f"KEYMAP={plan.keyboard}\n")
    if plan.utc:
        yield text_file("/etc/adjtime", "0.0 0 0.0\n0\nUTC\n")
    yield text_file("/etc/default/grub", boot.render_defaults(plan, render_grub_defaults(plan)))
    yield text_file(boot.COMMAND_LINE, f"{boot.command_line(plan, plan_layout(plan))}\n")
    yield text_file("/etc/sysconfig/kernel", "UPDATEDEFAULT=yes\nDEFAULTKERNEL=kernel-core\n")
    yield network_file(plan, below(tree, NETWORK_MANAGER).is_file())
    if plan.packages.languages:
        yield text_file("/etc/rpm/macros.image-language-conf", f"%_install_langs {':'.join(plan.packages.languages)}\n")
    config = below(tree, selinux.CONFIG)
    if plan.selinux and config.is_file():
        yield text_file(selinux.CONFIG, selinux.set_mode(config.read_text(errors="replace"), plan.selinux))
    yield from _source_files(plan)


def check_language(plan: InstallPlan, tree: Path) -> None:
    """Raise RecipeError for a locale that no package brought."""
    name, _, charset = plan.language.partition(".")
    places = (f"/usr/lib/locale/{name}.{charset.lower().replace('-', '')}", "/usr/lib/locale/locale-archive")
    if plan.language not in BUILT_IN and not any(below(tree, place).exists() for place in places):
        raise RecipeError(
            f"the system does not know the locale {plan.language}",
            fix=f"add glibc-langpack-{name.partition('_')[0]} to %packages, or give 'lang C.UTF-8'",
        )


def network_file(plan: InstallPlan, has_manager: bool) -> TreeFile:
    """One interface by name, no hardware address: NetworkManager's where that is installed, else systemd-networkd's."""
    if not has_manager:
        return networkd_file(plan.network)
    path = f"/etc/NetworkManager/system-connections/{plan.network.device}.nmconnection"
    identity = derived(plan.recipe, f"connection {plan.network.device}")
    return text_file(path, render_connection(plan.network, identity), mode=0o600)


def render_connection(network: Network, identity: uuid.UUID) -> str:
    """nm-settings-keyfile(5)."""
    six = "auto" if network.ipv6 else "disabled"
    return (
        f"[connection]\nid={network.device}\nuuid={identity}\ntype=ethernet\ninterface-name={network.device}\n"
        f"autoconnect=true\n\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod={six}\n"
    )


def _source_files(plan: InstallPlan) -> Iterator[TreeFile]:
    """The repositories that stay, each with its key and no login; the distribution's own come in its packages."""
    for each in plan.repositories:
        if each.stays:
            at = f"/etc/pki/rpm-gpg/RPM-GPG-KEY-{each.name}"
            key = Path(each.key)
            yield TreeFile(at, read_key(key, sha256=each.key_sha256, named=f"the repository '{each.name}'"))
            source = sources.Source(each.name, each.url, key, signed_index=each.signed_index)
            yield text_file(f"/etc/yum.repos.d/{each.name}.repo", sources.render_repository(source, at))


def finish_configuration(plan: InstallPlan, machine: Machine, *, log_to: Path) -> None:
    """What the guest's own programs do with the configuration: authselect and the firewall."""
    if plan.authselect:
        _needs(machine, AUTHSELECT, "authselect", "authselect")
        argv = ["authselect", *plan.authselect.split()]
        machine.run(argv, why="select how accounts are looked up", log_to=log_to, fix="correct the authselect line")
    if plan.firewall == "enabled":
        _needs(machine, FIREWALL, "firewall --enabled", "firewalld")
        machine.run(
            ["firewall-offline-cmd", "--enabled", *plan.firewall_rules], why="enable the firewall", log_to=log_to
        )
    elif plan.firewall == "disabled" and below(machine.root, FIREWALL).is_file():
        machine.run(["firewall-offline-cmd", "--disabled"], why="disable the firewall", log_to=log_to)


def _needs(machine: Machine, path: str, line: str, package: str) -> None:
    if not below(machine.root, path).is_file():
        raise RecipeError(f"'{line}' needs {path}, which no package brought", fix=f"add {package} to %packages")


def enabled_units(plan: InstallPlan, tree: Path) -> tuple[str, ...]:
    """Units the network needs."""
    has_manager = below(tree, NETWORK_MANAGER).is_file()
    return ("NetworkManager.service",) if has_manager else ("systemd-networkd.service",)


def tidy_system(root: Path) -> None:
    """Take out what belongs to this build or to one machine only. Called with the tree for /."""
    take_out(root, TRACES)


def label(plan: InstallPlan, root: Path, *, scratch: Path, log_to: Path) -> None:
    """SELinux's labels, after everything else was written."""
    selinux.check_policy(plan, root)  # a script may have taken it away
    if selinux.wants_labels(plan):
        selinux.label(root, scratch=scratch, log_to=log_to)
