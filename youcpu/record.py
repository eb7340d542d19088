"""Data classes that cost nothing at import.

`dataclasses.dataclass` compiles five methods for each class, 0.3 ms apiece, and its module
takes 8 ms to load: with the hundred records of a machine that was a third of the start-up
time of every command. `@record` compiles `__init__` when the first instance is made and
shares the other methods. (docs/design/0003-start-up.md)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")
_PENDING = "__record_options__"
_FIELDS = "__record_fields__"


class _Factory:
    """Default of a field that is made anew for each instance."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


def field(*, default_factory: Callable[[], T]) -> T:
    """A field whose default is made for each instance."""
    return _Factory(default_factory)  # type: ignore[return-value]


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, frozen: bool = False, eq: bool = True) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(field_specifiers=(field,))
def record(
    cls: type[Any] | None = None, /, *, frozen: bool = False, eq: bool = True
) -> type[Any] | Callable[[type[Any]], type[Any]]:
    """`__init__` by the annotated fields, `==` and repr; `frozen`: hashable, never changed."""

    def decorate(decorated: type[Any]) -> type[Any]:
        def __init__(self: Any, *arguments: Any, **keywords: Any) -> None:
            _complete(decorated)
            decorated.__init__(self, *arguments, **keywords)

        setattr(decorated, _PENDING, frozen)
        decorated.__init__ = __init__
        decorated.__repr__ = _repr  # type: ignore[assignment]
        if eq:
            decorated.__eq__ = _eq  # type: ignore[assignment]
            decorated.__hash__ = _hash if frozen else None  # type: ignore[assignment]
        return decorated

    return decorate if cls is None else decorate(cls)


def fields(instance: Any) -> tuple[str, ...]:
    """Names of a record's fields, in order."""
    names: tuple[str, ...] = getattr(type(instance), _FIELDS)
    return names


def replace(instance: T, **changes: Any) -> T:
    """A copy with other values of some fields."""
    values = {name: getattr(instance, name) for name in fields(instance)}
    return type(instance)(**{**values, **changes})


def _annotated(cls: type[Any]) -> dict[str, Any]:
    """Own and inherited fields in order; ClassVars are none."""
    found: dict[str, Any] = {}
    for ancestor in reversed(cls.__mro__):
        for name, annotation in vars(ancestor).get("__annotations__", {}).items():
            if "ClassVar" not in str(annotation):
                found[name] = annotation
    return found


def _complete(cls: type[Any]) -> None:
    """Compile `__init__`: the fields' defaults are the class's attributes."""
    names = tuple(_annotated(cls))
    parameters, body = [], []
    defaults: dict[str, Any] = {}
    for name in names:
        value = name
        if hasattr(cls, name) and not _is_slot(getattr(cls, name)):
            default = defaults[f"_default_{name}"] = getattr(cls, name)
            parameters.append(f"{name}=_default_{name}")
            if isinstance(default, _Factory):
                value = f"(_default_{name}.make() if {name} is _default_{name} else {name})"
        else:
            parameters.append(name)
        setter = "_set(self, {!r}, {})" if getattr(cls, _PENDING, False) else "self.{} = {}"
        body.append(setter.format(name, value))
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    source = f"def __init__(self, {', '.join(parameters)}):\n " + "\n ".join(body or ["pass"])
    scope: dict[str, Any] = {**defaults, "_set": object.__setattr__}
    exec(compile(source, f"<record {cls.__name__}>", "exec"), scope)
    cls.__init__ = scope["__init__"]
    setattr(cls, _FIELDS, names)
    if getattr(cls, _PENDING, False):
        cls.__setattr__ = _refuse  # type: ignore[assignment]


def _is_slot(value: Any) -> bool:
    return type(value).__name__ == "member_descriptor"


def _refuse(self: Any, name: str, value: Any) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen")


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in fields(self))
    return f"{type(self).__name__}({shown})"


def _eq(self: Any, other: Any) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return all(getattr(self, name) == getattr(other, name) for name in fields(self))


def _hash(self: Any) -> int:
    return hash(tuple(getattr(self, name) for name in fields(self)))
