"""The clock."""

from __future__ import annotations

from typing import Final

from flight.workflows.certify.effective import chrony, udev
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, failed, passed, rule
from flight.workflows.kit.text import quoted

PTP: Final = "/dev/ptp_hyperv"
PTP_RULES: Final = "/usr/lib/udev/rules.d/50-udev-default.rules"


@rule(
    "time-chrony-ptp",
    "The clock follows the host",
    severity="warning",
    required=f"chrony starts, with `refclock PHC {PTP} …` and `makestep 1.0 -1` in effect",
    fix="into /etc/chrony.conf (Debian: /etc/chrony/chrony.conf, where its own makestep has to go): `refclock PHC "
    f"{PTP} poll 3 dpoll -2 offset 0 stratum 2` and `makestep 1.0 -1`; `systemctl enable chronyd` (Debian: chrony)",
    source="Microsoft's guide to time sync; LISA verify_timesync_ptp (P2), verify_timedrift_corrected (P1)",
)
def time_chrony_ptp(image: Image) -> Outcome:
    tree = image.tree
    if not chrony.is_there(tree):
        return failed("chrony is not installed")
    if fault := _not_started(image):
        return failed(fault)
    found = chrony.directives(tree)
    if not any(_is_hyperv(each.words) for each in found):
        other = next((each for each in found if [word.lower() for word in each.words[:2]] == ["refclock", "phc"]), None)
        words = f"{quoted(' '.join(other.words[:3]))} in {quoted(other.where)}" if other else "no refclock PHC"
        return failed(f"{words}, instead of {PTP}")
    if tree.is_file(PTP_RULES) and not any("ptp_hyperv" in line for _, line in udev.rules(tree)):
        return failed(f"no rule of udev makes {PTP}")
    step = chrony.last(found, "makestep")
    if not step or not _steps_always(step.words):
        return failed(f"{quoted(' '.join(step.words))} in {quoted(step.where)}" if step else "makestep is not set")
    return passed(f"refclock PHC {PTP}, {quoted(' '.join(step.words))}")


def _not_started(image: Image) -> str:
    """Why chronyd does not start; empty where it does, with the machine or with the host's clock."""
    unit = next((name for name in chrony.UNITS if image.units.is_there(name)), "")
    if not unit:
        return "there is no unit of chrony"
    if image.units.is_masked(unit):
        return f"{unit} is masked"
    if not image.units.is_enabled(unit) and not udev.starter_of(image.tree, unit):
        return f"{unit} is {image.units.state(unit)}: nothing starts it"
    hindrance = image.units.hindrance(unit, image.boot.command_line)
    return f"{quoted(hindrance)} keeps {unit} from starting" if hindrance else ""


def _is_hyperv(words: tuple[str, ...]) -> bool:
    return len(words) > 2 and (words[0], words[1].upper(), words[2].partition(":")[0]) == ("refclock", "PHC", PTP)


def _steps_always(words: tuple[str, ...]) -> bool:
    """The clock is set at any time when it is off by more than a second, or less."""
    try:
        return len(words) > 2 and 0 < float(words[1]) <= 1 and int(words[2][:9]) < 0
    except ValueError:
        return False
