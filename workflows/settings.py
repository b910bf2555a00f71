"""luigi.cfg as frozen dataclasses: every setting is a field with a sentence, a checked type and a default.

Luigi merges /etc/luigi/luigi.cfg, ./luigi.cfg and $LUIGI_CONFIG_PATH; we read what it merged, so that the command
line, cron and the page see one configuration. No secret lives here: credentials come from azure-identity's chain.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

from flight.workflows.kit.errors import ConfigError

CLOUDS: Final = ("rehearsal", "public", "usgov", "china")


def setting(sentence: str, default: Any, *, one_of: tuple[str, ...] = (), least: int | None = None) -> Any:
    """A dataclass field that carries its own documentation and limits."""
    return field(default=default, metadata={"sentence": sentence, "one_of": one_of, "least": least})


@dataclass(frozen=True)
class Image:
    """What is built."""

    recipe: str = setting("The recipe to build: kickstarts/NAME.toml.", "flight-compute-debian13")
    version: str = setting("The image's version; a new one reads the package index anew.", "1.0.0")
    mirror: str = setting("The Debian mirror to build from; empty: the one that this host's apt uses.", "")


@dataclass(frozen=True)
class Paths:
    """Where things lie. Relative paths start at the folder of the luigi.cfg that was read."""

    work: Path = setting("The work folder: artefacts, caches, logs, the rehearsal's data.", Path("work"))
    recipes: tuple[Path, ...] = setting("Folders with recipes, searched in this order.", (Path("kickstarts"),))
    keep: int = setting("How many artefacts of a stage `flight clean --old` keeps for each recipe.", 3, least=1)


@dataclass(frozen=True)
class Programs:
    """The programs that flight runs; a path or a name in PATH."""

    qemu_img: str = setting("Converts and describes disks (2.9 or newer).", "qemu-img")
    qemu_system: str = setting("Runs guests.", "qemu-system-x86_64")
    mmdebstrap: str = setting("Installs Debian's packages into a folder.", "mmdebstrap")
    virt_sysprep: str = setting("Takes out of a disk what belongs to one machine only.", "virt-sysprep")
    virt_sparsify: str = setting("Gives back the space that a filesystem does not use.", "virt-sparsify")
    node: str = setting("Runs Azurite, the rehearsal's storage; empty: the one in the virtual environment.", "")


@dataclass(frozen=True)
class Libvirt:
    """How guests are run: what oz.cfg held."""

    uri: str = setting("The hypervisor's URI; empty: qemu:///system where a daemon runs, else qemu:///embed.", "")
    bridge: str = setting("The bridge that guests of qemu:///system are plugged into.", "virbr0")
    cpus: int = setting("Virtual processors of a guest.", 2, least=1)
    memory_mib: int = setting("Memory of a guest, in MiB.", 2048, least=256)


@dataclass(frozen=True)
class Azure:
    """Where the image goes. `cloud` alone turns the rehearsal into the real thing."""

    cloud: str = setting("rehearsal, or the cloud to upload to: public, usgov, china.", "rehearsal", one_of=CLOUDS)
    subscription: str = setting("The subscription's id.", "00000000-0000-0000-0000-000000000000")
    resource_group: str = setting("The resource group of the image.", "flight")
    location: str = setting("The region of the image; the storage account's must be the same.", "westeurope")
    account: str = setting("The storage account (in the rehearsal: Azurite's own name).", "devstoreaccount1")
    container: str = setting("The container for VHDs; made where it is missing.", "images")


@dataclass(frozen=True)
class Upload:
    """How a VHD is sent."""

    connections: int = setting("Put Page requests in flight at once.", 8, least=1)
    replace: bool = setting("Replace a blob or an image of the same name that holds something else.", False)


@dataclass(frozen=True)
class Rehearsal:
    """The imitation of Azure on this machine; both servers listen on loopback only."""

    blob_port: int = setting("Port of Azurite's blob service.", 10000, least=1)
    compute_port: int = setting("Port of the stand-in for Microsoft.Compute.", 10010, least=1)


@dataclass(frozen=True)
class Settings:
    """All of flight's own sections; Luigi's own ([core], [worker], [retcode], [scheduler]) are Luigi's to read."""

    image: Image = Image()
    paths: Paths = Paths()
    programs: Programs = Programs()
    libvirt: Libvirt = Libvirt()
    azure: Azure = Azure()
    upload: Upload = Upload()
    rehearsal: Rehearsal = Rehearsal()


