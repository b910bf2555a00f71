"""What was kept in a file may come back edited or torn: values are believed only when they are of their types."""

from __future__ import annotations

from types import UnionType
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

Kept = TypeVar("Kept")
TORN: Final = "it was cut short, or somebody edited it"
"""Why a file that we wrote cannot be read back."""


def of_its_types(kept: Kept) -> Kept:
    """The dataclass as it is. Raises TypeError where a field is not what its annotation says; parts are not looked into."""
    for name, hint in get_type_hints(type(kept)).items():
        if not isinstance(getattr(kept, name), _kind(hint)):
            raise TypeError(f"'{name}' does not hold {hint}")
    return kept


def _kind(hint: Any) -> Any:
    """What isinstance takes; JSON writes a float as it likes, so that a whole number will do for one."""
    if hint is float:
        return int, float
    if isinstance(hint, UnionType):
        return tuple(_kind(one) for one in get_args(hint))
    return get_origin(hint) or hint
