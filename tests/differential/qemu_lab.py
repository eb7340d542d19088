"""The interrupt lab under qemu-system-x86_64, seen through QEMU's own gdb stub.

No instruction of the guest is changed: breakpoints are QEMU's, registers and memory are read
over the Remote Serial Protocol (gdb manual, appendix E), single steps are the stub's.
"""

from __future__ import annotations

import re
import shutil
import socket
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any

QEMU = shutil.which("qemu-system-x86_64")
#: Order and sizes in a `g` packet, from QEMU's target description (gdb-xml/i386-64bit.xml).
GENERAL = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
           "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip")  # fmt: skip
NARROW = ("rflags", "cs", "ss", "ds", "es", "fs", "gs")


class Gone(Exception):
    """QEMU ended: the guest shut down."""


class QemuLab:
    """One QEMU process, stopped; `image` is the lab as one run of bytes from 1 MiB."""

    def __init__(self, image: bytes, cpu: str, *options: str) -> None:
        assert QEMU is not None
        self._directory = tempfile.TemporaryDirectory(prefix="youcpu-lab-")
        place = Path(self._directory.name)
        kernel, gdb = place / "lab.bin", place / "gdb"
        kernel.write_bytes(image)
        self.place = place
        monitor = place / "monitor"
        self._monitor_path = str(monitor)
        command = [
            QEMU, "-cpu", cpu, "-m", "4", "-nodefaults", "-display", "none",
            "-kernel", str(kernel), "-S", *options,
            "-chardev", f"socket,path={gdb},server=on,wait=off,id=gdb", "-gdb", "chardev:gdb",
            "-monitor", f"unix:{monitor},server=on,wait=off",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._connect(str(gdb))
        self._buffer = b""
        self.ask("qSupported")

    def _connect(self, path: str) -> None:
        import time

        for _ in range(400):
            try:
                return self._socket.connect(path)
            except (FileNotFoundError, ConnectionRefusedError):
                if self.process.poll() is not None:
                    assert self.process.stderr is not None
                    raise AssertionError(self.process.stderr.read().decode()) from None
                time.sleep(0.01)
        raise AssertionError("QEMU's gdb stub does not answer")

    # -- the protocol --------------------------------------------------------------------

    def send(self, text: str) -> None:
        data = text.encode()
        self._socket.sendall(b"$" + data + b"#%02x" % (sum(data) & 0xFF))

    def receive(self) -> str:
        """The next packet. Raises Gone."""
        while True:
            found = re.search(rb"\$([^#]*)#..", self._buffer)
            if found:
                self._buffer = self._buffer[found.end() :]
                self._socket.sendall(b"+")
                return found[1].decode()
            try:
                data = self._socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Gone
            self._buffer += data

    def ask(self, text: str) -> str:
        self.send(text)
        return self.receive()

    def monitor(self, command: str) -> str:
        """A command of QEMU's monitor and what it prints."""
        self.send("qRcmd," + command.encode().hex())
        printed = ""
        while (answer := self.receive()) != "OK":
            printed += bytes.fromhex(answer[1:]).decode()
        return printed

    # -- the machine -----------------------------------------------------------------------

    def run(self, meanwhile: str = "") -> None:
        """Go on until a breakpoint; `meanwhile`: a command for the monitor once it runs.

        Raises Gone.
        """
        self.send("c")
        if meanwhile:
            with socket.socket(socket.AF_UNIX) as monitor:
                monitor.connect(self._monitor_path)
                monitor.sendall(meanwhile.encode() + b"\n")
                answer = self.receive()
        else:
            answer = self.receive()
        if answer[0] not in "TS":
            raise Gone

    def start(self, symbols: dict[str, int], row: int, place: str = "enter_program") -> None:
        """From reset to the IRETQ that enters a program of the lab, or another place."""
        self.monitor("system_reset")
        self.run_to(symbols["boot32"])
        self.write(symbols["lab_program"] & 0x7FFFFFFF, struct.pack("<I", row))
        self.run_to(symbols[place])

    def run_to(self, address: int, meanwhile: str = "") -> None:
        """Go on until an instruction."""
        self.breakpoint(address)
        self.run(meanwhile)
        self.breakpoint(address, False)

    def step(self) -> None:
        answer = self.ask("s")
        if answer[0] not in "TS":
            raise Gone

    def breakpoint(self, address: int, on: bool = True) -> None:
        assert self.ask(f"{'Z' if on else 'z'}1,{address:x},1") == "OK"

    def read(self, address: int, size: int) -> bytes:
        data = b""
        while len(data) < size:
            answer = self.ask(f"m{address + len(data):x},{min(size - len(data), 1024):x}")
            if answer.startswith("E"):
                raise LookupError(f"{address + len(data):#x} is not mapped")
            data += bytes.fromhex(answer)
        return data

    def write(self, address: int, data: bytes) -> None:
        assert self.ask(f"M{address:x},{len(data):x}:{data.hex()}") == "OK"

    def registers(self) -> dict[str, int]:
        data = bytes.fromhex(self.ask("g"))
        values: dict[str, Any] = dict(zip(GENERAL, struct.unpack_from("<17Q", data), strict=True))
        values |= zip(NARROW, struct.unpack_from("<7I", data, 136), strict=True)
        # fs_base gs_base k_gs_base cr0 cr2 cr3 cr4 cr8 efer
        control = struct.unpack_from("<9Q", data, 164)
        names = ("fs_base", "gs_base", "k_gs_base", "cr0", "cr2", "cr3", "cr4", "cr8", "efer")
        return values | dict(zip(names, control, strict=True))

    def close(self) -> None:
        self._socket.close()
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()
        self._directory.cleanup()
