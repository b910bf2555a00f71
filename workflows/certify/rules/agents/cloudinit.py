"""cloud-init."""

from __future__ import annotations

from typing import Final

from flight.workflows.certify.effective import programs
from flight.workflows.certify.effective.waagent import numbers, provisioner
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, failed, not_applicable, passed, rule, unknown
from flight.workflows.kit.text import quoted

SEVERAL_CLIENTS: Final = "24.1"
"""The first that knows other DHCP clients than dhclient. Source: cloudinit/net/dhcp.py."""
MOVED_MODULES: Final = "23.1"
"""From here on the guides no longer move the modules. Source: Microsoft's Linux guide."""
NOT_NEEDED: Final = "cloud-init does not provision"
CLIENTS: Final = ("dhcpcd", "dhclient", "udhcpc")


@rule(
    "cloudinit-present",
    "cloud-init is installed and starts",
    severity="blocker",
    required="where cloud-init is to provision: it is installed, all its stages are enabled, nothing disables it",
    fix="install cloud-init, `systemctl enable cloud-init-local cloud-init cloud-config cloud-final` (from 24.3 on "
    "cloud-init-main and cloud-init-network), remove /etc/cloud/cloud-init.disabled and cloud-init=disabled",
    source="Microsoft's Linux guide; RHEL guide; Debian guide; Marketplace's technical configuration",
)
def cloudinit_present(image: Image) -> Outcome:
    cloudinit = image.cloudinit
    if not _is_wanted(image):
        return not_applicable("the agent provisions")
    if not cloudinit.is_there:
        return failed("cloud-init is not installed")
    if not cloudinit.program:
        return failed("the package cloud-init is installed, its program is not")
    if not programs.which(image.tree, "cloud-init"):
        return failed(f"{cloudinit.program} is there, and nobody may run it")
    if cloudinit.disabled_by:
        return failed(f"disabled by {quoted(cloudinit.disabled_by)}")
    if cloudinit.not_started:
        words = ", ".join(f"{name} ({image.units.state(name)})" for name in cloudinit.not_started)
        return failed(f"not started: {words}")
    return passed(f"cloud-init {quoted(cloudinit.version or 'without a package')}, all stages start")


def _is_wanted(image: Image) -> bool:
    """Whether cloud-init is to provision: it is claimed, the agent's configuration says so, or there is no agent."""
    return "cloud-init" in image.claims or not image.waagent.is_there or provisioner(image) == "cloud-init"


def _why_not(image: Image) -> str:
    """Why there is nothing to say of cloud-init's ways; empty where there is."""
    if not _is_wanted(image):
        return NOT_NEEDED
    return "" if image.cloudinit.is_there else "there is no cloud-init (cloudinit-present)"


def _unread(image: Image) -> Outcome | None:
    """What is to be said where a file was not followed: then nothing that the files decide is known."""
    unread = image.cloudinit.read.unread
    return unknown(f"not read: {quoted(unread[0])}") if unread else None


@rule(
    "cloudinit-ds",
    "cloud-init looks for Azure's data",
    severity="blocker",
    required="Azure is among the data sources. Enterprise Linux: nothing but Azure, and apply_network_config is off",
    fix="/etc/cloud/cloud.cfg.d/91-azure_datasource.cfg: `datasource_list: [ Azure ]` on one line; Enterprise Linux: also "
    "`datasource: {Azure: {apply_network_config: False}}`. Nothing else in /etc/cloud/ds-identify.cfg",
    source="Microsoft's Linux guide; RHEL guide; cloud-image-val; cloud-init's ds-identify",
)
def cloudinit_ds(image: Image) -> Outcome:
    cloudinit = image.cloudinit
    if why_not := _why_not(image):
        return not_applicable(why_not)
    if cloudinit.forced and cloudinit.forced.lower() != "azure":
        return failed(f"{quoted(cloudinit.forced_by)} forces {quoted(cloudinit.forced)}")
    if said := _unread(image):
        return said
    where = quoted(cloudinit.read.sources.get("datasource_list", "the built-in list"))
    if "datasource_list" in cloudinit.config and not cloudinit.has_own_list:
        return failed(f"datasource_list is no list in {where}")
    names = cloudinit.data_sources
    seen = (
        f"[{quoted(', '.join(names))}] in {where}" if cloudinit.has_own_list else "the built-in list, which has Azure"
    )
    if "Azure" not in names:
        return failed(seen)
    return _strictly(image, seen, [name for name in names if name != "None"])


