"""SELinux labels, set from the system's own policy by this host's setfiles.

The host needs no SELinux for it. setfiles runs beside the tree and not in it: labels take a capability that no
package's program is given here.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from flight.workflows.install.inside import below
from flight.workflows.install.isolation import Bind
from flight.workflows.install.tools import TARGET, host_machine
from flight.workflows.kickstart.plan import InstallPlan
from flight.workflows.kit.errors import RecipeError
from flight.workflows.kit.run import find

CAP_SYS_ADMIN = 21
"""What writing security.selinux takes where the kernel runs without SELinux (cap_inode_setxattr)."""
CONFIG = "/etc/selinux/config"
CONTEXTS = "/etc/flight-contexts"
"""Where setfiles finds a copy of the policy's list: the tree itself is what it changes."""


def wants_labels(plan: InstallPlan) -> bool:
    """Anaconda's default is enforcing."""
    return plan.selinux != "disabled"


def contexts_of(root: Path) -> Path | None:
    """The policy's list of labels by path, if a policy is installed."""
    config = below(root, CONFIG)
    text = config.read_text(errors="replace") if config.is_file() else ""
    found = re.search(r"^\s*SELINUXTYPE\s*=\s*([\w-]+)", text, re.M)
    listed = below(root, f"/etc/selinux/{found[1] if found else 'targeted'}/contexts/files/file_contexts")
    return listed if listed.is_file() else None


def set_mode(text: str, mode: str) -> str:
    """/etc/selinux/config with another mode."""
    line = f"SELINUX={mode}"
    changed, times = re.subn(r"^\s*SELINUX\s*=.*$", line, text, flags=re.M)
    return changed if times else f"{text.rstrip()}\n{line}\n".lstrip("\n")


def label(root: Path, *, scratch: Path, log_to: Path) -> bool:
    """Label every file of the tree; what has its label already is not written again. Whether there was a policy."""
    listed = contexts_of(root)
    if listed is None:
        return False
    find("setfiles", why="label the system for SELinux", fix="apt-get install policycoreutils")
    contexts, empty = scratch / "selinux", scratch / "selinux-root"
    for folder in (contexts, empty):
        folder.mkdir(exist_ok=True)
    for path in (listed, *listed.parent.glob("file_contexts.*")):
        if (
            path.suffix in ("", ".homedirs", ".local", ".subs", ".subs_dist")
            and path.is_file()
            and not path.is_symlink()
        ):
            shutil.copyfile(path, contexts / path.name)
    machine = host_machine(
        empty, root, views=("/",), mounts=(Bind(str(contexts), CONTEXTS),), capabilities=(CAP_SYS_ADMIN,)
    )
    argv = ["setfiles", "-m", "-F", "-r", TARGET, f"{CONTEXTS}/file_contexts", TARGET]
    machine.run(argv, why="label the system for SELinux", log_to=log_to, fix="look whether the policy is whole")
    return True


def check_policy(plan: InstallPlan, root: Path) -> None:
    """Raise RecipeError where the kickstart wants SELinux and no policy is installed."""
    if plan.selinux in ("enforcing", "permissive") and contexts_of(root) is None:
        raise RecipeError(
            f"selinux --{plan.selinux} needs a policy, and none is installed",
            fix="add selinux-policy-targeted to %packages, or give selinux --disabled",
        )
