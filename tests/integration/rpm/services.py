"""What runs all the time: systemd and the services that EL's core group starts."""

from __future__ import annotations

from rpm.packaging import Package


def user(name: str, group_id: int, *, home: str, note: str) -> str:
    """A %pre that makes a system account, as EL's packages do."""
    return (
        f"getent group {name} >/dev/null || groupadd -g {group_id} -r {name} || :\n"
        f"getent passwd {name} >/dev/null || \\\n"
        f"    useradd -c '{note}' -u {group_id} -g {name} -s /sbin/nologin -r -d {home} {name} 2>/dev/null || :"
    )


def units(*names: str) -> dict[str, str]:
    """The sections that turn units on when they come, and off when they go."""
    preset = "\n".join(f"    systemctl --no-reload preset {name} || :" for name in names)
    disable = "\n".join(f"    systemctl --no-reload disable --now {name} || :" for name in names)
    return {"post": f"if [ $1 -eq 1 ]; then\n{preset}\nfi", "preun": f"if [ $1 -eq 0 ]; then\n{disable}\nfi"}


SERVICES = (
    Package(
        "systemd",
        ("systemd", "systemd-sysv"),
        drop=("usr/lib/systemd/system-preset/*", "usr/lib/kernel/install.d/*initrd.install", "usr/lib/pam.d/*"),
        requires=("dbus", "pam", "util-linux", "systemd-pam", "libkmod2"),
        provides=("/sbin/init", "systemd-sysusers"),
        folders=(
            "var/lib/systemd/linger",
            "etc/systemd/system",
            "etc/systemd/network",
            "etc/tmpfiles.d",
            "etc/sysctl.d",
        ),
        scripts={
            "post": "systemd-machine-id-setup >/dev/null 2>&1 || :\n"
            "systemd-sysusers || :\n"
            "if [ $1 -eq 1 ]; then\n    systemctl preset-all >/dev/null 2>&1 || :\nfi",
            "transfiletriggerin -P 1000700 -- /usr/lib/sysusers.d": "systemd-sysusers || :",
            "transfiletriggerin -P 1000500 -- /usr/lib/tmpfiles.d": "systemd-tmpfiles --create >/dev/null 2>&1 || :",
        },
    ),
    Package(
        "systemd-udev",
        ("udev",),
        requires=("systemd", "kmod"),
        scripts={"post": "udevadm hwdb --update >/dev/null 2>&1 || :"},
    ),
    Package("systemd-pam", ("libpam-systemd",), drop=("usr/share/pam-configs/*",)),
    Package(
        "dbus",
        ("dbus", "dbus-daemon", "dbus-bin", "dbus-system-bus-common", "dbus-session-bus-common"),
        requires=("systemd",),
        tags={"Requires(pre)": "shadow-utils"},
        modes={"usr/lib/dbus-1.0/dbus-daemon-launch-helper": 0o4750},
        owners={"usr/lib/dbus-1.0/dbus-daemon-launch-helper": "root:messagebus"},
        scripts={"pre": user("messagebus", 81, home="/", note="System message bus")},
    ),
    Package(
        "openssh-server",
        ("openssh-server", "openssh-sftp-server"),
        keep=("usr/sbin/sshd", "usr/lib/openssh/*", "usr/libexec/*", "etc/ssh/moduli"),
        modes={"etc/ssh/sshd_config": 0o600, "etc/ssh/sshd_config.d/50-redhat.conf": 0o600},
        requires=("openssh", "pam"),
        tags={"Requires(pre)": "shadow-utils", "Requires(post)": "systemd"},
        scripts={
            "pre": user("sshd", 74, home="/usr/share/empty.sshd", note="Privilege-separated SSH"),
            **units("sshd.service"),
        },
    ),
    Package(
        "chrony",
        ("chrony",),
        keep=("usr/bin/chronyc", "usr/sbin/chronyd"),
        folders=("var/lib/chrony", "var/log/chrony"),
        owners={"var/lib/chrony": "chrony:chrony", "var/log/chrony": "chrony:chrony"},
        tags={"Requires(pre)": "shadow-utils", "Requires(post)": "systemd"},
        scripts={
            "pre": user("chrony", 994, home="/var/lib/chrony", note="chrony system user"),
            **units("chronyd.service"),
        },
    ),
    Package(
        "NetworkManager",
        ("network-manager",),
        drop=(
            "etc/*",
            "var/lib/polkit-1/*",
            "usr/lib/pppd/*",
            "usr/bin/nmtui*",
            "*-ppp-plugin.so",
            "*-wwan.so",
            "*-plugin-adsl.so",
            "*-plugin-bluetooth.so",
            "*-plugin-team.so",
            "*-plugin-wifi.so",
            "*-plugin-wwan.so",
            "*-ifupdown.so",
        ),
        folders=("etc/NetworkManager/system-connections", "etc/NetworkManager/conf.d", "var/lib/NetworkManager"),
        modes={"etc/NetworkManager/system-connections": 0o700},
        requires=("dbus",),
        tags={"Requires(post)": "systemd"},
        scripts=units("NetworkManager.service"),
    ),
    Package(
        "firewalld", folders=("etc/firewalld",), tags={"Requires(post)": "systemd"}, scripts=units("firewalld.service")
    ),
)
