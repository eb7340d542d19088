"""Arguments of the signal calls: kernel/signal.c."""

from __future__ import annotations

import struct
from typing import Annotated

from youcpu.abi import poll, signal, time
from youcpu.abi.args import Capture, Flags, Marker, OneOf, Record, SignedInt, signed_int
from youcpu.abi.structs import Sigaction, SigaltStack
from youcpu.abi.values import Address, Array, Choice, Mask, Remark, Struct


class SignalNumber(SignedInt):
    """A signal by name."""

    def capture(self, index: int, call: Capture) -> object:
        return signal_choice(signed_int(call.raw[index]))

    def captured_result(self, result: int, call: Capture) -> tuple[object, Remark | None]:
        name = signal.SIG_NAMES.name(result)
        return result, Remark({"": name}) if name else None


class SignalFrame(Marker):
    """rt_sigreturn(2) has no argument: the frame on the stack says what mask comes back."""

    def capture(self, index: int, call: Capture) -> object:
        # The handler's return popped the frame's first word; the rest is struct ucontext.
        data = call.exactly(call.stack_pointer() + _UC_SIGMASK, 8)
        if data is None:
            return Address(call.stack_pointer())
        return Struct({"mask": Mask(int.from_bytes(data, "little"))})


#: uc_flags, uc_link, uc_stack, then 256 bytes of registers.
_UC_SIGMASK = 8 + 8 + 24 + 256


def signal_choice(number: int) -> Choice:
    """`SIGINT`, or the number."""
    return Choice(number, signal.SIG_NAMES.name(number), "SIG_???", decimal=True)


def _handler(address: int) -> object:
    name = {0: "SIG_DFL", 1: "SIG_IGN", signal.SIG_ERR: "SIG_ERR"}.get(address)
    return Choice(address, name, "SIG_???") if name else Address(address)


def sigaction_value(data: bytes, call: Capture) -> Struct:
    """struct sigaction as strace writes it: the restorer only with its flag."""
    act = Sigaction.unpack(data)
    fields: dict[str, object] = {
        "sa_handler": _handler(act.handler),
        "sa_mask": Mask(act.mask),
        "sa_flags": signal.SA_NAMES.flags(act.flags),
    }
    if act.flags & signal.SA_RESTORER:
        fields["sa_restorer"] = Address(act.restorer)
    return Struct(fields)


def stack_value(data: bytes, call: Capture) -> Struct:
    """stack_t."""
    stack = SigaltStack.unpack(data)
    return Struct(
        {
            "ss_sp": Address(stack.ss_sp),
            "ss_flags": signal.SS_NAMES.flags(stack.ss_flags & 0xFFFFFFFF),
            "ss_size": stack.ss_size,
        }
    )


def sigset_value(data: bytes, call: Capture) -> Mask:
    """sigset_t of 8 bytes."""
    return Mask(int.from_bytes(data, "little"))


def siginfo_value(data: bytes, call: Capture) -> Struct:
    """siginfo_t."""
    from youcpu.abi.siginfo import Siginfo

    return Siginfo.unpack(data).struct()


def sigevent_value(data: bytes, call: Capture) -> Struct:
    """struct sigevent of timer_create(2)."""
    value, number, notify, thread = struct.unpack_from("<Qiii", data)
    function, attributes = struct.unpack_from("<QQ", data, 16)
    low = ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000
    fields: dict[str, object] = {
        "sigev_value": Struct({"sival_int": low, "sival_ptr": Address(value)}),
        "sigev_signo": number if notify == time.SIGEV_NONE else signal_choice(number),
        "sigev_notify": time.SIGEV_NAMES.choice(notify),
    }
    if notify == time.SIGEV_THREAD_ID:
        fields["sigev_notify_thread_id"] = thread
    if notify == time.SIGEV_THREAD:
        fields["sigev_notify_function"] = Address(function)
        fields["sigev_notify_attributes"] = Address(attributes)
    return Struct(fields)


def timer_id_value(data: bytes, call: Capture) -> Array:
    """`[0]`"""
    return Array((int.from_bytes(data, "little", signed=True),))


class MaskAndSize(Marker):
    """What pselect6(2) gets for its signal set."""

    def capture(self, index: int, call: Capture) -> object:
        data = call.exactly(call.raw[index], 16)
        if data is None:
            return Address(call.raw[index])
        address, size = struct.unpack("<QQ", data)
        mask = call.exactly(address, 8) if size == 8 else None
        shown = Address(address) if mask is None else sigset_value(mask, call)
        return Struct({"sigmask": shown, "sigsetsize": size})


#: Not in a register: what rt_sigreturn(2) finds on the stack.
SignalFramePtr = Annotated[int, SignalFrame()]
Signal = Annotated[int, SignalNumber()]
SigprocmaskHow = Annotated[int, OneOf(signal.SIGPROCMASK_NAMES)]
SigactionIn = Annotated[int, Record(Sigaction.SIZE, sigaction_value)]
SigactionOut = Annotated[int, Record(Sigaction.SIZE, sigaction_value, at_exit=True)]
SigsetIn = Annotated[int, Record(8, sigset_value)]
SigsetOut = Annotated[int, Record(8, sigset_value, at_exit=True)]
StackIn = Annotated[int, Record(SigaltStack.SIZE, stack_value)]
StackOut = Annotated[int, Record(SigaltStack.SIZE, stack_value, at_exit=True)]
SignalfdFlags = Annotated[int, Flags(poll.SFD_NAMES)]
#: waitid(2), rt_sigtimedwait(2).
SiginfoOut = Annotated[int, Record(128, siginfo_value, at_exit=True)]
SiginfoIn = Annotated[int, Record(128, siginfo_value)]
#: pselect6(2): pointer to a pointer to a set, and its size.
Pselect6Sigmask = Annotated[int, MaskAndSize()]
SigeventPtr = Annotated[int, Record(64, sigevent_value)]
TimerIdOut = Annotated[int, Record(4, timer_id_value, at_exit=True)]
