"""The `flight` command: one line per verb; the rooms do the work.

recipes, disks, remote, servers   the verbs, by what they are about
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from typing import Final

from flight.workflows import luigicfg
from flight.workflows.cli import disks, recipes, remote, servers
from flight.workflows.cli.verbs import OK, UNUSABLE, Run
from flight.workflows.kit.errors import FlightError, os_errors_explained

READING: Final = ("show", "doctor", "settings")
"""Verbs that do with the defaults where there is no luigi.cfg."""
WRITING: Final = {
    "clean": "it says which work folder to clean",
    "rehearsal": "it says where the servers keep their data",
    "sas": "it says which account the image was uploaded to",
    "scheduler": servers.SCHEDULER_WANTS,
}
"""Verbs that want a luigi.cfg, and why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: as asked. 1: looked, and found a fault. 2: could not be done, with the reason on stderr."""
    args = parse(argv)
    if sys.stdout is None:  # it was closed: there is nobody to answer
        return UNUSABLE
    try:
        with os_errors_explained(f"do `flight {args.verb}`"):
            if getattr(args, "do", "") != "install":
                look_for_luigi_cfg(args.verb)
            return int(args.run(args) or OK)
    except FlightError as error:
        print(f"flight: {error}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt as stop:
        print("\n" + ": ".join(("flight", "interrupted", *map(str, stop.args))), file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def look_for_luigi_cfg(verb: str) -> None:
    """Where there is none: one line on stderr for the verbs that only read, ConfigError for those that would write."""
    if verb in WRITING:
        luigicfg.wanted_path(WRITING[verb])
    elif verb in READING and luigicfg.config_path() is None:
        print(f"flight: {luigicfg.DEFAULTS_HOLD}", file=sys.stderr)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line as values; a recipe's name may stand behind the options as well."""
    top = parser()
    if not (sys.argv[1:] if argv is None else argv):
        top.print_help(sys.stderr)
        raise SystemExit(UNUSABLE)
    args, left = top.parse_known_args(argv)
    if len(left) == 1 and not left[0].startswith("-") and getattr(args, "recipe", "") is None:
        args.recipe = left[0]
    elif left:
        args.verb_parser.error(f"unrecognized arguments: {' '.join(left)}")
    return args


ADDED: Final = (
    recipes.add_show,
    disks.add_inspect,
    disks.add_certify,
    disks.add_digest,
    remote.add_upload,
    remote.add_verify,
    remote.add_sas,
    recipes.add_init,
    servers.add_doctor,
    recipes.add_clean,
    servers.add_rehearsal,
    servers.add_scheduler,
    recipes.add_settings,
)
"""In the order in which `flight --help` names them."""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="flight", description="From a kickstart to a Linux image on Azure.")
    top.add_argument("--version", action="version", version=f"flight {importlib.metadata.version('flight')}")
    verbs = top.add_subparsers(required=True, metavar="VERB", dest="verb")

    def verb(name: str, sentence: str, run: Run, more: str = "") -> argparse.ArgumentParser:
        made = verbs.add_parser(
            name, help=sentence, description=f"{sentence[0].upper()}{sentence[1:]}.", epilog=more,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        made.set_defaults(run=run, verb_parser=made)
        return made

    for add in ADDED:
        add(verb)
    return top
