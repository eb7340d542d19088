"""What the silicon does at the CPU's doors when the guest brings its own kernel.

`Silicon` stands where youcpu's kernel stands otherwise: exceptions and INT n go through the
guest's tables (hardware/delivery.py), SYSCALL through its MSRs (SDM vol. 3A, 5.8.8), IN and
OUT to the ports where IOPL or the TSS allow it (SDM vol. 1, 19.5). An attempt that ends in a
shutdown stops the CPU and stays in `shutdown`.
"""

from __future__ import annotations

from collections.abc import Callable

from youcpu.hardware import descriptors as d
from youcpu.hardware import interrupts as trap
from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.cpu import (
    CR0,
    CR3,
    CR4,
    CS,
    DS,
    EFER,
    EFLAGS,
    ES,
    FS,
    GS,
    HFLAGS,
    RIP,
    RSP,
    SS,
    Cpu,
)
from youcpu.hardware.delivery import IF, RF, VM, Cause, Delivery, Kind, take
from youcpu.hardware.descriptors import HF_INHIBIT_IRQ, load_segment
from youcpu.hardware.linear import LinearFault, LinearMemory
from youcpu.hardware.paging import CR0_PE, CR0_PG, CR4_PAE, EFER_LMA, EFER_LME
from youcpu.hardware.registers import (
    CSTAR,
    FMASK,
    GDT,
    IDT,
    LDT,
    LSTAR,
    MISC_ENABLE,
    R11,
    R15,
    RAX,
    RBX,
    RCX,
    RDX,
    STAR,
    SYSENTER_CS,
    SYSENTER_EIP,
    SYSENTER_ESP,
    TR,
)
from youcpu.hardware.stack_reference import refers_outside

EFER_SCE = 1 << 0
_CPUID_HLT, _CPUID_APIC = bytes.fromhex("0fa2f4"), 1 << 9
#: SDM vol. 3A, 11.11.2: the default, and the ranges of the first megabyte.
MSR_MTRR_DEF_TYPE = 0x2FF
MSR_MTRR_FIXED = (0x250, 0x258, 0x259, *range(0x268, 0x270))
_MASK16, _MASK32 = (1 << 16) - 1, (1 << 32) - 1
_FLAT_CODE = d.G | d.PRESENT | d.SYSTEM_S | d.CODE | d.WRITABLE_OR_READABLE | d.ACCESSED
#: CR0 after reset: CD, NW, ET. Segments of real mode: 64 KiB, present, writable, accessed.
_CR0_RESET = 0x6000_0010
_REAL_DATA, _REAL_CODE = 0x9300, 0x9B00
_ICEBP, _RDPMC = b"\xf1", b"\x0f\x33"
_INT3, _INTO = 0xCC, 0xCE
CR4_PCE = 1 << 8


