"""A CPU in ring 3 on a few mapped pages, and doors that write down who knocked."""

from __future__ import annotations

from youcpu.hardware.cpu import CR3, RIP, RSP, Cpu
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE, FrameAllocator, Ram
from youcpu.hardware.paging import PTE_A, PTE_ADDRESS, PTE_D, PTE_NX, PTE_P, PTE_U, PTE_W
from youcpu.kernel.kernel_half import KernelHalf
from youcpu.kernel.mm.page_table import PageTable

CODE, DATA, STACK = 0x400000, 0x600000, 0x7000000
READ_ONLY = PTE_P | PTE_U | PTE_A | PTE_NX
WRITABLE = READ_ONLY | PTE_W | PTE_D
EXECUTABLE = PTE_P | PTE_U | PTE_A | PTE_W | PTE_D


class Board:
    """RAM, CPU, tables. `knocks`: (door, vector or None, error code, RIP) in order."""

    def __init__(self) -> None:
        self.ram = Ram(8 << 20)
        self.cpu = Cpu(self.ram)
        self.frames = FrameAllocator(self.ram)
        self.half = KernelHalf(self.frames, self.cpu)
        self.table = PageTable(self.frames, self.half.entries)
        self.knocks: list[tuple[str, int | None, int | None, int]] = []
        cpu = self.cpu
        cpu.on_syscall = lambda: self.note("syscall")
        cpu.on_exception = lambda vector, error: self.note("exception", vector, error)
        cpu.on_software_interrupt = lambda vector: self.note("int", vector)
        cpu.on_privileged = lambda: self.note("privileged")
        cpu.on_sysenter = lambda: self.note("sysenter")
        cpu.load(self.half.user_state)
        self.state = cpu.state
        self.state[CR3] = self.table.root << PAGE_SHIFT
        self.state[5:21] = memoryview(bytes(128)).cast("Q")
        cpu.flush_tlb()
        self.map(CODE, EXECUTABLE)
        self.map(DATA, WRITABLE)
        self.map(STACK, WRITABLE)
        self.state[RSP] = STACK + PAGE_SIZE

    def note(self, door: str, vector: int | None = None, error: int | None = None) -> None:
        """The usual answer of a door: write it down and stop."""
        self.knocks.append((door, vector, error, self.state[RIP]))
        self.cpu.stop()

    def map(self, address: int, rights: int) -> int:
        """A fresh frame at an address; its physical address."""
        physical = self.frames.alloc() << PAGE_SHIFT
        self.ram.quads[self.table.slot(address)] = physical | rights
        return physical

    def physical(self, address: int) -> int:
        """Where a mapped address lies in RAM."""
        return (self.table.entry(address) & PTE_ADDRESS) | (address & (PAGE_SIZE - 1))

    def write(self, address: int, data: bytes) -> None:
        """Bytes into one mapped page."""
        start = self.physical(address)
        self.ram.bytes[start : start + len(data)] = data

    def read(self, address: int, size: int) -> bytes:
        """Bytes of one mapped page."""
        start = self.physical(address)
        return bytes(self.ram.bytes[start : start + size])

    def run(self, code: bytes | str, blocks: int = 100, at: int = CODE) -> None:
        """Write code (bytes or hex with blanks) and run it from its start."""
        self.write(at, bytes.fromhex(code) if isinstance(code, str) else code)
        self.cpu.flush_code()
        self.state[RIP] = at
        self.cpu.run(blocks)
