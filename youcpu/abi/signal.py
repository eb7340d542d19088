"""Signals: arch/x86/include/uapi/asm/signal.h, include/uapi/asm-generic/siginfo.h, signal(7)."""

from __future__ import annotations

from enum import Enum, IntEnum

from youcpu.abi.names import NameTable, named


class Sig(IntEnum):
    """Signal numbers; the real-time ones run from 32 (SIGRTMIN of the kernel) to 64."""

    SIGHUP = 1
    SIGINT = 2
    SIGQUIT = 3
    SIGILL = 4
    SIGTRAP = 5
    SIGABRT = 6
    SIGBUS = 7
    SIGFPE = 8
    SIGKILL = 9
    SIGUSR1 = 10
    SIGSEGV = 11
    SIGUSR2 = 12
    SIGPIPE = 13
    SIGALRM = 14
    SIGTERM = 15
    SIGSTKFLT = 16
    SIGCHLD = 17
    SIGCONT = 18
    SIGSTOP = 19
    SIGTSTP = 20
    SIGTTIN = 21
    SIGTTOU = 22
    SIGURG = 23
    SIGXCPU = 24
    SIGXFSZ = 25
    SIGVTALRM = 26
    SIGPROF = 27
    SIGWINCH = 28
    SIGIO = 29
    SIGPWR = 30
    SIGSYS = 31


SIGRTMIN = 32
NSIG = 64


class DefaultAction(Enum):
    """What a signal without a handler does."""

    TERMINATE = "terminate"
    CORE = "core"
    IGNORE = "ignore"
    STOP = "stop"
    CONTINUE = "continue"


_IGNORED = {Sig.SIGCHLD, Sig.SIGURG, Sig.SIGWINCH}
_STOPS = {Sig.SIGSTOP, Sig.SIGTSTP, Sig.SIGTTIN, Sig.SIGTTOU}
_DUMPS = {
    Sig.SIGQUIT,
    Sig.SIGILL,
    Sig.SIGTRAP,
    Sig.SIGABRT,
    Sig.SIGFPE,
    Sig.SIGSEGV,
    Sig.SIGBUS,
    Sig.SIGSYS,
    Sig.SIGXCPU,
    Sig.SIGXFSZ,
}


def default_action(signal: int) -> DefaultAction:
    """include/linux/signal.h: the comment's table."""
    if signal in _IGNORED:
        return DefaultAction.IGNORE
    if signal == Sig.SIGCONT:
        return DefaultAction.CONTINUE
    if signal in _STOPS:
        return DefaultAction.STOP
    return DefaultAction.CORE if signal in _DUMPS else DefaultAction.TERMINATE


SIG_DFL = 0
SIG_IGN = 1
SIG_ERR = (1 << 64) - 1

SIG_BLOCK = 0
SIG_UNBLOCK = 1
SIG_SETMASK = 2

SA_NOCLDSTOP = 0x1
SA_NOCLDWAIT = 0x2
SA_SIGINFO = 0x4
SA_UNSUPPORTED = 0x400
SA_EXPOSE_TAGBITS = 0x800
SA_RESTORER = 0x04000000
SA_ONSTACK = 0x08000000
SA_RESTART = 0x10000000
SA_INTERRUPT = 0x20000000
SA_NODEFER = 0x40000000
SA_RESETHAND = 0x80000000

SS_ONSTACK = 1
SS_DISABLE = 2
SS_AUTODISARM = 1 << 31
MINSIGSTKSZ = 2048

SI_USER = 0
SI_KERNEL = 0x80
SI_QUEUE = -1
SI_TIMER = -2
SI_MESGQ = -3
SI_ASYNCIO = -4
SI_SIGIO = -5
SI_TKILL = -6
SI_DETHREAD = -7
SI_ASYNCNL = -60

