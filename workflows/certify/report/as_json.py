"""The whole certificate for programs."""

from __future__ import annotations

import json
from typing import Any, Final

from flight.workflows.certify.certificate import Certificate, Judged
from flight.workflows.certify.report.wording import area_of, counts, known_on, version

FORMAT: Final = 1
"""Raised when a key is renamed, or goes, or means something else; a new key leaves it as it is."""


def render_json(certificate: Certificate) -> str:
    """One JSON object, ASCII only, so that no word of a disk does anything to a terminal.

    format     of this object: 1                      flight      the version that made it
    made_at    ISO 8601                               seconds     the look, and the rules
    name       the disk's file name                   digest      of the image's content; empty: not taken
    verdict    certified | not certified | unusable   exit_code   0 | 1 | 2
    unseen     why nothing inside was looked at; empty where it was
    disk       {system: {os, kernel, …: words}, generations: [V1, V2], claims: [words]}
    counts     {blocker, likely blocker, warning, info (failed so), overridden, undecided, passed, not applicable}
    blocking   the ids of the rules that stand in the way
    overrides  [{rules: [ids], who, why}]             notes       [sentences]
    known_on   the youngest knowledge behind the rules about versions
    rules      [{id, area, title, severity, status, is_blocking, seen, required, fix, source, offline, secondary,
               known_on, overridden: {who, why} or null}], in the order of the tables
               status: pass | fail | not applicable | unknown; severity: this outcome's; offline: yes | partial
    """
    return json.dumps(json_values(certificate), indent=2) + "\n"


def json_values(certificate: Certificate) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "flight": version(),
        "made_at": certificate.made_at,
        "seconds": round(certificate.seconds, 3),
        "name": certificate.name,
        "digest": certificate.digest,
        "verdict": certificate.verdict,
        "exit_code": certificate.exit_code,
        "unseen": certificate.unseen,
        "disk": {
            "system": dict(certificate.system),
            "generations": list(certificate.generations),
            "claims": list(certificate.claims),
        },
        "counts": dict(counts(certificate)),
        "blocking": [each.rule.id for each in certificate.blocking],
        "overrides": [{"rules": list(each.rules), "who": each.who, "why": each.why} for each in certificate.overrides],
        "notes": list(certificate.notes),
        "known_on": known_on(certificate),
        "rules": [_rule_values(each) for each in certificate.judged],
    }


def _rule_values(judged: Judged) -> dict[str, Any]:
    rule, override = judged.rule, judged.override
    return {
        "id": rule.id,
        "area": area_of(rule),
        "title": rule.title,
        "severity": judged.severity,
        "status": judged.status,
        "is_blocking": judged.is_blocking,
        "seen": judged.seen,
        "required": judged.required,
        "fix": judged.fix,
        "source": rule.source,
        "offline": rule.offline,
        "secondary": rule.is_secondary,
        "known_on": rule.known_on,
        "overridden": {"who": override.who, "why": override.why} if override else None,
    }
