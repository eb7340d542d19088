"""Which libraries the dynamic linker would load, and why.

Stage: file
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from youcpu.formats.errors import FormatError

INTERSPERSED = True


def command(
    files: Annotated[list[str], typer.Argument(help="Programs or libraries.", metavar="FILE...")],
    root: Annotated[
        str, typer.Option(help="Directory that stands for / : another system's tree.")
    ] = "/",
    library_path: Annotated[
        str | None,
        typer.Option(help="Directories as in LD_LIBRARY_PATH, instead of the variable."),
    ] = None,
    preload: Annotated[
        str | None, typer.Option(help="Libraries as in LD_PRELOAD, instead of the variable.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Without ld.so.cache.")] = False,
    symbols: Annotated[
        bool, typer.Option("--symbols", help="Which library binds each undefined symbol.")
    ] = False,
    min_glibc: Annotated[
        bool, typer.Option("--min-glibc", help="The least glibc needed, and what forces it.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Every place that was looked at, in order.")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="JSON (docs/schema/ldd.json).")
    ] = False,
) -> int:
    """Exit code 1 if a library or a symbol is missing, or a file is no ELF program."""
    from youcpu.commands.elf.tree import Tree
    from youcpu.render import ldd

    tree = Tree(root)
    reports: list[dict[str, Any]] = []
    failed = False
    for name in files:
        try:
            process = process_of(name, tree, library_path, preload, no_cache)
        except (OSError, FormatError) as error:
            reason = error.reason if isinstance(error, FormatError) else error.strerror
            print(f"youcpu ldd: {name}: {reason}", file=sys.stderr)
            failed = True
            continue
        report = ldd.report(process, symbols=symbols, min_glibc=min_glibc)
        failed = failed or not report["complete"]
        reports.append(report)
        if not json_output:
            ldd.write_text(report, sys.stdout.write, explain=explain, titled=len(files) > 1)
    if json_output:
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
        library_path=library_path.replace(";", ":").split(":") if library_path else [],
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
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    found: list[str] = []
    for level, wanted in LEVELS.items():
        if not set(wanted.split()) <= set(flags):
            break
        found.insert(0, level)
    return tuple(found)
