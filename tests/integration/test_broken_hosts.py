"""What `flight doctor` says of hosts that are broken in one way each, and that its fix mends them: docs/doctor.md."""

from __future__ import annotations

import email.utils
import functools
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from home import TOP, Home, free_ports
from hosts import HOSTS, Broken, Said, look_before_and_after
from web import Answer, Served

PAGE = "../../docs/doctor.md"
OFF_S = 20 * 60


@dataclass(frozen=True)
class Looks:
    """What was said of one host, and the exit code, before and after its fix was applied."""

    before: list[Said]
    code: int
    after: list[Said]
    code_after: int


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A folder in which all is well: its scheduler runs."""
    made = Home(tmp_path_factory.mktemp("host") / "home", recipe="flight-compute-debian13")
    assert made.flight("scheduler", "start").code == 0
    yield made
    made.stop_servers()


@pytest.fixture(scope="module")
def sound(home: Home) -> dict[str, str]:
    """What this machine itself is like: the marks of its findings."""
    before, after = look_before_and_after(home, how="true", mend="true")
    assert before[1] == after[1] == 0, before
    return {said.name: said.mark for said in before[0]}


@pytest.fixture(scope="module")
def looks(home: Home) -> Callable[[str], Looks]:
    """Each host is broken, looked at, mended and looked at again once."""
    return functools.cache(lambda name: look_at(HOSTS[name], home))


def look_at(host: Broken, home: Home) -> Looks:
    agreed = home.folder / "agreed"
    agreed.unlink(missing_ok=True)

    def answer(method: str, path: str) -> Answer:
        off_s = 0 if agreed.exists() else OFF_S
        return 200, {"Date": email.utils.formatdate(time.time() + off_s, usegmt=True)}, b""

    with Served(answer) as mirror:
        ports = {
            "BLOB_PORT": home.blob_port,
            "SCHEDULER_PORT": home.scheduler_port,
            "FREE_PORT": free_ports(1)[0],
            "MIRROR_PORT": mirror.port,
        }

        def filled(text: str) -> str:
            for word, port in ports.items():
                text = text.replace(word, str(port))
            return text

        recipe = [f"image.recipe={host.recipe}"] if host.recipe else []
        home.configure(*map(filled, host.settings), *recipe)
        ours = look_before_and_after(home, how=filled(host.how), mend=filled(host.mend))
    (before, code), (after, code_after) = ours
    return Looks(before, code, after, code_after)


@pytest.mark.parametrize("name", HOSTS)
def test_a_broken_host_shows_its_fault_its_fix_and_nothing_else(
    looks: Callable[[str], Looks], sound: dict[str, str], name: str
) -> None:
    host, seen = HOSTS[name], looks(name)
    told = {said.name: said for said in seen.before if said.name in host.marks}
    assert {name: said.mark for name, said in told.items()} == host.marks
    assert all(said.fix for said in told.values())
    others = {said.name for said in seen.before if said.mark not in ("ok", sound.get(said.name))}
    assert others <= {*host.marks, "KVM"}, seen.before  # a KVM host has none for those who are not root
    assert seen.code == host.code


@pytest.mark.parametrize("name", HOSTS)
def test_the_fix_mends_it(looks: Callable[[str], Looks], sound: dict[str, str], name: str) -> None:
    marks = {said.name: said.mark for said in looks(name).after}
    assert {one: marks.get(one, "ok") for one in HOSTS[name].marks} == {
        one: sound.get(one, "ok") for one in HOSTS[name].marks
    }
    assert looks(name).code_after == 0


def test_the_page_says_of_each_what_the_doctor_said(
    looks: Callable[[str], Looks], home: Home, golden: Callable[[str, str], None]
) -> None:
    before, _, rest = (TOP / "docs" / "doctor.md").read_text().partition("<!-- table -->\n")
    after = rest.partition("<!-- end -->")[2]
    table = "\n".join(row(host, looks(name), home) for name, host in HOSTS.items())
    head = "| what was broken | what it says | what to do | exit code | what was done, and all was well |\n|---|---|---|---|---|"
    golden(PAGE, f"{before}<!-- table -->\n{head}\n{table}\n<!-- end -->{after}")


def row(host: Broken, seen: Looks, home: Home) -> str:
    told = [said for said in seen.before if said.name in host.marks]
    says = "<br>".join(f"{said.mark} **{said.name}** {said.seen}" for said in told)
    fixes = "<br>".join(said.fix for said in told)
    return f"| {host.what} | {plain(says, home)} | {plain(fixes, home)} | {seen.code} | {host.mended} |"


def plain(text: str, home: Home) -> str:
    """Without what is another's at every run: ports, process numbers, versions."""
    for port, usual in ((home.blob_port, 10000), (home.scheduler_port, 8082)):
        text = text.replace(f":{port}", f":{usual}")
    usual = {
        r"127\.0\.0\.1:(?!10000|8082)\d+": "127.0.0.1:8082",
        r"python[\d.]* \(pid \d+\)": "python3 (pid 4711)",
        r"vmlinuz-[\w.-]+": "vmlinuz-…",
        r"/lib/modules/[\w.-]+": "/lib/modules/…",
    }
    for pattern, word in usual.items():
        text = re.sub(pattern, word, text)
    return text


def test_whatever_hangs_is_given_up_and_told(home: Home) -> None:
    """A program that never ends, a mirror that listens and is silent, a scheduler that sends a letter a second."""
    with socket.create_server(("127.0.0.1", 0)) as silent, Drip() as drip:
        home.configure(
            f"programs.qemu_img={sleeper(home)}",
            f"image.mirror=http://127.0.0.1:{silent.getsockname()[1]}/debian",
            f"core.scheduler_port={drip.port}",
        )
        ran = home.flight("doctor")
    assert ran.code == 1, ran.said
    assert "did not end within 10 s" in ran.said
    assert "cannot be reached: timed out" in ran.said
    assert "nothing was heard of it within 12 s" in ran.said
    assert ran.said.rstrip().endswith("3 to mend")


def sleeper(home: Home) -> str:
    program = home.folder / "sleeper"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    return str(program)


class Drip:
    """A server whose answer's first line never ends."""

    def __enter__(self) -> Drip:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def _serve(self) -> None:
        with self._server.accept()[0] as asker:
            try:
                while not self._ended.wait(0.5):
                    asker.sendall(b"H")
            except OSError:
                return  # whoever asked has gone

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        self._server.close()
