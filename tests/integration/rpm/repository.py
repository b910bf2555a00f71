"""Repositories as a mirror serves them: packages, createrepo_c's metadata, groups, modules, a signed repomd.xml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from rpm.programs import ran
from rpm.signing import Key

CORE = (
    *("testlinux-release", "testlinux-repos", "setup", "filesystem", "basesystem", "glibc", "bash", "coreutils", "sed"),
    *("grep", "gawk", "findutils", "util-linux", "shadow-utils", "passwd", "systemd", "systemd-udev", "dbus", "kmod"),
    *("procps-ng", "iproute", "hostname", "e2fsprogs", "xfsprogs", "rpm", "NetworkManager", "less", "which", "tar"),
    *("authselect", "policycoreutils", "selinux-policy-targeted"),
)


@dataclass(frozen=True)
class Group:
    """A group of comps.xml: packages by how much they belong to it."""

    name: str
    mandatory: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    def render(self) -> str:
        kinds = (("mandatory", self.mandatory), ("default", self.default), ("optional", self.optional))
        lines = [f'<packagereq type="{kind}">{escape(name)}</packagereq>' for kind, names in kinds for name in names]
        return (
            f"<group><id>{self.name}</id><name>{self.name}</name><description>{self.name}</description>"
            f"<default>false</default><uservisible>true</uservisible>\n<packagelist>\n"
            + "\n".join(lines)
            + "\n</packagelist></group>\n"
        )


GROUPS = (
    Group(
        "core", CORE, default=("chrony", "openssh-server", "openssh-clients", "firewalld", "dracut"), optional=("sudo",)
    ),
    Group("extra", ("diffutils",), default=("cpio",), optional=("zstd",)),
    Group("broken", ("hostname", "no-such-package")),
)
ENVIRONMENT = """\
<environment><id>minimal-environment</id><name>Minimal Install</name><description>Little</description>
<display_order>1</display_order>
<grouplist><groupid>core</groupid></grouplist>
<optionlist><groupid>extra</groupid></optionlist>
</environment>
"""
HEADER = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">\n'


def render_comps(groups: Iterable[Group]) -> str:
    """comps.xml."""
    return f"{HEADER}<comps>\n{''.join(group.render() for group in groups)}{ENVIRONMENT}</comps>\n"


def render_modules(name: str, streams: Mapping[str, str]) -> str:
    """modules.yaml: `streams` are the package each one holds (name-epoch:version-release.arch). None is the default."""
    profiles = "".join(f'    "{stream}": [common]\n' for stream in streams)
    defaults = f"---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: {name}\n  profiles:\n{profiles}...\n"
    return defaults + "".join(_module(name, stream, artifact) for stream, artifact in streams.items())


def _module(name: str, stream: str, artifact: str) -> str:
    return f"""\
---
document: modulemd
version: 2
data:
  name: {name}
  stream: "{stream}"
  version: 9040020240101000000
  context: 0123abcd
  arch: x86_64
  summary: {name}, of which there are several
  description: {name} {stream}
  license:
    module: [MIT]
    content: [MIT]
  dependencies:
    - requires:
        platform: [el9]
  profiles:
    common:
      rpms: [{name}]
  artifacts:
    rpms: ["{artifact}"]
...
"""


def index(folder: Path, key: Key, *, comps: str = "", modules: str = "") -> None:
    """Write repodata of what lies below `folder`, and sign it."""
    argv: list[str | Path] = ["createrepo_c", "--quiet", "--simple-md-filenames", "--general-compress-type=gz"]
    described = folder.parent / "comps.xml"
    if comps:
        described.write_text(comps)
        argv += ["--groupfile", described]
    ran([*argv, folder])
    described.unlink(missing_ok=True)
    if modules:
        extra = folder.parent / "modules.yaml"
        extra.write_text(modules)
        ran(
            [
                "modifyrepo_c",
                "--mdtype=modules",
                "--compress-type=gz",
                "--simple-md-filenames",
                extra,
                folder / "repodata",
            ]
        )
        extra.unlink()
    key.sign_beside(folder / "repodata/repomd.xml")
