"""Clocks, sleeping, interval timers: kernel/time/. All times are virtual (kernel/clock.py)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Int, Long, UInt
from youcpu.abi.args_process import TimePtr
from youcpu.abi.args_signal import SigeventPtr, TimerIdOut
from youcpu.abi.args_time import (
    ClockId,
    ItimerspecIn,
    ItimerspecOut,
    ItimervalIn,
    ItimervalOut,
    ItimerWhich,
    RemainingTimePtr,
    TimerFlags,
    TimespecIn,
    TimespecOut,
    TimevalIn,
    TimevalOut,
    TimezoneIn,
    TimezoneOut,
    TmsPtr,
)
from youcpu.abi.errno import ERESTART_RESTARTBLOCK, ERESTARTNOHAND, Errno
from youcpu.abi.signal import SI_TIMER, Sig
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user, put_user
from youcpu.kernel.signal import SigInfo, send_signal
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.time import (
    KTIME_MAX,
    NS,
    read_timespec,
    read_timeval,
    write_timespec,
    write_timeval,
)
from youcpu.kernel.timer import Timer

if TYPE_CHECKING:
    from youcpu.kernel.task import Task, ThreadGroup

CLOCK_REALTIME, CLOCK_MONOTONIC = 0, 1
CLOCK_PROCESS_CPUTIME, CLOCK_THREAD_CPUTIME = 2, 3
CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM, CLOCK_TAI = 7, 8, 9, 11
#: With CLOCK_MONOTONIC_RAW and the coarse ones. The alarm clocks need an RTC device.
_MONOTONIC_KIND = {1, 4, 6, 7}
_REALTIME_KIND = {0, 5, 11}
_COARSE = {5: 4_000_000, 6: 4_000_000}
TIMER_ABSTIME = 1
ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF = range(3)
_ITIMER_SIGNALS = (Sig.SIGALRM, Sig.SIGVTALRM, Sig.SIGPROF)
SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, SIGEV_THREAD_ID = 0, 1, 2, 4
TICK_NS = 10_000_000


def read_clock(task: Task, clock_id: int) -> int:
    """A clock in ns. Raises EINVAL."""
    clock = task.kernel.clock
    if clock_id in _REALTIME_KIND:
        now = clock.realtime_ns()
    elif clock_id in _MONOTONIC_KIND:
        now = clock.monotonic_ns()
    elif clock_id in (CLOCK_PROCESS_CPUTIME, CLOCK_THREAD_CPUTIME) or clock_id < 0:
        return _cpu_clock(task, clock_id)
    else:
        raise KernelError(Errno.EINVAL)
    grain = _COARSE.get(clock_id)
    return now - now % grain if grain else now


def _cpu_clock(task: Task, clock_id: int) -> int:
    """CLOCK_PROCESS_CPUTIME_ID and the others of posix-cpu-timers.c: bit 2 means a thread."""
    thread = clock_id == CLOCK_THREAD_CPUTIME
    target: Task | None = task
    if clock_id < 0:
        pid, thread = ~(clock_id >> 3), bool(clock_id & 4)
        target = task.kernel.tasks.get(pid) if pid else task
        if clock_id & 3 == 3 or target is None or (thread and target.group is not task.group):
            raise KernelError(Errno.EINVAL)
    assert target is not None
    return task.kernel.scheduler.cpu_time(target) if thread else target.group.cpu_time()


@syscall(228)
def clock_gettime(task: Task, clockid: ClockId, tp: TimespecOut) -> Int:
    """clock_gettime(2)."""
    write_timespec(task, tp, read_clock(task, clockid))
    return 0


@syscall(229)
def clock_getres(task: Task, clockid: ClockId, res: TimespecOut) -> Int:
    """clock_getres(2)."""
    read_clock(task, clockid)
    if res:
        write_timespec(task, res, _COARSE.get(clockid, 1))
    return 0


@syscall(227, partial="the virtual clock of this machine is set, by CAP_SYS_TIME")
def clock_settime(task: Task, clockid: ClockId, tp: TimespecIn) -> Int:
    """clock_settime(2)."""
    if clockid != CLOCK_REALTIME:
        read_clock(task, clockid)
        raise KernelError(Errno.EINVAL)
    wanted = read_timespec(task, tp)
    if not task.cred.effective:
        raise KernelError(Errno.EPERM)
    task.kernel.set_realtime(wanted)
    return 0


@syscall(96)
def gettimeofday(task: Task, tv: TimevalOut, tz: TimezoneOut) -> Int:
    """gettimeofday(2)."""
    if tv:
        write_timeval(task, tv, task.kernel.clock.realtime_ns())
    if tz:
        copy_to_user(task, tz, bytes(8))
    return 0


@syscall(164, partial="the virtual clock of this machine is set, by CAP_SYS_TIME")
def settimeofday(task: Task, tv: TimevalIn, tz: TimezoneIn) -> Int:
    """settimeofday(2)."""
    wanted = read_timeval(task, tv) if tv else None
    if not task.cred.effective:
        raise KernelError(Errno.EPERM)
    if wanted is not None:
        task.kernel.set_realtime(wanted)
    return 0


@syscall(201)
def time(task: Task, tloc: TimePtr) -> Long:
    """time(2)."""
    now = task.kernel.clock.realtime_ns() // NS
    if tloc:
        put_user(task, tloc, now, 8)
    return now


@syscall(100)
def times(task: Task, buf: TmsPtr) -> Long:
    """times(2): all time of the process counts as user time."""
    clock = task.kernel.clock
    group = task.group
    if buf:
        own, children = group.cpu_time() // TICK_NS, group.children_cpu_ns // TICK_NS
        copy_to_user(task, buf, struct.pack("<4q", own, 0, children, 0))
    return clock.monotonic_ns() // TICK_NS


# -- sleeping ----------------------------------------------------------------------------------


def _sleep(task: Task, deadline: int, remaining: int) -> int:
    """Wait for a monotonic time; `remaining`: where to tell what is left after a signal."""
    left = deadline - task.kernel.clock.monotonic_ns()
    if left <= 0:
        return 0
    if remaining and task.signal_pending:
        write_timespec(task, remaining, left)
    restart = ERESTART_RESTARTBLOCK if remaining != -1 else ERESTARTNOHAND
    raise Blocked(None, min(deadline, KTIME_MAX), restart)


@syscall(35)
def nanosleep(task: Task, duration: TimespecIn, rem: RemainingTimePtr) -> Int:
    """nanosleep(2)."""
    if task.restart is None:
        task.restart = task.kernel.clock.monotonic_ns() + read_timespec(task, duration)
    return _sleep(task, task.restart, rem)


@syscall(230)
def clock_nanosleep(
    task: Task, clockid: ClockId, flags: TimerFlags, t: TimespecIn, remain: RemainingTimePtr
) -> Int:
    """clock_nanosleep(2)."""
    if clockid == CLOCK_THREAD_CPUTIME or clockid in _COARSE or clockid == 4:
        raise KernelError(Errno.EINVAL if clockid == CLOCK_THREAD_CPUTIME else Errno.EOPNOTSUPP)
    if task.restart is None:
        now = read_clock(task, clockid)
        wanted = read_timespec(task, t)
        ahead = max(0, wanted - now) if flags & TIMER_ABSTIME else wanted
        task.restart = task.kernel.clock.monotonic_ns() + ahead
    return _sleep(task, task.restart, -1 if flags & TIMER_ABSTIME else remain)


# -- interval timers ---------------------------------------------------------------------------


def _itimer_left(task: Task, which: int) -> tuple[int, int]:
    """(interval, time left) in ns."""
    timer, interval = task.group.itimers.get(which, (None, 0))
    if timer is None or not timer.active:
        return interval, 0
    return interval, max(1000, timer.deadline_ns - task.kernel.clock.monotonic_ns())


def _arm(task: Task, which: int, interval: int, value: int) -> None:
    group, timers = task.group, task.kernel.timers
    old = group.itimers.pop(which, None)
    if old is not None:
        old[0].cancel()
    if not value:
        return

    def fire() -> None:
        if not group.threads:
            return
        if interval:
            group.itimers[which] = (
                timers.add(timers.clock.monotonic_ns() + interval, fire),
                interval,
            )
        send_signal(group.threads[0], SigInfo(_ITIMER_SIGNALS[which]))

    group.itimers[which] = (timers.add(timers.clock.monotonic_ns() + value, fire), interval)


@syscall(36)
def getitimer(task: Task, which: ItimerWhich, curr_value: ItimervalOut) -> Int:
    """getitimer(2)."""
    if which not in (ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF):
        raise KernelError(Errno.EINVAL)
    interval, left = _itimer_left(task, which)
    write_timeval(task, curr_value, interval)
    write_timeval(task, curr_value + 16, left)
    return 0


@syscall(38, partial="ITIMER_VIRTUAL and ITIMER_PROF count all time of the machine")
def setitimer(
    task: Task, which: ItimerWhich, new_value: ItimervalIn, old_value: ItimervalOut
) -> Int:
    """setitimer(2)."""
    interval = value = 0
    if new_value:
        interval, value = read_timeval(task, new_value), read_timeval(task, new_value + 16)
    if which not in (ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF):
        raise KernelError(Errno.EINVAL)
    old_interval, left = _itimer_left(task, which)
    _arm(task, which, interval, value)
    task.kernel.reschedule_timer()
    if old_value:
        write_timeval(task, old_value, old_interval)
        write_timeval(task, old_value + 16, left)
    return 0


@syscall(37)
def alarm(task: Task, seconds: UInt) -> UInt:
    """alarm(2)."""
    _, left = _itimer_left(task, ITIMER_REAL)
    _arm(task, ITIMER_REAL, 0, seconds * NS)
    task.kernel.reschedule_timer()
    return max(1, (left + NS // 2) // NS) if left else 0


# -- POSIX timers ------------------------------------------------------------------------------


class PosixTimer:
    """struct k_itimer."""

    def __init__(self, number: int, clock_id: int, notify: int, signo: int, value: int) -> None:
        self.number = number
        self.clock_id = clock_id
        self.notify = notify
        self.signo = signo
        self.value = value
        self.interval = 0
        self.overrun = 0
        self.timer: Timer | None = None

    def cancel(self) -> None:
        """Disarm."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def arm(self, group: ThreadGroup, task: Task, delay: int) -> None:
        """Fire after `delay` ns, and every interval from then on."""
        timers = task.kernel.timers

        def fire() -> None:
            if not group.threads:
                return
            if self.interval:
                self.timer = timers.add(timers.clock.monotonic_ns() + self.interval, fire)
            if self.notify != SIGEV_NONE:
                info = SigInfo(
                    self.signo, SI_TIMER, value=self.value, timer_id=self.number, layout="timer"
                )
                send_signal(group.threads[0], info)

        self.timer = timers.add(timers.clock.monotonic_ns() + delay, fire)


