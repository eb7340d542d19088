"""The kernel half of every address space: arch/x86/kernel/cpu/common.c, cpu_entry_area.c.

    ffff888000000000  all of RAM, 2 MiB pages, no execution (direct map)
    fffffe0000000000  cpu_entry_area: IDT (read-only), GDT, TSS, entry stack
    ffffffff81000000  kernel text: the addresses that gates and LSTAR lead to

All of it is supervisor-only. The text holds `cpuid` and `iretq`, by which the CPU enters ring
3; what lies behind the entry addresses is the Python of entry.py.
"""

from __future__ import annotations

import struct

from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.cpu import (
    CR0,
    CR3,
    CS,
    DS,
    EFER,
    ES,
    FS,
    GS,
    HFLAGS,
    R8,
    R15,
    RAX,
    RCX,
    RDI,
    RDX,
    RIP,
    RSP,
    SS,
    Cpu,
)
from youcpu.hardware.interrupts import (
    BREAKPOINT,
    OVERFLOW,
    Gate,
    InterruptTable,
    pack_tss,
    segment_descriptor,
    tss_descriptor,
)
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE, FrameAllocator
from youcpu.hardware.paging import PAGE_SIZE_2M, PTE_A, PTE_D, PTE_NX, PTE_P, PTE_PS, PTE_W

DIRECT_MAP = 0xFFFF_8880_0000_0000
CPU_ENTRY_AREA = 0xFFFF_FE00_0000_0000
KERNEL_TEXT = 0xFFFF_FFFF_8100_0000

#: arch/x86/include/asm/segment.h
KERNEL_CS, KERNEL_DS = 0x10, 0x18
USER32_CS, USER_DS, USER_CS = 0x23, 0x2B, 0x33
TSS_SELECTOR = 0x40
INT80_VECTOR = 0x80

#: Entry points, as offsets in the text page.
CPUID_IRETQ, SYSCALL_ENTRY, VECTOR_ENTRY = 0x0, 0x40, 0x100

MSR_EFER, MSR_STAR, MSR_LSTAR, MSR_SFMASK = 0xC0000080, 0xC0000081, 0xC0000082, 0xC0000084
#: X86_EFLAGS_* that SYSCALL clears (arch/x86/kernel/cpu/common.c).
SYSCALL_MASK = 0x257FD5
CR0_VALUE = 0x8005_0033  # PG AM WP NE ET MP PE
CR4_VALUE = 0x620  # PAE OSFXSR OSXMMEXCPT
EFER_VALUE = 0xD01  # NXE LMA LME SCE


