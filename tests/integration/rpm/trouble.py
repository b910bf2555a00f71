"""Packages that fail, each in one way, and those that look round: tiny, all in AppStream."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from rpm.debs import Deb
from rpm.packaging import Package

BIG_MIB = 60
NOSY = """\
{
    for address in 192.0.2.1 127.0.0.1; do
        (exec 3<>"/dev/tcp/$address/80") 2>&1 && echo "reached $address"
    done
    echo "interfaces $(ls /sys/class/net 2>/dev/null | tr '\\n' ' ')"
    echo "processes $(ls /proc | grep -c '^[0-9]')"
    echo "first $(tr '\\0' ' ' </proc/1/cmdline)"
    echo "hostname $(cat /proc/sys/kernel/hostname)"
    mount -t tmpfs none /mnt && echo "did mount"
    mknod /var/lib/nosy-disk b 8 0 && echo "did mknod"
    (: >>/sys/kernel/uevent_helper) && echo "did write sys"
    (: >>/proc/sys/kernel/core_pattern) && echo "did write proc"
    ls /proc/1/root/var/tmp/. >/dev/null && echo "did see the first process's root"
    echo "environment $(env | cut -d= -f1 | sort | tr '\\n' ' ')"
} >/var/lib/nosy.txt 2>&1
exit 0
"""
"""Tries what a package's script must not do. It harms nobody where it can: what it opens for writing stays as it was."""


def make_big(stage: Path, debs: Mapping[str, Deb]) -> None:
    """Bytes that no compression makes fewer."""
    at = stage / "usr/share/big"
    at.parent.mkdir(parents=True)
    at.write_bytes(os.urandom(BIG_MIB << 20))


def failing(name: str, head: str, body: str) -> Package:
    """A package with a file, one of whose scriptlets fails."""
    return Package(name, files={f"usr/share/{name}": f"{name}\n"}, scripts={head: body}, stream="AppStream")


def plain(name: str, **fields: object) -> Package:
    """A package with one file of its own."""
    return Package(name, files={f"usr/share/{name}": f"{name}\n"}, stream="AppStream", **fields)  # type: ignore[arg-type]


def modular(stream: str) -> Package:
    """The module's package of one stream."""
    return Package(
        "modtool",
        files={"usr/bin/modtool": f"#!/bin/sh\necho {stream}\n"},
        version=stream,
        release="1.module_el9",
        stream="AppStream",
        tags={"ModularityLabel": f"modtool:{stream}:9040020240101000000:0123abcd"},
    )


SAYS = "echo {0} speaks\nexit 1"
TROUBLE = (
    failing("bad-pre", "pre", SAYS.format("bad-pre")),
    failing("bad-post", "post", SAYS.format("bad-post")),
    failing("bad-posttrans", "posttrans", SAYS.format("bad-posttrans")),
    failing("bad-pretrans", "pretrans -p <lua>", 'error("bad-pretrans speaks")'),
    failing("bad-trigger", "filetriggerin -- /usr/share/bad-trigger", "cat >/dev/null\n" + SAYS.format("bad-trigger")),
    Package("conflict-a", files={"usr/share/conflict": "a\n"}, stream="AppStream"),
    Package("conflict-b", files={"usr/share/conflict": "b\n"}, stream="AppStream"),
    plain("explicit-conflict-a", conflicts=("explicit-conflict-b",)),
    plain("explicit-conflict-b"),
    plain("needs-missing", requires=("something-nobody-has",)),
    plain("unsigned"),
    plain("foreign-signed"),
    plain("wrong-owner", owners={"usr/share/wrong-owner": "nobody-knows:nobody-knows"}),
    plain("bad-checksum"),
    plain("missing-file"),
    Package("big", made=make_big, stream="AppStream"),
    plain("nosy", scripts={"post -p /bin/bash": NOSY}, tags={"Requires(post)": "bash coreutils grep util-linux"}),
)


def damage(path: Path) -> None:
    """Change the last byte of a file, leaving its size."""
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 0xFF
    path.write_bytes(raw)
