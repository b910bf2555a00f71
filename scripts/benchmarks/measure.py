"""Whole processes in turn: the seconds and the peak memory of each, and the entry that a row becomes."""

from __future__ import annotations

import datetime as dt
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kinds import Kind
from page import Entry

from flight.workflows.hypervisor.probe import probe

TOP = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cost:
    """What one whole process tree cost: seconds of wall time, the peak memory of its largest process in MiB, bytes sent.

    A peak below that of this process (some 60 MiB) is not seen: Linux counts the memory that exec replaced.
    """

    seconds: float
    peak_mib: float
    sent_bytes: int = 0


@dataclass
class Row:
    """What both sides of a kind cost in this run, for each of the times."""

    kind: Kind
    our_costs: list[Cost] = field(default_factory=list)
    their_costs: list[Cost] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        ours, theirs = (
            statistics.median(getattr(cost, self.kind.counts) for cost in costs)
            for costs in (self.our_costs, self.their_costs)
        )
        return self.kind.ratio(ours, theirs)

    @property
    def memory(self) -> float | None:
        ours, theirs = (max(cost.peak_mib for cost in costs) for costs in (self.our_costs, self.their_costs))
        return ours / theirs if theirs else None

    def entry(self, *, commit: str, machine: str) -> Entry:
        memory = None if self.memory is None else round(self.memory, 3)
        return Entry(
            date=str(dt.date.today()),
            commit=commit,
            machine=machine,
            row=self.kind.name,
            ratio=round(self.ratio, 3),
            goal=self.kind.goal,
            kept=self.kind.is_kept(self.ratio),
            memory=memory,
        )


def in_turn(kind: Kind, times: int, ours: Callable[[], Cost], theirs: Callable[[], Cost]) -> Row:
    """Both sides `times` times, one after the other; each pair is told as it is done, in numbers of this machine."""
    row = Row(kind)
    for number in range(times):
        row.our_costs.append(ours())
        row.their_costs.append(theirs())
        mine, other = row.our_costs[-1], row.their_costs[-1]
        print(f"  {kind.name} {number + 1}/{times}: {told(mine)} against {told(other)}", flush=True)
    return row


def told(cost: Cost) -> str:
    sent = f", {cost.sent_bytes / (1 << 20):.1f} MiB sent" if cost.sent_bytes else ""
    return f"{cost.seconds:.1f} s, {cost.peak_mib:.0f} MiB{sent}"


def cost(argv: list[str], *, cwd: Path = TOP, env: dict[str, str] | None = None, said: list[str] | None = None) -> Cost:
    """Run a command to its end and say what it cost; its words are added to `said`, and shown only if it fails.

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
    words = child.stdout.read().decode(errors="replace")
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(argv)[:300]}\nended with {child.returncode}:\n{words[-3000:]}")
    if said is not None:
        said.extend(words.splitlines())
    return Cost(time.monotonic() - started, used.ru_maxrss / 1024)


def machine() -> str:
    """What of this machine moves a ratio: no name, no path. KVM is known by a guest that ran, not by /dev/kvm."""
    kvm = "KVM" if probe("qemu-system-x86_64", Path("/var/tmp")).has_kvm else "no KVM"
    python = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {kvm}, {platform.system()} {platform.machine()}, {python}"


def commit() -> str:
    """The commit that is checked out, with a + where files differ from it; empty outside a clone."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(TOP), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except FileNotFoundError:
        return ""
