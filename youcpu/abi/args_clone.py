"""Arguments of clone(2) and clone3(2): kernel/fork.c.

strace writes clone's arguments with their names and in an order of its own: stack, flags,
parent_tid, tls, child_tid. So the marker of each place shows another register.
"""

from __future__ import annotations

import struct
from typing import Annotated

from youcpu.abi import sched
from youcpu.abi.args import Capture, Marker
from youcpu.abi.args_signal import signal_choice
from youcpu.abi.values import OMITTED, Address, Array, Changed, Either, Hex, Named, Struct


class FlagsPlace(Marker):
    """First argument, the flags: shows the stack."""

    def capture(self, index: int, call: Capture) -> object:
        return Named("child_stack", Address(call.raw[1]))


class StackPlace(Marker):
    """Second argument, the stack: shows the flags; their low byte is a signal."""

    def capture(self, index: int, call: Capture) -> object:
        raw = call.raw[0]
        signal = raw & sched.CSIGNAL
        parts: list[object] = []
        if raw & ~sched.CSIGNAL:
            parts.append(sched.CLONE_NAMES.flags(raw & ~sched.CSIGNAL))
        if signal or not parts:
            parts.append(signal_choice(signal))
        return Named("flags", Either(tuple(parts)))


class ParentTidPlace(Marker):
    """Third argument: where the parent finds the child's id."""

    at_exit = True

    def capture(self, index: int, call: Capture) -> object:
        if not call.raw[0] & (sched.CLONE_PARENT_SETTID | sched.CLONE_PIDFD):
            return OMITTED
        data = None if call.failed else call.exactly(call.raw[2], 4)
        if data is None:
            return Named("parent_tid", Address(call.raw[2]))
        number = int.from_bytes(data, "little", signed=True)
        return Named("parent_tid", Array((number,)))


class ChildTidPlace(Marker):
    """Fourth argument, child_tid: shows the thread's local storage."""

    def capture(self, index: int, call: Capture) -> object:
        if not call.raw[0] & sched.CLONE_SETTLS:
            return OMITTED
        return Named("tls", Address(call.raw[4]))


class TlsPlace(Marker):
    """Fifth argument, tls: shows child_tid."""

    def capture(self, index: int, call: Capture) -> object:
        if not call.raw[0] & (sched.CLONE_CHILD_SETTID | sched.CLONE_CHILD_CLEARTID):
            return OMITTED
        return Named("child_tidptr", Address(call.raw[3]))


class Clone3(Marker):
    """struct clone_args; fields that are not used are not shown."""

    changes = True

    def capture(self, index: int, call: Capture) -> object:
        size = call.raw[index + 1]
        data = call.exactly(call.raw[index], min(size, 88)) if size >= 64 else None
        if data is None:
            return Address(call.raw[index])
        words = struct.unpack("<11Q", data.ljust(88, b"\0"))
        flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls = words[:8]
        set_tid, set_tid_size, cgroup = words[8:]
        fields: dict[str, object] = {"flags": sched.CLONE3_NAMES.flags(flags)}
        if flags & sched.CLONE_PIDFD:
            fields["pidfd"] = Address(pidfd)
        if flags & (sched.CLONE_CHILD_SETTID | sched.CLONE_CHILD_CLEARTID):
            fields["child_tid"] = Address(child_tid)
        if flags & sched.CLONE_PARENT_SETTID:
            fields["parent_tid"] = Address(parent_tid)
        fields["exit_signal"] = signal_choice(exit_signal)
        fields["stack"] = Address(stack)
        fields["stack_size"] = Hex(stack_size)
        if flags & sched.CLONE_SETTLS:
            fields["tls"] = Address(tls)
        if set_tid or set_tid_size:
            fields["set_tid"] = Address(set_tid)
            fields["set_tid_size"] = set_tid_size
        if cgroup or flags & sched.CLONE_INTO_CGROUP:
            fields["cgroup"] = cgroup
        return Struct(fields)

    def changed(self, index: int, call: Capture, before: object) -> object:
        """The ids that the kernel stored."""
        if call.failed or not isinstance(before, Struct):
            return before
        stored: dict[str, object] = {}
        for name in ("pidfd", "parent_tid"):
            address = before.fields.get(name)
            data = call.exactly(address, 4) if isinstance(address, Address) else None
            if data is not None:
                stored[name] = Array((int.from_bytes(data, "little", signed=True),))
        return Changed(before, Struct(stored)) if stored else before


CloneFlags = Annotated[int, FlagsPlace()]
CloneStack = Annotated[int, StackPlace()]
CloneParentTid = Annotated[int, ParentTidPlace()]
CloneChildTid = Annotated[int, ChildTidPlace()]
CloneTls = Annotated[int, TlsPlace()]
#: Its size is the next argument.
Clone3Ptr = Annotated[int, Clone3()]
