"""What boots it: dracut, GRUB and shim under EL's names and in its places, and SELinux's policy."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from rpm.debs import Deb
from rpm.packaging import Package
from rpm.programs import ran

VENDOR = "testlinux"
EARLY = "set prefix=$cmdpath\nconfigfile $cmdpath/grub.cfg\n"
"""EL's GRUB reads the configuration that lies beside itself, wherever that is; Debian's signed one insists on EFI/debian."""
EFI_MODULES = (
    *(
        "part_gpt",
        "part_msdos",
        "fat",
        "ext2",
        "xfs",
        "normal",
        "configfile",
        "search",
        "search_fs_uuid",
        "echo",
        "linux",
    ),
    *(
        "loadenv",
        "test",
        "minicmd",
        "all_video",
        "efi_gop",
        "serial",
        "terminal",
        "gzio",
        "ls",
        "reboot",
        "halt",
        "sleep",
    ),
)
EFI_MODES = {path: 0o700 for path in ("boot/efi", "boot/efi/EFI", "boot/efi/EFI/BOOT", f"boot/efi/EFI/{VENDOR}")}


def make_policy(stage: Path, debs: Mapping[str, Deb]) -> None:
    """SELinux's policy, linked by the host's semodule as Debian's package does when it is installed."""
    root, modules = stage / "building", stage / "building/modules"
    deb = debs["selinux-policy-default"]
    deb.extract("etc/selinux/default/", root / "etc/selinux/targeted")
    deb.extract("usr/share/selinux/default/", modules)
    (root / "etc/selinux/config").write_text("SELINUX=disabled\nSELINUXTYPE=targeted\n")
    (root / "var/lib/selinux/targeted").mkdir(parents=True)
    wanted = (modules / ".modules").read_text().split()
    argv: list[str | Path] = ["semodule", "--noreload", "--path", root, "--store", "targeted", "-X", "100"]
    ran([*argv, *(f"--install={modules}/{name}.pp.bz2" for name in wanted)])
    shutil.copytree(root / "etc/selinux/targeted", stage / "etc/selinux/targeted")
    shutil.rmtree(root)


def make_grub(stage: Path, debs: Mapping[str, Deb]) -> None:
    """grubx64.efi from the modules of Debian's package, by the host's grub-mkimage."""
    modules, early, to = stage / "modules", stage / "early.cfg", stage / f"boot/efi/EFI/{VENDOR}/grubx64.efi"
    debs["grub-efi-amd64-bin"].extract("usr/lib/grub/x86_64-efi/", modules)
    early.write_text(EARLY)
    to.parent.mkdir(parents=True)
    ran(["grub-mkimage", "-O", "x86_64-efi", "-d", modules, "-p", "", "-c", early, "-o", to, *EFI_MODULES])
    early.unlink()
    shutil.rmtree(modules)


def make_shim(stage: Path, debs: Mapping[str, Deb]) -> None:
    """The fallback's list of boot entries, in the encoding of UEFI."""
    text = f"shimx64.efi,{VENDOR},,This is the boot entry for Test Linux\n"
    (stage / f"boot/efi/EFI/{VENDOR}/BOOTX64.CSV").write_bytes(text.encode("utf-16"))
    (stage / "boot/efi/EFI/BOOT").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(stage / f"boot/efi/EFI/{VENDOR}/shimx64.efi", stage / "boot/efi/EFI/BOOT/BOOTX64.EFI")


QUICK = 'compress="zstd -3 -q -T0"\n'
"""dracut's own choice is level 15, half a minute of every disk."""
BOOTING = (
    Package(
        "dracut",
        ("dracut-core",),
        also=("dracut-install",),
        drop=("etc/*", "usr/lib/kernel/*"),
        files={"etc/dracut.conf.d/quick.conf": QUICK},
        folders=("etc/dracut.conf.d",),
        requires=(
            "bash",
            "coreutils",
            "cpio",
            "findutils",
            "grep",
            "gzip",
            "kmod",
            "sed",
            "systemd-udev",
            "util-linux",
            "zstd",
        ),
    ),
    Package(
        "policycoreutils",
        ("policycoreutils",),
        keep=("usr/sbin/*", "usr/bin/*", "usr/libexec/*", "etc/sestatus.conf"),
        requires=("gawk", "grep", "findutils"),
    ),
    Package(
        "selinux-policy-targeted",
        ("selinux-policy-default",),
        keep=(),
        made=make_policy,
        requires=("policycoreutils",),
        provides=("selinux-policy", "selinux-policy-any"),
    ),
    Package(
        "grub2-common",
        ("grub-common",),
        keep=(),
        folders=("boot/grub2", "boot/loader/entries"),
        requires=("util-linux",),
    ),
    Package(
        "grub2-tools-minimal",
        ("grub-common",),
        keep=("usr/bin/grub-mkimage", "usr/bin/grub-editenv", "usr/bin/grub-mkrelpath", "usr/sbin/grub-probe"),
        moves={
            "usr/bin/grub-mkimage": "usr/bin/grub2-mkimage",
            "usr/bin/grub-mkrelpath": "usr/bin/grub2-mkrelpath",
            "usr/bin/grub-editenv": "usr/libexec/grub2/grub-editenv",
            "usr/sbin/grub-probe": "usr/sbin/grub2-probe",
        },
        requires=("grub2-common",),
    ),
    Package(
        "grub2-tools",
        ("grub-common",),
        keep=("usr/share/grub/unicode.pf2",),
        requires=("grub2-tools-minimal", "util-linux"),
    ),
    Package(
        "grub2-pc-modules",
        ("grub-pc-bin",),
        keep=("usr/lib/grub/i386-pc/*",),
        drop=("*/grub-*",),
        tags={"AutoReqProv": "no"},
    ),
    Package("grub2-pc", ("grub-common",), keep=(), requires=("grub2-common", "grub2-tools", "grub2-pc-modules")),
    Package(
        "grub2-efi-x64",
        ("grub-efi-amd64-bin",),
        keep=(),
        made=make_grub,
        requires=("grub2-common", "grub2-tools-minimal"),
        modes=EFI_MODES,
    ),
    Package(
        "grub2-efi-x64-modules",
        ("grub-efi-amd64-bin",),
        keep=("usr/lib/grub/x86_64-efi/*",),
        drop=("*/monolithic/*",),
        tags={"AutoReqProv": "no"},
    ),
    Package(
        "shim-x64",
        ("shim-signed", "shim-helpers-amd64-signed"),
        keep=("usr/lib/shim/*.signed",),
        moves={
            "usr/lib/shim/shimx64.efi.signed": f"boot/efi/EFI/{VENDOR}/shimx64.efi",
            "usr/lib/shim/mmx64.efi.signed": f"boot/efi/EFI/{VENDOR}/mmx64.efi",
            "usr/lib/shim/fbx64.efi.signed": "boot/efi/EFI/BOOT/fbx64.efi",
        },
        made=make_shim,
        modes=EFI_MODES,
    ),
)
