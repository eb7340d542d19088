"""Kernels and initial RAM disks that cannot boot: each ends in a sentence that names the cause."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from kernel_files import bzimage, payload, vmlinux
from qemu_boot import KERNEL, why_not

from youcpu.formats.bzimage import parse_bzimage

ROOT = Path(__file__).parents[2]


def boot(*words: str) -> tuple[int, list[str], str]:
    """Exit code, lines of stderr, console."""
    done = subprocess.run(
        [sys.executable, "-m", "youcpu", "boot", "--timeout", "120", *words], cwd=ROOT, check=False,
        capture_output=True, stdin=subprocess.DEVNULL, timeout=150,
    )  # fmt: skip
    return done.returncode, done.stderr.decode().splitlines(), done.stdout.decode()


SMALL = bzimage(payload(vmlinux(), "gzip"))
AARCH64 = bytes(0x38) + b"ARM\x64" + bytes(4096)


@pytest.mark.parametrize(
    ("image", "cause"),
    [
        (b"", "an empty file"),
        (b"rubbish" * 100, "no x86 kernel image: 55 aa expected"),
        (SMALL[:0x230], "truncated: the setup header"),
        (SMALL[:0x600], "truncated: the setup has 4 sectors"),
        (SMALL[:-100], "truncated: the protected-mode kernel"),
        (SMALL.replace(b"HdrS", b"hdrs"), "no HdrS"),
        (SMALL.replace(b"\x55\xaa", b"\0\0", 1), "55 aa expected"),
        (AARCH64, "an arm64 Image: a kernel for another machine"),
        (vmlinux(machine=183), "an ELF file for AArch64"),
        (bzimage(payload(vmlinux(machine=243), "xz")), "an ELF file for RISC-V"),
        (bzimage(b"rubbish" * 10), "payload of no known compression"),
        (bzimage(payload(vmlinux(), "gzip")[:20] + bytes(56) + b"\0\x20\0\0"), "damaged gzip data"),
    ],
)
def test_images(image: bytes, cause: str, tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(image)
    code, errors, console = boot("--kernel", str(path))
    assert (code, console) == (1, "")
    assert len(errors) == 1
    assert errors[0].startswith(f"youcpu boot: {path}: ")
    assert cause in errors[0]


needs_kernel = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@needs_kernel
def test_a_kernel_cut_at_many_places(tmp_path: Path) -> None:
    from youcpu.formats.errors import FormatError

    whole = KERNEL.read_bytes()
    for end in range(0, len(whole) - 4096, len(whole) // 40):
        with pytest.raises(FormatError):
            parse_bzimage(whole[:end])
    path = tmp_path / "kernel"
    path.write_bytes(whole[: len(whole) // 2])
    code, errors, _ = boot("--kernel", str(path))
    assert code == 1
    assert "truncated: the protected-mode kernel has" in errors[0]


@needs_kernel
def test_a_payload_that_is_damaged(tmp_path: Path) -> None:
    whole = bytearray(KERNEL.read_bytes())
    image = parse_bzimage(bytes(whole))
    middle = image.payload_position + len(image.payload) // 2
    whole[middle : middle + 4096] = bytes(4096)
    path = tmp_path / "kernel"
    path.write_bytes(whole)
    code, errors, _ = boot("--kernel", str(path))
    assert code == 1
    assert "damaged" in errors[0]


@needs_kernel
def test_memory_that_is_too_small(tmp_path: Path) -> None:
    code, errors, _ = boot("--kernel", str(KERNEL), "--memory", "32M")
    assert code == 1
    assert "the machine has 32 MiB" in errors[0]
    large = tmp_path / "initrd"
    with large.open("wb") as file:
        file.truncate(200 << 20)
    code, errors, _ = boot("--kernel", str(KERNEL), "--memory", "256M", "--initrd", str(large))
    assert code == 1
    assert "the initrd of 209,715,200 bytes does not fit" in errors[0]


@needs_kernel
@pytest.mark.parametrize("fault", ["not executable", "damaged", "no /init"])
def test_initrds(fault: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if fault != "not executable" and not request.config.getoption("--long"):
        pytest.skip("each wants a whole boot: --long")
    from unit.boot.test_initrd_check import initrd, program

    path = tmp_path / "initrd"
    whole = {
        "not executable": initrd(program(mode=0o644)),
        "damaged": initrd(program())[:-40],
        "no /init": initrd(program("sbin/init", 0o644)),
    }
    path.write_bytes(whole[fault])
    append = "console=ttyS0 nolapic noapic acpi=off nordrand nokaslr cryptomgr.notests panic=-1"
    code, errors, console = boot("--kernel", str(KERNEL), "--initrd", str(path), "--append", append)
    assert "Kernel panic - not syncing" in console
    assert code == 1
    assert fault in errors[-1]
    assert errors[-1].startswith(f"youcpu boot: {path}: ")
