"""A package as a value, and how it becomes an .rpm: files laid out in a folder, a spec rendered from them, rpmbuild."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rpm.debs import Deb, merged
from rpm.programs import ran

FILES = Path(__file__).parent / "files"
"""What we wrote ourselves, by package: FILES/NAME is laid over the root."""
RELEASE = "1.el9"
USELESS = (
    *(f"usr/share/{name}/*" for name in ("doc", "man", "info", "locale", "lintian", "bug", "apport", "pkgconfig")),
    *(f"usr/share/{name}/*" for name in ("bash-completion", "zsh", "initramfs-tools", "menu", "mime", "polkit-1")),
    *("etc/init.d/*", "etc/cron*", "etc/logrotate.d/*", "etc/default/*", "etc/apparmor.d/*", "etc/runit/*", "etc/sv/*"),
    *("etc/ufw/*", "etc/network/*", "etc/ppp/*", "etc/dhcp/*", "etc/kernel/post*", "usr/include/*", "usr/lib/mime/*"),
)
"""What no EL package has, or no test looks at."""
GROUPS = ("root", "tty", "mail", "utmp")
"""Owners that `setup` knows too; anything else belongs to root. What is setgid shadow is setuid root in EL."""
Made = Callable[[Path, Mapping[str, Deb]], None]


@dataclass(frozen=True)
class Package:
    """An .rpm to be made. Paths are without a leading slash; `files` hold texts, `links` where they lead.

    `debs` are the packages it is filled from (the first one gives its version), `also` those that only some releases
    have; of their files `keep` stay and `drop` go, and `moves` are new names for them. `made` puts more into the
    folder. `scripts` are a spec's sections by their heads.
    """

    name: str
    debs: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    keep: tuple[str, ...] = ("*",)
    drop: tuple[str, ...] = ()
    moves: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    modes: Mapping[str, int] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    ghosts: tuple[str, ...] = ()
    made: Made | None = None
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    release: str = RELEASE
    stream: str = "BaseOS"

    def version_from(self, debs: Mapping[str, Deb]) -> str:
        """Its own, or its first deb's, spelled as rpm allows."""
        if self.version or not self.debs:
            return self.version or "9.4"
        upstream = re.sub(r"^\d+:", "", debs[self.debs[0]].version).rsplit("-", 1)[0]
        return re.sub(r"[^A-Za-z0-9.~^]", ".", upstream)


@dataclass
class Staged:
    """A folder that holds a package's files, with modes and owners by path."""

    root: Path
    owners: dict[str, str] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)


def stage(package: Package, debs: Mapping[str, Deb], root: Path) -> Staged:
    """Lay out everything a package holds."""
    staged = Staged(root)
    root.mkdir(parents=True)
    for name in (*package.debs, *(name for name in package.also if name in debs)):
        _unpack(package, debs[name], staged)
    for folder in package.folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
    if (FILES / package.name).is_dir():
        shutil.copytree(FILES / package.name, root, dirs_exist_ok=True, copy_function=shutil.copy)
    for path, text in package.files.items():
        at = _room_for(root / path)
        at.write_text(text)
        at.chmod(0o755 if text.startswith("#!") else 0o644)
    for path, to in package.links.items():
        _room_for(root / path).symlink_to(to)
    if package.made:
        package.made(root, debs)
    staged.modes |= package.modes
    staged.owners |= package.owners
    return staged


def _room_for(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path


def _unpack(package: Package, deb: Deb, staged: Staged) -> None:
    """Put the wanted members of a deb where the package has them."""
    for stream, member in deb.members():
        path = merged(member.name)
        if member.isdir() or not _is_wanted(package, path):
            continue
        path = package.moves.get(path, path)
        at = _room_for(staged.root / path)
        if member.issym():
            at.symlink_to(member.linkname)
            continue
        if member.islnk():
            linked = merged(member.linkname)
            os.link(staged.root / package.moves.get(linked, linked), at)
            continue
        source = stream.extractfile(member)
        assert source is not None, f"{deb.path}: {member.name} is no file"
        with source, open(at, "wb") as file:
            shutil.copyfileobj(source, file)
        at.chmod(member.mode & 0o777)
        shadow = member.gname == "shadow" and bool(member.mode & stat.S_ISGID)
        staged.modes[path] = 0o4755 if shadow else member.mode & 0o7777
        staged.owners[path] = f"root:{member.gname if member.gname in GROUPS else 'root'}"


def _is_wanted(package: Package, path: str) -> bool:
    def matches(patterns: Iterable[str]) -> bool:
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)

    return matches(package.keep) and not matches((*package.drop, *USELESS))


