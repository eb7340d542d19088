"""Sessions and their terminal: drivers/tty/tty_jobctrl.c.

A session leader without a terminal gets one by opening it or by TIOCSCTTY. One process group of
the session is in the foreground: it gets the signals that are typed, and only it may read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import ERESTARTSYS, Errno
from youcpu.abi.ioctl import TIOCGPGRP, TIOCGSID, TIOCNOTTY, TIOCSCTTY, TIOCSPGRP
from youcpu.abi.signal import SIG_IGN, Sig
from youcpu.kernel.cred import CAP_SYS_ADMIN
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import get_user, put_user
from youcpu.kernel.signal import SigInfo, send_signal

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.task import Task, ThreadGroup


class Terminal:
    """What of a terminal job control knows: the `ctrl` part of struct tty_struct."""

    #: tty_vhangup_session() ends what is open when the session's leader does; not for ptys.
    hangs_up = True

    def __init__(self) -> None:
        #: Session and foreground process group; 0: none.
        self.session = 0
        self.pgrp = 0

    def hang_up(self) -> None:
        """The line is dropped: what is open on it answers EIO from now on."""


def kill_pgrp(kernel: Kernel, pgid: int, signo: int) -> None:
    """A signal of the kernel to every process of a group."""
    for group in list(kernel.groups.values()):
        if group.pgid == pgid and group.threads:
            send_signal(group.threads[0], SigInfo(signo))


def is_ignored(task: Task, signo: int) -> bool:
    """Blocked or ignored: then a signal would not stop the task."""
    return bool(task.blocked >> (signo - 1) & 1) or task.sighand.actions[signo].handler == SIG_IGN


def check_change(task: Task, terminal: Terminal, signo: int) -> None:
    """__tty_check_change(): the background is stopped. Raises EIO, Blocked."""
    from youcpu.kernel.exit import is_orphaned

    group = task.group
    if group.tty is not terminal or terminal.pgrp in (0, group.pgid):
        return
    if is_ignored(task, signo):
        if signo == Sig.SIGTTIN:
            raise KernelError(Errno.EIO)
        return
    groups = list(task.kernel.groups.values())
    if is_orphaned(groups, group.pgid):
        raise KernelError(Errno.EIO)
    kill_pgrp(task.kernel, group.pgid, signo)
    # The signal is pending now: the call ends with ERESTARTSYS.
    raise Blocked(None, None, ERESTARTSYS)


def acquire(task: Task, terminal: Terminal) -> None:
    """proc_set_tty(): it is the session's now, and the caller's group is in the foreground."""
    group = task.group
    terminal.session, terminal.pgrp = group.sid, group.pgid
    group.tty = terminal


def open_acquires(task: Task, terminal: Terminal, readable: bool) -> None:
    """tty_open_proc_set_tty(): a session leader without a terminal takes one that is free."""
    group = task.group
    if group.sid == group.pid and group.tty is None and not terminal.session and readable:
        acquire(task, terminal)


def session_clear(kernel: Kernel, session: int) -> None:
    """session_clear_tty(): no process of the session has a terminal."""
    for group in kernel.groups.values():
        if group.sid == session:
            group.tty = None


def disassociate(kernel: Kernel, group: ThreadGroup, on_exit: bool) -> None:
    """disassociate_ctty(): the session's leader lets its terminal go, or ends."""
    if group.sid != group.pid:
        return
    terminal = group.tty
    if terminal is None:
        old, group.tty_old_pgrp = group.tty_old_pgrp, 0
        if on_exit and old:
            kill_pgrp(kernel, old, Sig.SIGHUP)
            kill_pgrp(kernel, old, Sig.SIGCONT)
        return
    foreground = terminal.pgrp
    if on_exit and terminal.hangs_up:
        terminal.hang_up()
        if foreground:
            kill_pgrp(kernel, foreground, Sig.SIGHUP)
    elif foreground:
        kill_pgrp(kernel, foreground, Sig.SIGHUP)
        if not on_exit:
            kill_pgrp(kernel, foreground, Sig.SIGCONT)
    terminal.session = terminal.pgrp = 0
    session_clear(kernel, group.sid)


def jobctrl_ioctl(task: Task, terminal: Terminal, command: int, argument: int) -> int | None:
    """tty_jobctrl_ioctl(); None: another command. Raises KernelError, Blocked."""
    match command:
        case _ if command == TIOCGPGRP:
            _check_own(task, terminal)
            put_user(task, argument, terminal.pgrp, 4)
        case _ if command == TIOCSPGRP:
            _set_foreground(task, terminal, argument)
        case _ if command == TIOCGSID:
            _check_own(task, terminal)
            if not terminal.session:
                raise KernelError(Errno.ENOTTY)
            put_user(task, argument, terminal.session, 4)
        case _ if command == TIOCSCTTY:
            _take(task, terminal, argument)
        case _ if command == TIOCNOTTY:
            _check_own(task, terminal)
            disassociate(task.kernel, task.group, on_exit=False)
            task.group.tty = None
        case _:
            return None
    return 0


def _check_own(task: Task, terminal: Terminal) -> None:
    if task.group.tty is not terminal:
        raise KernelError(Errno.ENOTTY)


def _set_foreground(task: Task, terminal: Terminal, argument: int) -> None:
    """tiocspgrp()."""
    try:
        check_change(task, terminal, Sig.SIGTTOU)
    except KernelError:
        raise KernelError(Errno.ENOTTY) from None
    raw = get_user(task, argument, 4)
    pgid = (raw ^ 0x80000000) - 0x80000000
    if pgid < 0:
        raise KernelError(Errno.EINVAL)
    if task.group.tty is not terminal or terminal.session != task.group.sid:
        raise KernelError(Errno.ENOTTY)
    groups = task.kernel.groups
    members = [group for group in groups.values() if group.pgid == pgid]
    if not pgid or (not members and pgid not in groups):
        raise KernelError(Errno.ESRCH)
    if not any(member.sid == task.group.sid for member in members):
        raise KernelError(Errno.EPERM)
    terminal.pgrp = pgid


def _take(task: Task, terminal: Terminal, force: int) -> None:
    """tiocsctty()."""
    group = task.group
    leader = group.sid == group.pid
    if leader and group.sid == terminal.session:
        return
    if not leader or group.tty is not None:
        raise KernelError(Errno.EPERM)
    if terminal.session:
        if force != 1 or not task.cred.capable(CAP_SYS_ADMIN):
            raise KernelError(Errno.EPERM)
        session_clear(task.kernel, terminal.session)
    acquire(task, terminal)
