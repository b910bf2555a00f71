"""The rows of the upload: into what, by whom, and what is counted."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import brought
import storage
from counter import Counter, counting
from home import Home, free_ports
from kinds import KINDS
from measure import TOP, Cost, Row, cost, in_turn

from flight.workflows.cloud.endpoint import REHEARSAL_ACCOUNT, REHEARSAL_KEY

HERE = Path(__file__).parent
PYTHON = str(TOP / ".venv" / "bin" / "python")
DATA_MIB: Final = 600
MEMORY = Cost(0, 150e6 / (1 << 20))
"""The other side of `upload-memory`: 150 MB."""
NAME: Final = "bench-1.vhd"
BASE: Final = "base-1.vhd"
Send = Callable[[storage.Account, Path], Cost]


class Uploads:
    """`uploads.rows[NAME]()` measures one. What is uploaded is made once, in `scratch` or in the cache."""

    def __init__(self, scratch: Path, times: int, home: Home) -> None:
        self.scratch, self.times, self.home = scratch, times, home
        self.rows: dict[str, Callable[[], Row]] = {
            "upload-azcopy": self.azcopy,
            "upload-azcopy-md5": self.azcopy_md5,
            "upload-az": self.az,
            "upload-sdk": self.sdk,
            "upload-32gib": self.large,
            "upload-puts": self.puts,
            "upload-memory": self.memory,
            "upload-delta": self.delta,
            "upload-delta-puts": self.delta_puts,
            "upload-resume": self.resume,
        }

    def row(self, name: str, ours: Callable[[], Cost], theirs: Callable[[], Cost]) -> Row:
        (kind,) = (kind for kind in KINDS if kind.name == name)
        return in_turn(kind, self.times, ours, theirs)

    def azcopy(self) -> Row:
        return self.against("upload-azcopy", azcopying(), ours=sending("--no-md5"))

    def azcopy_md5(self) -> Row:
        return self.against("upload-azcopy-md5", azcopying("--put-md5"))

    def az(self) -> Row:
        return self.against("upload-az", by_az(self.scratch / "az"))

    def sdk(self) -> Row:
        return self.against("upload-sdk", by_script("send_sdk.py"), ours=sending("--no-md5"))

    def large(self) -> Row:
        return self.against("upload-32gib", azcopying("--put-md5"), gib=32)

    def puts(self) -> Row:
        return self.against("upload-puts", by_script("puts.py"))

    def memory(self) -> Row:
        def ours() -> Cost:
            costs = [self.sent(sending(), self.vhd(gib)) for gib in (4, 32)]
            return max(costs, key=lambda cost: cost.peak_mib)

        return self.row("upload-memory", ours, lambda: MEMORY)

    def delta(self) -> Row:
        return self.rebuilt("upload-delta")

    def delta_puts(self) -> Row:
        return self.rebuilt("upload-delta-puts", "--no-moves")

    def resume(self) -> Row:
        return self.row("upload-resume", self.killed_at_half, self.counted)

    def against(self, name: str, theirs: Send, *, ours: Send | None = None, gib: int = 4) -> Row:
        """Both into a bare Azurite, empty each time."""
        vhd, send = self.vhd(gib), ours or sending()
        return self.row(name, lambda: self.sent(send, vhd), lambda: self.sent(theirs, vhd))

    def sent(self, send: Send, vhd: Path) -> Cost:
        with storage.bare(self.scratch, *free_ports(1)) as account:
            cost = send(account, vhd)
            require_whole(account)
            return cost

    def rebuilt(self, name: str, *words: str) -> Row:
        """The rebuilt image, beside the image that it follows: what leaves this host for it, against the whole of it."""
        before, after = self.rebuild()

        def count(*words: str) -> Cost:
            with self.rehearsed() as (account, counter):
                sending(name=BASE)(account, before)
                so_far = counter.sent_bytes
                cost = sending(*words)(account, after)
                require_whole(account)
                return replace(cost, sent_bytes=counter.sent_bytes - so_far)

        return self.row(name, lambda: count("--base", BASE, *words), count)

    def counted(self, *, kill_at: int = 0) -> Cost:
        """All that leaves this host for the first VHD; with `kill_at`, a run before it is killed after so many bytes."""
        port, behind = free_ports(2)
        ledgers = self.scratch / "ledgers"
        shutil.rmtree(ledgers, ignore_errors=True)
        with storage.bare(self.scratch, behind), counting(port, behind) as counter:
            account = storage.account(port)
            argv, before = send_argv(account, self.vhd(4), ledgers), counter.sent_bytes
            if kill_at:
                kill_when(counter, before + kill_at, argv)
            cost = measured_send(argv)
            sent = counter.sent_bytes - before
            require_whole(account)
        return replace(cost, sent_bytes=sent)

    def killed_at_half(self) -> Cost:
        return self.counted(kill_at=DATA_MIB << 19)

    @contextlib.contextmanager
    def rehearsed(self) -> Iterator[tuple[storage.Account, Counter]]:
        """The rehearsal's storage, empty: it copies and writes from a URL, which Azurite alone cannot."""
        self.home.flight("rehearsal", "stop")
        shutil.rmtree(self.home.work / "rehearsal", ignore_errors=True)
        (port,) = free_ports(1)
        try:
            started = self.home.flight("rehearsal", "start")
            if started.code:
                raise SystemExit(f"flight rehearsal start\nended with {started.code}:\n{started.said[-3000:]}")
            with counting(port, self.home.blob_port) as counter:
                yield storage.account(port), counter
        finally:
            self.home.flight("rehearsal", "stop")

    def vhd(self, gib: int) -> Path:
        """A VHD with the same data whatever its size: DATA_MIB that nothing compresses, in runs between holes."""
        path = self.scratch / f"{gib}gib.vhd"
        if not path.exists():
            cost([PYTHON, str(HERE / "make_vhd.py"), str(path), str(gib), str(DATA_MIB)])
        return path

    def rebuild(self) -> tuple[Path, Path]:
        """An image and its rebuild with five updated packages."""
        place = brought.kept("rebuild", lambda to: _quietly([PYTHON, str(HERE / "make_rebuild.py"), str(to)]))
        return place / "before.vhd", place / "after.vhd"


