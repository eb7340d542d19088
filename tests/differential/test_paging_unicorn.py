"""hardware/paging compared with Unicorn's own MMU (QEMU 5.0's x86 softmmu).

Seeded random tables, addresses, accesses, rings and control registers: both must reach the
same physical address with the same A and D bits, or raise the same exception with the same
error code. The physical bits are set to the 40 that QEMU 5.0 has.

Where QEMU 5.0 differs from the manual (the test holds each difference to this list):
- The reserved bits 1, 2 and 5..8 of a PAE PDPTE: a CPU refuses them at MOV to CR3 (#GP,
  SDM vol. 3A, 4.4.1). QEMU 5.0 reads the PDPTEs at each walk and ignores these bits.
- The other reserved bits of a PDPTE: QEMU raises #PF with RSVD at the access, for the same
  reason; the CPU #GP at the load.
"""

from __future__ import annotations

import ctypes
import mmap
import random
import struct
from collections import Counter
from typing import Any, NamedTuple

import pytest

from youcpu.hardware import paging as p
from youcpu.hardware.paging_access import Access, Rule, Verdict, check_access
from youcpu.hardware.paging_walk import walk

unicorn = pytest.importorskip("unicorn")
x86 = pytest.importorskip("unicorn.x86_const")

RAM_SIZE = 32 << 20
FREE = 16 << 20  # frames from here on hold data; tables and code lie below
USER_CODE, KERNEL_CODE = 0x1000, 0x2000  # linear = physical
CODE_TABLES = 0x10000
TABLES = 0x100000  # the tables of the address under test
GDT = 0x8000
PHYSICAL_BITS = 40
BLOB_HEADER, BLOB_ERROR_CODE = 40, 5384
OLD_EXCEPTION = 5496
PDPTE_IGNORED = p.PTE_W | p.PTE_U | 0x1E0
MODES = {"4-level": p.LEVEL4, "5-level": p.LEVEL5, "PAE": p.PAE, "32-bit": p.LEGACY32}


