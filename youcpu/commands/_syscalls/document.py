"""One system call as docs/schema/syscalls.json describes it."""

from __future__ import annotations

from functools import cache
from typing import Any

from youcpu.abi.prototypes import (
    REGISTERS_I386,
    REGISTERS_X86_64,
    Parameter,
    i386_differences,
    prototypes,
)
from youcpu.abi.syscall_wrappers import library, man_page, result_note, wrapper
from youcpu.abi.syscalls import NAMES_I386, NAMES_X86_64, NUMBERS_X86_64
from youcpu.kernel.syscalls import compat, load_all
from youcpu.kernel.syscalls.table import SYSCALLS, Syscall, unknown

#: What else the two instructions change. SDM vol. 2B, SYSCALL; entry_64.S.
CHANGED = {
    "x86-64": {
        "rcx": "the address behind the instruction: SYSCALL saves RIP there",
        "r11": "the flags: SYSCALL saves RFLAGS there",
    },
    "i386": {},
}
#: Notes that say themselves what an error looks like, or that there is none.
NO_PLAIN_ERROR = ("-errno", "-4095", "cannot fail", "no error", "never returns", "-EINTR")
PLAIN = "the result; -4095 to -1 is an error, -errno"


def row(number: int, i386: bool = False) -> dict[str, Any]:
    """The call of one of the two tables."""
    load_all()
    name = (NAMES_I386 if i386 else NAMES_X86_64)[number]
    known = _i386_row(number) if i386 else SYSCALLS.get(number)
    parameters = prototypes().get(name, ())
    if i386:
        parameters = i386_differences().get(name, parameters)
    differs = i386_differences().get(name)
    note = result_note(name)
    return {
        "abi": "i386" if i386 else "x86-64",
        "number": number,
        "name": name,
        "x86_64_number": NUMBERS_X86_64.get(name),
        "i386_number": _i386_numbers().get(name),
        "i386_only": name not in NUMBERS_X86_64,
        "reserved": parameters is None,
        "arguments": _arguments(parameters or (), i386),
        "i386_arguments": None if differs is None else _arguments(differs, True),
        "registers": {
            "number": "eax" if i386 else "rax",
            "result": "eax" if i386 else "rax",
            "changed": {} if "never returns" in note else CHANGED["i386" if i386 else "x86-64"],
        },
        "result": _result(note),
        "wrapper": wrapper(name),
        "library": library(name),
        "man_page": man_page(name) if name in NUMBERS_X86_64 else "",
        "state": "missing" if known is None else "partial" if known.partial else "done",
        "partial": known.partial if known else "",
    }


def _result(note: str) -> str:
    """What the result register holds; where it may be an error, how that looks."""
    if not note:
        return PLAIN
    if any(word in note for word in NO_PLAIN_ERROR):
        return note
    return f"{note}; -4095 to -1 is an error, -errno"


def _arguments(parameters: tuple[Parameter, ...], i386: bool) -> list[dict[str, str]]:
    registers = REGISTERS_I386 if i386 else REGISTERS_X86_64
    return [
        {"name": parameter.name, "type": parameter.type, "register": register}
        for parameter, register in zip(parameters, registers, strict=False)
    ]


def _i386_row(number: int) -> Syscall | None:
    found = compat.row(number)
    return None if found is unknown(number, found.name) else found


@cache
def _i386_numbers() -> dict[str, int]:
    return {name: number for number, name in NAMES_I386.items()}