class KernelHalf:
    """Builds the tables in RAM and turns the CPU on; keeps what the entry code needs."""

    def __init__(self, frames: FrameAllocator, cpu: Cpu) -> None:
        self.frames = frames
        self.ram = frames.ram
        self.cpu = cpu
        self.root = frames.alloc()
        self.idt_frame, self.gdt_frame = frames.alloc(), frames.alloc()
        self.tss_frame, self.text_frame = frames.alloc(), frames.alloc()
        self.stack_frame = frames.alloc()
        #: Physical address of the top of the ring-0 stack.
        self.stack_top = (self.stack_frame + 1) << PAGE_SHIFT
        self.idt = InterruptTable(self.ram, self.idt_frame << PAGE_SHIFT)
        self._map_all()
        self._fill_tables()
        base = (self.root << PAGE_SHIFT >> 3) + 256
        #: Entries 256-511 of every root table.
        self.entries: list[int] = self.ram.quads[base : base + 256].tolist()
        self._turn_on()
        #: The CPU in ring 3 with empty registers: where every new program starts from.
        self.user_state = self._enter_ring_3()

    def _table(self, parent: int, index: int) -> int:
        slot = (parent << PAGE_SHIFT >> 3) + index
        entry = self.ram.quads[slot]
        if not entry:
            entry = self.frames.alloc() << PAGE_SHIFT | PTE_P | PTE_W | PTE_A
            self.ram.quads[slot] = entry
        return (entry >> PAGE_SHIFT) & 0xFFFFFFFFFF

    def _map_page(self, address: int, frame: int, rights: int) -> None:
        table = self.root
        for shift in (39, 30, 21):
            table = self._table(table, address >> shift & 511)
        slot = (table << PAGE_SHIFT >> 3) + (address >> 12 & 511)
        self.ram.quads[slot] = frame << PAGE_SHIFT | PTE_P | PTE_A | PTE_D | rights

    def _map_all(self) -> None:
        rights = PTE_P | PTE_W | PTE_A | PTE_D | PTE_PS | PTE_NX
        for physical in range(0, self.ram.size, PAGE_SIZE_2M):
            address = DIRECT_MAP + physical
            table = self._table(self.root, address >> 39 & 511)
            table = self._table(table, address >> 30 & 511)
            slot = (table << PAGE_SHIFT >> 3) + (address >> 21 & 511)
            self.ram.quads[slot] = physical | rights
        area = CPU_ENTRY_AREA
        self._map_page(area, self.idt_frame, PTE_NX)
        self._map_page(area + 0x1000, self.gdt_frame, PTE_NX | PTE_W)
        self._map_page(area + 0x2000, self.stack_frame, PTE_NX | PTE_W)
        self._map_page(area + 0x3000, self.tss_frame, PTE_NX | PTE_W)
        self._map_page(KERNEL_TEXT, self.text_frame, 0)
        self.stack_address = area + 0x3000

    def _fill_tables(self) -> None:
        quads = self.ram.quads
        gdt = self.gdt_frame << PAGE_SHIFT >> 3
        quads[gdt + (KERNEL_CS >> 3)] = segment_descriptor(True, 0)
        quads[gdt + (KERNEL_DS >> 3)] = segment_descriptor(False, 0)
        quads[gdt + (USER32_CS >> 3)] = segment_descriptor(True, 3, long_mode=False)
        quads[gdt + (USER_DS >> 3)] = segment_descriptor(False, 3)
        quads[gdt + (USER_CS >> 3)] = segment_descriptor(True, 3)
        tss = tss_descriptor(CPU_ENTRY_AREA + 0x3000)
        quads[gdt + (TSS_SELECTOR >> 3)], quads[gdt + (TSS_SELECTOR >> 3) + 1] = tss
        image = pack_tss(self.stack_address)
        start = self.tss_frame << PAGE_SHIFT
        self.ram.bytes[start : start + len(image)] = image
        #: Vectors that have a gate.
        self.vectors = (*range(32), INT80_VECTOR)
        for vector in self.vectors:
            dpl = 3 if vector in (BREAKPOINT, OVERFLOW, INT80_VECTOR) else 0
            entry = KERNEL_TEXT + VECTOR_ENTRY + vector * 8
            self.idt.set(vector, Gate(entry, KERNEL_CS, dpl=dpl))
        text = self.text_frame << PAGE_SHIFT
        self.ram.bytes[text + CPUID_IRETQ : text + CPUID_IRETQ + 4] = b"\x0f\xa2\x48\xcf"

    def _turn_on(self) -> None:
        cpu = self.cpu
        self._took_over = bool(cpu.state[CR0] >> 31)
        cpu.write_register(uc.REG_CR3, self.root << PAGE_SHIFT)
        cpu.write_register(uc.REG_CR4, CR4_VALUE)
        cpu.write_msr(MSR_EFER, EFER_VALUE)
        cpu.write_register(uc.REG_CR0, CR0_VALUE)
        cpu.write_msr(MSR_STAR, USER32_CS << 48 | KERNEL_CS << 32)
        cpu.write_msr(MSR_LSTAR, KERNEL_TEXT + SYSCALL_ENTRY)
        cpu.write_msr(MSR_SFMASK, SYSCALL_MASK)
        cpu.load_table_register(uc.REG_GDTR, CPU_ENTRY_AREA + 0x1000, 0x7F)
        cpu.load_table_register(uc.REG_IDTR, CPU_ENTRY_AREA, PAGE_SIZE - 1)
        cpu.load_table_register(uc.REG_TR, CPU_ENTRY_AREA + 0x3000, 0x67, selector=TSS_SELECTOR)
        # As FNINIT leaves it: all registers empty.
        cpu.write_register(uc.REG_FPCW, 0x37F)
        cpu.write_register(uc.REG_FPTAG, 0xFFFF)
        cpu.write_register(uc.REG_MXCSR, 0x1F80)

    def _enter_ring_3(self) -> bytes:
        """Let the CPU itself go to ring 3 through IRETQ (trap 3), to a page that is not there."""
        cpu = self.cpu
        cpu.save()
        state = cpu.state
        slot = (self.stack_top - 40) >> 3
        target = 0x1000
        for i, value in enumerate((target, USER_CS, 0x202, 0x1000, USER_DS)):
            self.ram.quads[slot + i] = value
        state[RAX], state[RCX] = 1, 0
        state[RSP] = self.stack_address - 40
        state[RIP] = KERNEL_TEXT + CPUID_IRETQ
        seen: list[int] = []

        def fault(vector: int, _error: int | None) -> None:
            seen.append(vector)
            cpu.stop()

        cpu.on_exception = fault
        cpu.run(8)
        if state[HFLAGS] & 3 != 3 or state[RIP] != target or not seen:
            raise RuntimeError("the CPU did not reach ring 3")
        #: CPUID.1 EDX, which user space gets as AT_HWCAP.
        self.hwcap = state[RDX] & 0xFFFFFFFF
        for segment in (DS, ES, FS, GS):
            state[segment] = state[segment + 1] = 0
        if self._took_over:
            # What the boot loader left in registers is no program's business.
            for register in (*range(RAX, RDI + 1), *range(R8, R15 + 1)):
                state[register] = 0
            cpu.fxrstor(struct.pack("<H22xI", 0x37F, 0x1F80).ljust(512, b"\0"))
        return cpu.snapshot()


__all__ = ["CR3", "CS", "EFER", "SS", "KernelHalf"]
