"""The gate of the walk: a certificate of a recipe's VHD that is there only for a pass, or for a named override."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.artefact import Facts
from flight.workflows.certify.certificate import Certificate, Judged
from flight.workflows.certify.certifying import Asked, certify
from flight.workflows.certify.facts import Snapshot
from flight.workflows.certify.report import render_html, render_json
from flight.workflows.certify.rules import RULES
from flight.workflows.kit.arriving import remove, write_whole
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.finding import Finding, shown
from flight.workflows.kit.progress import Told, quiet
from flight.workflows.recipe.values import Override, Recipe

if TYPE_CHECKING:
    from flight.workflows.settings import Programs

MOST_TOLD: Final = 8
"""Failures that the error itself lists; the rest stand in the report."""
AGAIN: Final = "remove it, then run this again: the VHD is looked at anew"


@dataclass(frozen=True)
class Passed:
    """What a certificate that let an image pass says to the stages after it."""

    digest: str
    overrides: tuple[Override, ...]


def asked_of(recipe: Recipe) -> Asked:
    """What a recipe's certificate is to say."""
    said = recipe.certify
    return Asked((recipe.azure.generation,), said.claims, said.without, said.overrides)


def refusals(recipe: Recipe) -> list[Finding]:
    """Overrides of rules that do not exist."""
    known = {rule.id for rule in RULES}
    strange = (
        (recipe.where("certify", "overrides", number, "rules"), name)
        for number, override in enumerate(recipe.certify.overrides)
        for name in override.rules
        if name not in known
    )
    return [Finding(at, f"there is no rule '{name}'", "`flight certify --list` names all") for at, name in strange]


def certify_recipe(
    disk: Path,
    to: Path,
    *,
    recipe: Recipe,
    history: Sequence[Facts],
    programs: Programs,
    work: Path,
    log_to: Path,
    accelerated: bool = False,
    told: Told = quiet,
) -> dict[str, Any]:
    """Write the certificate to `to`; beside it a page for people, the list of packages and what it was made of.

    What was found, for facts.json. Raises FlightError where the image does not pass: then NAME.certificate.failed.json
    and .html beside `to` say why, and nothing is written to `to`.
    """
    made = {facts.stage: facts for facts in history}
    certificate, snapshot = certify(
        disk, asked_of(recipe), programs=programs, work=work, log_to=log_to, index=index_of(made, work),
        known_digest=made["ConvertImage"].found.get("digest", ""), accelerated=accelerated, told=told,
    )  # fmt: skip
    page, *failed = (to.parent / f"{recipe.name}.certificate.{end}" for end in ("html", "failed.html", "failed.json"))
    if certificate.verdict != "certified":
        write_whole(failed[0], render_html(certificate))
        write_whole(failed[1], render_json(certificate))
        raise refusal(certificate, failed[0])
    for path in failed:
        remove(path)
    write_whole(page, render_html(certificate))
    write_beyond(snapshot, certificate, recipe=recipe, history=history, beside=to.parent)
    to.write_text(render_json(certificate))
    return {
        "digest": certificate.digest,
        "overrides": [asdict(each) for each in certificate.overrides],
        "failed": [each.rule.id for each in certificate.judged if each.status == "fail"],
        "looked_s": certificate.seconds,
    }


def refusal(certificate: Certificate, report: Path) -> FlightError:
    """Why an image may not pass, in a few lines."""
    if certificate.unseen:
        return FlightError(f"could not look inside because {certificate.unseen}", fix="see that the VHD boots")
    lines = [line_of(each) for each in certificate.blocking]
    more = [f"and {len(lines) - MOST_TOLD} more"] if len(lines) > MOST_TOLD else []
    count = "one rule stands" if len(lines) == 1 else f"{len(lines)} rules stand"
    return FlightError(
        f"the image is not certified: {count} in its way",
        why="\n       ".join([*lines[:MOST_TOLD], *more]),
        fix=f"{shown(report)} says how to mend each; what may be so is named in the recipe, with who and why: "
        "[[certify.overrides]]",
    )


def line_of(judged: Judged) -> str:
    return f"{judged.rule.id}: {judged.seen}"


def load_passed(path: Path, *, digest: str) -> Passed:
    """The certificate of the VHD with this digest. Raises FlightError where it is none, or one of another disk."""
    try:
        raw = json.loads(path.read_text())
        found = Passed(
            raw["digest"], tuple(Override(tuple(it["rules"]), it["who"], it["why"]) for it in raw["overrides"])
        )
        is_passed = raw["verdict"] == "certified"
    except (OSError, ValueError, KeyError, TypeError):
        raise FlightError(
            f"{path} is no certificate", why="it was cut short, or somebody edited it", fix=AGAIN
        ) from None
    if not is_passed or found.digest != digest:
        why = "it says that the image did not pass" if not is_passed else "it is of a VHD with another digest"
        raise FlightError(f"{path} is not this image's pass", why=why, fix=AGAIN)
    return found


def index_of(made: Mapping[str, Facts], work: Path) -> Path | None:
    """The folder with the package index that the image was built from, where it is kept still."""
    from flight.workflows.certify.reading.index import find_index

    packages = made.get("InstallPackages")
    return find_index(work / "cache", packages.found.get("indexes") or []) if packages else None


def write_beyond(
    snapshot: Snapshot, certificate: Certificate, *, recipe: Recipe, history: Sequence[Facts], beside: Path
) -> None:
    """The list of packages and the statement of provenance, beside the certificate."""
    from flight.workflows.certify.beyond import provenance, sbom

    files = {
        "sbom": (f"{recipe.name}.cdx.json", lambda: sbom.render(snapshot, name=recipe.name, digest=certificate.digest)),
        "provenance": (f"{recipe.name}.provenance.json", lambda: provenance.render(certificate, history)),
    }
    for word, (name, render) in files.items():
        if word in recipe.certify.without:
            remove(beside / name)
        else:
            write_whole(beside / name, render())
