"""Why a kernel finds no init in its initial RAM disk: init/main.c and init/initramfs.c, read ahead.

Asked only when a boot has failed: the kernel is the judge, this tells what it saw.
"""

from __future__ import annotations

import stat

from youcpu.formats.cpio import CpioEntry
from youcpu.formats.errors import FormatError
from youcpu.formats.initrd import InitrdPart, find_file, read_initrd

_DEEPEST_SCRIPT = 5


def initrd_remarks(initrd: bytes | None, command_line: bytes) -> list[str]:
    """What stands between the kernel and its init, a sentence each; empty where nothing is seen."""
    init = "/init"
    for word in command_line.split():
        if word.startswith(b"rdinit="):
            init = word[7:].decode("utf-8", "replace")
    if initrd is None:
        return [f"there is no initrd, and so no {init}: youcpu initramfs makes one"]
    try:
        parts = read_initrd(initrd)
    except FormatError as error:
        return [f"the initrd is damaged at offset {error.offset:#x}: {error.reason}"]
    return _init_remarks(parts, init)


def _init_remarks(parts: list[InitrdPart], path: str) -> list[str]:
    entry = find_file(parts, path)
    if entry is None:
        return [f"there is no {path} in the initrd (rdinit= names another)"]
    for _ in range(_DEEPEST_SCRIPT + 1):
        problem = _not_executable(entry, path)
        if problem:
            return [problem]
        interpreter = _interpreter(entry)
        if interpreter is None:
            return []
        entry = find_file(parts, interpreter)
        if entry is None:
            return [f"{path} wants {interpreter}, which is not in the initrd"]
        path = interpreter
    return []


def _not_executable(entry: CpioEntry, path: str) -> str:
    if not stat.S_ISREG(entry.mode):
        return f"{path} in the initrd is no regular file: {stat.filemode(entry.mode)}"
    if not entry.mode & 0o111:
        mode = stat.filemode(entry.mode)
        return f"{path} in the initrd is not executable: its mode is {mode}"
    head = bytes(entry.data[:20])
    if head.startswith(b"#!"):
        return ""
    if head[:4] != b"\x7fELF":
        return f"{path} in the initrd is no program and no script: it starts with {head[:4].hex()}"
    machine = int.from_bytes(head[18:20], "little")
    if machine not in (62, 3):
        from youcpu.abi.elf_machines import MACHINES

        name = MACHINES.get(machine, f"machine {machine}")
        return f"{path} in the initrd is a program for {name}"
    return ""


def _interpreter(entry: CpioEntry) -> str | None:
    """Of a script, or of a dynamically linked program."""
    data = bytes(entry.data)
    if data.startswith(b"#!"):
        words = data[2:256].split(b"\n", 1)[0].split()
        return words[0].decode("utf-8", "replace") if words else None
    phoff, count = int.from_bytes(data[32:40], "little"), int.from_bytes(data[56:58], "little")
    for at in range(phoff, phoff + count * 56, 56):
        header = data[at : at + 56]
        if header[:4] == b"\x03\0\0\0":  # PT_INTERP
            start, size = (int.from_bytes(header[i : i + 8], "little") for i in (8, 32))
            text = data[start : start + min(size, 4096)]
            return text.rstrip(b"\0").decode("utf-8", "replace")
    return None
