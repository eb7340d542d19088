"""The kernel's access to a program's memory: arch/x86/lib/usercopy, mm/gup.c.

Pages are faulted in as the program's own access would; what cannot be is EFAULT.
Every function takes the address as the program gave it, any 64-bit number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.fault import MAJOR

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

PATH_MAX = 4096
_PAGE = 4096
_USER_END = 0x7FFF_FFFF_F000
_FRAME = 0x000F_FFFF_FFFF_F000
_PRESENT_USER = 0x5
_PRESENT_WRITE_USER = 0x7
_NX = 1 << 63


def user_page(task: Task, address: int, write: bool) -> int:
    """Physical address behind a user address, faulted in. Raises KernelError(EFAULT)."""
    mm = task.mm
    table = mm.leaf_tables.get(address >> 21)
    if table is not None:
        entry = mm.ram.quads[table + ((address >> 12) & 511)]
        if write:
            # A page that may hold code goes the slow way: its translations must go.
            if entry & _PRESENT_WRITE_USER == _PRESENT_WRITE_USER and entry & _NX:
                mm.ram.quads[table + ((address >> 12) & 511)] = entry | 0x60
                return (entry & _FRAME) | (address & 0xFFF)
        elif entry & _PRESENT_USER == _PRESENT_USER:
            return (entry & _FRAME) | (address & 0xFFF)
    return _fault_in(task, address, write)


def _fault_in(task: Task, address: int, write: bool) -> int:
    """The slow way: a page fault of the kernel, which counts as one of the task's."""
    mm = task.mm
    faults = task.kernel.tracer.faults
    source = mm.mapped_frame(address) if faults and address < _USER_END else 0
    mm.last_outcome = ""
    physical = mm.fault_in(address, write)
    if physical is None:
        raise KernelError(Errno.EFAULT)
    if mm.last_outcome:
        major = mm.last_outcome in MAJOR
        if major:
            task.group.major_faults += 1
        else:
            task.group.minor_faults += 1
        if faults:
            code = 2 if write else 0
            task.kernel.probes.fault(
                task, address, code, 0, mm.last_outcome, source=source, major=major
            )
    return physical


def user_slices(task: Task, address: int, size: int, write: bool) -> Iterator[memoryview]:
    """Guest RAM behind [address, address + size), page by page. Raises EFAULT on the way."""
    ram = task.mm.ram.bytes
    while size > 0:
        count = min(size, _PAGE - (address & 0xFFF))
        physical = user_page(task, address, write)
        yield ram[physical : physical + count]
        address += count
        size -= count


def copy_from_user(task: Task, address: int, size: int) -> bytes:
    """`size` bytes of the program's memory. Raises KernelError(EFAULT)."""
    if (address & 0xFFF) + size <= _PAGE:
        if not size:
            return b""
        physical = user_page(task, address, False)
        return bytes(task.mm.ram.bytes[physical : physical + size])
    return b"".join(bytes(part) for part in user_slices(task, address, size, False))


def copy_to_user(task: Task, address: int, data: bytes | bytearray | memoryview) -> None:
    """Write into the program's memory. Raises KernelError(EFAULT); what fits is written."""
    size = len(data)
    if (address & 0xFFF) + size <= _PAGE:
        if size:
            physical = user_page(task, address, True)
            task.mm.ram.bytes[physical : physical + size] = data
        return
    view = memoryview(data)
    done = 0
    for part in user_slices(task, address, size, True):
        part[:] = view[done : done + len(part)]
        done += len(part)


def copy_from_user_partial(task: Task, address: int, size: int) -> bytes:
    """As much of [address, address + size) as can be read, from the start; empty: EFAULT."""
    parts = []
    try:
        for part in user_slices(task, address, size, False):
            parts.append(bytes(part))
    except KernelError:
        pass
    return b"".join(parts)


def writable_prefix(task: Task, address: int, size: int) -> int:
    """How many bytes from `address` the program could write, up to `size`."""
    done = 0
    try:
        for part in user_slices(task, address, size, True):
            done += len(part)
    except KernelError:
        pass
    return done


def get_user(task: Task, address: int, size: int) -> int:
    """An unsigned little-endian integer of `size` bytes. Raises EFAULT."""
    return int.from_bytes(copy_from_user(task, address, size), "little")


def put_user(task: Task, address: int, value: int, size: int) -> None:
    """Store the low `size` bytes of `value`, little-endian. Raises EFAULT."""
    copy_to_user(task, address, (value & ((1 << (8 * size)) - 1)).to_bytes(size, "little"))


def strncpy_from_user(task: Task, address: int, limit: int) -> bytes | None:
    """The NUL-terminated string at `address` without its NUL; None if it is `limit` or longer.

    Raises KernelError(EFAULT) where memory ends before the NUL.
    """
    ram = task.mm.ram.buffer
    parts = []
    left = limit
    while left > 0:
        count = min(left, _PAGE - (address & 0xFFF))
        physical = user_page(task, address, False)
        end = ram.find(b"\0", physical, physical + count)
        if end >= 0:
            parts.append(ram[physical:end])
            return b"".join(parts)
        parts.append(ram[physical : physical + count])
        address += count
        left -= count
    return None


def getname(task: Task, address: int) -> bytes:
    """A path argument: fs/namei.c getname(). Raises EFAULT, ENAMETOOLONG. "" is the caller's."""
    name = strncpy_from_user(task, address, PATH_MAX)
    if name is None:
        raise KernelError(Errno.ENAMETOOLONG)
    return name
