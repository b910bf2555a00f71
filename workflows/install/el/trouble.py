"""dnf's and rpm's words, sorted into what a person can do about them, and what they let pass and should not.

dnf ends with exit code 0 where a %post fails, where a file's owner is unknown, and where a group's package is nowhere:
each of these makes a system that is not the one that was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from flight.workflows.install.el.sources import Source
from flight.workflows.kickstart.plan import InstallPlan, Module
from flight.workflows.kit.errors import FlightError, ProgramError, RecipeError, RemoteError, SpaceError

NO_SUCH = re.compile(
    r"(?:No match for argument: |Unable to find a match: |No package )(\S+)|"
    r"(?:Module or Group|Group|Environment) '?([^']+?)'? (?:is not available|does not exist)"
)
GROUP_LACKS = re.compile(r'No match for group package "([^"]+)"')
SCRIPT = re.compile(
    r"Error in (\S+) scriptlet in rpm package (\S+)|(?:error|warning): (%\w+)\((\S+?)\) scriptlet failed"
)
"""In dnf's words, and in rpm's, which also knows triggers."""
SCRIPTS = {"prein": "pre", "postin": "post", "preun": "preun", "postun": "postun"}
"""rpm's own names for what a package's author calls %pre, %post…"""
TELLING = re.compile(
    r"^(?:Error|error|warning|\[MIRROR\]|\[FAILED\])|^ *Problem|^ +(?:- |file )|^  \* |\[Errno|scriptlet|space needed"
    r"|No match for argument|is not available|Status code|Curl error"
    r"|is not signed|GPG (?:check|signature|verification)|Failing package|not correct for this package|Public key for"
)
"""Lines of dnf's that say what is wrong, among its tables and bars."""
STEP = re.compile(r"\s+(Preparing|Installing|Running scriptlet|Verifying)\s*:|Running transaction|Transaction test")
MOST_LINES = 12
LOOK_ABOVE = "look in the log what stands above that line, and mend the package or leave it out"
OWNER = re.compile(r"warning: (user|group) (\S+) does not exist - using root")


@dataclass(frozen=True)
class Meaning:
    """What some of dnf's words mean; `{where}` in the fix is the sources that were searched."""

    words: re.Pattern[str]
    kind: type[FlightError]
    what: str
    fix: str


MEANINGS = (
    Meaning(
        re.compile(r"(?:Status code|HTTP error|returned error): (?:401|403)\b"),
        RemoteError,
        "a package source refused the login",
        "check the variables that hold its login",
    ),
    Meaning(
        re.compile(
            r"No space left|Failed writing|Curl error \(23\)|(?:more|enough|enough free|Insufficient) space|Disk quota",
            re.I,
        ),
        SpaceError,
        "the disk is full where packages are downloaded to or installed",
        "free some space",
    ),
    Meaning(
        re.compile(r"GPG check FAILED|not signed|Public key for \S+ is not installed|repomd.xml GPG|BAD \w*sig", re.I),
        RemoteError,
        "a package, or its index, is not signed by the key that the recipe names",
        "check the sources ({where}) and their keys",
    ),
    Meaning(
        re.compile(
            r"file \S+ (?:from install of|conflicts between)|nothing provides|conflict|^ ?Problem|filtered out", re.M
        ),
        RecipeError,
        "the packages cannot be installed together",
        "look which of them exclude each other, and which of the excluded ones are needed",
    ),
    Meaning(
        re.compile(r"Status code: 404 for \S*repomd\.xml"),
        RecipeError,
        "there is no package source where one was looked for",
        "correct the url or repo line, or release and [sources] archive in the recipe; looked at {where}",
    ),
    Meaning(
        re.compile(r"Status code: \d|Curl error|Cannot download|Failed to download|All mirrors were tried|checksum"),
        RemoteError,
        "a package source cannot be reached, or does not hold what its index says",
        "check the network, the proxy and {where}",
    ),
)
"""The first that fits. Source: dnf 4.14, librepo 1.15, rpm 4.18."""


def explained(error: ProgramError, said: str, plan: InstallPlan, sources: Sequence[Source] = ()) -> FlightError:
    """What a failed dnf means. `said`: all its words, of which the error quotes those that matter."""
    where = ", ".join(source.url for source in sources)
    lines = said.splitlines()
    if broken := failed_scripts(lines):
        return ProgramError(_broken(broken), why=_quoted(_around(lines, SCRIPT), error), fix=LOOK_ABOVE)
    why = _quoted([line for line in lines if TELLING.search(line) and "for group package" not in line], error)
    if found := [next(filter(None, match)) for match in NO_SUCH.findall(said)]:
        return RecipeError(
            f"{plan.packages.where_of(*found)}: no package source has {', '.join(dict.fromkeys(found))}",
            why=why,
            fix=f"correct the names in %packages, or add the repository that has them; searched {where}",
        )
    for meaning in MEANINGS:
        if meaning.words.search(said):
            place = f"{plan.packages.where}: " if meaning.kind is RecipeError else ""
            return meaning.kind(f"{place}{meaning.what}", why=why, fix=meaning.fix.format(where=where))
    return error


