"""The certificate as one page that needs nothing else: no script, no picture, no server; to be read, printed, sent."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.certify.certificate import Certificate, Judged
from flight.workflows.certify.image import CLAIMS
from flight.workflows.certify.report.wording import (
    by_area,
    counts,
    failures,
    known_on,
    override_line,
    plain,
    sentence,
    source_line,
    version,
    worth_telling,
)

if TYPE_CHECKING:
    from markupsafe import Markup

PAGE: Final = "page.html.j2"
STYLE: Final = "page.css"
MEANING: Final = {
    "certified": "Nothing that a look at the disk can show stands in the way of its certification.",
    "not certified": "As it is, this image is likely to be refused, or not to start, or not to be provisioned.",
    "unusable": "This is no disk that could be judged.",
}
LABELS: Final = {"os": "system"}
CODE: Final = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Section:
    """Rules of one kind. `is_open`: unfolded when the page is opened; `is_brief`: a line a rule is enough."""

    name: str
    title: str
    judged: Sequence[Judged]
    is_open: bool = True
    is_brief: bool = False


def render_html(certificate: Certificate) -> str:
    """Every word that stands in it is escaped, whoever wrote it; the page may load nothing, and run nothing."""
    from jinja2 import Environment
    from markupsafe import Markup

    folder = resources.files("flight.workflows.certify.report")
    style = folder.joinpath(STYLE).read_text()
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    environment.filters.update(with_code=_with_code, by_area=by_area, source_line=source_line)
    template = environment.from_string(folder.joinpath(PAGE).read_text())
    return template.render(
        style=Markup(style),
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        **page_values(certificate),
    )


def page_values(certificate: Certificate) -> dict[str, Any]:
    """What the template is given, beside its style."""
    return {
        "certificate": certificate,
        "sentence": sentence(certificate).removeprefix(f"{certificate.name} is ").partition(": ")[2],
        "meaning": MEANING[certificate.verdict],
        "verdict_class": certificate.verdict.replace(" ", "-"),
        "facts": facts_of(certificate),
        "sections": [section for section in sections_of(certificate) if section.judged],
        "counts": counts(certificate),
        "overrides": [override_line(each) for each in certificate.overrides],
        "known_on": known_on(certificate),
        "version": version(),
    }


def facts_of(certificate: Certificate) -> dict[str, str]:
    """What there is to say of the image itself; only what is known."""
    facts = {
        **{LABELS.get(name, name): words for name, words in certificate.system.items()},
        "generation": ", ".join(each[1:] for each in certificate.generations),
        "claims": ", ".join(CLAIMS.get(each, each) for each in certificate.claims),
        "looked at": certificate.made_at.replace("T", " ").replace("+00:00", " UTC"),
        "digest": certificate.digest,
    }
    return {name: words for name, words in facts.items() if words}


def sections_of(certificate: Certificate) -> list[Section]:
    """Every rule stands in one of them."""
    failed = [each for each in failures(certificate) if not each.is_blocking and not each.override]
    well = [each for each in certificate.judged if each.status == "pass"]
    unasked = [each for each in certificate.judged if each.status == "not applicable"]
    return [
        Section("blocking", "In the way", [*_blocking(failures(certificate)), *_blocking(worth_telling(certificate))]),
        Section("mending", "Worth mending", failed),
        Section("undecided", "Undecided", [each for each in worth_telling(certificate) if _is_plain(each)]),
        Section("overridden", "Overridden", [each for each in certificate.judged if each.override]),
        Section("passed", "Passed", well, is_open=False, is_brief=True),
        Section("unasked", "Not applicable", unasked, is_open=False, is_brief=True),
    ]


def _blocking(judged: Sequence[Judged]) -> list[Judged]:
    return [each for each in judged if each.is_blocking]


def _is_plain(judged: Judged) -> bool:
    return not judged.is_blocking and judged.override is None


def _shown(value: Any) -> Any:
    """What the template is about to write: words are made plain first, and escaped after."""
    return plain(value) if type(value) is str else value


def _with_code(text: str) -> Markup:
    """Words with what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = CODE.split(plain(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )
