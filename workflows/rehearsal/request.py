"""A request as the resource manager sees it, and the path that says which resource is meant."""

from __future__ import annotations

import hashlib
import re
import urllib.parse
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flight.workflows.rehearsal import refusal
from flight.workflows.rehearsal.refusal import PROVIDER, no_such_path

ROLE_HEADER = "x-flight-role"
"""Names what a running stand-in was started for, so that one of other settings is not taken for ours."""
API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")
NAME_RULE = r"^[^_\W][\w-._]{0,79}(?<![-.])$"
"""As Azure quotes it (a .NET expression: there `\\w-.` is no range)."""
_NAME = re.compile(r"[^_\W][\w\-.]{0,79}(?<![-.])", re.ASCII)


@dataclass(frozen=True)
class Request:
    """One HTTP request. `base` is the address the client used, without a slash at the end."""

    method: str
    path: str
    query: Mapping[str, str]
    base: str
    authorization: str = field(default="", repr=False)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What goes back: `body` is JSON, or None for none at all."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Address:
    """Which resource is meant. `group` is empty for a whole subscription, `name` for a whole collection.

    For an operation `kind` is `operations`, `name` its id.
    """

    subscription: str
    kind: str
    group: str = ""
    name: str = ""


def role_of(arguments: Sequence[str]) -> str:
    """A short name for what a stand-in was started with."""
    return hashlib.sha256("\0".join(arguments).encode()).hexdigest()[:12]


def check_manners(request: Request) -> None:
    """What every request must bring: a bearer token (any token) and an api-version. Raises Refusal."""
    if not request.authorization:
        raise refusal.unauthenticated()
    if not re.fullmatch(r"Bearer \S+", request.authorization):
        raise refusal.no_bearer()
    version = request.query.get("api-version", "")
    if not version:
        raise refusal.no_api_version()
    if not API_VERSION.fullmatch(version):
        raise refusal.bad_api_version(version)


def read_address(path: str, *, api_version: str) -> Address:
    """Which resource a path names; literals compare without case, as in ARM. Raises Refusal where there is none."""
    words = [urllib.parse.unquote(word) for word in path.strip("/").split("/")]
    found = dict(zip([word.lower() for word in words[::2]], words[1::2], strict=False))
    shape = [word.lower() for word in words[::2]]
    if shape[:1] != ["subscriptions"] or len(words) < 2:
        raise no_such_path(path)
    _check_guid(found["subscriptions"])
    group = found.get("resourcegroups", "")
    rest = shape[2:] if group else shape[1:]
    if rest[:1] != ["providers"] or "providers" not in found:
        raise no_such_path(path)
    if found["providers"].lower() != PROVIDER.lower():
        raise refusal.no_namespace(found["providers"])
    if rest[1:] == ["locations", "operations"] and "operations" in found and not group:
        return Address(found["subscriptions"], "operations", name=found["operations"])
    if rest[1:] != ["images"] or (not group and "images" in found):
        raise refusal.no_kind("/".join(words[words.index(found["providers"]) + 1 :: 2]), api_version)
    return Address(found["subscriptions"], "images", group, found.get("images", ""))


def check_name(name: str) -> None:
    """Raises Refusal for a name that no image may have."""
    if not _NAME.fullmatch(name):
        raise refusal.bad_name(name, NAME_RULE)


def _check_guid(text: str) -> None:
    try:
        uuid.UUID(text)
    except ValueError:
        raise refusal.bad_subscription(text) from None
