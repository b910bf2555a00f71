"""A user's folder for the tests: a luigi.cfg, a folder of recipes, a work folder, and Luigi run in it as a user runs it."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


GIVEN: set[int] = set()
BELOW_THE_KERNELS_OWN = range(12_000, 32_000)
"""Ports that no client's end of a connection and no server on "any port" takes in the meantime."""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on, and that were not given out in this run before."""
    chance, ports = random.Random(), list[int]()
    while len(ports) < count:
        port = chance.choice(BELOW_THE_KERNELS_OWN)
        if port not in GIVEN and is_free(port):
            GIVEN.add(port)
            ports.append(port)
    return ports


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Ran:
    code: int
    said: str

    @property
    def made(self) -> list[str]:
        """The stages that were made in this run, in their order."""
        return re.findall(r"(\w+) made \S+, ", self.said)


class Home:
    """`home.luigi("BuildImage", "--local-scheduler")` is what a person would type, in a folder of their own."""

    def __init__(
        self, folder: Path, *, recipe: str, recipes: Path = TOP / "kickstarts", cache: Path | None = None
    ) -> None:
        self.folder, self.recipe = folder, recipe
        self.work, self.recipes = folder / "work", folder / "kickstarts"
        self.blob_port, self.compute_port, self.scheduler_port = free_ports(3)
        self.started: list[subprocess.Popen[str]] = []
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(recipes, self.recipes)
        if cache:
            self.work.mkdir()
            (self.work / "cache").symlink_to(cache)
        self.configure()

    def configure(self, *more: str) -> None:
        """luigi.cfg as shipped, but with this folder's recipe and free ports; `more` are lines like `azure.cloud=public`."""
        text = (TOP / "luigi.cfg").read_text()
        text = re.sub(r"(?m)^recipe = .*$", f"recipe = {self.recipe}", text)
        text = re.sub(r"(?m)^scheduler_port = .*$", f"scheduler_port = {self.scheduler_port}", text)
        ports = f"rehearsal.blob_port={self.blob_port}", f"rehearsal.compute_port={self.compute_port}"
        for line in (*ports, *more):
            section, key, value = re.fullmatch(r"(\w+)\.(\w+)=(.*)", line).groups()  # type: ignore[union-attr]
            head, found, rest = text.partition(f"[{section}]\n")
            rest = re.sub(rf"(?m)\A((?:(?!\[).*\n)*?){key} = .*\n", r"\1", rest)
            text = f"{head}[{section}]\n{key} = {value}\n{rest}" if found else f"{text}\n[{section}]\n{key} = {value}\n"
        (self.folder / "luigi.cfg").write_text(text)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "LUIGI_CONFIG_PATH"}
        return {**kept, "PATH": f"{BIN}:{os.environ['PATH']}"}

    def argv(self, task: str, *args: str) -> list[str]:
        return [str(BIN / "luigi"), "--module", "flight.workflows", task, *args]

    def luigi(self, task: str, *args: str, timeout_s: float = 1500) -> Ran:
        return self.run(*self.argv(task, *args), timeout_s=timeout_s)

    def flight(self, *args: str, timeout_s: float = 300) -> Ran:
        return self.run(str(BIN / "flight"), *args, timeout_s=timeout_s)

    def run(self, *argv: str, timeout_s: float) -> Ran:
        done = subprocess.run(
            argv, cwd=self.folder, env=self.environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout_s,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Start a program in a session of its own, for killing."""
        child = subprocess.Popen(
            argv, cwd=self.folder, env=self.environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.started.append(child)
        return child

    def end_started(self) -> None:
        """End what a test started and did not wait for, because it failed before: it must not reach into the next one."""
        for child in self.started:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
        self.started.clear()

    def link(self, extension: str) -> Path:
        return self.work / f"{self.recipe}.{extension}"

    def made_in(self, stage: str) -> Path:
        """The folder of the artefact that a stage made here last."""
        made = self.work.glob(f"{self.recipe}/{stage}-*/facts.json")
        return max(made, key=lambda facts: facts.stat().st_mtime_ns).parent

    def receipt(self, extension: str) -> dict[str, object]:
        return json.loads(self.link(extension).read_text())

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.recipes / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {path}"
        path.write_text(text.replace(old, new, 1))

    def stop_servers(self) -> None:
        self.end_started()
        self.flight("rehearsal", "stop")
        self.flight("scheduler", "stop")
