"""Signal frames on the user stack: arch/x86/kernel/signal_64.c, asm/sigcontext.h.

From high to low addresses, below the red zone of 128 bytes:

    fpstate   512 bytes, FXSAVE image, aligned to 64
    frame     pretcode | ucontext (304) | siginfo (128); its address is 8 below a multiple of 16
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.signal import (
    MINSIGSTKSZ,
    SA_NODEFER,
    SA_ONSTACK,
    SA_RESETHAND,
    SA_RESTORER,
    SIG_DFL,
    SS_AUTODISARM,
    SS_DISABLE,
    SS_ONSTACK,
    Sig,
)
from youcpu.hardware.cpu import CS, R8, RAX, RBP, RBX, RCX, RDI, RDX, RIP, RSI, RSP, SS, Cpu
from youcpu.hardware.fpu import FXSAVE_SIZE, INITIAL_FXSAVE, MXCSR_MASK, control_words
from youcpu.hardware.interrupts import GENERAL_PROTECTION
from youcpu.hardware.paging import canonical
from youcpu.kernel.errors import KernelError
from youcpu.kernel.kernel_half import USER_CS, USER_DS
from youcpu.kernel.mm.mm import TASK_SIZE
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user
from youcpu.kernel.signal import UNBLOCKABLE, SigAction, SigInfo, force_signal

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

RED_ZONE = 128
UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS = 2, 4
# Flags that a program may set itself (FIX_EFLAGS).
FIX_EFLAGS = 0x40000 | 0x800 | 0x400 | 0x100 | 0x80 | 0x40 | 0x10 | 0x4 | 0x1 | 0x10000

_UCONTEXT_HEAD = struct.Struct("<QQQI4xQ")
#: r8-r15 di si bp bx dx ax cx sp ip flags | cs gs fs ss | err trapno oldmask cr2 fpstate
_SIGCONTEXT = struct.Struct("<18Q4H5Q64x")
_FRAME_SIZE = 8 + _UCONTEXT_HEAD.size + _SIGCONTEXT.size + 8 + 128
_REGISTERS = (*range(R8, R8 + 8), RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP, RIP)


def pack_siginfo(info: SigInfo) -> bytes:
    """siginfo_t, 128 bytes: include/uapi/asm-generic/siginfo.h."""
    head = struct.pack("<iii4x", info.signo, info.errno, info.code)
    match info.layout:
        case "timer":
            body = struct.pack("<iiQ", info.timer_id, info.overrun, info.value)
        case "rt":
            body = struct.pack("<iIQ", info.pid, info.uid, info.value)
        case "child":
            body = struct.pack("<iIi4xqq", info.pid, info.uid, info.status, info.utime, info.stime)
        case "fault":
            body = struct.pack("<Q", info.addr)
        case "poll":
            body = struct.pack("<qi", info.band, info.fd)
        case _:
            body = struct.pack("<iI", info.pid, info.uid)
    return (head + body).ljust(128, b"\0")


def on_altstack(task: Task, sp: int) -> bool:
    """Whether a stack pointer lies on the alternate stack: on_sig_stack()."""
    base, flags, size = task.altstack
    if flags & SS_AUTODISARM:
        return False
    return base < sp <= base + size and not flags & SS_DISABLE


def altstack_flags(task: Task, sp: int) -> int:
    """ss_flags that sigaltstack(2) reports: sas_ss_flags()."""
    if not task.altstack[2]:
        return SS_DISABLE
    return SS_ONSTACK if on_altstack(task, sp) else 0


def _frame_address(task: Task, action: SigAction, sp: int) -> tuple[int, int]:
    """(frame, fpstate) addresses. Raises EFAULT where an alternate stack would overflow."""
    nested = on_altstack(task, sp)
    address = sp - RED_ZONE
    base, _, size = task.altstack
    if action.flags & SA_ONSTACK and not nested and size:
        address = base + size
        entering = True
    else:
        entering = nested
    fpstate = (address - FXSAVE_SIZE) & -64
    frame = ((fpstate - _FRAME_SIZE) & -16) - 8
    if entering and size and not base < frame <= base + size:
        raise KernelError(Errno.EFAULT)
    if frame < 0 or frame > TASK_SIZE:
        raise KernelError(Errno.EFAULT)
    return frame, fpstate


def setup_frame(task: Task, cpu: Cpu, action: SigAction, info: SigInfo) -> None:
    """Make the program go on in its handler. Raises KernelError(EFAULT): no stack for it."""
    state = cpu.state
    sp = state[RSP]
    frame, fpstate = _frame_address(task, action, sp)
    if not action.flags & SA_RESTORER:
        raise KernelError(Errno.EFAULT)
    flags = cpu.eflags()
    trapno, error_code, cr2 = task.trap
    base, _, size = task.altstack
    image = b"".join(
        (
            struct.pack("<Q", action.restorer),
            _UCONTEXT_HEAD.pack(
                UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
                0,
                base,
                altstack_flags(task, sp) | (task.altstack[1] & SS_AUTODISARM),
                size,
            ),
            _SIGCONTEXT.pack(
                *(state[i] for i in _REGISTERS), flags, state[CS], 0, 0, state[SS],
                error_code, trapno, task.blocked, cr2, fpstate,
            ),
            struct.pack("<Q", task.saved_mask()),
            pack_siginfo(info),
        )
    )  # fmt: skip
    copy_to_user(task, fpstate, cpu.fxsave())
    copy_to_user(task, frame, image)
    if task.altstack[1] & SS_AUTODISARM:
        task.altstack = (0, SS_DISABLE, 0)
    state[RDI], state[RAX] = info.signo, 0
    state[RSI] = frame + _FRAME_SIZE - 128
    state[RDX] = frame + 8
    state[RSP], state[RIP] = frame, action.handler
    if state[CS] != USER_CS or state[SS] != USER_DS:
        # The program had jumped to another segment, 32-bit code for example.
        cpu.load_segments(task.kernel.kernel_half.user_state)
    cpu.set_eflags(flags & ~0x10500)  # RF, DF, TF
    # A handler starts with a new FPU state: fpu__clear_user_states().
    cpu.fxrstor(INITIAL_FXSAVE)
    mask = task.blocked_after_suspend() | action.mask
    if not action.flags & SA_NODEFER:
        mask |= 1 << (info.signo - 1)
    task.set_blocked(mask & ~UNBLOCKABLE)
    if action.flags & SA_RESETHAND:
        action.handler = SIG_DFL


def sigreturn(task: Task, cpu: Cpu) -> int:
    """rt_sigreturn(2): back to what the frame on the stack says. Raises EFAULT on a bad frame."""
    state = cpu.state
    frame = state[RSP] - 8
    image = copy_from_user(task, frame + 8, _UCONTEXT_HEAD.size + _SIGCONTEXT.size + 8)
    _, _, stack_base, stack_flags, stack_size = _UCONTEXT_HEAD.unpack_from(image)
    values = _SIGCONTEXT.unpack_from(image, _UCONTEXT_HEAD.size)
    (mask,) = struct.unpack_from("<Q", image, _UCONTEXT_HEAD.size + _SIGCONTEXT.size)
    fpstate = values[26]
    fxsave = copy_from_user(task, fpstate, FXSAVE_SIZE) if fpstate else INITIAL_FXSAVE
    if control_words(fxsave)[1] & ~MXCSR_MASK:
        raise KernelError(Errno.EFAULT)
    cpu.fxrstor(fxsave)
    task.set_blocked(mask & ~UNBLOCKABLE)
    for register, value in zip(_REGISTERS, values, strict=False):
        state[register] = value
    cpu.set_eflags(cpu.eflags() & ~FIX_EFLAGS | values[17] & FIX_EFLAGS | 0x202)
    _restore_altstack(task, state[RSP], stack_base, stack_flags, stack_size)
    if (values[18] | 3, values[21] | 3) != (USER_CS, USER_DS) or canonical(state[RIP], 48) != state[
        RIP
    ]:
        # IRETQ to such a place raises #GP, with the registers of the frame.
        task.trap = (GENERAL_PROTECTION, 0, 0)
        force_signal(task, SigInfo(Sig.SIGSEGV))
    return state[RAX]


def _restore_altstack(task: Task, sp: int, base: int, flags: int, size: int) -> None:
    """restore_altstack(): what sigaltstack(2) would refuse leaves the stack as it is."""
    mode = flags & ~SS_AUTODISARM & 0xFFFFFFFF
    if on_altstack(task, sp) or mode not in (0, SS_DISABLE, SS_ONSTACK):
        return
    if mode == SS_DISABLE:
        task.altstack = (0, SS_DISABLE, 0)
    elif size >= MINSIGSTKSZ:
        task.altstack = (base, flags & SS_AUTODISARM, size)
