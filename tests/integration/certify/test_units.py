"""systemctl itself says what units are; it reads a folder as it would a machine."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows.certify.effective.units import units_of
from flight.workflows.certify.tree import Entry, Tree

ETC, USR = "/etc/systemd/system", "/usr/lib/systemd/system"
KINDS = {stat.S_IFLNK: "l", stat.S_IFDIR: "d", stat.S_IFREG: "f"}
NOT_UNITS = (".d", ".wants", ".requires", ".upholds")
TOPS = ("etc/systemd", "usr/lib/systemd", "usr/lib/dracut", "lib", "bin", "etc/machine-id")
NAMES = ("a.service", "b.service", "t@.service", "t@x.service", "c.socket", "d.target")
FOLDERS = (ETC, USR, f"{ETC}/multi-user.target.wants", f"{USR}/multi-user.target.wants", f"{ETC}/d.target.requires")
INSTALL = (
    "",
    "WantedBy=multi-user.target",
    "Also=b.service",
    "Alias=b.service",
    "WantedBy=d.target\nDefaultInstance=x",
)


def read_tree(root: Path) -> Tree:
    """A folder as a tree; nothing that a system's units do not lie in."""
    entries, contents = {"/": Entry("d", 0o755)}, dict[str, bytes]()
    for top in TOPS:
        path = root / top
        below = (path, *path.rglob("*")) if path.is_dir() and not path.is_symlink() else (path,)
        for each in (*(root / parent for parent in Path(top).parents), *below):
            if not os.path.lexists(each):
                continue
            said, name = each.lstat(), f"/{each.relative_to(root)}".replace("/.", "/").rstrip("/") or "/"
            kind = KINDS.get(stat.S_IFMT(said.st_mode), "p")
            target = os.readlink(each) if kind == "l" else ""
            entries[name] = Entry(kind, stat.S_IMODE(said.st_mode), size=said.st_size, target=target)
            if kind == "f" and said.st_size < 65536:
                contents[name] = each.read_bytes()
    return Tree(entries, contents)


def said_by_systemctl(root: Path, name: str) -> str:
    done = subprocess.run(
        ["systemctl", f"--root={root}", "is-enabled", name], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout.strip() or "not-found"


def test_every_unit_of_this_machine_is_what_systemctl_says() -> None:
    tree = read_tree(Path("/"))
    found = units_of(tree)
    names = {each for folder in found.files.folders for each in tree.names(folder) if not each.endswith(NOT_UNITS)}
    assert names
    mine = {name: found.state(name) for name in sorted({*names, "getty@tty1.service", "none.service"})}
    assert mine == {name: said_by_systemctl(Path("/"), name) for name in mine}


TEMPLATES = {"t@x.service": "t@.service"}
UNITS = {f"{folder}/{name}": (*INSTALL, "/dev/null") for folder in (ETC, USR) for name in NAMES}
ALIASES = {
    f"{ETC}/a.service": (f"{USR}/b.service", "b.service"),
    f"{ETC}/b.service": ("/lib/systemd/system/c.service",),
}
LINKS = {
    f"{folder}/{name}": tuple(f"{top}/{TEMPLATES.get(name, name)}" for top in (USR, "/lib/systemd/system"))
    for folder in FOLDERS[2:]
    for name in NAMES
}
ROWS = {path: UNITS.get(path, ()) + ALIASES.get(path, ()) + LINKS.get(path, ()) for path in (*UNITS, *LINKS)}
rows = st.sampled_from(sorted(ROWS)).flatmap(lambda path: st.tuples(st.just(path), st.sampled_from(ROWS[path])))


@settings(max_examples=60)
@given(st.lists(rows, min_size=1, max_size=10).map(dict))
def test_units_made_at_random_are_what_systemctl_says(
    tmp_path_factory: pytest.TempPathFactory, made: dict[str, str]
) -> None:
    root = tmp_path_factory.mktemp("units")
    for folder in FOLDERS:
        (root / folder[1:]).mkdir(parents=True, exist_ok=True)
    (root / "lib").symlink_to("usr/lib")
    for where, what in made.items():
        path = root / where[1:]
        if what and ("/" in what or "=" not in what):
            path.symlink_to(what)
        else:
            path.write_text(f"[Service]\nExecStart=/bin/true\n[Install]\n{what}\n")
    found = units_of(read_tree(root))
    mine = {name: found.state(name) for name in NAMES}
    assert mine == {name: said_by_systemctl(root, name) for name in NAMES}
