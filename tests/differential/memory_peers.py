"""Two kernels that make the same memory calls: the host's (fixtures/mm/driver.c) and ours."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Protocol

from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.fault import BadAccess, handle_mm_fault
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user
from youcpu.kernel.mm.vm_area import VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE
from youcpu.kernel.syscalls.table import SYSCALLS
from youcpu.machine import Machine, MachineOptions

DRIVER = Path(__file__).parents[2] / "fixtures/mm/driver.c"


class Peer(Protocol):
    """A process whose memory calls are made from here."""

    def call(self, number: int, *arguments: int) -> str:
        """A system call; the result, or -errno."""

    def read(self, address: int) -> str:
        """A byte, or "sig N.CODE"."""

    def write(self, address: int, value: int) -> str:
        """ "0", or "sig N.CODE"."""

    def maps(self, low: int, high: int) -> str:
        """Mappings that touch [low, high)."""


class HostPeer:
    """A process of the host."""

    def __init__(self, directory: Path) -> None:
        binary = directory / "driver"
        if not binary.exists():
            subprocess.run(["gcc", "-O1", "-o", binary, DRIVER], check=True)
        self.process = subprocess.Popen(
            [binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def _ask(self, kind: str, *numbers: int) -> str:
        assert self.process.stdin
        assert self.process.stdout
        words = " ".join(f"{number & (1 << 64) - 1:x}" for number in numbers)
        self.process.stdin.write(f"{kind} {words}\n")
        return self.process.stdout.readline().strip()

    def call(self, number: int, *arguments: int) -> str:
        return self._ask("s", number, *arguments)

    def read(self, address: int) -> str:
        return self._ask("r", address)

    def write(self, address: int, value: int) -> str:
        return self._ask("w", address, value)

    def maps(self, low: int, high: int) -> str:
        return self._ask("m", low, high)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class OurPeer:
    """A task of the machine; no instruction of it runs."""

    def __init__(self, memory: int = 64 << 20) -> None:
        self.machine = Machine(MachineOptions(memory=memory, epoch_ns=0))
        self.task = self.machine.execute(b"/bin/true", [b"true"], [])

    def call(self, number: int, *arguments: int) -> str:
        registers = [argument & (1 << 64) - 1 for argument in arguments] + [0] * 6
        try:
            result = SYSCALLS[number].dispatch(self.task, *registers[:6]) or 0
        except KernelError as error:
            return str(-error.errno)
        return str((result ^ 1 << 63) - (1 << 63))

    def _access(self, address: int, write: bool) -> str | None:
        """Serve the page fault, if one comes; None: the access is possible."""
        mm = self.task.mm
        entry = mm.page_table.entry(address)
        if entry & 5 != 5 or (write and not entry & 2):
            try:
                handle_mm_fault(mm, address, write)
            except BadAccess as bad:
                return f"sig {int(bad.signal)}.{bad.code}"
        return None

    def read(self, address: int) -> str:
        return self._access(address, False) or str(copy_from_user(self.task, address, 1)[0])

    def write(self, address: int, value: int) -> str:
        failure = self._access(address, True)
        if failure is None:
            copy_to_user(self.task, address, bytes([value]))
        return failure or "0"

    def maps(self, low: int, high: int) -> str:
        lines = []
        for area in self.task.mm.areas.overlapping(low, high):
            flags = area.flags
            rights = (
                ("r" if flags & VM_READ else "-")
                + ("w" if flags & VM_WRITE else "-")
                + ("x" if flags & VM_EXEC else "-")
                + ("s" if flags & VM_MAYSHARE else "p")
            )
            offset = area.pgoff << 12 if area.file is not None else 0
            lines.append(f"{area.start:x}-{area.end:x} {rights} {offset:x};")
        return "".join(lines)

    def close(self) -> None:
        self.machine.close()
