"""What pykickstart lets pass and should not: values that mean nothing, statements that contradict each other.

Every check is a generator over the whole kickstart, so that each fault is told with the template's own line.
"""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from flight.workflows.kickstart.syntax import Command, Statements
from flight.workflows.kit.finding import Finding, Where
from flight.workflows.kit.text import CREDENTIALS, has_controls, quoted, split_url, texts_in
from flight.workflows.recipe import VOLATILE, Recipe

ONCE: Final = "url rootpw lang keyboard timezone bootloader services firewall selinux firstboot clearpart zerombr"
"""Commands of which the last silently wins."""
LAYOUTS: Final = """
us af ara al am at au az by be bd in ba br bg dz ma cm mm ca cd cn hr cz dk nl bt ee ir iq fo fi fr gh gn ge de gr hu is il
it jp kg kh kz la latam lt lv mao me mk mt mn no pl pt ro ru rs si sk es se ch sy tj lk th tr tw ua gb uk uz vn kr ie pk mv
za epo np ng et sn brai tm ml tz tg ke bw ph md id jv my
"""
"""Keyboard layouts. Source: xkeyboard-config 2.35, rules/base.lst; `uk` is the console's word for gb."""
FILESYSTEMS: Final = ("ext2", "ext3", "ext4", "xfs", "btrfs", "vfat", "efi", "swap", "biosboot", "prepboot")
"""What `part --fstype` may say."""
INTERPRETERS: Final = ("/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash", "/usr/bin/perl")
"""Interpreters that every image has; others are looked for by the package that brings them."""
BROUGHT_BY: Final = {"python3": ("python3", "cloud-init"), "tcsh": ("tcsh",), "csh": ("tcsh",), "zsh": ("zsh",)}
DEBIAN_NAME: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?(=[0-9][A-Za-z0-9.+:~-]*)?")
"""A package, its architecture, its version. Source: Debian Policy 5.6.1, 5.6.8, 5.6.12."""
RPM_NAME: Final = re.compile(r"[A-Za-z0-9*][\w.+*?:~^-]*")

MOUNT: Final = r"/|(/[\w.+-]+)+"
"""A path that fstab and systemd need not quote; pykickstart has taken out dots and double slashes."""
ON_ROOT: Final = ("/bin", "/etc", "/lib", "/lib64", "/lost+found", "/mnt", "/root", "/sbin")
"""Folders that a system needs before it mounts anything, or (/mnt) that Azure's resource disk is mounted at.

Source: Anaconda's must_be_on_root.
"""
HOSTNAME: Final = r"(?=.{1,64}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
"""Source: hostname(7)."""
INTERFACE: Final = r"(?!\.\.?$)[A-Za-z0-9_.-]{1,15}"
"""Source: Linux, dev_valid_name() and IFNAMSIZ."""
HARDWARE_ADDRESS: Final = r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}"

Check = Callable[[Statements, Recipe], Iterator[Finding]]


def check_statements(statements: Statements, recipe: Recipe) -> list[Finding]:
    """Every finding of every check, in the order of their lines."""
    return sorted(finding for check in CHECKS for finding in check(statements, recipe))


