"""luigi.cfg as frozen dataclasses: every setting is a field with a sentence, a checked type and a default.

Luigi merges /etc/luigi/luigi.cfg, ./luigi.cfg and $LUIGI_CONFIG_PATH; we read what it merged, so that the command
line, cron and the page see one configuration. No secret lives here: credentials come from azure-identity's chain.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

from flight.workflows import luigicfg
from flight.workflows.kit.errors import ConfigError
from flight.workflows.kit.text import has_controls, quoted, split_url

CLOUDS: Final = ("rehearsal", "public", "usgov", "china")
CONNECTIONS: Final = range(1, 65)
SHIPPED: Final = Path(__file__).parents[1] / "kickstarts"
"""The recipes and partials that come with flight: beside this package in a clone, and where it was installed."""
VERSION: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""It stands in kickstarts, file names and Azure's names."""


def setting(sentence: str, default: Any, **rules: Any) -> Any:
    """A dataclass field that carries its own documentation; `rules`: one_of, within (a range), fits (a function that
    says what would do; empty: the value will).
    """
    return field(default=default, metadata={"sentence": sentence, **rules})


def version_wanted(version: str) -> str:
    """What a version may be, where this is none; else nothing."""
    fits = re.fullmatch(VERSION, version)
    return "" if fits else "up to 64 letters, digits, '.', '_' and '-', the first a letter or a digit"


def check_version(version: str) -> str:
    """The version itself, from wherever it comes; ConfigError where it is none."""
    wanted = version_wanted(version)
    if wanted:
        raise ConfigError(
            f"version = {quoted(version)} is refused", why="it names files and images", fix=f"give {wanted}"
        )
    return version


def _mirror_wanted(url: str) -> str:
    return "" if not url or split_url(url) else "http://…, https://… or file:///…, or nothing"


@dataclass(frozen=True)
class Image:
    """What is built."""

    recipe: str = setting("The recipe to build: kickstarts/NAME.toml.", "flight-compute-debian13")
    version: str = setting("The image's version; a new one reads the package index anew.", "1.0.0", fits=version_wanted)
    mirror: str = setting(
        "The Debian mirror to build from; empty: the one that this host's apt uses.", "", fits=_mirror_wanted
    )


@dataclass(frozen=True)
class Paths:
    """Where things lie. Relative paths start at the folder of the luigi.cfg that was read."""

    work: Path = setting("The work folder: artefacts, caches, logs, the rehearsal's data.", Path("work"))
    recipes: tuple[Path, ...] = setting(
        "Folders with recipes, searched in this order; at last what comes with flight.", (Path("kickstarts"),)
    )
    keep: int = setting(
        "How many artefacts of a stage `flight clean --old` keeps for each recipe.", 3, within=range(1, 2**31)
    )

    @property
    def searched(self) -> tuple[Path, ...]:
        """Where recipes and partials are looked for: the folders of `recipes`, at last what comes with flight."""
        is_named = SHIPPED.resolve() in {folder.resolve() for folder in self.recipes}
        return self.recipes if is_named else (*self.recipes, SHIPPED)


@dataclass(frozen=True)
class Programs:
    """The programs that flight runs; a path or a name in PATH."""

    qemu_img: str = setting("Converts and describes disks (2.9 or newer).", "qemu-img")
    qemu_system: str = setting("Runs guests.", "qemu-system-x86_64")
    mmdebstrap: str = setting("Installs Debian's packages into a folder.", "mmdebstrap")
    virt_sysprep: str = setting("Takes out of a disk what belongs to one machine only.", "virt-sysprep")
    virt_sparsify: str = setting("Gives back the space that a filesystem does not use.", "virt-sparsify")
    guestfish: str = setting("Looks inside disks, through libguestfs.", "guestfish")
    node: str = setting("Runs Azurite, the rehearsal's storage; empty: the one in the virtual environment.", "")


@dataclass(frozen=True)
class Libvirt:
    """How guests are run: what oz.cfg held."""

    uri: str = setting("The hypervisor's URI; empty: qemu:///system where a daemon runs, else qemu:///embed.", "")
    bridge: str = setting("The bridge that guests of qemu:///system are plugged into.", "virbr0")
    cpus: int = setting("Virtual processors of a guest.", 2, within=range(1, 2**31))
    memory_mib: int = setting("Memory of a guest, in MiB.", 2048, within=range(256, 2**31))


@dataclass(frozen=True)
class Azure:
    """Where the image goes. `cloud` alone turns the rehearsal into the real thing."""

    cloud: str = setting("rehearsal, or the cloud to upload to: public, usgov, china.", "rehearsal", one_of=CLOUDS)
    subscription: str = setting("The subscription's id.", "00000000-0000-0000-0000-000000000000")
    resource_group: str = setting("The resource group of the image.", "flight")
    location: str = setting("The region of the image; the storage account's must be the same.", "westeurope")
    gallery: str = setting("The Azure Compute Gallery of PublishImage; made where it is missing.", "flight")
    account: str = setting("The storage account (in the rehearsal: Azurite's own name).", "devstoreaccount1")
    container: str = setting("The container for VHDs; made where it is missing.", "images")


