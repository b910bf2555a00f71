"""What the verbs of `flight` share: how they are added, how a recipe is named, how lines are printed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from flight.workflows.kit import terminal
from flight.workflows.settings import check_version, load_settings

if TYPE_CHECKING:
    from flight.workflows.stage import Stage

OK, FAULT, UNUSABLE = 0, 1, 2
Run = Callable[[argparse.Namespace], int | None]


class Verb(Protocol):
    """Adds a verb: its name, its sentence, what it does, and more words for its own help."""

    def __call__(self, name: str, sentence: str, run: Run, more: str = "") -> argparse.ArgumentParser: ...


def image_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("recipe", nargs="?", help="default: [image] recipe of luigi.cfg")
    verb.add_argument("--recipe", dest="named", metavar="RECIPE", help="the same word, as luigi wants it")
    verb.add_argument("--version", help="default: [image] version of luigi.cfg")


def names_of(args: argparse.Namespace) -> tuple[str, str]:
    image = load_settings().image
    return args.recipe or args.named or image.recipe, check_version(args.version or image.version)


def print_lines(lines: Iterable[str]) -> None:
    for line in terminal.folded(lines):
        print(line, flush=True)


def last_stage(args: argparse.Namespace) -> Stage:
    from flight.workflows.pipeline import UploadImage

    recipe, version = names_of(args)
    last: Stage = UploadImage.from_str_params({"recipe": recipe, "version": version})
    return last


def scheduler_url() -> str:
    from flight.workflows.commandline import scheduler_address

    host, port = scheduler_address()
    return f"http://{host}:{port}"


def user_cache() -> Path:
    """Where a person's caches lie. Source: XDG Base Directory Specification."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flight"
