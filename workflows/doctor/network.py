"""A look at the package mirror, and at the clock by what servers say of the time: the Date header of any answer."""

from __future__ import annotations

import email.utils
import http.client
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import Final

from flight.workflows.cloud.endpoint import REHEARSAL
from flight.workflows.doctor.verdict import Finding, from_error, judge_clock, judge_mirror
from flight.workflows.kickstart import mirrors_for
from flight.workflows.kit.errors import FlightError, said_by
from flight.workflows.recipe import Recipe
from flight.workflows.settings import Settings

ANSWER_S: Final = 5.0


def look_at_mirror(settings: Settings, recipe: Recipe) -> Iterator[Finding]:
    """Does it answer, and hold the recipe's release? In the rehearsal its answer tells the time as well."""
    try:
        mirror = mirrors_for(recipe, settings.image.mirror).archive.rstrip("/")
    except FlightError as error:
        yield from_error("package mirror", error)
        return
    if not mirror:  # the kickstart itself names the places
        return
    is_debian = recipe.family == "debian"
    status, headers = asked(f"{mirror}/dists/{recipe.release}/Release" if is_debian else f"{mirror}/")
    yield judge_mirror(mirror, recipe.release if is_debian else "", status)
    if settings.azure.cloud == REHEARSAL:
        yield from look_at_clock(headers, whose="the package mirror's")


def look_at_clock(headers: Mapping[str, str], *, whose: str) -> Iterator[Finding]:
    """Nothing where no time was told."""
    skew_s = skew_of(headers, now_s=time.time())
    if skew_s is not None:
        yield judge_clock(skew_s, whose=whose)


def asked(url: str) -> tuple[int | str, Mapping[str, str]]:
    """The status of a HEAD request and the answer's headers, or why there was none.

    A certificate is not verified: a clock that is far off finds them all invalid, and nothing is believed but the time.
    """
    if url.startswith("file:"):
        there = os.path.exists(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
        return (200, {}) if there else (f"there is no {url}", {})
    request = urllib.request.Request(url, method="HEAD", headers={"Cache-Control": "no-cache"})
    unverified = ssl._create_unverified_context()
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S, context=unverified) as answer:
            return answer.status, _named(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _named(error.headers)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return said_by(error), {}


def _named(headers: Message) -> dict[str, str]:
    """Their names as `Date` and `Age`, however the server spells them."""
    return {name.title(): value for name, value in headers.items()}


def skew_of(headers: Mapping[str, str], *, now_s: float) -> float | None:
    """How far `now_s` (Unix time) is ahead of an answer's Date; None where that does not read as one.

    A cache may hand on an old Date with its Age, or put its own there and tell the Age all the same: what is nearer.
    """
    try:
        date_s = email.utils.parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except ValueError:
        return None
    age = headers.get("Age", "")
    ahead_s = now_s - date_s
    return min(ahead_s, ahead_s - int(age), key=abs) if age.isdecimal() else ahead_s
