"""How much a template may do. Far more than a kickstart needs: they stop a slip, not a foe, who has %post to write in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import jinja2

MOST_STEPS: Final = 100_000
"""Rounds of all loops, and calls, together: as many as Jinja's sandbox lets a range have."""
MOST_SIGNS: Final = 1_000_000
"""Characters of the text, and of what a multiplication makes."""
MOST_LINES: Final = 20_000
MOST_BITS: Final = 1_000
"""Of a power: 10**10**10 would keep a processor busy for hours."""


class TooMuch(ArithmeticError):
    """A template does more than it may."""


def written(template: jinja2.Template, values: Mapping[str, Any]) -> str:
    """The template's text; TooMuch, raised where the template stands just then, when it grows out of hand."""
    pieces: Any = template.generate(values)
    parts, signs, lines = [], 0, 0
    for piece in pieces:
        parts.append(piece)
        signs, lines = signs + len(piece), lines + piece.count("\n")
        if signs > MOST_SIGNS or lines > MOST_LINES:
            pieces.throw(TooMuch(f"the kickstart grows beyond {MOST_LINES} lines or {MOST_SIGNS} characters"))
    return "".join(parts)


def limited_environment() -> type[jinja2.Environment]:
    """A sandboxed environment whose loops and calls are counted, and whose sums stay small. One template, once."""
    from jinja2 import nodes, pass_context
    from jinja2.sandbox import SandboxedEnvironment

    class Limited(SandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**"})

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.steps = 0
            self.filters["_counted"] = pass_context(lambda context, values: self._counted(values))

        def _step(self) -> None:
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise TooMuch(f"the template takes more than {MOST_STEPS} rounds of loops and calls")

        def _counted(self, values: Iterable[Any]) -> Iterator[Any]:
            for value in values:
                self._step()
                yield value

        def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
            for loop in source.find_all(nodes.For):
                loop.iter = nodes.Filter(loop.iter, "_counted", [], [], None, None, lineno=loop.iter.lineno)
            return super()._generate(source, *args, **kwargs)

        def call(self, context: Any, called: Any, /, *args: Any, **kwargs: Any) -> Any:
            self._step()
            return super().call(context, called, *args, **kwargs)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "*" and max(_length(left, right), _length(right, left)) > MOST_SIGNS:
                raise TooMuch(f"a multiplication makes more than {MOST_SIGNS} characters")
            powers = operator == "**" and isinstance(left, int) and isinstance(right, int)
            if powers and left.bit_length() * abs(right) > MOST_BITS:
                raise TooMuch(f"a power of more than {MOST_BITS} bits")
            return super().call_binop(context, operator, left, right)

    return Limited


def _length(many: Any, times: Any) -> int:
    """How long a text or list times a number is; 0 for anything else."""
    return len(many) * times if isinstance(many, (str, list, tuple)) and isinstance(times, int) else 0
