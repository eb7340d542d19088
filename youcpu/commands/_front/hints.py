"""What was meant by a first word that is no command: a typo, a program, a file, a system call."""

from __future__ import annotations

import os
from difflib import get_close_matches
from shlex import join

#: Well-known programs for what a command of ours does.
PEERS = {
    "strace": "exec-trace",
    "ltrace": "exec-trace",
    "run": "exec-trace",
    "exec": "exec-trace",
    "pstree": "fork-tree",
    "ps": "fork-tree",
    "objdump": "disasm",
    "gdb": "step",
    "idt": "interrupts",
    "gdt": "interrupts",
    "irq": "interrupts",
    "pmap": "pagewalk",
    "lddtree": "ldd",
    "nm": "readelf",
    "perf": "sched",
    "qemu": "boot",
    "qemu-system-x86_64": "boot",
    "bochs": "boot",
    "cpio": "initramfs",
    "learn": "tour",
    "tutorial": "tour",
    "course": "tour",
}
#: What a file begins with -> the command that shows it.
MAGICS = (
    (b"\x7fELF", "readelf -h"),
    (b"#!", "shebang"),
    (b"!<arch>\n", "readelf -c"),
    (b"EMiL", "pagewalk"),
    (b"\xfd7zXZ\0", "pagewalk"),
    (b"\x28\xb5\x2f\xfd", "pagewalk"),
)
SECTOR = 512


def hint(words: list[str], commands: list[str]) -> str:
    """One line on the first of `words`, which is none of `commands`."""
    word = words[0]
    if word.startswith("-"):
        return _option(word)
    if "/" in word or os.path.lexists(word):
        return _file(words, commands)
    said = f"no command '{word}'"
    near = get_close_matches(word, commands, n=1, cutoff=0.7) or _parts(word, commands)
    if near:
        call = f" Or the system call: youcpu syscalls {word}" if _is_syscall(word) else ""
        return f"{said}; did you mean '{near[0]}'?{call}"
    peer = PEERS.get(word)
    if peer in commands:
        return f"{said}; youcpu {peer} is nearest to it"
    if _in_path(word):
        return f"{said}; to run the program: youcpu exec-trace {join(words)}"
    if _is_syscall(word):
        return f"{said}; it is a system call: youcpu syscalls {word}"
    near = get_close_matches(word, commands, n=1)
    return f"{said}; did you mean '{near[0]}'?" if near else f"{said}; see youcpu --help"


def _option(word: str) -> str:
    near = get_close_matches(word, ["--help", "--version"], n=1)
    said = f"no option {word} before a command"
    return f"{said}; did you mean {near[0]}?" if near else f"{said}; youcpu COMMAND {word} ..."


def _parts(word: str, commands: list[str]) -> list[str]:
    """Commands of which the word is a part that stands for itself: `trace`, `binfmt`."""
    found = [name for name in commands if word in name.split("-") or name.startswith(word)]
    return found if len(word) > 2 and len(found) == 1 else []


def _file(words: list[str], commands: list[str]) -> str:
    """A file in the place of a command: what can be done with it."""
    word = words[0]
    if not os.path.exists(word):
        return f"no command '{word}', and no file of that name either; see youcpu --help"
    if os.path.isdir(word):
        return f"'{word}' is a directory, and no command; see youcpu --help"
    show = _what_shows(word)
    if not os.access(word, os.X_OK):
        return f"'{word}' is a file; to see what is in it: youcpu {show} {join([word])}"
    run = f"youcpu exec-trace {join(words)}"
    return f"'{word}' is a program; to run it: {run}; to look into it: youcpu {show} {join([word])}"


def _what_shows(path: str) -> str:
    """The command for a file, by its first bytes."""
    try:
        with open(path, "rb") as file:
            head = file.read(1024)
    except OSError:
        return "readelf -h"
    if head[:4] == b"\x7fELF" and head[16:18] in (b"\x04\x00", b"\x00\x04"):
        return "pagewalk"  # ET_CORE
    if head[:4] != b"\x7fELF" and head[0x202:0x206] == b"HdrS":
        return "boot --kernel"
    if head[:4] != b"\x7fELF" and head[SECTOR - 2 : SECTOR] == b"\x55\xaa":
        return "boot --disk"
    return next((show for magic, show in MAGICS if head.startswith(magic)), "shebang")


def _in_path(word: str) -> bool:
    from shutil import which

    return which(word) is not None


def _is_syscall(word: str) -> bool:
    from youcpu.abi.syscalls import NUMBERS_X86_64

    return word in NUMBERS_X86_64
