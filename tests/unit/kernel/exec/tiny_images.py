"""Small ELF programs made here: the ones of the layout samples, and one around a piece of code."""

from __future__ import annotations

import struct

PAGE = 4096
_R, _W, _X = 4, 2, 1
ET_EXEC, ET_DYN = 2, 3

#: (flags, page, pages in the file, pages in memory) of each PT_LOAD.
Loads = list[tuple[int, int, int, int]]
THREE_LOADS: Loads = [(_R, 0, 1, 1), (_R | _X, 1, 1, 1), (_R | _W, 2, 0, 5)]
THREE_LOADS_AND_DATA: Loads = [(_R, 0, 1, 1), (_R | _X, 1, 1, 1), (_R | _W, 2, 1, 6)]
#: mov edi, 42; mov eax, 231; syscall
EXIT_42 = bytes.fromhex("bf2a000000 b8e7000000 0f05")


def image(
    kind: int,
    base: int,
    loads: Loads = THREE_LOADS,
    interpreter: bytes = b"",
    code: bytes = EXIT_42,
) -> bytes:
    """An ELF file whose pages lie in it as in memory; `code` is its entry, in page 1."""
    headers = [
        struct.pack(
            "<IIQQQQQQ", 1, flags, page * PAGE, base + page * PAGE, 0, in_file * PAGE,
            in_memory * PAGE, PAGE,
        )
        for flags, page, in_file, in_memory in loads
    ]  # fmt: skip
    name = interpreter + b"\0" if interpreter else b""
    if name:
        where = 0x800
        headers.insert(0, struct.pack("<IIQQQQQQ", 3, _R, where, where, 0, len(name), len(name), 1))
    headers.append(struct.pack("<IIQQQQQQ", 0x6474E551, _R | _W, 0, 0, 0, 0, 0, 16))
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head = ident + struct.pack(
        "<HHIQQQIHHHHHH", kind, 62, 1, base + PAGE, 64, 0, 0, 64, 56, len(headers), 0, 0, 0
    )
    first = (head + b"".join(headers)).ljust(0x800, b"\0") + name
    return (first.ljust(PAGE, b"\0") + code.ljust(PAGE, b"\x90")).ljust(3 * PAGE, b"\0")
