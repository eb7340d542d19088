"""May this access pass? The rules of Intel SDM vol. 3A, 4.6 and the error code of 4.7."""

from __future__ import annotations

from enum import Enum

from youcpu.hardware.paging import (
    CR0_WP,
    CR4_PAE,
    CR4_PKE,
    CR4_PKS,
    CR4_SMAP,
    CR4_SMEP,
    EFER_NXE,
    PF_INSTR,
    PF_PK,
    PF_PRESENT,
    PF_RSVD,
    PF_USER,
    PF_WRITE,
    PTE_A,
    PTE_D,
    PTE_PKEY,
    PTE_PKEY_SHIFT,
    RIGHT_U,
    RIGHT_W,
    RIGHT_X,
    PagingRegisters,
)
from youcpu.hardware.paging_walk import Reason, Walk, registers_fault_at_load
from youcpu.record import record

VECTOR_GP = 13
VECTOR_PF = 14


class Rule(Enum):
    """Which rule decided, and where it is written."""

    ALLOWED = ("the rights of all levels allow it", "SDM vol. 3A, 4.6.1")
    PAGING_OFF = ("paging is off: linear is physical", "SDM vol. 3A, 4.1.1")
    NON_CANONICAL = (
        "the bits above the translated ones are no copies of the highest of them",
        "SDM vol. 1, 3.3.7.1",
    )
    NOT_PRESENT = ("an entry has P = 0", "SDM vol. 3A, 4.7")
    RESERVED = ("an entry has a reserved bit set", "SDM vol. 3A, 4.7")
    PDPTE = ("a PDPTE has a reserved bit set: MOV to CR3 refuses it", "SDM vol. 3A, 4.4.1")
    NOT_IN_MEMORY = ("a table is not in this memory", "")
    SUPERVISOR_PAGE = (
        "ring 3 reaches a page only where every level has U = 1",
        "SDM vol. 3A, 4.6.1",
    )
    READ_ONLY = ("ring 3 writes only where every level has W = 1", "SDM vol. 3A, 4.6.1")
    WRITE_PROTECT = (
        "with CR0.WP = 1 the kernel too writes only where every level has W = 1",
        "SDM vol. 3A, 4.6.1",
    )
    NO_EXECUTE = ("code is fetched only where no level has NX = 1", "SDM vol. 3A, 4.6.1")
    SMEP = ("CR4.SMEP: the kernel may not execute user pages", "SDM vol. 3A, 4.6.1")
    SMAP = ("CR4.SMAP: the kernel may not touch user pages with AC = 0", "SDM vol. 3A, 4.6.1")
    PROTECTION_KEY = ("the page's protection key forbids it", "SDM vol. 3A, 4.6.2")

    @property
    def text(self) -> str:
        return self.value[0]

    @property
    def source(self) -> str:
        return self.value[1]


@record(frozen=True)
class Access:
    """One access: `kind` is "r", "w" or "x"."""

    kind: str
    user: bool  # from ring 3
    ac: bool = False  # RFLAGS.AC, which lifts SMAP


@record(frozen=True)
class Verdict:
    """What the CPU does about an access."""

    rule: Rule
    vector: int | None = None  # of the exception; None: allowed, or not to be known
    error_code: int = 0
    updates: tuple[tuple[int, int], ...] = ()  # (physical address of an entry, its new value)

    @property
    def allowed(self) -> bool:
        return self.rule in (Rule.ALLOWED, Rule.PAGING_OFF)


def check_access(walk: Walk, registers: PagingRegisters, access: Access) -> Verdict:
    """The verdict on `access` to where `walk` led, both under `registers`."""
    if walk.reason is Reason.PAGING_OFF:
        return Verdict(Rule.PAGING_OFF)
    if walk.reason is Reason.NOT_IN_MEMORY:
        return Verdict(Rule.NOT_IN_MEMORY)
    if walk.reason is Reason.NON_CANONICAL:
        return Verdict(Rule.NON_CANONICAL, VECTOR_GP, 0)
    code = _access_bits(registers, access)
    if walk.reason is Reason.NOT_PRESENT:
        return Verdict(Rule.NOT_PRESENT, VECTOR_PF, code)
    if walk.reason is Reason.RESERVED:
        if registers_fault_at_load(registers, walk.steps[-1]):
            return Verdict(Rule.PDPTE, VECTOR_GP, 0)
        return Verdict(Rule.RESERVED, VECTOR_PF, code | PF_PRESENT | PF_RSVD)
    key = _key_violated(walk, registers, access)
    rule = _rights_violated(walk.rights, registers, access)
    if rule is None and not key:
        return Verdict(Rule.ALLOWED, updates=_updates(walk, access))
    code |= PF_PRESENT | (PF_PK if key else 0)
    return Verdict(rule or Rule.PROTECTION_KEY, VECTOR_PF, code)


def _access_bits(registers: PagingRegisters, access: Access) -> int:
    code = PF_USER if access.user else 0
    if access.kind == "w":
        code |= PF_WRITE
    elif access.kind == "x":
        nx = registers.efer & EFER_NXE and registers.cr4 & CR4_PAE
        code |= PF_INSTR if nx or registers.cr4 & CR4_SMEP else 0
    return code


def _rights_violated(rights: int, registers: PagingRegisters, access: Access) -> Rule | None:
    user_page = rights & RIGHT_U
    if access.user and not user_page:
        return Rule.SUPERVISOR_PAGE
    if access.kind == "x":
        if user_page and not access.user and registers.cr4 & CR4_SMEP:
            return Rule.SMEP
        return None if rights & RIGHT_X else Rule.NO_EXECUTE
    if user_page and not access.user and registers.cr4 & CR4_SMAP and not access.ac:
        return Rule.SMAP
    if access.kind == "w" and not rights & RIGHT_W:
        if access.user:
            return Rule.READ_ONLY
        return Rule.WRITE_PROTECT if registers.cr0 & CR0_WP else None
    return None


def _key_violated(walk: Walk, registers: PagingRegisters, access: Access) -> bool:
    """Protection keys: data accesses in 4- and 5-level paging only (SDM vol. 3A, 4.6.2)."""
    if access.kind == "x" or walk.leaf is None or walk.mode is None or not walk.mode.sign_extended:
        return False
    if walk.rights & RIGHT_U:
        enabled, table = registers.cr4 & CR4_PKE, registers.pkru
    else:
        enabled, table = registers.cr4 & CR4_PKS, registers.pkrs
    if not enabled:
        return False
    bits = table >> 2 * ((walk.leaf & PTE_PKEY) >> PTE_PKEY_SHIFT)
    if bits & 1:  # access disable
        return True
    write_disable = bool(bits & 2) and access.kind == "w"
    return write_disable and bool(access.user or registers.cr0 & CR0_WP)


def _updates(walk: Walk, access: Access) -> tuple[tuple[int, int], ...]:
    """The A and D bits that the CPU sets on the way (SDM vol. 3A, 4.8)."""
    changed = []
    for step in walk.steps:
        if step.entry is None or not step.rules.has_rights:
            continue  # PAE's first level has no A
        entry = step.entry | PTE_A
        if step.leaf and access.kind == "w":
            entry |= PTE_D
        if entry != step.entry:
            changed.append((step.entry_address, entry))
    return tuple(changed)
