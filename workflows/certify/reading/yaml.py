"""YAML that strangers wrote, as PyYAML's safe loader reads it, within bounds.

An alias is a reference: what it costs shows when it is followed. So the nodes are counted as if each were written out,
before anything is made of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from yaml.nodes import Node

MOST_CHARACTERS: Final = 256 << 10
MOST_NODES: Final = 100_000
"""Nodes of a document with every alias written out."""
DEEPEST: Final = 100


class Refused(ValueError):
    """A text that may be well-formed, and that flight does not read: too long, too deep, an alias bomb."""


def read_yaml(text: str) -> Any:
    """The one document in a text as plain values. Raises ValueError where it is none, Refused where it is too much."""
    import yaml

    if len(text) > MOST_CHARACTERS:
        raise Refused(f"it has more than {MOST_CHARACTERS} characters")
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _weigh(node, {}, DEEPEST)
        return loader.construct_document(node)
    except RecursionError:
        raise Refused("it is nested too deeply") from None
    except yaml.YAMLError as error:
        raise ValueError(_reason(error)) from None
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, Refused):
            raise
        raise ValueError("a value in it is none of its kind") from None


def _weigh(node: Node, known: dict[int, int], left: int) -> int:
    """How many nodes there are from here on. Raises Refused where that is too many, or for ever."""
    if id(node) in known:
        if known[id(node)] == 0:
            raise Refused("an alias in it leads back to itself")
        return known[id(node)]
    if not left:
        raise Refused("it is nested too deeply")
    known[id(node)] = 0
    parts = node.value if isinstance(node.value, list) else []
    each = (part for pair in parts for part in (pair if isinstance(pair, tuple) else (pair,)))
    weight = 1
    for part in each:
        weight += _weigh(part, known, left - 1)
        if weight > MOST_NODES:
            raise Refused(f"it comes to more than {MOST_NODES} values")
    known[id(node)] = weight
    return weight


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it is no YAML"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)
