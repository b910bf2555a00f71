"""How an image came about, as an in-toto statement: of flight's own images SLSA provenance, of others what was found.

It is not signed: who is to believe it signs it (cosign attest-blob, in-toto's own tools) or keeps it where nobody else
writes. Nothing in it is of now: times are those of the facts.

Source: in-toto Attestation Framework, "Statement" v1, "ResourceDescriptor" v1, "Test Result" v0.1; SLSA, "Provenance" v1.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from flight.workflows.artefact import Facts
from flight.workflows.certify.certificate import Certificate, Judged
from flight.workflows.certify.report.wording import version
from flight.workflows.kit.errors import FlightError

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PROVENANCE: Final = "https://slsa.dev/provenance/v1"
TEST_RESULT: Final = "https://in-toto.io/attestation/test-result/v0.1"
BUILD_TYPE: Final = "urn:x-flight:walk:1"
BUILDER: Final = "urn:x-flight:luigi"
"""Names of our own, that lead nowhere: the walk and its stages are told in docs/walk.md."""
ALGORITHM: Final = "flightBlocksSha256"
"""Not "sha256": the digest is none of the file's bytes in a row."""
HOW_IT_IS_TAKEN: Final = (
    "SHA-256 over a line 'offset length sha256' for each 64 KiB block of the file that is not all zeros; docs/digest.md"
)
MOST_SIGNS: Final = 200
"""Of a text that is told as it is; of a longer one, or one of several lines, its digest is."""
LISTED: Final = ("packages", "indexes", "digest")
"""What was found that stands elsewhere in the statement."""


def render(certificate: Certificate, history: Sequence[Facts]) -> str:
    """The statement of the image that a certificate is of. `history`: the facts of its stages, the first first.

    Raises FlightError where the certificate names no content.
    """
    if not certificate.digest:
        raise FlightError(
            f"there is no statement to make of {certificate.name}",
            why="a snapshot, or what is no VHD, has no digest that would name it",
            fix="give the disk itself: `flight certify disk.vhd --provenance FILE`",
        )
    statement = {
        "_type": STATEMENT,
        "subject": [_subject(certificate)],
        "predicateType": PROVENANCE if history else TEST_RESULT,
        "predicate": _provenance(certificate, history) if history else _result(certificate),
    }
    return json.dumps(statement, indent=2, sort_keys=True) + "\n"


def _subject(certificate: Certificate) -> dict[str, Any]:
    return {
        "name": certificate.name,
        "digest": {ALGORITHM: certificate.digest.removeprefix("sha256:")},
        "annotations": {"digest": HOW_IT_IS_TAKEN},
    }


def _provenance(certificate: Certificate, history: Sequence[Facts]) -> dict[str, Any]:
    last = history[-1]
    ends = [(datetime.fromisoformat(each.made_at), timedelta(seconds=each.seconds)) for each in history if each.made_at]
    started, finished = (
        min((end - took for end, took in ends), default=None),
        max((end for end, _ in ends), default=None),
    )
    times = {"startedOn": _time(started), "finishedOn": _time(finished)} if started and finished else {}
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"recipe": last.recipe, "version": last.version},
            "internalParameters": {"stages": {each.stage: _decided(each) for each in history}},
            "resolvedDependencies": _once(each for facts in history for each in _dependencies(facts)),
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {"flight": version()}},
            "metadata": {"invocationId": f"{last.stage}-{last.key}", **times},
            "byproducts": [*map(_byproduct, history), _certified(certificate)],
        },
    }


def _decided(facts: Facts) -> dict[str, Any]:
    return {
        "key": facts.key,
        "edition": facts.edition,
        "upstream": list(facts.upstream),
        "decidedBy": _brief(facts.decided_by),
    }


