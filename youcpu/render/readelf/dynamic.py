"""`-d`: the dynamic section."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi import elf as abi
from youcpu.formats.elf import names
from youcpu.formats.elf.dynamic import symbol_info
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.structures import Dyn
from youcpu.render.readelf.header import signed64
from youcpu.render.readelf.options import Options
from youcpu.render.readelf.printable import Printer

LIBRARY_TAGS = {
    0x7FFFFFFD: "Auxiliary library",
    0x7FFFFFFF: "Filter library",
    0x6FFFFEFA: "Configuration file",
    0x6FFFFEFB: "Dependency audit library",
    0x6FFFFEFC: "Audit library",
}
BYTES = {
    abi.DT_PLTRELSZ,
    abi.DT_RELASZ,
    abi.DT_STRSZ,
    abi.DT_RELSZ,
    abi.DT_RELAENT,
    abi.DT_RELRENT,
    abi.DT_RELRSZ,
    abi.DT_SYMENT,
    abi.DT_RELENT,
    0x6FFFFDF9,  # PLTPADSZ
    0x6FFFFDFA,  # MOVEENT
    0x6FFFFDFB,  # MOVESZ
    abi.DT_PREINIT_ARRAYSZ,
    abi.DT_INIT_ARRAYSZ,
    abi.DT_FINI_ARRAYSZ,
    0x6FFFFDF6,  # GNU_CONFLICTSZ
    0x6FFFFDF7,  # GNU_LIBLISTSZ
}
COUNTS = {abi.DT_VERDEFNUM, abi.DT_VERNEEDNUM, 0x6FFFFFF9, 0x6FFFFFFA}
NAMED = {
    abi.DT_NEEDED: "Shared library",
    abi.DT_SONAME: "Library soname",
    abi.DT_RPATH: "Library rpath",
    abi.DT_RUNPATH: "Library runpath",
}
FLAG_TAGS: dict[int, tuple[str, ...]] = {
    0x6FFFFDFC: ("PARINIT", "CONFEXP"),
    0x6FFFFDFD: ("LAZYLOAD", "GROUPPERM"),
    abi.DT_FLAGS_1: abi.DYNAMIC_FLAGS_1,
    0x6FFFFDF4: ("UNIQUE",),
}
MIPS_COUNTS = {
    0x70000001,
    0x7000000A,
    0x7000000B,
    0x70000010,
    0x70000011,
    0x70000012,
    0x70000014,
    0x70000018,
    0x7000001A,
    0x7000001C,
    0x7000001E,
    0x70000021,
    0x7000002F,
}
MIPS_FLAGS = (
    "QUICKSTART NOTPOT NO_LIBRARY_REPLACEMENT NO_MOVE SGI_ONLY GUARANTEE_INIT DELTA_C_PLUS_PLUS"
    " GUARANTEE_START_INIT PIXIE DEFAULT_DELAY_LOAD REQUICKSTART REQUICKSTARTED CORD"
    " NO_UNRES_UNDEF RLD_ORDER_SAFE"
)


def dynamic_section(elf: ElfFile) -> Iterator[str]:
    if elf.dynamic_size <= 1:
        yield "\nThere is no dynamic section in this file.\n"
        return
    if elf.dynamic is None:
        return
    if elf.dynamic_offset:
        count = len(elf.dynamic)
        entries = "entry" if count == 1 else "entries"
        yield (f"\nDynamic section at offset {elf.dynamic_offset:#x} contains {count} {entries}:\n")
    yield "  Tag        Type                         Name/Value\n"
    width, room = (16, 19) if elf.is64 else (8, 27)
    for entry in elf.dynamic:
        kind = names.dynamic_tag(elf.header, entry.tag)
        gap = " " * max(abs(room - len(kind)), 1)
        yield f" 0x{entry.tag:0{width}x} ({kind}){gap}{value_text(elf, entry)}"


def value_text(elf: ElfFile, entry: Dyn) -> str:
    """The Name/Value column with its line end."""
    tag, value = entry
    if tag == abi.DT_FLAGS:
        return flag_words(value) + "\n"
    if tag in LIBRARY_TAGS:
        name = elf.dynamic_name(value)
        shown = f"{value:#x}" if name is None else f"[{name}]"
        return f"{LIBRARY_TAGS[tag]}: {shown}\n"
    if tag in FLAG_TAGS:
        return f"Flags:{named_bits(value, FLAG_TAGS[tag])}\n"
    if tag == abi.DT_PLTREL:
        return names.dynamic_tag(elf.header, value) + "\n"
    if tag in NAMED:
        return named_value(elf, tag, value)
    if tag in BYTES:
        return f"{value} (bytes)\n"
    if tag in COUNTS:
        return f"{value}\n"
    if tag == abi.DT_BIND_NOW:
        return "\n"
    if tag == 0x7FFFFFFE:  # USED
        name = elf.dynamic_name(value)
        return f"Not needed object: [{name}]\n" if name else f"{value:#x}\n"
    if tag == 0x6FFFFDF5:  # GNU_PRELINKED
        return time_text(value) + "\n"
    if tag >= 0x70000000:
        return machine_value(elf, tag, value) + "\n"
    return f"{value:#x}\n"


def named_value(elf: ElfFile, tag: int, value: int) -> str:
    name = elf.dynamic_name(value)
    if name is None:
        return f"{value:#x}\n"
    interpreter = tag == abi.DT_NEEDED and name == elf.interpreter
    return f"{NAMED[tag]}: [{name}]{' program interpreter' if interpreter else ''}\n"


def flag_words(value: int) -> str:
    """DT_FLAGS: a word a bit."""
    words = []
    while value:
        bit = value & -value
        value &= ~bit
        words.append(abi.DYNAMIC_FLAGS.get(bit, "unknown"))
    return " ".join(words)


def named_bits(value: int, table: tuple[str, ...]) -> str:
    if value == 0:
        return " None"
    text = ""
    for position, word in enumerate(table):
        if value >> position & 1:
            text += f" {word}"
            value ^= 1 << position
    return text + (f" {value:x}" if value else "")


def time_text(seconds: int) -> str:
    from datetime import UTC, datetime, timedelta

    try:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=signed64(seconds))
    except OverflowError:
        return f"<corrupt time val: {seconds:x}"
    return when.strftime("%Y-%m-%dT%H:%M:%S").zfill(19)


def machine_value(elf: ElfFile, tag: int, value: int) -> str:
    """Tags from DT_LOPROC on, as the machine reads them."""
    if elf.machine == abi.EM_AARCH64 and tag in (0x70000001, 0x70000003):
        return ""
    if elf.machine not in names.MIPS:
        return f"{value:#x}"
    if tag == 0x70000005:  # MIPS_FLAGS
        bits = [w for i, w in enumerate(MIPS_FLAGS.split()) if value >> i & 1]
        return " ".join(bits) if value else "NONE"
    if tag == 0x70000004:  # MIPS_IVERSION
        name = elf.dynamic_name(value)
        return f"Interface Version: {f'<corrupt: {value:x}>' if name is None else name}"
    if tag == 0x70000002:
        return f"Time Stamp: {time_text(value)}"
    return str(signed64(value)) if tag in MIPS_COUNTS else f"{value:#x}"


def syminfo(elf: ElfFile, options: Options) -> Iterator[str]:
    """Solaris' dynamic info segment, after the symbols."""
    found = symbol_info(elf)
    if found is None or elf.dynamic_symbols is None or elf.dynamic_strings is None:
        return
    offset, rows = found
    entries = "entry" if len(rows) == 1 else "entries"
    yield f"\nDynamic info segment at offset {offset:#x} contains {len(rows)} {entries}:\n"
    yield " Num: Name                           BoundTo     Flags\n"
    printer = Printer(options)
    bound_names = {0xFFFF: "SELF       ", 0xFFFE: "PARENT     "}
    flag_names = {1: " DIRECT", 2: " PASSTHRU", 4: " COPY", 8: " LAZYLOAD"}
    for number, (bound, flags) in enumerate(rows):
        if number >= len(elf.dynamic_symbols):
            name = "<corrupt index>"
        else:
            start = elf.dynamic_symbols[number].name
            raw = elf.dynamic_name(start)
            name = f"<corrupt: {start:19d}>" if raw is None else printer.symbol(30, raw)
        target = bound_names.get(bound) or _bound_to(elf, bound, printer)
        words = "".join(word for bit, word in flag_names.items() if flags & bit)
        yield f"{number:4d}: {name} {target}{words}\n"


def _bound_to(elf: ElfFile, bound: int, printer: Printer) -> str:
    if elf.dynamic is not None and 0 < bound < len(elf.dynamic):
        name = elf.dynamic_name(elf.dynamic[bound].value)
        if name is not None:
            return printer.symbol(10, name) + " "
    return f"{bound:<10d} "
