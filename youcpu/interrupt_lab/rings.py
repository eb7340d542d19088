"""The probes of rings.S: one instruction each, tried in ring 0 and in ring 3 (SDM vol. 3A, 5.9).

The lab runs them all and leaves 64 bytes a cell: vector, error code, RIP, CS, RFLAGS, RSP, CR2,
RAX. Vector 81h says that the instruction ran and the INT 81h behind it was reached.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from youcpu.interrupt_lab.image import RESULT_SIZE, RESULTS, VARIANTS, LabImage
from youcpu.interrupt_lab.lab import Lab
from youcpu.record import record

#: What the four runs of a probe are called.
VARIANT_NAMES = ("ring0", "ring3", "iopl3", "iomap")
RAN_VECTOR, PREPARING = 0x81, 0x100
_CELL = struct.Struct("<8Q")
_IF, _IOPL = 1 << 9, 3 << 12


class Probe(NamedTuple):
    """`rule`: what decides in ring 3; `silent`: a bit of RFLAGS that POPF may leave alone."""

    name: str
    group: str
    text: str
    rule: str
    source: str
    silent: int = 0


@record(frozen=True)
class Cell:
    """What happened to one probe in one variant."""

    vector: int
    error_code: int
    rip: int
    cs: int
    rflags: int
    rsp: int
    cr2: int
    rax: int

    @property
    def supported(self) -> bool:
        """The CPU has what the probe prepares."""
        return not self.vector & PREPARING

    @property
    def ran(self) -> bool:
        return self.vector == RAN_VECTOR


_CPL0 = "CPL must be 0"
_IOPL_RULE = "CPL must not be above IOPL"
_PORT_RULE = "CPL must not be above IOPL, or the I/O map of the TSS must permit the port"
_UMIP_RULE = "with CR4.UMIP = 1 CPL must be 0"
_FREE = "any ring may"
_TABLES = "descriptor tables"
_FLAGS, _PORTS, _CONTROL = "flags, halting", "ports", "control and debug registers"
_MSR, _CACHE, _WAYS, _MEMORY = "MSRs and counters", "caches", "ways between rings", "memory"

#: By row name of rings.S.
PROBES: dict[str, Probe] = {
    row: Probe(row.replace("_", "-"), *rest)
    for row, *rest in (
        ("cpuid", "unprivileged", "cpuid", _FREE, "SDM vol. 2A, CPUID"),
        ("mov_cs", "unprivileged", "mov eax, cs", "any ring may read CS: bits 1..0 are CPL", "SDM vol. 2B, MOV"),
        ("pushf", "unprivileged", "pushfq", "any ring may read RFLAGS, IF and IOPL too", "SDM vol. 2B, PUSHF"),
        ("cli", _FLAGS, "cli", _IOPL_RULE, "SDM vol. 2A, CLI"),
        ("sti", _FLAGS, "sti", _IOPL_RULE, "SDM vol. 2B, STI"),
        ("popf_if", _FLAGS, "popfq with IF = 0", "above IOPL, POPF leaves IF as it is and says nothing", "SDM vol. 2B, POPF", _IF),
        ("popf_iopl", _FLAGS, "popfq with IOPL = 3", "only ring 0 changes IOPL; POPF says nothing", "SDM vol. 2B, POPF", _IOPL),
        ("hlt", _FLAGS, "hlt", _CPL0, "SDM vol. 2A, HLT"),
        ("in", _PORTS, "in al, 80h", _PORT_RULE, "SDM vol. 1, 19.5"),
        ("out", _PORTS, "out 80h, al", _PORT_RULE, "SDM vol. 1, 19.5"),
        ("insb", _PORTS, "insb, DX = 80h", _PORT_RULE, "SDM vol. 1, 19.5"),
        ("outsb", _PORTS, "outsb, DX = 80h", _PORT_RULE, "SDM vol. 1, 19.5"),
        ("mov_from_cr0", _CONTROL, "mov rax, cr0", _CPL0, "SDM vol. 2B, MOV to/from control registers"),
        ("mov_cr0", _CONTROL, "mov cr0, rax", _CPL0, "SDM vol. 2B, MOV to/from control registers"),
        ("mov_from_cr3", _CONTROL, "mov rax, cr3", _CPL0, "SDM vol. 2B, MOV to/from control registers"),
        ("mov_cr3", _CONTROL, "mov cr3, rax", _CPL0, "SDM vol. 2B, MOV to/from control registers"),
        ("mov_cr4", _CONTROL, "mov cr4, rax", _CPL0, "SDM vol. 2B, MOV to/from control registers"),
        ("mov_cr8", _CONTROL, "mov cr8, rax", _CPL0, "SDM vol. 2B, MOV to/from control registers"),
        ("mov_from_dr7", _CONTROL, "mov rax, dr7", _CPL0, "SDM vol. 2B, MOV to/from debug registers"),
        ("mov_dr7", _CONTROL, "mov dr7, rax", _CPL0, "SDM vol. 2B, MOV to/from debug registers"),
        ("clts", _CONTROL, "clts", _CPL0, "SDM vol. 2A, CLTS"),
        ("lmsw", _CONTROL, "lmsw ax", _CPL0, "SDM vol. 2A, LMSW"),
        ("smsw", _CONTROL, "smsw eax", "any ring may read CR0 so, while CR4.UMIP = 0", "SDM vol. 2B, SMSW"),
        ("smsw_umip", _CONTROL, "smsw eax, UMIP = 1", _UMIP_RULE, "SDM vol. 2B, SMSW; vol. 3A, 2.5"),
        ("sgdt", _TABLES, "sgdt [m]", "any ring may, while CR4.UMIP = 0", "SDM vol. 2B, SGDT"),
        ("sgdt_umip", _TABLES, "sgdt [m], UMIP = 1", _UMIP_RULE, "SDM vol. 2B, SGDT; vol. 3A, 2.5"),
        ("sidt", _TABLES, "sidt [m]", "any ring may, while CR4.UMIP = 0", "SDM vol. 2B, SIDT"),
        ("sidt_umip", _TABLES, "sidt [m], UMIP = 1", _UMIP_RULE, "SDM vol. 2B, SIDT; vol. 3A, 2.5"),
        ("sldt", _TABLES, "sldt eax", "any ring may, while CR4.UMIP = 0", "SDM vol. 2B, SLDT"),
        ("sldt_umip", _TABLES, "sldt eax, UMIP = 1", _UMIP_RULE, "SDM vol. 2B, SLDT; vol. 3A, 2.5"),
        ("str", _TABLES, "str eax", "any ring may, while CR4.UMIP = 0", "SDM vol. 2B, STR"),
        ("str_umip", _TABLES, "str eax, UMIP = 1", _UMIP_RULE, "SDM vol. 2B, STR; vol. 3A, 2.5"),
        ("lgdt", _TABLES, "lgdt [m]", _CPL0, "SDM vol. 2A, LGDT/LIDT"),
        ("lidt", _TABLES, "lidt [m]", _CPL0, "SDM vol. 2A, LGDT/LIDT"),
        ("lldt", _TABLES, "lldt ax", _CPL0, "SDM vol. 2A, LLDT"),
        ("ltr", _TABLES, "ltr ax", _CPL0, "SDM vol. 2A, LTR"),
        ("rdmsr", _MSR, "rdmsr", _CPL0, "SDM vol. 2B, RDMSR"),
        ("wrmsr", _MSR, "wrmsr", _CPL0, "SDM vol. 2D, WRMSR"),
        ("rdtsc", _MSR, "rdtsc", "any ring may, while CR4.TSD = 0", "SDM vol. 2B, RDTSC"),
        ("rdtsc_tsd", _MSR, "rdtsc, TSD = 1", "with CR4.TSD = 1 CPL must be 0", "SDM vol. 2B, RDTSC"),
        ("rdpmc", _MSR, "rdpmc", "CPL must be 0, or CR4.PCE = 1", "SDM vol. 2B, RDPMC"),
        ("wrfsbase", _MSR, "wrfsbase rax", "#UD in any ring while CR4.FSGSBASE = 0", "SDM vol. 2D, WRFSBASE"),
        ("wrfsbase_fsgsbase", _MSR, "wrfsbase, FSGSBASE = 1", "any ring may, with CR4.FSGSBASE = 1", "SDM vol. 2D, WRFSBASE"),
        ("invlpg", _CACHE, "invlpg [m]", _CPL0, "SDM vol. 2A, INVLPG"),
        ("invd", _CACHE, "invd", _CPL0, "SDM vol. 2A, INVD"),
        ("wbinvd", _CACHE, "wbinvd", _CPL0, "SDM vol. 2D, WBINVD"),
        ("swapgs", _WAYS, "swapgs", _CPL0, "SDM vol. 2B, SWAPGS"),
        ("stac", _WAYS, "stac", "#UD, not #GP, where CPL is not 0", "SDM vol. 2B, STAC"),
        ("mov_ds", _WAYS, "mov ds, kernel data", "the descriptor's DPL must not be below CPL and RPL", "SDM vol. 2B, MOV"),
        ("int_ring0", _WAYS, "int 82h, gate DPL 0", "the gate's DPL must not be below CPL", "SDM vol. 3A, 6.12.1.1"),
        ("far_jump", _WAYS, "far jmp to ring 0 code", "DPL of non-conforming code must equal CPL", "SDM vol. 3A, 5.8.1.1"),
        ("iretq_ring0", _WAYS, "iretq to ring 0", "RPL of the popped CS must not be below CPL", "SDM vol. 2A, IRET"),
        ("iretq_ring3", _WAYS, "iretq to ring 3", "returning outwards, or to the same ring, is free", "SDM vol. 2A, IRET"),
        ("sysretq", _WAYS, "sysretq", _CPL0, "SDM vol. 2B, SYSRET"),
        ("sysexit", _WAYS, "sysexit", _CPL0, "SDM vol. 2B, SYSEXIT"),
        ("read_kernel", _MEMORY, "read a kernel page", "ring 3 needs U = 1 on every level", "SDM vol. 3A, 4.6.1"),
        ("write_kernel", _MEMORY, "write a kernel page", "ring 3 needs U = 1 on every level", "SDM vol. 3A, 4.6.1"),
        ("execute_kernel", _MEMORY, "execute a kernel page", "ring 3 needs U = 1 on every level", "SDM vol. 3A, 4.6.1"),
        ("read_user", _MEMORY, "read a user page", "ring 0 may, while CR4.SMAP = 0", "SDM vol. 3A, 4.6.1"),
        ("read_user_smap", _MEMORY, "read user page, SMAP", "with CR4.SMAP ring 0 may not, while AC = 0", "SDM vol. 3A, 4.6.1"),
        ("read_user_smap_ac", _MEMORY, "read user page, SMAP, AC=1", "RFLAGS.AC lifts SMAP", "SDM vol. 3A, 4.6.1"),
        ("write_read_only", _MEMORY, "write a read-only page", "W = 1 is needed in ring 3, with CR0.WP in ring 0 too", "SDM vol. 3A, 4.6.1"),
        ("write_read_only_wp0", _MEMORY, "write read-only, WP = 0", "with CR0.WP = 0 ring 0 writes in spite of W = 0", "SDM vol. 3A, 4.6.1"),
        ("execute_user", _MEMORY, "execute a user page", "ring 0 may, while CR4.SMEP = 0", "SDM vol. 3A, 4.6.1"),
        ("execute_user_smep", _MEMORY, "execute user page, SMEP", "with CR4.SMEP ring 0 may not", "SDM vol. 3A, 4.6.1"),
        ("execute_data", _MEMORY, "execute an NX page", "NX holds in every ring", "SDM vol. 3A, 4.6.1"),
        ("read_absent", _MEMORY, "read an absent page", "P = 0 faults in every ring", "SDM vol. 3A, 4.7"),
        ("read_non_canonical", _MEMORY, "read 800000000000", "bits 63..47 must be equal in every ring", "SDM vol. 1, 3.3.7.1"),
    )
}  # fmt: skip


def run_probes(image: LabImage, vendor: str) -> dict[str, list[Cell]]:
    """Cells by row name, one a variant. Raises LabFailure."""
    lab = Lab(image, "rings", vendor)
    try:
        lab.run_rings()
        memory = bytes(lab.board.ram.bytes[RESULTS:][: len(PROBES) * VARIANTS * RESULT_SIZE])
    finally:
        lab.close()
    return cells_of(image, memory)


def cells_of(image: LabImage, memory: bytes) -> dict[str, list[Cell]]:
    """What lies at RESULTS after a run."""
    found = [Cell(*row) for row in _CELL.iter_unpack(memory)]
    return {
        row: found[number * VARIANTS : (number + 1) * VARIANTS]
        for number, row in enumerate(image.rows("probe."))
    }
