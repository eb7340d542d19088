"""Markers: what the handler gets of a register, and that hostile memory only gives addresses."""

from __future__ import annotations

import random

import pytest

from youcpu.abi import arguments
from youcpu.abi.args import Capture, Marker
from youcpu.abi.signatures import marker_of, unimplemented
from youcpu.abi.syscalls import NAMES_I386, NAMES_X86_64
from youcpu.abi.values import OMITTED, Address, Descriptor, Text
from youcpu.render.strace.values import Style, show
from youcpu.render.values_json import plain

ALIASES = sorted(arguments.__all__)
MINUS_ONE = (1 << 64) - 1


def decoded(alias: str, raw: int) -> object:
    """What a handler gets."""
    expression = marker_of(alias).expression.format(raw="raw")
    return eval(expression, {"raw": raw, "task": None, "getname": lambda task, address: b"name"})


@pytest.mark.parametrize(
    ("alias", "raw", "value"),
    [
        ("Fd", 0xFFFFFFFF, -1),
        ("Fd", 0x1_0000_0003, 3),
        ("DirFd", 0xFFFFFF9C, -100),
        ("Int", MINUS_ONE, -1),
        ("UInt", MINUS_ONE, 0xFFFFFFFF),
        ("Long", MINUS_ONE, -1),
        ("Size", MINUS_ONE, MINUS_ONE),
        ("Addr", MINUS_ONE, MINUS_ONE),
        ("Prot", 0x1_0000_0003, 3),
        ("MapFlags", 0x22, 0x22),
        ("OpenFlags", 0xFFFFFFFF_00080000, 0x80000),
        ("Whence", 0xFFFFFFFF, -1),
        ("ClockId", 0xFFFFFFFA, -6),
        ("IoctlRequest", 0xFFFFFFFF_80045430, 0x80045430),
        ("IoctlArg", MINUS_ONE, MINUS_ONE),
        ("FileLength", MINUS_ONE, -1),
        ("Path", 5, b"name"),
        ("PathOrNull", 0, None),
        ("PathOrNull", 5, b"name"),
        ("Uid", 0xFFFFFFFF, -1),
        ("SigsetIn", 0x1000, 0x1000),
    ],
)
def test_handlers_get(alias: str, raw: int, value: object) -> None:
    assert decoded(alias, raw) == value


def memory_of(seed: int) -> bytes:
    chance = random.Random(seed)
    words = [0, 1, 2, 0x1000, 0x1010, MINUS_ONE, 1 << 31, 0x7FFFFFFF, chance.getrandbits(64)]
    return b"".join(chance.choice(words).to_bytes(8, "little") for _ in range(512))


@pytest.mark.parametrize("alias", ALIASES)
def test_wild_registers_and_memory_never_raise(alias: str) -> None:
    """Each marker takes any registers, any memory, any result; both renderers take its value."""
    marker = marker_of(alias)
    chance = random.Random(alias)
    interesting = [0, 1, 2, 3, 8, 0x1000, 0x1008, 0x1FF8, 0x2000, MINUS_ONE, 1 << 63, 0xFFFFFFFF]
    for seed in range(20):
        memory = memory_of(seed)

        def read(address: int, size: int, memory: bytes = memory) -> bytes:
            inside = 0x1000 <= address < 0x2000
            return memory[address - 0x1000 : address - 0x1000 + size] if inside else b""

        call = Capture(read, limit=chance.choice([0, 3, 32]), verbose=bool(seed % 2))
        raw = [chance.choice([*interesting, chance.getrandbits(64)]) for _ in range(6)]
        call.raw = tuple(raw)
        for result in (None, 0, -14, 5, 1 << 40):
            if result is None and marker.at_exit:
                continue
            call.result = result
            for index in range(1, 4):
                _render(marker.capture(index, call))
                found = marker.outcome(index, call) if result is not None else None
                for part in found or ():
                    _render(part)
            if result is not None and result >= 0:
                for part in marker.captured_result(result, call):
                    _render(part)


def _render(value: object) -> None:
    if value is None or value is OMITTED:
        return
    assert isinstance(show(value, Style()), str)
    assert isinstance(show(value, Style(verbose=True)), str)
    plain(value)


def test_strings_end_where_memory_ends() -> None:
    memory = b"x" * 10 + b"abc"

    def read(address: int, size: int) -> bytes:
        return memory[address : address + size]

    call = Capture(read)
    assert call.string(10, 32) is None
    assert call.string(10, 3) is None
    assert call.string(10, 2) == (b"ab", False)
    memory += b"\0"
    assert call.string(10, 3) == (b"abc", True)
    assert call.string(10, 2) == (b"ab", False)
    assert call.exactly(0, 5) is None


def test_buffers_are_read_only_as_far_as_they_are_shown() -> None:
    asked: list[int] = []

    def read(address: int, size: int) -> bytes:
        asked.append(size)
        return b"y" * size

    call = Capture(read, limit=32)
    call.raw = (3, 0x1000, 1 << 40, 0, 0, 0)
    value = marker_of("WriteBuffer").capture(1, call)
    assert value == Text(b"y" * 32, 1 << 40)
    assert asked == [32]


def test_descriptors_show_paths_on_demand() -> None:
    call = Capture(lambda address, size: b"", fd_path=lambda fd: b"/etc" if fd == 3 else None)
    call.raw = (3, 0, 0, 0, 0, 0)
    assert marker_of("Fd").capture(0, call) == Descriptor(3, b"/etc")
    call.fd_path = None
    assert marker_of("Fd").capture(0, call) == 3


def test_every_number_has_a_row() -> None:
    for number, name in [*NAMES_X86_64.items(), *NAMES_I386.items()]:
        row = unimplemented(number, name)
        assert len(row.parameters) <= 6
        assert all(isinstance(marker, Marker) for _, marker in row.parameters)
    assert len(unimplemented(999, "syscall_0x3e7").parameters) == 6


def test_numbers_are_those_of_the_kernel_headers() -> None:
    assert (NAMES_X86_64[0], NAMES_X86_64[59], NAMES_X86_64[334], NAMES_X86_64[435]) == (
        "read", "execve", "rseq", "clone3",
    )  # fmt: skip
    assert (NAMES_I386[1], NAMES_I386[4], NAMES_I386[11], NAMES_I386[252]) == (
        "exit", "write", "execve", "exit_group",
    )  # fmt: skip
    assert Address(0) == 0
