"""Trees in which execs fail, and what the doctor must say: for test_explain.py."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from youcpu.dry_run import DryRun
from youcpu.kernel.cred import Credentials

ELF = bytes.fromhex(
    "7f454c4602010100000000000000000002003e00010000007800400000000000400000000000000000000000"
    "00000000000000004000380001004000000000000100000005000000000000000000000000004000000000000000"
    "400000000000840000000000000084000000000000000010000000000000bf2a000000b83c0000000f05"
)


def with_interpreter(path: bytes, size: int | None = None, offset: int | None = None) -> bytes:
    """ELF with a PT_INTERP, whose size and offset may be wrong."""
    image = bytearray(ELF)
    at = 0x40 + 112 + 12
    words = (at if offset is None else offset, at, at, size or len(path) + 1, len(path) + 1, 1)
    interp = b"\3\0\0\0\4\0\0\0" + b"".join(word.to_bytes(8, "little") for word in words)
    image[56] = 2
    return bytes(image[:0x40]) + interp + bytes(image[0x40:]) + path + b"\0"


class Place:
    """A tree in which execs are tried; paths are those within it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.chmod(0o755)
        self.file("bin/sh", ELF)

    def file(self, name: str, content: bytes, mode: int = 0o755) -> bytes:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        return b"/" + name.encode()

    def link(self, name: str, target: str) -> bytes:
        (self.root / name).symlink_to(target)
        return b"/" + name.encode()

    def scripts(self, count: int) -> bytes:
        """Scripts n0, n1, ... each the interpreter of the one before."""
        for i in range(count):
            self.file(f"n{i}", b"#!/n%d\n" % (i + 1))
        return b"/n0"

    def dry_run(self, uid: int = 0) -> DryRun:
        return DryRun(os.fsencode(self.root), None, Credentials.of(uid, uid))


Setup = Callable[[Place], bytes]

