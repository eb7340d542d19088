"""Arguments of futex(2): what each is depends on the operation. kernel/futex/syscalls.c."""

from __future__ import annotations

from typing import Annotated

from youcpu.abi import futex
from youcpu.abi.args import Capture, Marker, OneOf, UnsignedInt
from youcpu.abi.args_time import timespec_value
from youcpu.abi.names import NameTable
from youcpu.abi.values import OMITTED, Address, Either, Hex, Noted, Shifted

_TIMED = {
    futex.FUTEX_WAIT,
    futex.FUTEX_LOCK_PI,
    futex.FUTEX_LOCK_PI2,
    futex.FUTEX_WAIT_BITSET,
    futex.FUTEX_WAIT_REQUEUE_PI,
}
_REQUEUES = {futex.FUTEX_REQUEUE, futex.FUTEX_CMP_REQUEUE, futex.FUTEX_CMP_REQUEUE_PI}


def _operation(call: Capture) -> int:
    return call.raw[1] & futex.FUTEX_CMD_MASK & 0xFFFFFFFF


class FutexValue(UnsignedInt):
    """Third argument: the expected or the largest number."""

    def capture(self, index: int, call: Capture) -> object:
        if _operation(call) in (futex.FUTEX_LOCK_PI, futex.FUTEX_LOCK_PI2):
            return OMITTED
        if _operation(call) in (futex.FUTEX_UNLOCK_PI, futex.FUTEX_TRYLOCK_PI):
            return OMITTED
        return call.raw[index] & 0xFFFFFFFF


class FutexTimeout(Marker):
    """Fourth argument: a timespec, or a second number."""

    def capture(self, index: int, call: Capture) -> object:
        operation = _operation(call)
        raw = call.raw[index]
        if operation in _TIMED:
            data = call.exactly(raw, 16)
            return Address(raw) if data is None else timespec_value(data, call)
        if operation in _REQUEUES or operation == futex.FUTEX_WAKE_OP:
            return raw & 0xFFFFFFFF
        return OMITTED if operation <= futex.FUTEX_LOCK_PI2 else Hex(raw)


class FutexSecond(Marker):
    """Fifth argument: the other futex."""

    def capture(self, index: int, call: Capture) -> object:
        operation = _operation(call)
        if operation in _REQUEUES or operation in (
            futex.FUTEX_WAKE_OP,
            futex.FUTEX_WAIT_REQUEUE_PI,
        ):
            return Address(call.raw[index])
        return OMITTED if operation <= futex.FUTEX_LOCK_PI2 else Address(call.raw[index])


class FutexThird(UnsignedInt):
    """Sixth argument: a bit set or another number."""

    def capture(self, index: int, call: Capture) -> object:
        operation = _operation(call)
        value = call.raw[index] & 0xFFFFFFFF
        if operation in (futex.FUTEX_WAIT_BITSET, futex.FUTEX_WAKE_BITSET):
            if value == futex.FUTEX_BITSET_MATCH_ANY:
                return futex.BITSET_NAMES.choice(value)
            return Hex(value)
        if operation in (futex.FUTEX_CMP_REQUEUE, futex.FUTEX_CMP_REQUEUE_PI):
            return value
        if operation == futex.FUTEX_WAKE_OP:
            return _wake_operation(value)
        return OMITTED if operation <= futex.FUTEX_LOCK_PI2 else Hex(value)


def _wake_operation(value: int) -> Either:
    """FUTEX_OP(): 4 bits operation, 4 bits comparison, 12 bits for the argument of each."""
    parts: list[object] = []
    if value & 0x80000000:
        parts.append(Shifted("FUTEX_OP_OPARG_SHIFT", 28))
    parts.append(_shifted(futex.WAKE_OP_NAMES, value >> 28 & 7, 28))
    parts.append(Shifted(Hex(value >> 12 & 0xFFF), 12))
    parts.append(_shifted(futex.WAKE_COMPARISON_NAMES, value >> 24 & 0xF, 24))
    return Either((*parts, Hex(value & 0xFFF)))


def _shifted(table: NameTable, value: int, shift: int) -> object:
    choice = table.choice(value)
    if choice.name:
        return Shifted(choice, shift)
    return Noted(Shifted(Hex(value), shift), table.hint)


FutexOp = Annotated[int, OneOf(futex.FUTEX_NAMES)]
FutexVal = Annotated[int, FutexValue()]
#: Address of a timespec, or a number (val2).
FutexTimeoutOrVal2 = Annotated[int, FutexTimeout()]
FutexAddr2 = Annotated[int, FutexSecond()]
FutexVal3 = Annotated[int, FutexThird()]
