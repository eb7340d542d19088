"""Data classes that cost nothing at import.

`dataclasses.dataclass` compiles several methods for each class, 0.3 ms apiece and 8 ms for
the module itself: with the hundred records of a machine that was a third of the start-up
time. `@record` does it when the first instance is made. (docs/design/0003-start-up.md)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")


class _Field:
    """What `field` was given, until the class is completed."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options


def field(*, default_factory: Callable[[], T] | None = None, **options: Any) -> Any:
    """dataclasses.field of a record."""
    if default_factory is not None:
        options["default_factory"] = default_factory
    return _Field(options)


_PENDING = "__record_options__"


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, frozen: bool = False, eq: bool = True) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(field_specifiers=(field,))
def record(
    cls: type[Any] | None = None, /, **options: bool
) -> type[Any] | Callable[[type[Any]], type[Any]]:
    """Like `dataclass`, completed at the first instance; options `frozen` and `eq` as there."""
    if cls is None:
        return lambda decorated: _prepare(decorated, options)
    return _prepare(cls, options)


def _prepare(cls: type[Any], options: dict[str, bool]) -> type[Any]:
    def __init__(self: Any, *arguments: Any, **keywords: Any) -> None:
        _complete(cls)
        cls.__init__(self, *arguments, **keywords)  # type: ignore[misc]

    setattr(cls, _PENDING, options)
    cls.__init__ = __init__
    return cls


def _complete(cls: type[Any]) -> None:
    import dataclasses

    for ancestor in reversed(cls.__mro__):
        options = ancestor.__dict__.get(_PENDING)
        if options is not None:
            delattr(ancestor, _PENDING)
            del ancestor.__init__
            for name, value in list(vars(ancestor).items()):
                if isinstance(value, _Field):
                    setattr(ancestor, name, dataclasses.field(**value.options))
            dataclasses.dataclass(**options)(ancestor)
