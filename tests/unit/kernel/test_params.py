"""The kernel's command line: what is whose. Expected values as Linux 6.1 prints them in QEMU."""

from __future__ import annotations

import pytest

from youcpu.kernel.params import BootParameters, memparse, next_arg


@pytest.mark.parametrize(
    ("line", "argument", "rest"),
    [
        (b"a b", (b"a", None), b"b"),
        (b"a=b  c", (b"a", b"b"), b"c"),
        (b'a="b c" d', (b"a", b"b c"), b"d"),
        (b'"a=b c" d', (b"a", b"b c"), b"d"),
        (b'"a b" c', (b"a b", None), b"c"),
        (b'n="un closed', (b"n", b"un closed"), b""),
        (b"a= b", (b"a", b""), b"b"),
        (b"a=b=c", (b"a", b"b=c"), b""),
        (b'a"b c"d', (b'a"b c"d', None), b""),
    ],
)
def test_next_arg(line: bytes, argument: tuple[bytes, bytes | None], rest: bytes) -> None:
    assert next_arg(line) == (argument, rest)


def test_words_before_init_are_the_boot_loaders() -> None:
    found = BootParameters.parse(b"auto x=1 init=/bin/sh single y=2 x=3 -- a k=v -- lost")
    assert found.init == b"/bin/sh"
    assert found.arguments == [b"single", b"a", b"k=v"]
    assert found.environment == [b"HOME=/", b"TERM=linux", b"x=3", b"y=2"]
    assert found.unknown == [b"single", b"x=3", b"y=2"]


def test_known_words_stay_with_the_kernel() -> None:
    found = BootParameters.parse(
        b"console=ttyS0,115200 quiet loglevel=5 ro root=/dev/vda1 panic=-1 mem=64M mod.x=1 "
        b"hostname=box acpi=off nosuch no-hash-pointers BOOT_IMAGE=/vmlinuz TERM=vt100"
    )
    assert found.arguments == [b"nosuch"]
    assert found.environment == [b"HOME=/", b"TERM=vt100"]
    assert (found.loglevel, found.panic_timeout, found.memory_limit) == (5, -1, 64 << 20)
    assert (found.consoles, found.hostname) == ([b"ttyS0,115200"], b"box")


@pytest.mark.parametrize(("count", "too_many"), [(31, None), (32, None), (33, b"w32")])
def test_init_has_room_for_so_many_arguments(count: int, too_many: bytes | None) -> None:
    found = BootParameters.parse(b" ".join(b"w%d" % i for i in range(count)))
    assert (found.too_many and found.too_many[1]) == too_many


def test_memparse() -> None:
    assert [memparse(text) for text in (b"64M", b"0x1000", b"1g", b"", b"x")] == [
        64 << 20, 4096, 1 << 30, 0, 0,
    ]  # fmt: skip
