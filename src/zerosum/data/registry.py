"""Registries of implementations by the name of a kind of data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar

from zerosum.errors import BadInput

T = TypeVar("T")


class KindRegistry(Generic[T]):
    """The implementations of one floor (data, evaluation or media) by the name of the kind of data.

    An implementation is imported when it is first looked up, so that a command loads only what it uses.

    Example:
        >>> registry = KindRegistry[str]({"digits": "string:digits"})
        >>> registry.find("digits")
        '0123456789'
    """

    def __init__(self, locations: Mapping[str, str], floor: str = "data") -> None:
        """Create a registry of a floor from the location `package.module:object` of each implementation."""
        self._floor = floor
        self._locations = dict(locations)
        self._loaded: dict[str, T] = {}

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, in the order of their registration."""
        return iter(self._locations | dict.fromkeys(self._loaded, ""))

    def __contains__(self, name: object) -> bool:
        return name in self._locations or name in self._loaded

    def register(self, name: str, implementation: T) -> None:
        """Add an implementation.

        Raises:
            BadInput: the name is that of another implementation; registering the same class again is allowed.
        """
        is_taken = name in self._locations or type(self._loaded.get(name, implementation)) is not type(implementation)
        if is_taken:
            raise BadInput(f"`name` {name}: there is a kind of data of this name already; choose another")
        self._loaded[name] = implementation

    def find(self, name: str) -> T:
        """Return the implementation of a kind.

        Raises:
            BadInput: there is no such kind.
        """
        if name not in self._loaded:
            if name not in self._locations:
                raise BadInput(
                    f"`data.kind` {name}: there is no such kind of {self._floor}; choose one of {', '.join(self)}, or "
                    "use a script that registers it for data, evaluation and media, if it is a kind of your own"
                )
            module, _, attribute = self._locations[name].partition(":")
            self._loaded[name] = vars(import_module(module))[attribute]
        return self._loaded[name]
