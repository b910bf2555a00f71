"""What the build left: logs, kickstarts, jobs, another product's registration."""

from __future__ import annotations

import re
from typing import Final

from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, failed, judged, passed, rule, unknown
from flight.workflows.certify.rules.accounts.naming import named
from flight.workflows.certify.tree import Entry

OLD_LOG: Final = re.compile(r".*(\.(gz|xz|bz2|zst|old|\d{1,3})|-\d{8}(-\d+)?(\.\w+)?)")
"""As logrotate and dpkg name what they put aside."""
RUN_LOG: Final = re.compile(
    r"/var/log/(wtmp|btmp|syslog|messages|secure|auth\.log|kern\.log|daemon\.log|user\.log|maillog|mail\.log|cron|cron\.log|"
    r"boot\.log|audit/audit\.log|journal/.*\.journal~?)"
)
"""Written only by a machine that ran: who logged in, from where. What installers write (dpkg.log) is no machine's."""
INSTALLER: Final = re.compile(
    r"/var/log/(anaconda|installer)/.*|/root/([^/]*\.ks|(anaconda|original|initial)[^/]*\.cfg|ks-[^/]*\.log|install\.log.*)"
)
"""A kickstart or preseed as it was used, and the installer's logs; they may hold hashes of passwords."""
CRON: Final = ("/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly",
               "/etc/cron.yearly", "/var/spool/cron", "/var/spool/at")  # fmt: skip
CRON_FILES: Final = ("/etc/crontab", "/etc/anacrontab")
NO_JOB: Final = (".placeholder", ".SEQ")
ONBOARDED: Final = ("/etc/opt/microsoft/mdatp/mdatp_onboard.json", "/etc/opt/microsoft/mdatp/mde_onboard.json")


def is_log(path: str) -> bool:
    """Whether `logs-clean` speaks of a path."""
    return path.startswith("/var/log/") or bool(INSTALLER.fullmatch(path))


@rule(
    "logs-clean",
    "No log of the build, and no kickstart, is left",
    severity="warning",
    required="no rotated log, no log of a machine that ran, no installer's files; no secret in any log (a blocker)",
    fix="`journalctl --rotate --vacuum-time=1s; find /var/log -type f -delete; rm -f /root/*.cfg /root/*.ks`",
    source="Security recommendations for Marketplace images",
)
def logs_clean(image: Image) -> Outcome:
    secrets = [f"{', '.join(marks)} in {path}" for path, marks in sorted(image.snapshot.marks.items()) if is_log(path)]
    if secrets:
        return failed(
            named(secrets), severity="blocker", fix="remove the file, and change the password: builds share it"
        )
    found = [path for path, entry in image.tree.files("/var/log") if _is_left(path, entry)]
    found += [path for path, entry in image.tree.files("/root") if INSTALLER.fullmatch(path)]
    return judged(not found, named(found) if found else "there is none")


def _is_left(path: str, entry: Entry) -> bool:
    is_written = entry.size > 0 and not entry.owner
    return is_written and any(form.fullmatch(path) for form in (OLD_LOG, RUN_LOG, INSTALLER))


@rule(
    "cron-foreign",
    "No job that no package brought",
    severity="warning",
    required="every file in /etc/cron.* belongs to a package, and no user has a crontab",
    fix="remove it, or ship it in a package; what is to run once belongs to cloud-init",
    source="policy 200.5 as quoted by others",
    is_secondary=True,
)
def cron_foreign(image: Image) -> Outcome:
    if not image.snapshot.package_format:
        return unknown("without a package database nobody's files cannot be told from a package's")
    entries = [(path, entry) for folder in CRON for path, entry in image.tree.under(folder)]
    entries += [(path, entry) for path in CRON_FILES if (entry := image.tree.lentry(path))]
    found = [path for path, entry in entries if entry.kind in "fl" and not entry.owner]
    found = [path for path in found if path.rpartition("/")[2] not in NO_JOB]
    return judged(not found, named(found) if found else "there is none")


@rule(
    "no-preinstalled-mdatp",
    "Microsoft Defender is not registered with a tenant",
    severity="warning",
    required="no onboarding file of mdatp: each machine is its owner's to register",
    fix=f"`rm -f {ONBOARDED[0]}`, or leave the package out",
    source="policy 200.4 as quoted by others",
    is_secondary=True,
)
def no_preinstalled_mdatp(image: Image) -> Outcome:
    found = [path for path in ONBOARDED if image.tree.is_file(path)]
    if found:
        return failed(named(found))
    return passed("installed, and not onboarded" if image.package("mdatp") else "not installed")
