"""kallsyms in the layouts of Linux 5.x to 6.x, System.map, the ELF symbol table."""

from __future__ import annotations

import shutil
import subprocess
from array import array
from pathlib import Path

import pytest

from youcpu.formats.errors import FormatError
from youcpu.formats.kallsyms import parse_kallsyms
from youcpu.formats.kernel_symbols import KernelSymbol, elf_kernel_symbols
from youcpu.formats.system_map import parse_system_map

BASE = 0xFFFF_FFFF_8100_0000


def symbols(count: int) -> list[KernelSymbol]:
    percpu = [KernelSymbol(number * 16, "A", f"percpu_{number}") for number in range(20)]
    long_name = KernelSymbol(BASE + 8, "t", "_RNvXs5_long_" + "nested_" * 30)
    text = [
        KernelSymbol(BASE + 16 * number, "Tt"[number & 1], f"do_function_{number}_of_{number % 7}")
        for number in range(1, count)
    ]
    return [*percpu, KernelSymbol(BASE, "T", "_text"), long_name, *text]


def aligned(*pieces: bytes) -> bytes:
    return b"".join(piece.ljust((len(piece) + 7) & ~7, b"\0") for piece in pieces)


def image(table: list[KernelSymbol], layout: str) -> bytes:
    """What scripts/kallsyms.c writes, with a fixed choice of tokens."""
    words = {200: "do_", 201: "function_", 202: "nested_", 203: "_of_", 1: "percpu_"}
    tokens = [words.get(code, chr(code) if 32 < code < 127 else "") for code in range(256)]
    names, markers = bytearray(), array("I")
    for number, symbol in enumerate(table):
        if not number & 0xFF:
            markers.append(len(names))
        text = symbol.kind + symbol.name
        packed = bytearray()
        while text:
            code = next((c for c, word in words.items() if text.startswith(word)), ord(text[0]))
            packed.append(code)
            text = text[len(words.get(code, text[0])) :]
        size = len(packed)
        names += bytes((size & 0x7F | 0x80, size >> 7)) if size > 0x7F else bytes((size,))
        names += packed
    strings, index = b"", array("H")
    for token in tokens:
        index.append(len(strings))
        strings += token.encode() + b"\0"
    if layout == "6.15":
        offsets = array("I", [s.address - BASE & 0xFFFF_FFFF for s in table if s.address >= BASE])
    else:
        offsets = array(
            "i", [s.address if s.address < BASE else BASE - 1 - s.address for s in table]
        )
    count = len(table).to_bytes(4, "little")
    where = aligned(offsets.tobytes(), BASE.to_bytes(8, "little"))
    sequence = bytes(3 * len(table))
    parts = {
        "5.10": [where, aligned(count, names, markers.tobytes(), strings, index.tobytes())],
        "6.2": [
            where,
            aligned(count, names, markers.tobytes(), sequence, strings, index.tobytes()),
        ],
        "6.4": [
            aligned(count, names, markers.tobytes(), strings, index.tobytes()),
            where,
            sequence,
        ],
    }
    found = b"".join(parts["6.4" if layout == "6.15" else layout])
    return b"0\x001\x002\x00 noise".ljust(4096, b"\x7f") + found + bytes(4096)


@pytest.mark.parametrize("layout", ["5.10", "6.2", "6.4", "6.15"])
@pytest.mark.parametrize("count", [600, 1279, 3000])
def test_layouts(layout: str, count: int) -> None:
    table = symbols(count)
    if layout == "6.15":  # no per-CPU symbols at small addresses any more
        table = [symbol for symbol in table if symbol.address >= BASE]
    table.sort(key=lambda symbol: symbol.address)
    found = parse_kallsyms(image(table, layout))
    assert found.symbols == table
    assert found.find("_text") == BASE
    assert found.at(BASE + 33) == ("do_function_2_of_2", 1)
    assert found.at(BASE * 2) == (table[-1].name, BASE * 2 - table[-1].address)


def test_damage_is_said() -> None:
    whole = image(sorted(symbols(600), key=lambda symbol: symbol.address), "5.10")
    for bad in (b"", bytes(10000), whole.replace(b"do_\0", b"do\0\0"), whole[:6000]):
        with pytest.raises(FormatError, match="no kallsyms"):
            parse_kallsyms(bad)


def test_system_map() -> None:
    found = parse_system_map(b"ffffffff81000000 T _text\nffffffff81000040 t local\t[module]\n")
    assert found.find("local") == BASE + 0x40
    assert found.at(BASE + 0x3F) == ("_text", 0x3F)
    assert found.at(5) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "no symbols"),
        (b"ffffffffffffffff B The real System.map is in the -dbg package\n", "a placeholder"),
        (b"0000000000000000 T _text\n", "hides"),
        (b"ffffffff81000000 T _text\nrubbish\n", "no line of a System.map: rubbish"),
        (b"\x7fELF\n", "no line of a System.map"),
    ],
)
def test_what_is_no_system_map(text: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        parse_system_map(text)


@pytest.mark.skipif(not shutil.which("nm"), reason="binutils is not installed")
def test_symbol_table_as_nm() -> None:
    path = Path(__file__).parents[3] / "fixtures/elf/shape-x86_64.so"
    found = elf_kernel_symbols(path.read_bytes())
    lines = subprocess.run(["nm", "-n", path], capture_output=True, text=True, check=True).stdout
    told = {tuple(line.split()) for line in lines.splitlines() if line[0] != " "}
    ours = {(f"{s.address:016x}", s.kind, s.name) for s in found.symbols}
    assert {(address, name) for address, _, name in told} == {(a, n) for a, _, n in ours}
