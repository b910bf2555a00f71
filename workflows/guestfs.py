"""libguestfs: a small Linux in a virtual machine, which alone touches a disk's filesystems, never this host's kernel."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flight.workflows.hypervisor.probe import Acceleration, libguestfs_env
from flight.workflows.kit.arriving import MARK, remove
from flight.workflows.kit.errors import ProgramError, SpaceError
from flight.workflows.kit.progress import human_bytes
from flight.workflows.kit.run import find

KERNEL_FIX = (
    "libguestfs boots a kernel of this host: apt-get install linux-image-cloud-amd64, and chmod 0644 /boot/vmlinuz-*; "
    "libguestfs-test-tool says more"
)
NO_APPLIANCE = ("supermin", "appliance", "guestfs_launch", "exited with error status")
"""What libguestfs says where its Linux could not be made, or did not start."""
LONGEST_SOCKET_FOLDER = 70
"""A socket's path has at most 107 bytes; libguestfs puts a folder and a name of its own below this one."""

LEAST_FREE_BYTES = 256 << 20
"""The scratch disk of libguestfs's Linux, and what sysprep writes; both stay below a third of it."""
APPLIANCE_BYTES = 512 << 20
"""libguestfs's Linux, where it is not made yet: some 375 MiB."""


def require_kernel(boot: Path = Path("/boot")) -> None:
    """libguestfs builds its appliance around a kernel of the host's: it must be there, and readable."""
    kernels = [*boot.glob("vmlinuz-*"), *boot.glob("vmlinux-*")]
    if "SUPERMIN_KERNEL" in os.environ or any(os.access(kernel, os.R_OK) for kernel in kernels):
        return
    why = f"none of {', '.join(map(str, kernels))} can be read" if kernels else f"there is none in {boot}"
    raise ProgramError("could not start libguestfs: it has no kernel to boot", why=why, fix=KERNEL_FIX)


def require_space(folder: Path, *, doing: str, least_bytes: int = LEAST_FREE_BYTES) -> None:
    """QEMU halts a guest whose disk cannot grow, and says nothing: a full disk has to be found before."""
    free = shutil.disk_usage(folder).free
    if free < least_bytes:
        raise SpaceError(
            f"there is too little space in {folder} to {doing}",
            why=f"{human_bytes(free)} are free; libguestfs may write some {human_bytes(least_bytes)}",
            fix="free some space, then run it again",
        )


@contextlib.contextmanager
def session(scratch_in: Path, qemu_system: str, *, work: Path, accelerated: bool) -> Iterator[dict[str, str]]:
    """The environment of libguestfs's programs: the appliance below `work`, nothing in /tmp or /var/tmp.

    Scratch files lie in `scratch_in` under a name that `sweep` knows, and are gone with the session.
    """
    cache = work / "cache" / "libguestfs"
    cache.mkdir(parents=True, exist_ok=True)
    qemu = find(qemu_system, why="run libguestfs")
    scratch = Path(tempfile.mkdtemp(prefix=f"{MARK}guestfs-", dir=scratch_in))
    try:
        yield plan_environment(qemu, cache.resolve(), scratch.resolve(), accelerated=accelerated)
    finally:
        remove(scratch)


def plan_environment(qemu: str, cache: Path, scratch: Path, *, accelerated: bool) -> dict[str, str]:
    """libguestfs follows /dev/kvm even where it cannot run a guest: without KVM it must be told to emulate."""
    env = {
        "LIBGUESTFS_BACKEND_SETTINGS": "",
        **libguestfs_env(Acceleration(accelerated, qemu, ())),
        "LIBGUESTFS_CACHEDIR": str(cache),
        "LIBGUESTFS_TMPDIR": str(scratch),
        "TMPDIR": str(scratch),
    }
    return {**env, "XDG_RUNTIME_DIR": str(scratch)} if len(os.fsencode(scratch)) <= LONGEST_SOCKET_FOLDER else env


def fix_of(said: str) -> str:
    """What mends it, where libguestfs said (without line breaks) that its Linux did not start; else empty."""
    return KERNEL_FIX if any(words in said for words in NO_APPLIANCE) else ""
