"""readelf on an archive: its index, then each member as a file of its own."""

from __future__ import annotations

import os
from collections.abc import Callable

from youcpu.commands.elf.input import latin, read_file
from youcpu.commands.elf.output import Output
from youcpu.formats.elf.archive import Archive, Index, Member
from youcpu.formats.errors import FormatError
from youcpu.render.readelf.options import Options

Show = Callable[[memoryview, int, str], None]


def show_archive(name: str, data: memoryview, options: Options, out: Output, show: Show) -> None:
    """`show(data, offset, title)` is called for every member. Raises FormatError on damage."""
    try:
        archive = Archive(data)
    except FormatError as error:
        raise FormatError(error.offset, f"{name}: {error.reason}") from None
    if options.shows("archive_index"):
        if not archive.has_index:
            out.write(f"{latin(name)} has no archive index\n")
            out.fail(f"{name}: unable to dump the index as none was found")
        else:
            _show_index(name, archive, out)
        if options.views == {"archive_index"} and not options.dumps and not options.debug:
            return
    try:
        for member in archive.members():
            _show_member(name, archive, member, out, show)
    except FormatError as error:
        raise FormatError(error.offset, f"{name}: {error.reason}") from None


def _show_member(name: str, archive: Archive, member: Member, out: Output, show: Show) -> None:
    title = qualified(name, archive, member)
    try:
        if not archive.thin:
            show(archive.data, member.offset, title)
            return
        path = os.path.join(os.path.dirname(name), os.fsdecode(member.name.encode("latin-1")))
        if not member.origin:
            show(read_file(path), 0, title)
            return
        nested = Archive(read_file(path))
        inner = nested.member_at(member.origin)
        show(nested.data, inner.offset, f"{latin(name)}[{latin(path)}({inner.name})]")
    except FormatError as error:
        out.fail(f"{title}: {error.reason}")
    except FileNotFoundError:
        raise FormatError(0, f"Input file '{path}' is not readable.") from None


def qualified(name: str, archive: Archive, member: Member) -> str:
    """archive(member); archive[member] for a thin one."""
    brackets = "[{}]" if archive.thin else "({})"
    return latin(name) + brackets.format(member.name)


def _show_index(name: str, archive: Archive, out: Output) -> None:
    try:
        index: Index = archive.index()
    except FormatError as error:
        out.fail(f"{name}: {error.reason}")
        return
    out.write(
        f"Index of archive {latin(name)}: ({len(index.entries)} entries,"
        f" {index.size:#x} bytes in the symbol table)\n"
    )
    previous = -1
    for offset, symbol in index.entries:
        if offset != previous:
            try:
                title = qualified(name, archive, archive.member_at(offset))
                out.write(f"Contents of binary {title} at offset {offset:#x}\n")
            except FormatError as error:
                out.fail(f"{name}: {error.reason}")
            previous = offset
        out.write(f"\t{symbol}\n")
    if index.left:
        out.fail(
            f"{name}: {index.left} bytes remain in the symbol table, but without corresponding"
            " entries in the index table"
        )
