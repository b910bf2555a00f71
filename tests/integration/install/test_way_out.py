"""What a script with `post_network = true` reaches, and what it does not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flight.workflows.install.isolation import Bind, Machine
from flight.workflows.kickstart.mirrors import host_mirrors
from flight.workflows.kit.errors import ProgramError

PROBE = """
for place in "$@"; do
    if timeout 10 bash -c "exec 3<>/dev/tcp/${place%:*}/${place#*:}"; then echo "$place reached"; else echo "$place closed"; fi
done
ip route add 169.254.169.254/32 via 10.0.2.2 2>/dev/null && echo "routes are ours to change"
exit 0
"""


@pytest.fixture
def host_server() -> Iterator[int]:
    """A server on the host's loopback, as many hosts have; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    server.accept()[0].close()
                except TimeoutError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        ended.set()
        thread.join()


def machine(folder: Path) -> Machine:
    """The host's programs in a machine of their own."""
    root = folder / "root"
    root.mkdir()
    (folder / "resolv.conf").write_text("nameserver 10.0.2.3\n")
    binds = (
        Bind("/usr", "/usr"),
        Bind(str(folder / "resolv.conf"), "/etc/resolv.conf"),
        Bind("/etc/nsswitch.conf", "/etc/nsswitch.conf"),
    )
    links = tuple((f"/{name}", f"usr/{name}") for name in ("bin", "lib", "lib64", "sbin"))
    return Machine(root, is_bare=True, mounts=binds, links=links)


def test_a_script_with_the_network_reaches_the_mirror_but_no_address_of_the_hosts(
    tmp_path: Path, host_server: int
) -> None:
    url = urlsplit(host_mirrors().archive)
    mirror = f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}"
    closed = [
        f"10.0.2.2:{host_server}",
        f"127.0.0.1:{host_server}",
        "169.254.169.254:80",
        "168.63.129.16:80",
        "168.63.129.16:32526",
    ]
    ran = machine(tmp_path).run(["bash", "-c", PROBE, "probe", mirror, *closed], why="probe the network", network=True)
    assert ran.out.split("\n") == [f"{mirror} reached", *(f"{place} closed" for place in closed), ""]


def test_a_script_without_the_network_reaches_nothing(tmp_path: Path) -> None:
    ran = machine(tmp_path).run(
        ["bash", "-c", PROBE, "probe", "10.0.2.2:80", "169.254.169.254:80"], why="probe the network"
    )
    assert "reached" not in ran.out


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("slirp4netns", "slirp4netns, which gives a script the network, did not start"),
        ("ip", "could not close the way to 169.254.0.0/16"),
    ],
)
def test_a_way_out_that_cannot_be_made_or_closed_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / program).write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    with pytest.raises(ProgramError) as caught:
        machine(tmp_path).run(["true"], why="try the network", network=True)
    assert "the system cannot be entered" in caught.value.why
    assert said in caught.value.why
