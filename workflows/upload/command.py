"""`flight upload` and `flight verify`: any fixed VHD or raw disk to any container, and a blob looked at again."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from flight.workflows.cloud.endpoint import REHEARSAL, REHEARSAL_ACCOUNT, cloud_of
from flight.workflows.kit.errors import ConfigError
from flight.workflows.kit.progress import Told, human_bytes, human_seconds
from flight.workflows.kit.text import quoted
from flight.workflows.settings import CLOUDS, CONNECTIONS
from flight.workflows.upload.receipt import BlobPlace, Identity, Receipt, place_in

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud
    from flight.workflows.settings import Azure, Rehearsal, Upload
    from flight.workflows.upload.plan import Span

PLACE: Final = "ACCOUNT/CONTAINER/NAME"
UPLOAD_MORE: Final = "\n".join(
    (
        "Kill it at any moment and run it again: it sends what is missing and nothing else.",
        "The exit code is 0 where the blob is whole and sealed, 2 where it could not be done.",
        "What is not given is taken from [upload] of luigi.cfg: connections, delta, content_md5, replace.",
        "",
        "  flight upload disk.vhd --to myaccount/images/disk-1.0.vhd         holes and zeros are not sent",
        "  flight upload disk.raw --to … --cloud public                      the footer is added on the way",
        "  flight upload disk.vhd --to … --base myaccount/images/disk-0.9.vhd   only what is new since",
        "  zstdcat disk.raw.zst | flight upload - --to …                     from a pipe",
    )
)
VERIFY_MORE: Final = "\n".join(
    (
        "The exit code is 0 where the blob is what was sealed, 1 where it is not or too little is known of it to tell,",
        "2 where it could not be looked at.",
        "",
        "  flight verify myaccount/images/disk-1.0.vhd            its seal, its ETag, its pages",
        "  flight verify myaccount/images/disk-1.0.vhd --deep     and every byte: what differs, and where",
    )
)
WRONG: Final = "WRONG"
"""How a line begins that says what is not as it should be."""
UNSURE: Final = "UNSURE"
"""How one begins that says that too little was seen."""
MOST_SHOWN: Final = 20
"""Ranges that are listed; the rest is counted."""


def add_upload_arguments(verb: argparse.ArgumentParser) -> None:
    add = verb.add_argument
    add("disk", help="a fixed VHD, a raw disk, or - for a raw disk or VHD on standard input")
    add("--to", required=True, metavar=PLACE, help="the blob that it becomes; or its https:// address")
    base = verb.add_mutually_exclusive_group()
    base.add_argument("--base", metavar=PLACE, help="send only what this sealed blob of the same account has not")
    base.add_argument("--full", action="store_true", help="send all, even where a blob of the same image type is there")
    add(
        "--type",
        default="",
        metavar="WORD",
        help="the image type, by which the newest base is found (default: from NAME)",
    )
    either = argparse.BooleanOptionalAction
    add("--replace", action=either, help="replace a blob of this name that holds something else")
    add("--content-md5", action=either, help="let the blob say the MD5 of the whole; reads every hole")
    add("--connections", type=int, metavar="N", help="Put Page requests in flight at once, at most")
    add("--json", action="store_true", help="print the receipt as JSON")
    _cloud(verb)


def add_verify_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("blob", metavar="BLOB", help=f"{PLACE}, or its https:// address")
    verb.add_argument("--deep", action="store_true", help="download its pages and take their digest")
    _cloud(verb)


def _cloud(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--cloud", choices=CLOUDS, help="default: [azure] cloud of luigi.cfg")


@dataclass(frozen=True)
class Target:
    """A blob, and the cloud that it lies in."""

    cloud: Cloud
    place: BlobPlace


def target_of(text: str, azure: Azure, rehearsal: Rehearsal) -> Target:
    """What ACCOUNT/CONTAINER/NAME, or an address, means. Raises ConfigError where it is neither, or Azure would refuse it."""
    account, container, name = _words(text)
    if azure.cloud == REHEARSAL and account != REHEARSAL_ACCOUNT:
        raise ConfigError(
            f"the rehearsal has no storage account '{quoted(account)}'",
            why=f"its one account is {REHEARSAL_ACCOUNT}",
            fix=f"give {REHEARSAL_ACCOUNT}/{container}/{name}, or --cloud public for the real Azure",
        )
    cloud = cloud_of(replace(azure, account=account), rehearsal)
    return Target(cloud, place_in(cloud, container=container, name=name))


def _words(text: str) -> tuple[str, str, str]:
    parts = urlsplit(text)
    if parts.query:
        raise ConfigError(
            "an address with a SAS is not taken",
            why="flight logs in as azure-identity finds you, and a secret in a command line is seen by others",
            fix=f"give {PLACE}, without what follows the '?'",
        )
    words = [unquote(word) for word in parts.path.strip("/").split("/")]
    if parts.scheme and parts.hostname and len(words) == 2:
        return parts.hostname.partition(".")[0], words[0], words[1]
    if len(words) != 3 or not all(words) or (parts.scheme and parts.hostname not in ("127.0.0.1", "localhost")):
        raise ConfigError(
            f"'{quoted(text)}' is no place for a blob",
            why=f"it is no {'address of a blob' if parts.scheme else 'account, container and name, a slash between them'}",
            fix=f"give {PLACE}, like myaccount/images/disk-1.0.vhd",
        )
    return words[0], words[1], words[2]


def image_type(name: str) -> str:
    """What a blob is of, by its name: without its ending and its version."""
    stem = re.sub(r"\.(vhd|raw|img)$", "", name, flags=re.IGNORECASE)
    return re.sub(r"[-_.]v?\d[\w.~+-]*$", "", stem) or stem


def upload(
    args: argparse.Namespace, to: Target, base: Target | None, *, ledgers: Path, settings: Upload, told: Told
) -> Receipt:
    """Do what `flight upload` was asked; `settings` say what was not. ConfigError for an option that is out of its range."""
    from flight.workflows import upload as room

    how = _settled(args, settings)
    identity = Identity("", 0, "", args.type.strip() or image_type(to.place.name), "")
    return room.send_disk(
        Path(args.disk),
        cloud=to.cloud,
        to=to.place,
        identity=identity,
        ledgers=ledgers,
        base=base.place if base else None,
        full=args.full or not how.delta,
        connections=how.connections,
        replace=how.replace,
        content_md5=how.content_md5,
        told=told,
    )


def _settled(args: argparse.Namespace, settings: Upload) -> Upload:
    """The settings, and over them what the command line says."""
    names = ("connections", "content_md5", "replace")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if given.get("connections", 1) not in CONNECTIONS:
        raise ConfigError(
            f"--connections {given['connections']} is refused",
            why="so many requests cannot be in flight at once",
            fix=f"give {CONNECTIONS[0]} to {CONNECTIONS[-1]}",
        )
    return replace(settings, **given)


def upload_lines(receipt: Receipt) -> Iterator[str]:
    """What a person wants to know of an upload."""
    yield f"blob    {receipt.place.url}"
    yield f"size    {human_bytes(receipt.size_bytes)}, {receipt.size_bytes} bytes"
    if receipt.was_there:
        yield "sent    nothing: it was there, whole and sealed"
    else:
        yield f"sent    {_sent(receipt)}"
        if receipt.base:
            moved = f", and moved {human_bytes(receipt.moved_bytes)} in it" if receipt.moved_bytes else ""
            yield f"base    {receipt.base}: the service copied it{moved}"
        if receipt.found_bytes:
            yield f"found   {human_bytes(receipt.found_bytes)} that an earlier try had sent"
    yield f"sealed  {receipt.digest}"


def _sent(receipt: Receipt) -> str:
    """What left this host; all the rest were holes, zeros, or there."""
    took = human_seconds(receipt.seconds)
    if not receipt.puts:
        return f"nothing: all that is no hole was there, {took}"
    requests = "1 request" if receipt.puts == 1 else f"{receipt.puts} requests"
    left = max(0, receipt.size_bytes - receipt.sent_bytes)
    rate = f", {human_bytes(round(receipt.sent_bytes / receipt.seconds))}/s" if receipt.seconds else ""
    return f"{human_bytes(receipt.sent_bytes)} in {requests}, {took}{rate}; {human_bytes(left)} did not need to be"


def verify(target: Target, *, deep: bool, told: Told) -> Iterator[str]:
    """The lines of `flight verify`; what is wrong begins with `WRONG`, what cannot be told with `UNSURE`."""
    from flight.workflows.upload.service import BlobService
    from flight.workflows.upload.verify import verify as look

    found = look(target.place, service=BlobService(target.cloud, target.place), deep=deep, told=told)
    yield from found.lines
    for problem in found.problems:
        yield f"{WRONG}  {problem}"
    yield from _range_lines(found.differing)
    if found.unsure:
        yield f"{UNSURE} {found.unsure}"
    elif not found.problems and not found.differing:
        yield "RIGHT  it is what was sealed"
    for line in found.next:
        yield f"next   {line}"


def _range_lines(spans: tuple[Span, ...]) -> Iterator[str]:
    for span in spans[:MOST_SHOWN]:
        yield f"{WRONG}  {span} are not what was sealed"
    if len(spans) > MOST_SHOWN:
        yield f"{WRONG}  and {len(spans) - MOST_SHOWN} ranges more"
