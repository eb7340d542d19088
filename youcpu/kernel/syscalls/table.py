"""The table of system calls: arch/x86/entry/syscalls/syscall_64.tbl, one declaration each.

    @syscall(9)
    def mmap(task: Task, addr: Addr, length: Size, prot: Prot, flags: MapFlags, fd: Fd,
             offset: ULong) -> Addr:

The signature is number, decoder, handler and trace record at once. The handler returns an
int (None: 0) or raises KernelError or Blocked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from youcpu.abi.args import Marker, SignedLong
from youcpu.abi.errno import Errno
from youcpu.abi.syscalls import syscall_name
from youcpu.kernel.errors import KernelError

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

Handler = TypeVar("Handler", bound=Callable[..., int | None])
Dispatch = Callable[["Task", int, int, int, int, int, int], int | None]


class Syscall:
    """One row: `partial` says what of the call is missing, empty when all is there."""

    __slots__ = (
        "_dispatch", "_parameters", "_returns", "handler", "name", "number", "partial", "plan",
    )  # fmt: skip

    def __init__(
        self, number: int, name: str, handler: Callable[..., int | None], partial: str = ""
    ) -> None:
        self.number = number
        self.name = name
        self.handler = handler
        self.partial = partial
        #: How trace/capture reads its arguments; made there at first use.
        self.plan: object = None
        self._parameters: tuple[tuple[str, Marker], ...] | None = None
        self._returns: Marker | None = None
        self._dispatch: Dispatch | None = None

    def _annotation(self, text: Any) -> Marker:
        """The Marker of an annotation, which `from __future__ import annotations` left as text."""
        value = eval(text, self.handler.__globals__) if isinstance(text, str) else text
        for item in getattr(value, "__metadata__", ()):
            if isinstance(item, Marker):
                return item
        return SignedLong()

    @property
    def parameters(self) -> tuple[tuple[str, Marker], ...]:
        """(name, marker) of each argument, without the task."""
        if self._parameters is None:
            annotations = self.handler.__annotations__
            names = [name for name in annotations if name not in ("task", "return")]
            self._parameters = tuple((name, self._annotation(annotations[name])) for name in names)
        return self._parameters

    @property
    def returns(self) -> Marker:
        """Marker of the result, for the trace."""
        if self._returns is None:
            self._returns = self._annotation(self.handler.__annotations__["return"])
        return self._returns

    @property
    def dispatch(self) -> Dispatch:
        """Registers in, handler called with decoded arguments: compiled at first use."""
        if self._dispatch is None:
            self._dispatch = self._compile()
        return self._dispatch

    def _compile(self) -> Dispatch:
        from youcpu.kernel.mm import uaccess

        arguments = [
            "(" + marker.expression.format(raw=f"r{i}") + ")"
            for i, (_, marker) in enumerate(self.parameters)
        ]
        source = f"lambda task, r0, r1, r2, r3, r4, r5: handler({', '.join(['task', *arguments])})"
        names = {"handler": self.handler, "getname": uaccess.getname}
        dispatch: Dispatch = eval(compile(source, f"<dispatch {self.name}>", "eval"), names)
        return dispatch


#: x86-64 number -> row; filled by the decorator when the files of the families are imported.
SYSCALLS: dict[int, Syscall] = {}


def syscall(number: int, partial: str = "") -> Callable[[Handler], Handler]:
    """Declare a system call; `partial` says in a few words what is missing."""

    def declare(handler: Handler) -> Handler:
        if number in SYSCALLS:
            raise ValueError(f"system call {number} declared twice")
        name = handler.__name__.removesuffix("_")
        SYSCALLS[number] = Syscall(number, name, handler, partial)
        return handler

    return declare


#: Rows of numbers that are not implemented, made when a program tries one.
_UNKNOWN: dict[tuple[int, str], Syscall] = {}


def unknown(number: int, name: str = "") -> Syscall:
    """The row of a number that is not implemented: it answers ENOSYS, the trace shows it."""
    row = _UNKNOWN.get((number, name))
    if row is None:
        from youcpu.abi.signatures import unimplemented

        if len(_UNKNOWN) > 1024:  # a program that tries all numbers must not fill our memory
            _UNKNOWN.clear()
        known = unimplemented(number, name or syscall_name(number))
        row = Syscall(number, known.name, _no_such_call)
        row._parameters, row._returns = known.parameters, known.returns
        row._dispatch = _no_such_call
        _UNKNOWN[number, name] = row
    return row


def _no_such_call(task: Task, *registers: int) -> int:
    raise KernelError(Errno.ENOSYS)
