"""From statements to an InstallPlan, where nothing stands in the way (honoured.py).

For the Debian family a `repo` is one suite, which is its name: `repo --name=trixie-updates --baseurl=…`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from flight.workflows.kickstart.lint import keyboards
from flight.workflows.kickstart.plan import (
    Bootloader,
    InstallPlan,
    Module,
    Network,
    Packages,
    Partition,
    Repository,
    Script,
    Services,
    SshKey,
    User,
)
from flight.workflows.kickstart.syntax import Command, Statements
from flight.workflows.kit.finding import NOWHERE
from flight.workflows.recipe import Recipe

DEBIAN_KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
"""Where the package debian-archive-keyring puts it, in the image."""
REQUIRED: Final = (("biosboot", "biosboot", 1), ("/boot/efi", "vfat", 200))
"""What reqpart stands for, with Anaconda's sizes in MiB: the disk starts both generations of machines."""
ETH0: Final = {"link": "eth0"}
"""`--device=link` is the first interface with a cable; in Azure that is eth0."""
SELINUX: Final = {0: "disabled", 1: "enforcing", 2: "permissive"}
GROUP_PACKAGES: Final = {0: "mandatory", 1: "", 2: "all"}
"""By pykickstart's constants GROUP_REQUIRED, GROUP_DEFAULT, GROUP_ALL."""


def plan_install(statements: Statements, recipe: Recipe, *, version: str, mirror: str) -> InstallPlan:
    """The plan of a kickstart in which nothing was found. `mirror` is for a kickstart without a `url`."""
    one = {name: statements.of(name)[-1].values for name in ONE if statements.of(name)}
    plan = InstallPlan(
        recipe=recipe.name,
        version=version,
        family=recipe.family,
        release=recipe.release,
        mirror=one.get("url", {}).get("url") or mirror,
        disk_gib=recipe.disk.size_gib,
        partitions=_partitions(statements),
        bootloader=_bootloader(statements),
        packages=_packages(statements, recipe),
        repositories=(*(_repository(repo, recipe) for repo in statements.of("repo")), *recipe.repositories),
        mirror_key=recipe.sources.key,
        mirror_key_sha256=recipe.sources.key_sha256,
        mirror_signs_index=recipe.sources.signed_index,
        image_sources=image_sources(recipe),
        users=tuple(map(_user, statements.of("user"))),
        keys=tuple(SshKey(each.values["username"], each.values["key"], each.where) for each in statements.of("sshkey")),
        services=_services(statements),
        network=_network(statements),
        scripts=tuple(map(_script, statements.scripts)),
        files=recipe.files,
        post_network=recipe.post_network,
        **_words(one),
    )
    return plan


ONE: Final = ("url", "lang", "keyboard", "timezone", "firewall", "selinux", "authselect")


def _words(one: dict[str, Any]) -> dict[str, Any]:
    """The plan's plain words, as far as the kickstart says them."""
    said: dict[str, Any] = {}
    if "lang" in one:
        said["language"] = one["lang"]["lang"]
    if "keyboard" in one:
        said["keyboard"] = keyboards(one["keyboard"])[0]
    if "timezone" in one:
        said |= {"timezone": one["timezone"]["timezone"], "utc": bool(one["timezone"]["isUtc"])}
    if "firewall" in one:
        said["firewall"] = "enabled" if one["firewall"]["enabled"] else "disabled"
        said["firewall_rules"] = _rules(one["firewall"]) if one["firewall"]["enabled"] else ()
    if "selinux" in one:
        said["selinux"] = SELINUX[one["selinux"]["selinux"]]
    if "authselect" in one:
        said["authselect"] = one["authselect"]["authselect"]
    return said


def image_sources(recipe: Recipe) -> tuple[str, ...]:
    """The lines of the image's own /etc/apt/sources.list; for other families none, theirs come in packages."""
    if recipe.family != "debian":
        return ()
    components = " ".join(recipe.sources.components)
    suites = [(recipe.sources.archive, recipe.release), (recipe.sources.archive, f"{recipe.release}-updates")]
    suites.append((recipe.sources.security, f"{recipe.release}-security"))
    return tuple(f"deb [signed-by={DEBIAN_KEYRING}] {url} {suite} {components}" for url, suite in suites)


def _rules(firewall: Mapping[str, Any]) -> tuple[str, ...]:
    """In firewall-offline-cmd's words, as Anaconda passes them on; ssh comes in unless it is taken out by name."""
    services = [name for name in firewall["services"] or () if name != "ssh"]
    removed = firewall["remove_services"] or ()
    return (
        *(f"--trust={device}" for device in firewall["trusts"] or ()),
        *(f"--port={port}" for port in firewall["ports"] or ()),
        *(f"--remove-service={name}" for name in removed),
        *(f"--service={name}" for name in (*([] if "ssh" in removed else ["ssh"]), *services)),
    )


