"""The port bus: 65,536 ports of one byte each (SDM vol. 1, ch. 19).

A device claims ports; a wide access to byte-wide devices is split, lowest port first.
Where nobody answers, reads are all ones and writes are lost, as on a PC.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class PortDevice(Protocol):
    """What a device on the bus answers, one byte at a time."""

    def read_port(self, port: int) -> int: ...

    def write_port(self, port: int, value: int) -> None: ...


class PortBus:
    """Who answers at which port."""

    def __init__(self) -> None:
        self._readers: dict[int, Callable[[int], int]] = {}
        self._writers: dict[int, Callable[[int, int], None]] = {}
        #: Wide accesses that a device takes whole: (port, size).
        self._wide_readers: dict[tuple[int, int], Callable[[int], int]] = {}
        self._wide_writers: dict[tuple[int, int], Callable[[int, int], None]] = {}

    def claim(self, device: PortDevice, *ports: int) -> None:
        """Let a device answer at ports, byte by byte."""
        for port in ports:
            self._readers[port] = device.read_port
            self._writers[port] = device.write_port

    def claim_wide(
        self,
        port: int,
        size: int,
        read: Callable[[int], int] | None,
        write: Callable[[int, int], None] | None,
    ) -> None:
        """Let someone answer accesses of exactly `size` bytes at a port."""
        if read is not None:
            self._wide_readers[port, size] = read
        if write is not None:
            self._wide_writers[port, size] = write

    def read(self, port: int, size: int) -> int:
        """IN: `size` bytes from `port` on."""
        if size == 1:
            reader = self._readers.get(port)
            return 0xFF if reader is None else reader(port)
        wide = self._wide_readers.get((port, size))
        if wide is not None:
            return wide(port)
        return sum(self.read(port + i & 0xFFFF, 1) << 8 * i for i in range(size))

    def write(self, port: int, size: int, value: int) -> None:
        """OUT: `size` bytes to `port` on."""
        if size == 1:
            writer = self._writers.get(port)
            if writer is not None:
                writer(port, value & 0xFF)
            return
        wide = self._wide_writers.get((port, size))
        if wide is not None:
            wide(port, value)
            return
        for i in range(size):
            self.write(port + i & 0xFFFF, 1, value >> 8 * i)
