"""Kickstarts of very different kind, as strangers bring them: what becomes of each is told, in docs/kickstarts.md."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from home import TOP

from flight.workflows import kickstart, recipe
from flight.workflows.install.direct import refusals
from flight.workflows.kickstart.honoured import HONOURED, WITHOUT_EFFECT
from flight.workflows.kickstart.plan import InstallPlan
from flight.workflows.kickstart.planning import plan_install
from flight.workflows.kickstart.syntax import Statements
from flight.workflows.kit.finding import Finding

FOLDER = TOP / "tests" / "kickstarts"
PAGE = "../../docs/kickstarts.md"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ks"))


@dataclass(frozen=True)
class Existing:
    """One kickstart, read: what its first line says of it, its statements, every fault; and what needs a virtual machine."""

    name: str
    kind: str
    syntax: str
    statements: Statements
    findings: list[Finding]
    later: list[str]

    def commands(self, words: str) -> list[str]:
        """Those of `words` that it holds and in whose lines nothing is refused, each once."""
        refused = {finding.where.line for finding in self.findings}
        fine = (each.name for each in self.statements.commands if each.where.line not in refused)
        return list(dict.fromkeys(name for name in fine if name in words.split()))


def read(name: str, folder: Path) -> Existing:
    text = (FOLDER / f"{name}.ks").read_text()
    kind, syntax = re.match(r"# (.*): (\w+)\.\n", text).groups()  # type: ignore[union-attr]
    family, release = ("debian", "trixie") if name.startswith("debian") else ("el", "9")
    (folder / f"{name}.ks").write_text(text)
    sources = write_key(folder) if family == "el" else ""
    (folder / f"{name}.toml").write_text(f'family = "{family}"\nrelease = "{release}"\nsyntax = "{syntax}"\n{sources}')
    found = recipe.load(name, [folder])
    mirrors = kickstart.mirrors_for(found, "http://mirror.example/debian")
    rendered = kickstart.render_recipe(found, version="1", mirrors=mirrors, folders=[folder])
    statements, findings = kickstart.examine(rendered, None)
    later = [] if findings else refusals(plan_install(statements, found, version="1", mirror="http://mirror.example/"))
    return Existing(name, kind, syntax, statements, findings, [line for line in later if " as xfs: " not in line])


def write_key(folder: Path) -> str:
    """A key beside the recipe; the lines that name it."""
    (folder / "key").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    return '[sources]\narchive = "http://mirror.example/"\nkey = "key"\n'


@pytest.fixture(scope="module")
def existing(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Existing]:
    folder = tmp_path_factory.mktemp("existing")
    return {name: read(name, folder) for name in NAMES}


def test_the_page_says_what_becomes_of_each(existing: dict[str, Existing], golden: Callable[[str, str], None]) -> None:
    page = (TOP / "docs" / "kickstarts.md").read_text()
    before, _, rest = page.partition("<!-- table -->\n")
    after = rest.partition("<!-- end -->")[2]
    said = "\n".join(line for each in existing.values() for line in section(each))
    golden(PAGE, f"{before}<!-- table -->\n{table(existing)}\n\n{said}\n<!-- end -->{after}")


def table(existing: dict[str, Existing]) -> str:
    rows = [
        f"| [{each.name}](#{each.name}) | {each.kind} | {each.syntax} | {len(each.commands(HONOURED))} "
        f"| {len(each.commands(WITHOUT_EFFECT))} | {len(each.findings) + len(each.later) or 'nothing'} |"
        for each in existing.values()
    ]
    head = ["| kickstart | what it is | read as | honoured | without effect | refused |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def section(each: Existing) -> Iterator[str]:
    yield f"### {each.name}\n"
    yield f"Honoured: {', '.join(each.commands(HONOURED)) or 'nothing, while it cannot be read'}."
    if without := each.commands(WITHOUT_EFFECT):
        yield f"Without effect: {', '.join(without)}."
    if each.findings:
        yield "Refused:\n"
    for finding in each.findings:
        yield f"* line {finding.where.line}: {finding.what}" + (f" → {finding.fix}" if finding.fix else "")
    if each.later:
        yield "Refused by the installer that needs no virtual machine:\n"
    for line in each.later:
        _, number, what = line.split(":", 2)
        yield f"* line {number}:{what}"
    yield ""


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_honoured_or_without_effect_or_refused(existing: dict[str, Existing], name: str) -> None:
    each = existing[name]
    refused = {finding.where.line for finding in each.findings}
    told = {*each.commands(HONOURED), *each.commands(WITHOUT_EFFECT)}
    for command in each.statements.commands:
        assert command.name in told or command.where.line in refused


def plan(each: Existing, folder: Path) -> InstallPlan:
    assert each.findings == []
    read(each.name, folder)
    found = recipe.load(each.name, [folder])
    return plan_install(each.statements, found, version="1", mirror="http://mirror.example/")


def test_what_is_honoured_stands_in_the_plan(existing: dict[str, Existing], tmp_path: Path) -> None:
    made = plan(existing["hpc-el9"], tmp_path)
    assert made.users[0].name == made.keys[0].user == "hpcadmin"
    assert made.packages.groups == ("core",)
    assert made.scripts[0].log == "/var/log/ks-post.log"


def test_what_other_clouds_say_is_translated(existing: dict[str, Existing], tmp_path: Path) -> None:
    made = plan(existing["openstack-stream9"], tmp_path)
    assert made.network.device == "eth0"
    assert [part.mount for part in made.partitions] == ["biosboot", "/boot/efi", "/"]
    assert made.root_locked


def test_a_kickstart_is_brought_as_the_page_says(tmp_path: Path) -> None:
    page = (TOP / "docs" / "kickstarts.md").read_text()
    block = re.search(r"(?m)which says what a kickstart cannot:\n\n((?: {4}.*\n)+)", page)
    assert block
    (tmp_path / "old.toml").write_text(textwrap.dedent(block[1]))
    shutil.copytree(TOP / "kickstarts" / "keys", tmp_path / "keys")
    shutil.copy(FOLDER / "hpc-el9.ks", tmp_path / "old.ks")
    _, made = kickstart.read("old", version="1", mirror="", folders=[tmp_path], cache=None)
    assert (made.family, made.release) == ("el", "9")
    assert refusals(made) == []


@pytest.mark.parametrize("password", ["$6$salt$hash", "abJnggxhB/yWI", "--plaintext secret", "secret"])
def test_a_hash_that_opens_something_is_a_secret(tmp_path: Path, password: str) -> None:
    option = "" if "secret" in password else "--iscrypted "
    text = (FOLDER / "openstack-stream9.ks").read_text().replace("--iscrypted nope", f"{option}{password}")
    (tmp_path / "it.ks").write_text(text)
    (tmp_path / "it.toml").write_text(f'family = "el"\nrelease = "9"\n{write_key(tmp_path)}')
    found = recipe.load("it", [tmp_path])
    mirrors = kickstart.mirrors_for(found, "http://mirror.example/")
    rendered = kickstart.render_recipe(found, version="1", mirrors=mirrors, folders=[tmp_path])
    (finding,) = kickstart.examine(rendered, None)[1]
    assert "a secret" in finding.what
