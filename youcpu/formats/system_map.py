"""System.map: what nm -n says of a vmlinux, one symbol a line (scripts/mksysmap)."""

from __future__ import annotations

from youcpu.formats.errors import FormatError
from youcpu.formats.kernel_symbols import KernelSymbol, KernelSymbols


def parse_system_map(data: bytes | memoryview) -> KernelSymbols:
    """Lines `ffffffff81000000 T _text`, /proc/kallsyms as well. Raises FormatError."""
    symbols: list[KernelSymbol] = []
    offset = 0
    for line in bytes(data).split(b"\n"):
        words = line.split(None, 3)
        if words:
            symbols.append(_symbol(words, offset))
        offset += len(line) + 1
    if not symbols:
        raise FormatError(0, "no symbols")
    if not any(symbol.address for symbol in symbols):
        raise FormatError(0, "all addresses are 0: read by a user whom the kernel hides them from")
    return KernelSymbols(symbols, "System.map")


def _symbol(words: list[bytes], offset: int) -> KernelSymbol:
    if len(words) >= 3 and len(words[1]) == 1:
        try:
            address = int(words[0], 16)
        except ValueError:
            address = -1
        if 0 <= address < 1 << 64 and len(words[0]) in (8, 16):
            if len(words) == 4 and words[2] == b"The":
                # Debian's: "ffffffffffffffff B The real System.map is in the ...-dbg package".
                reason = "a placeholder: " + b" ".join(words[2:]).decode("utf-8", "replace")
                raise FormatError(offset, reason)
            return KernelSymbol(address, words[1].decode("latin-1"), words[2].decode("latin-1"))
    shown = b" ".join(words).decode("utf-8", "backslashreplace")[:40]
    raise FormatError(offset, f"no line of a System.map: {shown}")
