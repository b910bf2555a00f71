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
from flight.workflows.rehearsal.refusal import PROVIDER, STORAGE, no_such_path

ROLE_HEADER = "x-flight-role"
"""Names what a running stand-in was started for, so that one of other settings is not taken for ours."""
EDITION = "galleries"
"""The newest that a stand-in learned: one that an older flight started, and that still runs, is not taken for ours."""
API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")
NAME_RULE = r"^[^_\W][\w-._]{0,79}(?<![-.])$"
"""As Azure quotes it (a .NET expression: there `\\w-.` is no range)."""
_NAME = re.compile(r"[^_\W][\w\-.]{0,79}(?<![-.])", re.ASCII)
OPERATIONS = ("locations/operations", "locations/capsOperations")
LIST_KEYS = "storageAccounts/listKeys"
KINDS = {
    PROVIDER: ("images", "galleries", "galleries/images", "galleries/images/versions", *OPERATIONS),
    STORAGE: ("storageAccounts", LIST_KEYS),
}
"""What there is of each provider. Those of one word are listed for a whole subscription too."""


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

    `parents` are the names of the resources that it lies in. For an operation `kind` is `operations`, `name` its id.
    """

    subscription: str
    kind: str
    group: str = ""
    name: str = ""
    parents: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.parents, self.name) if self.name else self.parents


def role_of(arguments: Sequence[str]) -> str:
    """A short name for what a stand-in is and was started with."""
    return hashlib.sha256("\0".join((EDITION, *arguments)).encode()).hexdigest()[:12]


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
    if words[0].lower() != "subscriptions" or len(words) < 2:
        raise no_such_path(path)
    subscription, rest = words[1], words[2:]
    _check_guid(subscription)
    group = ""
    if len(rest) > 1 and rest[0].lower() == "resourcegroups":
        group, rest = rest[1], rest[2:]
    if len(rest) < 2 or rest[0].lower() != "providers":
        raise no_such_path(path)
    kind = _kind(rest[1], "/".join(rest[2::2]), api_version=api_version)
    names = tuple(rest[3::2])
    if kind in OPERATIONS and len(names) == 2 and not group:
        return Address(subscription, "operations", name=names[1])
    levels = len(kind.split("/"))
    is_deed_with_name = kind == LIST_KEYS and len(names) == levels
    if kind in OPERATIONS or is_deed_with_name or (not group and names):
        raise refusal.no_kind("/".join(rest[2::2]), api_version, rest[1])
    name = names[-1] if len(names) == levels else ""
    return Address(subscription, kind, group, name, names[: levels - 1])


def is_name(text: str) -> bool:
    """May an image or a gallery's definition be called so?"""
    return _NAME.fullmatch(text) is not None


def _kind(namespace: str, given: str, *, api_version: str) -> str:
    """The type as Azure spells it."""
    known = next((kinds for provider, kinds in KINDS.items() if provider.lower() == namespace.lower()), None)
    if known is None:
        raise refusal.no_namespace(namespace)
    found = next((kind for kind in known if kind.lower() == given.lower()), None)
    if found is None:
        raise refusal.no_kind(given, api_version, namespace)
    return found


def _check_guid(text: str) -> None:
    try:
        uuid.UUID(text)
    except ValueError:
        raise refusal.bad_subscription(text) from None
