"""Arguments of prctl(2), arch_prctl(2): what follows depends on the option. kernel/sys.c."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from youcpu.abi import prctl
from youcpu.abi.args import Capture, Marker, OneOf, UnsignedLong
from youcpu.abi.args_io import string_text
from youcpu.abi.args_signal import signal_choice
from youcpu.abi.names import NameTable
from youcpu.abi.values import OMITTED, Address, Array, Choice, Hex, Noted, Remark, Struct

_COMM = 16
_Show = Callable[[int, Capture], object]


def _unsigned(raw: int, call: Capture) -> object:
    return raw


def _signed(raw: int, call: Capture) -> object:
    return (raw ^ 1 << 63) - (1 << 63)


def _hex(raw: int, call: Capture) -> object:
    return Hex(raw)


def _address(raw: int, call: Capture) -> object:
    return Address(raw)


def _choice(table: NameTable) -> _Show:
    return lambda raw, call: table.choice(raw)


def _flags(table: NameTable) -> _Show:
    return lambda raw, call: table.flags(raw)


def _name_in(raw: int, call: Capture) -> object:
    return string_text(call, raw, _COMM - 1)


def _name_out(raw: int, call: Capture) -> object:
    return Address(raw) if call.failed else string_text(call, raw, _COMM)


def _string(raw: int, call: Capture) -> object:
    return string_text(call, raw)


def _number_out(size: int, show: Callable[[int], object]) -> _Show:
    def shown(raw: int, call: Capture) -> object:
        data = None if call.failed else call.exactly(raw, size)
        return Address(raw) if data is None else Array((show(int.from_bytes(data, "little")),))

    return shown


def _signal(raw: int, call: Capture) -> object:
    return raw if raw > 128 else signal_choice(raw)


def _tracer(raw: int, call: Capture) -> object:
    value = ((raw & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000
    return Choice(value, "PR_SET_PTRACER_ANY" if value == -1 else None, "", decimal=True)


_ALL_HEX = (_hex,) * 4
#: Option -> how the arguments that it has are shown; others have four hexadecimal ones.
_SHAPES: dict[int, tuple[_Show, ...]] = {
    prctl.PR_SET_PDEATHSIG: (_signal,),
    prctl.PR_GET_PDEATHSIG: (_number_out(4, signal_choice),),
    prctl.PR_GET_DUMPABLE: (),
    prctl.PR_SET_DUMPABLE: (_choice(prctl.SUID_DUMP_NAMES),),
    prctl.PR_GET_KEEPCAPS: (),
    prctl.PR_SET_KEEPCAPS: (_unsigned,),
    prctl.PR_GET_UNALIGN: (_number_out(4, prctl.UNALIGN_NAMES.flags),),
    prctl.PR_SET_UNALIGN: (_flags(prctl.UNALIGN_NAMES),),
    prctl.PR_GET_FPEMU: (_number_out(4, int),),
    prctl.PR_SET_FPEMU: (_unsigned,),
    prctl.PR_GET_FPEXC: (_number_out(4, int),),
    prctl.PR_SET_FPEXC: (_unsigned,),
    prctl.PR_GET_ENDIAN: (_number_out(4, int),),
    prctl.PR_SET_ENDIAN: (_unsigned,),
    prctl.PR_GET_TIMING: (),
    prctl.PR_SET_TIMING: (_unsigned,),
    prctl.PR_SET_NAME: (_name_in,),
    prctl.PR_GET_NAME: (_name_out,),
    prctl.PR_GET_SECCOMP: (),
    prctl.PR_CAPBSET_READ: (_choice(prctl.CAP_NAMES),),
    prctl.PR_CAPBSET_DROP: (_choice(prctl.CAP_NAMES),),
    prctl.PR_GET_TSC: (_number_out(4, prctl.TSC_NAMES.choice),),
    prctl.PR_SET_TSC: (_choice(prctl.TSC_NAMES),),
    prctl.PR_GET_SECUREBITS: (),
    prctl.PR_SET_SECUREBITS: (_flags(prctl.SECBIT_NAMES),),
    prctl.PR_SET_TIMERSLACK: (_signed,),
    prctl.PR_GET_TIMERSLACK: (),
    prctl.PR_TASK_PERF_EVENTS_DISABLE: (),
    prctl.PR_TASK_PERF_EVENTS_ENABLE: (),
    prctl.PR_SET_MM: (_choice(prctl.SET_MM_NAMES), _hex, _hex, _hex),
    prctl.PR_MCE_KILL: (_choice(prctl.MCE_KILL_NAMES), _hex, _hex, _hex),
    prctl.PR_GET_SPECULATION_CTRL: (_choice(prctl.SPEC_NAMES),),
    prctl.PR_SET_SPECULATION_CTRL: (_choice(prctl.SPEC_NAMES), _hex),
    prctl.PR_SET_SYSCALL_USER_DISPATCH: (_choice(prctl.DISPATCH_NAMES), _hex, _hex, _address),
    prctl.PR_GET_FP_MODE: (),
    prctl.PR_SVE_GET_VL: (),
    prctl.PR_SME_GET_VL: (),
    prctl.PR_SET_CHILD_SUBREAPER: (_unsigned,),
    prctl.PR_GET_CHILD_SUBREAPER: (_number_out(4, int),),
    prctl.PR_SET_NO_NEW_PRIVS: (_unsigned, _hex, _hex, _hex),
    prctl.PR_GET_TID_ADDRESS: (_number_out(8, Address),),
    prctl.PR_SET_THP_DISABLE: (_unsigned, _hex, _hex, _hex),
    prctl.PR_SET_IO_FLUSHER: (_unsigned, _hex, _hex, _hex),
    prctl.PR_SET_PTRACER: (_tracer,),
}


class Option(OneOf):
    """First argument; it also says how the result is to be read."""

    decides_result = True

    def __init__(self) -> None:
        super().__init__(prctl.PR_NAMES, signed=False)

    def outcome(self, index: int, call: Capture) -> tuple[object, Remark | None] | None:
        option = call.raw[index] & 0xFFFFFFFF
        result = call.result
        if result is None:
            return None
        if option == prctl.PR_GET_DUMPABLE:
            name = prctl.SUID_DUMP_NAMES.name(result)
            return (result, Remark({"": name})) if name else None
        if option == prctl.PR_GET_SECUREBITS and result:
            bits = prctl.SECBIT_NAMES.flags(result)
            return Hex(result), Remark({"": bits}) if bits.names else None
        return None


class Argument(UnsignedLong):
    """Second to fifth argument."""

    at_exit = True

    def capture(self, index: int, call: Capture) -> object:
        shapes = _shapes(call)
        return shapes[index - 1](call.raw[index], call) if index <= len(shapes) else OMITTED


def _shapes(call: Capture) -> tuple[_Show, ...]:
    option = call.raw[0] & 0xFFFFFFFF
    second = call.raw[1]
    if option == prctl.PR_CAP_AMBIENT:
        about = prctl.CAP_AMBIENT_NAMES.name(second)
        takes_capability = about is not None and about != "PR_CAP_AMBIENT_CLEAR_ALL"
        third = _choice(prctl.CAP_NAMES) if takes_capability else _hex
        return (_choice(prctl.CAP_AMBIENT_NAMES), third, _hex, _hex)
    if option == prctl.PR_SET_VMA:
        what = _choice(prctl.SET_VMA_NAMES)
        if second == prctl.PR_SET_VMA_ANON_NAME:
            return (what, _address, _unsigned, _string)
        return (what, _hex, _hex, _hex)
    if option == prctl.PR_SET_SECCOMP:
        mode = _choice(prctl.SECCOMP_MODE_NAMES)
        if second == prctl.SECCOMP_MODE_STRICT:
            return (mode,)
        if second == prctl.SECCOMP_MODE_FILTER:
            return (mode, _filter_program)
        return (mode, _hex, _hex, _hex)
    return _SHAPES.get(option, _ALL_HEX)


def _filter_program(raw: int, call: Capture) -> object:
    data = call.exactly(raw, 16)
    if data is None:
        return Address(raw)
    length = int.from_bytes(data[:2], "little")
    return Struct({"len": length, "filter": Address(int.from_bytes(data[8:16], "little"))})


class ArchAddress(Marker):
    """Second argument of arch_prctl(2): an address, or where to store one."""

    at_exit = True

    def capture(self, index: int, call: Capture) -> object:
        code = call.raw[index - 1] & 0xFFFFFFFF
        raw = call.raw[index]
        if code in (prctl.ARCH_GET_FS, prctl.ARCH_GET_GS):
            data = None if call.failed else call.exactly(raw, 8)
            if data is not None:
                return Array((Address(int.from_bytes(data, "little")),))
        if code == prctl.ARCH_GET_CPUID:
            return OMITTED
        if code in (prctl.ARCH_GET_XCOMP_SUPP, prctl.ARCH_GET_XCOMP_PERM):
            data = None if call.failed else call.exactly(raw, 8)
            if data is not None:
                return Array((_features(int.from_bytes(data, "little")),))
        if code == prctl.ARCH_REQ_XCOMP_PERM:
            name = prctl.XFEATURE_NAMES.name(raw)
            return Noted(Hex(raw), name) if name else Hex(raw)
        return Hex(raw) if code in (prctl.ARCH_SET_CPUID, prctl.ARCH_SET_GS) else Address(raw)


def _features(mask: int) -> object:
    """XSAVE features as a number with their names behind it."""
    names = prctl.XFEATURE_MASK_NAMES.flags(mask)
    if not names.names:
        return Hex(mask)
    text = "|".join(names.names) + (f"|{names.rest:#x}" if names.rest else "")
    return Noted(Hex(mask), text)


PrctlOption = Annotated[int, Option()]
#: unsigned long as the register has it.
PrctlArg2 = Annotated[int, Argument()]
PrctlArg3 = Annotated[int, Argument()]
PrctlArg4 = Annotated[int, Argument()]
PrctlArg5 = Annotated[int, Argument()]
ArchPrctlCode = Annotated[int, OneOf(prctl.ARCH_NAMES)]
#: Stands right behind ArchPrctlCode.
ArchPrctlAddr = Annotated[int, ArchAddress()]
