"""The doors of the kernel: arch/x86/entry/, arch/x86/mm/fault.c, arch/x86/kernel/traps.c.

The CPU knocks (hardware/cpu.py), this file finds the vector's gate, lets Linux's handler
answer, and on the way back delivers signals and flushes what page tables changed.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.errno import (
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    ERESTARTNOINTR,
    ERESTARTSYS,
    Errno,
)
from youcpu.abi.signal import (
    FPE_INTDIV,
    ILL_ILLOPN,
    SA_RESTART,
    SEGV_MAPERR,
    SI_KERNEL,
    SIG_DFL,
    SIG_IGN,
    TRAP_BRKPT,
    TRAP_TRACE,
    DefaultAction,
    Sig,
    default_action,
)
from youcpu.hardware import interrupts as trap
from youcpu.hardware.cpu import (
    CR2,
    EFLAGS,
    R8,
    R9,
    R10,
    RAX,
    RBP,
    RBX,
    RCX,
    RDI,
    RDX,
    RIP,
    RSI,
    RSP,
)
from youcpu.hardware.exceptions import architectural
from youcpu.hardware.memory import OutOfFrames
from youcpu.hardware.paging import PF_INSTR, PF_PRESENT, PF_USER, PF_WRITE
from youcpu.kernel.clock import NS_PER_FAULT, NS_PER_SYSCALL
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.exit import do_group_exit, is_orphaned, stop_group
from youcpu.kernel.futex import FutexWaiter
from youcpu.kernel.kernel_half import INT80_VECTOR, USER_CS, USER_DS
from youcpu.kernel.mm.fault import MAJOR, BadAccess, OutOfMemory, handle_mm_fault
from youcpu.kernel.mm.mm import TASK_SIZE
from youcpu.kernel.mm.oom_kill import select_bad_process
from youcpu.kernel.sigframe import setup_frame
from youcpu.kernel.signal import SigInfo, dequeue_signal, force_signal
from youcpu.kernel.syscalls import compat
from youcpu.kernel.syscalls.table import SYSCALLS, Syscall, unknown
from youcpu.kernel.task import RUNNING, PendingCall
from youcpu.kernel.vsyscall import emulate_vsyscall, is_vsyscall

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.task import Task

_MASK = (1 << 64) - 1
RESTART_SYSCALL = 219
RFLAGS_TF = 0x100
#: System calls and faults until the host's Python gets a turn: some 20 ms.
DOORS_PER_SLICE = 4000
#: Page frames asked back from the page cache at once when there are none (SWAP_CLUSTER_MAX).
RECLAIM_BATCH = 1024
_RESTARTS = (ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK)


class Entry:
    """Answers the CPU for the task that runs."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.cpu = kernel.cpu
        self.state = kernel.cpu.state
        self.tracer = kernel.tracer
        self.probes = kernel.probes
        self._doors = DOORS_PER_SLICE
        cpu = kernel.cpu
        cpu.on_syscall = self.syscall_64
        cpu.on_exception = self.exception
        cpu.on_software_interrupt = self.software_interrupt
        cpu.on_privileged = self.privileged_instruction
        cpu.on_sysenter = self.sysenter
        cpu.on_rdtsc = kernel.clock.monotonic_ns

    def count_door(self) -> None:
        """A slice is measured in blocks; doors cost more: many of them end it as well."""
        self._doors -= 1
        if not self._doors:
            self._doors = DOORS_PER_SLICE
            self.cpu.stop()

    # -- system calls ----------------------------------------------------------------------

    def syscall_64(self) -> None:
        """do_syscall_64(): number in EAX, arguments in RDI RSI RDX R10 R8 R9."""
        state = self.state
        arguments = (state[RDI], state[RSI], state[RDX], state[R10], state[R8], state[R9])
        number = state[RAX] & 0xFFFFFFFF
        self._call(number, SYSCALLS.get(number) or unknown(number), arguments)

    def int80(self) -> None:
        """do_int80_syscall_32(): the i386 table, arguments in EBX ECX EDX ESI EDI EBP."""
        state = self.state
        registers = (RBX, RCX, RDX, RSI, RDI, RBP)
        arguments = tuple(state[register] & 0xFFFFFFFF for register in registers)
        number = state[RAX] & 0xFFFFFFFF
        self._call(number, compat.row(number), arguments, i386=True)

    def _call(
        self, number: int, row: Syscall, arguments: tuple[int, ...], i386: bool = False
    ) -> None:
        task = self.kernel.scheduler.current
        assert task is not None
        self.count_door()
        event = None
        if self.tracer.syscalls:
            event = self.probes.enter(task, row, arguments, i386)
        # Behind the event's time: the trace shows it as the time that the call took.
        self.kernel.clock.extra_ns += NS_PER_SYSCALL
        self._perform(task, PendingCall(number, row, arguments, event))

    def _perform(self, task: Task, call: PendingCall) -> None:
        """Run the handler; may be called again for a call that slept."""
        try:
            result = call.row.dispatch(task, *call.arguments) or 0
        except KernelError as error:
            result = -error.errno
        except (OutOfMemory, OutOfFrames):
            if self.kernel.vfs.reclaim(RECLAIM_BATCH):
                return self._perform(task, call)
            self.out_of_memory(task)
            result = -Errno.ENOMEM
        except Blocked as blocked:
            pending = task.fatal_signal_pending if blocked.killable else task.signal_pending
            if not pending:
                if call.event is not None and task.call is None:
                    self.probes.blocked(task, call.event)
                task.call = call
                task.sleep(blocked)
                self.cpu.stop()
                return
            result = -blocked.restart
            if blocked.restart == ERESTART_RESTARTBLOCK:
                remember_restart(task, call)
        self._finish(task, call, result)

    def _finish(self, task: Task, call: PendingCall, result: int) -> None:
        task.call = None
        if task.restart is not None:
            task.drop_restart()
        task.end_signal_wait()
        if task.exited:
            self.cpu.stop()
            return
        self.state[RAX] = result & _MASK
        if call.event is not None:
            self.probes.leave(task, call.row, call.event, result)
        if task.pending.mask or task.group.pending.mask or task.restore_mask is not None:
            self.exit_to_user(task, call.number if -result in _RESTARTS else None)
            if task.exited:
                return
        elif -result in _RESTARTS:
            self._restart_without_handler(call.number)
        mm = task.mm
        if mm.stale_tlb or mm.stale_code:
            self.flush(task)

    def resume_call(self, task: Task) -> None:
        """The task slept in a system call and was woken: run it again, or be interrupted."""
        call = task.call
        assert call is not None
        self._perform(task, call)

    def flush(self, task: Task) -> None:
        """Make the CPU forget what the page tables do not say any more."""
        mm = task.mm
        if mm.stale_tlb:
            mm.stale_tlb = False
            self.cpu.flush_tlb()
        if mm.stale_code:
            mm.stale_code = False
            self.cpu.flush_code()

    # -- interrupts and exceptions -----------------------------------------------------------

    def software_interrupt(self, vector: int) -> None:
        """INT n: RIP is behind the instruction; the gate's DPL decides."""
        kernel_half = self.kernel.kernel_half
        if kernel_half.idt.handler(vector, True, 3) is None:
            self.state[RIP] = (self.state[RIP] - 2) & _MASK
            self.exception(trap.GENERAL_PROTECTION, vector * 8 + trap.IDT_ERROR)
        elif vector == INT80_VECTOR:
            self.int80()
        else:
            self.exception(vector, None)

    def privileged_instruction(self) -> None:
        """IN and OUT in ring 3 without permission."""
        self.exception(trap.GENERAL_PROTECTION, 0)

    def sysenter(self) -> None:
        """SYSENTER from 64-bit code: no compat entry here, as #UD on AMD."""
        self.exception(trap.INVALID_OPCODE, None)

    def exception(self, vector: int, error_code: int | None) -> None:
        """A fault of the program, through its gate: the frame is pushed, Linux answers."""
        state = self.state
        self.count_door()
        if vector != trap.PAGE_FAULT:
            vector, error_code = architectural(self.cpu, vector, error_code)
        kernel_half = self.kernel.kernel_half
        trap.push_frame(
            self.kernel.ram,
            kernel_half.stack_top,
            (state[RIP], USER_CS, self.cpu.eflags(), state[RSP], USER_DS),
            error_code,
        )
        task = self.kernel.scheduler.current
        assert task is not None
        if vector == trap.PAGE_FAULT:
            self.page_fault(task, state[CR2], error_code or 0)
        else:
            self.fault_signal(task, vector, error_code or 0)
        if task.exited:
            self.cpu.stop()
            return
        if task.pending.mask or task.group.pending.mask:
            self.exit_to_user(task, None)
            if task.exited:
                return
        if task.mm.stale_tlb or task.mm.stale_code:
            self.flush(task)

    def page_fault(self, task: Task, address: int, error_code: int) -> None:
        """exc_page_fault(), do_user_addr_fault()."""
        self.kernel.clock.extra_ns += NS_PER_FAULT
        write = bool(error_code & PF_WRITE)
        source = task.mm.mapped_frame(address) if self.tracer.faults else 0
        try:
            if address >= TASK_SIZE:
                if is_vsyscall(address) and emulate_vsyscall(task, address, error_code):
                    return
                raise BadAccess(Sig.SIGSEGV, SEGV_MAPERR)
            outcome = handle_mm_fault(task.mm, address, write, bool(error_code & PF_INSTR))
        except BadAccess as bad:
            if address >= TASK_SIZE:
                error_code |= PF_PRESENT
            task.trap = (trap.PAGE_FAULT, error_code | PF_USER, address)
            info = SigInfo(bad.signal, bad.code, addr=address, layout="fault")
            if self.tracer.faults:
                self.probes.fault(task, address, error_code, self.state[RIP], "signal", bad.signal)
            force_signal(task, info)
            return
        except OutOfMemory:
            # What the page cache gives back serves the access when it is tried again; so does
            # what another process leaves behind.
            if not self.kernel.vfs.reclaim(RECLAIM_BATCH):
                self.out_of_memory(select_bad_process(self.kernel, task))
            return
        major = outcome in MAJOR
        if major:
            task.group.major_faults += 1
        else:
            task.group.minor_faults += 1
        if self.tracer.faults:
            self.probes.fault(
                task, address, error_code, self.state[RIP], outcome, source=source, major=major
            )

    def out_of_memory(self, task: Task) -> None:
        """mm/oom_kill.c: the process that the choice fell on is killed."""
        self.kernel.oom_kills += 1
        do_group_exit(task, int(Sig.SIGKILL))

    def fault_signal(self, task: Task, vector: int, error_code: int) -> None:
        """The signal of an exception other than #PF: arch/x86/kernel/traps.c."""
        signo, code = EXCEPTION_SIGNALS.get(vector, (Sig.SIGSEGV, SI_KERNEL))
        address = 0 if code == SI_KERNEL else self.state[RIP]
        if vector == trap.DEBUG and not self.state[EFLAGS] & RFLAGS_TF:
            code = TRAP_BRKPT  # ICEBP: DR6 says nothing (get_si_code)
        if vector in (trap.X87_FAULT, trap.SIMD_FAULT):
            code = float_exception_code(self.cpu.fxsave(), vector == trap.SIMD_FAULT)
        task.trap = (vector, error_code, 0)
        layout = "kill" if code == SI_KERNEL else "fault"
        force_signal(task, SigInfo(signo, code, addr=address, layout=layout))

    # -- on the way out ----------------------------------------------------------------------

    def exit_to_user(self, task: Task, restart: int | None) -> None:
        """exit_to_user_mode_loop(): deliver signals; `restart` is the number of a call that a
        signal interrupted and RAX holds its ERESTART code."""
        while task.state == RUNNING and not task.exited:
            info = dequeue_signal(task)
            if info is None:
                break
            action = task.sighand.actions[info.signo]
            if self.tracer.signals:
                self.probes.signal(task, info)
            if action.handler == SIG_IGN:
                continue
            if action.handler == SIG_DFL:
                self._default(task, info)
                continue
            if restart is not None:
                self._restart_with_handler(restart, bool(action.flags & SA_RESTART))
                restart = None
            try:
                setup_frame(task, self.cpu, action, info)
            except KernelError:
                # No room for the frame: SIGSEGV, and a handler for that has none either.
                if info.signo == Sig.SIGSEGV:
                    action.handler = SIG_DFL
                force_signal(task, SigInfo(Sig.SIGSEGV, SI_KERNEL))
        if task.exited:
            self.cpu.stop()
            return
        if task.state != RUNNING:
            # A job-control stop: what becomes of the call is decided when the task goes on.
            task.interrupted = restart
            self.cpu.stop()
            return
        if restart is not None:
            self._restart_without_handler(restart)
        if task.restore_mask is not None:
            task.set_blocked(task.restore_mask)
            task.restore_mask = None

    def _restart_without_handler(self, number: int) -> None:
        """The program executes the call again; one with a timeout through restart_syscall(2)."""
        state = self.state
        again = state[RAX] == -ERESTART_RESTARTBLOCK & _MASK
        state[RAX] = RESTART_SYSCALL if again else number
        state[RIP] -= 2

    def _restart_with_handler(self, number: int, restart: bool) -> None:
        """A handler runs: the call fails with EINTR unless it is to be restarted after it."""
        state = self.state
        code = -((state[RAX] ^ (1 << 63)) - (1 << 63))
        if code == ERESTARTNOINTR or (code == ERESTARTSYS and restart):
            state[RAX] = number
            state[RIP] -= 2
        else:
            state[RAX] = -Errno.EINTR & _MASK

    def _default(self, task: Task, info: SigInfo) -> None:
        action = default_action(info.signo)
        if task.group.unkillable and info.signo not in (Sig.SIGKILL, Sig.SIGSTOP):
            return  # get_signal(): it was blocked when it came
        if action in (DefaultAction.TERMINATE, DefaultAction.CORE):
            dumped = action is DefaultAction.CORE and task.kernel.core_dumps
            do_group_exit(task, info.signo | (0x80 if dumped else 0))
        elif action is DefaultAction.STOP:
            groups = list(self.kernel.groups.values())
            if info.signo == Sig.SIGSTOP or not is_orphaned(groups, task.group.pgid):
                stop_group(task, info.signo)


