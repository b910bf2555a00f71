"""The Azure Linux agent in an image: where it is, its version, and its configuration as the agent itself reads it.

Source: azurelinuxagent/common/conf.py and pa/provision/factory.py of Azure/WALinuxAgent 2.12 and 2.15.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flight.workflows.certify.effective.programs import which
from flight.workflows.certify.effective.unitfiles import unquoted
from flight.workflows.certify.reading.packages import Package
from flight.workflows.certify.reading.versions import upstream_version
from flight.workflows.certify.tree import NotTaken, Tree

if TYPE_CHECKING:
    from flight.workflows.certify.image import Image

PACKAGES: Final = ("waagent", "walinuxagent", "WALinuxAgent", "python-azure-agent")
"""Debian, Ubuntu, Enterprise Linux, SUSE."""
PROGRAMS: Final = ("/usr/sbin/waagent", "/usr/bin/waagent", "/usr/local/sbin/waagent", "/usr/local/bin/waagent")
UNITS: Final = ("walinuxagent.service", "waagent.service")
"""Debian and Ubuntu, the others."""
DETECTED: Final = "cloud-init-local.service"
CONF: Final = "/etc/waagent.conf"
VERSIONS: Final = tuple(
    f"{folder}/python3*/{kind}-packages/{egg}azurelinuxagent/common/version.py"
    for folder in ("/usr/local/lib", "/usr/lib")
    for kind in ("dist", "site")
    for egg in ("", "WALinuxAgent-*/")
)
AGENT_VERSION: Final = re.compile(r"^AGENT_VERSION\s*=\s*['\"]([0-9.]{1,40})['\"]", re.MULTILINE)
STARTERS: Final = re.compile(r"(platform-)?python[\d.]*|env|(ba|da)?sh")
"""Programs that may start the agent: it is a script."""
OTHER_CONF: Final = re.compile(r"-configuration-path:(\S+)")
DEFAULTS: Final = {
    "AutoUpdate.Enabled": "y",
    "Extensions.Enabled": "y",
    "Provisioning.Agent": "auto",
    "ResourceDisk.Format": "n",
    "ResourceDisk.EnableSwap": "n",
    "Lib.Dir": "/var/lib/waagent",
}
"""What the agent takes where a key is not set."""


@dataclass(frozen=True)
class Waagent:
    """`program` and `unit` are empty where there is none; `version` too, where nothing tells it; `version_in` tells it.

    `values` by key as the agent reads them, `lines` their numbers in `conf`. `has_conf`: it is a file, and not empty;
    without one the agent ends at once. `disabled_by` is a file that makes it sleep for ever.
    """

    program: str = ""
    unit: str = ""
    package: Package | None = None
    version: str = ""
    version_in: str = ""
    conf: str = CONF
    has_conf: bool = False
    values: Mapping[str, str] | None = None
    lines: Mapping[str, int] | None = None
    disabled_by: str = ""

    @property
    def is_there(self) -> bool:
        return bool(self.program or self.package)

    def value(self, key: str, default: str | None = None) -> str:
        """A key's value; where it is not set `default`, or the agent's own; empty where that has none."""
        return (self.values or {}).get(key, DEFAULTS.get(key, "") if default is None else default)

    def is_set(self, key: str) -> bool:
        return key in (self.values or {})

    def is_on(self, key: str, default: bool | None = None) -> bool:
        """A switch: y or n in either case; any other word counts as if the key were not set."""
        word = self.value(key, "").lower()
        if word in ("y", "n"):
            return word == "y"
        return DEFAULTS.get(key, "n") == "y" if default is None else default

    def where(self, key: str) -> str:
        """The place of a key, to be shown: the file with its line, or that it is not set there."""
        line = (self.lines or {}).get(key)
        return f"{self.conf}:{line}" if line else f"{self.conf}, where it is not set"

    @property
    def updates_itself(self) -> bool:
        """The newer key decides where it stands, the older otherwise."""
        return self.is_on("AutoUpdate.UpdateToLatestVersion", self.is_on("AutoUpdate.Enabled"))


def read_conf(text: str) -> tuple[dict[str, str], dict[str, int]]:
    """The values and their lines' numbers. The last of several wins; None unsets a key; # ends a value."""
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#") or "=" not in line:
            continue
        name, _, rest = line.partition("=")
        key, value = name.strip(), rest.partition("#")[0].strip('" ').strip()
        values[key], lines[key] = value, number
        if value == "None":
            del values[key], lines[key]
    return values, lines