class Machine:
    """One Unicorn engine over shared RAM, with a saved context for each ring."""

    def __init__(self, wide: bool) -> None:
        self.wide = wide
        self.buffer = mmap.mmap(-1, RAM_SIZE)
        self.ram = memoryview(self.buffer)
        self.memory = p.FlatMemory(self.ram)
        self.uc = unicorn.Uc(
            unicorn.UC_ARCH_X86, unicorn.UC_MODE_64 if wide else unicorn.UC_MODE_32
        )
        self.uc.ctl_set_cpu_model(x86.UC_CPU_X86_ICELAKE_SERVER)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.buffer))
        self.uc.mem_map_ptr(0, RAM_SIZE, unicorn.UC_PROT_ALL, start)
        self.uc.hook_add(unicorn.UC_HOOK_INTR, self._on_exception)
        self.uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_unmapped)
        self.exception: int | None = None
        self.unmapped: int | None = None
        self._write_code()
        self.rings = {0: self._context(0), 3: self._context(3)}
        self.scratch = self.uc.context_save()

    def _write_code(self) -> None:
        """wrpkru, then the access through RDI (EDI): read, write, jump."""
        rex = b"\x48" if self.wide else b""
        self.entry_points = {}
        for page in (USER_CODE, KERNEL_CODE):
            at = page
            for kind, code in (
                ("r", rex + b"\x8b\x07"),
                ("w", rex + b"\x89\x37"),
                ("x", b"\xff\xe7"),
            ):
                body = b"\x0f\x01\xef" + code
                self.ram[at : at + len(body)] = body
                self.entry_points[page, kind] = at
                at += 64
        # GDT: null, ring 0 code and data, ring 3 code and data.
        for index, access in enumerate((0, 0x9A, 0x92, 0xFA, 0xF2)):
            flags = 0xA if self.wide and access & 8 else 0xC
            value = 0xFFFF | access << 40 | 0xF << 48 | flags << 52 if access else 0
            struct.pack_into("<Q", self.ram, GDT + 8 * index, value)

    def _context(self, ring: int) -> object:
        """The CPU in `ring`, paging off: reached by its own IRET."""
        uc = self.uc
        uc.reg_write(x86.UC_X86_REG_GDTR, (0, GDT, 39, 0))
        code = 0x9000
        self.ram[code : code + 2] = b"\x48\xcf" if self.wide else b"\xcf\x90"
        stack = 0xA000
        selectors = (0x08, 0x10) if ring == 0 else (0x1B, 0x23)
        frame = (USER_CODE, selectors[0], 0x2, 0xB000, selectors[1])
        struct.pack_into("<5Q" if self.wide else "<5I", self.ram, stack, *frame)
        if ring == 0 and not self.wide:
            return uc.context_save()
        uc.reg_write(x86.UC_X86_REG_RSP if self.wide else x86.UC_X86_REG_ESP, stack)
        uc.emu_start(code, 0, count=1)
        assert uc.reg_read(x86.UC_X86_REG_CS) & 3 == ring
        return uc.context_save()

    def _on_exception(self, uc: object, number: int, _: object) -> None:
        self.exception = number
        self.uc.emu_stop()

    def _on_unmapped(
        self, uc: object, kind: int, address: int, size: int, value: int, _: object
    ) -> bool:
        self.unmapped = address
        return False

    def error_code(self) -> int:
        """Of the exception in flight, from Unicorn's copy of the CPU."""
        self.uc.context_update(self.scratch)
        start = self.scratch.context.value + BLOB_HEADER + BLOB_ERROR_CODE
        return int.from_bytes(ctypes.string_at(start, 4), "little")

    def run(self, case: Case, value: int) -> str | tuple[int, int] | int:
        """Do the access: "done", (vector, error code), or the physical address that is no RAM."""
        uc, registers, access = self.uc, case.registers, case.access
        uc.context_restore(self.rings[3 if access.user else 0])
        uc.reg_write(x86.UC_X86_REG_MSR, (0xC0000080, registers.efer))
        uc.reg_write(x86.UC_X86_REG_CR4, registers.cr4)
        uc.reg_write(x86.UC_X86_REG_CR3, registers.cr3)
        uc.reg_write(x86.UC_X86_REG_CR0, registers.cr0)
        wide = self.wide
        uc.reg_write(x86.UC_X86_REG_RDI if wide else x86.UC_X86_REG_EDI, case.address)
        uc.reg_write(x86.UC_X86_REG_RSI if wide else x86.UC_X86_REG_ESI, value)
        uc.reg_write(x86.UC_X86_REG_EFLAGS, 2 | (p.RFLAGS_AC if access.ac else 0))
        start = self.entry_points[USER_CODE if access.user else KERNEL_CODE, access.kind]
        keys = bool(registers.cr4 & p.CR4_PKE)
        uc.reg_write(x86.UC_X86_REG_RAX if wide else x86.UC_X86_REG_EAX, registers.pkru)
        if keys:
            uc.reg_write(x86.UC_X86_REG_RCX, 0)  # as WRPKRU wants them
            uc.reg_write(x86.UC_X86_REG_RDX, 0)
        else:
            start += 3
        self.exception = self.unmapped = None
        until = (start & -4096) + 0xFF0
        try:
            uc.emu_start(start, until, count=1 + keys + (access.kind == "x"))
        except unicorn.UcError:
            if self.exception is None and self.unmapped is None:
                raise
        if self.exception is not None:
            return self.exception, self.error_code()
        return "done" if self.unmapped is None else self.unmapped


class Case(NamedTuple):
    mode: p.Mode
    registers: p.PagingRegisters
    address: int
    access: Access


def map_code(machine: Machine, mode: p.Mode) -> int:
    """Tables that map the two code pages in place; returns the root."""
    pack = "<I" if mode is p.LEGACY32 else "<Q"
    table = CODE_TABLES
    for depth in range(len(mode.levels) - 1):
        flags = p.PTE_P if mode is p.PAE and depth == 0 else p.PTE_P | p.PTE_W | p.PTE_U | p.PTE_A
        struct.pack_into(pack, machine.ram, table, table + 4096 | flags)
        table += 4096
    for page, user in ((USER_CODE, p.PTE_U), (KERNEL_CODE, 0)):
        place = table + (page >> 12) * mode.entry_size
        struct.pack_into(pack, machine.ram, place, page | p.PTE_P | p.PTE_A | user)
    return CODE_TABLES


