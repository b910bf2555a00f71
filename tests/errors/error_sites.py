"""Where the package makes an error, a finding or a sentence of one: read from its source, without running it.

A site is a call that makes an error of the tree in `kit/errors.py`, a finding, or an answer of the rehearsal; a call of
one of MAKERS with words of its own; an error of Python's that is given words, which a FlightError then quotes; or a
sentence that is kept in a variable of SENTENCES or a table of TABLES, or returned by a function of FAULTS. Sites are known
by module, function and words, never by a line's number.
"""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOMS = Path(__file__).parents[2] / "workflows"
GAP = "…"
"""Stands in a template for whatever the code puts there."""
ROOTS = {"FlightError", "Finding", "Refusal"}
MAKERS = {
    "fault": (1, 2), "refused": (1, 9), "_broken": (0, 9), "_refused": (1, 2), "_unlike": (0, 9), "Sign": (2, 3)
}  # fmt: skip
"""Functions that make an error of the words that they are given: where among the arguments stand `what` and `fix`."""
PYTHONS = {"ValueError", "EOFError", "OSError", "TooMuch"}
QUOTED = PYTHONS | {"_broken", "_refused", "_unlike", "Sign"}
"""What stands in an error that is made elsewhere, and is found by its words."""
SENTENCES = {"what", "why", "fix", "seen", "wanted"}
TABLES = {"FIXES", "BY_STATUS"}
FAULTS = re.compile(r"_?(\w+_)?(fault|problem|refusal|wanted|unfit)s?(_\w+)?")
LEFT_OUT = {
    "kickstart/ksread.py": "a program of its own, which hands on what pykickstart says",
    "certify/effective/*": "what a rule then says of a disk: no error, but a row of its table; its own tests have the words",
    "certify/rules/*": "the same",
    "certify/reading/[cps]*.py": "the same, of a file in a disk",
    "certify/reading/initramfs.py": "the same",
    "certify/reading/yaml.py": "the same",
    "upload/blockmap.py": "a map that is refused is told as 'its map cannot be read'; the rest are defects of a caller's",
    "upload/delta.py": "the same",
    "rehearsal/front/[rs]*.py": "what the imitated storage answers to a client; tests/unit/test_rehearsal_front.py has the words",
}
"""By a pattern of the module's path."""
LEAST_LETTERS = 5
"""A template with fewer letters of its own is somebody else's words handed on."""


def room_of(module: str) -> str:
    """The room that a module is, or lies in."""
    return module.partition("/")[0].removesuffix(".py")


@dataclass(frozen=True, order=True)
class Site:
    """One place that makes an error; `what`, `why` and `fix` are templates, empty where there is none."""

    module: str
    function: str
    what: str
    why: str = ""
    fix: str = ""

    @property
    def room(self) -> str:
        return room_of(self.module)

    def __str__(self) -> str:
        return f"{self.module}, {self.function}: {self.what or self.why or self.fix}"


def is_left_out(module: str) -> bool:
    return any(fnmatch.fnmatchcase(module, pattern) for pattern in LEFT_OUT)


def all_sites(rooms: Path = ROOMS) -> dict[Site, bool]:
    """Every site of the package, in the order of the source; and whether it makes no error itself, but a sentence of one.

    A sentence that stands in the words of a site in the same function is none of its own.
    """
    paths = {str(path.relative_to(rooms)): path for path in sorted(rooms.rglob("*.py"))}
    trees = {module: ast.parse(path.read_text()) for module, path in paths.items() if not is_left_out(module)}
    kinds = error_kinds(trees.values())
    return {site: is_sentence for module, tree in trees.items() for site, is_sentence in _sites_of(module, tree, kinds)}


def error_kinds(trees: Iterable[ast.Module]) -> set[str]:
    """The names of ROOTS and of all classes that derive from them."""
    kinds, size = set(ROOTS), 0
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    while size < len(kinds):
        size = len(kinds)
        kinds |= {one.name for one in classes if any(isinstance(b, ast.Name) and b.id in kinds for b in one.bases)}
    return kinds


def _sites_of(module: str, tree: ast.Module, kinds: set[str]) -> Iterator[tuple[Site, bool]]:
    everywhere = _constants(ast.iter_child_nodes(tree))
    for function, nodes in _functions(tree):
        known = {**everywhere, **_constants(nodes)}
        made = {node: words for node in nodes if (words := _made(node, kinds))}
        whole = [Site(module, function, *(template(word, known) for word in words)) for words in made.values()]
        yield from ((site, _is_quoted(node)) for node, site in zip(made, whole, strict=True) if has_words(site))
        used = {each.id for words in made.values() for word in words if word for each in _names(word)}
        for node in nodes:
            for words in _sentences(node, function, used) if node not in made else ():
                site = Site(module, function, *(template(word, known) for word in words))
                told = site.what or site.fix
                if has_words(site) and not any(told in each for one in whole for each in (one.what, one.why, one.fix)):
                    yield site, True


