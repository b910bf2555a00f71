"""From a recipe's template to a kickstart's text, and from each of its lines back to the template's own line.

Jinja2, as strict about undefined names as its StrictUndefined. Partials are found in the recipe's own folder first, then
in the other recipe folders, so that a vendor shadows one by a file of the same name. A plain `.ks` is taken literally.

The way back: a second rendering carries marks (a file's number and a line, between two characters of Unicode's private
use) wherever the template's text or an expression begins a line. They are put in among Jinja's tokens, after its
whitespace rules, and cannot show in the result, which is that of the first rendering.

How much a template may do is limited (limits.py): every start of flight renders, and a slip in a loop would hang it.
"""

from __future__ import annotations

import difflib
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.kit.finding import Finding, Where, refusal, refuse, shown
from flight.workflows.kit.text import line_of, quoted
from flight.workflows.recipe import Recipe

if TYPE_CHECKING:
    import jinja2
    from jinja2.lexer import Token, TokenStream

_MARK: Final = re.compile("\ue000(\\d+):(\\d+)\ue001")
TEMPLATE: Final = ".j2"
"""What ends a template's name; anything else is literal."""
FAILURES: Final = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError, MemoryError)
"""What an expression of a template can raise; Jinja's own TemplateNotFound is a LookupError."""
SAVE: Final = "save it as UTF-8"
UNSTABLE: Final = ("random", "lipsum")
"""Jinja's filters and globals that give another result each time."""


@dataclass(frozen=True)
class Rendered:
    """A kickstart's text, and for each of its lines the place in the template that it comes from."""

    recipe: Recipe
    text: str
    places: tuple[Where, ...]

    def where(self, line: int) -> Where:
        """The template's place for a line of the text, counted from 1; the recipe's own file for line 0."""
        if 0 < line <= len(self.places):
            return self.places[line - 1]
        return self.places[-1] if line and self.places else self.recipe.where("syntax")


def render(recipe: Recipe, values: Mapping[str, Any], folders: Sequence[Path] = ()) -> Rendered:
    """The recipe's kickstart, given `values` and the recipe's own variables.

    Raises RecipeError with every fault of the templates: syntax, missing partials, names that nothing defines.
    """
    path = recipe.folder / recipe.kickstart
    if not recipe.kickstart.endswith(TEMPLATE):
        text = _plain_text(path, recipe)
        return Rendered(recipe, text, tuple(Where(shown(path), n) for n in range(1, text.count("\n") + 2)))
    given = {**recipe.variables, **values}
    plain = _Templates((recipe.folder, *folders))
    refuse(f"the kickstart of {recipe.name}", plain.faults(recipe.kickstart, recipe))
    text = plain.render(recipe.kickstart, given)
    refuse(f"the kickstart of {recipe.name}", plain.undefined)
    marked = _Templates((recipe.folder, *folders), marks=True)
    return Rendered(recipe, text, _places(marked, marked.render(recipe.kickstart, given), text, path))


def _plain_text(path: Path, recipe: Recipe) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        finding = Finding(Where(shown(path), line_of(error)), "not text in UTF-8", SAVE)
        raise refusal(f"the kickstart of {recipe.name}", finding) from error


class _Templates:
    """A Jinja environment over recipe folders that gathers what is undefined instead of stopping at it."""

    def __init__(self, folders: Sequence[Path], *, marks: bool = False) -> None:
        import jinja2

        from flight.workflows.kickstart.limits import limited_environment

        self.undefined: list[Finding] = []
        self.files: list[str] = []
        self.environment = limited_environment()(
            loader=jinja2.FileSystemLoader(folders, encoding="utf-8-sig"),
            undefined=_undefined_told_to(self),
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            autoescape=False,
            cache_size=-1,
        )
        for name in UNSTABLE:
            self.environment.filters.pop(name, None)
            self.environment.globals.pop(name, None)
        if marks:
            _add_marks(self)

    def render(self, name: str, values: Mapping[str, Any]) -> str:
        """The text. Raises RecipeError where an expression fails, with its line."""
        import jinja2

        from flight.workflows.kickstart.limits import TooMuch, written

        try:
            return written(self.environment.get_template(name), values)
        except (*FAILURES, jinja2.TemplateError) as error:
            lines = [line for line in traceback.extract_tb(error.__traceback__) if line.filename.endswith(TEMPLATE)]
            if not lines:
                raise
            where = Where(shown(Path(lines[-1].filename)), lines[-1].lineno or 0)
            said = str(error) if isinstance(error, TooMuch) else f"{type(error).__name__}: {error}".rstrip(": ")
            fix = "let the template do less" if isinstance(error, TooMuch) else ""
            raise refusal(f"the kickstart {name}", Finding(where, quoted(said, most=300), fix)) from error

    def faults(self, name: str, recipe: Recipe) -> list[Finding]:
        """Syntax errors and missing partials of a template and of all that it names, each where it stands."""
        import jinja2

        findings: list[Finding] = []
        waiting, seen = [(name, recipe.where("kickstart"))], {name}
        while waiting:
            name, named_at = waiting.pop()
            try:
                source, filename = self._source(name)
                tree = self.environment.parse(source, name, filename)
            except jinja2.TemplateNotFound:
                findings.append(
                    Finding(named_at, f"there is no '{name}' in the recipe folders", "put it there, or correct it")
                )
                continue
            except jinja2.TemplateSyntaxError as error:
                findings.append(Finding(Where(shown(Path(filename)), error.lineno), str(error.message)))
                continue
            except UnicodeDecodeError as error:
                findings.append(Finding(named_at, f"line {line_of(error)} of '{name}' is not text in UTF-8", SAVE))
                continue
            findings += self._compile_faults(source, name, filename)
            named = {other: Where(shown(Path(filename)), line) for other, line in _named(tree) if other not in seen}
            seen |= named.keys()
            waiting += named.items()
        return findings

    def _compile_faults(self, source: str, name: str, filename: str) -> list[Finding]:
        """Unknown filters and tests, which only compiling finds."""
        import jinja2

        try:
            self.environment.compile(source, name, filename)
        except jinja2.TemplateSyntaxError as error:
            return [Finding(Where(shown(Path(filename)), error.lineno), str(error.message))]
        return []

    def _source(self, name: str) -> tuple[str, str]:
        assert self.environment.loader
        source, filename, _ = self.environment.loader.get_source(self.environment, name)
        assert filename
        return source, filename

    def number_of(self, file: str) -> int:
        if file not in self.files:
            self.files.append(file)
        return self.files.index(file)


