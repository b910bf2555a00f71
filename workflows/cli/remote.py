"""Verbs about what lies in Azure: upload, verify, sas."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flight.workflows import luigicfg
from flight.workflows.cli.verbs import FAULT, OK, Verb, image_arguments, names_of, print_lines, user_cache
from flight.workflows.kit.errors import ConfigError
from flight.workflows.kit.progress import Told
from flight.workflows.kit.text import quoted
from flight.workflows.settings import CLOUDS, load_settings

if TYPE_CHECKING:
    from flight.workflows.release import Release
    from flight.workflows.upload.command import Target

REHEARSAL = CLOUDS[0]


def add_upload(verb: Verb) -> None:
    from flight.workflows.upload import command

    sentence = "send a disk to a page blob: only its data, only what is missing, proven at the end"
    command.add_upload_arguments(verb("upload", sentence, _upload, command.UPLOAD_MORE))


def add_verify(verb: Verb) -> None:
    from flight.workflows.upload import command

    sentence = "whether a blob still is what was sealed, and where it differs"
    command.add_verify_arguments(verb("verify", sentence, _verify, command.VERIFY_MORE))


def add_sas(verb: Verb) -> None:
    from flight.workflows import release

    sentence = "the URL of an uploaded image that Partner Center wants: a SAS to read and list its container"
    sas = verb("sas", sentence, _sas, release.SAS_MORE)
    image_arguments(sas)
    sas.add_argument("--blob", metavar="PLACE", help="ACCOUNT/CONTAINER/NAME of a blob, in place of a recipe")
    sas.add_argument("--cloud", choices=CLOUDS, help="of --blob; default: [azure] cloud of luigi.cfg")
    sas.add_argument("--days", type=int, default=release.DAYS, help="how long it holds, 21 to 366 (default: 30)")
    sas.add_argument("--replace", action="store_true", help="replace another image that was released as this version")


def _upload(args: argparse.Namespace) -> int:
    from flight.workflows.upload import command

    to, base = _target(args.to, args), _target(args.base, args) if args.base else None
    settings = load_settings()
    with _telling("upload", to.place.name) as told, _told_what_is_kept(args.disk):
        receipt = command.upload(args, to, base, ledgers=_ledgers(), settings=settings.upload, told=told)
    print_lines([receipt.to_json().rstrip()] if args.json else command.upload_lines(receipt))
    return OK


@contextlib.contextmanager
def _told_what_is_kept(disk: str) -> Iterator[None]:
    """Who presses Ctrl-C learns what that costs."""
    from flight.workflows.upload.pipe import is_pipe

    try:
        yield
    except KeyboardInterrupt:
        again = "a pipe is sent from its start" if is_pipe(Path(disk)) else "the same command sends the rest"
        raise KeyboardInterrupt(f"what arrived is kept: {again}") from None


def _verify(args: argparse.Namespace) -> int:
    from flight.workflows.upload import command

    target = _target(args.blob, args)
    with _telling("verify", target.place.name) as told:
        lines = [*command.verify(target, deep=args.deep, told=told)]
    print_lines(lines)
    return FAULT if any(line.startswith((command.WRONG, command.UNSURE)) for line in lines) else OK


def _sas(args: argparse.Namespace) -> int:
    made = _blobs_sas(args) if args.blob else _recipes_sas(args)
    print(made.url.reveal())
    for line in made.lines():
        print(f"flight: {line}", file=sys.stderr)
    return OK


def _recipes_sas(args: argparse.Namespace) -> Release:
    from flight.workflows import release
    from flight.workflows.pipeline import UploadBlob

    recipe, version = names_of(args)
    if "/" in recipe:
        raise ConfigError(
            f"'{quoted(recipe)}' is no recipe", fix=f"a blob is named so: flight sas --blob {quoted(recipe)}"
        )
    blob = UploadBlob.from_str_params({"recipe": recipe, "version": version})
    if not blob.complete():
        raise release.not_uploaded(recipe, version)
    with _telling("sas", recipe) as told:
        return release.release_recipe(
            blob.path,
            cloud=blob.endpoint,
            recipe=recipe,
            version=version,
            days=args.days,
            replace=args.replace,
            told=told,
        )


def _blobs_sas(args: argparse.Namespace) -> Release:
    from flight.workflows import release

    if args.recipe or args.named or args.version:
        raise ConfigError(
            "a recipe's image and another blob are asked for at once",
            fix="give --blob, or a recipe and perhaps its version",
        )
    target = _target(args.blob, args)
    with _telling("sas", target.place.name) as told:
        return release.release_blob(target.place, cloud=target.cloud, days=args.days, replace=args.replace, told=told)


def _target(text: str, args: argparse.Namespace) -> Target:
    """The blob that is meant; where it is the rehearsal's, that is started."""
    from flight.workflows import rehearsal
    from flight.workflows.upload import command

    settings = load_settings()
    azure = dataclasses.replace(settings.azure, cloud=args.cloud or settings.azure.cloud)
    if azure.cloud == REHEARSAL and luigicfg.config_path() is None:
        raise ConfigError(
            "it is not said which Azure is meant",
            why="there is no luigi.cfg here, and --cloud is not given",
            fix="give --cloud public; or `flight init` a folder, whose luigi.cfg names the rehearsal of Azure",
        )
    found = command.target_of(text, azure, settings.rehearsal)
    started = rehearsal.ensure_if_used(
        work=settings.paths.work, rehearsal=settings.rehearsal, azure=azure, node=settings.programs.node
    )
    if started:
        print("flight: the rehearsal of Azure was started (flight rehearsal stop ends it)", file=sys.stderr)
    return found


def _ledgers() -> Path:
    """Where the journals of uploads lie: in the work folder, or where there is none among a person's caches."""
    home = load_settings().paths.work if luigicfg.config_path() is not None else user_cache()
    return home / "uploads"


@contextlib.contextmanager
def _telling(verb: str, name: str) -> Iterator[Told]:
    """A bar on a terminal, a line a minute elsewhere; on stderr, so that what is printed can be piped.

    SIGTERM ends it as Ctrl-C does: the bar is taken away, and what arrived is told to be kept.
    """
    from flight.workflows import telling

    said = logging.StreamHandler(sys.stderr)
    said.setFormatter(logging.Formatter("flight: %(message)s"))
    telling.LOG.addHandler(said)
    telling.LOG.setLevel(logging.INFO)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with telling.to_all(stage=verb, recipe=name, message=None, percentage=None) as told:
            yield told
    finally:
        signal.signal(signal.SIGTERM, before)
        telling.LOG.removeHandler(said)