def _is_quoted(node: ast.AST) -> bool:
    """Whether another site's error is what a person gets to see it in."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in QUOTED


def has_words(site: Site) -> bool:
    """Whether it has words of its own, and does not only hand on somebody else's."""
    return sum(char.isalpha() for char in site.what + site.why + site.fix) >= LEAST_LETTERS


def template(word: ast.expr | None, known: Mapping[str, str]) -> str:
    """A text as a person reads it, with a GAP for each part that is only known at run time."""
    match word:
        case None:
            return ""
        case ast.Constant(value=str(text)):
            return re.sub(r"\{\w+\}", GAP, text)  # for str.format
        case ast.JoinedStr(values=parts):
            return re.sub(f"{GAP}+", GAP, "".join(template(part, known) for part in parts))
        case ast.FormattedValue(value=ast.Name() as name, conversion=-1, format_spec=None):
            return template(name, known)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return template(left, known) + template(right, known)
        case ast.Name(id=name) if name in known:
            return known[name]
    return GAP


def _constants(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Names that are given one text, and never another value."""
    given: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        given.setdefault(name.id, []).append(node.value)
    once = {name: values[0] for name, values in given.items() if len(values) == 1}
    return {
        name: template(value, {}) for name, value in once.items() if isinstance(value, ast.Constant | ast.JoinedStr)
    }


def _functions(tree: ast.Module) -> Iterator[tuple[str, list[ast.AST]]]:
    """Each function by its name, a method by its class's too, with the nodes that are its own, in their order."""
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        name, top = waiting.pop(0)
        own: list[ast.AST] = []
        inner = list(ast.iter_child_nodes(top))
        while inner:
            node = inner.pop(0)
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                waiting.append((f"{name}.{node.name}".strip("."), node))
            else:
                own.append(node)
                inner = [*ast.iter_child_nodes(node), *inner]
        yield name or "the module", own


def _made(node: ast.AST, kinds: set[str]) -> tuple[ast.expr | None, ...]:
    """What, why and fix of a call that makes an error or a finding; nothing of any other node."""
    if not isinstance(node, ast.Call):
        return ()
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    args = dict(enumerate(node.args))
    named = {each.arg: each.value for each in node.keywords}
    if name == "Finding":
        return _of_finding(args)
    if name == "Refusal":
        return args.get(2), None, None
    if name == "Sign" and len(args) < 4:  # it says that all is well
        return ()
    if name in PYTHONS:
        return args.get(1 if name == "OSError" else 0), None, None
    if name in MAKERS:
        what, fix = MAKERS[name]
        return args.get(what), named.get("why"), named.get("fix", args.get(fix))
    return (args.get(0), named.get("why"), named.get("fix")) if name in kinds else ()


def _of_finding(args: Mapping[int, ast.expr]) -> tuple[ast.expr | None, ...]:
    """The kickstart's (where, what, fix), or the doctor's (name, verdict, seen, fix) where that is not well."""
    if len(args) < 4 and not (len(args) == 3 and isinstance(args[1], ast.Constant) and args[1].value == "ok"):
        return args.get(1), None, args.get(2)
    is_well = isinstance(args[1], ast.Constant) and args[1].value == "ok"
    return () if is_well else (args[2], None, args.get(3))


def _sentences(node: ast.AST, function: str, used: set[str]) -> Iterator[tuple[ast.expr | None, ...]]:
    """The texts that a statement keeps for an error: one that is made elsewhere, or in this function of `used` names."""
    if isinstance(node, ast.Return | ast.Yield) and FAULTS.fullmatch(function.rpartition(".")[2]):
        yield from ((text, None, None) for text in _texts(node.value))
    if (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.value, ast.Dict)
        and getattr(node.target, "id", "") in TABLES
    ):
        yield from ((None, None, text) for value in node.value.values for text in _texts(value))
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        names = {each.id for each in _names(node.targets[0])}
        if names & used and names <= SENTENCES:
            yield from ((text, None, None) for text in _texts(node.value))


def _names(node: ast.AST) -> Iterator[ast.Name]:
    return (each for each in ast.walk(node) if isinstance(each, ast.Name))


def _texts(value: ast.expr | None) -> Iterator[ast.expr]:
    """The texts among the alternatives, or the parts, of a value."""
    match value:
        case ast.Constant(value=str()) | ast.JoinedStr():
            yield value
        case ast.Tuple(elts=parts) | ast.BoolOp(values=parts) | ast.List(elts=parts):
            for part in parts:
                yield from _texts(part)
        case ast.IfExp(body=one, orelse=other):
            yield from (*_texts(one), *_texts(other))
