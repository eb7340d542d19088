"""The parts of x86 instructions against encodings worked out by hand from Intel's SDM, volume 2."""

from __future__ import annotations

import pytest

from youcpu.abi import elf as abi
from youcpu.formats.disassembler import Disassembler
from youcpu.formats.x86_fields import split

ENGINES = {bits: Disassembler(abi.EM_X86_64, True, True, bits) for bits in (64, 32, 16)}


@pytest.mark.parametrize(
    ("bits", "code", "parts"),
    [
        (64, "c3", "opcode=c3"),
        (64, "488b448e10", "REX=48 opcode=8b ModRM=44 SIB=8e displacement=10"),
        (64, "e8eefeffff", "opcode=e8 immediate=eefeffff"),
        (64, "f0480fb10b", "prefix=f0 REX=48 opcode=0fb1 ModRM=0b"),
        (64, "48c7057fffffff2a000000", "REX=48 opcode=c7 ModRM=05 displacement=7fffffff"
         " immediate=2a000000"),
        (64, "c5f858c1", "VEX=c5f8 opcode=58 ModRM=c1"),
        (64, "62f17c4858c1", "EVEX=62f17c48 opcode=58 ModRM=c1"),
        (64, "660f3a0fc108", "prefix=66 opcode=0f3a0f ModRM=c1 immediate=08"),
        (64, "c8100001", "opcode=c8 immediate=1000 immediate=01"),
        (32, "c408", "opcode=c4 ModRM=08"),
        (32, "48", "opcode=48"),
        (16, "8b4410", "opcode=8b ModRM=44 displacement=10"),
    ],
)  # fmt: skip
def test_fields(bits: int, code: str, parts: str) -> None:
    data = bytes.fromhex(code)
    (found,) = ENGINES[bits].instructions(data, 0)
    assert found.encoding is not None
    fields = split(found.data, found.encoding, bits)
    assert " ".join(f"{field.name}={field.data.hex()}" for field in fields) == parts
    assert b"".join(field.data for field in fields) == data


def test_bad_bytes_are_shown_and_passed_over() -> None:
    found = list(ENGINES[64].instructions(bytes.fromhex("06c306"), 0x100))
    assert [(i.address, i.mnemonic) for i in found] == [
        (0x100, "(bad)"),
        (0x101, "ret"),
        (0x102, "(bad)"),
    ]


def test_quick_and_detailed_agree() -> None:
    data = bytes.fromhex("554889e5e800000000ebf97405c3")
    quick = list(ENGINES[64].instructions(data, 0x1000, detail=False))
    detailed = list(ENGINES[64].instructions(data, 0x1000))
    assert [i[:5] for i in quick] == [i[:5] for i in detailed]
    assert [i.target for i in quick if i.target] == [0x1009, 0x1004, 0x1012]
