"""What an ELF file says of itself, in GNU's words or as JSON.

Stage: file

The options are GNU readelf's, so `-h` is the file header; help is `--help` or `-H`.
"""

from __future__ import annotations

from youcpu.commands.elf.input import latin, read_file
from youcpu.commands.elf.output import Output
from youcpu.commands.elf.readelf_options import parse
from youcpu.formats.elf.archive import MAGIC, THIN_MAGIC
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import Image
from youcpu.formats.errors import FormatError
from youcpu.render.readelf.document import document
from youcpu.render.readelf.options import Options


def show_object(
    data: memoryview, base: int, title: str, file: str, options: Options, out: Output
) -> None:
    """One object, with its title before it where there are several. Raises FormatError."""
    image = Image(data, base)
    try:
        elf = ElfFile(image)
        if title:
            out.write(f"\nFile: {title}\n")
        for text in document(elf, options):
            out.write(text)
            if image.diagnostics:
                out.diagnose(image.diagnostics, file)
    finally:
        out.diagnose(image.diagnostics, file)


def what_else(data: memoryview, base: int, error: FormatError) -> str:
    """The error of an object that is no ELF file, with what it is instead."""
    from youcpu.formats.identify import identify

    found = identify(data[base:])
    return error.reason if found.kind == "elf" else f"{error.reason}: {found.line}"


def show_file(name: str, titled: bool, options: Options, out: Output) -> None:
    """One file of the command line, which may be an archive. Raises OSError, FormatError."""
    data = read_file(name)
    if data[:8] in (MAGIC, THIN_MAGIC):
        from youcpu.commands.elf.archives import show_archive

        def show(content: memoryview, base: int, title: str) -> None:
            show_object(content, base, title, title, options, out)

        show_archive(name, data, options, out, show)
        return
    if options.shows("archive_index"):
        out.fail(f"File {name} is not an archive so its index cannot be displayed.")
    try:
        show_object(data, 0, latin(name) if titled else "", name, options, out)
    except FormatError as error:
        raise FormatError(error.offset, f"{name}: {what_else(data, 0, error)}") from None


def show_files(files: list[str], options: Options, out: Output) -> None:
    """Every file, whatever became of the one before; errors go to stderr."""
    for name in files:
        try:
            show_file(name, len(files) > 1, options, out)
        except BrokenPipeError:
            raise
        except FileNotFoundError:
            out.fail(f"'{name}': No such file")
        except OSError as error:
            out.fail(f"'{name}': {error.strerror}")
        except FormatError as error:
            out.fail(error.reason)


def main(argv: list[str]) -> int:
    """Exit code: 0 fine, 1 a file is bad (or, with --strict, drew a warning), 2 wrong usage."""
    parsed = parse(argv)
    if isinstance(parsed, int):
        return parsed
    options, files = parsed
    out = Output("readelf")
    if options.json:
        from youcpu.commands.elf.json_files import write_json

        write_json(files, options, out)
    else:
        show_files(files, options, out)
    out.flush()
    return 1 if out.failed or (options.strict and out.warned) else 0