def _brief(value: Any) -> Any:
    """Facts without their long texts: scripts and files' contents, which digests name as well."""
    if isinstance(value, str) and (len(value) > MOST_SIGNS or "\n" in value):
        raw = value.encode(errors="replace")
        return {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    if isinstance(value, Mapping):
        return {str(key): _brief(part) for key, part in value.items()}
    return [_brief(part) for part in value] if isinstance(value, (list, tuple)) else value


def _dependencies(facts: Facts) -> Iterator[dict[str, Any]]:
    """What went in and has a digest: the kickstart, the packages' indexes and the packages, keys, files of the recipe."""
    if text := facts.decided_by.get("text_sha256"):
        yield {"name": f"{facts.recipe}.ks", "digest": {"sha256": text}}
    for index in facts.found.get("indexes") or ():
        annotations = {name: index[name] for name in ("suite", "date") if index.get(name)}
        yield {"name": index["file"], "digest": {"sha256": index["sha256"]}, "annotations": annotations}
    if packages := facts.found.get("packages"):
        yield _packages(packages)
    for source in facts.decided_by.get("repositories") or ():
        if source.get("key_sha256"):
            yield {"name": f"key of {source.get('name', '')}", "digest": {"sha256": source["key_sha256"]}}
    if key := facts.decided_by.get("mirror_key_sha256"):
        yield {"name": "key of the mirror", "digest": {"sha256": key}}
    for file in facts.decided_by.get("files") or ():
        yield {"name": file["to"], "digest": {"sha256": file["sha256"]}} if file.get("sha256") else {"name": file["to"]}


def _once(dependencies: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two stages may be decided by the same key."""
    return list({json.dumps(each, sort_keys=True): each for each in dependencies}.values())


def _packages(packages: Mapping[str, Any]) -> dict[str, Any]:
    """The packages as one: the list itself is the SBOM's. A line is a name, and its versions."""
    versions = ((name, [each] if isinstance(each, str) else each) for name, each in packages.items())
    lines = sorted(f"{name} {' '.join(each)}\n" for name, each in versions)
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    how = "SHA-256 over a line 'name version' for each, sorted"
    return {"name": "packages", "digest": {"sha256": digest}, "annotations": {"count": len(packages), "digest": how}}


def _byproduct(facts: Facts) -> dict[str, Any]:
    """What a stage made, and what it found while it did: sizes, programs and their versions."""
    found = {name: value for name, value in facts.found.items() if name not in LISTED}
    return {
        "name": f"{facts.stage}-{facts.key}",
        "annotations": {
            "madeAt": facts.made_at,
            "seconds": facts.seconds,
            "bytes": facts.size_bytes,
            "found": _brief(found),
        },
    }


def _certified(certificate: Certificate) -> dict[str, Any]:
    """The verdict, and what of it somebody took on: it travels with the statement."""
    said = {"verdict": certificate.verdict, "overrides": [asdict(each) for each in certificate.overrides]}
    raw = json.dumps(said, sort_keys=True).encode()
    return {"name": "verdict", "mediaType": "application/json", "content": base64.b64encode(raw).decode()}


def _result(certificate: Certificate) -> dict[str, Any]:
    """What is known of a disk that somebody else built: how it was judged."""
    warned = [each for each in certificate.judged if _is_open(each) and not each.is_blocking]
    failed = [each for each in certificate.judged if each.is_blocking]
    is_well = certificate.verdict == "certified"
    asked = {"generations": list(certificate.generations), "claims": list(certificate.claims), "flight": version()}
    return {
        "result": ("WARNED" if warned else "PASSED") if is_well else "FAILED",
        "configuration": [{"name": "rules", "annotations": asked}],
        "passedTests": [each.rule.id for each in certificate.judged if each.status == "pass"],
        "warnedTests": [each.rule.id for each in warned],
        "failedTests": [each.rule.id for each in failed],
    }


def _is_open(judged: Judged) -> bool:
    return judged.status in ("fail", "unknown")


def _time(moment: datetime) -> str:
    """RFC 3339, whole seconds."""
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")
