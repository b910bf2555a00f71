"""`flight certify`: any VHD, whoever built it; or a snapshot of one."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.kit.arriving import write_whole
from flight.workflows.kit.errors import ConfigError, harmless, said_by
from flight.workflows.kit.progress import Told, quiet
from flight.workflows.recipe.values import BEYOND, CLAIMS

if TYPE_CHECKING:
    from flight.workflows.certify.certificate import Certificate
    from flight.workflows.certify.facts import Snapshot
    from flight.workflows.settings import Settings

GENERATIONS: Final = ("V1", "V2")
SHAPES: Final = (
    ("--json", "json", "print everything, for programs"),
    ("--junit", "junit", "print JUnit XML, for a CI server"),
    ("--html", "html", "print one page, for a browser"),
    ("--selftest-json", "selftest", "print it as Azure's self-test answers"),
)
SWITCHED: Final = tuple(word for word in BEYOND if word not in ("sbom", "provenance"))
MORE: Final = "\n".join(
    (
        "The exit code is 0 where it is certified, 1 where it is not, 2 where it could not be judged.",
        "",
        "  flight certify disk.vhd                        look inside, judge, print a table",
        "  flight certify disk.vhd --snapshot seen        the same, and keep what was seen",
        "  flight certify --snapshot seen --html          judge again what was seen, in a second",
        "  flight certify --explain sshd-alive            one rule: who demands it, what mends it",
    )
)


def add_arguments(verb: argparse.ArgumentParser) -> None:
    add = verb.add_argument
    add("disk", nargs="?", type=Path, help="a fixed VHD")
    add("--snapshot", type=Path, metavar="FOLDER", help="keep what is seen there; without a disk: judge what was kept")
    add("--generation", choices=GENERATIONS, help="default: those that the disk can start as")
    _words(verb, "--claim", CLAIMS, "a capability that the offer claims")
    _words(verb, "--without", SWITCHED, "what is not looked for")
    add(
        "--package-index",
        type=Path,
        metavar="FOLDER",
        help="apt's lists, or RPM metadata, that know the newest packages",
    )
    shape = verb.add_mutually_exclusive_group()
    for option, name, sentence in SHAPES:
        shape.add_argument(option, action="store_const", const=name, dest="shape", help=sentence)
    add("--sbom", type=Path, metavar="FILE", help="write the list of packages there, as CycloneDX")
    add("--provenance", type=Path, metavar="FILE", help="write an in-toto statement of the disk there")
    add("--list", action="store_true", help="every rule, in one line each")
    add("--explain", metavar="RULE", help="one rule: who demands it, what mends it")


def _words(verb: argparse.ArgumentParser, option: str, words: Iterable[str], sentence: str) -> None:
    known = [*words]
    said = f"{sentence}; may be given again: {', '.join(known)}"
    verb.add_argument(option, action="append", default=[], choices=known, metavar="WORD", help=said)


def run(args: argparse.Namespace, settings: Settings, *, cache: Path) -> int:
    """Do what was asked; the exit code. `cache` holds libguestfs's appliance between two runs."""
    from flight.workflows.certify import report

    if args.list:
        from flight.workflows.certify.rules import RULES

        _print(report.list_rules(RULES))
        return 0
    if args.explain:
        _print(report.explain(_rule(args.explain)))
        return 0
    if not args.disk and not args.snapshot:
        raise ConfigError(
            "there is nothing to certify", fix="give a VHD: `flight certify disk.vhd`, or --snapshot FOLDER"
        )
    certificate, snapshot = _seen(args, settings, cache)
    shape = args.shape or "table"
    text = report.for_stdout(certificate) if shape == "table" else report.FORMATS[shape](certificate)
    print(text, end="", flush=True)
    if certificate.unseen:
        print(f"flight: could not look inside because {harmless(certificate.unseen)}", file=sys.stderr)
    _write(args, certificate, snapshot)
    return certificate.exit_code


def _seen(args: argparse.Namespace, settings: Settings, cache: Path) -> tuple[Certificate, Snapshot]:
    from flight.workflows.certify import saved
    from flight.workflows.certify.certifying import Asked, certify, judge_snapshot, with_pending

    generations = (args.generation,) if args.generation else ()
    asked = Asked(generations, tuple(dict.fromkeys(args.claim)), tuple(args.without))
    if not args.disk:
        snapshot = with_pending(saved.load(args.snapshot), args.package_index)
        return judge_snapshot(snapshot, asked), snapshot
    from flight.workflows.hypervisor.probe import probe

    log = _fresh_log(cache)
    with _telling() as told:
        return certify(
            args.disk, asked, programs=settings.programs, work=cache, log_to=log, index=args.package_index,
            accelerated=probe(settings.programs.qemu_system, cache).has_kvm, told=told,
        )  # fmt: skip


def _fresh_log(cache: Path) -> Path:
    """Where guestfish's words go; the last run's stay until the next one."""
    log = cache / "logs" / "certify.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot write to {cache}, where libguestfs's Linux is kept",
            why=said_by(error),
            fix="name a folder of yours in the variable XDG_CACHE_HOME, or as [paths] work in a luigi.cfg",
        ) from None
    return log


def _write(args: argparse.Namespace, certificate: Certificate, snapshot: Snapshot) -> None:
    """What is to be kept: after the report, which must not be lost where a folder may not be written."""
    from flight.workflows.certify import saved
    from flight.workflows.certify.beyond import provenance, sbom

    if args.disk and args.snapshot:
        saved.save(snapshot, args.snapshot)

    if args.sbom:
        write_whole(args.sbom, sbom.render(snapshot, name=certificate.name, digest=certificate.digest))
    if args.provenance:
        write_whole(args.provenance, provenance.render(certificate, ()))


def _print(text: str) -> None:
    from flight.workflows.kit import terminal

    print("\n".join(terminal.folded(text.splitlines())))


def _rule(name: str) -> Any:
    from flight.workflows.certify.rules import RULES

    known = {rule.id: rule for rule in RULES}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        fix = f"did you mean {' or '.join(near)}?" if near else "`flight certify --list` names them all"
        raise ConfigError(f"there is no rule '{name}'", fix=fix)
    return known[name]


@contextlib.contextmanager
def _telling() -> Iterator[Told]:
    """A bar on a terminal, nothing elsewhere: the report alone goes to stdout."""
    from flight.workflows.kit import terminal

    with terminal.own() as is_ours:
        if not is_ours:
            yield quiet
            return
        with terminal.bar("certify", loggers=(logging.getLogger(),)) as told:
            yield told
