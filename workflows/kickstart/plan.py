"""InstallPlan: what a kickstart asks for, as values that any installer can follow. The contract between rooms.

Every part that can be refused later carries `where`, the template's own file and line, so that an installer that
cannot honour it can name the line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flight.workflows.kit.finding import NOWHERE as NOWHERE
from flight.workflows.kit.finding import Finding as Finding
from flight.workflows.kit.finding import Where as Where
from flight.workflows.recipe import Repository as Repository
from flight.workflows.recipe import VendorFile as VendorFile


@dataclass(frozen=True)
class Partition:
    """`mount` is a path, or "biosboot" or "swap"; `grow` takes what is left; sizes in MiB."""

    mount: str
    fstype: str
    size_mib: int
    grow: bool = False
    label: str = ""
    options: str = ""
    where: Where = NOWHERE


@dataclass(frozen=True)
class Bootloader:
    """`append`: kernel arguments in their order; `timeout_s`: how long the menu waits."""

    append: tuple[str, ...] = ()
    timeout_s: int = 0
    where: Where = NOWHERE


@dataclass(frozen=True)
class Module:
    """A module whose stream is chosen; without a stream it is off."""

    name: str
    stream: str = ""
    where: Where = NOWHERE


@dataclass(frozen=True)
class Packages:
    """Names as the distribution spells them; groups are comps groups, or modules to install (NAME:STREAM).

    `group_packages`: which of a group's packages come along: "" (mandatory and default), "mandatory" or "all".
    `entries`: the line of each name, a group's among them, as far as it has one of its own.
    """

    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    excluded_groups: tuple[str, ...] = ()
    environment: str = ""
    modules: tuple[Module, ...] = ()
    group_packages: str = ""
    recommends: bool = True
    docs: bool = True
    languages: tuple[str, ...] = ()
    ignore_missing: bool = False
    where: Where = NOWHERE
    entries: tuple[tuple[str, Where], ...] = ()

    def where_of(self, *names: str) -> Where:
        """The line of the first of them that has one of its own; else where %packages starts."""
        lines = dict(self.entries)
        return next((lines[name] for name in names if name in lines), self.where)


@dataclass(frozen=True)
class User:
    """An account made at install time. No password is ever carried: accounts are locked, and log in by key."""

    name: str
    groups: tuple[str, ...] = ()
    gecos: str = ""
    shell: str = "/bin/bash"
    home: str = ""
    uid: int | None = None
    gid: int | None = None
    where: Where = NOWHERE


@dataclass(frozen=True)
class SshKey:
    """A public key for a user's authorized_keys."""

    user: str
    key: str
    where: Where = NOWHERE


@dataclass(frozen=True)
class Services:
    """Units to disable, then to enable (Anaconda's order)."""

    enabled: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    where: Where = NOWHERE


@dataclass(frozen=True)
class Network:
    """One interface. `bootproto` is "dhcp" or "static" (installers may refuse the latter)."""

    device: str = "eth0"
    bootproto: str = "dhcp"
    ipv6: bool = True
    hostname: str = ""
    where: Where = NOWHERE


@dataclass(frozen=True)
class Script:
    """A %pre, %pre-install, %post or %onerror section; `kind` is that word without the %."""

    kind: str
    text: str
    interpreter: str = "/bin/sh"
    in_chroot: bool = True
    log: str = ""
    error_on_fail: bool = False
    where: Where = NOWHERE


@dataclass(frozen=True)
class InstallPlan:
    """All that an installer needs to know. Frozen, comparable, and JSON by `as_facts`.

    `family` is "debian" or "el"; `release` the distribution's word ("trixie", "9"); `mirror` where packages come from;
    `mirror_key` the key of its packages (el), and whether its index is signed too; `image_sources` the lines of the
    image's own package sources (never the build host's mirror); `authselect` that line's words (el);
    `firewall_rules` options of firewall-offline-cmd (el).
    """

    recipe: str
    version: str
    family: str
    release: str
    mirror: str
    mirror_key: str = ""
    mirror_key_sha256: str = ""
    mirror_signs_index: bool = False
    architecture: str = "x86_64"
    disk_gib: int = 32
    partitions: tuple[Partition, ...] = ()
    bootloader: Bootloader = Bootloader()
    packages: Packages = Packages()
    repositories: tuple[Repository, ...] = ()
    image_sources: tuple[str, ...] = ()
    users: tuple[User, ...] = ()
    keys: tuple[SshKey, ...] = ()
    services: Services = Services()
    network: Network = Network()
    scripts: tuple[Script, ...] = ()
    files: tuple[VendorFile, ...] = ()
    language: str = "C.UTF-8"
    keyboard: str = "us"
    timezone: str = "Etc/UTC"
    utc: bool = True
    selinux: str = ""
    firewall: str = ""
    firewall_rules: tuple[str, ...] = ()
    authselect: str = ""
    root_locked: bool = True
    post_network: bool = False
    source_date_epoch: int = 0

    def package_facts(self) -> dict[str, Any]:
        """What decides the package tree: the version among it, so that a new one reads the index anew."""
        return as_facts(
            {
                "version": self.version,
                "family": self.family,
                "release": self.release,
                "architecture": self.architecture,
                "mirror": self.mirror,
                "mirror_key_sha256": self.mirror_key_sha256,
                "mirror_signs_index": self.mirror_signs_index,
                "packages": self.packages,
                "repositories": self.repositories,
            }
        )

    def system_facts(self) -> dict[str, Any]:
        """What decides the rest of the disk: everything but the package tree's own facts and where lines stand."""
        rest = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in rest.copy():
            if name.startswith("mirror") or name in ("packages", "version"):
                del rest[name]
        return as_facts(rest)


PLACES = {VendorFile: "source", Repository: "key"}
"""Fields that hold a path of the build host; the digest beside them decides."""


def as_facts(value: Any) -> Any:
    """Plain JSON values of a plan's parts, without the lines they stand on: a comment above a line decides nothing.

    A vendor's file and a repository's key are known by their digests, not by where the build host keeps them.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        left_out = {"where", "entries", PLACES.get(type(value), "where")}
        pairs = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: as_facts(part) for name, part in pairs if name not in left_out}
    if isinstance(value, Mapping):
        return {key: as_facts(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [as_facts(part) for part in value]
    return value
