"""Which libraries the dynamic linker would load, and why.

Stage: file
"""

from __future__ import annotations

import os
import sys
from typing import Any

from youcpu.formats.errors import FormatError
from youcpu.options import HELP_OPTION, Option, Parsed, UsageError, run_command

NAME = "ldd"
USAGE = "youcpu ldd [OPTIONS] FILE..."
SUMMARY = """Which libraries the dynamic linker would load, and why. Nothing is executed; other
machines' programs work as well."""
OPTIONS = [
    Option("--root", "Directory that stands for /: another system's tree.", "DIR"),
    Option("--library-path", "As LD_LIBRARY_PATH, instead of the variable.", "DIRS"),
    Option("--preload", "As LD_PRELOAD, instead of the variable.", "FILES"),
    Option("--no-cache", "Without ld.so.cache."),
    Option("--symbols", "Which library binds each undefined symbol."),
    Option("--min-glibc", "The least glibc needed, and what forces it."),
    Option("--explain", "Every place that was looked at, in order."),
    Option("--json", "One JSON document (docs/schema/ldd.json)."),
    HELP_OPTION,
]
EPILOG = """Exit code: 0 fine; 1 a library or a symbol is missing, or a file is no ELF program;
2 wrong usage."""


def main(argv: list[str]) -> int:
    """Run the command."""
    return run_command(_answer, argv, NAME, (USAGE, SUMMARY, EPILOG), OPTIONS)


def _answer(parsed: Parsed) -> int:
    if not parsed.operands:
        raise UsageError("which file?")
    return _report(parsed)


def _report(parsed: Parsed) -> int:
    from youcpu.commands.elf.tree import Tree
    from youcpu.render import ldd

    tree = Tree(parsed.value("root") or "/")
    files, as_json = parsed.operands, parsed.flag("json")
    reports: list[dict[str, Any]] = []
    failed = False
    for name in files:
        try:
            process = process_of(
                name,
                tree,
                parsed.value("library-path"),
                parsed.value("preload"),
                parsed.flag("no-cache"),
            )
        except (OSError, FormatError) as error:
            reason = error.reason if isinstance(error, FormatError) else error.strerror
            print(f"youcpu ldd: {name}: {reason}", file=sys.stderr)
            failed = True
            continue
        symbols, min_glibc = parsed.flag("symbols"), parsed.flag("min-glibc")
        report = ldd.report(process, symbols=symbols, min_glibc=min_glibc)
        failed = failed or not report["complete"]
        reports.append(report)
        if not as_json:
            explain = parsed.flag("explain")
            ldd.write_text(report, sys.stdout.write, explain=explain, titled=len(files) > 1)
    if as_json:
        import json

        print(json.dumps({"schema": "youcpu.ldd", "version": 1, "programs": reports}, indent=1))
    return 1 if failed else 0


def process_of(
    name: str, tree: Any, library_path: str | None, preload: str | None, no_cache: bool
) -> Any:
    """The program with its libraries. Raises OSError, FormatError."""
    from youcpu.commands.elf.input import read_file
    from youcpu.formats.elf.ld_so import Process, Settings
    from youcpu.formats.elf.shared_object import SharedObject

    foreign = tree.root != "/"
    if foreign and not os.path.lexists(name):
        path = name if name.startswith("/") else f"/{name}"
        data = read_file(tree.outside(path))
    else:
        path, data = os.path.abspath(name), read_file(name)
        if foreign and path.startswith(tree.root + "/"):
            path = path.removeprefix(tree.root)
    try:
        program = SharedObject(path, data)
    except FormatError as error:
        from youcpu.formats.identify import identify

        raise FormatError(error.offset, f"{error.reason}: {identify(data).line}") from None
    # Another system's tree is not searched by this system's environment.
    environment = {} if foreign else os.environ
    if library_path is None:
        library_path = environment.get("LD_LIBRARY_PATH", "")
    if preload is None:
        preload = environment.get("LD_PRELOAD", "")
    settings = Settings(
        ld_library_path=library_path.replace(";", ":").split(":") if library_path else [],
        preload=preload.replace(":", " ").split() + _preload_file(tree),
        cache=None if no_cache else _cache(tree),
        hwcaps=() if foreign else _hwcaps(),
    )
    return Process(program, tree, settings)


def _preload_file(tree: Any) -> list[str]:
    """/etc/ld.so.preload: names in any white space, # begins a comment."""
    data = tree.read("/etc/ld.so.preload")
    lines = bytes(data or b"").decode("utf-8", "surrogateescape").splitlines()
    return [word for line in lines for word in line.split("#")[0].replace(":", " ").split()]


def _cache(tree: Any) -> Any:
    from youcpu.formats.ld_so_cache import parse_cache

    data = tree.read("/etc/ld.so.cache")
    if data is None:
        return None
    try:
        return parse_cache(bytes(data))
    except FormatError as error:
        print(f"youcpu ldd: /etc/ld.so.cache: {error.reason}", file=sys.stderr)
        return None


LEVELS = {  # x86-64 psABI, 3.1.1: what a level adds, as /proc/cpuinfo calls it
    "x86-64-v2": "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3",
    "x86-64-v3": "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave",
    "x86-64-v4": "avx512f avx512bw avx512cd avx512dq avx512vl",
}


def _hwcaps() -> tuple[str, ...]:
    """The glibc-hwcaps subdirectories that this machine's CPU takes, the best first."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return ()
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    found: list[str] = []
    for level, wanted in LEVELS.items():
        if not set(wanted.split()) <= set(flags):
            break
        found.insert(0, level)
    return tuple(found)
