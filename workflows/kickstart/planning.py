"""From statements to an InstallPlan; what a plan cannot express is a finding that names the template's line.

What only an interactive installer needs (`text`, `reboot`, `clearpart`…) is accepted and means nothing here: the disk is
always empty. For the Debian family a `repo` is one suite, which is its name: `repo --name=trixie-updates --baseurl=…`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from flight.workflows.kickstart.plan import (
    Bootloader,
    InstallPlan,
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
from flight.workflows.kit.finding import NOWHERE, Finding, Where, shown
from flight.workflows.recipe import Recipe

DEBIAN_KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
"""Where the package debian-archive-keyring puts it, in the image."""
HONOURED: Final = """
url repo lang keyboard timezone network rootpw bootloader part partition services firewall selinux user sshkey
"""
WITHOUT_EFFECT: Final = """
text cmdline graphical reboot poweroff shutdown halt zerombr clearpart ignoredisk firstboot eula skipx logging
"""
SECRET: Final = "a password in a kickstart is a secret in a file, an artefact and a log"
INSTEAD: Final = {
    "volgroup": "Azure advises against LVM on the OS disk: use part",
    "logvol": "Azure advises against LVM on the OS disk: use part",
    "raid": "the disk is one: use part",
    "btrfs": "use part --fstype=ext4",
    "autopart": "name the partitions with part",
    "group": "make it in %post with groupadd",
    "timesource": "chrony's configuration is written in %post",
}
SELINUX: Final = {0: "disabled", 1: "enforcing", 2: "permissive"}
LEFT_OUT: Final = {
    "part": "encrypted onPart onbiosdisk hibernation recommended resize fsprofile mkfsopts maxSizeMB",
    "partition": "encrypted onPart onbiosdisk hibernation recommended resize fsprofile mkfsopts maxSizeMB",
    "network": "gateway nameserver ethtool mtu essid bondslaves teamslaves bridgeslaves vlanid dhcpclass noipv4 nodefroute",
    "bootloader": "default upgrade extlinux disabled nombr leavebootorder",
    "url": "proxy noverifyssl mirrorlist metalink sslcacert sslclientcert sslclientkey",
    "repo": "proxy noverifyssl mirrorlist metalink sslcacert sslclientcert sslclientkey includepkgs excludepkgs cost install",
    "timezone": "ntpservers nontp",
    "lang": "addsupport",
    "firewall": "ports trusts services remove_services use_system_defaults",
}
"""Values that the plan has no place for, by pykickstart's names; any of them set is a finding."""


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
        partitions=tuple(map(_partition, statements.of("part", "partition"))),
        bootloader=_bootloader(statements),
        packages=_packages(statements),
        repositories=(*(_repository(repo, recipe) for repo in statements.of("repo")), *recipe.repositories),
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


ONE: Final = ("url", "lang", "keyboard", "timezone", "firewall", "selinux")


def _words(one: dict[str, Any]) -> dict[str, Any]:
    """The plan's plain words, as far as the kickstart says them."""
    said: dict[str, Any] = {}
    if "lang" in one:
        said["language"] = one["lang"]["lang"]
    if "keyboard" in one:
        values = one["keyboard"]
        said["keyboard"] = next(iter((*values["x_layouts"], *values.get("kbd", ()), values["vc_keymap"])))
    if "timezone" in one:
        said |= {"timezone": one["timezone"]["timezone"], "utc": bool(one["timezone"]["isUtc"])}
    if "firewall" in one:
        said["firewall"] = "enabled" if one["firewall"]["enabled"] else "disabled"
    if "selinux" in one:
        said["selinux"] = SELINUX[one["selinux"]["selinux"]]
    return said


def image_sources(recipe: Recipe) -> tuple[str, ...]:
    """The lines of the image's own /etc/apt/sources.list; for other families none, theirs come in packages."""
    if recipe.family != "debian":
        return ()
    components = " ".join(recipe.sources.components)
    suites = [(recipe.sources.archive, recipe.release), (recipe.sources.archive, f"{recipe.release}-updates")]
    suites.append((recipe.sources.security, f"{recipe.release}-security"))
    return tuple(f"deb [signed-by={DEBIAN_KEYRING}] {url} {suite} {components}" for url, suite in suites)


