"""Test Linux 9: a small distribution in Enterprise Linux's manner, made of the packages that this host's mirror has.

    build(to) -> Distribution        the repositories, as a mirror serves them
    newer_kernel(distribution, to)   packages of a kernel with a higher version

Made once and kept in `cache` under the hash of what decides it; the second time costs a second.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from flight.workflows.kit.arriving import arriving, remove, sweep
from rpm import kernels, repository, trouble
from rpm.booting import BOOTING
from rpm.debs import Deb, Mirror
from rpm.packaging import Builder, Package
from rpm.services import SERVICES
from rpm.signing import Key, signing
from rpm.skeleton import KEY, SHARED, SKELETON, release
from rpm.userland import USERLAND, libraries

HERE = Path(__file__).parent
CACHE = HERE.parents[2] / "work/cache/test-rpm"
STREAMS = ("BaseOS", "AppStream")
FOREIGN_KEY = "RPM-GPG-KEY-foreign"
SIGNER, STRANGER = "packages@testlinux.example", "stranger@elsewhere.example"
ASKED = (
    "linux-image-cloud-amd64",
    "openssh-sftp-server",
    "libnss-systemd",
    "libnss-myhostname",
)
"""Packages beside those that a table names: the newest kernel's meta-package, and what Debian only recommends."""
NAMED = (*SKELETON, *USERLAND, *SERVICES, *BOOTING)
NEWER = "99.0.0-1-testlinux"


@dataclass(frozen=True)
class Distribution:
    """Where everything lies. Files may be links shared with the cache: replace one rather than write into it."""

    folder: Path

    @property
    def key(self) -> Path:
        """The public key that the packages and repomd.xml are signed with."""
        return self.folder / KEY

    @property
    def foreign_key(self) -> Path:
        """The public key that `foreign-signed` is signed with."""
        return self.folder / FOREIGN_KEY

    @property
    def facts(self) -> dict[str, str]:
        """The Debian packages it was made of: version by name."""
        return json.loads((self.folder / "debs.json").read_text())

    @property
    def kernel(self) -> str:
        """What uname -r says."""
        return kernels.kernel_deb(self.facts).removeprefix("linux-image-")

    def repository(self, stream: str) -> Path:
        """BaseOS or AppStream."""
        return self.folder / "9" / stream / "x86_64/os"

    def url(self, stream: str, *, base: str = "") -> str:
        """A repository's address; `base` is that of a server of the folder, without it the files' own."""
        return f"{base or self.folder.as_uri()}/9/{stream}/x86_64/os"

    def package(self, name: str, stream: str = "AppStream") -> Path:
        """The .rpm of that name."""
        found = [path for path in self.repository(stream).glob(f"Packages/{name}-*.rpm") if _name_of(path) == name]
        return found[0]


def _name_of(path: Path) -> str:
    return path.name.rsplit("-", 2)[0]


def build(to: Path, *, cache: Path = CACHE) -> Distribution:
    """The distribution, in a new folder `to`."""
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache):
        sweep(cache)
        mirror = Mirror(cache / "debs")
        names = sorted({name for package in named() for name in package.debs} | set(ASKED))
        made = cache / _key(mirror.plan(names))
        if not made.is_dir():
            for old in cache.glob("built-*"):
                remove(old)
            with arriving(made) as fresh:
                _make(fresh, mirror.fetch(names))
        shutil.copytree(made, to, copy_function=_link, ignore=shutil.ignore_patterns("secret-key"))
    return Distribution(to)


def newer_kernel(distribution: Distribution, to: Path, *, cache: Path = CACHE, called: str = NEWER) -> tuple[Path, ...]:
    """Signed packages of a kernel that the menu has to show first; it has the same files, so it cannot load modules."""
    with _alone(cache):
        versions = distribution.facts
        debs = Mirror(cache / "debs").fetch(["linux-image-cloud-amd64"])
        name = kernels.kernel_deb(versions)
        packages = kernels.kernel(name, called=called, version=called.split("-")[0])
        secret = (cache / _key(versions) / "secret-key").read_text()
        made = _packages(packages, debs, to)
        with signing(SIGNER, secret=secret) as key:
            key.sign_packages(made)
    return tuple(made)


def named() -> Iterator[Package]:
    """All packages but the kernel's and the libraries', whose names only the mirror knows."""
    yield from NAMED
    yield from trouble.TROUBLE
    yield from map(trouble.modular, ("1", "2"))


@contextlib.contextmanager
def _alone(cache: Path) -> Iterator[None]:
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _key(versions: Mapping[str, str]) -> str:
    """The hash of our own sources and of the versions that the mirror has."""
    digest = hashlib.sha256(json.dumps(versions, sort_keys=True).encode())
    for path in sorted(path for path in HERE.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        if not path.name.startswith(("test_", "conftest")):
            digest.update(f"{path.relative_to(HERE)} {path.stat().st_mode:o}\n".encode() + path.read_bytes())
    return f"built-{digest.hexdigest()[:16]}"


def _link(source: str, to: str) -> None:
    try:
        Path(to).hardlink_to(source)
    except OSError:  # another filesystem
        shutil.copy2(source, to)


def _make(to: Path, debs: Mapping[str, Deb]) -> None:
    """Build, sign, index, then do the damage."""
    with signing(SIGNER) as key, signing(STRANGER) as stranger:
        to.mkdir()
        (to / KEY).write_text(key.public())
        (to / FOREIGN_KEY).write_text(stranger.public())
        (to / "secret-key").write_text(key.secret())
        (to / "debs.json").write_text(json.dumps({deb.name: deb.version for deb in debs.values()}, sort_keys=True))
        base = [*NAMED, *kernels.kernel(kernels.kernel_deb(debs)), *release(key.public())]
        _fill(to, "BaseOS", [*base, *libraries(debs, base)], debs)
        _fill(to, "AppStream", [*trouble.TROUBLE, *map(trouble.modular, ("1", "2"))], debs)
        _sign(Distribution(to), key, stranger)
        _index(Distribution(to), key)


def _fill(to: Path, stream: str, packages: Iterable[Package], debs: Mapping[str, Deb]) -> None:
    _packages(packages, debs, to / "9" / stream / "x86_64/os/Packages")


def _packages(packages: Iterable[Package], debs: Mapping[str, Deb], to: Path) -> list[Path]:
    """Build packages, a few at a time."""
    room = to.parent / ".building"
    builder = Builder(room, debs, shared=SHARED)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda package: builder.build(package, to), packages))
    remove(room)
    return made


def _sign(made: Distribution, key: Key, stranger: Key) -> None:
    wanted = [path for stream in STREAMS for path in sorted(made.repository(stream).glob("Packages/*.rpm"))]
    key.sign_packages([path for path in wanted if _name_of(path) not in ("unsigned", "foreign-signed")])
    stranger.sign_packages([made.package("foreign-signed")])


def _index(made: Distribution, key: Key) -> None:
    """Metadata of both repositories; then one package is altered and one is gone."""
    streams = {stream: f"modtool-0:{stream}-1.module_el9.x86_64" for stream in ("1", "2")}
    repository.index(made.repository("BaseOS"), key, comps=repository.render_comps(repository.GROUPS))
    repository.index(made.repository("AppStream"), key, modules=repository.render_modules("modtool", streams))
    trouble.damage(made.package("bad-checksum"))
    made.package("missing-file").unlink()
