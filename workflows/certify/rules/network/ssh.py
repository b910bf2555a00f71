"""SSH: that it runs, and how long it keeps a session that says nothing."""

from __future__ import annotations

from typing import Final

from flight.workflows.certify.effective.sshd import Sshd
from flight.workflows.certify.effective.sshdline import runs_sshd
from flight.workflows.certify.effective.sshdwords import is_loopback, seconds_of
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, failed, not_applicable, passed, rule, unknown
from flight.workflows.kit.text import quoted

LEAST_S, BEST_S, MOST_S = 30, 180, 235
"""Seconds. LISA takes 1 to 235, the Marketplace's questions and answers 30 to 235, its test tool wants 180."""
ALIVE: Final = "ClientAliveInterval"
PROGRAM: Final = "/usr/sbin/sshd"
SERVICES: Final = {"ssh.service": "ssh.socket", "sshd.service": "sshd.socket"}
"""Debian's and everybody else's, each with the socket that starts it on demand."""
LOCKED_DOWN: Final = "it is claimed that SSH is disabled"


@rule(
    "sshd-enabled",
    "sshd starts with the machine",
    severity="blocker",
    required="OpenSSH's server is installed, its service or socket enabled and not masked, and it listens on the network",
    fix="install openssh-server; then `systemctl enable ssh` on Debian, `systemctl enable sshd` on Enterprise Linux",
    source="Microsoft's Linux guide; RHEL guide; policy 200.3.3 as quoted by others",
)
def sshd_enabled(image: Image) -> Outcome:
    if "ssh-disabled" in image.claims:
        return not_applicable(LOCKED_DOWN)
    program = image.tree.entry(PROGRAM)
    if program is None or program.kind != "f":
        return failed(f"there is no {PROGRAM}")
    if not program.mode & 0o111:
        return failed(f"{PROGRAM} has the mode {program.mode:04o}: it cannot be run")
    name = enabled_sshd(image)
    if name:
        return _serving(image, name)
    known = next((service for service in SERVICES if image.units.is_there(service)), "")
    if not known:
        return failed("there is no ssh.service or sshd.service")
    hindrance = image.units.hindrance(known)
    return failed(f"{known} is {image.units.state(known)}{f', and has {quoted(hindrance)}' if hindrance else ''}")


def _serving(image: Image, name: str) -> Outcome:
    """Whether the unit that starts would run sshd, and sshd answer from elsewhere."""
    foreign = _foreign_command(image, name)
    if foreign:
        return failed(f"{name} {foreign}")
    if image.sshd.problem:
        return failed(f"{name} is enabled, but sshd would not start: {image.sshd.problem}", severity="likely blocker")
    listened = [each for each in image.sshd.every("ListenAddress") if each.holds]
    if name in SERVICES and listened and all(is_loopback(each.value) for each in listened):
        return failed(f"{quoted(listened[0].at)} has it listen on {quoted(listened[0].value)} alone")
    return passed(f"{name} is enabled")


def _foreign_command(image: Image, name: str) -> str:
    """What a service does instead of running sshd; empty for a socket, and for a script of rcN.d."""
    if name not in SERVICES or image.units.files.find(name) is None:
        return ""
    commands = image.units.setting(name, "Service", "ExecStart")
    if len(commands) > 1 and "oneshot" not in image.units.setting(name, "Service", "Type"):
        return f"has {len(commands)} commands in ExecStart, which systemd refuses"
    if any(runs_sshd(command) for command in commands):
        return ""
    return f"runs {quoted(commands[0])}" if commands else "has no ExecStart"


def enabled_sshd(image: Image) -> str:
    """The unit that starts sshd with the machine; empty for none. A socket is of no use to a service that is masked."""
    units = image.units
    for service, socket in SERVICES.items():
        if units.is_masked(service) or units.hindrance(service):
            continue
        for name in (service, socket):
            if units.is_enabled(name):
                return name
    return ""


@rule(
    "sshd-alive",
    "A silent SSH session is kept, and not for ever",
    severity="blocker",
    required=f"ClientAliveInterval from {LEAST_S} to {MOST_S} seconds ({BEST_S} is what the test tool wants), in effect and "
    "literally in /etc/ssh/sshd_config itself, since a probe reads no other file",
    fix=f"write `ClientAliveInterval {BEST_S}` into /etc/ssh/sshd_config, above its first Include and its first Match",
    source="self-test 46; LISA verify_client_active_interval (P2); Marketplace FAQ; policy 200.3.3.1 (Bitwarden's reports, 2026)",
)
def sshd_alive(image: Image) -> Outcome:
    if "ssh-disabled" in image.claims:
        return not_applicable(LOCKED_DOWN)
    sshd = image.sshd
    if sshd.problem:
        return failed(f"sshd would not start: {sshd.problem}")
    value, at = sshd.effective(ALIVE)
    if not at:
        return failed(f"nothing sets it: {_elsewhere(sshd)}")
    seconds = sshd.seconds(ALIVE)
    if not LEAST_S <= seconds <= MOST_S:
        return failed(f"{quoted(value)} in {quoted(at)}")
    return _in_main(sshd, seconds, at)


def _elsewhere(sshd: Sshd) -> str:
    """Where it is set without being in effect."""
    others = sshd.every(ALIVE)
    return f"{quoted(others[0].at)} is in a Match block" if others else "0 is in effect"


def _in_main(sshd: Sshd, seconds: int, at: str) -> Outcome:
    """What a search in the main file alone would say of a value that is in effect, and well."""
    literal = sshd.literal(ALIVE)
    if not literal:
        return failed(f"{seconds} in {quoted(at)}; not literally in {sshd.main}", severity="likely blocker")
    other = next(((word, where) for word, where in literal if seconds_of(word) != seconds), None)
    if other:
        return failed(f"{seconds} in {quoted(at)}, but {quoted(other[0])} in {other[1]}", severity="warning")
    if seconds != BEST_S:
        return failed(f"{seconds} in {quoted(at)}: the test tool warns", severity="warning")
    return passed(f"{seconds} in {quoted(at)}")


@rule(
    "sshd-include-order",
    "No other file overrides ClientAliveInterval",
    severity="warning",
    required=f"no included file, and no Match block, sets ClientAliveInterval outside {LEAST_S} to {MOST_S}",
    fix="remove the line from that file (cloud images have it in /etc/ssh/sshd_config.d/50-cloudimg-settings.conf)",
    source="Bitwarden's reports, 2026; Marketplace FAQ",
)
def sshd_include_order(image: Image) -> Outcome:
    if "ssh-disabled" in image.claims:
        return not_applicable(LOCKED_DOWN)
    sshd = image.sshd
    if sshd.problem:
        return unknown(f"sshd would not start: {sshd.problem}")
    in_effect = sshd.effective(ALIVE)[1]
    others = [
        each
        for each in sshd.every(ALIVE)
        if not each.holds or (each.at == in_effect and not each.at.startswith(f"{sshd.main}:"))
    ]
    wrong = next((each for each in others if not LEAST_S <= (seconds_of(each.value) or 0) <= MOST_S), None)
    if wrong:
        where = "" if wrong.holds else ", for some connections"
        return failed(f"{quoted(wrong.value)} in {quoted(wrong.at)}{where}")
    return passed(f"{quoted(others[0].value)} in {quoted(others[0].at)}" if others else "no file does")