def _posix_timer(task: Task, number: int) -> PosixTimer:
    timer = task.group.posix_timers.get(number)
    if timer is None:
        raise KernelError(Errno.EINVAL)
    assert isinstance(timer, PosixTimer)
    return timer


@syscall(222, partial="signals to the process or to no one")
def timer_create(task: Task, clockid: ClockId, sevp: SigeventPtr, timerid: TimerIdOut) -> Int:
    """timer_create(2)."""
    read_clock(task, clockid)
    notify, signo, value = SIGEV_SIGNAL, int(Sig.SIGALRM), 0
    timers = task.group.posix_timers
    number = next(i for i in range(len(timers) + 1) if i not in timers)
    if sevp:
        value, signo, notify = struct.unpack_from("<Qii", copy_from_user(task, sevp, 64))
        if notify not in (SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID):
            raise KernelError(Errno.EINVAL)
        if notify != SIGEV_NONE and not 1 <= signo <= 64:
            raise KernelError(Errno.EINVAL)
    else:
        value = number
    if len(timers) >= 4096:
        raise KernelError(Errno.EAGAIN)
    put_user(task, timerid, number, 4)
    timers[number] = PosixTimer(number, clockid, notify, signo, value)
    return 0


@syscall(223)
def timer_settime(
    task: Task, timerid: Int, flags: TimerFlags, new: ItimerspecIn, old: ItimerspecOut
) -> Int:
    """timer_settime(2)."""
    if not new:
        raise KernelError(Errno.EINVAL)
    interval, value = read_timespec(task, new), read_timespec(task, new + 16)
    timer = _posix_timer(task, timerid)
    before = _timer_left(task, timer)
    timer.cancel()
    timer.interval = interval
    if value:
        if flags & TIMER_ABSTIME:
            value = max(0, value - read_clock(task, timer.clock_id))
        timer.arm(task.group, task, value)
        task.kernel.reschedule_timer()
    if old:
        write_timespec(task, old, before[0])
        write_timespec(task, old + 16, before[1])
    return 0


def _timer_left(task: Task, timer: PosixTimer) -> tuple[int, int]:
    if timer.timer is None or not timer.timer.active:
        return timer.interval, 0
    return timer.interval, max(1, timer.timer.deadline_ns - task.kernel.clock.monotonic_ns())


@syscall(224)
def timer_gettime(task: Task, timerid: Int, curr: ItimerspecOut) -> Int:
    """timer_gettime(2)."""
    interval, left = _timer_left(task, _posix_timer(task, timerid))
    write_timespec(task, curr, interval)
    write_timespec(task, curr + 16, left)
    return 0


@syscall(225)
def timer_getoverrun(task: Task, timerid: Int) -> Int:
    """timer_getoverrun(2)."""
    return _posix_timer(task, timerid).overrun


@syscall(226)
def timer_delete(task: Task, timerid: Int) -> Int:
    """timer_delete(2)."""
    _posix_timer(task, timerid).cancel()
    del task.group.posix_timers[timerid]
    return 0
