"""What every task shares: key, target, lock, arriving, status.

A stage says what it `requires`, what it `makes` (the target's extension), which `facts` decide it, and how to `make`
it. The rest is here: the key stands in the target's path, the target arrives whole under its own lock, and the page,
the terminal and the log hear how far it is.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import luigi

from flight.workflows import artefact, commandline, telling
from flight.workflows.artefact import Facts, Place
from flight.workflows.kit.arriving import arriving, remove, sweep
from flight.workflows.kit.errors import FlightError, os_errors_explained
from flight.workflows.kit.progress import Told, human_bytes, human_seconds
from flight.workflows.settings import Image, Settings, load_settings

LOG = logging.getLogger("luigi-interface")


class Stage(luigi.Task):
    """One step of the walk. `recipe` and `version` name the image; both default to luigi.cfg's [image]."""

    recipe = luigi.Parameter(
        default=Image.recipe, config_path={"section": "image", "name": "recipe"}, description="which recipe to build"
    )
    version = luigi.Parameter(
        default=Image.version, config_path={"section": "image", "name": "version"}, description="the image's version"
    )

    edition: ClassVar[int] = 1
    """Raised when the stage makes something else of the same facts: what older editions made is not used again."""
    makes: ClassVar[str]
    """The target's extension."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.say: Told = telling.quiet
        commandline.check_once(self)

    # What a stage says of itself -------------------------------------------------------------------------------

    def facts(self) -> Mapping[str, Any]:
        """The JSON values, beside the keys upstream, that decide what is made. No clock among them."""
        return {}

    def decided_by(self) -> tuple[Stage, ...]:
        """The stages whose keys count for this one: by default all that it requires."""
        return tuple(luigi.task.flatten(self.requires()))

    def make(self, to: Path) -> Mapping[str, Any] | None:
        """Make the target at `to`; what is worth knowing of it goes into facts.json as `found`."""
        raise NotImplementedError

    def look_ahead(self) -> None:
        """What can be known to go wrong before anything is made, as a FlightError; asked of the command line's task only."""

    # What follows from it --------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        return load_settings()

    @functools.cached_property
    def key(self) -> str:
        upstream = [stage.key for stage in self.decided_by()]
        return artefact.key_of(type(self).__name__, edition=self.edition, upstream=upstream, facts=self.facts())

    @functools.cached_property
    def place(self) -> Place:
        return Place(self.settings.paths.work, self.recipe, type(self).__name__, self.key, self.makes)

    @property
    def before(self) -> Stage:
        """The one stage that this one requires."""
        (stage,) = luigi.task.flatten(self.requires())
        return stage

    @property
    def path(self) -> Path:
        return self.place.path

    @property
    def found(self) -> Mapping[str, Any]:
        """What was found while this stage's artefact was made; empty where it is not there."""
        facts = artefact.load_facts(self.place.folder)
        return facts.found if facts else {}

    @property
    def logs(self) -> Path:
        """The folder for programs' words: beside the artefact."""
        logs = self.place.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        return logs

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(str(self.path))

    def complete(self) -> bool:
        """A look at the local disk, never at the network: the artefact is there, and its facts are its own."""
        return self.place.is_there

    def run(self) -> None:
        """Make the target under its lock, unless somebody else just did."""
        with (
            commandline.interruptible(),
            artefact.running(self.settings.paths.work),
            artefact.making(self.place, waiting=self._wait),
        ):
            sweep(self.place.folder)
            if not self.complete():
                self._make_whole()
            artefact.point_link(self.place)

    def _make_whole(self) -> None:
        LOG.info("%s makes %s (key %s)", type(self).__name__, self.path.name, self.key)
        started = time.monotonic()
        trying = os_errors_explained(f"make {self.path.name}")
        with trying, self._telling(), arriving(self.path) as to:
            found = self.make(to) or {}
            seconds, size = time.monotonic() - started, artefact.size_on_disk(to)
            facts = self._facts(found, seconds=seconds, size=size, length=artefact.length_of(to))
            remove(self.path)  # the facts of one making never stand beside the artefact of another
            facts.save(self.place.folder)
        LOG.info(  # its own name, not its path: the line is whole in 80 columns
            "%s made %s, %s, in %s", type(self).__name__, self.path.name, human_bytes(size), human_seconds(seconds)
        )

    def _facts(self, found: Mapping[str, Any], *, seconds: float, size: int, length: int | None) -> Facts:
        return Facts(
            stage=type(self).__name__,
            edition=self.edition,
            key=self.key,
            recipe=self.recipe,
            version=self.version,
            upstream=tuple(stage.key for stage in self.decided_by()),
            decided_by=self.facts(),
            found=found,
            made_at=artefact.now(),
            seconds=round(seconds, 3),
            size_bytes=size,
            file_bytes=length,
        )

    # Who hears of it -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """For the time of the block `self.say` reaches the page, and the terminal or the log."""
        with telling.to_all(
            stage=type(self).__name__,
            recipe=self.recipe,
            message=self.set_status_message,
            percentage=self.set_progress_percentage,
        ) as self.say:
            yield

    def _wait(self, what: str) -> None:
        telling.say_status(self.set_status_message, what)

    def on_failure(self, exception: BaseException) -> str:
        """What the scheduler's page shows: the three lines for a person, a traceback only for a defect of ours."""
        if isinstance(exception, FlightError):
            return str(exception)
        return super().on_failure(exception)


def history(last: Stage) -> tuple[Facts, ...]:
    """The facts of a stage's artefact and of all that it was made of, the first first; what is gone is left out."""
    found = {facts.key: facts for stage in last.decided_by() for facts in history(stage)}
    mine = artefact.load_facts(last.place.folder)
    return (*found.values(), mine) if mine else tuple(found.values())
