"""The vsyscall page, execute only: arch/x86/entry/vsyscall/vsyscall_64.c (vsyscall=xonly).

    ffffffffff600000  gettimeofday
    ffffffffff600400  time
    ffffffffff600800  getcpu

Programs of 2011 and before jump there. Nothing is mapped: the fetch faults, the kernel does
the call and the RET.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.signal import SEGV_MAPERR, SI_KERNEL, Sig
from youcpu.hardware.cpu import RAX, RDI, RIP, RSI, RSP
from youcpu.hardware.interrupts import PAGE_FAULT
from youcpu.hardware.memory import PAGE_SIZE
from youcpu.hardware.paging import PF_USER, PF_WRITE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.mm import TASK_SIZE
from youcpu.kernel.mm.uaccess import get_user
from youcpu.kernel.signal import SigInfo, force_signal
from youcpu.kernel.syscalls.table import SYSCALLS

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

VSYSCALL_ADDR = 0xFFFF_FFFF_FF60_0000
#: Its line in /proc/PID/maps.
MAPS_LINE = b"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
_GETTIMEOFDAY, _TIME, _GETCPU = 96, 201, 309
#: Offset in the page -> call and the bytes it writes behind each of its two arguments.
_CALLS = {0x000: (_GETTIMEOFDAY, (16, 8)), 0x400: (_TIME, (8, 0)), 0x800: (_GETCPU, (4, 4))}


def is_vsyscall(address: int) -> bool:
    """is_vsyscall_vaddr()."""
    return address & -PAGE_SIZE == VSYSCALL_ADDR


def emulate_vsyscall(task: Task, address: int, error_code: int) -> bool:
    """Serve a fault in the page; False: it is a bad access like any other (a read, a write)."""
    state = task.kernel.cpu.state
    if error_code & PF_WRITE or address != state[RIP]:
        return False
    number, sizes = _CALLS.get(address - VSYSCALL_ADDR, (None, ()))
    arguments = (state[RDI], state[RSI])
    for pointer, size in zip(arguments, sizes, strict=False):
        if size and pointer > TASK_SIZE - size:  # write_ok_or_segv()
            task.trap = (PAGE_FAULT, PF_USER | PF_WRITE, pointer)
            where = SigInfo(Sig.SIGSEGV, SEGV_MAPERR, addr=pointer, layout="fault")
            force_signal(task, where)
            return True
    try:
        if number is None:
            raise KernelError(Errno.EFAULT)
        caller = get_user(task, state[RSP], 8)
        # The third argument of getcpu is ignored.
        state[RAX] = SYSCALLS[number].dispatch(task, *arguments, 0, 0, 0, 0) or 0
    except KernelError:
        force_signal(task, SigInfo(Sig.SIGSEGV, SI_KERNEL))
        return True
    state[RIP] = caller
    state[RSP] += 8
    return True
