"""The statement of what an image was made of, read by in-toto's own library."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from certificates import certified, refused
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

from flight.workflows.artefact import Facts
from flight.workflows.certify.beyond import provenance
from flight.workflows.certify.certificate import Certificate
from flight.workflows.kit.errors import FlightError

INDEX = {
    "file": "mirror_InRelease",
    "suite": "trixie-security",
    "date": "Sat, 21 Nov 2026 00:53:03 UTC",
    "sha256": "3d" * 32,
}
KEY = {"name": "vendor", "url": "https://example.org/deb", "key_sha256": "ab" * 32, "password_from": "VENDOR_PASSWORD"}
SCRIPT = "set -eu\necho secret-of-the-trade\n"


def facts(stage: str, key: str, decided_by: dict[str, Any], found: dict[str, Any], **more: Any) -> Facts:
    return Facts(
        stage=stage, edition=1, key=key, recipe="compute", version="1.0.7", upstream=(), decided_by=decided_by, found=found,
        **{"made_at": "2026-11-23T02:10:44+00:00", "seconds": 74.5, "size_bytes": 1000, **more},
    )  # fmt: skip


HISTORY = (
    facts("RenderKickstart", "c3f37dd832ee", {"text_sha256": "cd" * 32}, {}, made_at="2026-11-23T02:09:29+00:00"),
    facts("InstallPackages", "b399b4b58c72", {"release": "trixie", "repositories": [KEY], "mirror_key_sha256": "ef" * 32},
          {"indexes": [INDEX], "packages": {"bash": "5.2", "kernel": ["1.x86_64", "2.x86_64"]}, "epoch": 1795227046}),
    facts("BuildImage", "2b0fe0e7ad73",
          {"repositories": [KEY], "files": [{"to": "/opt/agent", "sha256": "12" * 32}], "scripts": [{"text": SCRIPT}]}, {}),
    facts("ConvertImage", "0c1565bec65e", {}, {"digest": "sha256:00", "virtual_bytes": 1 << 35},
          made_at="2026-11-23T02:12:01+00:00", seconds=2.31),
)  # fmt: skip


def read(certificate: Certificate, history: tuple[Facts, ...], predicate: Any) -> dict[str, Any]:
    """The statement, once in-toto's library has read and checked every part of it; an unknown field is an error."""
    text = provenance.render(certificate, history)
    statement = Statement.copy_from_pb(json_format.Parse(text, statement_pb2.Statement()))
    statement.validate()
    found: dict[str, Any] = json.loads(text)
    parsed = json_format.ParseDict(found["predicate"], predicate)
    for descriptor in resources(parsed):
        ResourceDescriptor.copy_from_pb(descriptor).validate()
    return found


def resources(parsed: Any) -> list[Any]:
    if isinstance(parsed, test_result_pb2.TestResult):
        return list(parsed.configuration)
    return [*parsed.build_definition.resolved_dependencies, *parsed.run_details.byproducts]


def provenance_of(*history: Facts) -> dict[str, Any]:
    found: dict[str, Any] = read(certified(), history or HISTORY, provenance_pb2.Provenance())["predicate"]
    return found


def test_in_totos_library_would_refuse_what_is_no_statement() -> None:
    text = provenance.render(certified(), HISTORY).replace('"flightBlocksSha256"', '"x": 1, "y"')
    with pytest.raises(json_format.ParseError):
        json_format.Parse(text, statement_pb2.Statement())


def test_the_digest_is_not_passed_off_as_a_sha256_of_the_file() -> None:
    (subject,) = read(certified(), HISTORY, provenance_pb2.Provenance())["subject"]
    assert subject["digest"] == {"flightBlocksSha256": certified().digest.removeprefix("sha256:")}
    assert "docs/digest.md" in subject["annotations"]["digest"]