def random_registers(dice: random.Random, mode: p.Mode, root: int) -> p.PagingRegisters:
    def maybe(bits: int, chance: float = 0.5) -> int:
        return bits if dice.random() < chance else 0

    cr4 = maybe(p.CR4_SMEP) | maybe(p.CR4_SMAP) | maybe(p.CR4_PSE, 0.8) | maybe(p.CR4_PGE)
    efer = maybe(p.EFER_NXE, 0.8)
    pkru = 0
    if mode is not p.LEGACY32:
        cr4 |= p.CR4_PAE
    if mode.sign_extended:
        cr4 |= maybe(p.CR4_PKE, 0.4) | (p.CR4_LA57 if mode is p.LEVEL5 else 0)
        efer |= p.EFER_LME | p.EFER_LMA
        pkru = dice.getrandbits(32) & dice.getrandbits(32) if cr4 & p.CR4_PKE else 0
    cr0 = p.CR0_PE | p.CR0_PG | maybe(p.CR0_WP)
    cr3 = root | maybe(0x18, 0.2)
    return p.PagingRegisters(cr3, cr0, cr4, efer, pkru, physical_bits=PHYSICAL_BITS)


def random_address(dice: random.Random, mode: p.Mode) -> int:
    """Not under the root's first entry, which maps the code; now and then not canonical."""
    top = mode.levels[0]
    index = dice.randrange(1, 1 << top.index_bits)
    low = dice.getrandbits(top.shift)
    if mode.sign_extended:  # 1 GiB pages shall hit free RAM, or none
        end = RAM_SIZE if dice.random() < 0.8 else 1 << 30
        low = low & -(1 << 30) | dice.randrange(FREE, end)
    address = (index << top.shift | low) & -8
    if not mode.sign_extended:
        return address
    if dice.random() < 0.04:
        return address | dice.getrandbits(64) & -(1 << mode.address_bits)
    return p.canonical(address, mode.address_bits)


def random_entry(
    dice: random.Random, mode: p.Mode, rules: p.EntryRules, depth: int, following: int
) -> int:
    """An entry that leads to the table `following`, or is a leaf on free or absent memory."""
    level = mode.levels[depth]
    small = level.shift == 12
    weights = (
        (p.PTE_P, 0.97), (p.PTE_W, 0.8), (p.PTE_U, 0.8), (p.PTE_PWT, 0.2), (p.PTE_PCD, 0.2),
        (p.PTE_A, 0.5), (p.PTE_D, 0.5), (p.PTE_G, 0.3), (p.PTE_SOFTWARE, 0.3),
        (p.PTE_PS, 0.3 if level.may_be_leaf or small else 0.02),
    )  # fmt: skip
    entry = sum(bit for bit, chance in weights if dice.random() < chance)
    if mode is p.PAE and depth == 0 and dice.random() < 0.8:
        entry &= p.PTE_P | p.PTE_PWT | p.PTE_PCD | p.PTE_SOFTWARE
    leaf = small or entry & rules.leaf_bit
    base = following if not leaf else dice.randrange(FREE, RAM_SIZE) & -level.size
    if leaf and dice.random() < 0.05:
        base |= dice.getrandbits(32) & -level.size & 0xFFFF_FFFF
        base = max(base, RAM_SIZE) & -level.size
    entry |= base
    if leaf and not small and dice.random() < 0.06:
        entry |= dice.getrandbits(level.shift) & -4096 & 0xFFFF_FFFF
    if mode is p.LEGACY32:
        return entry & 0xFFFF_FFFF
    rare = 0.03
    entry |= p.PTE_NX if dice.random() < (rare if mode is p.PAE and depth == 0 else 0.12) else 0
    if dice.random() < (rare if mode is p.PAE else 0.6):
        entry |= dice.getrandbits(11) << 52
    if dice.random() < rare:
        entry |= 1 << dice.randrange(PHYSICAL_BITS, 52)
    return entry


def make_case(dice: random.Random, machine: Machine, mode: p.Mode, root: int) -> Case:
    """Write the entries of one random walk into RAM."""
    address = random_address(dice, mode)
    pack = "<I" if mode is p.LEGACY32 else "<Q"
    registers = random_registers(dice, mode, root)
    table = root
    for depth, rules in enumerate(p.entry_rules(registers)):
        following = TABLES + depth * 4096
        if depth and dice.random() < 0.04:
            following = table  # a table that leads to itself
        entry = random_entry(dice, mode, rules, depth, following)
        place = table + rules.level.index(address) * mode.entry_size
        struct.pack_into(pack, machine.ram, place, entry)
        table = following
    access = Access(dice.choice("rwx"), dice.random() < 0.5, dice.random() < 0.3)
    return Case(mode, registers, address, access)


