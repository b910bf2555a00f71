"""The `flight` command: one line per verb; the rooms do the work."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flight.workflows.kit.errors import FlightError, os_errors_explained
from flight.workflows.settings import check_version, load_settings

if TYPE_CHECKING:
    from flight.workflows.kit.server import Server
    from flight.workflows.stage import Stage

OK, FAULT, UNUSABLE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: as asked. 1: looked, and found a fault. 2: could not be done, with the reason on stderr."""
    args = parser().parse_args(argv)
    try:
        with os_errors_explained(f"do `flight {args.verb}`"):
            return int(args.run(args) or OK)
    except FlightError as error:
        print(f"flight: {error}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("\nflight: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="flight", description="From a kickstart to a certified Linux image on Azure.")
    verbs = top.add_subparsers(required=True, metavar="VERB", dest="verb")
    show = verbs.add_parser("show", help="a recipe, its kickstart or plan; what would run and why; what was made")
    show.add_argument("what", choices=["kickstart", "recipe", "plan", "walk", "made"])
    _image(show)
    show.add_argument("--next", action="store_true", help="with `made`: what to do next")
    show.add_argument("--check", action="store_true", help="with `walk`: exit code 1 where something would run")
    show.set_defaults(run=_show)

    inspect = verbs.add_parser("inspect", help="what a VHD file says of itself, and what Azure would refuse")
    inspect.add_argument("file", type=Path)
    inspect.add_argument("--json", action="store_true")
    inspect.set_defaults(run=_inspect)

    digest = verbs.add_parser("digest", help="the identity of an image: a SHA-256 over its non-zero blocks")
    digest.add_argument("file", type=Path)
    digest.set_defaults(run=_digest)

    doctor = verbs.add_parser("doctor", help="is this host fit, and what would mend it")
    doctor.set_defaults(run=_doctor)

    clean = verbs.add_parser(
        "clean", help="remove this version's artefacts; --all: every version's; --old: all but the newest"
    )
    _image(clean)
    how = clean.add_mutually_exclusive_group()
    how.add_argument("--all", action="store_true", help="every version of the recipe")
    how.add_argument("--old", action="store_true", help="all but the newest few of each stage ([paths] keep)")
    clean.add_argument("--dry-run", action="store_true", help="only say what would go")
    clean.set_defaults(run=_clean)

    for name, sentence in (("rehearsal", "the imitation of Azure"), ("scheduler", "Luigi's scheduler and its page")):
        verb = verbs.add_parser(name, help=f"start, stop or look at {sentence} on this machine")
        verb.add_argument("do", choices=["start", "stop", "status"])
        if name == "rehearsal":
            verb.add_argument(
                "--if-used", action="store_true", help="nothing to do where [azure] cloud names a real one"
            )
        verb.set_defaults(run=_rehearsal if name == "rehearsal" else _scheduler)

    settings = verbs.add_parser("settings", help="every setting of luigi.cfg: its value and what it means")
    settings.set_defaults(run=_settings)
    return top


