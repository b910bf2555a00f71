"""cloud-init's configuration, merged as cloud-init itself does it: cloud.cfg, cloud.cfg.d/*.cfg, the kernel's command line.

Source: cloudinit/util.py (read_conf_with_confd, read_conf_from_cmdline, mergemanydict) and cloudinit/mergers of cloud-init 25.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from flight.workflows.certify.reading.yaml import Refused, read_yaml
from flight.workflows.certify.tree import NotTaken, Tree

MAIN: Final = "/etc/cloud/cloud.cfg"
KERNEL: Final = "the kernel's command line"
MOST_CHARACTERS: Final = 512 << 10
"""Of all files together; what is beyond them is not read."""
MERGING: Final = ("merge_how", "merge_type")
"""Keys by which a file wants to be merged in another way."""
ON_COMMAND_LINE: Final = re.compile(r"cc:(.*?)(?:end_cc|$)", re.DOTALL)
AT_LEAST: Final = 2
"""An empty file is none; `{}` is two characters."""

Config = Mapping[str, Any]


@dataclass(frozen=True)
class CloudConfig:
    """The merged configuration. `sources` by key at the top: the file that decides it.

    `broken` are files that cloud-init leaves out with a warning, each with the reason; `unread` those that flight does
    not follow, so that what they decide is not known.
    """

    merged: Config = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


class _Reader:
    """Reads the files one by one, and keeps count."""

    def __init__(self, tree: Tree) -> None:
        self.tree, self.left = tree, MOST_CHARACTERS
        self.broken: list[str] = []
        self.unread: list[str] = []

    def read(self, path: str) -> dict[str, Any]:
        try:
            text = self.tree.text(path) or ""
        except NotTaken:
            self.unread.append(f"{path}: its content was not taken")
            return {}
        return self.parse(text, path)

    def parse(self, text: str, path: str) -> dict[str, Any]:
        self.left -= len(text)
        try:
            if self.left < 0:
                raise Refused(f"the files have more than {MOST_CHARACTERS} characters together")
            found = read_yaml(text)
        except Refused as error:
            self.unread.append(f"{path}: {error}")
            return {}
        except ValueError as error:
            self.broken.append(f"{path}: {error}")
            return {}
        if found is not None and not isinstance(found, dict):
            self.broken.append(f"{path}: it is no mapping")
            return {}
        if any(key in (found or {}) for key in MERGING):
            self.unread.append(f"{path}: it is merged by rules of its own")
        return {str(key): value for key, value in (found or {}).items()}


def read_config(tree: Tree, command_line: str) -> CloudConfig:
    """What cloud-init's first stage knows of an image. The rows go from the weakest to the strongest."""
    reader = _Reader(tree)
    main = reader.read(MAIN) if tree.is_file(MAIN) else {}
    rows = [(MAIN, main), *((path, reader.read(path)) for path in _others(tree, main, reader))]
    rows += [(KERNEL, part) for part in _from_command_line(command_line, reader)]
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for path, part in reversed(rows):
        for key in part:
            sources.setdefault(key, path)
        merged = merge(merged, part)
    return CloudConfig(merged, sources, tuple(reader.broken), tuple(reader.unread))


def config_paths(tree: Tree) -> list[str]:
    """The files of the configuration, and what lies in cloud.cfg.d though the main file names another folder."""
    reader = _Reader(tree)
    main = reader.read(MAIN) if tree.is_file(MAIN) else {}
    return list(dict.fromkeys((MAIN, *_others(tree, main, reader), *tree.glob(f"{MAIN}.d/*.cfg"))))


def _others(tree: Tree, main: dict[str, Any], reader: _Reader) -> list[str]:
    """The files of cloud.cfg.d by name, or of the folder that the main file's `conf_d` names instead."""
    folder = main.get("conf_d", f"{MAIN}.d")
    if not isinstance(folder, str):
        reader.broken.append(f"{MAIN}: conf_d is no path")
        return []
    folder = folder.strip().rstrip("/")
    paths = (f"{folder}/{name}" for name in tree.names(folder or "/") if name.endswith(".cfg"))
    return [path for path in paths if tree.is_file(path)] if folder else []


def _from_command_line(command_line: str, reader: _Reader) -> Iterator[dict[str, Any]]:
    text = "\n".join(unquote(match[1]).strip().replace("\\n", "\n") for match in ON_COMMAND_LINE.finditer(command_line))
    if len(text) >= AT_LEAST:
        yield reader.parse(text, KERNEL)


def merge(strong: Mapping[str, Any], weak: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings as one: what the first has stays, mappings in both are merged in turn, lists are not."""
    merged = dict(strong)
    for key, value in weak.items():
        if key not in merged:
            merged[key] = value
        elif isinstance(merged[key], Mapping) and isinstance(value, Mapping):
            merged[key] = merge(merged[key], value)
    return merged
