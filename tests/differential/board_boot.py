"""Booting a kernel on our own board, with the interface of qemu_boot.py."""

from __future__ import annotations

from pathlib import Path

from qemu_boot import APPEND, EPOCH, KERNEL, MEMORY, Boot

from youcpu.boot.linux import load_linux, ram_size
from youcpu.hardware.board import Board, End, Ending
from youcpu.kernel_image import read_kernel


def board_boot(
    initrd: Path | None,
    kernel: Path = KERNEL,
    append: str = APPEND,
    memory: int = MEMORY,
    typed: list[tuple[bytes, bytes]] | None = None,
    limit: float = 300,
    until: bytes | None = None,
) -> Boot:
    """Boot until the machine resets or halts, `limit` seconds have passed, `until` is printed."""
    console = _Console(list(typed or []), until)
    board = Board(ram_size(memory << 20), EPOCH * 10**9, console.send)
    console.board = board
    board.on_slice = console.type
    board.on_idle = lambda due: console.type()
    content = initrd.read_bytes() if initrd is not None else None
    load_linux(board, read_kernel(str(kernel)), memory << 20, append.encode(), content)
    try:
        ending = board.run(timeout_s=limit)
    finally:
        board.close()
    names = {End.RESET: "exit", End.HALTED: "halted", End.TIMEOUT: "timeout"}
    return Boot(bytes(console.output), names.get(ending.end, f"{ending.end}: {ending.detail}"))


class _Console:
    """Collects what the UART sends, and types when a text has come."""

    def __init__(self, typed: list[tuple[bytes, bytes]], until: bytes | None) -> None:
        self.board: Board | None = None
        self.until = until
        self.output = bytearray()
        self.typed = typed
        self.searched = 0
        self.pending = bytearray()

    def send(self, byte: int) -> None:
        self.output.append(byte)
        if self.until and byte == 0x0A and self.until in self.output[-200:]:
            assert self.board is not None
            self.board.end(Ending(End.STOPPED))

    def type(self) -> bool:
        """Type what is due, as much as the UART takes; whether it took something."""
        if self.typed:
            at = self.output.find(self.typed[0][0], self.searched)
            if at >= 0:
                self.searched = at + len(self.typed[0][0])
                self.pending += self.typed.pop(0)[1]
        assert self.board is not None
        uart = self.board.uart
        taken = False
        while self.pending and uart.room > 0:
            uart.receive(self.pending.pop(0))
            taken = True
        return taken
