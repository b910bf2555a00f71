"""What a kickstart says and no plan can express: each a finding that names the template's line and what to do instead.

What only an interactive installer needs (`text`, `reboot`, `clearpart`…) is accepted and means nothing here: the disk is
always empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flight.workflows.kickstart.render import TEMPLATE
from flight.workflows.kickstart.syntax import Command, Entry, Statements
from flight.workflows.kit.finding import Finding, Where, shown
from flight.workflows.kit.text import quoted
from flight.workflows.recipe import Recipe

HONOURED: Final = """
url repo lang keyboard timezone network rootpw bootloader part partition reqpart services firewall selinux user sshkey
authselect module
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
    "xconfig": "leave it out: a machine in the cloud has no screen",
    "realm": "join the realm at first boot: every machine does it for itself",
    **dict.fromkeys(("cdrom", "nfs", "harddrive", "liveimg"), "name a package source: url --url=MIRROR"),
    **dict.fromkeys(
        ("ostreesetup", "ostreecontainer", "bootc"), "an image is made of packages: name a source with url"
    ),
}
INSTEAD_OF: Final = {
    "ntpservers": "write chrony's configuration in %post",
    "mirrorlist": "name one mirror: --url=MIRROR",
    "metalink": "name one mirror: --url=MIRROR",
    "encrypted": "leave it out: Azure encrypts disks itself",
    "bondslaves": "leave it out: Azure gives a machine its interfaces",
    "addBoot": "leave it out: /boot is kept on the root filesystem",
}
"""What to do instead of a value that the plan has no place for; without a word here: leave it out."""
INSTEAD_IN_REPO: Final = dict.fromkeys(("mirrorlist", "metalink"), "name one mirror: --baseurl=http://…")
"""The same, where a repo says it otherwise."""
OPTIONS: Final = {
    "addBoot": "--add-boot",
    "maxSizeMB": "--maxsize",
    "mkfsopts": "--mkfsoptions",
    "use_system_defaults": "--use-system-defaults",
}
"""Options that pykickstart calls otherwise than a kickstart does."""
LEFT_OUT: Final = {
    "part": "encrypted onPart onbiosdisk hibernation recommended resize fsprofile mkfsopts maxSizeMB",
    "partition": "encrypted onPart onbiosdisk hibernation recommended resize fsprofile mkfsopts maxSizeMB",
    "network": "gateway nameserver ethtool mtu essid bondslaves teamslaves bridgeslaves vlanid dhcpclass noipv4 nodefroute",
    "bootloader": "default upgrade extlinux disabled nombr leavebootorder",
    "url": "proxy noverifyssl mirrorlist metalink sslcacert sslclientcert sslclientkey",
    "repo": "proxy noverifyssl mirrorlist metalink sslcacert sslclientcert sslclientkey install",
    "timezone": "ntpservers nontp",
    "lang": "addsupport",
    "firewall": "use_system_defaults",
    "reqpart": "addBoot",
}
"""Values that the plan has no place for, by pykickstart's names; any of them set is a finding."""
GROUP_OPTIONS: Final = ("--nodefaults", "--optional")


