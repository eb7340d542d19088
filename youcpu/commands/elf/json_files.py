"""readelf --json: one document for all files of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from youcpu.commands.elf.input import read_file
from youcpu.commands.elf.output import Output
from youcpu.formats.elf.archive import MAGIC, THIN_MAGIC, Archive
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import Image
from youcpu.formats.errors import FormatError
from youcpu.formats.identify import identify
from youcpu.render.readelf.json_document import json_object
from youcpu.render.readelf.json_text import Member, mapping, pieces_array, text, value
from youcpu.render.readelf.options import Options

SCHEMA, VERSION = "youcpu.readelf", 1


def write_json(files: list[str], options: Options, out: Output) -> None:
    """The document; a file that cannot be shown has an `error` in it, and a line on stderr."""
    elements = (element for name in files for element in _file(name, options, out))
    document = mapping(
        [
            Member("schema", value(SCHEMA)),
            Member("version", value(VERSION)),
            Member("files", pieces_array(elements)),
        ]
    )
    for piece in document:
        out.write(piece)
    out.write("\n")


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _file(name: str, options: Options, out: Output) -> Iterator[Iterator[str]]:
    identity: dict[str, Any] = {"file": _printable(name), "member": None}
    try:
        data = read_file(name)
    except BrokenPipeError:
        raise
    except (OSError, FormatError) as error:
        reason = error.reason if isinstance(error, FormatError) else error.strerror
        out.fail(f"{name}: {reason}")
        yield _failed(identity, "unreadable", str(reason))
        return
    if data[:8] in (MAGIC, THIN_MAGIC):
        yield from _archive(name, data, identity, options, out)
    else:
        yield _object(data, 0, name, identity, options, out)


def _object(
    data: memoryview,
    base: int,
    name: str,
    identity: dict[str, Any],
    options: Options,
    out: Output,
) -> Iterator[str]:
    image = Image(data, base)
    try:
        elf = ElfFile(image)
        pieces = json_object(elf, options, {**identity, "kind": "elf"})
    except FormatError as error:
        found = identify(data[base:])
        reason = error.reason if found.kind == "elf" else f"{error.reason}: {found.line}"
        out.fail(f"{name}: {reason}")
        return _failed(identity, found.kind, reason)
    return _with_strictness(pieces, image, out)


def _with_strictness(pieces: Iterator[str], image: Image, out: Output) -> Iterator[str]:
    """Diagnostics are in the document; stderr stays silent, --strict still knows of them."""
    yield from pieces
    out.warned = out.warned or bool(image.diagnostics)


def _failed(identity: dict[str, Any], kind: str, reason: str) -> Iterator[str]:
    return value({**identity, "kind": kind, "error": text(reason), "diagnostics": []})


def _archive(
    name: str, data: memoryview, identity: dict[str, Any], options: Options, out: Output
) -> Iterator[Iterator[str]]:
    try:
        archive = Archive(data)
        if options.shows("archive_index"):
            yield value(
                {**identity, "kind": "archive", "index": _index(archive), "diagnostics": []}
            )
            if options.views == {"archive_index"} and not options.dumps:
                return
        for member in archive.members():
            if archive.thin:
                continue
            owner = {**identity, "member": text(member.name)}
            title = f"{name}({member.name})"
            yield _object(data, member.offset, title, owner, options, out)
    except FormatError as error:
        out.fail(f"{name}: {error.reason}")
        yield _failed(identity, "archive", error.reason)


def _index(archive: Archive) -> list[dict[str, Any]] | None:
    if not archive.has_index:
        return None
    return [
        {"offset": offset, "symbol": text(symbol)} for offset, symbol in archive.index().entries
    ]
