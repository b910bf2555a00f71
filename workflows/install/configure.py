"""What every family's system is told in files: fstab, names, locale, clock, keys, vendors' files. Text from values.

Files are written by `write_files` from inside the tree, so that a link in it never leads out to this machine's own.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flight.workflows.install.layout import Layout, render_fstab
from flight.workflows.kickstart.plan import InstallPlan, Network, User, VendorFile
from flight.workflows.kit.errors import RecipeError

SERIAL = re.compile(r"console=ttyS(\d+)(?:,(\d+))?")
DEFAULT_BAUD = 115200
UTC = ("UTC", "Etc/UTC")
NO_HOSTNAME = "localhost"
"""What an image is called whose machines get their names from the cloud."""


@dataclass(frozen=True)
class TreeFile:
    """A file to be in the tree; a `link` has no content. Owner and group are names, or numbers as text."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    link: str = ""


def text_file(path: str, text: str, *, mode: int = 0o644) -> TreeFile:
    return TreeFile(path, text.encode(), mode)


def shared_files(plan: InstallPlan, layout: Layout) -> Iterator[TreeFile]:
    """The files that mean the same in every family."""
    hostname = plan.network.hostname or NO_HOSTNAME
    yield text_file("/etc/fstab", render_fstab(layout))
    yield text_file("/etc/hostname", f"{hostname}\n")
    yield text_file("/etc/hosts", render_hosts(hostname))
    yield TreeFile("/etc/localtime", link=f"../usr/share/zoneinfo/{plan.timezone}")
    yield TreeFile("/etc/machine-id", mode=0o444)
    if not plan.utc:
        yield text_file("/etc/adjtime", "0.0 0 0.0\n0\nLOCAL\n")


def render_hosts(hostname: str) -> str:
    """hosts(5). A name of the image's own follows Debian's use of 127.0.1.1."""
    own = [] if hostname == NO_HOSTNAME else [f"127.0.1.1 {hostname} {hostname.split('.')[0]}".strip()]
    lines = ["127.0.0.1 localhost", *own, "::1 localhost ip6-localhost ip6-loopback"]
    return "\n".join([*lines, "ff02::1 ip6-allnodes", "ff02::2 ip6-allrouters", ""])


def render_grub_defaults(plan: InstallPlan) -> str:
    """/etc/default/grub: the menu on screen and serial line, the kernel's arguments in every entry."""
    arguments = " ".join(plan.bootloader.append)
    lines = [
        "GRUB_DEFAULT=0",
        f"GRUB_TIMEOUT={plan.bootloader.timeout_s}",
        "GRUB_DISTRIBUTOR=`. /etc/os-release; echo ${NAME}`",
        'GRUB_CMDLINE_LINUX_DEFAULT=""',
        f"GRUB_CMDLINE_LINUX={shlex.quote(arguments)}",
        "GRUB_DISABLE_OS_PROBER=true",
    ]
    serial = SERIAL.search(arguments)
    if serial:
        unit, baud = serial[1], serial[2] or DEFAULT_BAUD
        lines.append('GRUB_TERMINAL="console serial"')
        lines.append(f'GRUB_SERIAL_COMMAND="serial --unit={unit} --speed={baud} --word=8 --parity=no --stop=1"')
    else:
        lines.append("GRUB_TERMINAL=console")
    return "\n".join(lines) + "\n"


def networkd_file(network: Network) -> TreeFile:
    """systemd.network(5): one interface by name. It sorts after what cloud-init and netplan write, and gives way to it."""
    wanted = "yes" if network.ipv6 else "ipv4"
    text = f"[Match]\nName={network.device}\n\n[Network]\nDHCP={wanted}\n"
    return text_file(f"/etc/systemd/network/80-{network.device}.network", text)


def useradd(user: User) -> list[str]:
    """The account as useradd makes it: locked, since no password is ever carried."""
    argv = ["useradd", "--create-home", "--shell", user.shell]
    argv += ["--comment", user.gecos] if user.gecos else []
    argv += ["--home-dir", user.home] if user.home else []
    argv += ["--uid", str(user.uid)] if user.uid is not None else []
    argv += ["--gid", str(user.gid)] if user.gid is not None else ["--user-group"]
    argv += ["--groups", ",".join(user.groups)] if user.groups else []
    return [*argv, user.name]


def vendor_files(plan: InstallPlan) -> Iterator[TreeFile]:
    """The recipe's own files, each what its digest says. Raises RecipeError."""
    for each in plan.files:
        raw = _checked(each)
        yield TreeFile(each.to, raw, int(each.mode, 8), each.owner, each.group)


def _checked(file: VendorFile) -> bytes:
    try:
        raw = Path(file.source).read_bytes()
    except OSError as error:
        raise RecipeError(
            f"the file {file.source} cannot be read", why=str(error.strerror), fix="put it there, or correct [[files]]"
        ) from None
    found = hashlib.sha256(raw).hexdigest()
    if file.sha256 and found != file.sha256.lower():
        raise RecipeError(
            f"the file {file.source} was changed while the build ran",
            why=f"its SHA-256 was {file.sha256} when the recipe was read, and is {found} now",
            fix="run it again: what depends on the file is made anew",
        )
    return raw


def key_files(plan: InstallPlan, passwd: str) -> Iterator[TreeFile]:
    """authorized_keys of every user who has keys. Raises RecipeError for a user that does not exist."""
    homes = {fields[0]: fields for line in passwd.splitlines() if len(fields := line.split(":")) > 6}
    for user in dict.fromkeys(key.user for key in plan.keys):
        keys = [key for key in plan.keys if key.user == user]
        if user not in homes:
            raise RecipeError(
                f"{keys[0].where}: there is no user '{user}' to give a key to",
                fix="add a user line, or the package that makes the account",
            )
        _, _, uid, gid, _, home, _ = homes[user][:7]
        yield TreeFile(f"{home}/.ssh/", mode=0o700, owner=uid, group=gid)
        text = "".join(f"{key.key.strip()}\n" for key in keys)
        yield TreeFile(f"{home}/.ssh/authorized_keys", text.encode(), 0o600, uid, gid)


def write_files(files: Iterable[TreeFile]) -> None:
    """Write files below / (call it with `isolation.from_inside`). A path that ends in / is a folder."""
    users, groups = _numbers("/etc/passwd"), _numbers("/etc/group")
    for each in files:
        try:
            _write(each, _number(each.owner, users), _number(each.group, groups))
        except KeyError as error:
            raise RecipeError(
                f"the file {each.path} shall belong to {error}, whom the system does not know",
                fix="correct owner and group in [[files]], or add the package or user line that makes the account",
            ) from None
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise RecipeError(
                f"{each.path} cannot be written into the system",
                why=f"{error.filename} is there already, as something else than a file or folder of that place",
                fix="choose another path, or mend the script or package that put it there",
            ) from None


def _write(file: TreeFile, owner: int, group: int) -> None:
    path = Path(file.path)
    if file.path.endswith("/"):
        path.mkdir(parents=True, exist_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if file.link:
            path.symlink_to(file.link)
            return
        path.write_bytes(file.content)
    os.chown(path, owner, group)
    path.chmod(file.mode)


def _number(name: str, known: dict[str, int]) -> int:
    return int(name) if name.isdecimal() else known[name]


def _numbers(path: str) -> dict[str, int]:
    if not os.path.isfile(path):
        return {"root": 0}
    rows = (line.split(":") for line in Path(path).read_text(errors="surrogateescape").split("\n"))
    return {row[0]: int(row[2]) for row in rows if len(row) > 2 and row[2].isdecimal()}
