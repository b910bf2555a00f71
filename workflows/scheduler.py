"""Luigi's scheduler as a server of this work folder: `flight scheduler start|stop|status`."""

from __future__ import annotations

import sys
from pathlib import Path

from flight.workflows.kit.server import Server, is_taken


def server(*, work: Path, port: int, config: Path) -> Server:
    """luigid on loopback only: it knows no passwords. Its state lies in the work folder, its settings in `config`.

    Importing flight's package where Luigi is there gives it the presets for what `config` does not say.
    """
    folder = work / "scheduler"
    state: list[str | Path] = ["--state-path", folder / "state.pickle", "--logdir", folder]
    # luigid's console script may be missing where flight is installed for a user: the module never is.
    argv: list[str | Path] = [
        sys.executable,
        "-c",
        "import luigi, flight.workflows; from luigi.cmdline import luigid; luigid()",
        "--address",
        "127.0.0.1",
    ]
    env = {"LUIGI_CONFIG_PATH": str(config)}
    return Server(
        "scheduler",
        folder,
        [*argv, "--port", str(port), *state],
        port,
        lambda: is_taken(port),
        env=env,
        keeps="--state-path",
        setting="[core] scheduler_port",
        stop_by="flight scheduler stop",
    )