#: errno, how the file is made, file at fault, words of the reason, words of the mend
CASES: dict[str, tuple[str, Setup, bytes, str, str]] = {
    "missing": ("ENOENT", lambda p: b"/tool", b"/tool", "does not exist", "correct the path"),
    "misspelt": (
        "ENOENT",
        lambda p: p.file("bin/tool", ELF) and b"/bin/tol",
        b"/bin/tol",
        "'/bin/tool' is there",
        "did you mean /bin/tool?",
    ),
    "missing directory": (
        "ENOENT",
        lambda p: b"/opt/a/tool",
        b"/opt",
        "the directory '/opt'",
        "path",
    ),
    "empty name": ("ENOENT", lambda p: b"", b"", "the path is empty", "name a file"),
    "dangling link": (
        "ENOENT",
        lambda p: p.link("l", "nowhere"),
        b"/l",
        "symbolic link to 'nowhere'",
        "ln -sfn",
    ),
    "missing interpreter": (
        "ENOENT",
        lambda p: p.file("s", b"#!/opt/python\n"),
        b"/opt",
        "'/s' names",
        "first line of /s",
    ),
    "interpreter elsewhere": (
        "ENOENT",
        lambda p: p.file("usr/bin/perl", ELF) and p.file("s", b"#!/usr/local/bin/perl\n"),
        b"/usr/local",
        "'perl' is at '/usr/bin/perl'",
        "write #!/usr/bin/perl in the first line of /s",
    ),
    "relative interpreter": (
        "ENOENT",
        lambda p: p.file("s", b"#!tcl\n"),
        b"tcl",
        "'tcl'",
        "write an absolute path",
    ),
    "CR LF": ("ENOENT", lambda p: p.file("s", b"#!/bin/sh\r\n"), b"/s", "DOS line end", "dos2unix"),
    "no-break space": (
        "ENOENT",
        lambda p: p.file("s", "#!/bin/sh\u00a0-e\n".encode()),
        b"/s",
        "no-break",
        "ordinary",
    ),
    "musl": (
        "ENOENT",
        lambda p: p.file("m", with_interpreter(b"/lib/ld-musl-x86_64.so.1")),
        b"/lib/ld-musl-x86_64.so.1",
        "built for musl",
        "install musl",
    ),
    "32-bit loader": (
        "ENOENT",
        lambda p: p.file("m", with_interpreter(b"/lib/ld-linux.so.2")),
        b"/lib/ld-linux.so.2",
        "32-bit x86",
        "libc6:i386",
    ),
    "Nix": (
        "ENOENT",
        lambda p: p.file("m", with_interpreter(b"/nix/store/x-glibc/lib/ld-linux-x86-64.so.2")),
        b"/nix/store/x-glibc/lib/ld-linux-x86-64.so.2",
        "Nix store",
        "patchelf --set-interpreter /lib64/ld-linux-x86-64.so.2 /m",
    ),
    "another root": (
        "ENOENT",
        lambda p: (
            p.file("lib/ld-own.so.1", ELF)
            and p.file("m", with_interpreter(b"/sysroot/lib/ld-own.so.1"))
        ),
        b"/sysroot",
        "linked for another root",
        "patchelf --set-interpreter /lib/ld-own.so.1 /m",
    ),
    "no x bit": (
        "EACCES",
        lambda p: p.file("s", b"#!/bin/sh\n", 0o644),
        b"/s",
        "mode 0644",
        "chmod +x /s",
    ),
    "interpreter without x bit": (
        "EACCES",
        lambda p: p.file("i", ELF, 0o644) and p.file("s", b"#!/i\n"),
        b"/i",
        "the script interpreter that '/s' asks for '/i'",
        "chmod +x /i",
    ),
    "directory": ("EACCES", lambda p: b"/bin", b"/bin", "it is a directory", "name a program"),
    "interpreter is a directory": (
        "EACCES",
        lambda p: p.file("s", b"#!/bin\n"),
        b"/bin",
        "'/s' asks for",
        "name a program in it",
    ),
    "empty interpreter": (
        "EACCES",
        lambda p: p.file("s", b"#!"),
        b"/s",
        "empty interpreter",
        "into /s",
    ),
    "file as directory": (
        "ENOTDIR",
        lambda p: b"/bin/sh/x",
        b"/bin/sh",
        "is a file, not a directory",
        "correct the path",
    ),
    "trailing slash": (
        "ENOTDIR",
        lambda p: b"/bin/sh/",
        b"/bin/sh",
        "ends in '/'",
        "write /bin/sh",
    ),
    "interpreter below a file": (
        "ENOTDIR",
        lambda p: p.file("s", b"#!/bin/sh/x\n"),
        b"/bin/sh",
        "is a file, not a directory",
        "interpreter's path in /s",
    ),
    "link to itself": (
        "ELOOP",
        lambda p: p.link("l", "l"),
        b"/l",
        "leads back to itself",
        "ln -sfn",
    ),
    "script of itself": (
        "ELOOP",
        lambda p: p.file("s", b"#!/s\n"),
        b"/s",
        "as its interpreter itself",
        "not a script",
    ),
    "six interpreters": (
        "ELOOP",
        lambda p: p.scripts(7),
        b"/n5",
        "five are the most",
        "in the first line of /n1",
    ),
    "empty file": ("ENOEXEC", lambda p: p.file("e", b""), b"/e", "is empty", "write the program"),
    "text": ("ENOEXEC", lambda p: p.file("t", b"echo\n"), b"/t", "without a '#!' line", "sh /t"),
    "BOM": (
        "ENOEXEC",
        lambda p: p.file("b", b"\xef\xbb\xbf#!/bin/sh\n"),
        b"/b",
        "byte order mark",
        "sed -i",
    ),
    "blank line first": (
        "ENOEXEC",
        lambda p: p.file("b", b"\n#!/bin/sh\n"),
        b"/b",
        "before '#!'",
        "sed -i",
    ),
    "cut": (
        "ENOEXEC",
        lambda p: p.file("c", b"#!/" + b"x" * 300),
        b"/c",
        "within the first 256",
        "symbolic link",
    ),
    "no name": (
        "ENOEXEC",
        lambda p: p.file("c", b"#! \n"),
        b"/c",
        "no interpreter",
        "write the inter",
    ),
    "interpreter is garbage": (
        "ENOEXEC",
        lambda p: p.file("g", b"garbage\n") and p.file("s", b"#!/g\n"),
        b"/g",
        "the interpreter of '/s'",
        "sh /g",
    ),
    "Windows": ("ENOEXEC", lambda p: p.file("w.exe", b"MZ\0"), b"/w.exe", "Windows", "wine"),
    "ARM": (
        "ENOEXEC",
        lambda p: p.file("arm", ELF[:18] + b"\xb7\0" + ELF[20:]),
        b"/arm",
        "aarch64",
        "qemu",
    ),
    "big-endian MIPS": (
        "ENOEXEC",
        lambda p: p.file("m", ELF[:4] + b"\1\2" + ELF[6:16] + b"\0\2\0\x08" + ELF[20:]),
        b"/m",
        "a 32-bit ELF program for MIPS",
        "qemu",
    ),
    "object file": (
        "ENOEXEC",
        lambda p: p.file("o.o", ELF[:16] + b"\1\0" + ELF[18:]),
        b"/o.o",
        "object file",
        "link it",
    ),
    "damaged ELF": (
        "ENOEXEC",
        lambda p: p.file("d", ELF[:54] + b"\0\0" + ELF[56:]),
        b"/d",
        "e_phentsize is 0",
        "again",
    ),
    "cut ELF": ("ENOEXEC", lambda p: p.file("d", ELF[:10]), b"/d", "no ELF header", "again"),
    "loader is a script": (
        "ELIBBAD",
        lambda p: p.file("i", b"#!/bin/sh\n".ljust(80)) and p.file("m", with_interpreter(b"/i")),
        b"/i",
        "not an ELF file",
        "patchelf --set-interpreter LOADER /m",
    ),
    "loader of another machine": (
        "ELIBBAD",
        lambda p: (
            p.file("i", ELF[:18] + b"\xb7\0" + ELF[20:]) and p.file("m", with_interpreter(b"/i"))
        ),
        b"/i",
        "aarch64",
        "patchelf",
    ),
    "short loader": (
        "EIO",
        lambda p: p.file("i", b"\x7fELF") and p.file("m", with_interpreter(b"/i")),
        b"/i",
        "shorter than an ELF header",
        "install the loader anew",
    ),
    "PT_INTERP beyond the end": (
        "EIO",
        lambda p: p.file("m", with_interpreter(b"/i", 4000)),
        b"/m",
        "damaged",
        "build it anew",
    ),
    "PT_INTERP before the start": (
        "EINVAL",
        lambda p: p.file("m", with_interpreter(b"/i", offset=1 << 63)),
        b"/m",
        "negative",
        "again",
    ),
    "long name": (
        "ENAMETOOLONG",
        lambda p: b"/" + b"n" * 256,
        b"/" + b"n" * 256,
        "at most 255",
        "shorter",
    ),
    "long path": (
        "ENAMETOOLONG",
        lambda p: b"/x" * 2100,
        b"",
        "4,200 bytes",
        "change the directory",
    ),
}
