"""The `flight` command: one line per verb; the rooms do the work."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flight.workflows.kit.errors import FlightError, os_errors_explained
from flight.workflows.settings import check_version, load_settings

if TYPE_CHECKING:
    from flight.workflows.kit.server import Server
    from flight.workflows.stage import Stage

OK, FAULT, UNUSABLE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: as asked. 1: looked, and found a fault. 2: could not be done, with the reason on stderr."""
    args = parse(argv)
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


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line as values; a recipe's name may stand behind the options as well."""
    args, left = parser().parse_known_args(argv)
    if len(left) == 1 and not left[0].startswith("-") and getattr(args, "recipe", "") is None:
        args.recipe = left[0]
    elif left:
        args.verb_parser.error(f"unrecognized arguments: {' '.join(left)}")
    return args


SHOWN = {
    "recipes": "every recipe by its name",
    "recipe": "one recipe, its defaults filled in",
    "kickstart": "its kickstart as the installer would read it",
    "plan": "what an installer will do",
    "walk": "which stages would run, and why",
    "made": "what was made: where it lies, its size, the seconds it took",
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="flight", description="From a kickstart to a Linux image on Azure.")
    top.add_argument("--version", action="version", version=f"flight {importlib.metadata.version('flight')}")
    verbs = top.add_subparsers(required=True, metavar="VERB", dest="verb")

    def verb(name: str, sentence: str, run: Callable[[argparse.Namespace], int | None], more: str = "") -> Any:
        made = verbs.add_parser(
            name, help=sentence, description=f"{sentence[0].upper()}{sentence[1:]}.", epilog=more,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        made.set_defaults(run=run, verb_parser=made)
        return made

    words = "\n".join(f"  {name:<11} {sentence}" for name, sentence in SHOWN.items())
    show = verb("show", "a recipe, its kickstart or plan; what would run and why; what was made", _show, words)
    show.add_argument("what", choices=[*SHOWN], metavar="WHAT", help="one of the words below")
    _image(show)
    show.add_argument("--next", action="store_true", help="with `made`: what to do next")
    show.add_argument("--check", action="store_true", help="with `walk`: exit code 1 where something would run")

    inspect = verb("inspect", "what a VHD file says of itself, and what Azure would refuse", _inspect)
    inspect.add_argument("file", type=Path, help="a disk file of any format")
    inspect.add_argument("--json", action="store_true", help="the same as JSON")

    digest = verb("digest", "the identity of an image: a SHA-256 over its non-zero blocks", _digest)
    digest.add_argument("file", type=Path, help="a fixed VHD (the footer counts)")

    verb("doctor", "is this host fit, and what would mend it", _doctor)

    clean = verb("clean", "remove this version's artefacts from the work folder; Azure keeps what was uploaded", _clean)
    _image(clean)
    how = clean.add_mutually_exclusive_group()
    how.add_argument("--all", action="store_true", help="every version of the recipe")
    how.add_argument("--old", action="store_true", help="all but the newest few of each stage ([paths] keep)")
    clean.add_argument("--dry-run", action="store_true", help="only say what would go")

    rehearsal = verb("rehearsal", "start, stop or look at the imitation of Azure on this machine", _rehearsal)
    scheduler = verb("scheduler", "start, stop or look at Luigi's scheduler and its page on this machine", _scheduler)
    for server in (rehearsal, scheduler):
        server.add_argument("do", choices=["start", "stop", "status"])
    rehearsal.add_argument("--if-used", action="store_true", help="only where luigi.cfg says [azure] cloud = rehearsal")

    verb("settings", "every setting of luigi.cfg: its value and what it means", _settings)
    return top


def _image(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("recipe", nargs="?", help="default: [image] recipe of luigi.cfg")
    verb.add_argument("--recipe", dest="named", metavar="RECIPE", help="the same word, as luigi wants it")
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

    if args.what == "recipes":
        _print(show.recipe_lines(load_settings().paths.recipes))
        return OK
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
    from flight.workflows.kit.finding import shown
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
    _print(f"{human_bytes(one.size_bytes):>9}  {one.why:<45} {one.path.name}" for one in gone)
    total = human_bytes(sum(one.size_bytes for one in gone))
    if not gone:
        print("Nothing to remove.")
        return
    print(
        f"{len(gone)} artefacts, {total}: {'would go' if args.dry_run else 'gone'} from {shown(settings.paths.work)}."
    )
    print("What was uploaded stays in Azure; the rehearsal's data and the package cache stay here.")


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
    from flight.workflows.kit.finding import shown

    running = []
    for server in servers:
        if do == "start":
            word = "started" if server.start() else "runs already"
        elif do == "stop":
            word = "stopped" if server.stop() else "did not run"
        else:
            word = "runs" if server.pid() is not None else "does not run"
        running.append(server.pid() is not None)
        print(f"{server.name:<10} {word:<13} http://127.0.0.1:{server.port}  log: {shown(server.log)}")
    return OK if do != "status" or all(running) else FAULT


def scheduler_url() -> str:
    from flight.workflows.commandline import scheduler_address

    host, port = scheduler_address()
    return f"http://{host}:{port}"


def _settings(args: argparse.Namespace) -> None:
    from flight.workflows import settings

    _print(settings.describe(load_settings()))