def parse_settings(sections: Mapping[str, Mapping[str, str]], *, base: Path) -> Settings:
    """Settings from the texts of their sections; `base` is where relative paths start.

    Raises ConfigError for the first unknown key, ill-typed or refused value: section, key, value and what would do.
    """
    hints = get_type_hints(Settings)
    return Settings(**{name: _parse_section(name, kind, sections.get(name, {}), base) for name, kind in hints.items()})


@functools.cache
def load_settings() -> Settings:
    """The settings that Luigi's merged configuration holds. No luigi.cfg at all is an error: cron starts in $HOME."""
    from luigi.configuration import get_config  # costs a quarter of a second: only those pay who need it

    config_path()
    config = get_config()
    names = [name for name in get_type_hints(Settings) if config.has_section(name)]
    sections = {name: {key: config.get(name, key) for key in config.options(name)} for name in names}
    return parse_settings(sections, base=config_path().parent)


def config_path() -> Path:
    """The luigi.cfg that was read last and so has the last word, as an absolute path; ConfigError where there is none."""
    from luigi.configuration import get_config

    looked_for = [str(path) for path in get_config()._config_paths]
    read = [path for path in looked_for if Path(path).is_file()]
    if not read:
        raise ConfigError(
            "there is no luigi.cfg",
            why=f"looked for {', '.join(dict.fromkeys(looked_for))} from {Path.cwd()}",
            fix="run in the folder that holds luigi.cfg, or set LUIGI_CONFIG_PATH to its path",
        )
    return Path(os.path.abspath(read[-1]))


def describe(settings: Settings) -> Iterator[str]:
    """luigi.cfg as it would look with every setting in it: a comment, then its value here."""
    for section in dataclasses.fields(settings):
        values = getattr(settings, section.name)
        yield f"[{section.name}]"
        for one in dataclasses.fields(values):
            value = getattr(values, one.name)
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else value
            yield f"# {one.metadata['sentence']}"
            yield f"{one.name} = {str(shown).lower() if isinstance(shown, bool) else shown}"
        yield ""


def _parse_section(name: str, kind: type, given: Mapping[str, str], base: Path) -> Any:
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in given.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            meant = f"did you mean '{near[0]}'?" if near else f"it knows {', '.join(fields)}"
            raise ConfigError(f"luigi.cfg: [{name}] has no setting '{key}' (= {value})", fix=meant)
    values = {
        key: _parse_value(name, key, given[key], hints[key], field.metadata, base) if key in given
        else _placed(field.default, base)
        for key, field in fields.items()
    }  # fmt: skip
    return kind(**values)


def _parse_value(section: str, key: str, text: str, kind: Any, rules: Mapping[str, Any], base: Path) -> Any:
    value, wanted = text.strip(), ""
    try:
        parsed = _typed(value, kind, base)
    except ValueError as error:
        wanted = str(error)
    else:
        if rules["one_of"] and parsed not in rules["one_of"]:
            wanted = f"one of {', '.join(rules['one_of'])}"
        elif rules["least"] is not None and parsed < rules["least"]:
            wanted = f"a whole number, {rules['least']} or more"
    if wanted:
        raise ConfigError(
            f"luigi.cfg: [{section}] {key} = {value} is refused", why=rules["sentence"], fix=f"give {wanted}"
        )
    return parsed


def _typed(text: str, kind: Any, base: Path) -> Any:
    if kind is bool:
        known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in known:
            raise ValueError("true or false")
        return known[text.lower()]
    if kind is int:
        if not text.lstrip("-").isdecimal():
            raise ValueError("a whole number")
        return int(text)
    if kind is Path:
        if not text:
            raise ValueError("a path")
        return _placed(Path(text), base)
    if get_origin(kind) is tuple:
        parts = [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
        if not parts:
            raise ValueError("at least one, separated by commas")
        return tuple(_typed(part, get_args(kind)[0], base) for part in parts)
    return text


def _placed(value: Any, base: Path) -> Any:
    """A relative path put below `base`; anything else as it is."""
    if isinstance(value, Path):
        return base / value.expanduser()
    if isinstance(value, tuple):
        return tuple(_placed(part, base) for part in value)
    return value
