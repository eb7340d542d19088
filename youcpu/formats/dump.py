"""Which kind of memory dump is this? By its first bytes; what has none that are known is raw."""

from __future__ import annotations

from youcpu.formats.core_dump import ELF_MAGIC, parse_core
from youcpu.formats.errors import FormatError
from youcpu.formats.lime import LIME_MAGIC, parse_lime
from youcpu.formats.memory_image import FileBytes, MemoryImage, raw_image

# Formats that are known and not read, with what helps.
FOREIGN = {
    b"KDUMP   ": "kdump-compressed: turn it into ELF with `makedumpfile -E`, or dump without -z",
    b"DISKDUMP": "diskdump-compressed: turn it into ELF with `makedumpfile -E`",
    b"makedumpfile": "makedumpfile's flattened stream: rearrange it with `makedumpfile -R`",
    b"PAGEDUMP": "a Windows crash dump, 32 bit: not read",
    b"PAGEDU64": "a Windows crash dump, 64 bit: not read",
}


def parse_dump(data: FileBytes) -> MemoryImage:
    """A memory image of any kind that is read. Raises FormatError."""
    start = bytes(data[:16])
    if start.startswith(ELF_MAGIC):
        return parse_core(data)
    if start.startswith(LIME_MAGIC):
        return parse_lime(data)
    for magic, reason in FOREIGN.items():
        if start.startswith(magic):
            raise FormatError(0, reason)
    return raw_image(data)
