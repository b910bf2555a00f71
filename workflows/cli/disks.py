"""Verbs about one disk file, whoever made it: inspect, certify, digest."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from flight.workflows import luigicfg
from flight.workflows.cli.verbs import FAULT, OK, Verb, print_lines, user_cache
from flight.workflows.settings import load_settings


def add_inspect(verb: Verb) -> None:
    inspect = verb("inspect", "what a VHD file says of itself, and what Azure would refuse", _inspect)
    inspect.add_argument("file", type=Path, help="a disk file of any format")
    inspect.add_argument("--json", action="store_true", help="the same as JSON")


def add_certify(verb: Verb) -> None:
    from flight.workflows.certify import command

    sentence = "an offline certificate of a VHD: every rule of Azure's, asked of the disk"
    command.add_arguments(verb("certify", sentence, _certify, command.MORE))


def add_digest(verb: Verb) -> None:
    digest = verb("digest", "the identity of an image: a SHA-256 over its non-zero blocks", _digest)
    digest.add_argument("file", type=Path, help="a fixed VHD (the footer counts)")


def _inspect(args: argparse.Namespace) -> int:
    from flight.workflows import vhd

    inspection = vhd.inspect(args.file)
    if args.json:
        print(json.dumps(inspection.as_json(), indent=2))
    else:
        print_lines(inspection.lines())
    return FAULT if inspection.problems else OK


def _certify(args: argparse.Namespace) -> int:
    from flight.workflows.certify import command

    settings = load_settings()
    has_folder = luigicfg.config_path() is not None
    return command.run(args, settings, cache=settings.paths.work if has_folder else user_cache())


def _digest(args: argparse.Namespace) -> None:
    from flight.workflows import digest

    print(digest.digest(args.file))
