"""From statements to an InstallPlan; what a plan cannot express is a finding that names the template's line.

What only an interactive installer needs (`text`, `reboot`, `clearpart`…) is accepted and means nothing here: the disk is
always empty. For the Debian family a `repo` is one suite, which is its name: `repo --name=trixie-updates --baseurl=…`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from flight.workflows.kickstart.lint import keyboards
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
url repo lang keyboard timezone network rootpw bootloader part partition reqpart services firewall selinux user sshkey
"""
WITHOUT_EFFECT: Final = """
text cmdline graphical reboot poweroff shutdown halt zerombr clearpart ignoredisk firstboot eula skipx logging install
"""
SECRET: Final = "a password in a kickstart is a secret in a file, an artefact and a log"
INSTEAD: Final = {
    "volgroup": "Azure advises against LVM on the OS disk: use part",
    "logvol": "Azure advises against LVM on the OS disk: use part",
    "raid": "the disk is one: use part",
    "btrfs": "use part --fstype=ext4",
    "autopart": "leave it out: without part lines there are biosboot, /boot/efi and an ext4 / that fills the disk",
    "group": "make it in %post with groupadd",
    "timesource": "write chrony's configuration in %post",
    "auth": "leave it out: shadow passwords and SHA-512 are what the system uses",
    "authconfig": "leave it out: shadow passwords and SHA-512 are what the system uses",
    "authselect": "run authselect in %post",
    "xconfig": "leave it out: a machine in the cloud has no screen",
    "realm": "join the realm at first boot: every machine does it for itself",
    **dict.fromkeys(("cdrom", "nfs", "harddrive", "liveimg"), "name a package source: url --url={{ mirror }}"),
    **dict.fromkeys(
        ("ostreesetup", "ostreecontainer", "bootc"), "an image is made of packages: name a source with url"
    ),
}
INSTEAD_OF: Final = {
    "ntpservers": "write chrony's configuration in %post",
    "mirrorlist": "name one mirror: --url={{ mirror }}",
    "metalink": "name one mirror: --url={{ mirror }}",
    "encrypted": "leave it out: Azure encrypts disks itself",
    "bondslaves": "leave it out: Azure gives a machine its interfaces",
    "addBoot": "leave it out: /boot is kept on the root filesystem",
    "ports": "open them in %post with firewall-offline-cmd",
    "services": "open them in %post with firewall-offline-cmd",
    "trusts": "set it in %post with firewall-offline-cmd",
}
"""What to do instead of a value that the plan has no place for; without a word here: leave it out."""
REQUIRED: Final = (("biosboot", "biosboot", 1), ("/boot/efi", "vfat", 200))
"""What reqpart stands for, with Anaconda's sizes in MiB: the disk starts both generations of machines."""
ETH0: Final = {"link": "eth0"}
"""`--device=link` is the first interface with a cable; in Azure that is eth0."""
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
    "reqpart": "addBoot",
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
        partitions=_partitions(statements),
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
        said["keyboard"] = keyboards(one["keyboard"])[0]
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
            if command.values[name] and not _is_usual(name, command.values[name]):
                what = f"{command.name}: {name.lower()} cannot be honoured"
                yield Finding(command.where, what, INSTEAD_OF.get(name, "leave it out"))
    for section in statements.sections:
        if section.name in ("%addon", "%anaconda", "%certificate", "%traceback"):
            yield Finding(section.where, f"{section.name} cannot be honoured", "do it in %post")
    yield from _check_secrets(statements)
    yield from _check_layout(statements, recipe)
    yield from _check_network(statements)
    yield from _check_family(statements, recipe)


def _is_usual(name: str, value: Any) -> bool:
    """firewalld lets ssh in unless it is told otherwise."""
    return name == "services" and {*value} <= {"ssh"}


def _check_secrets(statements: Statements) -> Iterator[Finding]:
    for command in statements.of("rootpw"):
        if command.values["password"] or not (command.values["lock"] or command.values["isCrypted"]):
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
        if command.values["device"] in ("bootif", "ibft"):
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
