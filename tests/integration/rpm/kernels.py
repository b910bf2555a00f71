"""The kernel under EL's package names: it announces itself to kernel-install, which makes the rest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from rpm.debs import Deb
from rpm.packaging import Package

EXTRA_MODULES = ("usr/lib/modules/*/kernel/net/*", "usr/lib/modules/*/kernel/drivers/infiniband/*")
"""In kernel-modules; what boots the machine is in kernel-core."""
KERNEL_NAMES = ("vmlinuz", "System.map", "config")


def kernel_deb(names: Iterable[str]) -> str:
    """The package that holds the kernel itself, whose name holds its release."""
    return next(name for name in names if re.fullmatch(r"linux-image-\d.*-cloud-amd64", name))


def kernel(deb: str, *, called: str = "", version: str = "") -> tuple[Package, ...]:
    """kernel, kernel-core and kernel-modules of a kernel's deb.

    `called` is another release (what uname -r would say) for the same files, `version` the packages' own then: a newer
    kernel, as far as its boot entry, its initramfs and its place in the menu go.
    """
    own = deb.removeprefix("linux-image-")
    release = called or own
    folder = f"usr/lib/modules/{release}"
    at = f"/lib/modules/{release}/vmlinuz"
    mark = f"/var/lib/rpm-state/kernel/installing_core_{release}"

    def rename(stage: Path, debs: Mapping[str, Deb]) -> None:
        if release != own:
            (stage / f"usr/lib/modules/{own}").rename(stage / folder)

    moves = {f"boot/{name}-{own}": f"usr/lib/modules/{own}/{name}" for name in KERNEL_NAMES}
    core = Package(
        "kernel-core",
        (deb,),
        keep=("boot/*", "usr/lib/modules/*"),
        drop=EXTRA_MODULES,
        moves=moves,
        made=rename,
        ghosts=(*(f"boot/{name}-{release}" for name in KERNEL_NAMES), f"boot/initramfs-{release}.img"),
        requires=("coreutils", "systemd-udev", "dracut", "grub2-common", "kmod"),
        provides=("installonlypkg(kernel)", "kernel-drm"),
        scripts={
            "post": f"mkdir -p {os.path.dirname(mark)}\ntouch {mark}",
            "preun": f"kernel-install remove {release} {at} || exit $?",
            "posttrans": f"rm -f {mark}\ndepmod -a {release}\nkernel-install add {release} {at} || exit $?",
        },
        tags={"AutoReqProv": "no"},
        version=version,
    )
    modules = Package(
        "kernel-modules",
        (deb,),
        keep=EXTRA_MODULES,
        made=rename,
        requires=("kernel-core", "kmod"),
        provides=("installonlypkg(kernel-module)",),
        scripts={"post": f"depmod -a {release} || :"},
        tags={"AutoReqProv": "no"},
        version=version,
    )
    meta = Package(
        "kernel",
        (deb,),
        keep=(),
        requires=("kernel-core", "kernel-modules"),
        provides=("installonlypkg(kernel)",),
        version=version,
    )
    return core, modules, meta
