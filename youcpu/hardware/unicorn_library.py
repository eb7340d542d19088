"""Unicorn's shared library through ctypes: the calls the machine needs, nothing else.

The wheel's own binding costs 45 ms to import (constants of nine architectures) and several
microseconds a register; a program with 100,000 system calls feels both. Only the library
file of the package is used. Facts and traps: docs/design/0002-unicorn.md.
"""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.util import find_spec
from typing import Any

ARCH_X86 = 4
MODE_32 = 1 << 2
MODE_64 = 1 << 3
PROT_ALL = 7
PROT_ROM = 5

HOOK_INTR = 1
HOOK_INSN = 2
HOOK_CODE = 4
HOOK_BLOCK = 8
HOOK_MEM_INVALID = 1008
HOOK_MEM_READ, HOOK_MEM_WRITE = 1024, 2048
HOOK_INSN_INVALID = 16384
HOOK_EDGE_GENERATED = 32768

CTL_WRITE = 1 << 30
CTL_USE_EXITS = 4
CTL_CPU_MODEL = 7
CTL_TB_FLUSH = 10
CTL_TLB_FLUSH = 11

REG_EFLAGS, REG_RIP, REG_RSP = 25, 41, 44
REG_CS, REG_DS, REG_ES, REG_SS = 11, 17, 28, 49
REG_CR0, REG_CR2, REG_CR3, REG_CR4 = 50, 52, 53, 54
REG_RAX, REG_R15, REG_ST0, REG_XMM0 = 35, 113, 114, 122
REG_IDTR, REG_GDTR, REG_TR = 242, 243, 245
REG_FPSW, REG_FPCW, REG_FPTAG, REG_MSR, REG_MXCSR = 31, 246, 247, 248, 249
REG_FS_BASE, REG_GS_BASE = 250, 251

INSN_CPUID, INSN_IN, INSN_OUT = 113, 218, 500
INSN_RDTSC, INSN_RDTSCP = 608, 609
INSN_SYSCALL, INSN_SYSENTER = 699, 700

LIBRARY_NAMES = {"darwin": "libunicorn.2.dylib", "win32": "unicorn.dll"}

Engine = ctypes.c_void_p
InterruptHook = ctypes.CFUNCTYPE(None, Engine, ctypes.c_uint32, ctypes.c_void_p)
SyscallHook = ctypes.CFUNCTYPE(None, Engine, ctypes.c_void_p)
SkippableHook = ctypes.CFUNCTYPE(ctypes.c_int, Engine, ctypes.c_void_p)
InHook = ctypes.CFUNCTYPE(ctypes.c_uint32, Engine, ctypes.c_uint32, ctypes.c_int, ctypes.c_void_p)
OutHook = ctypes.CFUNCTYPE(
    None, Engine, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p
)
InvalidHook = ctypes.CFUNCTYPE(ctypes.c_bool, Engine, ctypes.c_void_p)
CodeHook = ctypes.CFUNCTYPE(None, Engine, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
MemoryHook = ctypes.CFUNCTYPE(
    ctypes.c_bool, Engine, ctypes.c_int, ctypes.c_uint64, ctypes.c_int, ctypes.c_int64,
    ctypes.c_void_p,
)  # fmt: skip
MmioRead = ctypes.CFUNCTYPE(
    ctypes.c_uint64, Engine, ctypes.c_uint64, ctypes.c_uint, ctypes.c_void_p
)
MmioWrite = ctypes.CFUNCTYPE(
    None, Engine, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint64, ctypes.c_void_p
)


class Block(ctypes.Structure):
    """uc_tb: a translated block: linear address, instructions, bytes."""

    _fields_ = (
        ("address", ctypes.c_uint64),
        ("instructions", ctypes.c_uint16),
        ("size", ctypes.c_uint16),
    )


EdgeHook = ctypes.CFUNCTYPE(
    None, Engine, ctypes.POINTER(Block), ctypes.POINTER(Block), ctypes.c_void_p
)


class SystemTableRegister(ctypes.Structure):
    """uc_x86_mmr: GDTR, IDTR (base and limit), TR and LDTR (all four)."""

    _fields_ = (
        ("selector", ctypes.c_uint16),
        ("base", ctypes.c_uint64),
        ("limit", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    )


class ModelSpecificRegister(ctypes.Structure):
    """uc_x86_msr: number and value."""

    _fields_ = (("number", ctypes.c_uint32), ("value", ctypes.c_uint64))


class UnicornError(Exception):
    """The library refused a call: a bug of ours or a wrong library version."""


def load() -> Any:
    """The library with prototypes set. Raises UnicornError where it is missing or too old."""
    spec = find_spec("unicorn")
    if spec is None or not spec.submodule_search_locations:
        raise UnicornError("the Python package 'unicorn' is not installed")
    name = LIBRARY_NAMES.get(sys.platform, "libunicorn.so.2")
    directory = os.path.join(next(iter(spec.submodule_search_locations)), "lib")
    try:
        library = ctypes.CDLL(os.path.join(directory, name))
    except OSError as error:
        raise UnicornError(f"cannot load {name}: {error}") from error
    library.uc_version.restype = ctypes.c_uint32
    library.uc_strerror.restype = ctypes.c_char_p
    pointer, u32, u64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
    library.uc_context_size.restype = ctypes.c_size_t
    prototypes: dict[str, tuple[Any, ...]] = {
        "uc_context_size": (pointer,),
        "uc_context_alloc": (pointer, pointer),
        "uc_context_free": (pointer,),
        "uc_context_save": (pointer, pointer),
        "uc_context_restore": (pointer, pointer),
        "uc_close": (pointer,),
        "uc_emu_start": (pointer, u64, u64, u64, ctypes.c_size_t),
        "uc_emu_stop": (pointer,),
        "uc_hook_del": (pointer, ctypes.c_size_t),
        "uc_mem_map_ptr": (pointer, u64, ctypes.c_size_t, u32, pointer),
        "uc_mmio_map": (pointer, u64, ctypes.c_size_t, MmioRead, pointer, MmioWrite, pointer),
        "uc_reg_read": (pointer, ctypes.c_int, pointer),
        "uc_reg_write": (pointer, ctypes.c_int, pointer),
    }
    for function, arguments in prototypes.items():
        getattr(library, function).argtypes = arguments
    version = library.uc_version(None, None)
    if version >> 16 != 0x0201:
        raise UnicornError(f"Unicorn 2.1 is needed, found {version >> 24}.{version >> 16 & 255}")
    return library
