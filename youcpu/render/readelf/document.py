"""One file as `readelf` shows it: the views in GNU's order, each after the stage it needs."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from youcpu.formats.elf.file import ElfFile
from youcpu.formats.errors import FormatError
from youcpu.render.readelf.header import file_header
from youcpu.render.readelf.options import Options

# What cannot be shown without section headers; -D needs none for symbols and relocations.
NEED_SECTIONS = ("unwind", "version", "dumps", "arch")
NEED_SECTIONS_OR_D = ("syms", "dyn_syms", "relocs")


def check_magic(elf: ElfFile) -> None:
    """Raises FormatError for what is no ELF file."""
    if elf.header.ident[:4] != b"\x7fELF":
        raise FormatError(0, "not an ELF file")


def document(elf: ElfFile, options: Options) -> Iterator[str]:
    """The views that `options` ask for. Diagnostics collect in `elf.image` on the way."""
    check_magic(elf)
    if options.header:
        yield from file_header(elf)
    elf.resolve_header()
    if options.views == {"header"} and not options.dumps and not options.debug:
        # The tables are not shown, but a table that cannot be read is still worth a warning.
        elf.load_sections()
        return
    options = yield from _sections(elf, options)
    yield from _segments_and_dynamic(elf, options)
    yield from _the_rest(elf, options)


def _sections(elf: ElfFile, options: Options) -> Generator[str, None, Options]:
    from youcpu.render.readelf import sections

    shown = options.shows("sections")
    if shown and elf.header.shnum and not options.header:
        yield sections.announcement(elf)
    loaded = elf.load_sections()
    if not loaded:
        options = options.without(*NEED_SECTIONS)
        if not options.use_dynamic:
            options = options.without(*NEED_SECTIONS_OR_D)
    elif shown and elf.sections is None:
        yield "\nThere are no sections in this file.\n"
    elif shown:
        yield from sections.section_headers(elf, options)
    if options.shows("groups"):
        yield from sections.section_groups(elf)
    return options


def _segments_and_dynamic(elf: ElfFile, options: Options) -> Iterator[str]:
    if options.shows("segments"):
        from youcpu.render.readelf.segments import program_headers

        yield from program_headers(elf, options)
    else:
        from youcpu.formats.elf.segments import scan_segments

        scan_segments(elf)


def _the_rest(elf: ElfFile, options: Options) -> Iterator[str]:
    from youcpu.formats.elf.dynamic import load_dynamic
    from youcpu.formats.elf.versions import Versions

    symbols_by_hash = options.use_dynamic and not options.shows("dyn_syms")
    sound, hashes = load_dynamic(elf, options.shows("histogram"), symbols_by_hash)
    versions = Versions(elf)
    if options.shows("dynamic") and sound:
        from youcpu.render.readelf.dynamic import dynamic_section

        yield from dynamic_section(elf)
    if options.shows("relocs"):
        from youcpu.render.readelf.relocations import relocations

        yield from relocations(elf, options, versions)
    if options.shows("unwind"):
        from youcpu.render.readelf.unwind import unwind

        yield from unwind(elf)
    if options.views & {"syms", "dyn_syms", "histogram"}:
        from youcpu.render.readelf.symbols import histogram, symbol_tables

        yield from symbol_tables(elf, options, versions)
        if options.shows("histogram"):
            yield from histogram(elf, hashes)
    if options.shows("lto_syms"):
        from youcpu.render.readelf.lto import lto_symbols

        yield from lto_symbols(elf, options)
    if options.shows("dynamic"):
        from youcpu.render.readelf.dynamic import syminfo

        yield from syminfo(elf, options)
    if options.shows("version"):
        from youcpu.render.readelf.versions import version_sections

        yield from version_sections(elf, versions)
    if options.dumps:
        from youcpu.render.readelf.dumps import dumps

        yield from dumps(elf, options)
    if options.debug:
        from youcpu.render.readelf.debug import debug_dump

        for text in debug_dump(elf, options):
            yield text.encode("utf-8", "backslashreplace").decode("latin-1")
    if options.shows("notes"):
        from youcpu.render.readelf.notes import notes

        yield from notes(elf, options)
    if options.shows("arch"):
        from youcpu.render.readelf.arch import arch_specific

        yield from arch_specific(elf, options)
