"""The first stack of a program: fs/exec.c copy_strings(), fs/binfmt_elf.c create_elf_tables().

From high to low addresses: 8 zero bytes; execfn; environment strings; argument strings;
(with ASLR up to 8,191 random bytes) aligned to 16; "x86_64"; 16 random bytes; auxv; NULL;
envp; NULL; argv; argc. RSP points at argc and is divisible by 16.
"""

from __future__ import annotations

import struct

from youcpu.abi import auxv
from youcpu.kernel.exec.binprm import LinuxBinprm
from youcpu.record import record

PLATFORM = b"x86_64\0"
CLOCK_TICKS = 100
#: Ring 3 MONITOR/MWAIT is bit 0, FSGSBASE bit 1: neither is there.
HWCAP2 = 0
#: AT_MINSIGSTKSZ of a CPU without XSAVE, as arch/x86/kernel/signal.c adds it up: the largest
#: frame (that of i386, 732), FXSAVE image 512, FSAVE image 112, padding 15 + 63, in 16s.
MINIMAL_SIGNAL_STACK = 0x5A0
#: include/uapi/linux/binfmts.h
AT_FLAGS_PRESERVE_ARGV0 = 1
RSEQ_FEATURE_SIZE, RSEQ_ALIGN = 28, 32


@record
class ImageFacts:
    """What the loader found out and the program wants to know."""

    phdr: int
    phnum: int
    base: int
    entry: int
    vdso: int
    #: Descriptor of the program for an interpreter of binfmt_misc (flag O).
    execfd: int | None = None


@record
class InitialStack:
    """Bytes to be written so that they end at the stack's top, and where things are."""

    pointer: int
    image: bytes
    auxv: bytes
    arg_start: int
    arg_end: int
    env_start: int
    env_end: int


def build_stack(
    bprm: LinuxBinprm, top: int, facts: ImageFacts, random: bytes, gap: int
) -> InitialStack:
    """Lay out the stack below `top`; `gap` is the random distance under the strings."""
    blob = b"".join(arg + b"\0" for arg in bprm.argv)
    environment = b"".join(entry + b"\0" for entry in bprm.envp)
    execfn = bprm.filename + b"\0"
    execfn_at = top - 8 - len(execfn)
    env_at = execfn_at - len(environment)
    arg_at = env_at - len(blob)
    platform_at = ((arg_at - gap) & -16) - len(PLATFORM)
    random_at = platform_at - 16
    aux = _auxv(bprm, facts, random_at, platform_at, execfn_at)
    pointers = _pointers(bprm.argv, arg_at) + _pointers(bprm.envp, env_at)
    words = struct.pack("<Q", len(bprm.argv)) + pointers + aux
    pointer = (random_at - len(words)) & -16
    middle = arg_at - (platform_at + len(PLATFORM))
    image = b"".join(
        (
            words,
            bytes(random_at - pointer - len(words)),
            random,
            PLATFORM,
            bytes(middle),
            blob,
            environment,
            execfn,
            bytes(8),
        )
    )
    return InitialStack(
        pointer, image, aux, arg_at, arg_at + len(blob), env_at, env_at + len(environment)
    )


def _pointers(strings: list[bytes], start: int) -> bytes:
    addresses = []
    for string in strings:
        addresses.append(start)
        start += len(string) + 1
    return struct.pack(f"<{len(addresses) + 1}Q", *addresses, 0)


def _auxv(
    bprm: LinuxBinprm, facts: ImageFacts, random_at: int, platform_at: int, execfn_at: int
) -> bytes:
    cred = bprm.task.cred
    secure = cred.uid != cred.euid or cred.gid != cred.egid
    rows = [
        (auxv.AT_SYSINFO_EHDR, facts.vdso),
        (auxv.AT_MINSIGSTKSZ, MINIMAL_SIGNAL_STACK),
        (auxv.AT_HWCAP, bprm.task.kernel.kernel_half.hwcap),
        (auxv.AT_PAGESZ, 4096),
        (auxv.AT_CLKTCK, CLOCK_TICKS),
        (auxv.AT_PHDR, facts.phdr),
        (auxv.AT_PHENT, 56),
        (auxv.AT_PHNUM, facts.phnum),
        (auxv.AT_BASE, facts.base),
        (auxv.AT_FLAGS, AT_FLAGS_PRESERVE_ARGV0 if bprm.preserve_argv0 else 0),
        (auxv.AT_ENTRY, facts.entry),
        (auxv.AT_UID, cred.uid),
        (auxv.AT_EUID, cred.euid),
        (auxv.AT_GID, cred.gid),
        (auxv.AT_EGID, cred.egid),
        (auxv.AT_SECURE, int(secure)),
        (auxv.AT_RANDOM, random_at),
        (auxv.AT_HWCAP2, HWCAP2),
        (auxv.AT_EXECFN, execfn_at),
        (auxv.AT_PLATFORM, platform_at),
    ]
    if not facts.vdso:
        del rows[0]
    if facts.execfd is not None:
        rows.append((auxv.AT_EXECFD, facts.execfd))
    rows += [
        (auxv.AT_RSEQ_FEATURE_SIZE, RSEQ_FEATURE_SIZE),
        (auxv.AT_RSEQ_ALIGN, RSEQ_ALIGN),
        (auxv.AT_NULL, 0),
    ]
    return b"".join(struct.pack("<QQ", *row) for row in rows)