def check_honoured(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """What the plan has no place for."""
    for command in statements.commands:
        if command.name not in (HONOURED + WITHOUT_EFFECT).split():
            fix = _for_its_writer(INSTEAD.get(command.name, "leave it out"), recipe)
            yield Finding(command.where, f"{command.name} cannot be honoured", fix)
        for name in LEFT_OUT.get(command.name, "").split():
            if command.values[name]:
                what = f"{command.name}: {OPTIONS.get(name, f'--{name.lower()}')} cannot be honoured"
                yield Finding(command.where, what, _for_its_writer(_instead_of(name, command), recipe))
    for section in statements.sections:
        if section.name in ("%addon", "%anaconda", "%certificate", "%traceback"):
            yield Finding(section.where, f"{section.name} cannot be honoured", "do it in %post")
    yield from _check_secrets(statements)
    yield from _check_layout(statements, recipe)
    yield from _check_network(statements)
    yield from _check_family(statements, recipe)


def _instead_of(name: str, command: Command) -> str:
    instead = INSTEAD_OF | INSTEAD_IN_REPO if command.name == "repo" else INSTEAD_OF
    return instead.get(name, "leave it out")


def _for_its_writer(fix: str, recipe: Recipe) -> str:
    """A fix as it can be typed: only a template knows `mirror`."""
    return fix.replace("MIRROR", "{{ mirror }}" if recipe.kickstart.endswith(TEMPLATE) else "http://…")


def _check_secrets(statements: Statements) -> Iterator[Finding]:
    for command in statements.of("rootpw"):
        if command.values["password"] or not (command.values["lock"] or command.values["isCrypted"]):
            yield Finding(command.where, f"rootpw: {SECRET}", "write rootpw --lock: root is locked in every image")
    for command in statements.of("user"):
        if command.values["password"]:
            key = f'sshkey --username={quoted(command.values["name"])} "ssh-ed25519 …"'
            yield Finding(command.where, f"user: {SECRET}", f"leave --password out, and add: {key}")
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
        fix = _for_its_writer("add url --url=MIRROR", recipe)
        yield Finding(where, "no url: where do the packages come from?", fix)


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
            yield Finding(
                command.where, "an interface that does not come up at boot is never reached", "write --onboot=on"
            )
    for command in devices[1:]:
        yield Finding(command.where, "the plan has one interface", f"the other stands at {devices[0].where}")


def _check_family(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    check = _check_debian if recipe.family == "debian" else _check_el
    yield from check(statements)


def _check_debian(statements: Statements) -> Iterator[Finding]:
    """What means nothing to Debian."""
    for command in statements.of("firewall"):
        if command.values["enabled"]:
            yield Finding(command.where, "Debian has no firewall of its own to enable", "write firewall --disabled")
    for command in statements.of("selinux"):
        if command.values["selinux"]:
            yield Finding(command.where, "Debian is not set up for SELinux here", "leave it out")
    for command in statements.of("authselect", "module"):
        yield Finding(command.where, f"Debian has no {command.name}", "leave it out")
    for command in statements.of("repo"):
        for name in ("includepkgs", "excludepkgs", "cost"):
            if command.values[name]:
                yield Finding(command.where, f"repo: --{name} cannot be honoured for Debian", "leave it out")
    for entry in statements.entries:
        if entry.text.startswith(("@", "-@")):
            yield Finding(entry.where, f"Debian has no package group '{entry.text.lstrip('-@^')}'", "name its packages")
    packages = statements.packages or {}
    for name, option in (("ignore_missing", "--ignoremissing"), ("languages", "--inst-langs")):
        if packages.get(name):
            yield Finding(_head(statements), f"%packages {option} cannot be honoured for Debian", "leave it out")


def _check_el(statements: Statements) -> Iterator[Finding]:
    """What dnf has no word for."""
    for entry in statements.entries:
        if entry.text.startswith("-@"):
            fix = "name the groups you want instead of the environment, or exclude the group's packages by name"
            yield Finding(entry.where, f"a group cannot be excluded: '{entry.text}'", fix)
    yield from _check_groups(statements)
    for command in statements.of("module"):
        if command.values["enable"] and not command.values["stream"]:
            yield Finding(command.where, "module: which stream?", "add --stream, as `dnf module list` names them")


def _check_groups(statements: Statements) -> Iterator[Finding]:
    """Options of a group, of which dnf has one set for all."""
    for entry in statements.entries:
        for option in _options(entry) if entry.text.startswith(("@", "-@")) else ():
            if entry.text.startswith(("@^", "-@")):
                yield Finding(entry.where, f"{option} is for a group that is wanted: '{entry.text}'", "leave it out")
            elif not _taken(option):
                fix = f"give {' or '.join(GROUP_OPTIONS)}"
                yield Finding(entry.where, f"a group has no option {option}: '{entry.text}'", fix)
    groups = [entry for entry in statements.entries if entry.text.startswith("@") and entry.text[1:2] != "^"]
    for entry in groups[1:]:
        if _choice(entry) != _choice(groups[0]):
            fix = f"give --nodefaults or --optional with every group, or with none; the first is at {groups[0].where}"
            yield Finding(entry.where, "dnf makes one choice of what to take for all groups", fix)


def _options(entry: Entry) -> list[str]:
    return [word for word in entry.text.split() if word.startswith("--")]


def _taken(option: str) -> list[str]:
    """What it stands for: pykickstart takes a beginning of it for the whole."""
    return [known for known in GROUP_OPTIONS if known.startswith(option)]


def _choice(entry: Entry) -> set[str]:
    return {known for option in _options(entry) for known in _taken(option)}


def _head(statements: Statements) -> Where:
    """Where the last %packages starts."""
    return [section.where for section in statements.sections if section.name == "%packages"][-1]
