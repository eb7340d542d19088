"""The libraries of a program as a tree with reasons, and the same as plain data for JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from youcpu.abi import elf as abi
from youcpu.formats.elf import names
from youcpu.formats.elf.binding import Binding, bindings, least_glibc
from youcpu.formats.elf.ld_so import Loaded, Process

Json = dict[str, Any]
GLIBC_FILES = ("libc.so.", "libm.so.", "ld-linux", "ld64.so", "libpthread.so.", "libdl.so.")


def linkage(process: Process) -> str:
    """static, static-pie or dynamic: who puts the program's parts together, and when."""
    program = process.program
    if program.interpreter is not None or program.needed:
        return "dynamic"
    return "static-pie" if program.elf.header.type == abi.ET_DYN else "static"


def report(process: Process, *, symbols: bool, min_glibc: bool) -> Json:
    """All that is known of one program; `complete` if nothing is missing."""
    program = process.program
    result: Json = {
        "program": printable(program.path),
        "machine": names.machine(program.elf.machine),
        "linkage": linkage(process),
        "interpreter": optional(program.interpreter),
        "objects": [_object(loaded) for loaded in process.objects[1:]],
        "missing": [_object(loaded) for loaded in process.missing],
        "tree": _node(process.main, set()),
        "complete": not process.missing,
    }
    linker = process.interpreter
    if linker is not None and linker.path is not None and linker not in process.objects:
        result["objects"].append(_object(linker))
    if symbols:
        found = bindings(process)
        result["symbols"] = [_binding(binding) for binding in found]
        lost = [b for b in found if b.target is None and not b.reference.weak]
        result["unresolved"] = [_binding(binding) for binding in lost]
        result["complete"] = result["complete"] and not lost
    if min_glibc:
        result["glibc"] = _glibc(process)
    return result


def printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def optional(name: str | None) -> str | None:
    return None if name is None else printable(name)


def _object(loaded: Loaded) -> Json:
    return {
        "name": printable(loaded.name),
        "path": optional(loaded.path),
        "why": printable(loaded.source),
        "needed_by": printable(loaded.loader.name) if loaded.loader is not None else None,
        "attempts": [
            {"path": printable(a.path), "source": printable(a.source), "result": a.result}
            for a in loaded.attempts
        ],
    }


def _node(loaded: Loaded, above: set[int]) -> Json:
    """A node of the tree; what was shown before has no children again."""
    seen = id(loaded) in above
    above.add(id(loaded))
    return {
        "name": printable(loaded.name),
        "path": optional(loaded.path),
        "why": printable(loaded.source),
        "repeated": seen and bool(loaded.children),
        "children": [] if seen else [_node(child, above) for child in loaded.children],
    }


def _binding(binding: Binding) -> Json:
    reference = binding.reference
    target = binding.target
    return {
        "object": printable(binding.user.path or binding.user.name),
        "symbol": printable(reference.name),
        "version": optional(reference.version),
        "weak": reference.weak,
        "target": printable(target.path or target.name) if target is not None else None,
    }


def _glibc(process: Process) -> Json:
    """The least glibc of the program, and of it with its libraries (glibc's own apart)."""
    own = least_glibc(process.program)
    result: Json = {"least": dotted(own.version), "forced_by": _forced(own.references)}
    whole, by = own.version, process.program.path
    for loaded in process.objects[1:]:
        if loaded.object is None or loaded.name.rsplit("/", 1)[-1].startswith(GLIBC_FILES):
            continue
        need = least_glibc(loaded.object).version
        if need is not None and (whole is None or need > whole):
            whole, by = need, loaded.path or loaded.name
    result["with_libraries"] = dotted(whole)
    result["with_libraries_by"] = printable(by) if whole is not None else None
    return result


def _forced(references: list[tuple[str, str, str]]) -> list[Json]:
    return [
        {"symbol": printable(symbol) or None, "version": version, "file": printable(file)}
        for symbol, version, file in references
    ]


def dotted(version: tuple[int, ...] | None) -> str | None:
    return None if version is None else ".".join(map(str, version))


def write_text(
    result: Json, write: Callable[[str], object], *, explain: bool, titled: bool
) -> None:
    """The report in words."""
    if titled:
        write(f"{result['program']}:\n")
    if result["linkage"] != "dynamic":
        kind = "statically linked" + (" (PIE)" if result["linkage"] == "static-pie" else "")
        write(f"{result['program']}: {kind}; the kernel maps it and nothing else is loaded\n")
    else:
        write(f"{result['program']}  dynamically linked, {result['machine']}\n")
        if result["interpreter"]:
            write(f"  the kernel starts {result['interpreter']} (PT_INTERP), which loads:\n")
        _write_children(result["tree"], write, "  ")
    if explain:
        _write_attempts(result, write)
    if "symbols" in result:
        _write_symbols(result, write)
    if "glibc" in result:
        _write_glibc(result["glibc"], write)


def _write_children(node: Json, write: Callable[[str], object], indent: str) -> None:
    children = node["children"]
    for number, child in enumerate(children):
        last = number == len(children) - 1
        where = child["path"] or "not found"
        why = f"  ({child['why']})" if child["path"] else ""
        again = "  (above)" if child["repeated"] else ""
        write(f"{indent}{'└─ ' if last else '├─ '}{child['name']} => {where}{why}{again}\n")
        _write_children(child, write, indent + ("   " if last else "│  "))


def _write_attempts(result: Json, write: Callable[[str], object]) -> None:
    for loaded in [*result["objects"], *result["missing"]]:
        write(f"\n{loaded['name']}, needed by {loaded['needed_by']}:\n")
        for attempt in loaded["attempts"]:
            write(f"  {attempt['source']}: {attempt['path']}: {attempt['result']}\n")


def _write_symbols(result: Json, write: Callable[[str], object]) -> None:
    write("\n")
    for row in result["symbols"]:
        version = f"@{row['version']}" if row["version"] else ""
        target = row["target"] or ("nothing (weak)" if row["weak"] else "NOT DEFINED")
        write(f"{row['object']}: {row['symbol']}{version} -> {target}\n")
    count = len(result["unresolved"])
    write(f"{len(result['symbols'])} undefined symbols, {count} unresolved\n")


def _write_glibc(need: Json, write: Callable[[str], object]) -> None:
    if need["least"] is None:
        write("needs no version of glibc\n")
    else:
        write(f"needs glibc {need['least']} or newer, for\n")
        for row in need["forced_by"]:
            symbol = row["symbol"] or "a feature of the dynamic linker"
            write(f"  {symbol}  {row['version']} of {row['file']}\n")
    if need["with_libraries"] != need["least"]:
        write(
            f"with its libraries glibc {need['with_libraries']} or newer,"
            f" for {need['with_libraries_by']}\n"
        )
