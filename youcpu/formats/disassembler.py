"""Instructions out of bytes by capstone, for the machines that readelf knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from youcpu.abi import elf as abi
from youcpu.formats.errors import FormatError
from youcpu.formats.x86_fields import Encoding

# (capstone's architecture, its mode) by machine and class; names of capstone's constants.
MODES: dict[tuple[int, bool], tuple[str, tuple[str, ...]]] = {
    (abi.EM_X86_64, True): ("CS_ARCH_X86", ("CS_MODE_64",)),
    (abi.EM_X86_64, False): ("CS_ARCH_X86", ("CS_MODE_64",)),
    (abi.EM_386, False): ("CS_ARCH_X86", ("CS_MODE_32",)),
    (abi.EM_AARCH64, True): ("CS_ARCH_ARM64", ("CS_MODE_ARM",)),
    (abi.EM_ARM, False): ("CS_ARCH_ARM", ("CS_MODE_ARM",)),
    (abi.EM_MIPS, False): ("CS_ARCH_MIPS", ("CS_MODE_MIPS32",)),
    (abi.EM_MIPS, True): ("CS_ARCH_MIPS", ("CS_MODE_MIPS64",)),
    (abi.EM_PPC, False): ("CS_ARCH_PPC", ("CS_MODE_32",)),
    (abi.EM_PPC64, True): ("CS_ARCH_PPC", ("CS_MODE_64",)),
    (abi.EM_S390, True): ("CS_ARCH_SYSZ", ()),
    (abi.EM_RISCV, True): ("CS_ARCH_RISCV", ("CS_MODE_RISCV64", "CS_MODE_RISCVC")),
    (abi.EM_RISCV, False): ("CS_ARCH_RISCV", ("CS_MODE_RISCV32", "CS_MODE_RISCVC")),
}
LEAST_BYTES = {abi.EM_X86_64: 1, abi.EM_386: 1, abi.EM_S390: 2, abi.EM_RISCV: 2}


class Instruction(NamedTuple):
    """`encoding` is of x86 only; a byte that is no instruction has the mnemonic "(bad)"."""

    address: int
    data: bytes
    mnemonic: str
    operands: str
    target: int | None
    encoding: Encoding | None


class Disassembler:
    """For one machine. Raises FormatError for a machine that capstone does not know."""

    def __init__(self, machine: int, is64: bool, little: bool, bits: int | None = None) -> None:
        import capstone

        known = MODES.get((machine, is64))
        if known is None:
            raise FormatError(18, f"no disassembler for machine {machine}")
        architecture, modes = known
        if bits is not None:
            modes = (f"CS_MODE_{bits}",)
        mode = 0 if little else capstone.CS_MODE_BIG_ENDIAN
        for name in modes:
            mode |= getattr(capstone, name)
        self.x86 = architecture == "CS_ARCH_X86"
        self.bits = bits or (64 if is64 or machine == abi.EM_X86_64 else 32)
        self.step = LEAST_BYTES.get(machine, 4)
        self._engine: Any = capstone.Cs(getattr(capstone, architecture), mode)
        self._engine.detail = True

    def instructions(self, data: bytes, address: int, detail: bool = True) -> Iterator[Instruction]:
        """Every byte is in one instruction, bad ones included.

        Without `detail`, which takes most of the time, x86 instructions have no `encoding`.
        """
        quick = self.x86 and not detail
        position = 0
        while position < len(data):
            rest, place = data[position:], address + position
            for found in self._quick(rest, place) if quick else self._detailed(rest, place):
                yield found
                position = found.address + len(found.data) - address
            if position < len(data):
                bad = data[position : position + self.step]
                yield Instruction(address + position, bad, "(bad)", "", None, None)
                position += len(bad)

    def _detailed(self, data: bytes, address: int) -> Iterator[Instruction]:
        for found in self._engine.disasm(data, address):
            yield self._instruction(found)

    def _quick(self, data: bytes, address: int) -> Iterator[Instruction]:
        self._engine.detail = False
        for place, size, mnemonic, operands in self._engine.disasm_lite(data, address):
            target = None
            if operands.startswith("0x") and mnemonic.startswith(("j", "call", "loop", "bnd")):
                target = int(operands, 16)
            code = data[place - address : place - address + size]
            yield Instruction(place, code, mnemonic, operands, target, None)
        self._engine.detail = True

    def _instruction(self, found: Any) -> Instruction:
        target = None
        operands = found.op_str
        jump = {1, 2, 7}.intersection(found.groups)  # CS_GRP_JUMP, CALL, BRANCH_RELATIVE
        if jump and found.operands:
            last = found.operands[-1]
            if last.type == 2:  # CS_OP_IMM
                target = last.imm & ((1 << 64) - 1)
        encoding = None
        if self.x86:
            parts = found.encoding
            encoding = Encoding(
                parts.modrm_offset,
                parts.disp_offset,
                parts.disp_size,
                parts.imm_offset,
                parts.imm_size,
            )
        return Instruction(
            found.address, bytes(found.bytes), found.mnemonic, operands, target, encoding
        )


def one_instruction(code: bytes, address: int, bits: int) -> str:
    """x86 code's first instruction as text, "" where there is no code at all."""
    if not code:
        return ""
    import capstone

    engine: Any = capstone.Cs(capstone.CS_ARCH_X86, getattr(capstone, f"CS_MODE_{bits}"))
    found = next(engine.disasm_lite(code, address, 1), None)
    return "(bad)" if found is None else f"{found[2]} {found[3]}".rstrip()
