"""One small system for all tests of this folder: a private repository with a login, a package tree, a disk from it."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import http.server
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from flight.workflows.install import build_disk, install_packages
from flight.workflows.kickstart.mirrors import host_mirrors
from flight.workflows.kickstart.plan import (
    Bootloader,
    InstallPlan,
    Packages,
    Repository,
    Script,
    Services,
    SshKey,
    User,
    VendorFile,
    Where,
)
from flight.workflows.settings import Programs

USER, PASSWORD = "ada", "n0t-t0-be-f0und"
PACKAGES = (
    "e2fsprogs",
    "grub-efi-amd64-signed",
    "grub-pc-bin",
    "grub2-common",
    "initramfs-tools",
    "linux-image-cloud-amd64",
    "openssh-server",
    "shim-signed",
    "systemd-sysv",
    "udev",
    "vendor-tool",
    "zstd",
)
NEW_KERNEL = "9.9.9-flight-amd64"
PROBE = """\
exec > /root/probe 2>&1
[ "$(ls /proc | grep -c '^[0-9]')" -le 6 ] && echo "processes few"
echo "interfaces $(ls /sys/class/net | tr '\\n' ' ')"
echo "up $(grep -l up /sys/class/net/*/operstate)"
echo "hostname $(cat /proc/sys/kernel/hostname)"
echo "root $(ls / | tr '\\n' ' ')"
echo "bounding $(grep CapBnd /proc/self/status | cut -f2)"
mount -t tmpfs none /mnt && echo "did mount"
mknod /root/disk b 8 0 && echo "did mknod"
hostname other && echo "did hostname"
echo x > /proc/sys/kernel/core_pattern && echo "did core_pattern"
echo b > /proc/sysrq-trigger && echo "did sysrq"
ls /proc/1/root/var/tmp/* && echo "did see the host"
exit 0
"""
UPDATE = """\
set -e
update-grub
printf '#!/bin/sh\\nexit 1\\n' > /usr/local/sbin/systemd-detect-virt
chmod 755 /usr/local/sbin/systemd-detect-virt
dpkg -i /root/new-kernel.deb
cp /boot/grub/grub.cfg /root/grub-after-update
rm /root/new-kernel.deb /usr/local/sbin/systemd-detect-virt
"""
"""A kernel update as a running machine sees it: in what it takes for a container, the hook writes no menu."""


@dataclass(frozen=True)
class Small:
    """Where everything lies."""

    plan: InstallPlan
    work: Path
    tree: Path
    tree_facts: dict[str, Any]
    disk: Path
    disk_facts: dict[str, Any]

    @property
    def cache(self) -> Path:
        return self.work / "cache"

    @property
    def logs(self) -> Path:
        return self.work / "logs"


@dataclass(frozen=True)
class PrivateRepository:
    url: str
    key: Path
    folder: Path


def make_deb(folder: Path, name: str, files: dict[str, str], scripts: dict[str, str], *, version: str = "1.0") -> Path:
    """A package file of a few texts."""
    staged = folder / f"{name}-staged"
    for path, text in {**files, **{f"DEBIAN/{script}": body for script, body in scripts.items()}}.items():
        at = staged / path.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)
        at.chmod(0o755 if path.startswith("DEBIAN/") else 0o644)
    control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: A Test <a@b.example>\n"
    (staged / "DEBIAN").mkdir(exist_ok=True)
    (staged / "DEBIAN/control").write_text(f"{control}Description: made by a test\n")
    deb = folder / f"{name}_{version}_amd64.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", staged, deb], check=True, capture_output=True)
    return deb


@pytest.fixture(scope="session")
def signing_home() -> Iterator[Path]:
    """A GnuPG home with a key of its own; its path is short, since a socket lies in it."""
    with tempfile.TemporaryDirectory(prefix="gpg", dir="/tmp") as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
        subprocess.run(
            [*gpg, "--quick-gen-key", "vendor@b.example", "ed25519", "sign"], check=True, capture_output=True
        )
        yield Path(home)
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True, capture_output=True)


@pytest.fixture(scope="session")
def private_repository(signing_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRepository]:
    """A signed repository on loopback that wants a login."""
    folder = tmp_path_factory.mktemp("vendor")
    deb = make_deb(folder, "vendor-tool", {"/usr/share/vendor/tool": "works\n"}, {})
    control = subprocess.run(["dpkg-deb", "--field", deb], check=True, capture_output=True, text=True).stdout
    raw = deb.read_bytes()
    stanza = f"{control}Filename: {deb.name}\nSize: {len(raw)}\nSHA256: {hashlib.sha256(raw).hexdigest()}\n"
    sign_repository(folder, signing_home, stanza)
    key = folder / "vendor.asc"
    gpg = ["gpg", "--homedir", signing_home, "--armor", "--export"]
    key.write_bytes(subprocess.run(gpg, check=True, capture_output=True).stdout)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(LoginWanted, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield PrivateRepository(f"http://127.0.0.1:{server.server_port}/", key, folder)
        server.shutdown()


def sign_repository(folder: Path, home: Path, packages: str) -> None:
    """Write Packages and a signed InRelease for the suite `own`."""
    at = folder / "dists/own/main/binary-amd64"
    at.mkdir(parents=True, exist_ok=True)
    (at / "Packages").write_text(packages)
    (at / "Packages.gz").write_bytes(gzip.compress(packages.encode(), mtime=0))
    sums = "".join(
        f" {hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_size} main/binary-amd64/{path.name}\n"
        for path in sorted(at.iterdir())
    )
    release = folder / "dists/own/Release"
    date = formatdate(time.time() - 3600, usegmt=True).replace("GMT", "UTC")
    release.write_text(
        f"Origin: Vendor\nSuite: own\nCodename: own\nDate: {date}\n"
        f"Architectures: amd64\nComponents: main\nSHA256:\n{sums}"
    )
    gpg = ["gpg", "--homedir", home, "--batch", "--yes", "--clearsign", "--output", folder / "dists/own/InRelease"]
    subprocess.run([*gpg, release], check=True, capture_output=True)


class LoginWanted(http.server.SimpleHTTPRequestHandler):
    """Serves a folder to who knows the password."""

    def do_GET(self) -> None:
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="vendor"')
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *args: Any) -> None:
        """Stays silent."""


@pytest.fixture(scope="session")
def small_plan(private_repository: PrivateRepository, tmp_path_factory: pytest.TempPathFactory) -> InstallPlan:
    """The least that boots both ways, with a probe and a kernel update among its scripts."""
    folder = tmp_path_factory.mktemp("files")
    kernel = make_deb(
        folder,
        f"linux-image-{NEW_KERNEL}",
        {f"/boot/vmlinuz-{NEW_KERNEL}": "a kernel\n", f"/boot/config-{NEW_KERNEL}": "CONFIG_RD_ZSTD=y\n"}
        | {f"/lib/modules/{NEW_KERNEL}/{name}": "" for name in ("modules.order", "modules.builtin")},
        {"postinst": f"#!/bin/sh\nset -e\nrun-parts --arg={NEW_KERNEL} --arg=/boot/vmlinuz-{NEW_KERNEL} "
                     "/etc/kernel/postinst.d\n"},
    )  # fmt: skip
    digest = hashlib.sha256(kernel.read_bytes()).hexdigest()
    repository = Repository(
        "vendor", private_repository.url, "own", ("main",), str(private_repository.key),
        user_from="VENDOR_USER", password_from="VENDOR_PASSWORD",
    )  # fmt: skip
    return InstallPlan(
        recipe="small",
        version="1",
        family="debian",
        release="trixie",
        mirror=host_mirrors().archive,
        packages=Packages(PACKAGES, recommends=False, where=Where("small.ks", 5)),
        repositories=(repository,),
        image_sources=("deb http://azure.example/debian trixie main",),
        bootloader=Bootloader(("console=tty0", "console=ttyS0,115200n8"), timeout_s=1),
        users=(User("grace", ("adm",), "Grace"),),
        keys=(SshKey("grace", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 grace"),),
        services=Services(("ssh",), ("apt-daily.timer",), Where("small.ks", 6)),
        files=(VendorFile(str(kernel), "/root/new-kernel.deb", digest),),
        scripts=(
            Script("post", PROBE, where=Where("small.ks", 20)),
            Script("post", UPDATE, where=Where("small.ks", 40)),
            Script("post", "echo noted", log="/root/noted.log", where=Where("small.ks", 60)),
        ),
    )


@pytest.fixture(scope="session")
def small(small_plan: InstallPlan, tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The tree and the disk, built once."""
    work = tmp_path_factory.mktemp("small")
    tree, disk = work / "small.tree", work / "small.qcow2"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VENDOR_USER", USER)
        patch.setenv("VENDOR_PASSWORD", PASSWORD)
        tree_facts = install_packages(small_plan, tree, cache=work / "cache", programs=Programs(), log_to=work / "logs")
    disk_facts = build_disk(small_plan, tree, disk, programs=Programs(), log_to=work / "logs")
    return Small(small_plan, work, tree, tree_facts, disk, disk_facts)


@pytest.fixture(scope="session")
def raw_disk(small: Small) -> Path:
    """The disk as a sparse file, for readers that know no qcow2."""
    raw = small.work / "small.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", small.disk, raw], check=True)
    return raw
