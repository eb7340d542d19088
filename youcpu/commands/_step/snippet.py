"""`--hex` and `--asm`: a few bytes of code as a program of their own."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile

from youcpu.options import UsageError

#: Where the code lies: as `ld` places programs.
CODE = 0x401000
#: Behind it, if it runs on: exit(0).
_EXIT = bytes.fromhex("b83c000000 31ff 0f05")
END = "end_of_snippet"
_MOST = 1 << 20


class Snippet:
    """A program file in a directory of its own; `end` is where its code ends."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="youcpu-")
        self.path = os.path.join(self._directory.name, "snippet")
        self.end: int | str = END

    def close(self) -> None:
        """The file goes."""
        self._directory.cleanup()


def from_hex(text: str) -> Snippet:
    """Raises UsageError."""
    digits = text.replace("\\x", " ").replace("0x", " ").replace(",", " ")
    try:
        code = bytes.fromhex(digits)
    except ValueError:
        raise UsageError(f"--hex {text}: not hexadecimal") from None
    return from_bytes(code)


def from_bytes(code: bytes) -> Snippet:
    """Raises UsageError."""
    if not 0 < len(code) <= _MOST:
        raise UsageError(f"--hex: from 1 to {_MOST} bytes are wanted")
    snippet = Snippet()
    snippet.end = CODE + len(code)
    with open(snippet.path, "wb") as file:
        file.write(_elf(code + _EXIT))
    os.chmod(snippet.path, 0o755)
    return snippet


def _elf(code: bytes) -> bytes:
    """ELF64 ET_EXEC with one segment, readable, writable and executable: gABI chapter 4 and 5."""
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, CODE, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0x1000, CODE, CODE, len(code), len(code), 0x1000)
    return (identity + header + segment).ljust(0x1000, b"\0") + code


def from_assembly(text: str) -> Snippet:
    """By GNU as and ld, or by the Python package keystone. Raises UsageError."""
    if shutil.which("as") and shutil.which("ld"):
        return _by_binutils(text)
    try:
        import keystone  # type: ignore[import-not-found]
    except ImportError:
        raise UsageError(
            "--asm wants an assembler: GNU as and ld (Debian: apt install binutils), or the "
            "Python package keystone-engine (pip install 'youcpu[asm]')"
        ) from None
    engine = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_64)
    if "%" in text:
        engine.syntax = keystone.KS_OPT_SYNTAX_ATT
    try:
        code, _ = engine.asm(text, CODE, as_bytes=True)
    except keystone.KsError as error:
        raise UsageError(f"--asm: {error}") from None
    return from_bytes(code or b"")


def _by_binutils(text: str) -> Snippet:
    snippet = Snippet()
    directory = os.path.dirname(snippet.path)
    source = ".intel_syntax noprefix\n" if "%" not in text else ""
    source += ".globl _start\n.text\n_start:\n"
    lines = text.replace(";", "\n")
    source += f"{lines}\n.text\n.globl {END}\n{END}:\n.byte {', '.join(map(str, _EXIT))}\n"
    path = os.path.join(directory, "snippet.s")
    with open(path, "w", encoding="utf-8") as file:
        file.write(source)
    for command in (
        ["as", "--64", "-o", f"{snippet.path}.o", path],
        [
            "ld",
            "-z",
            "noseparate-code",
            f"-Ttext={CODE:#x}",
            "-o",
            snippet.path,
            f"{snippet.path}.o",
        ],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            snippet.close()
            raise UsageError(f"--asm: {_complaint(done.stderr)}")
    return snippet


def _complaint(text: str) -> str:
    """The first error of as or ld, without the names of our files."""
    lines = [line for line in text.splitlines() if "rror" in line or "undefined" in line]
    line = (lines or text.splitlines() or ["it cannot be assembled"])[0]
    _, marked, text = line.partition("Error: ")
    return text if marked else line.rpartition("snippet")[2].partition(": ")[2] or line
