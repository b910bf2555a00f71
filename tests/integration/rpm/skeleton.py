"""What stands before any program: the folders, the accounts, and what names the distribution."""

from __future__ import annotations

from collections.abc import Iterator

from rpm.packaging import Package

KEY = "RPM-GPG-KEY-test"
LINKS = {
    **{name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")},
    **{"var/run": "../run", "var/lock": "../run/lock", "var/mail": "spool/mail"},
}
MODES = {"root": 0o550, "boot": 0o555, "proc": 0o555, "sys": 0o555, "tmp": 0o1777, "var/tmp": 0o1777}
FOLDERS = (
    *("boot", "dev", "etc", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr", "var"),
    *(f"etc/{name}" for name in ("profile.d", "skel", "sysconfig", "pam.d", "pki", "pki/rpm-gpg", "systemd", "xdg")),
    *(f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64", "libexec", "local", "share", "src")),
    *(f"usr/local/{name}" for name in ("bin", "sbin", "lib", "share", "etc")),
    *(
        f"usr/lib/{name}"
        for name in ("systemd", "systemd/system", "systemd/system-preset", "x86_64-linux-gnu", "kernel")
    ),
    *(
        f"usr/lib/{name}"
        for name in ("kernel/install.d", "sysusers.d", "tmpfiles.d", "udev", "udev/rules.d", "modules")
    ),
    *(f"usr/share/{name}" for name in ("dbus-1", "dbus-1/system.d", "dbus-1/system-services", "misc")),
    *(f"var/{name}" for name in ("adm", "cache", "lib", "log", "spool", "spool/mail", "tmp", "lib/systemd")),
)
SHARED = frozenset(FOLDERS)
MAKE_LINKS = "\n".join(
    [
        'posix.mkdir("/usr")',
        *(
            f'posix.mkdir("/usr/{name}")\nposix.symlink("usr/{name}", "/{name}")'
            for name in ("bin", "sbin", "lib", "lib64")
        ),
    ]
)
"""Before anything is unpacked: a package that comes first would else make /bin a folder."""


SKELETON = (
    Package(
        "setup",
        modes={"etc/shadow": 0, "etc/gshadow": 0},
        requires=("system-release",),
    ),
    Package(
        "filesystem",
        folders=FOLDERS,
        links=LINKS,
        modes=MODES,
        requires=("setup",),
        owners={"var/spool/mail": "root:mail"},
        provides=("filesystem(unmerged-sbin-symlinks)",),
        scripts={"pretrans -p <lua>": MAKE_LINKS},
    ),
    Package("basesystem", requires=("setup", "filesystem")),
)


def release(key: str) -> Iterator[Package]:
    """What names the distribution, and where it says that packages come from. `key` is the public key they bear."""
    yield Package(
        "testlinux-release",
        links={
            "etc/os-release": "../usr/lib/os-release",
            "etc/system-release": "testlinux-release",
            "etc/redhat-release": "testlinux-release",
        },
        provides=("system-release = 9.4", "system-release(releasever) = 9", "redhat-release = 9.4"),
        requires=("testlinux-repos",),
    )
    yield Package("testlinux-repos", files={f"etc/pki/rpm-gpg/{KEY}": key}, provides=("system-repos = 9.4",))
