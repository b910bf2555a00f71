"""What is read of modprobe.d, GRUB's scripts and versions, before the programs that define it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flight.workflows.certify.effective.bootloader import bls
from flight.workflows.certify.effective.bootloader.menu import read_block
from flight.workflows.certify.effective.bootloader.script import parse
from flight.workflows.certify.effective.modprobe import modprobe_of
from flight.workflows.certify.tree import Entry, Tree

KERNELS = sorted(path.name for path in Path("/lib/modules").glob("*") if (path / "kernel/fs/udf").is_dir())
"""libguestfs brings one along."""


def modprobe_loads(folder: Path, lines: list[str]) -> bool:
    """Whether the kernel's request for a UDF filesystem would load the module."""
    (folder / "a.conf").write_text("".join(f"{line}\n" for line in lines))
    argv = ["modprobe", "-C", str(folder), "-S", KERNELS[0], "--dry-run", "--verbose", "--", "fs-udf"]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60).stdout
    return any("/udf.ko" in line for line in said.splitlines() if line.startswith("insmod"))


def we_load(lines: list[str]) -> bool:
    path = "/etc/modprobe.d/a.conf"
    content = "".join(f"{line}\n" for line in lines).encode()
    folders = {folder: Entry("d", 0o755) for folder in ("/", "/etc", "/etc/modprobe.d")}
    return not modprobe_of(Tree({**folders, path: Entry("f", size=len(content))}, {path: content})).forbids("udf")


LINES = (
    "blacklist udf", "blacklist ud*", "blacklist isofs", " blacklist\tudf # x", "#blacklist udf", "# \\", "blacklist \\", "udf",
    "install udf /bin/true", "install u?f /bin/false", "install isofs /bin/true", "install fs-udf /bin/true", "options udf x=1",
    "alias fs-udf off", "alias fs-udf udf", "alias fs-udf isofs", "alias fs-* udf", "alias other udf", "blacklist", "junk udf",
    "", "softdep udf pre: isofs", "blacklist crc-itu-t",
)  # fmt: skip


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=4))
def test_modprobe_agrees_on_what_is_forbidden(tmp_path: Path, lines: list[str]) -> None:
    assert we_load(lines) == modprobe_loads(tmp_path, lines)


SIMPLE = st.sampled_from(
    [
        "set x=1",
        'echo "a $x ${y}" b',
        "linux /a b=c",
        "# comment\nx",
        "echo 'a'\"b\"c\\ d",
        "insmod a; insmod b",
        "a \\\n b",
    ]
)
BLOCKS = (
    "if [ a = b ]; then\n{}\nfi", "if x; then {}; else\n{}\nfi", "if x; y\nthen\n{}\nelif z; then {}\nfi",
    "menuentry 'x' --class y $z {{\n{}\n}}", 'submenu "y" {{\n{}\n}}', "for i in 1 2; do {}; done",
    "while false; do\n{}\ndone", "until x\ndo {}\ndone",
)  # fmt: skip
SCRIPTS = st.recursive(
    SIMPLE,
    lambda inner: st.builds(lambda block, one, other: block.format(one, other), st.sampled_from(BLOCKS), inner, inner),
    max_leaves=8,
)


def grub_reads(text: str) -> bool:
    return subprocess.run(["grub-script-check"], input=text, capture_output=True, text=True, timeout=60).returncode == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(SCRIPTS, min_size=1, max_size=4))
def test_what_grub_can_read_we_can(scripts: list[str]) -> None:
    text = "function f {\n" + "".join(f"{script}\n" for script in scripts) + "}\nf\n"
    assert grub_reads(text), text
    assert parse(text)


@pytest.mark.parametrize(
    "text", ["set x='\n", 'set x="\n', "if x; then\ny\n", "menuentry x {\ny\n", "fi\n", "}\n", "for x in\n"]
)
def test_what_grub_cannot_read_we_cannot(text: str) -> None:
    assert not grub_reads(text)
    with pytest.raises(ValueError, match="line "):
        parse(text)


def test_an_environment_block_reads_as_grub_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "grubenv"
    values = {"saved_entry": "abc-5.14.0-1.el9", "kernelopts": "root=UUID=1 ro a=\\b", "empty": "", "n": "a=b=c"}
    subprocess.run(["grub-editenv", str(path), "create"], check=True)
    subprocess.run(
        ["grub-editenv", str(path), "set", *(f"{name}={value}" for name, value in values.items())], check=True
    )
    assert read_block(path.read_text()) == values


VERSION = st.builds("".join, st.tuples(st.sampled_from(["0", "1", "01", "a"]), st.text("0019az.+~_A", max_size=8)))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(VERSION, VERSION), min_size=50, max_size=200))
def test_entries_are_ordered_as_rpm_orders_versions(pairs: list[tuple[str, str]]) -> None:
    """GRUB's own comparison was taken from rpm, before that knew ^."""
    calls = " ".join(f'print(rpm.vercmp("{left}", "{right}").." ")' for left, right in pairs)
    said = subprocess.run(["rpm", "--eval", "%{lua: " + calls + "}"], check=True, capture_output=True, text=True).stdout
    ours = [bls.compare(left, right) for left, right in pairs]
    assert dict(zip(pairs, ours, strict=True)) == dict(zip(pairs, map(int, said.split()), strict=True))
