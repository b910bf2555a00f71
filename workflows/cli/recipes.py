"""Verbs about recipes and what is made of them: show, init, clean, settings."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

from flight.workflows.cli.verbs import (
    FAULT,
    OK,
    Verb,
    image_arguments,
    last_stage,
    names_of,
    print_lines,
    scheduler_url,
)
from flight.workflows.settings import load_settings

SHOWN: Final = {
    "recipes": "every recipe by its name",
    "recipe": "one recipe, its defaults filled in",
    "kickstart": "its kickstart as the installer would read it",
    "plan": "what an installer will do",
    "walk": "which stages would run, and why",
    "made": "what was made: where it lies, its size, the seconds it took",
}


def add_show(verb: Verb) -> None:
    words = "\n".join(f"  {name:<11} {sentence}" for name, sentence in SHOWN.items())
    show = verb("show", "a recipe, its kickstart or plan; what would run and why; what was made", _show, words)
    show.add_argument("what", choices=[*SHOWN], metavar="WHAT", help="one of the words below")
    image_arguments(show)
    show.add_argument("--next", action="store_true", help="with `made`: what to do next")
    show.add_argument("--check", action="store_true", help="with `walk`: exit code 1 where something would run")


def add_init(verb: Verb) -> None:
    init = verb("init", "write a commented luigi.cfg and a first recipe of your own", _init)
    init.add_argument("folder", nargs="?", type=Path, default=Path(), help="where to (default: the current folder)")
    init.add_argument("--name", default="my-image", help="the recipe's name (default: my-image)")
    init.add_argument(
        "--family", default="debian", choices=["debian", "el"],
        help="debian, or el: Enterprise Linux (default: debian)",
    )  # fmt: skip


def add_clean(verb: Verb) -> None:
    clean = verb("clean", "remove this version's artefacts from the work folder; Azure keeps what was uploaded", _clean)
    image_arguments(clean)
    how = clean.add_mutually_exclusive_group()
    how.add_argument("--all", action="store_true", help="every version of the recipe")
    how.add_argument("--old", action="store_true", help="all but the newest few of each stage ([paths] keep)")
    clean.add_argument("--dry-run", action="store_true", help="only say what would go")


def add_settings(verb: Verb) -> None:
    verb("settings", "every setting of luigi.cfg: its value and what it means", _settings)


def _show(args: argparse.Namespace) -> int:
    from flight.workflows import reading, show

    if args.what == "recipes":
        print_lines(show.recipe_lines(load_settings().paths.searched))
        return OK
    recipe, version = names_of(args)
    if args.what == "kickstart":
        print(reading.rendered(recipe, version), end="")
    elif args.what == "recipe":
        print(json.dumps(reading.recipe_json(recipe), indent=2, ensure_ascii=False, default=str))
    elif args.what == "plan":
        print(json.dumps(reading.plan_json(recipe, version), indent=2, ensure_ascii=False))
    elif args.what == "walk":
        last = last_stage(args)
        print_lines(show.walk_lines(last))
        return FAULT if args.check and show.would_run(last) else OK
    else:
        print_lines(show.made_lines(last_stage(args)))
        if args.next:
            print()
            print_lines(
                show.next_lines(
                    last_stage(args), scheduler_url=scheduler_url(), recipes=reading.recipe_of(recipe).folder
                )
            )
    return OK


def _init(args: argparse.Namespace) -> None:
    from flight.workflows import init

    written = init.write_first(args.folder, args.name, family=args.family, ports=init.free_ports())
    print_lines(init.next_steps(args.folder, written))


def _clean(args: argparse.Namespace) -> None:
    from flight.workflows import clean
    from flight.workflows.kit.finding import shown
    from flight.workflows.kit.progress import human_bytes

    settings = load_settings()
    known = clean.known_artefacts(settings.paths.work)
    recipe, version = names_of(args)
    if args.old:
        chosen = clean.plan_old(known, keep=settings.paths.keep, recipe=args.recipe or args.named or "")
    else:
        chosen = (
            clean.plan_all(known, recipe=recipe)
            if args.all
            else clean.plan_version(known, recipe=recipe, version=version)
        )
    gone = clean.clean(settings.paths.work, chosen, dry_run=args.dry_run)
    print_lines(f"{human_bytes(one.size_bytes):>9}  {one.why:<45}  {one.path.name.rpartition('-')[2]}" for one in gone)
    total = human_bytes(sum(one.size_bytes for one in gone))
    if not gone:
        print("Nothing to remove.")
        return
    print(
        f"{len(gone)} artefacts, {total}: {'would go' if args.dry_run else 'gone'} from {shown(settings.paths.work)}."
    )
    print_lines(["What was uploaded stays in Azure; the rehearsal's data and the package cache stay here."])


def _settings(args: argparse.Namespace) -> None:
    from flight.workflows import settings

    print("\n".join(settings.describe(load_settings())))  # a luigi.cfg: never folded
