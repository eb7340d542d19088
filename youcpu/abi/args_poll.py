"""Arguments of poll(2), select(2), epoll(7): fs/select.c, fs/eventpoll.c."""

from __future__ import annotations

from typing import Annotated

from youcpu.abi import poll
from youcpu.abi.args import Capture, Flags, Marker, OneOf, Record, descriptor
from youcpu.abi.args_time import timespec_value, timeval_value
from youcpu.abi.structs import EpollEvent, PollFd, Timespec, Timeval
from youcpu.abi.values import Address, Array, Members, Remark, Struct

#: With -v; the kernel takes no more than the limit of descriptors.
_MOST = 4096


class PollFds(Marker):
    """What to wait for; with the result goes what came."""

    decides_result = True

    def capture(self, index: int, call: Capture) -> object:
        count = call.raw[index + 1] & 0xFFFFFFFF
        address = call.raw[index]
        if not count:
            return Array(())
        data = (
            call.read(address, min(count, _MOST if call.verbose else call.limit) * PollFd.SIZE)
            if address
            else b""
        )
        if len(data) < PollFd.SIZE:
            return Address(address)
        items: list[object] = []
        for at in range(0, len(data) - PollFd.SIZE + 1, PollFd.SIZE):
            entry = PollFd.unpack(data[at : at + PollFd.SIZE])
            fields: dict[str, object] = {"fd": descriptor(call, entry.fd)}
            if entry.fd >= 0:
                fields["events"] = poll.POLL_NAMES.flags(entry.events & 0xFFFF)
            items.append(Struct(fields))
        return Array(tuple(items), more=count > len(items))

    def outcome(self, index: int, call: Capture) -> tuple[object, Remark | None] | None:
        if call.result is None or call.result < 0:
            return None
        if not call.result:
            return 0, Remark({"": "Timeout"})
        count = call.raw[index + 1] & 0xFFFFFFFF
        data = call.read(call.raw[index], min(count, _MOST) * PollFd.SIZE)
        ready: list[object] = []
        more = False
        for at in range(0, len(data) - PollFd.SIZE + 1, PollFd.SIZE):
            entry = PollFd.unpack(data[at : at + PollFd.SIZE])
            if not entry.revents:
                continue
            if len(ready) == call.limit and not call.verbose:
                more = True
                break
            revents = poll.POLL_NAMES.flags(entry.revents & 0xFFFF)
            ready.append(Struct({"fd": descriptor(call, entry.fd), "revents": revents}))
        return call.result, Remark({"": Array(tuple(ready), more)})


class FdSet(Marker):
    """fd_set of select(2): the first argument says how many bits count."""

    decides_result = True

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        found = _fd_set(call, address)
        return Address(address) if found is None else found

    def outcome(self, index: int, call: Capture) -> tuple[object, Remark | None] | None:
        label = ("in", "out", "except")[index - 1]
        if call.failed or call.result is None:
            return None
        if not call.result:
            return (0, Remark({"": "Timeout"})) if index == 1 else None
        found = _fd_set(call, call.raw[index])
        return (call.result, Remark({label: found})) if found and found.items else None


class WaitTime(Record):
    """Timeout of select(2), ppoll(2): the call stores what is left of it."""

    decides_result = True

    def outcome(self, index: int, call: Capture) -> tuple[object, Remark | None] | None:
        if not call.result or call.failed:
            return None
        left = call.exactly(call.raw[index], self.size)
        if left is None:
            return None
        return call.result, Remark({"left": self.decode(left, call)})


def _fd_set(call: Capture, address: int) -> Members | None:
    count = call.raw[0] & 0xFFFFFFFF
    # Linux takes no more than the descriptor table holds.
    count = 0 if count >= 1 << 31 else min(count, 65536)
    data = call.exactly(address, (count + 63) // 64 * 8)
    if data is None:
        return None
    mask = int.from_bytes(data, "little")
    return Members(tuple(descriptor(call, n) for n in range(count) if mask >> n & 1))


class EpollEventIn(Marker):
    """epoll_ctl(2): one event."""

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        data = call.exactly(address, EpollEvent.SIZE)
        return Address(address) if data is None else _epoll_event(data)


def _epoll_event(data: bytes) -> Struct:
    event = EpollEvent.unpack(data)
    low, high = event.data & 0xFFFFFFFF, event.data
    return Struct(
        {
            "events": poll.EPOLL_NAMES.flags(event.events),
            "data": Struct({"u32": low, "u64": high}),
        }
    )


class EpollEventsOut(Marker):
    """epoll_wait(2): as many events as the result says."""

    at_exit = True

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        if call.failed or call.result is None:
            return Address(address)
        data = call.read(address, min(call.result, call.limit) * EpollEvent.SIZE)
        size = EpollEvent.SIZE
        starts = range(0, len(data) - size + 1, size)
        items = tuple(_epoll_event(data[at : at + size]) for at in starts)
        return Array(items, more=call.result > len(items))


#: select(2); poll has no such thing.
SelectTimeout = Annotated[int, WaitTime(Timeval.SIZE, timeval_value)]
#: ppoll(2), pselect6(2).
PpollTimeout = Annotated[int, WaitTime(Timespec.SIZE, timespec_value)]
PollFdsPtr = Annotated[int, PollFds()]
FdSetPtr = Annotated[int, FdSet()]
EpollCreateFlags = Annotated[int, Flags(poll.EPOLL_CREATE_NAMES)]
EpollOperation = Annotated[int, OneOf(poll.EPOLL_CTL_NAMES)]
EpollEventPtr = Annotated[int, EpollEventIn()]
EpollEventsPtr = Annotated[int, EpollEventsOut()]
EventfdFlags = Annotated[int, Flags(poll.EFD_NAMES)]
InotifyFlags = Annotated[int, Flags(poll.IN_NAMES)]
