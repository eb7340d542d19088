"""A guest for QEMU whose page tables are made at random: a multiboot program that loads CR3,
CR4, EFER and CR0, and waits. QEMU's monitor is asked what it sees, and writes the dumps."""

from __future__ import annotations

import json
import random
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

#: Physical address of the tables.
BASE = 0x400000
CR4 = {"32": 0x10, "pae": 0x30, "4": 0xA0, "5": 0x10A0}
EFER = {"32": 0, "pae": 0x800, "4": 0x900, "5": 0x900}
LEVELS = {"32": 2, "pae": 2, "4": 4, "5": 5}
#: Entries of a table by its level, the lowest directory first.
FANOUT = {2: 12, 3: 3, 4: 2, 5: 2}
STUB = """
.code32
.section .text, "ax"
.align 4
.long 0x1badb002, 0, -0x1badb002
.globl _start
_start:
    mov ${cr4}, %eax
    mov %eax, %cr4
    mov ${cr3}, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or ${efer}, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80010001, %eax
    mov %eax, %cr0
1:  jmp 1b
.section .tables, "aw"
.incbin "tables.bin"
"""


class RandomTables:
    """Tables of one mode by a seed; the first 48 MiB are mapped where they lie."""

    def __init__(self, mode: str, seed: int) -> None:
        self.random = random.Random(f"{mode} {seed}")
        self.long = mode in ("4", "5")
        self.wide = mode != "32"
        self.entries = 512 if self.wide else 1024
        self.memory = bytearray()
        if mode == "pae":
            self.root = self.table()
            for index in range(4):
                self.put(self.root, index, self.directory(2) | 1)
            low = self.get(self.root, 0) & -4096
        else:
            self.root = low = self.directory(LEVELS[mode])
            for _ in range(LEVELS[mode] - 2):
                below = self.table()
                self.put(low, 0, below | 3)
                low = below
        shift = 21 if self.wide else 22
        for index in range(48 << 20 >> shift):
            self.put(low, index, index << shift | 0x83)

    def table(self) -> int:
        self.memory += bytes(4096)
        return BASE + len(self.memory) - 4096

    def _place(self, table: int, index: int) -> tuple[str, int]:
        return ("<Q", table - BASE + index * 8) if self.wide else ("<I", table - BASE + index * 4)

    def put(self, table: int, index: int, entry: int) -> None:
        kind, place = self._place(table, index)
        struct.pack_into(kind, self.memory, place, entry)

    def get(self, table: int, index: int) -> int:
        kind, place = self._place(table, index)
        return int(struct.unpack_from(kind, self.memory, place)[0])

    def flags(self) -> int:
        """Mostly present; any of W U PWT PCD A D G and ignored bits, NX, a protection key."""
        bits = self.random.getrandbits(12) & ~0x81 | (self.random.random() < 0.8)
        high = self.random.getrandbits(1) << 63 if self.wide else 0
        return bits | high | (self.random.getrandbits(4) << 59 if self.long else 0)

    def page(self, shift: int) -> int:
        frame = self.random.getrandbits(36 if self.wide else 32) >> shift << shift
        if shift == 22 and self.random.random() < 0.3:
            frame |= self.random.getrandbits(8) << 13  # PSE-36
        return frame | (0x80 if shift > 12 else 0) | self.flags()

    def directory(self, level: int) -> int:
        table = self.table()
        if level == 1:
            for index in self.random.sample(range(self.entries), 80):
                self.put(table, index, self.page(12))
            first, flags = self.random.randrange(self.entries - 40), self.flags()
            for index in range(first, first + 30):
                self.put(table, index, 0x800000 + (index << 12) | flags)
            return table
        shift = (level - 1) * 9 + 12 if self.wide else 22
        for index in self.random.sample(range(1, self.entries), FANOUT[level]):
            if level < 4 and self.random.random() < 0.5:
                self.put(table, index, self.page(shift))
            else:
                self.put(table, index, self.directory(level - 1) | self.flags() | 1)
        return table


def build(mode: str, seed: int, directory: Path) -> Path:
    """The guest as an ELF file; CalledProcessError where binutils do not like it."""
    tables = RandomTables(mode, seed)
    (directory / "tables.bin").write_bytes(tables.memory)
    stub = STUB.format(cr4=CR4[mode], cr3=tables.root, efer=EFER[mode])
    (directory / "stub.S").write_text(stub)
    for line in (
        "as --32 stub.S -o stub.o",
        f"ld -m elf_i386 -Ttext=0x100000 --section-start=.tables={BASE:#x} -o guest stub.o",
    ):
        subprocess.run(line.split(), cwd=directory, check=True, stderr=subprocess.DEVNULL)
    return directory / "guest"


class Monitor:
    """QEMU with the guest, stopped once paging is on."""

    def __init__(self, guest: Path, directory: Path) -> None:
        path = directory / "qmp"
        self.process = subprocess.Popen(
            [
                *("qemu-system-x86_64", "-M", "pc", "-m", "64", "-cpu", "max", "-display", "none"),
                *("-serial", "none", "-qmp", f"unix:{path},server,wait=off", "-kernel", str(guest)),
            ],
            stderr=subprocess.DEVNULL,
        )
        while not path.exists() and self.process.poll() is None:
            time.sleep(0.02)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self._command("qmp_capabilities")
        for _ in range(600):
            if "CR0=8" in self.ask("info registers"):
                break
            time.sleep(0.05)
        self._command("stop")

    def _command(self, name: str, **arguments: str) -> Any:
        self.file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.file.flush()
        while "return" not in (answer := json.loads(self.file.readline())):
            assert "error" not in answer, answer
        return answer["return"]

    def ask(self, line: str) -> str:
        """What the monitor prints."""
        answer = self._command("human-monitor-command", **{"command-line": line})
        return str(answer).replace("\r", "")

    def close(self) -> None:
        self.file.close()
        self.socket.close()
        self.process.kill()
        self.process.wait()