ILL_ILLOPC = 1
ILL_ILLOPN = 2
ILL_ILLADR = 3
ILL_ILLTRP = 4
ILL_PRVOPC = 5
ILL_PRVREG = 6
ILL_COPROC = 7
ILL_BADSTK = 8
FPE_INTDIV = 1
FPE_INTOVF = 2
FPE_FLTDIV = 3
FPE_FLTOVF = 4
FPE_FLTUND = 5
FPE_FLTRES = 6
FPE_FLTINV = 7
FPE_FLTSUB = 8
SEGV_MAPERR = 1
SEGV_ACCERR = 2
SEGV_BNDERR = 3
SEGV_PKUERR = 4
BUS_ADRALN = 1
BUS_ADRERR = 2
BUS_OBJERR = 3
TRAP_BRKPT = 1
TRAP_TRACE = 2
TRAP_BRANCH = 3
TRAP_HWBKPT = 4
CLD_EXITED = 1
CLD_KILLED = 2
CLD_DUMPED = 3
CLD_TRAPPED = 4
CLD_STOPPED = 5
CLD_CONTINUED = 6
POLL_IN = 1
POLL_OUT = 2
POLL_MSG = 3
POLL_ERR = 4
POLL_PRI = 5
POLL_HUP = 6
SYS_SECCOMP = 1
SYS_USER_DISPATCH = 2

SIG_NAMES = NameTable(
    "SIG_???",
    [
        *((sig.name, sig.value) for sig in Sig),
        ("SIGRTMIN", 32),
        *((f"SIGRT_{n - 32}", n) for n in range(33, 65)),
    ],
)
SIGPROCMASK_NAMES = named(globals(), "SIG_???", "SIG_BLOCK SIG_UNBLOCK SIG_SETMASK")
SA_NAMES = named(
    globals(),
    "SA_???",
    "SA_RESTORER SA_ONSTACK SA_RESTART SA_INTERRUPT SA_NODEFER SA_RESETHAND SA_SIGINFO"
    " SA_NOCLDSTOP SA_NOCLDWAIT",
)
SS_NAMES = named(globals(), "SS_???", "SS_ONSTACK SS_DISABLE SS_AUTODISARM")
SI_NAMES = named(
    globals(),
    "SI_???",
    "SI_USER SI_KERNEL SI_QUEUE SI_TIMER SI_MESGQ SI_ASYNCIO SI_SIGIO SI_TKILL SI_DETHREAD"
    " SI_ASYNCNL",
)

#: si_code of the signals whose codes have a meaning of their own.
CODE_NAMES: dict[int, NameTable] = {
    Sig.SIGILL: named(
        globals(),
        "ILL_???",
        "ILL_ILLOPC ILL_ILLOPN ILL_ILLADR ILL_ILLTRP ILL_PRVOPC ILL_PRVREG ILL_COPROC ILL_BADSTK",
    ),
    Sig.SIGFPE: named(
        globals(),
        "FPE_???",
        "FPE_INTDIV FPE_INTOVF FPE_FLTDIV FPE_FLTOVF FPE_FLTUND FPE_FLTRES FPE_FLTINV FPE_FLTSUB",
    ),
    Sig.SIGSEGV: named(globals(), "SEGV_???", "SEGV_MAPERR SEGV_ACCERR SEGV_BNDERR SEGV_PKUERR"),
    Sig.SIGBUS: named(globals(), "BUS_???", "BUS_ADRALN BUS_ADRERR BUS_OBJERR"),
    Sig.SIGTRAP: named(globals(), "TRAP_???", "TRAP_BRKPT TRAP_TRACE TRAP_BRANCH TRAP_HWBKPT"),
    Sig.SIGCHLD: named(
        globals(),
        "CLD_???",
        "CLD_EXITED CLD_KILLED CLD_DUMPED CLD_TRAPPED CLD_STOPPED CLD_CONTINUED",
    ),
    Sig.SIGIO: named(globals(), "POLL_???", "POLL_IN POLL_OUT POLL_MSG POLL_ERR POLL_PRI POLL_HUP"),
    Sig.SIGSYS: named(globals(), "SYS_???", "SYS_SECCOMP SYS_USER_DISPATCH"),
}


def signal_name(signal: int) -> str:
    """`SIGINT`, `SIGRTMIN`, `SIGRT_1`; the number alone where there is none."""
    return SIG_NAMES.name(signal) or str(signal)
