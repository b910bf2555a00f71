"""What keeps a machine from coming up by itself: words on the kernel's command line, a boot loader that waits. Pure.

Source: systemd(1), "Kernel Command Line"; kernel-command-line(7); dracut.cmdline(7); the kernel's kernel-parameters.rst.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flight.workflows.certify.effective.commandline import arguments_of, listed, values
from flight.workflows.kit.text import quoted

if TYPE_CHECKING:
    from flight.workflows.certify.image import Image

UNIT: Final = "systemd.unit"
SHORT: Final = {
    "emergency": "emergency.target", "-b": "emergency.target", "rescue": "rescue.target", "single": "rescue.target",
    "-s": "rescue.target", "s": "rescue.target", "S": "rescue.target", "1": "rescue.target",
    **{level: "multi-user.target" for level in "2345"},
}  # fmt: skip
"""What systemd makes of words without a value; like systemd.unit= they take back those before them."""
DEAD_ENDS: Final = tuple(
    f"{name}.target" for name in ("emergency", "rescue", "poweroff", "halt", "reboot", "kexec", "exit", "runlevel0",
                                  "runlevel1", "runlevel6")
)  # fmt: skip
INITS: Final = ("/sbin/init", "/usr/sbin/init", "/bin/systemd", "/usr/bin/systemd")
SYSTEMD: Final = "/systemd/systemd"
"""How the path of systemd itself ends, in /lib and in /usr/lib."""
NEEDED: Final = re.compile(r"(sshd?|waagent|walinuxagent|cloud-(init(-\w+)?|config|final))\.(service|target)")
"""Units without which nobody reaches the machine, or it is never provisioned."""
DRIVERS: Final = re.compile(r"(init_)?hv_\w+|\w*(hyperv|vmbus|storvsc|netvsc)\w*")
"""First functions of Hyper-V's drivers: hv_acpi_init is that of the bus."""


def standstill(image: Image) -> str:
    """Why what boots does not come up without a person; empty where it does. Raises NotTaken."""
    for entry in image.boot.booting:
        for look in LOOKS:
            if found := look(image, entry.command_line):
                return f"{quoted(found)} in {quoted(entry.source)}"
    return image.boot.waits


def _target(_image: Image, line: str) -> str:
    asked = [
        (key, value) for key, value in arguments_of(line) if (key == UNIT and value) or (key in SHORT and not value)
    ]
    key, value = asked[-1] if asked else ("", "")
    return f"{key}={value}".rstrip("=") if (value or SHORT.get(key)) in DEAD_ENDS else ""


def _early_target(_image: Image, line: str) -> str:
    """Of the system in the initramfs: there the machine would stop before it has a root."""
    named = values(line, f"rd.{UNIT}")[-1:]
    if named and named[0] in DEAD_ENDS:
        return f"rd.{UNIT}={named[0]}"
    return next((key for key, _ in arguments_of(line) if key == "rd.break"), "")


def _init(image: Image, line: str) -> str:
    """The last counts; /sbin/init is whatever the system has there."""
    path = next((value for value in reversed(values(line, "init")) if value), INITS[0])
    is_well = path in INITS or path.endswith(SYSTEMD) or (image.tree.real(path) or "").endswith(SYSTEMD)
    return "" if is_well else f"init={path}"


def _masked(image: Image, line: str) -> str:
    named = (value if "." in value else f"{value}.service" for value in values(line, "systemd.mask"))
    return next((f"systemd.mask={it}" for it in named if NEEDED.fullmatch(it) and image.units.is_there(it)), "")


def _drivers(_image: Image, line: str) -> str:
    found = (name for name in listed(line, "initcall_blacklist") if DRIVERS.fullmatch(name))
    return next((f"initcall_blacklist={name}" for name in found), "")


LOOKS: Final[tuple[Callable[[Image, str], str], ...]] = (_target, _early_target, _init, _masked, _drivers)
"""Each names a word that is to blame, or nothing."""
