"""The i386 table behind `int 0x80`: arch/x86/entry/syscalls/syscall_32.tbl.

The calls that a program written for `int 0x80` starts with; the others answer ENOSYS.
From 64-bit code pointers must lie in the low 4 GiB, as on Linux.
"""

from __future__ import annotations

from youcpu.abi.syscalls import NAMES_I386, NUMBERS_X86_64
from youcpu.kernel.syscalls.table import SYSCALLS, Syscall, unknown

#: i386 calls whose arguments have the layout of the x86-64 call of the same name.
SAME_LAYOUT = frozenset(
    """
    exit fork read write open close creat link unlink execve chdir mknod chmod lseek getpid
    getuid getgid geteuid getegid access sync kill rename mkdir rmdir dup pipe alarm pause
    umask dup2 getppid getpgrp setsid symlink readlink munmap fchmod fsync fchdir mprotect
    getpgid getsid mlock munlock sched_yield getcwd gettid tkill exit_group openat mkdirat
    unlinkat renameat linkat symlinkat readlinkat fchmodat dup3 pipe2 getrandom memfd_create
    brk personality setpgid
    """.split()  # noqa: SIM905
)


def row(number: int) -> Syscall:
    """The row of an i386 number."""
    found = _ROWS.get(number)
    if found is None:
        name = NAMES_I386.get(number, f"syscall_{number:#x}")
        known = SYSCALLS.get(NUMBERS_X86_64.get(name, -1)) if name in SAME_LAYOUT else None
        if known is None:
            found = unknown(number, name)
        else:
            found = Syscall(number, name, known.handler, known.partial)
        _ROWS[number] = found
    return found


_ROWS: dict[int, Syscall] = {}