def _strictly(image: Image, seen: str, names: list[str]) -> Outcome:
    """What the guide for Red Hat wants beyond that."""
    if image.family == "el" and names != ["Azure"]:
        return failed(f"{seen}: not Azure alone", severity="warning")
    if image.family == "el" and image.cloudinit.value("datasource", "Azure", "apply_network_config") is not False:
        return failed(f"{seen}, and apply_network_config is not off", severity="warning")
    return passed(seen)


@rule(
    "cloudinit-dhcp-client",
    "cloud-init finds a DHCP client",
    severity="blocker",
    required=f"dhclient; from cloud-init {SEVERAL_CLIENTS} on dhcpcd, dhclient or udhcpc",
    fix="Debian 13, Ubuntu 24.04: `apt-get install dhcpcd-base`; Debian 12: `apt-get install isc-dhcp-client`; EL 8, 9: "
    "`dnf install dhcp-client`; EL 10: `dnf install dhcpcd`",
    source="cloud-init's own DataSourceAzure and net/dhcp.py: without one it gives up at once",
    known_on="2026-11-22",
)
def cloudinit_dhcp_client(image: Image) -> Outcome:
    version = image.cloudinit.version
    if why_not := _why_not(image):
        return not_applicable(why_not)
    wanted = _clients(image)
    path = programs.which(image.tree, *wanted)
    seen = f"cloud-init {quoted(version or 'without a package')}"
    if path:
        return passed(f"{seen}, {path}")
    other = programs.which(image.tree, *CLIENTS)
    return failed(f"{seen} wants {' or '.join(wanted)}, and there is {other or 'none'}")


def _clients(image: Image) -> list[str]:
    """The clients that this cloud-init tries, in order: those of its configuration where it names any that it knows."""
    version = numbers(image.cloudinit.version)
    if version and version < numbers(SEVERAL_CLIENTS):
        return ["dhclient"]
    chosen = image.cloudinit.value("system_info", "network", "dhcp_client_priority")
    known = [name for name in chosen if name in CLIENTS] if isinstance(chosen, list) else []
    return known or list(CLIENTS)


@rule(
    "cloudinit-mounts",
    "Disks are set up and mounted early",
    severity="warning",
    required=f"disk_setup and mounts among cloud_init_modules, for cloud-init before {MOVED_MODULES}",
    fix="move ` - disk_setup` and ` - mounts` from cloud_config_modules to cloud_init_modules in /etc/cloud/cloud.cfg",
    source="Microsoft's Linux guide; RHEL guide",
    known_on="2026-11-22",
)
def cloudinit_mounts(image: Image) -> Outcome:
    cloudinit = image.cloudinit
    if why_not := _why_not(image):
        return not_applicable(why_not)
    if numbers(cloudinit.version) >= numbers(MOVED_MODULES):
        return not_applicable(f"cloud-init {quoted(cloudinit.version)} does not need it")
    if said := _unread(image):
        return said
    missing = [name for name in ("disk_setup", "mounts") if name not in cloudinit.modules("init")]
    if missing:
        return failed(
            f"{' and '.join(missing)} not in cloud_init_modules of cloud-init {quoted(cloudinit.version or '?')}"
        )
    return passed("disk_setup and mounts are in cloud_init_modules")


@rule(
    "cloudinit-telemetry",
    "cloud-init reports to the host",
    severity="info",
    required="`reporting: {telemetry: {type: hyperv}}` in its configuration",
    fix="/etc/cloud/cloud.cfg.d/10-azure-kvp.cfg: `reporting: {logging: {type: log}, telemetry: {type: hyperv}}`",
    source="RHEL guide",
)
def cloudinit_telemetry(image: Image) -> Outcome:
    if why_not := _why_not(image):
        return not_applicable(why_not)
    if said := _unread(image):
        return said
    reporting = image.cloudinit.value("reporting")
    kinds = (
        [each.get("type") for each in reporting.values() if isinstance(each, dict)]
        if isinstance(reporting, dict)
        else []
    )
    where = quoted(image.cloudinit.read.sources.get("reporting", ""))
    return passed(f"hyperv in {where}") if "hyperv" in kinds else failed("no reporting of type hyperv is configured")