def _image(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("recipe", nargs="?", help="default: [image] recipe of luigi.cfg")
    verb.add_argument("--recipe", dest="named", metavar="RECIPE", help="the same, as luigi spells it")
    verb.add_argument("--version", help="default: [image] version of luigi.cfg")


def _names(args: argparse.Namespace) -> tuple[str, str]:
    image = load_settings().image
    return args.recipe or args.named or image.recipe, check_version(args.version or image.version)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _last_stage(args: argparse.Namespace) -> Stage:
    from flight.workflows.pipeline import UploadImage

    recipe, version = _names(args)
    last: Stage = UploadImage.from_str_params({"recipe": recipe, "version": version})
    return last


def _show(args: argparse.Namespace) -> int:
    from flight.workflows import reading, show

    recipe, version = _names(args)
    if args.what == "kickstart":
        print(reading.rendered(recipe, version), end="")
    elif args.what == "recipe":
        print(json.dumps(reading.recipe_json(recipe), indent=2, ensure_ascii=False, default=str))
    elif args.what == "plan":
        print(json.dumps(reading.plan_json(recipe, version), indent=2, ensure_ascii=False))
    elif args.what == "walk":
        last = _last_stage(args)
        _print(show.walk_lines(last))
        return FAULT if args.check and show.would_run(last) else OK
    else:
        _print(show.made_lines(_last_stage(args)))
        if args.next:
            print()
            _print(
                show.next_lines(
                    _last_stage(args), scheduler_url=scheduler_url(), recipes=reading.recipe_of(recipe).folder
                )
            )
    return OK


def _inspect(args: argparse.Namespace) -> int:
    from flight.workflows import vhd

    inspection = vhd.inspect(args.file)
    if args.json:
        print(json.dumps(inspection.as_json(), indent=2))
    else:
        _print(inspection.lines())
    return FAULT if inspection.problems else OK


def _digest(args: argparse.Namespace) -> None:
    from flight.workflows import digest

    print(digest.digest(args.file))


def _doctor(args: argparse.Namespace) -> int:
    from flight.workflows import doctor, rehearsal

    found = load_settings()

    def servers() -> Sequence[Server]:
        return rehearsal.servers(
            work=found.paths.work, rehearsal=found.rehearsal, azure=found.azure, node=found.programs.node
        )

    findings = tuple(doctor.examine(found, scheduler_url=scheduler_url(), servers=servers))
    _print(doctor.lines(findings))
    return FAULT if any(finding.is_fault for finding in findings) else OK


def _clean(args: argparse.Namespace) -> None:
    from flight.workflows import clean
    from flight.workflows.kit.progress import human_bytes

    settings = load_settings()
    known = clean.known_artefacts(settings.paths.work)
    recipe, version = _names(args)
    if args.old:
        chosen = clean.plan_old(known, keep=settings.paths.keep, recipe=args.recipe or args.named or "")
    else:
        chosen = (
            clean.plan_all(known, recipe=recipe)
            if args.all
            else clean.plan_version(known, recipe=recipe, version=version)
        )
    gone = clean.clean(settings.paths.work, chosen, dry_run=args.dry_run)
    _print(f"{human_bytes(one.size_bytes):>9}  {one.why:<52} {one.path}" for one in gone)
    total = human_bytes(sum(one.size_bytes for one in gone))
    print(f"{len(gone)} artefacts, {total}: {'would go' if args.dry_run else 'gone'}" if gone else "Nothing to remove.")


def _rehearsal(args: argparse.Namespace) -> int:
    from flight.workflows import rehearsal

    settings = load_settings()
    return _serve(
        args.do, rehearsal.servers(work=settings.paths.work, rehearsal=settings.rehearsal, azure=settings.azure)
    )


def _scheduler(args: argparse.Namespace) -> int:
    from flight.workflows import luigicfg, scheduler
    from flight.workflows.commandline import scheduler_address

    _, port = scheduler_address()
    server = scheduler.server(work=load_settings().paths.work, port=port, config=luigicfg.config_path())
    return _serve(args.do, [server])


def _serve(do: str, servers: Sequence[Server]) -> int:
    """Start or stop servers, or say how they are; exit code 1 where one that was asked after does not run."""
    running = []
    for server in servers:
        if do == "start":
            word = "started" if server.start() else "runs already"
        elif do == "stop":
            word = "stopped" if server.stop() else "did not run"
        else:
            word = "runs" if server.pid() is not None else "does not run"
        running.append(server.pid() is not None)
        print(f"{server.name:<12} {word:<14} http://127.0.0.1:{server.port}  log: {server.log}")
    return OK if do != "status" or all(running) else FAULT


def scheduler_url() -> str:
    from flight.workflows.commandline import scheduler_address

    host, port = scheduler_address()
    return f"http://{host}:{port}"


def _settings(args: argparse.Namespace) -> None:
    from flight.workflows import settings

    _print(settings.describe(load_settings()))