def explained_module(error: ProgramError, module: Module, sources: Sequence[Source]) -> FlightError:
    """What a failed `dnf module info` means."""
    if not re.search(r"Unable to resolve argument|No matching Modules", error.why):
        return error
    return RecipeError(
        f"{module.where}: no package source has the stream '{module.stream}' of a module '{module.name}'",
        fix=f"give one that `dnf module list {module.name}` names; searched {', '.join(each.url for each in sources)}",
    )


def _quoted(lines: Sequence[str], error: ProgramError) -> str:
    """Those lines as an error quotes a program's words, and where the rest is; without any: as the error did."""
    if not lines:
        return error.why
    whole = [line.strip() for line in error.why.splitlines()[-1:] if "the whole of it" in line]
    return "\n       ".join([*(f"| {line.rstrip()}" for line in few_of_a_kind(lines)), *whole])


def few_of_a_kind(lines: Sequence[str]) -> list[str]:
    """The first two of the lines that differ in names and numbers only, and how many more there are."""
    kinds: dict[str, list[str]] = {}
    for line in lines:
        kinds.setdefault(re.sub(r"\S*[\d.]\S*", "", line), []).append(line)
    few = [[*alike[:2], *([f"… and {len(alike) - 2} more like it"] * (len(alike) > 2))] for alike in kinds.values()]
    return [line for alike in few for line in alike][-MOST_LINES:]


def _broken(scripts: Sequence[str]) -> str:
    return f"a package's own script failed: {', '.join(scripts)}"


def failed_scripts(lines: Iterable[str]) -> list[str]:
    """Which scripts of which packages failed, each once; rpm's word for it is left out where dnf has said the same."""
    found = [[*filter(None, match.groups())] for line in lines if (match := SCRIPT.search(line))]
    named = {package for script, package in found if not script.startswith("%")}
    told = [
        each for each in found if not each[0].startswith("%") or not any(each[1].startswith(f"{n}-") for n in named)
    ]
    return list(dict.fromkeys(f"{_script(script)} of {package}" for script, package in told))


def _script(word: str) -> str:
    plain = word.lower().removeprefix("%")
    return f"%{SCRIPTS.get(plain, plain)}"


def missing_from_groups(said: str, plan: InstallPlan) -> None:
    """Raise RecipeError where a group names a package that no source has; what the kickstart excludes is no fault."""
    excluded = plan.packages.excluded
    named = (name for name in GROUP_LACKS.findall(said) if not any(fnmatchcase(name, each) for each in excluded))
    lacking = dict.fromkeys(named)
    if lacking and not plan.packages.ignore_missing:
        raise RecipeError(
            f"{plan.packages.where}: a group names packages that no source has: {', '.join(lacking)}",
            why="dnf goes on without them, and the system would be another one than the group describes",
            fix="add the repository that has them, exclude them by name (-NAME), or write %packages --ignoremissing",
        )


def check_words(lines: Sequence[str]) -> None:
    """Raise ProgramError for what dnf said and did not fail for."""
    if broken := failed_scripts(lines):
        raise ProgramError(
            _broken(broken),
            why="\n       ".join(f"| {line}" for line in _around(lines, SCRIPT)),
            fix="mend the package, or leave it out; dnf itself goes on and says that all is well",
        )
    if owners := _owners(lines):
        raise ProgramError(
            f"files of {', '.join(dict.fromkeys(owners.values()))} belong to nobody: there is no {', no '.join(owners)}",
            why="rpm gives them to root and says that all is well",
            fix="add the package that makes the account, so that it is installed before",
        )


def _owners(lines: Iterable[str]) -> dict[str, str]:
    """Accounts that do not exist, each with the package that wanted it."""
    owners, package = {}, "a package"
    for line in lines:
        if step := re.match(r"\s+Installing\s*: (\S+)", line):
            package = step[1]
        for kind, name in OWNER.findall(line):
            owners[f"{kind} {name}"] = package
    return owners


def _around(lines: Sequence[str], pattern: re.Pattern[str], before: int = 4) -> list[str]:
    """The lines that match, each after the few words that led to it; dnf's own steps are left out."""
    told = [line for line in lines if line.strip() and not STEP.match(line)]
    at = [place for place, line in enumerate(told) if pattern.search(line)]
    wanted = sorted({place for each in at for place in range(max(0, each - before), each + 1)})
    return [told[place] for place in wanted][-MOST_LINES:]


def compare(planned: Mapping[str, Sequence[str]], installed: Mapping[str, Sequence[str]]) -> None:
    """Raise ProgramError where what is installed is not what was planned."""
    missing = sorted(name for name in planned if {*planned[name]} - {*installed.get(name, ())})
    unasked = sorted(name for name in installed if {*installed[name]} - {*planned.get(name, ())})
    if missing or unasked:
        words = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"not planned: {', '.join(unasked)}"] * bool(
            unasked
        )
        raise ProgramError(
            "the installed packages are not the planned ones",
            why="; ".join(words),
            fix="look into the log, then run it again",
        )
