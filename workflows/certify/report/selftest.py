"""The certificate in the shape of the self-test's answer, to be laid beside the one that a running machine gets.

Source of the shape: "Test a virtual machine image" (Azure Marketplace), the sample response of the self-test API; of the
results other than Passed, live answers of its version 1.7 that publishers quote. Descriptions are our own.

Rules of flight's are nowhere laxer than the self-test, and in some places stricter (a newer agent, OpenSSL and Python, no
history at all, one more kind of swap): there a result may be worse than Microsoft's. It is never better: what could not
be decided, or was not looked at, has failed.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from flight.workflows.certify.certificate import Certificate, Judged
from flight.workflows.certify.report.wording import plain, version

Result = Literal["Passed", "Warning", "Failed"]
CATEGORY: Final = "Microsoft Single VM Certification"
API_VERSION: Final = "1.7"
"""The youngest whose answer was seen."""
PARAMETERS: Final[Mapping[str, str]] = {
    "cmdline-console": "console=ttyS0",
    "cmdline-earlyprintk": "earlyprintk=ttyS0",
    "cmdline-rootdelay": "rootdelay=300",
}


@dataclass(frozen=True)
class Test:
    """One of the self-test's. `rules` decide it; `well` is what it says to have found where it passed (empty: what we saw).

    `worst` is what a failure that blocks is to it; one that does not is a warning.
    """

    number: str
    name: str
    description: str
    required: str
    rules: tuple[str, ...]
    worst: Result = "Failed"
    well: str = ""


TESTS: Final = (
    Test("48", "Bash History", "No shell history is left", "1024", ("history-absent",), well="No file Exist"),
    Test("39", "Linux Agent Version", "Azure's Linux agent is new enough", "2.2.41", ("waagent-version",)),
    Test(
        "40", "Required Kernel Parameters", "The kernel is started with the parameters that support needs",
        "#".join(PARAMETERS.values()), tuple(PARAMETERS),
    ),
    Test(
        "41", "Swap Partition on OS Disk", "There is no swap on the OS disk", "swap",
        ("os-no-swap-part", "os-no-swap-file"), well="No. of Swap Partitions: 0",
    ),
    Test(
        "42", "Root Partition on OS Disk", "The OS disk has one root partition", "1", ("os-single-root",),
        well="Root Partition: 1",
    ),
    Test("44", "OpenSSL Version", "OpenSSL is new enough", "0.9.8", ("openssl-version",)),
    Test("45", "Python Version", "Python is new enough", "2.6", ("python-version",)),
    Test(
        "46", "Client Alive Interval", "Idle SSH sessions are kept", "ClientAliveInterval 180", ("sshd-alive",),
        worst="Warning",
    ),
    Test("49", "OS Architecture", "The system is a 64-bit one", "x86_64,amd64", ("arch-64",)),
    Test(
        "50", "Security threats", "The system is not one of those known to be open to attack", "OS impacted by GHOSTS",
        ("kernel-security-threats",),
    ),
    Test("51", "Auto Update", "The agent keeps itself up to date", "Yes", ("waagent-autoupdate",)),
    Test(
        "52", "SACK Vulnerability patch verification", "The kernel has the patch for SACK", "Yes",
        ("kernel-sack-floor",),
    ),
)  # fmt: skip
"""In the order of the sample. 43 and 47 are not in it."""


def render_selftest(certificate: Certificate) -> str:
    """A JSON object of `TrackingId` and `Response`, which is JSON in a text once more."""
    response = json.dumps(response_values(certificate))
    names = (certificate.name, certificate.digest, certificate.made_at)
    tracking = uuid.uuid5(uuid.NAMESPACE_URL, " ".join(map(plain, names)))
    return json.dumps({"TrackingId": str(tracking), "Response": response}, indent=2) + "\n"


def response_values(certificate: Certificate) -> dict[str, Any]:
    """`TestResult` is Pass where no test has failed; warnings do not count, as in the sample."""
    judged = {each.rule.id: each for each in certificate.judged}
    tests = [_values(test, [judged.get(name) for name in test.rules]) for test in TESTS]
    system = {name: plain(words) for name, words in certificate.system.items()}
    kernel, os = system.get("kernel", ""), system.get("os", "")
    number = re.search(r"\d+(\.\d+)*", os)
    return {
        "SchemaVersion": 1,
        "AppCertificationCategory": CATEGORY,
        "ProviderID": f"flight {version()}",
        "OSName": os,
        "OSDistro": os,
        "KernelVersion": kernel,
        "KernelFullVersion": f"Linux version {kernel}" if kernel else "",
        "OSVersion": number[0] if number else "",
        "CreatedDate": _american(certificate.made_at),
        "TestResult": "Fail" if any(test["Result"] == "Failed" for test in tests) else "Pass",
        "APIVersion": API_VERSION,
        "Tests": tests,
    }


def _values(test: Test, judged: Sequence[Judged | None]) -> dict[str, str]:
    asked = [each for each in judged if each]
    result = _result(test, judged)
    return {
        "TestID": test.number,
        "TestCaseName": test.name,
        "Description": test.description,
        "Result": result,
        "ActualValue": test.well if test.well and result == "Passed" and asked else _actual(asked),
        "RequiredValue": test.required,
    }


def _result(test: Test, judged: Sequence[Judged | None]) -> Result:
    """The worst of its rules'. One that does not apply (a parameter for x86_64, on an ARM machine) is well."""
    if any(each is None or each.status == "unknown" for each in judged):
        return "Failed"
    failed = [each for each in judged if each and each.status == "fail"]
    if not failed:
        return "Passed"
    return test.worst if any(each.is_blocking or each.override for each in failed) else "Warning"


def _actual(asked: Sequence[Judged]) -> str:
    """What was seen; of parameters, in the self-test's own form, which are there and which are not."""
    if not asked:
        return "not looked at"
    if asked[0].rule.id in PARAMETERS:
        missing = [PARAMETERS[each.rule.id] for each in asked if each.status in ("fail", "unknown")]
        matched = [PARAMETERS[each.rule.id] for each in asked if each.status == "pass"]
        parts = {"Missing Parameter": missing, "Matched Parameter": matched}
        return "\r\n".join(f"{name}: {','.join(words)}" for name, words in parts.items() if words)
    worst = [each for each in asked if each.status in ("fail", "unknown")] or asked
    return "; ".join(plain(each.seen) for each in worst)


def _american(made_at: str) -> str:
    """An ISO 8601 time as the sample writes it: 09/08/2020 01:13:47."""
    try:
        return datetime.fromisoformat(made_at).strftime("%m/%d/%Y %H:%M:%S")
    except ValueError:
        return ""