#: Vector -> signal and si_code (SI_KERNEL: no address is told).
EXCEPTION_SIGNALS = {
    trap.DIVIDE_ERROR: (Sig.SIGFPE, FPE_INTDIV),
    trap.DEBUG: (Sig.SIGTRAP, TRAP_TRACE),
    trap.BREAKPOINT: (Sig.SIGTRAP, SI_KERNEL),
    trap.OVERFLOW: (Sig.SIGSEGV, SI_KERNEL),
    trap.BOUND: (Sig.SIGSEGV, SI_KERNEL),
    trap.INVALID_OPCODE: (Sig.SIGILL, ILL_ILLOPN),
    trap.INVALID_TSS: (Sig.SIGSEGV, SI_KERNEL),
    trap.SEGMENT_NOT_PRESENT: (Sig.SIGBUS, SI_KERNEL),
    trap.STACK_FAULT: (Sig.SIGBUS, SI_KERNEL),
    trap.GENERAL_PROTECTION: (Sig.SIGSEGV, SI_KERNEL),
    trap.X87_FAULT: (Sig.SIGFPE, 0),
    trap.ALIGNMENT_CHECK: (Sig.SIGBUS, 1),
    trap.SIMD_FAULT: (Sig.SIGFPE, 0),
}


def prepare_to_run(task: Task) -> bool:
    """Before a slice: go on with a call that slept, deliver signals. False: it cannot run."""
    entry: Entry = task.kernel.entry
    if task.call is not None:
        entry.resume_call(task)
    elif task.signal_pending or task.interrupted is not None:
        restart, task.interrupted = task.interrupted, None
        entry.exit_to_user(task, restart)
    if task.exited or task.state != RUNNING:
        return False
    entry.flush(task)
    return True


def remember_restart(task: Task, call: PendingCall) -> None:
    """set_restart_fn(): what restart_syscall(2) will go on with."""
    if call.number == RESTART_SYSCALL and task.restart_block is not None:
        call = task.restart_block[0]
    memory = task.restart
    if isinstance(memory, FutexWaiter):
        memory = memory.deadline_ns
    task.restart_block = (call, memory)


def float_exception_code(image: bytes, simd: bool) -> int:
    """si_code of an unmasked x87 or SSE exception: fpu__exception_code()."""
    control, status = struct.unpack_from("<HH", image)
    (mxcsr,) = struct.unpack_from("<I", image, 24)
    pending = ~(mxcsr >> 7) & mxcsr & 0x3F if simd else status & ~control & 0x3F
    for bits, code in ((1, 7), (4, 3), (8, 4), (0x12, 5), (0x20, 6)):
        if pending & bits:
            return code
    return 0
