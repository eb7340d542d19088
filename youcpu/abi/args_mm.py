"""Arguments of the memory calls: mm/mmap.c, mm/mremap.c, mm/madvise.c, mm/memfd.c."""

from __future__ import annotations

from typing import Annotated

from youcpu.abi import mman
from youcpu.abi.args import Capture, Flags, Marker, OneOf, Pointer, UnsignedLong
from youcpu.abi.values import OMITTED, Address, Array, Either, Shifted


class MapKind(UnsignedLong):
    """Flags of mmap(2): the type is a number, the others are bits."""

    def capture(self, index: int, call: Capture) -> object:
        flags = call.raw[index] & 0xFFFFFFFF
        found = _MAP_FLAGS.get(flags)
        if found is None:
            found = _map_flags(flags)
            if len(_MAP_FLAGS) < 1024:
                _MAP_FLAGS[flags] = found
        return found


def _map_flags(flags: int) -> Either:
    parts: list[object] = [mman.MAP_TYPE_NAMES.choice(flags & mman.MAP_TYPE)]
    flags &= ~mman.MAP_TYPE
    huge = (flags >> mman.MAP_HUGE_SHIFT) & mman.MAP_HUGE_MASK if flags & mman.MAP_HUGETLB else 0
    flags &= ~(huge << mman.MAP_HUGE_SHIFT)
    if flags:
        parts.append(mman.MAP_NAMES.flags(flags))
    if huge:
        parts.append(Shifted(huge, "MAP_HUGE_SHIFT"))
    return Either(tuple(parts))


#: Decoded flags: a program uses few.
_MAP_FLAGS: dict[int, Either] = {}


class ResidentPages(Marker):
    """Answer of mincore(2): a byte a page; the length is the argument before it."""

    at_exit = True

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        count = (call.raw[index - 1] + 4095) // 4096
        data = None if call.failed else call.read(address, min(count, call.limit))
        if not data:
            return Address(address)
        return Array(tuple(byte & 1 for byte in data), more=count > len(data))


class NewAddress(Pointer):
    """Last argument of mremap(2): there only with a flag that needs it."""

    def capture(self, index: int, call: Capture) -> object:
        if call.raw[index - 1] & (mman.MREMAP_FIXED | mman.MREMAP_DONTUNMAP):
            return Address(call.raw[index])
        return OMITTED


Prot = Annotated[int, Flags(mman.PROT_NAMES)]
MapFlags = Annotated[int, MapKind()]
MremapFlags = Annotated[int, Flags(mman.MREMAP_NAMES)]
#: Stands right behind MremapFlags.
MremapAddr = Annotated[int, NewAddress()]
Madvice = Annotated[int, OneOf(mman.MADV_NAMES)]
MsyncFlags = Annotated[int, Flags(mman.MS_NAMES)]
MlockFlags = Annotated[int, Flags(mman.MLOCK_NAMES)]
MlockallFlags = Annotated[int, Flags(mman.MCL_NAMES)]
PkeyRights = Annotated[int, Flags(mman.PKEY_NAMES)]
MemfdFlags = Annotated[int, Flags(mman.MFD_NAMES)]
MincorePtr = Annotated[int, ResidentPages()]
