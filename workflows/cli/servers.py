"""Verbs about this host and its servers: doctor, rehearsal, scheduler."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flight.workflows import luigicfg
from flight.workflows.cli.verbs import FAULT, OK, Verb, print_lines, scheduler_url
from flight.workflows.settings import CLOUDS, load_settings

if TYPE_CHECKING:
    from flight.workflows.kit.server import Server

DO = ("start", "stop", "status", "install")
SCHEDULER_WANTS = "it says where the scheduler keeps its state"


def add_doctor(verb: Verb) -> None:
    verb("doctor", "is this host fit, and what would mend it", _doctor)


def add_rehearsal(verb: Verb) -> None:
    sentence = "start, stop or look at the imitation of Azure on this machine; install what it needs"
    rehearsal = verb("rehearsal", sentence, _rehearsal)
    rehearsal.add_argument("do", choices=DO, metavar="|".join(DO))
    rehearsal.add_argument("--if-used", action="store_true", help="only where luigi.cfg says [azure] cloud = rehearsal")


def add_scheduler(verb: Verb) -> None:
    scheduler = verb("scheduler", "start, stop or look at Luigi's scheduler and its page on this machine", _scheduler)
    scheduler.add_argument("do", choices=DO[:3], metavar="|".join(DO[:3]))


def _doctor(args: argparse.Namespace) -> int:
    from flight.workflows import doctor, rehearsal

    found = load_settings()

    def servers() -> Sequence[Server]:
        return rehearsal.servers(
            work=found.paths.work, rehearsal=found.rehearsal, azure=found.azure, node=found.programs.node
        )

    findings = doctor.examine(found, scheduler_url=scheduler_url(), servers=servers)
    return FAULT if doctor.tell(findings, say=lambda line: print_lines([line])) else OK


def _rehearsal(args: argparse.Namespace) -> int:
    from flight.workflows import rehearsal

    if args.do == "install":
        from flight.workflows.rehearsal import install

        print(install.tell(install.install()))
        return OK
    settings = load_settings()
    if args.if_used and settings.azure.cloud != CLOUDS[0]:
        return OK
    return _serve(
        args.do,
        rehearsal.servers(
            work=settings.paths.work,
            rehearsal=settings.rehearsal,
            azure=settings.azure,
            node=settings.programs.node,
        ),
    )


def _scheduler(args: argparse.Namespace) -> int:
    from flight.workflows import scheduler
    from flight.workflows.commandline import answers, scheduler_address

    _, port = scheduler_address()
    server = scheduler.server(work=load_settings().paths.work, port=port, config=luigicfg.wanted_path(SCHEDULER_WANTS))
    if server.pid() is None and args.do != "stop" and answers(scheduler_url()):
        other = server.of_another()
        whose = f"started for the work folder {other}" if other else "a luigid that flight did not start"
        print(f"scheduler  runs already  {scheduler_url()}  {whose}: any will do")
        return OK
    return _serve(args.do, [server])


def _serve(do: str, servers: Sequence[Server]) -> int:
    """Start or stop servers, or say how they are; exit code 1 where one that was asked after does not run."""
    from flight.workflows.kit.finding import shown

    running = []
    for server in servers:
        if do == "start":
            word = "started" if server.start() else "runs already"
        elif do == "stop":
            word = "stopped" if server.stop() else "did not run"
        else:
            word = "runs" if server.pid() is not None else "does not run"
        running.append(server.pid() is not None)
        print(f"{server.name:<10} {word:<12}  http://127.0.0.1:{server.port}  {shown(server.log)}")
    return OK if do != "status" or all(running) else FAULT
