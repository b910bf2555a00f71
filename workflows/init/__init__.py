"""`flight init`: a commented luigi.cfg and a first recipe of one's own, in a folder that has neither."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

from flight.workflows import luigicfg
from flight.workflows.kit.arriving import sweep, write_whole
from flight.workflows.kit.errors import ConfigError
from flight.workflows.kit.finding import shown
from flight.workflows.kit.server import is_taken
from flight.workflows.kit.text import quoted
from flight.workflows.settings import SHIPPED, VERSION, Rehearsal, Settings, entries

TEMPLATES: Final = Path(__file__).parent
KEYS: Final = {"el": "RPM-GPG-KEY-AlmaLinux-9"}
"""The key that a family's first recipe names, among those that come with flight."""
USUAL: Final = Settings().rehearsal
STEP: Final = 20
"""How far apart the rehearsals of two folders listen; each has two ports, ten apart."""
HEAD: Final = """\
# The one place where flight is configured. A setting behind a '#' has the value that stands there; take the '#' away to
# change it. Relative paths start in this file's folder. `flight settings` shows what holds.
# Secrets never live here: logging in is azure-identity's business (az login, a managed identity, AZURE_* variables).
"""
WHY_OTHERS: Final = """\
# Not the usual {} and {}: somebody listened on one of them as this was written, another folder's rehearsal perhaps."""
LUIGIS: Final = """\
# The sections from here on are Luigi's own; what stands in them is what flight wants of Luigi.
"""


def write_first(folder: Path, name: str, *, family: str = "debian", ports: Rehearsal = USUAL) -> list[Path]:
    """Write luigi.cfg and the recipe `name`; the paths written, luigi.cfg last. ConfigError where one is there already.

    Each file arrives whole. After a kill the same command goes on: a recipe that is as it would be written is left alone.
    """
    texts = {folder / place: text for place, text in first_texts(name, family=family, ports=ports).items()}
    check_free(texts)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        write_whole(path, text)
    return list(texts)


def free_ports() -> Rehearsal:
    """Where a rehearsal may listen: the defaults, or the next ports where somebody has one of those just now."""
    for step in range(0, 1000, STEP):
        ports = Rehearsal(USUAL.blob_port + step, USUAL.compute_port + step)
        if not (is_taken(ports.blob_port) or is_taken(ports.compute_port)):
            return ports
    return USUAL


def first_texts(name: str, *, family: str = "debian", ports: Rehearsal = USUAL) -> Mapping[str, str]:
    """What is written, by its place in the folder, in the order of writing. ConfigError where `name` is none."""
    if not re.fullmatch(VERSION, name):
        raise ConfigError(
            f"a recipe cannot be named {quoted(repr(name))}",
            why="it names files and images",
            fix="give up to 64 letters, digits, '.', '_' and '-', the first a letter or a digit",
        )
    recipe = {
        f"kickstarts/{name}.{ending}": (TEMPLATES / f"first-recipe.{family}.{ending}").read_text().replace("NAME", name)
        for ending in ("ks.j2", "toml")
    }
    key = {f"kickstarts/keys/{KEYS[family]}": (SHIPPED / "keys" / KEYS[family]).read_text()} if family in KEYS else {}
    return {**key, **recipe, "luigi.cfg": luigi_cfg(name, ports=ports)}


def check_free(texts: Mapping[Path, str]) -> None:
    """ConfigError for the first file that is there already, other than a recipe just like ours."""
    for path, text in texts.items():
        if os.path.lexists(path) and (path.name == "luigi.cfg" or not _holds(path, text)):
            raise ConfigError(
                f"{shown(path)} is there already",
                why="flight init overwrites nothing",
                fix="give another folder: flight init FOLDER"
                if path.name == "luigi.cfg"
                else "give another folder, or another --name",
            )


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def luigi_cfg(recipe: str, *, ports: Rehearsal = USUAL) -> str:
    """Every setting with its sentence; all but the recipe, and ports that are not the usual ones, behind a '#'."""
    usual = Settings()
    given = dataclasses.replace(usual, image=dataclasses.replace(usual.image, recipe=recipe), rehearsal=ports)
    return "\n".join((HEAD, *_own_sections(given), LUIGIS, *_luigis_sections()))


def _own_sections(given: Settings) -> Iterator[str]:
    usual = Settings()
    for section in dataclasses.fields(given):
        values, usually = getattr(given, section.name), getattr(usual, section.name)
        yield f"# {type(values).__doc__}\n[{section.name}]"
        if section.name == "rehearsal" and values != usually:
            yield WHY_OTHERS.format(usually.blob_port, usually.compute_port)
        for name, sentence, text in entries(values):
            is_given = getattr(values, name) != getattr(usually, name) or (section.name, name) == ("image", "recipe")
            yield f"# {sentence}"
            yield f"{'' if is_given else '#'}{name} = {text}".rstrip()
        yield ""


def _luigis_sections() -> Iterator[str]:
    for section, presets in groupby(luigicfg.PRESETS, lambda preset: preset.section):
        yield f"[{section}]"
        for preset in presets:
            yield f"# {preset.sentence}"
            yield f"#{preset.key} = {preset.value}"
        yield ""


def next_steps(folder: Path, written: list[Path]) -> Iterator[str]:
    """What was written, and what to do with it."""
    there = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))}; "
    yield f"Written: {', '.join(shown(path) for path in written)}"
    yield f"See it       {there}flight show kickstart"
    yield "Render it    luigi --module flight.workflows RenderKickstart --local-scheduler"
    yield "The rest     flight doctor says what the other stages need of this host"
    yield "Make it      flight scheduler start; flight rehearsal start; luigi --module flight.workflows UploadImage"
    named = os.environ.get(luigicfg.NAMED_BY)
    if named and Path(named).resolve() != written[-1].resolve():
        yield f"But first    unset {luigicfg.NAMED_BY}: it names {named}, which has the last word"
