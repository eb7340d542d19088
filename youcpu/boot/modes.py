"""The mode of the CPU and its system registers, and what changed between two looks.

SDM vol. 3A, 2.2 (modes), 2.5 (control registers), 2.4 (GDTR, IDTR, TR), 3.4.5 (descriptors).
"""

from __future__ import annotations

from collections.abc import Mapping

from youcpu.hardware import descriptors as d
from youcpu.hardware.cpu import CR0, CR3, CR4, CS, EFER, EFLAGS, HFLAGS, RIP, Cpu
from youcpu.hardware.registers import GDT, IDT, TR
from youcpu.record import field, record
from youcpu.trace.boot_events import RegisterChange

CR0_FLAGS = {
    0: "PE", 1: "MP", 2: "EM", 3: "TS", 4: "ET", 5: "NE", 16: "WP", 18: "AM", 29: "NW",
    30: "CD", 31: "PG",
}  # fmt: skip
CR4_FLAGS = {
    0: "VME", 1: "PVI", 2: "TSD", 3: "DE", 4: "PSE", 5: "PAE", 6: "MCE", 7: "PGE", 8: "PCE",
    9: "OSFXSR", 10: "OSXMMEXCPT", 11: "UMIP", 12: "LA57", 13: "VMXE", 14: "SMXE",
    16: "FSGSBASE", 17: "PCIDE", 18: "OSXSAVE", 20: "SMEP", 21: "SMAP", 22: "PKE",
}  # fmt: skip
EFER_FLAGS = {0: "SCE", 8: "LME", 10: "LMA", 11: "NXE"}
_FLAGS = {"CR0": CR0_FLAGS, "CR4": CR4_FLAGS, "EFER": EFER_FLAGS}
_MASK16, _MASK32, _MASK64 = (1 << 16) - 1, (1 << 32) - 1, (1 << 64) - 1
_PE, _PG, _LMA, _VM = 1, 1 << 31, 1 << 10, 1 << 17


@record(frozen=True)
class Look:
    """System registers at one moment."""

    cr0: int
    cr3: int
    cr4: int
    efer: int
    cpl: int
    cs: int
    cs_base: int
    cs_limit: int
    cs_flags: int
    gdt: tuple[int, int]  # base, limit
    idt: tuple[int, int]
    tr: int
    tr_base: int
    virtual_8086: bool = False
    values: Mapping[str, int] = field(default_factory=dict)

    @property
    def protected(self) -> bool:
        return bool(self.cr0 & _PE)

    @property
    def long(self) -> bool:
        """IA-32e mode is active."""
        return bool(self.efer & _LMA)

    @property
    def bits(self) -> int:
        """Size of code."""
        if self.long and self.cs_flags & d.L:
            return 64
        return 32 if self.protected and self.cs_flags & d.DB else 16

    @property
    def mode(self) -> str:
        """In words."""
        if not self.protected:
            return "real mode"
        if self.long:
            return "64-bit mode" if self.bits == 64 else f"compatibility mode, {self.bits}-bit"
        kind = "virtual-8086 mode" if self.virtual_8086 else f"protected mode, {self.bits}-bit"
        return kind + (", paging" if self.cr0 & _PG else "")


def look(cpu: Cpu) -> Look:
    """What `cpu.state` holds."""
    s = cpu.state
    code = s[CS + 2]
    return Look(
        s[CR0] & _MASK32, s[CR3], s[CR4], s[EFER], s[HFLAGS] & 3, s[CS] & _MASK16, s[CS + 1],
        code & _MASK32, code >> 32, (s[GDT + 1], s[GDT + 2] & _MASK32),
        (s[IDT + 1], s[IDT + 2] & _MASK32), s[TR] & _MASK16, s[TR + 1],
        bool(s[EFLAGS] & _VM),
    )  # fmt: skip


def registers(cpu: Cpu) -> dict[str, int]:
    """The system registers by name, for a document."""
    now, s = look(cpu), cpu.state
    return {
        "CR0": now.cr0, "CR2": s[CR0 + 2], "CR3": now.cr3, "CR4": now.cr4, "EFER": now.efer,
        "CPL": now.cpl, "CS": now.cs, "RIP": s[RIP], "RFLAGS": cpu.eflags(),
        "GDTR.base": now.gdt[0], "GDTR.limit": now.gdt[1], "IDTR.base": now.idt[0],
        "IDTR.limit": now.idt[1], "TR": now.tr,
    }  # fmt: skip


def flag_names(register: str, value: int) -> tuple[str, ...]:
    """Names of the flags that are set, low to high."""
    return tuple(name for bit, name in _FLAGS[register].items() if value >> bit & 1)


def segment_text(flags: int, base: int, limit: int, long: bool) -> str:
    """A code segment in words."""
    if flags & d.L and long:
        return f"64-bit code, DPL {flags >> d.DPL_SHIFT & 3}"
    bits = 32 if flags & d.DB else 16
    size = "4 GiB" if limit == _MASK32 else f"{limit + 1:#x} bytes"
    return f"{bits}-bit code, base {base:#x}, {size}, DPL {flags >> d.DPL_SHIFT & 3}"


def changes(before: Look, after: Look) -> list[RegisterChange]:
    """What differs, in the order in which a boot sets it."""
    found = []
    for name, old, new in (
        ("CR0", before.cr0, after.cr0), ("CR4", before.cr4, after.cr4),
        ("EFER", before.efer, after.efer),
    ):  # fmt: skip
        if old != new:
            raised, lowered = flag_names(name, new & ~old), flag_names(name, old & ~new)
            found.append(RegisterChange(name, old, new, raised, lowered))
    if before.cr3 != after.cr3:
        found.append(RegisterChange("CR3", before.cr3, after.cr3, meaning="page tables"))
    for name, (old, old_limit), (new, new_limit) in (
        ("GDTR", before.gdt, after.gdt), ("IDTR", before.idt, after.idt),
    ):  # fmt: skip
        if (old, old_limit) != (new, new_limit):
            found.append(RegisterChange(name, old, new, meaning=f"limit {new_limit:#x}"))
    if before.tr != after.tr:
        meaning = f"TSS at {after.tr_base:#x}"
        found.append(RegisterChange("TR", before.tr, after.tr, meaning=meaning))
    found += _code_changes(before, after)
    return found


def _code_changes(before: Look, after: Look) -> list[RegisterChange]:
    found = []
    if after.protected:
        old = (before.cs, before.cs_flags & ~d.ACCESSED, before.cs_limit)
        if old != (after.cs, after.cs_flags & ~d.ACCESSED, after.cs_limit):
            words = segment_text(after.cs_flags, after.cs_base, after.cs_limit, after.long)
            found.append(RegisterChange("CS", before.cs, after.cs, meaning=words))
    if before.cpl != after.cpl:
        found.append(RegisterChange("CPL", before.cpl, after.cpl))
    return found
