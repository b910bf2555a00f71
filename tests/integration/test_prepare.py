"""Sysprep and trim of a real Debian root disk by real libguestfs, its filesystems read by e2fsprogs and dosfstools."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flight.workflows import digest, prepare, vhd
from flight.workflows.artefact import size_on_disk
from flight.workflows.kit.arriving import sweep
from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.progress import Progress
from flight.workflows.settings import Programs

MIB = 1 << 20
ESP_START, ROOT_START = 4096, 36864
"""First sectors of the EFI system partition (16 MiB) and of the root filesystem."""
DISK_BYTES = 4 << 30
STALE_MIB = 96
"""Bytes that were written and deleted before the disk is prepared: what the trim has to give back."""
ROOT_UUID = "11111111-2222-3333-4444-555555555555"
TABLE = f"""label: gpt
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649
start={ESP_START}, size={ROOT_START - ESP_START}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
start={ROOT_START}, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
"""
ONE_MACHINES_OWN = {
    "/etc/ssh/ssh_host_ed25519_key": "private",
    "/etc/ssh/ssh_host_ed25519_key.pub": "public",
    "/var/lib/systemd/random-seed": "seed",
    "/var/lib/systemd/credential.secret": "secret",
    "/root/.bash_history": "ls",
    "/root/.python_history": "1",
    "/home/ada/.bash_history": "ls",
    "/root/.ssh/known_hosts": "build.example ssh-ed25519 AAAA",
    "/var/log/syslog": "log",
    "/var/log/apt/term.log": "log",
    "/tmp/left": "left",
    "/var/tmp/left": "left",
    "/var/lib/dhcp/dhclient.eth0.leases": "lease",
    "/var/lib/cloud/instances/i-1/sem": "done",
    "/etc/udev/rules.d/70-persistent-net.rules": "rule",
    "/etc/shadow-": "old",
    "/var/lib/apt/lists/mirror_Packages": "list",
}
"""What must be gone afterwards."""
THE_IMAGES_OWN = {
    "/root/.ssh/authorized_keys": "ssh-ed25519 AAAA",
    "/etc/ssh/sshd_config": "ClientAliveInterval 180\n",
    "/etc/ssh/sshd_config.d/50-site.conf": "X11Forwarding no\n",
    "/home/ada/data": "data\n",
    "/var/spool/cron/crontabs/root": "@daily true\n",
    "/etc/cloud/cloud.cfg.d/91-azure.cfg": "datasource_list: [Azure]\n",
    "/etc/NetworkManager/system-connections/site.nmconnection": "[connection]\n",
    "/etc/ssl/certs/site.pem": "certificate\n",
    "/srv/notes.bak": "kept\n",
}
"""What must be there as it was."""


@dataclass(frozen=True)
class Built:
    """A disk as an installer leaves it: the qcow2, the tree that its root was made of, and a work folder."""

    qcow2: Path
    tree: Path
    work: Path


def do(*argv: str | Path, given: str | None = None) -> str:
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True, input=given).stdout


def own_release() -> tuple[str, str]:
    """The mirror and the code name that this host's own packages come from."""
    lines = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    codename = lines["VERSION_CODENAME"].strip('"')
    given = do("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages")
    mirrors = [line.split()[0] for line in given.splitlines() if line.split()[1:] == [codename]]
    return mirrors[0], codename


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    """A minimal Debian, with what belongs to one machine put in, on a disk of 4 GiB with an ESP and a root."""
    with tempfile.TemporaryDirectory(prefix="flight-", dir="/var/tmp") as name:
        folder = Path(name)
        mirror, codename = own_release()
        do("mmdebstrap", "--variant=minbase", codename, folder / "tree", mirror)
        plant(folder / "tree")
        raw = make_disk(folder, folder / "tree")
        do("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, folder / "disk.qcow2")
        raw.unlink()
        yield Built(folder / "disk.qcow2", folder / "tree", folder / "work")


def plant(tree: Path) -> None:
    (tree / "boot/efi").mkdir(parents=True)
    (tree / "etc/fstab").write_text(
        f"UUID={ROOT_UUID} / ext4 defaults 0 1\nUUID=ABCD-1234 /boot/efi vfat umask=0077 0 1\n"
    )
    (tree / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    with open(tree / "etc/passwd", "a") as passwd:
        passwd.write("ada:x:1000:1000::/home/ada:/bin/bash\n")
    for path, content in {**ONE_MACHINES_OWN, **THE_IMAGES_OWN}.items():
        (tree / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tree / path[1:]).write_text(content)


def make_disk(folder: Path, tree: Path) -> Path:
    """The raw disk; a large file was written and deleted in its root filesystem."""
    raw, esp = folder / "disk.raw", folder / "esp"
    for path, size in ((raw, DISK_BYTES), (esp, (ROOT_START - ESP_START) * 512)):
        with open(path, "wb") as file:
            file.truncate(size)
    do("sfdisk", "-q", raw, given=TABLE)
    do("mkfs.vfat", "-i", "ABCD1234", esp)
    do("mcopy", "-i", esp, "-s", tree / "etc/fstab", "::/BOOTX64.EFI")
    (tree / "stale").write_bytes(os.urandom(STALE_MIB * MIB))
    size_kib = (DISK_BYTES - ROOT_START * 512 - MIB) // 1024
    options = f"offset={ROOT_START * 512},hash_seed={ROOT_UUID}"
    do("mkfs.ext4", "-q", "-F", "-d", tree, "-U", ROOT_UUID, "-E", options, raw, f"{size_kib}k")
    (tree / "stale").unlink()
    do("debugfs", "-w", "-R", "rm /stale", root_of(raw))
    do("dd", f"if={esp}", f"of={raw}", "bs=512", f"seek={ESP_START}", "conv=notrunc,sparse", "status=none")
    return raw


def root_of(raw: Path) -> str:
    """How e2fsprogs name the root filesystem inside of the disk."""
    return f"{raw}?offset={ROOT_START * 512}"


def exists(raw: Path, path: str) -> bool:
    said = subprocess.run(["debugfs", "-R", f"stat {path}", root_of(raw)], capture_output=True, text=True, check=True)
    return "Inode:" in said.stdout


def content(raw: Path, path: str) -> str:
    return do("debugfs", "-R", f"cat {path}", root_of(raw))


def prepared(built: Built, to: Path, **changed: Any) -> dict[str, Any]:
    return prepare.prepare(
        built.qcow2, to, **{"programs": Programs(), "work": built.work, "log_to": to.with_suffix(".log"), **changed}
    )


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_the_installed_virt_sysprep_knows_every_operation() -> None:
    known = {line.split()[0] for line in do("virt-sysprep", "--list-operations").splitlines()}
    assert prepare.OPERATIONS.keys() <= known


def test_a_prepared_disk_is_nobodys_and_whole_and_small(built: Built, tmp_path: Path) -> None:
    raw, before = tmp_path / "disk.raw", sha256(built.qcow2)
    temporary = {folder: set(os.listdir(folder)) for folder in ("/tmp", "/var/tmp")}
    heard: list[Progress] = []
    found = prepared(built, raw, told=heard.append)

    assert [path for path in ONE_MACHINES_OWN if exists(raw, path)] == []
    assert {path: content(raw, path) for path in THE_IMAGES_OWN} == THE_IMAGES_OWN
    assert "ada:x:1000" in content(raw, "/etc/passwd")
    assert exists(raw, "/etc/machine-id") and content(raw, "/etc/machine-id") == ""
    check_filesystems(raw, tmp_path)
    check_programs(raw, built.tree, tmp_path)

    assert found["trimmed_by"] == "virt-sysprep"
    assert found["not_trimmed"] == []
    assert found["given_back_bytes"] > STALE_MIB * MIB * 9 // 10
    assert found["virtual_bytes"] == DISK_BYTES
    assert found["data_bytes"] == size_on_disk(raw)
    assert sha256(built.qcow2) == before
    assert sorted(os.listdir(tmp_path)) == ["disk.log", "disk.raw", "esp"]
    for folder, names in temporary.items():
        assert not [name for name in set(os.listdir(folder)) - names if "guestfs" in name]
    assert {"sysprep: ssh-hostkeys", "sysprep: giving back free space"} <= {one.what for one in heard}
    json.dumps(found)

    made = vhd.convert(raw, tmp_path / "disk.vhd")
    assert made["virtual_bytes"] == DISK_BYTES
    assert digest.digest(tmp_path / "disk.vhd").startswith("sha256:")


def check_filesystems(raw: Path, folder: Path) -> None:
    """e2fsck and fsck.vfat find nothing to mend."""
    do("e2fsck", "-fn", root_of(raw))
    do("dd", f"if={raw}", f"of={folder / 'esp'}", "bs=512", f"skip={ESP_START}", f"count={ROOT_START - ESP_START}")
    do("fsck.vfat", "-n", folder / "esp")
    assert do("mtype", "-i", folder / "esp", "::/BOOTX64.EFI").startswith("UUID=")


def check_programs(raw: Path, tree: Path, folder: Path) -> None:
    """Every file below /usr is byte for byte what was installed."""
    out = folder / "out"
    out.mkdir()
    do("debugfs", "-R", f"rdump /usr {out}", root_of(raw))
    do("diff", "-r", "--no-dereference", "--brief", "-x", "man", out / "usr", tree / "usr")
    shutil.rmtree(out)


def test_a_disk_that_cannot_trim_itself_is_trimmed_by_libguestfs(built: Built, tmp_path: Path) -> None:
    broken = tmp_path / "broken.qcow2"
    staged = tmp_path / "staged.raw"
    do("qemu-img", "convert", "-f", "qcow2", "-O", "raw", built.qcow2, staged)
    do("debugfs", "-w", "-R", "rm /usr/sbin/fstrim", root_of(staged))
    do("qemu-img", "convert", "-f", "raw", "-O", "qcow2", staged, broken)
    found = prepared(Built(broken, built.tree, built.work), tmp_path / "disk.raw")
    assert (found["trimmed_by"], found["not_trimmed"]) == ("virt-sparsify", [])
    assert found["given_back_bytes"] > STALE_MIB * MIB * 9 // 10
    assert content(tmp_path / "disk.raw", "/etc/machine-id") == ""
    assert not exists(tmp_path / "disk.raw", "/etc/ssh/ssh_host_ed25519_key")
    do("e2fsck", "-fn", root_of(tmp_path / "disk.raw"))


def test_an_appliance_that_cannot_start_is_explained_and_nothing_is_left(built: Built, tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="prepare the disk") as caught:
        prepared(built, tmp_path / "disk.raw", programs=Programs(qemu_system="/bin/false"))
    assert "linux-image-cloud-amd64" in caught.value.fix
    assert os.listdir(tmp_path) == ["disk.log"]


def test_a_disk_without_a_system_is_an_error_and_nothing_is_left(built: Built, tmp_path: Path) -> None:
    do("qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "empty.qcow2", "64M")
    with pytest.raises(ProgramError) as caught:
        prepared(Built(tmp_path / "empty.qcow2", built.tree, built.work), tmp_path / "disk.raw")
    assert "no operating systems were found" in caught.value.why
    assert sorted(os.listdir(tmp_path)) == ["disk.log", "empty.qcow2"]


def test_killed_in_the_middle_it_leaves_no_guest_and_only_what_the_next_start_sweeps(
    built: Built, tmp_path: Path
) -> None:
    script = (
        "import sys; from pathlib import Path; from flight.workflows import prepare\n"
        "from flight.workflows.settings import Programs\n"
        "qcow2, to, work = map(Path, sys.argv[1:])\n"
        "prepare.prepare(qcow2, to, programs=Programs(), work=work, log_to=to.with_suffix('.log'))\n"
    )
    raw = tmp_path / "disk.raw"
    child = subprocess.Popen([sys.executable, "-c", script, str(built.qcow2), str(raw), str(built.work)])
    try:
        until(lambda: any("qemu-system" in line for line in running(raw)))
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    until(lambda: not running(raw))
    assert len(sweep(tmp_path)) == 1
    assert sorted(os.listdir(tmp_path)) == ["disk.log", "disk.raw"]


def running(raw: Path) -> list[str]:
    """The command lines of all processes that name this disk, this test's own children left out."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(os.fsencode(raw) in word for word in words) and words[1:2] != [b"-c"]:
            lines.append(b" ".join(words).decode(errors="replace"))
    return lines


def until(holds: Any, *, within_s: float = 120) -> None:
    """Wait for it; how long it takes is not judged, but for ever is too long."""
    ends = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < ends, "it never came to be"
        time.sleep(0.1)
