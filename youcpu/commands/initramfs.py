"""Make an initramfs to boot, of a directory or of one program.

Stage: boot
"""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING

from youcpu.options import HELP_OPTION, Option, Parsed, UsageError, run_command

if TYPE_CHECKING:
    from youcpu.commands._initramfs.source import Source

NAME = "initramfs"
SCHEMA = {"schema": "youcpu.initramfs", "version": 1}
USAGE = """youcpu initramfs [OPTIONS] DIR|PROGRAM
       youcpu initramfs [OPTIONS] --list FILE"""
SUMMARY = """Packs a directory, or a program that becomes /init together with its interpreter and
libraries, into the cpio archive that Linux unpacks as its first root. All files belong
to root and have no times, so that the same files give the same bytes; /dev/console
and /dev/null are added where they are not there."""
OPTIONS = [
    Option("-o --output", "The file to write; standard output without it.", "FILE"),
    Option("--compress", "gzip (default), xz, zstd or none.", "KIND"),
    Option("--list", "Say what lies in FILE, an initramfs of any make; - is stdin.", "FILE"),
    Option("--json", "A JSON document of what was packed, or of what lies in FILE."),
    HELP_OPTION,
]
EPILOG = "Exit code: 0 fine, 1 a file cannot be packed or read, 2 wrong usage."
#: Bytes: a larger file is not taken into memory for --list.
_LARGEST_FILE = 2 << 30


def main(argv: list[str]) -> int:
    """Run the command."""
    return run_command(_answer, argv, NAME, (USAGE, SUMMARY, EPILOG), OPTIONS)


def _answer(parsed: Parsed) -> int:
    listed = parsed.value("list")
    if listed is not None:
        if parsed.operands or parsed.flag("output") or parsed.flag("compress"):
            raise UsageError("--list takes no DIR, no -o and no --compress")
        subject = listed
    elif len(parsed.operands) != 1:
        raise UsageError("which DIR or PROGRAM?" if not parsed.operands else "one at a time")
    else:
        subject = parsed.operands[0]
    return _run(parsed, subject)


def _run(parsed: Parsed, subject: str) -> int:
    """Pack or list; what is wrong with the files is one line. Raises UsageError."""
    from youcpu.formats.errors import FormatError

    try:
        return _list(parsed, subject) if parsed.flag("list") else _pack(parsed, subject)
    except FormatError as error:
        place = f" at offset {error.offset:#x}" if error.offset else ""
        return _refuse(subject, f"{error.reason}{place}")
    except BrokenPipeError:
        raise
    except OSError as error:
        return _refuse(error.filename or subject, error.strerror or str(error))


def _refuse(subject: str | bytes, reason: str) -> int:
    shown = os.fsdecode(subject).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    sys.stderr.write(f"youcpu {NAME}: {shown}: {reason}\n")
    return 1


def _pack(parsed: Parsed, subject: str) -> int:
    from youcpu.commands._initramfs.compress import KINDS

    kind = parsed.value("compress") or "gzip"
    if kind not in KINDS:
        raise UsageError(f"--compress {kind}: gzip, xz, zstd or none")
    output = parsed.value("output")
    as_json = parsed.flag("json")
    if output in (None, "-"):
        if as_json:
            raise UsageError("--json goes to standard output, the archive wants -o FILE then")
        if sys.stdout.isatty():
            raise UsageError("the archive is not for a terminal: -o FILE")
    sources = _sources(subject, output)
    if output in (None, "-"):
        sys.stdout.flush()
        _write(sources, kind, sys.stdout.buffer)
        return 0
    assert output is not None
    with open(output, "wb") as file:
        _write(sources, kind, file)
        size = file.tell() if file.seekable() else 0
    if as_json:
        _print_packed(sources, kind, subject, output, size)
    return 0


def _sources(subject: str, output: str | None) -> list[Source]:
    from youcpu.commands._initramfs.program import program_files
    from youcpu.commands._initramfs.source import directory_sources, file_sources

    if not os.path.isdir(subject):
        return file_sources(*program_files(subject))
    # An archive of an earlier run inside the directory is not packed into itself.
    identity = None
    if output is not None and os.path.exists(output):
        status = os.stat(output)
        identity = (status.st_dev, status.st_ino)
    return directory_sources(subject, identity)


def _write(sources: list[Source], kind: str, file: IO[bytes]) -> None:
    from youcpu.commands._initramfs.compress import open_sink
    from youcpu.formats.cpio import CpioWriter

    sink = open_sink(kind, file)
    writer = CpioWriter(sink.write)
    for source in sources:
        writer.add(source.entry, source.pieces())
    writer.close()
    sink.close()
    file.flush()


def _print_packed(sources: list[Source], kind: str, subject: str, output: str, size: int) -> None:
    import json

    from youcpu.commands._initramfs.listing import entry_document

    document = {
        **SCHEMA,
        "source": os.fsencode(subject).decode("utf-8", "backslashreplace"),
        "output": os.fsencode(output).decode("utf-8", "backslashreplace"),
        "compression": kind,
        "size": size,
        "entries": [entry_document(source.entry) for source in sources],
    }
    print(json.dumps(document, indent=1))


def _list(parsed: Parsed, path: str) -> int:
    from youcpu.commands._initramfs.listing import part_document, part_lines
    from youcpu.formats.initrd import read_initrd

    if path == "-":
        data = sys.stdin.buffer.read(_LARGEST_FILE)
    else:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_FILE)
    parts = read_initrd(data)
    if parsed.flag("json"):
        import json

        document = {**SCHEMA, "file": path, "parts": [part_document(part) for part in parts]}
        print(json.dumps(document, indent=1))
        return 0
    print("\n".join(part_lines(parts)))
    return 0
