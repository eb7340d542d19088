"""Arguments of the process calls: kernel/fork.c, kernel/exit.c, kernel/sys.c."""

from __future__ import annotations

import struct
from typing import Annotated

from youcpu.abi import personality, prctl, random, resource, sched
from youcpu.abi.args import (
    Capture,
    Flags,
    Marker,
    OneOf,
    OneOfResult,
    Pointer,
    Record,
    SignedInt,
    UnsignedInt,
    descriptor,
)
from youcpu.abi.args_time import timeval
from youcpu.abi.structs import Rlimit, Rusage, SchedParam, Sysinfo, Utsname
from youcpu.abi.values import (
    OMITTED,
    Address,
    Array,
    Choice,
    Date,
    Dated,
    Either,
    Hex,
    Members,
    Product,
    Remark,
    Struct,
    WaitStatus,
)


class Identity(SignedInt):
    """uid_t, gid_t: -1 means "leave it"; the handler gets a signed number."""

    def capture(self, index: int, call: Capture) -> object:
        value = call.raw[index] & 0xFFFFFFFF
        return -1 if value == 0xFFFFFFFF else value


def rlimit_value(data: bytes, call: Capture) -> Struct:
    """struct rlimit64."""
    limit = Rlimit.unpack(data)
    return Struct({"rlim_cur": _limit(limit.rlim_cur), "rlim_max": _limit(limit.rlim_max)})


def _limit(value: int) -> object:
    if value == resource.RLIM_INFINITY:
        return Choice(value, "RLIM64_INFINITY", "RLIM_???")
    if value > 1024 and value % 1024 == 0:
        return Product(value)
    return value


def utsname_value(data: bytes, call: Capture) -> Struct:
    """struct new_utsname."""
    name = Utsname.unpack(data)

    def text(raw: bytes) -> bytes:
        return raw.split(b"\0", 1)[0]

    fields: dict[str, object] = {
        "sysname": text(name.sysname),
        "nodename": text(name.nodename),
        "release": text(name.release),
        "version": text(name.version),
        "machine": text(name.machine),
        "domainname": text(name.domainname),
    }
    return Struct(fields, ("sysname", "nodename"))


def sysinfo_value(data: bytes, call: Capture) -> Struct:
    """struct sysinfo."""
    info = Sysinfo.unpack(data)
    fields: dict[str, object] = {
        "uptime": info.uptime,
        "loads": Array((info.load_1, info.load_5, info.load_15)),
    }
    for name in ("totalram", "freeram", "sharedram", "bufferram", "totalswap", "freeswap"):
        fields[name] = getattr(info, name)
    for name in ("procs", "totalhigh", "freehigh", "mem_unit"):
        fields[name] = getattr(info, name)
    return Struct(fields)


def rusage_value(data: bytes, call: Capture) -> Struct:
    """struct rusage."""
    usage = Rusage.unpack(data)
    fields: dict[str, object] = {
        "ru_utime": timeval(usage.ru_utime_sec, usage.ru_utime_usec),
        "ru_stime": timeval(usage.ru_stime_sec, usage.ru_stime_usec),
    }
    for name in list(Rusage.__annotations__)[4:]:
        fields[name] = getattr(usage, name)
    return Struct(fields, ("ru_utime", "ru_stime"))


def sched_param_value(data: bytes, call: Capture) -> Array:
    """struct sched_param: `[0]`."""
    return Array((SchedParam.unpack(data).sched_priority,))


class WaitStatusPointer(Marker):
    """Status of wait4(2): filled in if a child was found."""

    at_exit = True

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        data = call.exactly(address, 4) if (call.result or 0) > 0 else None
        if data is None:
            return Address(address)
        return Array((WaitStatus(int.from_bytes(data, "little", signed=True)),))


class IntPointer(Marker):
    """Pointer to a C int that the call fills in: `[5]`."""

    at_exit = True

    def __init__(self, count: int = 1, size: int = 4) -> None:
        self.count = count
        self.size = size

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        data = None if call.failed else call.exactly(address, self.count * self.size)
        if data is None:
            return Address(address)
        return Array(
            tuple(
                int.from_bytes(data[at : at + self.size], "little", signed=True)
                for at in range(0, len(data), self.size)
            )
        )


class DescriptorPair(IntPointer):
    """pipe(2), socketpair(2): two descriptors."""

    def __init__(self) -> None:
        super().__init__(count=2)

    def capture(self, index: int, call: Capture) -> object:
        found = super().capture(index, call)
        if call.fd_path is None or not isinstance(found, Array):
            return found
        numbers = (number for number in found.items if isinstance(number, int))
        return Array(tuple(descriptor(call, number) for number in numbers))


class Groups(Marker):
    """List of group ids."""

    def __init__(self, at_exit: bool) -> None:
        self.at_exit = at_exit

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        count = call.result if self.at_exit else call.raw[index - 1] & 0xFFFFFFFF
        if call.failed or count is None or not address:
            return Address(address)
        if not count:
            return Array(())
        data = call.read(address, 4 * min(count, call.limit))
        if len(data) < 4:
            return Address(address)
        items = struct.unpack(f"<{len(data) // 4}I", data[: len(data) & ~3])
        return Array(items, more=count > len(items))


class ExecutionDomain(UnsignedInt):
    """Argument and result of personality(2)."""

    def capture(self, index: int, call: Capture) -> object:
        return self._persona(call.raw[index] & 0xFFFFFFFF)

    def captured_result(self, result: int, call: Capture) -> tuple[object, Remark | None]:
        return Hex(result), Remark({"": self._persona(result)})

    @staticmethod
    def _persona(value: int) -> object:
        if value == personality.PER_QUERY:
            return Hex(value)
        domain = personality.PER_NAMES.choice(value & personality.PER_MASK)
        flags = value & ~personality.PER_MASK
        if not flags:
            return domain
        return Either((domain, personality.PERSONALITY_BITS.flags(flags)))