class BlindToPdpte:
    """The memory as QEMU 5.0 sees it: a PAE PDPTE without the bits that it ignores."""

    def __init__(self, memory: p.FlatMemory, place: int) -> None:
        self.memory = memory
        self.place = place

    def read(self, address: int, size: int) -> bytes | memoryview | None:
        data = self.memory.read(address, size)
        if address != self.place or data is None:
            return data
        return (int.from_bytes(data, "little") & ~PDPTE_IGNORED).to_bytes(size, "little")


def expected(case: Case, verdict: Verdict) -> str | tuple[int, int]:
    """What QEMU 5.0 does."""
    if verdict.rule is Rule.PDPTE:
        return 14, verdict_code(case) | p.PF_PRESENT | p.PF_RSVD
    if verdict.vector is not None:
        return verdict.vector, verdict.error_code
    assert verdict.allowed
    return "done"


def verdict_code(case: Case) -> int:
    """The error code's W, U and I as any fault of this access has them (SDM vol. 3A, 4.7)."""
    registers, access = case.registers, case.access
    tells_fetch = registers.cr4 & p.CR4_SMEP or registers.efer & p.EFER_NXE
    code = p.PF_USER if access.user else 0
    code |= p.PF_WRITE if access.kind == "w" else 0
    return code | (p.PF_INSTR if access.kind == "x" and tells_fetch else 0)


def check_case(machine: Machine, case: Case, dice: random.Random, tally: Counter[str]) -> None:
    found = walk(machine.memory, case.registers, case.address)
    verdict = check_access(found, case.registers, case.access)
    tally[verdict.rule.name] += 1
    memory: p.PhysicalMemory = machine.memory
    if verdict.rule is Rule.PDPTE:
        memory = BlindToPdpte(machine.memory, found.steps[0].entry_address)
        found = walk(memory, case.registers, case.address)
        verdict = check_access(found, case.registers, case.access)
    want: Any = expected(case, verdict)
    width = 8 if machine.wide else 4
    marker = dice.getrandbits(32)
    # mov eax, marker; jmp to itself: the block ends before the page does
    code = b"\xb8" + marker.to_bytes(4, "little") + b"\xeb\xfe\x90"
    physical = found.physical
    in_ram = physical is not None and physical + 8 <= RAM_SIZE
    if in_ram:
        assert physical is not None
        assert physical >= FREE
        machine.ram[physical : physical + 8] = code
        if case.access.kind == "x":
            machine.uc.ctl_flush_tb()  # Unicorn does not see that its memory has changed
    if want == "done" and not in_ram:
        want = physical
    value = dice.getrandbits(8 * width)
    got = machine.run(case, value)
    assert got == want, (case, found, verdict)
    if want == "done":
        assert physical is not None
        rax = machine.uc.reg_read(x86.UC_X86_REG_RAX if machine.wide else x86.UC_X86_REG_EAX)
        there = bytes(machine.ram[physical : physical + width])
        if case.access.kind == "w":
            assert there == value.to_bytes(width, "little"), (case, found)
        else:
            data = marker if case.access.kind == "x" else int.from_bytes(code[:width], "little")
            assert rax == data, (case, found)
        changes = dict(verdict.updates)
        for step in found.steps:
            now = memory.read(step.entry_address, step.entry_size)
            assert now is not None
            entry = changes.get(step.entry_address, step.entry)
            assert int.from_bytes(now, "little") == entry, (case, found, verdict)


@pytest.mark.parametrize("name", MODES)
def test_the_walk_agrees_with_unicorn(name: str, pytestconfig: pytest.Config) -> None:
    mode = MODES[name]
    machine = Machine(mode.sign_extended)
    root = map_code(machine, mode)
    dice = random.Random(f"paging {name}")
    tally: Counter[str] = Counter()
    for _ in range(25_000 if pytestconfig.getoption("--long") else 2_500):
        check_case(machine, make_case(dice, machine, mode, root), dice, tally)
    print(name, dict(tally))
    assert tally["ALLOWED"] > 100
    assert tally["RESERVED"] + tally["PDPTE"] > 10
