"""Booting a kernel under QEMU's TCG, as the judge of `youcpu boot --kernel`.

The machine is `isapc`: two 8259s, an 8254, a 16550, an RTC and a keyboard controller, no PCI, no
ACPI, no APIC in use. `-icount` makes instructions its clock, so that two runs give the same log.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
KERNEL = ROOT / ".cache/linux/vmlinuz"
MEMORY = 256  # MiB
#: nolapic, noapic, acpi=off: devices that the board has not. nordrand: the host's randomness.
#: initramfs_async=0: otherwise its lines come whenever its thread runs. panic=-1: at once.
#: nokaslr: addresses, and with them the lines of maps and traces, are the same.
APPEND = (
    "console=ttyS0 nolapic noapic acpi=off nordrand clearcpuid=rdrand,rdseed nokaslr "
    "initramfs_async=0 cryptomgr.notests panic=-1"
)
#: Seconds since 1970 at which the machine's clock starts: 2026-01-01.
EPOCH = 1767225600
#: What the kernel says last where the machine has no way to switch itself off.
_LAST_WORDS = (b"reboot: System halted", b"reboot: Power down", b"---[ end Kernel panic")


@dataclass
class Boot:
    """The console's bytes; `ended`: exit (a reset with -no-reboot), halted, timeout."""

    console: bytes
    ended: str

    @property
    def text(self) -> str:
        return self.console.decode("utf-8", "replace").replace("\r\n", "\n")


def why_not() -> str | None:
    """Why no kernel can be booted under QEMU here; None where one can."""
    if not KERNEL.exists():
        return "no kernel in .cache/linux (tests/fetch-kernel.sh downloads Debian's)"
    if shutil.which("qemu-system-x86_64") is None:
        return "qemu-system-x86_64 is not installed"
    if not Path("/usr/bin/busybox").exists():
        return "busybox-static is not installed"
    return None


def qemu_boot(
    initrd: Path | None,
    kernel: Path = KERNEL,
    append: str = APPEND,
    memory: int = MEMORY,
    typed: list[tuple[bytes, bytes]] | None = None,
    limit: float = 180,
    options: tuple[str, ...] = (),
) -> Boot:
    """Boot until the machine resets or halts, or `limit` seconds have passed.

    `typed`: (text to wait for on the console, bytes to type then), in order.
    """
    command = [
        *("qemu-system-x86_64", "-M", "isapc", "-accel", "tcg", "-cpu", "Nehalem"),
        *("-m", str(memory), "-nodefaults", "-no-reboot", "-display", "none"),
        *("-serial", "stdio", "-icount", "shift=1,sleep=off"),
        *("-rtc", "base=2026-01-01T00:00:00,clock=vm", *options),
        *("-kernel", str(kernel), "-append", append),
    ]
    if initrd is not None:
        command += ["-initrd", str(initrd)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            return _converse(process, list(typed or []), time.monotonic() + limit)
        finally:
            process.kill()


def _converse(
    process: subprocess.Popen[bytes], typed: list[tuple[bytes, bytes]], deadline: float
) -> Boot:
    assert process.stdin is not None
    assert process.stdout is not None
    console = bytearray()
    searched = 0
    output = process.stdout.fileno()
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([output], [], [], left)
        piece = os.read(output, 65536) if ready else b""
        if ready and not piece:
            return Boot(bytes(console), "exit")
        console += piece
        while typed and (at := console.find(typed[0][0], searched)) >= 0:
            searched = at + len(typed[0][0])
            process.stdin.write(typed.pop(0)[1])
            process.stdin.flush()
        if any(words in console[-400:] for words in _LAST_WORDS) and console.endswith(b"\n"):
            if b"end Kernel panic" in console[-400:] and b"panic=-1" in console:
                continue  # it resets by itself
            return Boot(bytes(console), "halted")
    return Boot(bytes(console), "timeout")
