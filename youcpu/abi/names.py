"""Tables of named numbers: flags and enumerations, in the order in which strace writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from youcpu.abi.values import Choice, FlagSet

#: A program may try all numbers there are: a table remembers so many at most.
_REMEMBERED = 1024


class NameTable:
    """Names of one family; decoded values are remembered, the same few come again and again."""

    __slots__ = ("_choices", "_flags", "_names", "hint", "pairs")

    def __init__(self, hint: str, pairs: Iterable[tuple[str, int]]) -> None:
        """`hint` is what stands for an unknown one: `MAP_???`.

        Without a hint an unknown number has no comment, and no bits are no text.
        """
        self.hint = hint
        self.pairs = tuple(pairs)
        self._names: dict[int, str] = {}
        for name, value in self.pairs:
            self._names.setdefault(value, name)
        self._flags: dict[int, FlagSet] = {}
        self._choices: dict[int, Choice] = {}

    def name(self, value: int) -> str | None:
        """Name of exactly this value."""
        return self._names.get(value)

    def value(self, name: str) -> int:
        """Number of a name. Raises KeyError."""
        for known, value in self.pairs:
            if known == name:
                return value
        raise KeyError(name)

    def flags(self, value: int) -> FlagSet:
        """`value` as a set of bits."""
        found = self._flags.get(value)
        if found is None:
            found = self._split(value)
            if len(self._flags) < _REMEMBERED:
                self._flags[value] = found
        return found

    def _split(self, value: int) -> FlagSet:
        # Only a trace decodes; the kernel, which uses the numbers, starts faster without.
        from youcpu.abi.values import FlagSet

        if not value:
            zero = self._names.get(0)
            return FlagSet(0, (zero,) if zero else (), 0, self.hint)
        names = []
        rest = value
        for name, bits in self.pairs:
            if bits and rest & bits == bits:
                names.append(name)
                rest &= ~bits
        return FlagSet(value, tuple(names), rest, self.hint)

    def choice(self, value: int) -> Choice:
        """`value` as one of the names."""
        found = self._choices.get(value)
        if found is None:
            from youcpu.abi.values import Choice

            found = Choice(value, self._names.get(value), self.hint)
            if len(self._choices) < _REMEMBERED:
                self._choices[value] = found
        return found


def named(namespace: Mapping[str, object], hint: str, names: str) -> NameTable:
    """Table of the constants `names` (separated by spaces) of a module's `globals()`."""
    pairs = []
    for name in names.split():
        value = namespace[name]
        assert isinstance(value, int), name
        pairs.append((name, value))
    return NameTable(hint, pairs)
