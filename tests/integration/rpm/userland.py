"""Programs and libraries: EL's package names, filled from Debian's packages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from rpm.debs import Deb
from rpm.packaging import Package
from rpm.programs import ran

LIBRARY = re.compile(r"(lib|zlib)(?!perl|python|icu|c-l10n)(?!.*-perl$)")
"""Debs that hold shared libraries; those of Perl, Python and ICU are large, and nothing here needs them."""


def make_locale(stage: Path, debs: Mapping[str, Deb]) -> None:
    """en_US.UTF-8, compiled by the host's localedef: Debian ships locales as sources."""
    sources, to = stage / "i18n", stage / "usr/lib/locale/en_US.utf8"
    debs["locales"].extract("usr/share/i18n/", sources)
    to.parent.mkdir(parents=True)
    ran(["localedef", "--no-archive", "-i", "en_US", "-f", "UTF-8", to], env={"I18NPATH": str(sources)})
    shutil.rmtree(sources)


USERLAND = (
    Package(
        "glibc",
        ("libc6", "libc-bin"),
        drop=("usr/share/libc-bin/*", "usr/lib/locale/*", "usr/bin/localedef", "*/gconv/*"),
        requires=("basesystem", "libgcc-s1", "glibc-langpack"),
        provides=("/sbin/ldconfig", "ldconfig", "glibc-common", "rtld(GNU_HASH)"),
        folders=("var/cache/ldconfig",),
        modes={"var/cache/ldconfig": 0o700},
        scripts={
            "post -p /sbin/ldconfig": "",
            "transfiletriggerin -p <lua> -- /usr/lib64 /usr/lib/x86_64-linux-gnu": 'rpm.execute("/sbin/ldconfig")',
        },
    ),
    Package("glibc-minimal-langpack", ("libc-bin",), keep=("usr/lib/locale/*",), provides=("glibc-langpack",)),
    Package("glibc-langpack-en", ("locales",), keep=(), made=make_locale, provides=("glibc-langpack",)),
    Package("bash", ("bash",), drop=("etc/*",), links={"usr/bin/sh": "bash"}, provides=("/bin/sh", "/bin/bash")),
    Package("coreutils", ("coreutils",), provides=("/bin/cat", "/bin/true")),
    Package("tzdata", ("tzdata",), drop=("usr/share/zoneinfo/posix/*", "usr/share/zoneinfo/right/*")),
    Package("ncurses-base", ("ncurses-base",)),
    Package("gawk", ("mawk",), links={"usr/bin/awk": "mawk"}, drop=("usr/share/awk/*",)),
    *(
        Package(name, (name,))
        for name in ("sed", "grep", "findutils", "gzip", "tar", "cpio", "zstd", "diffutils", "less")
    ),
    *(Package(name, (name,)) for name in ("hostname", "e2fsprogs", "dosfstools")),
    Package("xz", ("xz-utils",), drop=("usr/bin/lz*",)),
    Package("which", ("debianutils",), keep=("usr/bin/which*",), links={"usr/bin/which": "which.debianutils"}),
    Package("xfsprogs", ("xfsprogs",), drop=("usr/sbin/xfs_scrub*",)),
    Package("iproute", ("iproute2",), drop=("*/q_atm.so",)),
    Package("procps-ng", ("procps",)),
    Package("kmod", ("kmod",)),
    Package(
        "pam",
        ("libpam-modules", "libpam-modules-bin"),
        folders=("etc/security/limits.d",),
        drop=("usr/lib/systemd/*",),
    ),
    Package(
        "util-linux",
        ("util-linux", "mount", "bsdutils", "util-linux-extra", "fdisk", "login"),
        drop=("etc/pam.d/*", "etc/login.defs", "usr/bin/newgrp", "usr/bin/sg", "usr/bin/faillog", "usr/bin/lastlog"),
        requires=("pam",),
    ),
    Package(
        "shadow-utils",
        ("passwd", "login"),
        also=("login.defs",),
        keep=("usr/bin/*", "usr/sbin/*", "etc/login.defs"),
        drop=("usr/bin/passwd", "usr/bin/login", "usr/sbin/nologin", "usr/bin/ch[fs]?", "usr/sbin/shadowconfig"),
        requires=("pam", "setup"),
    ),
    Package("passwd", ("passwd",), keep=("usr/bin/passwd",), requires=("pam",)),
    Package(
        "rpm",
        ("rpm", "rpm-common"),
        keep=("usr/bin/rpm", "usr/bin/rpm?*", "usr/lib/rpm/*"),
        drop=(
            "usr/bin/rpmbuild",
            "usr/bin/rpmspec",
            "usr/bin/rpmsign",
            "usr/bin/rpmgraph",
            "usr/lib/rpm/brp-*",
            "usr/lib/rpm/check-*",
            "usr/lib/rpm/fileattrs/*",
            "usr/lib/rpm/elfdeps",
            "usr/lib/rpm/platform/[!nx]*",
            "usr/lib/rpm/*.py",
        ),
        folders=("var/lib/rpm",),
    ),
    Package(
        "sudo",
        ("sudo",),
        drop=("etc/pam.d/*", "etc/sudoers", "usr/lib/systemd/*", "usr/include/*"),
        modes={"etc/sudoers": 0o440},
    ),
    Package("openssh-clients", ("openssh-client",), drop=("usr/bin/ssh-keygen",)),
    Package("openssh", ("openssh-client",), keep=("usr/bin/ssh-keygen",)),
    Package("authselect", folders=("etc/authselect",)),
)


def libraries(debs: Mapping[str, Deb], packages: Iterable[Package]) -> list[Package]:
    """Every library that came along, under Debian's name; it needs what its deb needs among those."""
    used = {name for package in packages for name in package.debs}
    rest = {name: deb for name, deb in debs.items() if LIBRARY.match(name) and name not in used}
    return [
        Package(name, (name,), drop=("etc/init.d/*",), requires=tuple(need for need in deb.needs if need in rest))
        for name, deb in rest.items()
    ]
