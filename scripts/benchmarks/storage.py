"""Azurite as people know it, without the rehearsal's front: started anew and empty for each run, its data on disk."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flight.workflows.cloud.endpoint import REHEARSAL_ACCOUNT
from flight.workflows.rehearsal import azurite

HERE = Path(__file__).parent
STARTS_S, ENDS_S = 30.0, 10.0


@dataclass(frozen=True)
class Account:
    """A storage account in which the container `images` is made. `sas`: read, write, create, list for some hours."""

    url: str
    sas: str

    def blob(self, name: str) -> str:
        """Where a blob is, with leave to do all that an upload does."""
        return f"{self.url}/images/{name}?{self.sas}"

    def page_bytes(self, name: str) -> int:
        """How many bytes of a page blob were written."""
        with urllib.request.urlopen(f"{self.blob(name)}&comp=pagelist", timeout=60) as answer:
            return bytes_listed(answer.read().decode())


@contextlib.contextmanager
def bare(scratch: Path, port: int) -> Iterator[Account]:
    """An Azurite of our own; it is ended and its data removed when the block is left."""
    folder = Path(tempfile.mkdtemp(prefix="azurite-", dir=scratch))
    argv = [azurite.bundled_node(), str(azurite.program()), "--blobHost", azurite.HOST, "--blobPort", str(port)]
    argv += ["--location", str(folder), "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    with open(folder / "log", "wb") as log:
        child = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait_for(child, port, folder / "log")
        yield account(port)
    finally:
        child.terminate()
        try:
            child.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        shutil.rmtree(folder, ignore_errors=True)


def account(port: int) -> Account:
    """The account that every Azurite has, behind this port, with the container made.

    By a process of its own: the SDK would make this one larger than those that it measures.
    """
    url = f"http://{azurite.HOST}:{port}/{REHEARSAL_ACCOUNT}"
    done = subprocess.run([sys.executable, HERE / "container.py", url], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"could not make the container images in {url}:\n{done.stderr[-3000:]}")
    return Account(url, json.loads(done.stdout))


def bytes_listed(answer: str) -> int:
    """The bytes in the page ranges of an answer to Get Page Ranges."""
    ranges = re.findall(r"<PageRange><Start>(\d+)</Start><End>(\d+)</End></PageRange>", answer)
    return sum(int(last) + 1 - int(first) for first, last in ranges)


def _wait_for(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + STARTS_S
    while not azurite.answers(port):
        if child.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"Azurite did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.05)
