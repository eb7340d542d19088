"""Snapshots: a stopped machine in a file, to go on with later or elsewhere.

    "youcpu snapshot\\n"  version u32  size of the description u32  description (JSON)
    zlib stream: the CPU's registers, then (first page u32, pages u32, their bytes) ..., 0 0
    SHA-256 of all before it

Only pages that hold something are kept. A file is data: damage, another version or another
layout of registers is told, and nothing in it is run or trusted as a size.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from youcpu.hardware.board import Board
from youcpu.hardware.registers import DR7, HFLAGS, TOP_OF_STACK

MAGIC = b"youcpu snapshot\n"
VERSION = 1
#: The largest guest that a file may ask for.
MOST_MEMORY = 64 << 30
_SIZES = struct.Struct("<II")
_DIGEST = 32
_PAGE = 4096
_BLOCK = 1 << 20
_LONGEST_DESCRIPTION = 1 << 24


class SnapshotError(Exception):
    """The file is no snapshot that can be gone on with; the text says why."""


class _Writer:
    """Hashes what it writes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)

    def finish(self) -> None:
        self._file.write(self._hash.digest())


def save_snapshot(path: str, board: Board, description: dict[str, Any]) -> None:
    """Write a stopped board. `description`: what else is to be remembered. Raises OSError.

    The file appears under its name when it is whole.
    """
    about = {
        "memory": board.ram.size,
        "registers": len(board.cpu.snapshot()),
        "board": board.save(),
        "description": description,
    }
    text = json.dumps(about, sort_keys=True).encode()
    temporary = f"{path}.part"
    try:
        with open(temporary, "wb") as file:
            writer = _Writer(file)
            writer.write(MAGIC + _SIZES.pack(VERSION, len(text)) + text)
            packer = zlib.compressobj(1)
            writer.write(packer.compress(board.cpu.snapshot()))
            for first, data in _used_pages(board):
                head = _SIZES.pack(first, len(data) // _PAGE)
                writer.write(packer.compress(head + data))
            writer.write(packer.compress(_SIZES.pack(0, 0)) + packer.flush())
            writer.finish()
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _used_pages(board: Board) -> Iterator[tuple[int, bytes]]:
    """Runs of pages that are not all zeroes: number of the first, bytes."""
    ram, empty_block, empty = board.ram, bytes(_BLOCK), bytes(_PAGE)
    for start in range(0, ram.size, _BLOCK):
        block = bytes(ram.bytes[start : min(start + _BLOCK, ram.size)])
        if block == empty_block:
            continue
        begin = -1
        for at in range(0, len(block) + _PAGE, _PAGE):
            used = at < len(block) and block[at : at + _PAGE] != empty
            if used and begin < 0:
                begin = at
            elif not used and begin >= 0:
                yield (start + begin) // _PAGE, block[begin:at]
                begin = -1


class Snapshot:
    """A file that was read and found whole. Raises SnapshotError, OSError."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            head = file.read(len(MAGIC) + _SIZES.size)
            if head[: len(MAGIC)] != MAGIC:
                raise SnapshotError("no snapshot of youcpu")
            if len(head) < len(MAGIC) + _SIZES.size:
                raise SnapshotError("truncated")
            version, size = _SIZES.unpack_from(head, len(MAGIC))
            if version != VERSION:
                raise SnapshotError(f"a snapshot of version {version}, this youcpu has {VERSION}")
            self._check_digest(file, head)
            file.seek(len(head))
            if size > _LONGEST_DESCRIPTION:
                raise SnapshotError("damaged: a description of impossible size")
            try:
                about = json.loads(file.read(size))
                self.memory = int(about["memory"])
                self._registers = int(about["registers"])
                self._board = dict(about["board"])
                self.description = dict(about["description"])
            except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
                raise SnapshotError("damaged: its description makes no sense") from None
            self._start = len(head) + size
        if not 0 < self.memory <= MOST_MEMORY or self.memory % _PAGE:
            raise SnapshotError(f"damaged: a machine of {self.memory} bytes")
        self.path = path

    @staticmethod
    def _check_digest(file: BinaryIO, head: bytes) -> None:
        """Raises SnapshotError unless the last 32 bytes are the digest of the others."""
        digest, tail = hashlib.sha256(head), b""
        while data := file.read(_BLOCK):
            data = tail + data
            digest.update(data[:-_DIGEST])
            tail = data[-_DIGEST:]
        if digest.digest() != tail:
            raise SnapshotError("damaged or truncated: its checksum is another")

    def restore(self, board: Board) -> None:
        """Into a board of `memory` bytes that has not run yet. Raises SnapshotError, OSError."""
        cpu = board.cpu
        if self._registers != len(cpu.snapshot()):
            raise SnapshotError("registers of another layout: saved by another Unicorn")
        with open(self.path, "rb") as file:
            file.seek(self._start)
            stream = _Stream(file)
            registers = stream.take(self._registers)
            while True:
                first, count = _SIZES.unpack(stream.take(_SIZES.size))
                if not count:
                    break
                start, size = first * _PAGE, count * _PAGE
                if size > _BLOCK or start + size > self.memory:
                    raise SnapshotError("damaged: pages outside of its memory")
                board.ram.bytes[start : start + size] = stream.take(size)
        cpu.load(registers)
        _sanitize(board)
        try:
            board.load(self._board)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            raise SnapshotError("damaged: the state of its devices makes no sense") from None
        # What the registers do not hold of what a loader did.
        board.silicon.enable_caches()
        cpu.restore()
        cpu.flush_tlb()


def _sanitize(board: Board) -> None:
    """What a file could do harm with: indices and pointers that the CPU's library follows."""
    state = board.cpu.state
    state[TOP_OF_STACK] &= 7 << 32
    state[DR7] &= ~0xFF  # breakpoints of the saved process: pointers
    for i in range(4):
        state[DR7 + 1 + i] = 0
    # Modes that exist here; flags are taken apart anew when the CPU goes on.
    state[HFLAGS] &= 0x00C7_FFFF | 1 << 32
    board.cpu.set_eflags(board.cpu.eflags())


class _Stream:
    """The unpacked bytes of a zlib stream, as many as are asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = zlib.decompressobj()
        self._ready = bytearray()

    def take(self, size: int) -> bytes:
        while len(self._ready) < size:
            packed = self._unpacker.unconsumed_tail or self._file.read(1 << 16)
            try:
                data = self._unpacker.decompress(packed, _BLOCK)
            except zlib.error:
                raise SnapshotError("damaged: its pages cannot be unpacked") from None
            if (not data and not packed) or (not data and self._unpacker.eof):
                raise SnapshotError("damaged: it ends too early")
            self._ready += data
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken
