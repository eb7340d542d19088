"""What an ELF file says of itself, in GNU readelf's words or as JSON.

Stage: file

The options are GNU readelf's, so `-h` is the file header; help is `--help` or `-H`.
"""

from __future__ import annotations

from collections.abc import Callable

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
    """One object, with its title before it where there are several."""
    image = Image(data, base)
    try:
        if title:
            out.write(f"\nFile: {title}\n")
        for text in document(ElfFile(image), options):
            out.write(text)
            if image.diagnostics:
                out.diagnose(image, file)
    finally:
        out.diagnose(image, file)


def show_file(name: str, titled: bool, options: Options, out: Output) -> None:
    """One file of the command line, which may be an archive. Raises OSError, FormatError."""
    data = read_file(name)
    if len(data) < 8:
        raise FormatError(0, f"{name}: Failed to read file's magic number")
    if data[:8] in (MAGIC, THIN_MAGIC):
        from youcpu.commands.elf.archives import show_archive

        show_archive(
            name, data, options, out, lambda d, base, t: show_object(d, base, t, name, options, out)
        )
        return
    if options.shows("archive_index"):
        out.fail(f"File {name} is not an archive so its index cannot be displayed.")
    try:
        show_object(data, 0, latin(name) if titled else "", name, options, out)
    except FormatError as error:
        raise FormatError(error.offset, f"{name}: {error.reason}") from None


def each_file(files: list[str], show: Callable[[str], None], out: Output) -> None:
    """Show every file, whatever became of the one before; errors go to stderr."""
    for name in files:
        try:
            show(name)
        except FileNotFoundError:
            out.fail(f"'{name}': No such file")
        except BrokenPipeError:
            raise
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
    titled = len(files) > 1
    each_file(files, lambda name: show_file(name, titled, options, out), out)
    out.flush()
    return 1 if out.failed or (options.strict and out.warned) else 0
