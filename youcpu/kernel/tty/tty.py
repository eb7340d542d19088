"""Terminal devices: drivers/tty/tty_io.c, tty_ioctl.c. /dev/console, /dev/ttyS0, /dev/tty.

Bytes come and go through a driver of the machine's maker; what they mean is n_tty.py's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakSet

from youcpu.abi import ioctl as io
from youcpu.abi import termios as t
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_NOCTTY
from youcpu.abi.poll import POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from youcpu.abi.signal import Sig
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user, put_user
from youcpu.kernel.tty.job_control import (
    Terminal,
    check_change,
    jobctrl_ioctl,
    kill_pgrp,
    open_acquires,
)
from youcpu.kernel.tty.n_tty import VMIN, VTIME, LineDiscipline, Settings
from youcpu.kernel.vfs.file import File
from youcpu.kernel.wait import WaitQueue

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry

#: Device numbers (major, minor).
TTY, CONSOLE, SERIAL = (5, 0), (5, 1), (4, 64)
_TERMIOS = struct.Struct("<4IB19s")
_TERMIOS2 = struct.Struct("<4IB19sII")
_RATE = 9600
_NS_PER_TENTH = 100_000_000
_GET, _SET = (io.TCGETS, io.TCGETS2), (io.TCSETS, io.TCSETSW, io.TCSETSF)
_SET2 = (io.TCSETS2, io.TCSETSW2, io.TCSETSF2)
_FLUSHING = (io.TCSETSF, io.TCSETSF2)


class Tty(Terminal):
    """One terminal line. `send` takes what goes out over it."""

    def __init__(
        self, kernel: Kernel, number: tuple[int, int], send: Callable[[bytes], object]
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.number = number
        self.settings = Settings()
        self.discipline = LineDiscipline(self.settings, send, self._typed_signal)
        self.read_queue = WaitQueue()
        #: Rows, columns, and both in pixels: struct winsize.
        self.window = (0, 0, 0, 0)
        self._files: WeakSet[TtyFile] = WeakSet()

    def _typed_signal(self, signo: int) -> None:
        if self.pgrp:
            kill_pgrp(self.kernel, self.pgrp, signo)

    def receive(self, data: bytes) -> None:
        """Bytes came in over the line."""
        self.discipline.receive(data)
        self.read_queue.wake_up()

    def opened(self, file: TtyFile) -> None:
        """One more open file, to be hung up with the others."""
        self._files.add(file)

    def hang_up(self) -> None:
        for file in self._files:
            if not file.console:
                file.hung_up = True
        self.discipline.flush_input()
        self.read_queue.wake_up()

    def set_window(self, rows: int, columns: int, width: int = 0, height: int = 0) -> None:
        """TIOCSWINSZ: the foreground learns of a change."""
        window = (rows, columns, width, height)
        if window != self.window:
            self.window = window
            if self.pgrp:
                kill_pgrp(self.kernel, self.pgrp, Sig.SIGWINCH)


def open_tty(tty: Tty, dentry: Dentry, flags: int, task: Task, console: bool) -> TtyFile:
    """tty_open(): `console` (/dev/console) never becomes a controlling terminal."""
    file = TtyFile(dentry, flags, tty, console)
    tty.opened(file)
    if not console and not flags & O_NOCTTY:
        open_acquires(task, tty, file.readable)
    return file


class TtyFile(File):
    """An open terminal."""

    __slots__ = ("console", "hung_up", "tty")
    stream = True
    pollable = True
    writes_all = True
    seekable = False

    def __init__(self, dentry: Dentry, flags: int, tty: Tty, console: bool) -> None:
        super().__init__(dentry, flags)
        self.tty = tty
        self.console = console
        #: The session's leader is gone: nothing comes and goes any more.
        self.hung_up = False

    @property
    def queue(self) -> WaitQueue:
        return self.tty.read_queue

    def _task(self) -> Task:
        task = self.tty.kernel.scheduler.current
        assert task is not None
        return task

    def read(self, count: int) -> bytes:
        if self.hung_up:
            return b""
        task, discipline = self._task(), self.tty.discipline
        if not self.console:
            check_change(task, self.tty, Sig.SIGTTIN)
        if not count:
            return b""
        if self.tty.settings.lflag & t.ICANON:
            if not discipline.available:
                self._wait(None)
            return discipline.take(count)
        return self._read_raw(task, count)

    def _read_raw(self, task: Task, count: int) -> bytes:
        """Non-canonical: VMIN bytes, or what is there when VTIME tenths are over."""
        discipline, cc = self.tty.discipline, self.tty.settings.cc
        least, tenths = min(cc[VMIN], count), cc[VTIME]
        available = discipline.available
        if available and available >= least:
            return discipline.take(count)
        now = self.tty.kernel.clock.monotonic_ns()
        if tenths and (available or not cc[VMIN]):
            deadline = task.restart
            if not isinstance(deadline, int):
                deadline = task.restart = now + tenths * _NS_PER_TENTH
            if now >= deadline:
                return discipline.take(count)
            self._wait(deadline)
        if not least:
            return b""
        self._wait(None)
        return b""

    def _wait(self, deadline: int | None) -> None:
        if self.nonblocking:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(self.tty.read_queue, deadline)

    def write(self, data: bytes) -> int:
        if self.hung_up:
            raise KernelError(Errno.EIO)
        if not self.console and self.tty.settings.lflag & t.TOSTOP:
            check_change(self._task(), self.tty, Sig.SIGTTOU)
        self.tty.discipline.write(data)
        return len(data)

    def poll(self) -> int:
        if self.hung_up:
            return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLHUP
        settings = self.tty.settings
        wanted = 1
        if not settings.lflag & t.ICANON and not settings.cc[VTIME]:
            wanted = max(settings.cc[VMIN], 1)
        ready = self.tty.discipline.available >= wanted
        return POLLOUT | POLLWRNORM | (POLLIN | POLLRDNORM if ready else 0)

    # -- ioctl ---------------------------------------------------------------------------------

    def ioctl(self, task: Task, command: int, argument: int) -> int:
        tty = self.tty
        if self.hung_up:
            # hung_up_tty_ioctl(): only the session may be asked for.
            raise KernelError(Errno.ENOTTY if command == io.TIOCSPGRP else Errno.EIO)
        answer = jobctrl_ioctl(task, tty, command, argument)
        if answer is not None:
            return answer
        if command in _GET:
            self._get(task, command, argument)
        elif command in _SET or command in _SET2:
            self._set(task, command, argument)
        elif command == io.TIOCGWINSZ:
            copy_to_user(task, argument, struct.pack("<4H", *tty.window))
        elif command == io.TIOCSWINSZ:
            tty.set_window(*struct.unpack("<4H", copy_from_user(task, argument, 8)))
        elif command == io.FIONREAD:
            put_user(task, argument, tty.discipline.available, 4)
        elif command in (io.TIOCOUTQ, io.TIOCGETD):
            put_user(task, argument, 0, 4)
        elif command in (io.TCFLSH, io.TCXONC, io.TCSBRK, io.TCSBRKP):
            check_change(task, tty, Sig.SIGTTOU)
            self._control(command, argument & 0xFFFFFFFF)
        else:
            raise KernelError(Errno.ENOTTY)
        return 0

    def _get(self, task: Task, command: int, argument: int) -> None:
        s = self.tty.settings
        words = (s.iflag, s.oflag, s.cflag, s.lflag, s.line, s.cc)
        if command == io.TCGETS:
            copy_to_user(task, argument, _TERMIOS.pack(*words))
        else:
            copy_to_user(task, argument, _TERMIOS2.pack(*words, _RATE, _RATE))

    def _set(self, task: Task, command: int, argument: int) -> None:
        check_change(task, self.tty, Sig.SIGTTOU)
        shape = _TERMIOS if command in _SET else _TERMIOS2
        s, old = self.tty.settings, self.tty.settings.lflag
        values = shape.unpack(copy_from_user(task, argument, shape.size))
        s.iflag, s.oflag, s.cflag, s.lflag, s.line, s.cc = values[:6]
        discipline = self.tty.discipline
        if command in _FLUSHING:
            discipline.flush_input()
        if (old ^ s.lflag) & t.ICANON:
            discipline.canonical_changed()
        if discipline.stopped and not s.iflag & t.IXON:
            discipline.resume()
        self.tty.read_queue.wake_up()

    def _control(self, command: int, argument: int) -> None:
        discipline = self.tty.discipline
        if command == io.TCFLSH:
            if argument > t.TCIOFLUSH:
                raise KernelError(Errno.EINVAL)
            if argument != t.TCOFLUSH:
                discipline.flush_input()
        elif command == io.TCXONC:
            if argument > t.TCION:
                raise KernelError(Errno.EINVAL)
            if argument == t.TCOOFF:
                discipline.stopped = True
            elif argument == t.TCOON:
                discipline.resume()
