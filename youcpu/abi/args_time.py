"""Arguments of clocks and timers: kernel/time/."""

from __future__ import annotations

from typing import Annotated

from youcpu.abi import time
from youcpu.abi.args import Capture, Flags, Marker, OneOf, Record
from youcpu.abi.structs import Itimerspec, Itimerval, Timespec, Timeval, Timezone, Tms
from youcpu.abi.values import Address, Array, Dated, Noted, Struct


def timespec(sec: int, nsec: int) -> Struct:
    """`{tv_sec=1, tv_nsec=0}`."""
    return Struct({"tv_sec": sec, "tv_nsec": nsec})


def timeval(sec: int, usec: int) -> Struct:
    """`{tv_sec=1, tv_usec=0}`."""
    return Struct({"tv_sec": sec, "tv_usec": usec})


def timespec_value(data: bytes, call: Capture) -> Struct:
    """struct timespec."""
    ts = Timespec.unpack(data)
    return timespec(ts.tv_sec, ts.tv_nsec)


def timeval_value(data: bytes, call: Capture) -> Struct:
    """struct timeval."""
    tv = Timeval.unpack(data)
    return timeval(tv.tv_sec, tv.tv_usec)


def timezone_value(data: bytes, call: Capture) -> Struct:
    """struct timezone."""
    tz = Timezone.unpack(data)
    return Struct({"tz_minuteswest": tz.tz_minuteswest, "tz_dsttime": tz.tz_dsttime})


def itimerval_value(data: bytes, call: Capture) -> Struct:
    """struct itimerval."""
    it = Itimerval.unpack(data)
    return Struct(
        {
            "it_interval": timeval(it.interval_sec, it.interval_usec),
            "it_value": timeval(it.value_sec, it.value_usec),
        }
    )


def itimerspec_value(data: bytes, call: Capture) -> Struct:
    """struct itimerspec."""
    it = Itimerspec.unpack(data)
    return Struct(
        {
            "it_interval": timespec(it.interval_sec, it.interval_nsec),
            "it_value": timespec(it.value_sec, it.value_nsec),
        }
    )


def tms_value(data: bytes, call: Capture) -> Struct:
    """struct tms."""
    tms = Tms.unpack(data)
    names = ("tms_utime", "tms_stime", "tms_cutime", "tms_cstime")
    return Struct({name: _ticks(getattr(tms, name)) for name in names})


def _ticks(ticks: int) -> object:
    """Clock ticks, 100 a second."""
    return Noted(ticks, f"{ticks / 100:.2f} s") if ticks else 0


class RemainingTime(Record):
    """What was left of a sleep: filled in only if a signal ended it."""

    def __init__(self) -> None:
        super().__init__(Timespec.SIZE, timespec_value, at_exit=True)

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        if call.result not in (-4, -516):
            return Address(address)
        data = call.exactly(address, self.size)
        return Address(address) if data is None else self.decode(data, call)


class FileTimes(Marker):
    """utimensat(2): two timespecs, access and modification."""

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        data = call.exactly(address, 2 * Timespec.SIZE)
        if data is None:
            return Address(address)
        return Array((_file_time(data[:16]), _file_time(data[16:])))


def _file_time(data: bytes) -> object:
    ts = Timespec.unpack(data)
    if ts.tv_nsec == time.UTIME_NOW or ts.tv_nsec == time.UTIME_OMIT:
        return time.UTIME_NAMES.choice(ts.tv_nsec)
    return Dated(timespec(ts.tv_sec, ts.tv_nsec), ts.tv_sec, ts.tv_nsec, 9)


class FileTimevals(Marker):
    """utimes(2): two timevals, access and modification."""

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        data = call.exactly(address, 2 * Timeval.SIZE)
        if data is None:
            return Address(address)
        return Array((_file_timeval(data[:16]), _file_timeval(data[16:])))


def _file_timeval(data: bytes) -> Dated:
    tv = Timeval.unpack(data)
    return Dated(timeval(tv.tv_sec, tv.tv_usec), tv.tv_sec, tv.tv_usec, 6)


ClockId = Annotated[int, OneOf(time.CLOCK_NAMES)]
TimerFlags = Annotated[int, Flags(time.TIMER_NAMES)]
TimerfdFlags = Annotated[int, Flags(time.TFD_NAMES)]
ItimerWhich = Annotated[int, OneOf(time.ITIMER_NAMES)]
TimespecIn = Annotated[int, Record(Timespec.SIZE, timespec_value)]
TimespecOut = Annotated[int, Record(Timespec.SIZE, timespec_value, at_exit=True)]
#: nanosleep(2), clock_nanosleep(2).
RemainingTimePtr = Annotated[int, RemainingTime()]
TimevalIn = Annotated[int, Record(Timeval.SIZE, timeval_value)]
TimevalOut = Annotated[int, Record(Timeval.SIZE, timeval_value, at_exit=True)]
TimezoneIn = Annotated[int, Record(Timezone.SIZE, timezone_value)]
TimezoneOut = Annotated[int, Record(Timezone.SIZE, timezone_value, at_exit=True)]
ItimervalIn = Annotated[int, Record(Itimerval.SIZE, itimerval_value)]
ItimervalOut = Annotated[int, Record(Itimerval.SIZE, itimerval_value, at_exit=True)]
ItimerspecIn = Annotated[int, Record(Itimerspec.SIZE, itimerspec_value)]
ItimerspecOut = Annotated[int, Record(Itimerspec.SIZE, itimerspec_value, at_exit=True)]
TmsPtr = Annotated[int, Record(Tms.SIZE, tms_value, at_exit=True)]
#: utimensat(2): NULL or two timespecs.
UtimensPtr = Annotated[int, FileTimes()]
#: utimes(2), futimesat(2): NULL or two timevals.
UtimesPtr = Annotated[int, FileTimevals()]
