"""A value that must not be seen: it prints, pickles and formats as `•••`."""

from __future__ import annotations

MASK = "•••"


class Secret:
    """Wraps a string; only `reveal()` gives it back. Not comparable by `==` with a plain string, never in a repr."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself: call it at the last moment, where it is used."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __reduce__(self) -> str:
        raise TypeError("a Secret does not leave the process that holds it")

    def __bool__(self) -> bool:
        return bool(self._value)