def send_argv(account: storage.Account, vhd: Path, ledgers: Path, *words: str, name: str = NAME) -> list[str]:
    return [PYTHON, str(HERE / "send.py"), str(vhd), account.url, name, str(ledgers), *words]


def measured_send(argv: list[str]) -> Cost:
    """What flight's engine costs; `sent_bytes` as its receipt says."""
    said: list[str] = []
    cost_of_it = cost(argv, said=said)
    return replace(cost_of_it, sent_bytes=json.loads(said[-1]))


def sending(*words: str, name: str = NAME) -> Send:
    """flight's engine, with no ledger of an earlier run."""

    def send(account: storage.Account, vhd: Path) -> Cost:
        with tempfile.TemporaryDirectory(prefix="ledgers-", dir=vhd.parent) as ledgers:
            return measured_send(send_argv(account, vhd, Path(ledgers), *words, name=name))

    return send


def by_script(name: str) -> Send:
    """One of the scripts beside this file: FILE BLOB_URL_WITH_SAS."""
    return lambda account, vhd: cost([PYTHON, str(HERE / name), str(vhd), account.blob(NAME)])


def azcopying(*words: str) -> Send:
    """azcopy with a SAS, and for the rest its own defaults."""
    program = brought.azcopy()
    fixed = ["--blob-type=PageBlob", "--from-to=LocalBlob", *words]
    return lambda account, vhd: cost([*program, "copy", str(vhd), account.blob(NAME), *fixed])


def by_az(folder: Path) -> Send:
    """az with its own defaults, two connections; its configuration in a folder of the run, nothing reported to anybody."""
    program = brought.az()
    environment = {**os.environ, "AZURE_CONFIG_DIR": str(folder), "AZURE_CORE_COLLECT_TELEMETRY": "no"}

    def send(account: storage.Account, vhd: Path) -> Cost:
        known = f"AccountName={REHEARSAL_ACCOUNT};AccountKey={REHEARSAL_KEY};BlobEndpoint={account.url}"
        what = ["--file", str(vhd), "--container-name", "images", "--name", NAME, "--type", "page", "--no-progress"]
        words = ["storage", "blob", "upload", *what, "--connection-string", f"DefaultEndpointsProtocol=http;{known}"]
        return cost([*program, *words, "--output", "none"], env=environment)

    return send


def require_whole(account: storage.Account) -> None:
    """A side that ended well and left half a blob is not a measurement."""
    there = account.page_bytes(NAME)
    if there < DATA_MIB << 20:
        raise SystemExit(f"{there} bytes were written to the blob, of at least {DATA_MIB} MiB")


def kill_when(counter: Counter, many: int, argv: list[str]) -> None:
    """Start a program, and kill it with -9 as soon as so many bytes have left."""
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    while counter.sent_bytes < many:
        if child.poll() is not None:
            raise SystemExit(f"the upload that was to be killed ended by itself with {child.returncode}")
        time.sleep(0.002)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _quietly(argv: list[str]) -> None:
    cost(argv)
