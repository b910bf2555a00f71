"""What passes between us and the worker, and which libvirt is asked."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from flight.workflows.hypervisor.connection import EMBED, is_embedded, plan_uri
from flight.workflows.hypervisor.console import LOGIN, NO_BOOT_CODE
from flight.workflows.hypervisor.guest import Ended, Order, read_ended, read_order
from flight.workflows.kit.errors import ProgramError

ENDED = Ended(how="sign", sign="login", text="host login:", seconds=9.2, silent_s=0.1, cpu_s=9.0, last_lines=("a", "b"))


@pytest.mark.parametrize(
    ("configured", "is_root", "has_daemon", "uri"),
    [
        ("", True, False, EMBED),
        ("", True, True, "qemu:///system"),
        ("", False, True, "qemu:///session"),
        ("qemu:///session", True, True, "qemu:///session"),
        ("qemu:///embed", True, True, EMBED),
        ("qemu:///embed?root=/elsewhere", True, True, EMBED),
        ("qemu+ssh://host/system", True, False, "qemu+ssh://host/system"),
    ],
)
def test_the_uri_is_the_configured_one_or_what_this_host_has(
    configured: str, is_root: bool, has_daemon: bool, uri: str
) -> None:
    assert plan_uri(configured, is_root=is_root, has_daemon=has_daemon) == uri
    assert is_embedded(uri) is uri.startswith("qemu:///embed")


def test_an_order_survives_the_way_to_the_worker() -> None:
    order = Order(
        uri=EMBED,
        name="flight-1",
        xml="<domain/>",
        console="/w/console.log",
        screenshot="/w/screen.png",
        signs=(LOGIN, NO_BOOT_CODE),
        timeout_s=300,
        stall_s=90.5,
        forget=("/w/a.qcow2",),
    )
    assert read_order(json.dumps(asdict(order))) == order


def test_the_worker_s_last_word_counts_among_what_libvirt_says() -> None:
    ended = json.dumps({"ended": asdict(ENDED)})
    out = f'2026-11-23 01:05:42.647+0000: 1: info : libvirt\n{{"seconds": 1.0, "console": ""}}\n{ended}\n7\n'
    assert read_ended(out) == ENDED


def test_a_worker_s_error_is_raised_here() -> None:
    with pytest.raises(ProgramError) as raised:
        read_ended(json.dumps({"error": {"what": "could not start the guest", "why": "no such machine", "fix": "x"}}))
    assert (raised.value.what, raised.value.why, raised.value.fix) == (
        "could not start the guest",
        "no such machine",
        "x",
    )


def test_a_worker_that_says_nothing_is_an_error() -> None:
    with pytest.raises(ProgramError, match="without a word"):
        read_ended("libvirt: something\n")