@dataclass(frozen=True)
class Upload:
    """How a VHD is sent."""

    connections: int = setting("Put Page requests in flight at once, at most.", 8, within=CONNECTIONS)
    delta: bool = setting("Send only what the newest sealed blob of the same recipe has not.", True)
    content_md5: bool = setting("Let the blob say the MD5 of the whole (Content-MD5); reads every hole.", False)
    replace: bool = setting("Replace a blob or an image of the same name that holds something else.", False)


@dataclass(frozen=True)
class Rehearsal:
    """The imitation of Azure on this machine; both servers listen on loopback only."""

    blob_port: int = setting("Port of Azurite's blob service.", 10000, within=luigicfg.PORTS)
    compute_port: int = setting("Port of the stand-in for Microsoft.Compute.", 10010, within=luigicfg.PORTS)


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
    """The settings that Luigi's merged configuration holds; the defaults, below the current folder, where there is none.

    Raises ConfigError for whatever is wrong in it, in Luigi's own sections as well: Luigi would print a traceback.
    """
    base = luigicfg.base_folder()
    settings = parse_settings(luigicfg.read_sections(own=tuple(get_type_hints(Settings))), base=base)
    luigicfg.check_luigis_sections()
    return settings


def describe(settings: Settings) -> Iterator[str]:
    """luigi.cfg as it would look with every setting in it: a comment, then its value here."""
    for section in dataclasses.fields(settings):
        values = getattr(settings, section.name)
        yield f"[{section.name}]"
        for name, sentence, text in entries(values):
            yield f"# {sentence}"
            yield f"{name} = {text}"
        yield ""


def entries(section: Any) -> Iterator[tuple[str, str, str]]:
    """The settings of one section: name, sentence, and the value as it stands in luigi.cfg."""
    for one in dataclasses.fields(section):
        value = getattr(section, one.name)
        shown = ", ".join(map(str, value)) if isinstance(value, tuple) else value
        yield one.name, one.metadata["sentence"], str(shown).lower() if isinstance(shown, bool) else str(shown)


def _parse_section(name: str, kind: type, given: Mapping[str, str], base: Path) -> Any:
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in given.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            meant = f"did you mean '{near[0]}'?" if near else f"it knows {', '.join(fields)}"
            raise ConfigError(f"luigi.cfg: [{name}] has no setting '{quoted(key)}' (= {quoted(value)})", fix=meant)
    values = {
        key: _parse_value(name, key, given[key], hints[key], field.metadata, base) if key in given
        else _placed(field.default, base)
        for key, field in fields.items()
    }  # fmt: skip
    return kind(**values)


def _parse_value(section: str, key: str, text: str, kind: Any, rules: Mapping[str, Any], base: Path) -> Any:
    value = text.strip()
    try:
        parsed = _typed(value, kind, base)
    except ValueError as error:
        wanted = str(error)
    else:
        wanted = _wanted(parsed, rules)
    if wanted:
        raise luigicfg.refused(section, key, value, why=rules["sentence"], fix=f"give {wanted}")
    return parsed


def _wanted(parsed: Any, rules: Mapping[str, Any]) -> str:
    """What would do, where the value does not; else nothing."""
    if "one_of" in rules and parsed not in rules["one_of"]:
        return f"one of {', '.join(rules['one_of'])}"
    if "within" in rules and parsed not in rules["within"]:
        return luigicfg.words_of(rules["within"])
    return rules["fits"](parsed) if "fits" in rules else ""


def _typed(text: str, kind: Any, base: Path) -> Any:
    if kind is bool:  # no more than Luigi's own BoolParameter takes: some are read by both
        if text.lower() not in ("true", "false"):
            raise ValueError("true or false")
        return text.lower() == "true"
    if kind is int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise ValueError("a whole number")
        return int(text)
    if kind is Path:
        if not text or has_controls(text):
            raise ValueError("a path")
        try:
            return _placed(Path(text), base)
        except RuntimeError:
            raise ValueError("a path; there is no such user's home folder") from None
    if get_origin(kind) is tuple:
        parts = [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
        if not parts:
            raise ValueError("at least one, separated by commas")
        return tuple(_typed(part, get_args(kind)[0], base) for part in parts)
    if has_controls(text):
        raise ValueError("one line without control characters")
    return text


def _placed(value: Any, base: Path) -> Any:
    """A relative path put below `base`; anything else as it is."""
    if isinstance(value, Path):
        return base / value.expanduser()
    if isinstance(value, tuple):
        return tuple(_placed(part, base) for part in value)
    return value