def render_files(staged: Staged, folders: Iterable[str], *, shared: frozenset[str]) -> Iterator[str]:
    """The lines of %files. Folders that `filesystem` has (`shared`) are listed by nobody else."""
    listed = set(folders)
    for at in sorted(staged.root.rglob("*")):
        path = str(at.relative_to(staged.root))
        if at.is_dir() and not at.is_symlink() and path in shared and path not in listed:
            continue
        user, group = staged.owners.get(path, "root:root").split(":")
        name = re.sub(r"[^\w./@:+,=~-]", "?", path)  # rpm 4.20 reads patterns only in names without quotes
        if at.is_symlink():
            yield f"/{name}"
            continue
        mode = staged.modes.get(path, at.stat().st_mode & 0o7777)
        kind = "%dir " if at.is_dir() else "%config(noreplace) " if path.startswith("etc/") else ""
        yield f"%attr({mode:04o},{user},{group}) {kind}/{name}"


def render_spec(package: Package, version: str, staged: Path, lines: Iterable[str]) -> str:
    """The whole spec; nothing is compiled, what was staged moves into place."""
    tags = {
        "Name": package.name,
        "Version": version,
        "Release": package.release,
        "Summary": f"{package.name}, repackaged for tests",
        "License": "as its parts",
        "BuildArch": "x86_64",
        "Vendor": "Test Linux",
        **package.tags,
    }
    body = [f"{name}: {value}" for name, value in tags.items()]
    for tag, values in (
        ("Requires", package.requires),
        ("Provides", package.provides),
        ("Conflicts", package.conflicts),
    ):
        body += [f"{tag}: {value}" for value in values]
    body += ["%description", f"{package.name} of a distribution that exists in tests only.", "%install"]
    body += ["mkdir -p %{buildroot}", f"find {staged} -mindepth 1 -maxdepth 1 -exec mv -t %{{buildroot}} {{}} +"]
    for head, text in package.scripts.items():
        body += [f"%{head}", text.rstrip("\n")]
    ghosts = [f"%ghost /{path}" for path in package.ghosts]
    return "\n".join([*body, "%files", *lines, *ghosts, ""])


class Builder:
    """rpmbuild with a home of its own in `work`; .rpm files arrive in the folder that is asked for."""

    def __init__(self, work: Path, debs: Mapping[str, Deb], *, shared: frozenset[str]) -> None:
        self.work, self.debs, self.shared = work, debs, shared
        attributes = work / "fileattrs"
        attributes.mkdir(parents=True)
        shutil.copy("/usr/lib/rpm/fileattrs/elf.attr", attributes)
        macros = {
            "_tmppath": work,
            "_use_weak_usergroup_deps": 1,  # rpm 4.19 on makes an owner a requirement, EL 9 does not know it
            "_fileattrsdir": attributes,
            "_build_id_links": "none",
            "_binary_payload": "w1.zstdio",
            "debug_package": "%{nil}",
            "__os_install_post": "%{nil}",
            "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
            "_buildhost": "builder.testlinux.example",
        }
        (work / ".rpmmacros").write_text("".join(f"%{name} {value}\n" for name, value in macros.items()))

    def build(self, package: Package, to: Path) -> Path:
        """Make one .rpm in the folder `to`."""
        room = self.work / package.name
        staged = stage(package, self.debs, room / "staged")
        version = package.version_from(self.debs)
        lines = list(render_files(staged, package.folders, shared=self.shared))
        spec = room / f"{package.name}.spec"
        spec.write_text(render_spec(package, version, staged.root, lines))
        to.mkdir(parents=True, exist_ok=True)
        defines = [word for each in (f"_topdir {room}", f"_rpmdir {to}") for word in ("--define", each)]
        argv: list[str | Path] = ["rpmbuild", "-bb", "--quiet", *defines, "--target", "x86_64-linux", spec]
        ran(argv, env={"HOME": str(self.work)})
        shutil.rmtree(room)
        return to / f"{package.name}-{version}-{package.release}.x86_64.rpm"
