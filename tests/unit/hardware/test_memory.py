"""Guest RAM and the frame allocator against their own contract."""

from __future__ import annotations

import pytest

from youcpu.hardware.memory import PAGE_SIZE, FrameAllocator, OutOfFrames, Ram

FRAMES = 16


@pytest.fixture
def frames() -> FrameAllocator:
    return FrameAllocator(Ram(FRAMES * PAGE_SIZE))


@pytest.mark.parametrize("size", [0, -4096, 4095, 4097])
def test_ram_is_whole_pages(size: int) -> None:
    with pytest.raises(ValueError):
        Ram(size)


def test_bytes_and_quads_are_the_same_memory() -> None:
    ram = Ram(2 * PAGE_SIZE)
    ram.quads[PAGE_SIZE >> 3] = 0x0807060504030201
    assert bytes(ram.bytes[PAGE_SIZE : PAGE_SIZE + 8]) == bytes(range(1, 9))
    ram.bytes[8] = 0xFF
    assert ram.quads[1] == 0xFF


def test_frame_zero_means_none_and_is_never_given(frames: FrameAllocator) -> None:
    given = [frames.alloc() for _ in range(frames.available)]
    assert given == list(range(1, FRAMES))
    assert frames.used == FRAMES - 1
    with pytest.raises(OutOfFrames):
        frames.alloc()
    with pytest.raises(OutOfFrames):
        frames.alloc_for_copy()


def test_last_user_returns_the_frame(frames: FrameAllocator) -> None:
    frame = frames.alloc()
    frames.get(frame)
    frames.put(frame)
    assert frames.count(frame) == 1
    assert frames.used == 1
    frames.put(frame)
    assert frames.count(frame) == 0
    assert frames.used == 0
    with pytest.raises(AssertionError, match="twice"):
        frames.put(frame)


def test_a_reused_frame_is_zero_again(frames: FrameAllocator) -> None:
    frame = frames.alloc()
    frames.ram.bytes[frame * PAGE_SIZE] = 1
    frames.put(frame)
    again = frames.alloc()
    assert again == frame
    assert not any(frames.ram.bytes[frame * PAGE_SIZE : (frame + 1) * PAGE_SIZE])


def test_a_run_is_adjacent_and_counted(frames: FrameAllocator) -> None:
    first = frames.alloc_run(4)
    assert [frames.count(first + i) for i in range(4)] == [1] * 4
    assert frames.used == 4
    assert frames.alloc() == first + 4
    assert frames.alloc_run(FRAMES) == 0
    assert frames.used == 5
