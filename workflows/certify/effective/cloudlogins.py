"""Who could log in by what cloud-init reads: passwords and keys in its configuration, and in a seed that is left.

Each file is judged by itself: what another one overrides stands in the image all the same. A text that is no YAML (a
seed in parts, a script) is searched as text.

Source: cloud-init, "Users and Groups", "Set Passwords", "NoCloud"; cloudinit/distros/ug_util.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from flight.workflows.certify.effective.cloudcfg import MOST_CHARACTERS, config_paths
from flight.workflows.certify.image import Image
from flight.workflows.certify.reading.secrets import HASH
from flight.workflows.certify.reading.yaml import Refused, read_yaml
from flight.workflows.certify.tree import NotTaken, Tree

PASSWORDS: Final = ("plain_text_passwd", "hashed_passwd", "passwd", "password")
KEYS: Final = ("ssh_authorized_keys", "ssh_import_id", "public_keys")
"""Keys at any depth; "-" is "_" in them, as cloud-init has it for users."""
IN_TEXT: Final = re.compile(
    r"""(?m)^[ \t-]*["']?(?:plain_text_passwd|hashed_passwd|passwd|password)["']?[ \t]*:[ \t]*["']?([^\s#"'!*~][^\s#"']*)"""
)
"""A password on a line of its own; "!" and "*" lock."""
NO_PASSWORD: Final = ("null", "false", "none", "true")
CHPASSWD: Final = re.compile(r"\s+(?:-\s*)?[\"']?[A-Za-z_][\w.-]*:[^\s:][^\s]*")
"""A row of chpasswd's list, name:password."""


def password_files(image: Image) -> Iterator[str]:
    """The files that set a password. Raises NotTaken."""
    for path, text in _files(image):
        set_there = (found[1].lower() not in NO_PASSWORD for found in IN_TEXT.finditer(text))
        is_in_text = any(set_there) or HASH.search(text.encode()) or _changes_passwords(text)
        if is_in_text or _sets_password(_documents(path, text)):
            yield path


def key_files_of_cloud(image: Image) -> Iterator[str]:
    """The files that let a key in, written out or named for somebody to fetch. Raises NotTaken."""
    for path, text in _files(image):
        if any(key in KEYS and value for key, value in _pairs(_documents(path, text))):
            yield path


def seeds(tree: Tree, folder: str) -> list[str]:
    """The files that stand in for a data source below cloud-init's folder."""
    return [path for path, entry in tree.under(f"{folder}/seed") if entry.kind in "fl"]


def _files(image: Image) -> Iterator[tuple[str, str]]:
    """Each file with its text, as many as cloud-init's own configuration may hold together."""
    seeded = (path for folder in image.cloudinit.folders for path in seeds(image.tree, folder))
    left = MOST_CHARACTERS
    for path in dict.fromkeys((*config_paths(image.tree), *seeded)):
        text = image.tree.text(path) or ""
        left -= len(text)
        if left < 0:
            raise NotTaken(path)
        yield path, text


def _documents(path: str, text: str) -> list[Any]:
    """What a file says, and the user data within it (userdata_raw), each once however often it is referred to."""
    values = _values(path, text)
    within = {each for _, each in _pairs(values) if isinstance(each, str) and each.startswith("#cloud-config")}
    return [values, *(_values(path, each) for each in sorted(within))]


def _values(path: str, text: str) -> Any:
    try:
        return read_yaml(text)
    except Refused:
        raise NotTaken(path) from None
    except ValueError:
        return None


def _pairs(values: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth, which the reader has bounded."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield str(key).replace("-", "_"), value
    for each in values.values() if isinstance(values, dict) else values if isinstance(values, list) else ():
        yield from _pairs(each)


def _sets_password(documents: list[Any]) -> bool:
    pairs = list(_pairs(documents))
    lists = (value.get("list") for key, value in pairs if key == "chpasswd" and isinstance(value, dict))
    listed = (each.splitlines() if isinstance(each, str) else each for each in lists)
    rows = (row for each in listed if isinstance(each, list) for row in each)
    return any(key in PASSWORDS and _is_password(value) for key, value in pairs) or any(
        isinstance(row, str) and CHPASSWD.match(f" {row}") for row in rows
    )


def _is_password(value: Any) -> bool:
    """A number is one too: YAML reads 1234 so."""
    said = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return said[:1] not in ("", "!", "*") and said.lower() not in NO_PASSWORD


def _changes_passwords(text: str) -> bool:
    """Whether chpasswd, in cloud-init's configuration, has a list of names and passwords."""
    within = False
    for line in text.splitlines():
        if line[:1] not in (" ", "\t", "-", "#", ""):
            within = line.startswith("chpasswd:")
        if within and CHPASSWD.fullmatch(line.rstrip().rstrip("\"'")):
            return True
    return False