def check_honoured(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """What the plan has no place for."""
    for command in statements.commands:
        if command.name not in (HONOURED + WITHOUT_EFFECT).split():
            yield Finding(
                command.where, f"{command.name} cannot be honoured", INSTEAD.get(command.name, "leave it out")
            )
        for name in LEFT_OUT.get(command.name, "").split():
            if command.values.get(name):
                yield Finding(command.where, f"{command.name}: {name.lower()} cannot be honoured", "leave it out")
    for section in statements.sections:
        if section.name in ("%addon", "%anaconda", "%certificate", "%traceback"):
            yield Finding(section.where, f"{section.name} cannot be honoured", "do it in %post")
    yield from _check_secrets(statements)
    yield from _check_layout(statements, recipe)
    yield from _check_network(statements)
    yield from _check_family(statements, recipe)


def _check_secrets(statements: Statements) -> Iterator[Finding]:
    for command in statements.of("rootpw"):
        if command.values["password"] or not command.values["lock"]:
            yield Finding(command.where, f"rootpw: {SECRET}", "write rootpw --lock: root is locked in every image")
    for command in statements.of("user"):
        if command.values["password"]:
            yield Finding(command.where, f"user: {SECRET}", "leave it out: accounts are locked, and log in by key")
    for command in statements.of("bootloader"):
        if command.values["password"] or command.values["md5pass"]:
            yield Finding(command.where, f"bootloader: {SECRET}", "leave it out")


def _check_layout(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    for part in statements.of("part", "partition"):
        mount, fstype = part.values["mountpoint"], part.values["fstype"]
        if mount == "swap" or fstype == "swap":
            yield Finding(part.where, "Azure refuses swap on the OS disk", "swap belongs on the resource disk")
        if mount.startswith(("raid.", "pv.", "btrfs.")):
            yield Finding(part.where, f"{mount}: the plan knows plain partitions only", "give it a mount point")
    for command in statements.of("bootloader"):
        if command.values["location"] == "none":
            yield Finding(command.where, "without a boot loader the disk does not boot", "leave out --location=none")
    if not statements.of("url") and not statements.faults:
        where = (
            statements.commands[0].where if statements.commands else Where(shown(recipe.folder / recipe.kickstart), 0)
        )
        yield Finding(where, "no url: where do the packages come from?", "add url --url={{ mirror }}")


def _check_network(statements: Statements) -> Iterator[Finding]:
    devices = [command for command in statements.of("network") if command.values["device"]]
    for command in statements.of("network"):
        if command.values["bootProto"] != "dhcp" or command.values["ip"]:
            yield Finding(command.where, "Azure gives addresses by DHCP alone", "write --bootproto=dhcp")
        if command.values["device"] in ("link", "bootif", "ibft"):
            yield Finding(
                command.where, f"--device={command.values['device']} names no interface", "write --device=eth0"
            )
        if command.values["onboot"] is False:
            yield Finding(command.where, "an interface that does not come up at boot is never reached", "--onboot=on")
    for command in devices[1:]:
        yield Finding(command.where, "the plan has one interface", f"the other stands at {devices[0].where}")


def _check_family(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """What means nothing to the Debian family."""
    if recipe.family != "debian":
        return
    for command in statements.of("firewall"):
        if command.values["enabled"]:
            yield Finding(command.where, "Debian has no firewall of its own to enable", "write firewall --disabled")
    for command in statements.of("selinux"):
        if command.values["selinux"]:
            yield Finding(command.where, "Debian is not set up for SELinux here", "leave it out")
    for entry in statements.entries:
        if entry.text.startswith(("@", "-@")):
            yield Finding(entry.where, f"Debian has no package group '{entry.text.lstrip('-@^')}'", "name its packages")
    packages = statements.packages or {}
    heads = [section.where for section in statements.sections if section.name == "%packages"]
    for name, option in (("ignore_missing", "--ignoremissing"), ("languages", "--inst-langs")):
        if packages.get(name):
            yield Finding(heads[-1], f"%packages {option} cannot be honoured for Debian", "leave it out")


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


def _packages(statements: Statements) -> Packages:
    given = statements.packages
    if not given or not statements.entries:
        return Packages()
    heads = [section.where for section in statements.sections if section.name == "%packages"]
    return Packages(
        names=tuple(given["names"]),
        groups=tuple(group["name"] for group in given["groups"]),
        excluded=tuple(given["excluded"]),
        excluded_groups=tuple(given["excluded_groups"]),
        environment=given["environment"],
        recommends=not given["exclude_weak"],
        docs=not given["exclude_docs"],
        languages=tuple(filter(None, (given["languages"] or "").split(":"))),
        ignore_missing=given["ignore_missing"],
        where=heads[0] if heads else NOWHERE,
    )


def _repository(repo: Command, recipe: Recipe) -> Repository:
    suite = repo.values["name"] if recipe.family == "debian" else ""
    components = recipe.sources.components if suite else ()
    return Repository(repo.values["name"], repo.values["baseurl"], suite=suite, components=components, where=repo.where)


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
    return Network(
        named[0].values["device"], "dhcp", ipv6=not named[0].values["noipv6"], hostname=hostname, where=named[0].where
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