def check_characters(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """A control character cannot be seen, and means something else in every file that the word is written to."""
    for command in statements.commands:
        for text in filter(has_controls, texts_in(command.values)):
            yield Finding(command.where, f"a control character stands in '{quoted(text)}'", "take it out")


def check_repeated(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """The last one would win in silence."""
    for name in ONCE.split():
        first, *later = statements.of(name) or (None,)
        for command in later:
            assert first
            yield Finding(command.where, f"{name} is given again, after {first.where}", "keep one of them")


def check_timezone(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """Against this host's zones; where it has none, against their form."""
    known = zoneinfo.available_timezones()
    for command in statements.of("timezone"):
        zone = command.values["timezone"]
        fits = zone in known if known else re.fullmatch(r"[A-Z]\w+(/[\w+-]+)*", zone)
        if zone and not fits:
            yield Finding(command.where, f"there is no timezone '{zone}'", "give one like Etc/UTC or Europe/Paris")


def check_keyboard(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """Layouts, with or without a variant."""
    for command in statements.of("keyboard"):
        values = command.values
        for given in keyboards(values):
            stem = re.split(r"[-_ (]", given)[0]
            if stem not in LAYOUTS.split():
                yield Finding(command.where, f"there is no keyboard layout '{given}'", "give one like us, de or fr")


def keyboards(values: Mapping[str, Any]) -> list[str]:
    """The layouts of a keyboard line, the graphical ones first, in any version's words."""
    given = (*(values["x_layouts"] or ()), *(values["kbd"] or ()), values["vc_keymap"], values["keyboard"])
    return list(filter(None, given))


def check_language(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """Locales as glibc spells them, in UTF-8."""
    for command in statements.of("lang"):
        given = command.values["lang"]
        if not re.fullmatch(r"(C|[a-z]{2,3}_[A-Z]{2})\.UTF-8(@\w+)?", given):
            yield Finding(command.where, f"'{given}' is not a locale in UTF-8", "give one like en_US.UTF-8 or C.UTF-8")


def check_partitions(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """Sizes, filesystems, mount points, and that they fit."""
    parts = statements.of("part", "partition")
    seen: dict[str, Where] = {}
    for part in parts:
        yield from _check_partition(part)
        mount = part.values["mountpoint"]
        if mount in seen:
            yield Finding(part.where, f"'{mount}' is given twice", f"the other stands at {seen[mount]}")
        seen.setdefault(mount, part.where)
    yield from _check_growing([part for part in parts if part.values["grow"]])
    if parts and "/" not in seen and not statements.faults:
        yield Finding(parts[-1].where, "no partition is mounted at /", "add part / --fstype=ext4 --grow")
    needed = sum(max(part.values["size"] or 0, 0) for part in parts)
    if needed >= recipe.disk.size_gib * 1024:
        yield Finding(
            parts[-1].where,
            f"the partitions need {needed} MiB, the disk has {recipe.disk.size_gib} GiB",
            f"raise size_gib at {recipe.where('disk', 'size_gib')}, or ask for less",
        )


def _check_partition(part: Command) -> Iterator[Finding]:
    values, mount = part.values, part.values["mountpoint"]
    if not re.fullmatch(rf"{MOUNT}|swap|biosboot|(raid|pv|btrfs)\.\w+", mount, re.ASCII):
        fix = "give a path of letters, digits, '.', '_', '+' and '-', or biosboot"
        yield Finding(part.where, f"'{quoted(mount)}' is no place to mount at", fix)
    if any(PurePosixPath(mount).is_relative_to(folder) for folder in VOLATILE):
        yield Finding(part.where, f"'{mount}' is made anew at every boot", "leave it out")
    if mount in ON_ROOT:
        yield Finding(part.where, f"'{mount}' cannot be a filesystem of its own", "leave it out: it lies on /")
    for name, words in (("label", "label"), ("fsopts", "fsoptions")):
        if " " in (values[name] or ""):
            yield Finding(part.where, f"--{words}='{quoted(values[name])}' holds a space", "take the space out")
    if values["fstype"] and values["fstype"] not in FILESYSTEMS:
        yield Finding(
            part.where, f"there is no filesystem '{values['fstype']}'", f"give one of {', '.join(FILESYSTEMS)}"
        )
    size = values["size"]
    if size is None and not values["recommended"] and not values["hibernation"]:
        yield Finding(part.where, f"'{mount}' has no --size", "give its size in MiB, with --grow for all that is left")
    elif size is not None and size <= 0:
        yield Finding(part.where, f"'{mount}' has --size={size}", "give its size in MiB, 1 or more")
    if values["maxSizeMB"] and values["maxSizeMB"] < (size or 0):
        yield Finding(part.where, f"'{mount}' has --maxsize below --size", "raise --maxsize, or lower --size")


def _check_growing(growing: list[Command]) -> Iterator[Finding]:
    for part in growing[1:]:
        yield Finding(part.where, "two partitions grow", f"only one can take what is left: {growing[0].where} does")


def check_urls(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """Of the package sources."""
    for command in statements.of("url", "repo"):
        given = command.values["url"] if command.name == "url" else command.values["baseurl"]
        if CREDENTIALS.search(given or ""):
            fix = f"use [[repositories]] in {recipe.path.name}: user_from and password_from name variables"
            yield Finding(command.where, f"{command.name} holds credentials", fix)
        elif given and not split_url(given):
            yield Finding(command.where, f"'{quoted(given)}' is not a URL", "give http://…, https://… or file:///…")


def check_addresses(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """IP addresses, names of interfaces and hosts."""
    for command in statements.of("network"):
        for name in ("ip", "netmask", "gateway"):
            if command.values[name] and not _is_address(command.values[name]):
                yield Finding(
                    command.where, f"--{name}={command.values[name]} is not an IP address", "give one like 192.0.2.10"
                )
        for address in filter(None, (command.values["nameserver"] or "").split(",")):
            if not _is_address(address):
                yield Finding(command.where, f"--nameserver={address} is not an IP address", "give one like 192.0.2.10")
        device, hostname = command.values["device"] or "", command.values["hostname"] or ""
        if re.fullmatch(HARDWARE_ADDRESS, device):
            yield Finding(command.where, "the interface is named by its hardware address", "give --device=eth0")
        elif device and not re.fullmatch(INTERFACE, device):
            yield Finding(command.where, f"--device={quoted(device)} is no interface's name", "give --device=eth0")
        if hostname and not re.fullmatch(HOSTNAME, hostname):
            fix = "give letters, digits, hyphens and dots, 64 at most"
            yield Finding(command.where, f"--hostname={quoted(hostname)} is no host's name", fix)


def check_services(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """A service cannot be both."""
    for command in statements.of("services"):
        for name in sorted({*command.values["enabled"]} & {*command.values["disabled"]}):
            yield Finding(command.where, f"service {name} is both enabled and disabled", "choose one")
        for name in sorted({*command.values["enabled"], *command.values["disabled"]}):
            if not re.fullmatch(r"[\w@.:-]+", name):
                yield Finding(command.where, f"'{name}' is not the name of a unit", "separate names by commas")


def check_accounts(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """Names, and whose the keys are."""
    users = {command.values["name"]: command.where for command in statements.of("user")}
    for command in statements.of("user"):
        if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", command.values["name"]):
            yield Finding(
                command.where,
                f"'{command.values['name']}' is not a user's name",
                "give lower-case letters, digits, '-' and '_', 32 at most",
            )
        if users[command.values["name"]] != command.where:
            yield Finding(command.where, f"user {command.values['name']} is made twice", "keep one")
    for command in statements.of("sshkey"):
        user = command.values["username"]
        if user not in users:
            yield Finding(command.where, f"sshkey for '{user}', whom no line makes", "add a user line")
        if not re.match(r"(ssh-(rsa|ed25519)|ecdsa-sha2-\S+|sk-\S+) [A-Za-z0-9+/=]{60,}", command.values["key"]):
            yield Finding(command.where, "this is not a public key", "give the line that stands in its .pub file")


def check_interpreters(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """Whether a script's interpreter will be there."""
    names = set((statements.packages or {}).get("names", ()))
    for script in statements.scripts:
        given = script.values["interpreter"]
        brought = names & {*BROUGHT_BY.get(given.rpartition("/")[2], ())} and given.startswith(("/bin/", "/usr/bin/"))
        if script.values["in_chroot"] and given not in INTERPRETERS and not brought:
            fix = f"give one of {', '.join(INTERPRETERS)}, or add its package"
            yield Finding(script.where, f"no package of this kickstart brings {given}", fix)


def check_packages(statements: Statements, recipe: Recipe) -> Iterator[Finding]:
    """Names as the family spells them, none both wanted and excluded."""
    pattern = DEBIAN_NAME if recipe.family == "debian" else RPM_NAME
    seen: dict[str, Where] = {}
    for entry in statements.entries:
        name = entry.text.removeprefix("-")
        if name.startswith("@"):
            continue
        if not pattern.fullmatch(name):
            yield Finding(entry.where, f"'{name}' is not a package's name", "give it as the distribution spells it")
        if name in seen:
            yield Finding(entry.where, f"package {name} is given twice", f"the other stands at {seen[name]}")
        seen.setdefault(name, entry.where)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


CHECKS: Final[tuple[Check, ...]] = (
    check_characters,
    check_repeated,
    check_timezone,
    check_keyboard,
    check_language,
    check_partitions,
    check_urls,
    check_addresses,
    check_services,
    check_accounts,
    check_interpreters,
    check_packages,
)