class PointerOut(Marker):
    """Pointer to an address that the call fills in."""

    at_exit = True

    def capture(self, index: int, call: Capture) -> object:
        data = None if call.failed else call.exactly(call.raw[index], 8)
        if data is None:
            return Address(call.raw[index])
        return Array((Address(int.from_bytes(data, "little")),))


class Policy(OneOfResult):
    """Argument of sched_setscheduler(2), result of sched_getscheduler(2)."""

    def __init__(self) -> None:
        super().__init__(sched.SCHED_NAMES)


class Membarrier(OneOf):
    """Command of membarrier(2); the answer to the query is a set of commands."""

    decides_result = True

    def __init__(self) -> None:
        super().__init__(sched.MEMBARRIER_NAMES)

    def outcome(self, index: int, call: Capture) -> tuple[object, Remark | None] | None:
        if call.raw[index] & 0xFFFFFFFF or not call.result:
            return None
        return Hex(call.result), Remark({"": self.table.flags(call.result)})


class MembarrierProcessor(SignedInt):
    """Third argument of membarrier(2): only with the flag before it."""

    def capture(self, index: int, call: Capture) -> object:
        flagged = call.raw[index - 1] & 0xFFFFFFFF
        return super().capture(index, call) if flagged else OMITTED


class TimePointer(IntPointer):
    """time(2): the result is a date too."""

    decides_result = True

    def __init__(self) -> None:
        super().__init__(size=8)

    def capture(self, index: int, call: Capture) -> object:
        found = super().capture(index, call)
        if not isinstance(found, Array):
            return found
        (seconds,) = found.items
        assert isinstance(seconds, int)
        return Array((Dated(seconds, seconds, 0, 0),))

    def outcome(self, index: int, call: Capture) -> tuple[object, Remark | None] | None:
        result = call.result or 0
        return (result, Remark({"": Date(result)})) if result > 0 else None


class CpuSet(Marker):
    """Affinity mask: the size is the argument before it."""

    def __init__(self, at_exit: bool = False) -> None:
        self.at_exit = at_exit

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        size = call.result if self.at_exit else call.raw[index - 1]
        if size is None or size < 0 or size > 8192:
            return Address(address)
        data = call.exactly(address, size)
        if data is None:
            return Address(address)
        mask = int.from_bytes(data, "little")
        return Members(tuple(n for n in range(8 * size) if mask >> n & 1))


Pid = Annotated[int, SignedInt()]
Uid = Annotated[int, Identity()]
Gid = Annotated[int, Identity()]
RlimitResource = Annotated[int, OneOf(resource.RLIMIT_NAMES, signed=False)]
RlimitIn = Annotated[int, Record(Rlimit.SIZE, rlimit_value)]
RlimitOut = Annotated[int, Record(Rlimit.SIZE, rlimit_value, at_exit=True)]
RusageWho = Annotated[int, OneOf(resource.RUSAGE_NAMES)]
RusagePtr = Annotated[int, Record(Rusage.SIZE, rusage_value, at_exit=True)]
PriorityWhich = Annotated[int, OneOf(resource.PRIO_NAMES)]
IoprioWhich = Annotated[int, OneOf(resource.IOPRIO_WHO_NAMES)]
UtsnamePtr = Annotated[int, Record(Utsname.SIZE, utsname_value, at_exit=True)]
SysinfoPtr = Annotated[int, Record(Sysinfo.SIZE, sysinfo_value, at_exit=True)]
WaitOptions = Annotated[int, Flags(sched.WAIT_NAMES)]
WaitidType = Annotated[int, OneOf(sched.P_NAMES)]
WaitStatusPtr = Annotated[int, WaitStatusPointer()]
UnshareFlags = Annotated[int, Flags(sched.UNSHARE_NAMES)]
SeccompOperation = Annotated[int, OneOf(prctl.SECCOMP_NAMES, signed=False)]
SchedPolicy = Annotated[int, Policy()]
SchedParamIn = Annotated[int, Record(SchedParam.SIZE, sched_param_value)]
SchedParamOut = Annotated[int, Record(SchedParam.SIZE, sched_param_value, at_exit=True)]
#: Stands right behind the size.
CpuSetIn = Annotated[int, CpuSet()]
#: Its size is the result.
CpuSetOut = Annotated[int, CpuSet(at_exit=True)]
GetrandomFlags = Annotated[int, Flags(random.GRND_NAMES)]
#: Pointer to one int that the call fills in.
IntOut = Annotated[int, IntPointer()]
UIntOut = Annotated[int, IntPointer()]
#: time(2).
TimePtr = Annotated[int, TimePointer()]
#: Pointer to a long that the call fills in.
LongOut = Annotated[int, IntPointer(size=8)]
#: pipe(2): two descriptors.
PipeFdsPtr = Annotated[int, DescriptorPair()]
RobustListPtr = Annotated[int, Pointer()]
RseqPtr = Annotated[int, Pointer()]
#: getgroups(2): the result says how many; setgroups(2): the argument before it.
GroupsPtr = Annotated[int, Groups(at_exit=True)]
GroupsIn = Annotated[int, Groups(at_exit=False)]
Persona = Annotated[int, ExecutionDomain()]
RobustListOut = Annotated[int, PointerOut()]
MembarrierCommand = Annotated[int, Membarrier()]
MembarrierFlags = Annotated[int, Flags(sched.MEMBARRIER_FLAG_NAMES)]
MembarrierCpu = Annotated[int, MembarrierProcessor()]
PidfdFlags = Annotated[int, Flags(sched.PIDFD_NAMES)]
