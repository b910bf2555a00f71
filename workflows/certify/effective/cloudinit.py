"""cloud-init in an image: whether it starts, what it is configured to do, where it looks for its data.

Source: tools/ds-identify, systemd/cloud-init-generator and cloudinit/settings.py of cloud-init 22.4 to 25.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.certify.effective.cloudcfg import CloudConfig, read_config
from flight.workflows.certify.reading.packages import Package
from flight.workflows.certify.reading.versions import upstream_version
from flight.workflows.certify.tree import NotTaken, Tree

if TYPE_CHECKING:
    from flight.workflows.certify.effective.units import Units
    from flight.workflows.certify.image import Image

PROGRAMS: Final = ("/usr/bin/cloud-init", "/usr/local/bin/cloud-init")
DISABLED: Final = "/etc/cloud/cloud-init.disabled"
IDENTIFY: Final = "/etc/cloud/ds-identify.cfg"
IDENTIFIERS: Final = ("/usr/lib/cloud-init", "/usr/libexec/cloud-init")
"""Folders in which ds-identify lies: Debian's, Enterprise Linux's."""
STAGES: Final = (
    ("cloud-init-local.service",),
    ("cloud-init-network.service", "cloud-init.service"),
    ("cloud-config.service",),
    ("cloud-final.service",),
)
"""The units of the four stages; the second has another name since 24.3."""
SINGLE: Final = "cloud-init-main.service"
"""The one process of all stages, since 24.3."""
BUILT_IN: Final = ("Azure", "None")
"""The ends that matter of the long list that is looked through where none is configured."""
STATE: Final = "/var/lib/cloud"
"""Its folder, unless it is configured to another one."""
FORCED: Final = ("ds=", "ci.ds=", "ci.datasource=")


@dataclass(frozen=True)
class CloudInit:
    """`disabled_by` says what keeps it from running; empty where nothing does. `version` is empty where nothing says it.

    `forced` is a data source that is taken without looking, `forced_by` who says so. `not_started` are stages' units
    that do not start with the machine.
    """

    program: str = ""
    package: Package | None = None
    version: str = ""
    read: CloudConfig = field(default_factory=CloudConfig)
    disabled_by: str = ""
    not_started: tuple[str, ...] = ()
    forced: str = ""
    forced_by: str = ""
    command_line: str = ""

    @property
    def is_there(self) -> bool:
        return bool(self.program or self.package)

    @property
    def starts(self) -> bool:
        """Whether it runs when the machine starts, all of its stages."""
        return self.is_there and not self.disabled_by and not self.not_started

    is_enabled = starts

    @property
    def config(self) -> Mapping[str, Any]:
        """The merged configuration."""
        return self.read.merged

    def value(self, *keys: str) -> Any:
        """What stands under a path of keys; None where nothing does."""
        found: Any = self.config
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    @property
    def data_sources(self) -> tuple[str, ...]:
        """The sources that are looked for, in order; where none are configured, the ends of the built-in list."""
        configured = self.config.get("datasource_list")
        if isinstance(configured, list):
            return tuple(str(name) for name in configured)
        return BUILT_IN

    @property
    def has_own_list(self) -> bool:
        return isinstance(self.config.get("datasource_list"), list)

    @property
    def folders(self) -> tuple[str, ...]:
        """Where it keeps its state, and looks for a seed: the usual folder, and the one of its configuration."""
        chosen = self.value("system_info", "paths", "cloud_dir")
        is_path = isinstance(chosen, str) and chosen.startswith("/")
        return tuple(dict.fromkeys((STATE, chosen.rstrip("/") if is_path else STATE)))

    @property
    def writes_network(self) -> bool:
        """Whether it configures the network at a first boot, by DHCP: unless it is told not to, or to do something else."""
        network = self.config.get("network")
        told = network.get("config", network) if isinstance(network, Mapping) else network
        if not self.starts or told == "disabled" or "network-config=disabled" in self.command_line.split():
            return False
        return network is None or "dhcp" in str(told)

    def modules(self, stage: str) -> tuple[str, ...]:
        """The modules of a stage (init, config, final), their names with underscores."""
        listed = self.config.get(f"cloud_{stage}_modules")
        rows = listed if isinstance(listed, list) else []
        names = (row[0] if isinstance(row, list) and row else row for row in rows)
        return tuple(str(name).replace("-", "_") for name in names)


def cloudinit_of(image: Image) -> CloudInit:
    tree, package, line = image.tree, image.package("cloud-init"), image.boot.command_line
    program = next((path for path in PROGRAMS if tree.is_file(path)), "")
    if not program and not package:
        return CloudInit(command_line=line)
    forced, forced_by = _forced(tree, line)
    return CloudInit(
        program,
        package,
        upstream_version(package.version) if package else "",
        read_config(tree, line),
        _disabled_by(tree, line),
        tuple(_not_started(image.units, line)),
        forced,
        forced_by,
        line,
    )


def _disabled_by(tree: Tree, command_line: str) -> str:
    if tree.is_file(DISABLED):
        return DISABLED
    if "cloud-init=disabled" in command_line:
        return "cloud-init=disabled on the kernel's command line"
    policy, said_by = _identify(tree).get("policy", ""), f"the policy in {IDENTIFY}"
    for word in command_line.split():
        if word.startswith("ci.di.policy="):
            policy, said_by = word.partition("=")[2].partition(";")[0], "ci.di.policy on the kernel's command line"
    if _mode(policy) == "disabled":
        return said_by
    folder = next((folder for folder in IDENTIFIERS if tree.is_folder(folder)), "")
    return f"its generator, for want of {folder}/ds-identify" if folder and not _is_program(tree, folder) else ""


def _mode(policy: str) -> str:
    """The last word of a policy that names a mode."""
    modes = [word for word in policy.split(",") if word in ("enabled", "disabled", "search", "report")]
    return modes[-1] if modes else "search"


def _is_program(tree: Tree, folder: str) -> bool:
    entry = tree.entry(f"{folder}/ds-identify")
    return entry is not None and entry.kind == "f" and bool(entry.mode & 0o111)


def _identify(tree: Tree) -> dict[str, str]:
    """ds-identify.cfg: `key: value`, quotes around a value taken away, the last of several wins."""
    found: dict[str, str] = {}
    for line in tree.lines(IDENTIFY):
        key, colon, value = line.partition("#")[0].partition(":")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        if colon:
            found[key.strip()] = value
    return found


def _forced(tree: Tree, command_line: str) -> tuple[str, str]:
    """The data source that the command line, or ds-identify's file, wants taken; and who says so."""
    forced = _identify(tree).get("datasource", "")
    found = (forced, IDENTIFY) if forced else ("", "")
    for word in command_line.split():
        if word.startswith(FORCED):
            found = (word.partition("=")[2].partition(";")[0], "the kernel's command line")
    return found


def _not_started(units: Units, command_line: str) -> Iterator[str]:
    """The stages' units that do not start. Where a unit's file is not known, it counts as one that does not."""
    wanted = (*STAGES, (SINGLE,)) if units.is_there(SINGLE) else STAGES
    for names in wanted:
        name = next((name for name in names if units.is_there(name)), names[0])
        try:
            is_well = units.is_enabled(name) and not units.hindrance(name, command_line)
        except NotTaken:
            is_well = False
        if not is_well:
            yield name