def _partitions(statements: Statements) -> tuple[Partition, ...]:
    """Those of the part lines, after what reqpart brings and they do not."""
    named = tuple(map(_partition, statements.of("part", "partition")))
    mounts = {part.mount for part in named}
    required = (
        Partition(mount, fstype, size_mib, where=command.where)
        for command in statements.of("reqpart")[:1]
        for mount, fstype, size_mib in REQUIRED
        if mount not in mounts
    )
    return (*required, *named)


def _partition(part: Command) -> Partition:
    values = part.values
    mount = values["mountpoint"]
    usual = {"/boot/efi": "vfat", "biosboot": "biosboot"}.get(mount, "ext4")
    fstype = {"efi": "vfat", "": usual}.get(values["fstype"], values["fstype"])
    return Partition(
        mount,
        fstype,
        values["size"] or 0,
        bool(values["grow"]),
        values["label"] or "",
        values["fsopts"] or "",
        part.where,
    )


def _bootloader(statements: Statements) -> Bootloader:
    given = statements.of("bootloader")
    if not given:
        return Bootloader()
    values = given[-1].values
    return Bootloader(tuple((values["appendLine"] or "").split()), int(values["timeout"] or 0), given[-1].where)


def _packages(statements: Statements, recipe: Recipe) -> Packages:
    given = statements.packages if statements.entries else None
    modules = tuple(map(_module, statements.of("module")))
    heads = [section.where for section in statements.sections if section.name == "%packages"]
    where = heads[0] if heads else NOWHERE
    if not given:
        return Packages(groups=_core(recipe, statements.packages), modules=modules, where=where)
    groups = (*_core(recipe, given), *(group["name"] for group in given["groups"]))
    includes = {group["include"] for group in given["groups"]}
    return Packages(
        names=tuple(given["names"]),
        groups=tuple(dict.fromkeys(groups)),
        excluded=tuple(given["excluded"]),
        excluded_groups=tuple(given["excluded_groups"]),
        environment=given["environment"],
        modules=modules,
        group_packages=GROUP_PACKAGES[max(includes)] if len(includes) == 1 else "",
        recommends=not given["exclude_weak"],
        docs=not given["exclude_docs"],
        languages=tuple(filter(None, (given["languages"] or "").split(":"))),
        ignore_missing=given["ignore_missing"],
        where=where,
        entries=tuple((re.split(r"\s--", entry.text.lstrip("-@^"))[0], entry.where) for entry in statements.entries),
    )


def _core(recipe: Recipe, given: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Anaconda adds the group core by itself, unless told --nocore."""
    return () if recipe.family == "debian" or (given or {}).get("no_core") else ("core",)


def _module(module: Command) -> Module:
    stream = module.values["stream"] if module.values["enable"] else ""
    return Module(module.values["name"], stream, module.where)


def _repository(repo: Command, recipe: Recipe) -> Repository:
    name, url = repo.values["name"], repo.values["baseurl"]
    if recipe.family == "debian":
        return Repository(name, url, suite=name, components=recipe.sources.components, where=repo.where)
    return Repository(
        name,
        url,
        key=recipe.sources.key,
        key_sha256=recipe.sources.key_sha256,
        signed_index=recipe.sources.signed_index,
        cost=repo.values["cost"] or 0,
        include=tuple(repo.values["includepkgs"] or ()),
        exclude=tuple(repo.values["excludepkgs"] or ()),
        where=repo.where,
    )


def _user(command: Command) -> User:
    values = command.values
    return User(
        values["name"],
        groups=tuple(values["groups"] or ()),
        gecos=values["gecos"] or "",
        shell=values["shell"] or "/bin/bash",
        home=values["homedir"] or "",
        uid=values["uid"],
        gid=values["gid"],
        where=command.where,
    )


def _services(statements: Statements) -> Services:
    given = statements.of("services")
    if not given:
        return Services()
    values = given[-1].values
    return Services(tuple(values["enabled"]), tuple(values["disabled"]), given[-1].where)


def _network(statements: Statements) -> Network:
    given = statements.of("network")
    named = [command for command in given if command.values["device"]]
    hostname = next((command.values["hostname"] for command in given if command.values["hostname"]), "")
    if not named:
        return Network(hostname=hostname, where=given[0].where if given else NOWHERE)
    device = named[0].values["device"]
    return Network(
        ETH0.get(device, device), "dhcp", ipv6=not named[0].values["noipv6"], hostname=hostname, where=named[0].where
    )


def _script(script: Any) -> Script:
    values = script.values
    return Script(
        values["kind"],
        values["text"],
        interpreter=values["interpreter"],
        in_chroot=values["in_chroot"],
        log=values["log"],
        error_on_fail=values["error_on_fail"],
        where=script.where,
    )
