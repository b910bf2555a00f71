"""What scripts/bench runs: each row is two ways to the same end, timed as whole processes, in turn, on one machine.

A row passes where the ratio of the medians keeps its goal. Nothing here is asserted by a test.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
TOP = HERE.parents[1]
BIN = TOP / ".venv" / "bin"
PAGE = TOP / "docs" / "benchmarks.md"
sys.path.insert(0, str(TOP / "tests" / "integration"))
from home import Home  # noqa: E402

from flight.workflows.hypervisor.probe import probe  # noqa: E402
from flight.workflows.rehearsal import install  # noqa: E402

AZCOPY = "@azure-tools/azcopy-linux@10.32.2"


@dataclass(frozen=True)
class Cost:
    """What one whole process tree cost: seconds of wall time, and the peak memory of its largest process in MiB."""

    seconds: float
    peak_mib: float


@dataclass
class Row:
    """Ours against theirs. `goal` reads: ours / theirs at most (`most`), or theirs / ours at least (`least`)."""

    name: str
    ours: str
    theirs: str
    goal: str
    most: float = 0.0
    least: float = 0.0
    our_costs: list[Cost] = field(default_factory=list)
    their_costs: list[Cost] = field(default_factory=list)
    note: str = ""

    @property
    def ratio(self) -> float:
        mine, other = median(self.our_costs), median(self.their_costs)
        return mine / other if self.most else other / mine

    @property
    def keeps_its_goal(self) -> bool:
        return self.ratio <= self.most if self.most else self.ratio >= self.least

    def __str__(self) -> str:
        verdict = "yes" if self.keeps_its_goal else "**no**"
        peak = max((cost.peak_mib for cost in self.our_costs), default=0)
        ours, theirs = f"{median(self.our_costs):.1f} s", f"{median(self.their_costs):.1f} s"
        words = self.name, f"{self.ours}: {ours}", f"{self.theirs}: {theirs}", f"{self.ratio:.2f}", self.goal, verdict
        return f"| {' | '.join(words)} | {peak:.0f} MiB | {dt.date.today()} | {self.note} |"


def has_kvm() -> bool:
    """By a guest that ran, not by /dev/kvm."""
    return probe("qemu-system-x86_64", Path("/var/tmp")).has_kvm


def median(costs: list[Cost]) -> float:
    return statistics.median(cost.seconds for cost in costs)


def cost(argv: list[str], *, cwd: Path = TOP, env: dict[str, str] | None = None) -> Cost:
    """Run a command to its end and say what it cost; its words are shown only if it fails.

    What the side before it wrote is brought to the disk first: a sync of ours is not to pay for what theirs left in memory.
    """
    os.sync()
    started = time.monotonic()
    child = subprocess.Popen(
        argv,
        cwd=cwd,
        env=env or dict(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert child.stdout
    said = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(
            f"{' '.join(argv)[:300]}\nended with {child.returncode}:\n{said.decode(errors='replace')[-3000:]}"
        )
    return Cost(time.monotonic() - started, used.ru_maxrss / 1024)


class Bench:
    """The rows, over one home whose images are built once."""

    def __init__(self, scratch: Path, times: int) -> None:
        self.scratch, self.times = scratch, times
        self.home = Home(scratch / "home", recipe="flight-compute-debian13")
        self.environment = {**self.home.environment, "LIBGUESTFS_BACKEND": "direct"}
        self.version = 0

    def in_turn(self, row: Row, ours: Callable[[], Cost], theirs: Callable[[], Cost]) -> Iterator[Row]:
        for number in range(self.times):
            row.our_costs.append(ours())
            row.their_costs.append(theirs())
            print(
                f"  {row.name} {number + 1}/{self.times}: {row.our_costs[-1]} against {row.their_costs[-1]}", flush=True
            )
        yield row

    def luigi(self, task: str, *args: str) -> Cost:
        return cost(self.home.argv(task, "--local-scheduler", *args), cwd=self.home.folder, env=self.environment)

    def newest(self, extension: str) -> Path:
        return self.home.link(extension).resolve()

    def install(self) -> Iterator[Row]:
        self.luigi("BuildImage")  # warms the package cache for both

        def ours() -> Cost:
            self.version += 1
            return self.luigi("BuildImage", "--version", f"1.1.{self.version}")

        row = Row("install", "BuildImage, all of it", "bare mmdebstrap", "≤ 1.15", most=1.15)
        row.note = "same packages, mirror and warm package cache; ours goes on to a bootable disk"
        yield from self.in_turn(row, ours, self.bare_mmdebstrap)

    def edit(self) -> Iterator[Row]:
        self.luigi("BuildImage")

        def ours() -> Cost:
            self.version += 1
            with open(self.home.recipes / "flight-compute-debian13.ks.j2", "a") as file:
                file.write(f"\n%post\necho {self.version} > /etc/edited\n%end\n")
            return self.luigi("BuildImage")

        row = Row("edit", "BuildImage after an edit of %post", "bare mmdebstrap", "≤ 0.40", most=0.4)
        yield from self.in_turn(row, ours, self.bare_mmdebstrap)

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

    def prepare(self) -> Iterator[Row]:
        self.luigi("BuildImage")
        disk = self.newest("qcow2")

        def ours() -> Cost:
            for extension in ("raw", "vhd"):
                if self.home.link(extension).exists():
                    shutil.rmtree(self.newest(extension).parent)
            return self.luigi("ConvertImage")

        def theirs() -> Cost:
            return cost([str(HERE / "old-stages"), str(disk), str(self.scratch / "old")], env=self.their_environment)

        row = Row("prepare", "PrepareImage, ConvertImage", "the old stages", "≥ 10 ×", least=10)
        row.note = "virt-sysprep, virt-sparsify --compress, two qemu-img convert, of the same 32 GiB qcow2"
        yield from self.in_turn(row, ours, theirs)

    @property
    def their_environment(self) -> dict[str, str]:
        return {**self.environment, "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg", "TMPDIR": "/var/tmp"}

    def upload(self) -> Iterator[Row]:
        row = Row("upload", "flight", "the SDK's upload_blob", "≥ 6 ×", least=6)
        yield from self.sent(row, "sdk")

    def azcopy(self) -> Iterator[Row]:
        self.bring_azcopy()
        yield from self.sent(Row("azcopy", "flight", "azcopy", "≤ 1", most=1.0), "azcopy")

    def sent(self, row: Row, how: str) -> Iterator[Row]:
        vhd = self.scratch / "4gib.vhd"
        if not vhd.exists():
            cost([str(BIN / "python"), str(HERE / "make_vhd.py"), str(vhd), "4", "600"])
        row.note = "4 GiB VHD, 600 MiB of data, the same Azurite, a fresh one before each"
        yield from self.in_turn(row, lambda: self.send("flight", vhd), lambda: self.send(how, vhd))

    def bring_azcopy(self) -> None:
        """Into PATH, by npm, from where Microsoft publishes it; nothing is installed for good."""
        place, path = self.scratch / "azcopy", self.environment["PATH"]
        environment = {**self.environment, "PATH": f"{Path(install.npm()[0]).parent}:{path}"}
        cost([*install.npm(), "install", "--prefix", str(place), "--no-audit", "--no-fund", AZCOPY], env=environment)
        (program,) = place.rglob("azcopy_linux_amd64")
        program.chmod(0o755)
        (place / "azcopy").symlink_to(program)
        self.environment["PATH"] = f"{place}:{path}"

    def send(self, how: str, vhd: Path) -> Cost:
        """Upload into an empty Azurite."""
        self.home.flight("rehearsal", "stop")
        shutil.rmtree(self.home.work / "rehearsal", ignore_errors=True)
        self.home.flight("rehearsal", "start")
        try:
            return cost(
                [str(BIN / "python"), str(HERE / "send.py"), how, str(vhd), str(self.home.blob_port)],
                env=self.environment,
            )
        finally:
            self.home.flight("rehearsal", "stop")

    def nothing(self) -> Iterator[Row]:
        self.luigi("UploadImage")
        row = Row("nothing", "a run in which nothing changed", "3 s", "≤ 1", most=1.0)
        row.note = "the whole walk, all of it there"
        yield from self.in_turn(row, lambda: self.luigi("UploadImage"), lambda: Cost(3.0, 0))
        self.home.stop_servers()

    def imported(self) -> Iterator[Row]:
        def importing(name: str) -> Cost:
            return cost([str(BIN / "python"), "-W", "ignore", "-c", f"import {name}"])

        row = Row("import", "import flight.workflows", "import luigi", "≤ 1.80", most=1.8)
        yield from self.in_turn(row, lambda: importing("flight.workflows"), lambda: importing("luigi"))


HEAD = """| row | ours | theirs | ratio | goal | kept | our peak memory | measured | note |
|---|---|---|---|---|---|---|---|---|"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--scratch", type=Path, default=Path("/var/tmp/flight-bench"))
    args = parser.parse_args()
    shutil.rmtree(args.scratch, ignore_errors=True)
    bench = Bench(args.scratch, args.times)
    known = {"install": bench.install, "edit": bench.edit, "prepare": bench.prepare, "upload": bench.upload,
             "azcopy": bench.azcopy, "nothing": bench.nothing, "import": bench.imported}  # fmt: skip
    rows = [row for name in args.rows or known for row in known[name]()]
    table = "\n".join([HEAD, *map(str, rows)])
    print(f"\n{table}")
    if args.write:
        write(rows, order=list(known))
    shutil.rmtree(args.scratch, ignore_errors=True)
    return 0 if all(row.keeps_its_goal for row in rows) else 1


def write(rows: list[Row], *, order: list[str]) -> None:
    """Put the rows into the table of the docs, in the place of older ones of the same name; each says when it was."""
    text = PAGE.read_text()
    before, _, rest = text.partition("<!-- table -->\n")
    table, _, after = rest.partition("<!-- end -->")
    kept = {
        row_key(line): line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| row")
    }
    kept |= {row_key(str(row)): str(row) for row in rows}
    lines = sorted(kept.values(), key=lambda line: (order.index(row_key(line)[0]), line))
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    head = f"{machine}, {'KVM' if has_kvm() else 'no KVM'}; median of three."
    PAGE.write_text(f"{before}<!-- table -->\n{head}\n\n{HEAD}\n" + "\n".join(lines) + f"\n<!-- end -->{after}")


def row_key(line: str) -> tuple[str, str]:
    """A row is known by its name and by whom it is held against."""
    cells = [cell.strip() for cell in line.split("|")]
    return cells[1], cells[3].partition(":")[0]


if __name__ == "__main__":
    sys.exit(main())
