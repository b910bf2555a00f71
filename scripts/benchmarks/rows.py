"""Each row as two callables: what flight does, and what people do instead."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from kinds import KINDS
from measure import TOP, Cost, Row, cost, in_turn

sys.path.insert(0, str(TOP / "tests" / "integration"))
from home import Home
from uploads import Uploads

HERE = Path(__file__).parent
BIN = TOP / ".venv" / "bin"
LIMIT = Cost(3.0, 0)
"""The other side of `nothing`: what a person waits for without looking away."""
LOOK, JUDGE = Cost(45.0, 0), Cost(1.0, 0)
"""The other sides of `certify` and `judge`."""


class Bench:
    """The rows, over one home whose images are built once. `bench.rows[NAME]()` measures one."""

    def __init__(self, scratch: Path, times: int) -> None:
        self.scratch, self.times = scratch, times
        self.home = Home(scratch / "home", recipe="flight-compute-debian13")
        self.environment = {**self.home.environment, "LIBGUESTFS_BACKEND": "direct"}
        self.version = 0
        self.rows: dict[str, Callable[[], Row]] = {
            "install": self.install,
            "edit": self.edit,
            "prepare": self.prepare,
            **Uploads(scratch, times, self.home).rows,
            "nothing": self.nothing,
            "certify": self.certify,
            "judge": self.judge,
            "import": self.imported,
        }

    def row(self, name: str, ours: Callable[[], Cost], theirs: Callable[[], Cost]) -> Row:
        (kind,) = (kind for kind in KINDS if kind.name == name)
        return in_turn(kind, self.times, ours, theirs)

    def luigi(self, task: str, *args: str) -> Cost:
        return cost(self.home.argv(task, "--local-scheduler", *args), cwd=self.home.folder, env=self.environment)

    def newest(self, extension: str) -> Path:
        return self.home.link(extension).resolve()

    def install(self) -> Row:
        self.luigi("BuildImage")  # warms the package cache for both

        def ours() -> Cost:
            self.version += 1
            return self.luigi("BuildImage", "--version", f"1.1.{self.version}")

        return self.row("install", ours, self.bare_mmdebstrap)

    def edit(self) -> Row:
        self.luigi("BuildImage")

        def ours() -> Cost:
            self.version += 1
            with open(self.home.recipes / "flight-compute-debian13.ks.j2", "a") as file:
                file.write(f"\n%post\necho {self.version} > /etc/edited\n%end\n")
            return self.luigi("BuildImage")

        return self.row("edit", ours, self.bare_mmdebstrap)

    def bare_mmdebstrap(self) -> Cost:
        """The same packages into a folder of its own, with the same package files at hand.

        The folder stays until all is measured: where a filesystem discards what is deleted, the next run pays for it.
        """
        plan = json.loads(self.home.flight("show", "plan").said)
        tree, cache = Path(tempfile.mkdtemp(prefix="bare-", dir=self.scratch)), self.home.work / "cache" / "debs"
        suites = [(plan["release"], plan["mirror"]), *((one["suite"], one["url"]) for one in plan["repositories"])]
        sources = [f"deb {url} {suite} main" for suite, url in suites]
        fill = f'mkdir -p "$1"/var/cache/apt/archives && cp --reflink=auto {cache}/*.deb "$1"/var/cache/apt/archives/'
        argv = ["mmdebstrap", "--quiet", "--variant=apt", "--skip=download/empty", f"--setup-hook={fill}"]
        argv += ['--aptopt=Apt::Install-Recommends "false"', f"--include={','.join(plan['packages']['names'])}"]
        return cost([*argv, plan["release"], str(tree), *sources])

    def prepare(self) -> Row:
        self.luigi("BuildImage")
        disk = self.newest("qcow2")

        def ours() -> Cost:
            for extension in ("raw", "vhd"):
                if self.home.link(extension).exists():
                    shutil.rmtree(self.newest(extension).parent)
            return self.luigi("ConvertImage")

        def theirs() -> Cost:
            return cost([str(HERE / "old-stages"), str(disk), str(self.scratch / "old")], env=self.their_environment)

        return self.row("prepare", ours, theirs)

    @property
    def their_environment(self) -> dict[str, str]:
        return {**self.environment, "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg", "TMPDIR": "/var/tmp"}

    def nothing(self) -> Row:
        self.luigi("UploadImage")
        try:
            return self.row("nothing", lambda: self.luigi("UploadImage"), lambda: LIMIT)
        finally:
            self.home.stop_servers()

    def certify(self) -> Row:
        self.luigi("ConvertImage")
        return self.row("certify", lambda: self.flight_certify(self.newest("vhd")), lambda: LOOK)

    def judge(self) -> Row:
        self.luigi("ConvertImage")
        seen = self.scratch / "seen"
        self.flight_certify(self.newest("vhd"), "--snapshot", seen)
        return self.row("judge", lambda: self.flight_certify("--snapshot", seen), lambda: JUDGE)

    def flight_certify(self, *words: object) -> Cost:
        return cost([str(BIN / "flight"), "certify", *map(str, words)], cwd=self.home.folder, env=self.environment)

    def imported(self) -> Row:
        def importing(name: str) -> Cost:
            return cost([str(BIN / "python"), "-W", "ignore", "-c", f"import {name}"])

        return self.row("import", lambda: importing("luigi, flight.workflows"), lambda: importing("luigi"))
