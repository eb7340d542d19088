"""Mutants of kernel images and initrds: FormatError or success, nothing else, and soon."""

from __future__ import annotations

import random

import pytest
from kernel_files import COMPRESSIONS, bzimage, payload, relocation_table, vmlinux

from youcpu.boot.initrd_check import initrd_remarks
from youcpu.formats.bzimage import HEADER_OFFSET, parse_bzimage
from youcpu.formats.errors import FormatError
from youcpu.formats.initrd import read_initrd
from youcpu.formats.kernel_payload import decompress_payload
from youcpu.formats.vmlinux import START_KERNEL_MAP, parse_vmlinux

HIGH = START_KERNEL_MAP + 0x1000000
PLAIN = vmlinux(relocations=relocation_table([HIGH + 16], [HIGH + 24], [HIGH + 32, HIGH + 40]))


def mutate(rng: random.Random, data: bytes, first: int, last: int) -> bytes:
    """A few bytes between two offsets changed, or the end cut off."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(first, min(last, len(changed)))
        changed[at] = rng.choice((0, 0xFF, 0x7F, changed[at] ^ 1 << rng.randrange(8)))
    if not rng.randrange(4):
        del changed[rng.randrange(len(changed)) :]
    return bytes(changed)


def boot(data: bytes) -> bool:
    """Everything that a boot does with an image, but to run it."""
    try:
        image = parse_bzimage(data)
        plain = decompress_payload(image.payload, image.payload_position, 1 << 24)
        kernel = parse_vmlinux(plain)
        if kernel.end - kernel.start < 1 << 24:
            kernel.image(0x200000)
    except FormatError:
        return False
    return True


@pytest.mark.parametrize("seed", range(10))
def test_mutants_of_kernels(seed: int, request: pytest.FixtureRequest) -> None:
    rng = random.Random(seed)
    images = [bzimage(payload(PLAIN, kind)) for kind in COMPRESSIONS]
    taken = 0
    for _ in range(1000 if request.config.getoption("--long") else 60):
        whole = rng.choice(images)
        where = rng.choice(((HEADER_OFFSET, 0x270), (0xD00, len(whole))))
        taken += boot(mutate(rng, whole, *where))
    assert taken  # some bytes do not matter
    for _ in range(1000 if request.config.getoption("--long") else 60):
        try:
            kernel = parse_vmlinux(mutate(rng, PLAIN, 0, rng.choice((200, len(PLAIN)))))
            if kernel.end - kernel.start < 1 << 24:
                kernel.image(0x400000)
        except FormatError:
            pass


@pytest.mark.parametrize("seed", range(5))
def test_mutants_of_initrds(seed: int, request: pytest.FixtureRequest) -> None:
    from unit.formats.test_cpio import WHOLE

    rng = random.Random(seed)
    packed = [WHOLE] + [COMPRESSIONS[kind](WHOLE) for kind in COMPRESSIONS]
    for _ in range(1000 if request.config.getoption("--long") else 80):
        data = mutate(rng, rng.choice(packed), 0, rng.choice((120, 4096)))
        try:
            read_initrd(data, limit=1 << 24)
        except FormatError:
            pass
        assert len(initrd_remarks(data, b"console=ttyS0")) <= 1