def test_what_went_in_is_named_once_with_its_digest() -> None:
    found = {each["name"]: each for each in provenance_of()["buildDefinition"]["resolvedDependencies"]}
    assert {name: each["digest"]["sha256"] for name, each in found.items() if name != "packages"} == {
        "compute.ks": "cd" * 32,
        "mirror_InRelease": "3d" * 32,
        "key of vendor": "ab" * 32,
        "key of the mirror": "ef" * 32,
        "/opt/agent": "12" * 32,
    }
    assert found["packages"]["annotations"]["count"] == 2
    assert found["mirror_InRelease"]["annotations"]["suite"] == "trixie-security"
    assert len(provenance_of()["buildDefinition"]["resolvedDependencies"]) == 6


def test_another_package_gives_another_digest_of_them_all() -> None:
    def digest(packages: dict[str, Any]) -> str:
        (found,) = provenance_of(facts("InstallPackages", "b399b4b58c72", {}, {"packages": packages}))[
            "buildDefinition"
        ]["resolvedDependencies"]
        name: str = found["digest"]["sha256"]
        return name

    assert (
        digest({"bash": "5.2", "awk": "1"})
        == digest({"awk": "1", "bash": ["5.2"]})
        != digest({"bash": "5.3", "awk": "1"})
    )


def test_recipe_version_and_what_decided_each_stage_stand_in_it() -> None:
    build = provenance_of()["buildDefinition"]
    assert build["externalParameters"] == {"recipe": "compute", "version": "1.0.7"}
    assert list(build["internalParameters"]["stages"]) == sorted(each.stage for each in HISTORY)
    assert build["internalParameters"]["stages"]["InstallPackages"]["decidedBy"]["release"] == "trixie"


def test_a_script_is_named_by_its_digest_and_not_told() -> None:
    text = provenance.render(certified(), HISTORY)
    assert "secret-of-the-trade" not in text
    scripts = json.loads(text)["predicate"]["buildDefinition"]["internalParameters"]["stages"]["BuildImage"][
        "decidedBy"
    ]
    assert scripts["scripts"][0]["text"]["bytes"] == len(SCRIPT)


def test_it_says_when_and_by_which_flight() -> None:
    details = provenance_of()["runDetails"]
    assert details["metadata"] == {
        "invocationId": "ConvertImage-0c1565bec65e",
        "startedOn": "2026-11-23T02:08:14Z",
        "finishedOn": "2026-11-23T02:12:01Z",
    }
    assert set(details["builder"]["version"]) == {"flight"}


def test_the_verdict_and_its_overrides_travel_with_it() -> None:
    found = read(refused(), HISTORY, provenance_pb2.Provenance())["predicate"]["runDetails"]["byproducts"]
    (verdict,) = (json.loads(base64.b64decode(each["content"])) for each in found if each["name"] == "verdict")
    assert verdict["verdict"] == "not certified"
    assert verdict["overrides"][0]["who"] == "jane@example.org"


def test_facts_without_a_time_give_a_statement_without_times() -> None:
    assert provenance_of(facts("ConvertImage", "0c1565bec65e", {}, {}, made_at=""))["runDetails"][
        "metadata"
    ].keys() == {"invocationId"}


def test_it_is_the_same_whenever_it_is_written() -> None:
    assert provenance.render(certified(), HISTORY) == provenance.render(certified(), HISTORY)


@pytest.mark.parametrize(
    ("certificate", "result"), [(certified(), "WARNED"), (refused(), "FAILED")], ids=["certified", "refused"]
)
def test_of_a_strangers_disk_it_says_only_how_it_was_judged(certificate: Certificate, result: str) -> None:
    """Who built it, and of what, is not known: nothing of it is made up."""
    found = read(certificate, (), test_result_pb2.TestResult())
    assert found["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert found["predicate"]["result"] == result
    assert found["predicate"]["failedTests"] == [each.rule.id for each in certificate.blocking]
    assert "first-mib-free" in [*found["predicate"]["warnedTests"], *found["predicate"]["passedTests"]]


def test_without_a_digest_there_is_nothing_to_make_a_statement_of() -> None:
    with pytest.raises(FlightError, match="there is no statement to make"):
        provenance.render(replace(certified(), digest=""), ())