def numbers(version: str) -> tuple[int, ...]:
    """The numbers at the start of a version, to compare by: 2.2.53.1 of 2.2.53.1+dfsg."""
    match = re.match(r"\d{1,9}(\.\d{1,9})*", version, re.ASCII)
    return tuple(int(number) for number in match[0].split(".")) if match else ()


def waagent_of(image: Image) -> Waagent:
    """Raises NotTaken where the configuration is there and not known."""
    tree, package = image.tree, image.package(*PACKAGES)
    program = next((path for path in PROGRAMS if tree.is_file(path)), "")
    unit = next((name for name in UNITS if image.units.is_there(name)), "")
    conf = _conf(image, unit)
    text = tree.text(conf) or ""
    values, lines = read_conf(text)
    version, version_in = _version(tree, package) if program or package else ("", "")
    sleeps = f"{values.get('Lib.Dir', DEFAULTS['Lib.Dir'])}/disable_agent"
    return Waagent(
        program,
        unit,
        package,
        version,
        version_in,
        conf,
        bool(text),
        values,
        lines,
        sleeps if tree.entry(sleeps) else "",
    )


def _conf(image: Image, unit: str) -> str:
    """The file that the unit names, or the usual one."""
    commands = image.units.setting(unit, "Service", "ExecStart") if unit else ()
    return next((match[1] for command in commands if (match := OTHER_CONF.search(command))), CONF)


def other_command(image: Image) -> str:
    """What the agent's unit runs in its place; empty where it runs the agent, or where a script stands for the unit."""
    unit = image.waagent.unit
    if not image.units.files.find(unit):
        return ""
    commands = image.units.setting(unit, "Service", "ExecStart")
    if any(_runs_agent(image.tree, command) for command in commands):
        return ""
    return commands[-1] if commands else "nothing"


def _runs_agent(tree: Tree, command: str) -> bool:
    """Whether it starts the program, or has Python or a shell start it: these need no right to run it."""
    program, *rest = [*unquoted(command.lstrip("-@:+!|")), ""]
    name = program.rpartition("/")[2]
    if name == "waagent":
        entry = tree.entry(program if "/" in program else which(tree, program))
        return entry is not None and entry.kind == "f" and bool(entry.mode & 0o111)
    words = " ".join(rest).split() if STARTERS.fullmatch(name) else []
    if "azurelinuxagent.agent" in words or ("waagent" in words and which(tree, "waagent")):
        return True
    return any(word.endswith("/waagent") and tree.is_file(word) for word in words)


def _version(tree: Tree, package: Package | None) -> tuple[str, str]:
    """The version, and the file or package that says it: the oldest of the agents that Python could find."""
    found = []
    for path in (path for pattern in VERSIONS for path in tree.glob(pattern)):
        try:
            match = AGENT_VERSION.search(tree.text(path) or "")
        except NotTaken:
            continue
        if match:
            found.append((match[1], path))
    if found:
        return min(found, key=lambda row: numbers(row[0]))
    return (upstream_version(package.version), f"the package {package.name}") if package else ("", "")


def provisioner(image: Image) -> str:
    """Who prepares a new machine: "cloud-init", "agent", or "" for nobody, which the agent's configuration decides."""
    agent = image.waagent
    if not agent.is_there:
        return "cloud-init" if image.cloudinit.starts else ""
    word = agent.value("Provisioning.Agent")
    if word == "cloud-init" or (word == "auto" and _leaves_it(image)):
        return "cloud-init"
    return "agent" if word in ("auto", "waagent") else ""


def _leaves_it(image: Image) -> bool:
    """What `auto` looks at: whether the unit is enabled, not whether something else disables cloud-init."""
    units = image.units
    return image.cloudinit.is_there and (units.state(DETECTED) == "enabled" or units.is_enabled(DETECTED))
