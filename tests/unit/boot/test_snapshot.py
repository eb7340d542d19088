"""Snapshots: what is saved comes back; what was made up is refused and does no harm."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from pathlib import Path

import pytest

from youcpu.boot.snapshot import MAGIC, Snapshot, SnapshotError, save_snapshot
from youcpu.hardware.board import Board
from youcpu.hardware.registers import CS, RIP, RSP

MEMORY = 4 << 20
#: sti; pit at 100 ticks, mode 2; inc dword [0x600]; hlt; jmp to the inc. IRQ 0: eoi, iret.
PROGRAM = bytes.fromhex("fb b034e643 b064e640 b000e640 66ff060006 f4 ebf8")
HANDLER = bytes.fromhex("b020e620 cf")


def running() -> Board:
    """A board in real mode that counts timer interrupts."""
    board = Board(MEMORY)
    board.power_on()
    state, ram = board.cpu.state, board.ram.bytes
    state[CS] = state[CS + 1] = 0
    state[RIP], state[RSP] = 0x7C00, 0x7000
    ram[0x7C00 : 0x7C00 + len(PROGRAM)] = PROGRAM
    ram[0x7D00 : 0x7D00 + len(HANDLER)] = HANDLER
    ram[0x20:0x24] = bytes.fromhex("007d0000")
    for port, value in ((0x20, 0x11), (0x21, 8), (0x21, 4), (0x21, 1), (0x21, 0xFE)):
        board.ports.write(port, 1, value)
    return board


def run(board: Board, instructions: int = 20_000) -> tuple[int, int, bytes]:
    board.run(instructions)
    state = board.cpu.state
    return board.now_ns(), state[RIP], bytes(board.ram.bytes[0x600:0x604])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    board = running()
    run(board)
    path = tmp_path / "snapshot"
    save_snapshot(str(path), board, {"note": 7})
    return path


def restored(path: Path) -> Board:
    snapshot = Snapshot(str(path))
    board = Board(snapshot.memory)
    snapshot.restore(board)
    return board


def test_it_goes_on_where_it_was(path: Path) -> None:
    board = running()
    run(board)
    expected = [run(board) for _ in range(3)]
    assert int.from_bytes(expected[-1][2], "little") > 10
    copy = restored(path)
    assert [run(copy) for _ in range(3)] == expected
    assert Snapshot(str(path)).description == {"note": 7}


def test_only_used_pages_are_kept(path: Path) -> None:
    assert path.stat().st_size < 20_000


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    board = Board(MEMORY)
    target = tmp_path / "directory"
    target.mkdir()
    with pytest.raises(OSError, match="directory"):
        save_snapshot(str(target), board, {})
    assert [entry.name for entry in tmp_path.iterdir()] == ["directory"]


def parts(path: Path) -> tuple[dict[str, object], bytes]:
    data = path.read_bytes()
    (size,) = struct.unpack_from("<I", data, len(MAGIC) + 4)
    start = len(MAGIC) + 8
    return json.loads(data[start : start + size]), data[start + size : -32]


def signed(about: object, rest: bytes) -> bytes:
    """A file whose checksum is right."""
    text = json.dumps(about).encode()
    data = MAGIC + struct.pack("<II", 1, len(text)) + text + rest
    return data + hashlib.sha256(data).digest()


def _mutate(value: object, chance: random.Random) -> object:
    """One number somewhere in it becomes another, or another kind of value."""
    if isinstance(value, dict):
        key = chance.choice(sorted(value))
        return {**value, key: _mutate(value[key], chance)}
    if isinstance(value, list) and value:
        at = chance.randrange(len(value))
        return [*value[:at], _mutate(value[at], chance), *value[at + 1 :]]
    return chance.choice([0, -1, 1, 255, 1 << 16, 1 << 40, 1 << 200, "x", None, [], {}, 0.5])


def test_made_up_states_are_refused_or_harmless(path: Path) -> None:
    about, rest = parts(path)
    refused = 0
    for seed in range(150):
        path.write_bytes(signed(_mutate(about, random.Random(seed)), rest))
        try:
            board = restored(path)
        except SnapshotError:
            refused += 1
            continue
        board.run(5_000, timeout_s=5)
        board.close()
    assert 20 < refused < 150


def test_made_up_registers_do_no_harm(path: Path) -> None:
    import zlib

    about, rest = parts(path)
    plain = zlib.decompress(rest)
    size = int(about["registers"])  # type: ignore[call-overload]
    for seed in range(60):
        chance = random.Random(seed)
        changed = bytearray(plain)
        for _ in range(20):
            changed[chance.randrange(size)] = chance.randrange(256)
        path.write_bytes(signed(about, zlib.compress(bytes(changed), 1)))
        board = restored(path)
        board.run(5_000, timeout_s=5)
        board.close()


@pytest.mark.parametrize("rest", [b"", b"no zlib at all", b"\x78\x01\x03\x00\x00\x00\x00\x01"])
def test_no_pages(path: Path, rest: bytes) -> None:
    about, _ = parts(path)
    path.write_bytes(signed(about, rest))
    with pytest.raises(SnapshotError, match="damaged"):
        restored(path)