def _named(tree: Any) -> Iterator[tuple[str, int]]:
    """The templates that a template includes, imports or extends by a constant name, with their lines."""
    from jinja2 import nodes

    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        optional = isinstance(node, nodes.Include) and node.ignore_missing
        if isinstance(node.template, nodes.Const) and isinstance(node.template.value, str) and not optional:
            yield node.template.value, node.lineno


def _undefined_told_to(templates: _Templates) -> type[jinja2.Undefined]:
    """An Undefined of which every use is a finding and goes on as nothing, so that all are found in one go."""
    import jinja2

    class Undefined(jinja2.Undefined):
        def _fail_with_undefined_error(self, *args: Any, **kwargs: Any) -> Any:
            templates.undefined.append(
                Finding(_line_in_use(), self._undefined_message, "set it in [variables] of the recipe")
            )
            return Undefined(name=self._undefined_name)

        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __getitem__ = _fail_with_undefined_error
        __truediv__ = __floordiv__ = __mod__ = __call__ = _fail_with_undefined_error

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return self._fail_with_undefined_error()

        def __str__(self) -> str:
            self._fail_with_undefined_error()
            return ""

        def __iter__(self) -> Iterator[Any]:
            self._fail_with_undefined_error()
            return iter(())

        def __bool__(self) -> bool:
            self._fail_with_undefined_error()
            return False

        def __len__(self) -> int:
            self._fail_with_undefined_error()
            return 0

        def __contains__(self, item: object) -> bool:
            self._fail_with_undefined_error()
            return False

        def _unequal(self, other: object) -> bool:
            self._fail_with_undefined_error()
            return False

        __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _unequal  # type: ignore[assignment]
        __hash__ = None  # type: ignore[assignment]

    return Undefined


def _line_in_use() -> Where:
    """The template's line that is being rendered, from the stack."""
    frame = sys._getframe(1)
    while frame:
        template = frame.f_globals.get("__jinja_template__")
        if template is not None:
            return Where(shown(Path(template.filename)), template.get_corresponding_lineno(frame.f_lineno))
        assert frame.f_back
        frame = frame.f_back
    raise AssertionError("unreachable: only a template uses an Undefined")


def _add_marks(templates: _Templates) -> None:
    """Let a template's text and expressions carry the file and line they begin at."""
    from jinja2.ext import Extension
    from jinja2.lexer import Token

    class Marks(Extension):
        def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
            file = templates.number_of(str(stream.filename or stream.name))
            for token in stream:
                if token.type == "data":
                    yield Token(token.lineno, "data", _with_marks(token.value, file, token.lineno))
                    continue
                if token.type == "variable_begin":
                    yield Token(token.lineno, "data", _mark(file, token.lineno))
                yield token

    templates.environment.add_extension(Marks)


def _mark(file: int, line: int) -> str:
    return f"\ue000{file}:{line}\ue001"


def _with_marks(text: str, file: int, line: int) -> str:
    parts = text.split("\n")
    return "\n".join(f"{_mark(file, line + n)}{part}" for n, part in enumerate(parts))


def _places(templates: _Templates, marked: str, text: str, path: Path) -> tuple[Where, ...]:
    """The place of each line of the text.

    A line comes from the last mark before its first visible character; a line without one (from within a value that
    holds several) from the line before it. Where marks have changed the outcome (a template that measures or compares
    its own output), the two are aligned line by line.
    """
    places, here = [], Where(shown(path), 1)
    lines = marked.split("\n")
    for line in lines:
        start = re.match("(?:\\s|" + _MARK.pattern.replace("(", "(?:") + ")*", line)
        assert start
        found = _MARK.findall(start[0])
        if found:
            here = Where(shown(Path(templates.files[int(found[-1][0])])), int(found[-1][1]))
        places.append(here)
        later = _MARK.findall(line)
        if later:
            here = Where(shown(Path(templates.files[int(later[-1][0])])), int(later[-1][1]))
    bare = [_MARK.sub("", line) for line in lines]
    wanted = text.split("\n")
    return tuple(places) if bare == wanted else _aligned(places, bare, wanted)


def _aligned(places: Sequence[Where], bare: Sequence[str], wanted: Sequence[str]) -> tuple[Where, ...]:
    aligned: list[Where | None] = [None] * len(wanted)
    matcher = difflib.SequenceMatcher(None, bare, wanted, autojunk=False)
    for a, b, size in matcher.get_matching_blocks():
        aligned[b : b + size] = places[a : a + size]
    here = places[0]
    result = []
    for place in aligned:
        here = place or here
        result.append(here)
    return tuple(result)
