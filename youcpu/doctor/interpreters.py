"""A missing interpreter: what its name says about where the program was made for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from youcpu.doctor.finding import Finding, quoted, shown
from youcpu.doctor.paths import inode_of, lookup_finding

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

#: Where a program's own PATH would look.
SEARCH = (b"/usr/local/bin", b"/usr/bin", b"/bin", b"/usr/local/sbin", b"/usr/sbin", b"/sbin")
GLIBC = b"/lib64/ld-linux-x86-64.so.2"

#: PT_INTERP -> (what the program was built for, what would mend it).
_STYLES = (
    (
        rb"/lib/ld-musl-([a-z0-9_]+)\.so\.1$",
        "musl (Alpine Linux and the like)",
        "install musl (Debian: apt install musl), or get the program built for glibc",
    ),
    (
        rb"/lib/ld-linux\.so\.2$",
        "32-bit x86 with glibc",
        "install the 32-bit loader: dpkg --add-architecture i386 && apt install libc6:i386",
    ),
    (
        rb"/libx32/ld-linux-x32\.so\.2$",
        "the x32 ABI",
        "get the program built for x86-64: kernels rarely run x32",
    ),
    (
        rb"/lib64/ld-linux-x86-64\.so\.2$",
        "x86-64 with glibc",
        "install glibc (Alpine: apk add gcompat), or get the program built statically or for musl",
    ),
    (
        rb"/nix/store/",
        "Nix: its loader lies in the Nix store",
        f"install Nix, or: patchelf --set-interpreter {GLIBC.decode()} PROGRAM",
    ),
    (
        rb"/gnu/store/",
        "Guix: its loader lies in the Guix store",
        f"install Guix, or: patchelf --set-interpreter {GLIBC.decode()} PROGRAM",
    ),
    (rb"/system/bin/linker(64)?$", "Android", "get the program built for Linux"),
    (rb"/lib/ld-linux-aarch64\.so\.1$", "64-bit ARM with glibc", "apt install libc6:arm64"),
    (rb"/libexec/ld-elf\.so\.1$", "FreeBSD", "get the program built for Linux"),
    (
        rb"/(home/linuxbrew|opt/homebrew)/",
        "Homebrew",
        "install Homebrew, or brew postinstall glibc",
    ),
)


def elf_interpreter_finding(task: Task, program: bytes, path: bytes) -> Finding:
    """PT_INTERP of `program` names `path`, which is not there."""
    for pattern, style, mend in _STYLES:
        if re.search(pattern, path):
            mend = mend.replace("PROGRAM", quoted(program))
            return Finding(
                path,
                f"the ELF interpreter {shown(path)} that {shown(program)} asks for does not exist: "
                f"the program is built for {style}",
                mend,
            )
    finding = lookup_finding(task, path, "the ELF interpreter")
    name = path.rpartition(b"/")[2]
    here = next(
        (
            place
            for place in (b"/lib64/" + name, b"/lib/" + name, b"/usr/lib/" + name)
            if place != path and inode_of(task, place) is not None
        ),
        None,
    )
    finding.reason = (
        f"the ELF interpreter {shown(path)} that {shown(program)} asks for does not exist "
        f"({finding.reason})"
    )
    if here is not None:
        finding.reason += (
            f"; a loader of that name is at {shown(here)}: the program was linked for another root"
        )
        finding.mend = f"patchelf --set-interpreter {quoted(here)} {quoted(program)}"
    else:
        patch = f"patchelf --set-interpreter {GLIBC.decode()} {quoted(program)}"
        finding.mend = f"put the loader there, or: {patch}"
    return finding


def script_interpreter_finding(task: Task, script: bytes, path: bytes) -> Finding:
    """The first line of `script` names `path`, which is not there."""
    odd = _odd_bytes(script, path)
    if odd is not None:
        return odd
    finding = lookup_finding(task, path, "the interpreter")
    finding.reason = (
        f"the first line of {shown(script)} names the interpreter {shown(path)}, and "
        + (finding.reason)
    )
    name = path.rpartition(b"/")[2]
    here = next(
        (d + b"/" + name for d in SEARCH if name and inode_of(task, d + b"/" + name) is not None),
        None,
    )
    if here is not None:
        finding.reason += f"; {shown(name)} is at {shown(here)}"
        new = here.decode("utf-8", "replace")
        finding.mend = f"write #!{new} in the first line of {quoted(script)}"
    elif not path.startswith(b"/"):
        finding.mend = (
            f"write an absolute path in the first line of {quoted(script)}: "
            "a relative one is looked up from the working directory"
        )
    elif finding.path.rstrip(b"/") == path.rstrip(b"/"):
        finding.mend = f"install {shown(name)}, or correct the first line of {quoted(script)}"
    else:
        finding.mend = f"{finding.mend} (in the first line of {quoted(script)})"
    return finding


def _odd_bytes(script: bytes, path: bytes) -> Finding | None:
    """Bytes that no editor shows."""
    if path.endswith(b"\r"):
        return Finding(
            script,
            f"the first line of {shown(script)} ends in CR LF (a DOS line end): "
            f"the kernel looks for an interpreter named {shown(path)}",
            f"sed -i 's/\\r$//' {quoted(script)}  (or dos2unix)",
        )
    odd = {b"\xc2\xa0": "a no-break space", b"\v": "a vertical tab", b"\f": "a form feed"}
    for sequence, name in odd.items():
        if sequence in path:
            return Finding(
                script,
                f"in the first line of {shown(script)} {name} follows the interpreter's name; only "
                f"space and tab separate, so the kernel looks for {shown(path)}",
                f"type an ordinary space there, in the first line of {quoted(script)}",
            )
    return None
