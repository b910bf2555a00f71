"""What a manager of networks would do with an interface of Azure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Nic:
    """An interface as udev would know it; `properties` are its words of the form NAME=value."""

    names: tuple[str, ...]
    driver: str
    properties: frozenset[str] = frozenset()


SYNTHETIC: Final = Nic(("eth0",), "hv_netvsc")
"""What every machine has. It lies on no bus that a predictable name is made of, so it is eth0 either way."""
FUNCTION: Final = Nic(("eth1", "enP1s1", "enp1s0"), "mlx5_core")
"""The virtual function of accelerated networking: a second interface with the first one's address."""


@dataclass(frozen=True)
class Profile:
    """One manager's plan for an interface. `at`: its file, or words where there is none.

    `static` is an address that it sets; `hardware` the one address of a card that it is bound to: another machine's.
    `problem`: why it comes to nothing.
    """

    manager: str
    at: str
    is_dhcp: bool
    static: str = ""
    hardware: str = ""
    problem: str = ""


def fits(nic: Nic, patterns: Iterable[str], *, among: str = "names") -> bool:
    """Whether one of the shell patterns names the interface (`among`: names, or driver)."""
    values = nic.names if among == "names" else (nic.driver,)
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns for value in values)


def is_true(value: str) -> bool:
    """yes, true, on, 1, as systemd's and NetworkManager's files have it."""
    return value.lower() in ("yes", "true", "on", "1", "y", "t")