class Silicon:
    """The processor's part of a delivery, for guests with a kernel of their own."""

    def __init__(self, cpu: Cpu) -> None:
        self.cpu = cpu
        self.state = cpu.state
        self.memory = LinearMemory(cpu)
        #: All attempts of the delivery that ended in a shutdown (triple fault) or that this
        #: machine cannot do.
        self.shutdown: list[Delivery] | None = None
        #: Told each delivery with its attempts, after it.
        self.on_delivery: Callable[[list[Delivery]], None] | None = None
        #: Told each SYSCALL, with the registers as they are at the kernel's entry.
        self.on_syscall: Callable[[], None] | None = None
        self._features = self._read_features()

    def _read_features(self) -> tuple[int, int, int, int]:
        """EAX EBX ECX EDX of CPUID leaf 1, without the local APIC: this board has none."""
        cpu, state = self.cpu, self.state
        kept, before = bytes(cpu.ram.bytes[:3]), cpu.snapshot()
        cpu.ram.bytes[:3] = _CPUID_HLT
        self.reset()
        state[CS + 1] = state[RIP] = 0
        state[RAX] = 1
        cpu.run(8)
        values = tuple(state[register] & _MASK32 for register in (RAX, RBX, RCX, RDX))
        cpu.ram.bytes[:3] = kept
        cpu.load(before)
        cpu.restore()
        cpu.flush_code()
        return (*values[:3], values[3] & ~_CPUID_APIC)  # type: ignore[return-value]

    def _cpuid(self) -> bool:
        state = self.state
        if state[RAX] & _MASK32 != 1:
            return False
        state[RAX], state[RBX], state[RCX], state[RDX] = self._features
        return True

    def attach(self) -> None:
        """Stand behind the doors of the CPU, in place of a kernel of ours."""
        cpu = self.cpu
        cpu.refuse_syscall = self._refuse_syscall
        cpu.on_syscall = self._syscall
        cpu.on_exception = self._exception
        cpu.on_software_interrupt = self._software_interrupt
        cpu.on_privileged = lambda: self._deliver(Cause(trap.GENERAL_PROTECTION, Kind.EXCEPTION, 0))
        cpu.on_sysenter = self._sysenter
        cpu.may_use_ports = self.may_use_ports
        cpu.hook_cpuid(self._cpuid)

    def detach(self) -> None:
        """Make room for a kernel of ours; the doors are to be taken by it."""
        self.cpu.refuse_syscall = None
        self.cpu.on_port_in = self.cpu.on_port_out = None

    def reset(self) -> None:
        """Registers as RESET leaves them: real mode, at F000:FFF0 (SDM vol. 3A, 10.1)."""
        cpu, state = self.cpu, self.state
        cpu.write_register(uc.REG_CR4, 0)
        cpu.write_register(uc.REG_FPCW, 0x37F)
        cpu.write_register(uc.REG_FPTAG, 0xFFFF)
        cpu.write_register(uc.REG_MXCSR, 0x1F80)
        cpu.save()
        for register in range(RAX, R15 + 1):
            state[register] = 0
        state[EFER], state[CR0] = 0, _CR0_RESET
        cpu.set_eflags(2)
        for register in (ES, SS, DS, FS, GS):
            state[register] = state[register + 1] = 0
            state[register + 2] = _MASK16 | _REAL_DATA << 32
        state[CS], state[CS + 1] = 0xF000, 0xFFFF0000
        state[CS + 2] = _MASK16 | _REAL_CODE << 32
        for table, flags in ((GDT, 0), (IDT, 0), (LDT, 0x8200), (TR, 0x8B00)):
            state[table] = state[table + 1] = 0
            state[table + 2] = _MASK16 | flags << 32
        state[HFLAGS] &= ~_MASK32  # the upper half are flags of another kind
        d.settle_mode(state)
        state[RIP] = 0xFFF0
        state[RDX] = 0x106A3  # family, model, stepping
        state[MISC_ENABLE] = 1  # fast strings; the library forgets it
        self.shutdown = None
        cpu.restore()
        cpu.flush_tlb()
        cpu.flush_code()

    def enter_long_mode(
        self, root: int, gdt: int, gdt_limit: int, code: int, data: int, entry: int
    ) -> None:
        """64-bit ring 0 at `entry`, as a loader leaves it: interrupts off, flat segments.

        `root`: the tables for CR3; `code`, `data`: selectors of the GDT.
        """
        cpu, state = self.cpu, self.state
        self.reset()
        cpu.write_register(uc.REG_CR4, CR4_PAE)
        cpu.save()
        state[CR0], state[CR3], state[EFER] = CR0_PE | CR0_PG | 0x10, root, EFER_LME | EFER_LMA
        state[GDT + 1], state[GDT + 2] = gdt, gdt_limit
        state[HFLAGS] |= d.HF_PE | d.HF_LMA
        for register in (ES, SS, DS, FS, GS):
            state[register], state[register + 1] = data, 0
            state[register + 2] = _MASK32 | d.NULL_DATA << 32
        state[RDX], state[RIP] = 0, entry
        load_segment(state, CS, code, 0, _MASK32, _FLAT_CODE | d.L)
        cpu.restore()
        cpu.flush_tlb()

    def enable_caches(self) -> None:
        """As a PC's firmware leaves the memory type range registers: on, all is write-back."""
        self.cpu.write_msr(MSR_MTRR_DEF_TYPE, 1 << 11 | 1 << 10 | 6)
        for msr in MSR_MTRR_FIXED:
            self.cpu.write_msr(msr, 0x0606_0606_0606_0606)

    # -- deliveries --------------------------------------------------------------------

    @property
    def interruptible(self) -> bool:
        """An external interrupt would be taken: IF, and not behind STI or MOV SS."""
        return bool(self.state[EFLAGS] & IF) and not self.state[HFLAGS] & HF_INHIBIT_IRQ

    def interrupt(self, vector: int) -> None:
        """Deliver an external interrupt: between two runs, while `interruptible`."""
        self._deliver(Cause(vector, Kind.EXTERNAL))

    def _deliver(self, cause: Cause) -> None:
        state = self.state
        state[HFLAGS] &= ~HF_INHIBIT_IRQ
        attempts = take(self.cpu, self.memory, cause)
        if not attempts[-1].delivered:
            self.shutdown = attempts
            self.cpu.stop()
        if self.on_delivery is not None:
            self.on_delivery(attempts)

    def _exception(self, vector: int, error_code: int | None) -> None:
        state = self.state
        if vector == trap.INVALID_OPCODE:
            code = self._code(2)
            if code[:1] == _ICEBP:
                state[RIP] += 1
                vector = trap.DEBUG
            elif code == _RDPMC:
                if not state[HFLAGS] & 3 or state[CR4] & CR4_PCE:
                    self._rdpmc()
                    return
                vector, error_code = trap.GENERAL_PROTECTION, 0
        elif vector == trap.GENERAL_PROTECTION and not error_code and self._off_the_stack():
            vector, error_code = trap.STACK_FAULT, 0  # SDM vol. 1, 3.3.7.1
        if not state[CR0] & CR0_PE:
            error_code = None  # real mode pushes none
        self._deliver(Cause(vector, Kind.EXCEPTION, error_code))

    def _off_the_stack(self) -> bool:
        """Whether 64-bit code refers to the stack at an address that is not canonical."""
        code_64 = self.state[HFLAGS] & d.HF_CS64
        return bool(code_64) and refers_outside(self._code(15), self.state)

    def _code(self, size: int) -> bytes:
        """Bytes at CS:RIP, as many as there are."""
        address = self.state[CS + 1] + self.state[RIP]
        in_page = min(size, 0x1000 - address % 0x1000)
        head = self.memory.peek(address, in_page) or b""
        rest = size - in_page
        return head + (self.memory.peek(address + in_page, rest) or b"" if rest else b"")

    def _rdpmc(self) -> None:
        """RDPMC where it is allowed: the counters exist and none counts (SDM vol. 2B)."""
        state = self.state
        state[RAX] = state[RDX] = 0
        state[RIP] += 2

    def raise_exception(self, vector: int, error_code: int | None) -> None:
        """An exception of the instruction at RIP that Unicorn did not see."""
        self._deliver(Cause(vector, Kind.EXCEPTION, error_code))

    def _software_interrupt(self, vector: int) -> None:
        state = self.state
        length = 2
        if vector in (trap.BREAKPOINT, trap.OVERFLOW):
            code = self.memory.peek(state[CS + 1] + state[RIP] - 1, 1)
            if code is not None and code[0] in (_INT3, _INTO):
                length = 1
        self._deliver(Cause(vector, Kind.SOFTWARE, None, state[RIP] - length))

    # -- fast system calls -------------------------------------------------------------

    def _refuse_syscall(self) -> bool:
        """With EFER.SCE = 0 SYSCALL is #UD; Intel's CPUs refuse it outside of 64-bit mode, too.

        AMD's take it from compatibility mode (APM vol. 3, SYSCALL); legacy mode is not done.
        """
        long_code = d.HF_LMA if self.cpu.amd else d.HF_CS64
        if self.state[EFER] & EFER_SCE and self.state[HFLAGS] & long_code:
            return False
        self._deliver(Cause(trap.INVALID_OPCODE, Kind.EXCEPTION))
        return True

    def _syscall(self) -> None:
        """SDM vol. 2B, SYSCALL: RCX and R11 are set by the door already."""
        state = self.state
        selector = state[STAR] >> 32 & 0xFFFC
        target = LSTAR if state[HFLAGS] & d.HF_CS64 else CSTAR
        state[R11] &= ~RF
        self._enter_ring_0(selector, _FLAT_CODE | d.L)
        self.cpu.set_eflags(state[R11] & ~state[FMASK])
        state[RIP] = state[target]
        if self.on_syscall is not None:
            self.on_syscall()

    def _enter_ring_0(self, selector: int, code_flags: int) -> None:
        state = self.state
        state[CS], state[CS + 1], state[CS + 2] = selector, 0, _MASK32 | code_flags << 32
        state[HFLAGS] &= ~HF_INHIBIT_IRQ
        load_segment(state, SS, selector + 8, 0, _MASK32, d.NULL_DATA)

    def _sysenter(self) -> None:
        """SDM vol. 2B, SYSENTER; AMD APM vol. 3: #UD in long mode."""
        state = self.state
        if self.cpu.amd and state[HFLAGS] & d.HF_LMA:
            self._deliver(Cause(trap.INVALID_OPCODE, Kind.EXCEPTION))
            return
        selector = state[SYSENTER_CS] & 0xFFFC
        if not state[CR0] & CR0_PE or not selector:
            self._deliver(Cause(trap.GENERAL_PROTECTION, Kind.EXCEPTION, 0))
            return
        long_mode = bool(state[HFLAGS] & d.HF_LMA)
        self.cpu.set_eflags(self.cpu.eflags() & ~(IF | VM))
        self._enter_ring_0(selector, _FLAT_CODE | (d.L if long_mode else d.DB))
        mask = (1 << 64) - 1 if long_mode else _MASK32
        state[RSP], state[RIP] = state[SYSENTER_ESP] & mask, state[SYSENTER_EIP] & mask

    # -- ports -------------------------------------------------------------------------

    def may_use_ports(self, port: int, size: int) -> bool:
        """Whether the code at `state` may use `size` ports from `port` (SDM vol. 1, 19.5)."""
        state = self.state
        flags = state[EFLAGS]
        virtual = flags & VM
        if not state[CR0] & CR0_PE or (not virtual and state[HFLAGS] & 3 <= flags >> 12 & 3):
            return True
        limit = state[TR + 2] & _MASK32
        if (state[TR + 2] >> 32) >> 8 & 0xF not in (d.TSS_AVAILABLE, d.TSS_BUSY) or limit < 103:
            return False
        try:
            start = int.from_bytes(self.memory.read(state[TR + 1] + 102, 2), "little")
            at = start + (port >> 3)
            if at + 1 > limit:
                return False
            bits = int.from_bytes(self.memory.read(state[TR + 1] + at, 2), "little")
        except LinearFault:
            return False
        return not bits >> (port & 7) & ((1 << size) - 1)
