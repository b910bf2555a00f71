"""What the stages share whose artefact lies in Azure: where that is, what is asked of it, what a receipt is worth."""

from __future__ import annotations

import dataclasses
import functools
import logging
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import luigi
from luigi.parameter import ParameterVisibility

from flight.workflows import artefact
from flight.workflows.artefact import Facts
from flight.workflows.kit.arriving import remove
from flight.workflows.kit.errors import FlightError
from flight.workflows.settings import Azure, Upload
from flight.workflows.stage import Stage

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud

LOG = logging.getLogger("luigi-interface")


def azure_parameter(name: str, description: str) -> Any:
    """A parameter whose default stands in luigi.cfg's [azure]."""
    return luigi.Parameter(
        default=getattr(Azure, name), config_path={"section": "azure", "name": name}, description=description
    )


class Remote(Stage):
    """A stage whose artefact lies in Azure, or in the rehearsal of it; the target here is the receipt."""

    at: ClassVar[str]
    """What of the found says where in Azure it is."""
    thing: ClassVar[str]
    """What it is in Azure, as people call it."""

    cloud = azure_parameter("cloud", "rehearsal, public, usgov or china")
    subscription = azure_parameter("subscription", "the subscription's id")
    account = azure_parameter("account", "the storage account")
    container = azure_parameter("container", "the container for VHDs")
    replace = luigi.BoolParameter(
        default=Upload.replace,
        config_path={"section": "upload", "name": "replace"},
        significant=False,
        visibility=ParameterVisibility.PRIVATE,
        description="replace what has the same name and holds something else",
    )
    recheck = luigi.BoolParameter(
        significant=False,
        visibility=ParameterVisibility.PRIVATE,
        description="look whether the remote still is what the receipt says (asks the network)",
    )

    @property
    def azure(self) -> Azure:
        """[azure] of luigi.cfg, with what the command line says instead."""
        said = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(Azure) if hasattr(self, field.name)
        }
        return dataclasses.replace(self.settings.azure, **said)

    @property
    def endpoint(self) -> Cloud:
        """Where this stage's Azure answers; the rehearsal is started where it does not run."""
        from flight.workflows import rehearsal
        from flight.workflows.cloud.endpoint import cloud_of

        rehearsal.ensure_if_used(
            work=self.settings.paths.work,
            rehearsal=self.settings.rehearsal,
            azure=self.azure,
            node=self.settings.programs.node,
        )
        return cloud_of(self.azure, self.settings.rehearsal)

    def look_ahead(self) -> None:
        """The rehearsal could be started, where something is to be sent to it; a name that is taken is told."""
        from flight.workflows import rehearsal
        from flight.workflows.cloud.endpoint import REHEARSAL

        if self._has_receipt:
            return
        if self.azure.cloud == REHEARSAL:
            rehearsal.check_startable(
                work=self.settings.paths.work,
                rehearsal=self.settings.rehearsal,
                azure=self.azure,
                node=self.settings.programs.node,
            )
        lines = (stage.taken_line() for stage in (self.before, self) if isinstance(stage, Remote))
        if line := next(filter(None, lines), ""):
            print(f"flight: {line}", file=sys.stderr)

    def taken_line(self) -> str:
        """What to know before a build whose upload will perhaps be refused; empty where nothing speaks for that.

        Only receipts are looked at. Other facts may yet make the same disk, so this is no reason to refuse.
        """
        if self.replace or self._has_receipt or not (made := self._sent_before()):
            return ""
        digest = self.before.found.get("digest")
        if made.found.get("digest") == digest:
            return ""
        unless = "" if digest else "unless what is built now turns out the same, "
        return (
            f"note: version {self.version} of {self.recipe} is there already, made of something else: "
            f"{unless}{type(self).__name__} will refuse to replace it. Give --replace, or another --version."
        )

    def _sent_before(self) -> Facts | None:
        """The facts of what this work folder has sent last to the same place under the same name, and not replaced."""
        sent = [
            facts
            for folder, facts in artefact.all_artefacts(self.settings.paths.work)
            if (facts.stage, facts.recipe, facts.version) == (type(self).__name__, self.recipe, self.version)
            and facts.decided_by == self.facts()
            and (folder / f"{self.recipe}.{self.makes}").exists()
        ]
        return max(sent, key=lambda facts: facts.made_at, default=None)

    def run(self) -> None:
        if error := self._unanswered:
            raise error
        super().run()
        self.__dict__.pop("_looked", None)  # what was wrong has been mended: Luigi looks again

    def complete(self) -> bool:
        """The receipt is here and tells of the artefact before it; with --recheck the remote is asked as well."""
        return self._has_receipt and not (self.recheck and self._looked)

    def deps(self) -> list[Stage]:
        """Where --recheck got no answer nothing is made on a mere suspicion: the stage runs alone, and fails with why."""
        return [] if self._unanswered else list(super().deps())

    def _make_whole(self) -> None:
        super()._make_whole()
        self._retire_receipts()

    def _retire_receipts(self) -> None:
        """What this one replaced is there no longer, and the receipts that tell of it go: going back sends again."""
        mine = self.found
        for folder, facts in artefact.all_artefacts(self.settings.paths.work):
            is_there = facts.stage == type(self).__name__ and facts.found.get(self.at) == mine[self.at]
            is_another = facts.found.get("digest") != mine["digest"] or facts.decided_by != self.facts()
            if is_there and is_another:
                LOG.info("%s: the receipt of what was replaced goes: %s", facts.stage, folder)
                remove(folder / f"{facts.recipe}.{self.makes}")

    @property
    def _has_receipt(self) -> bool:
        return self.place.is_there and self._is_of_what_is_here()

    def _is_of_what_is_here(self) -> bool:
        """What lies here may have been made anew: the same key, another digest. What was cleaned away decides nothing."""
        before = self.before
        if not before.place.is_there:
            return True
        if isinstance(before, Remote) and not before._is_of_what_is_here():
            return False
        return before.found.get("digest") in (None, self.found.get("digest"))

    @property
    def _unanswered(self) -> FlightError | None:
        looked = self._looked if self.recheck and self._has_receipt else ()
        return looked if isinstance(looked, FlightError) else None

    @functools.cached_property
    def _looked(self) -> tuple[str, ...] | FlightError:
        """What `look_again` finds. An error is kept: Luigi takes one out of complete() for a defect, with a traceback."""
        try:
            problems = self.look_again()
        except FlightError as error:
            return error
        for problem in problems:
            LOG.warning("%s: %s", type(self).__name__, problem)
        if not problems:
            LOG.info("%s: the %s still is what the receipt says", type(self).__name__, self.thing)
        return problems

    def look_again(self) -> tuple[str, ...]:
        """Every way in which the remote is not what the receipt says."""
        raise NotImplementedError
