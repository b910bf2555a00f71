"""Every rule, in the order of the reference's tables; a folder for a table, a module for a family of rules."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules import beyond, claims
from flight.workflows.certify.rules.accounts import generalised, leftovers, secrets, users
from flight.workflows.certify.rules.agents import clock, cloudinit, software, waagent
from flight.workflows.certify.rules.disk import container, filesystems, partitions
from flight.workflows.certify.rules.kernel import age, commandline, initramfs, modules
from flight.workflows.certify.rules.network import network, repositories, ssh

MODULES: Final = (
    container, partitions, filesystems, commandline, initramfs, modules, age, waagent, cloudinit, software, clock,
    users, generalised, leftovers, secrets, ssh, network, repositories, claims, beyond,
)  # fmt: skip


def rules_in(module: ModuleType) -> tuple[Rule, ...]:
    return tuple(value for value in vars(module).values() if isinstance(value, Rule))


RULES: Final = tuple(rule for module in MODULES for rule in rules_in(module))
OUTSIDE: Final = rules_in(container)
"""Rules about the file itself: they can be asked where nothing inside was seen."""
