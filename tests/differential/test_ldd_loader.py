"""ldd against the real dynamic linker: LD_TRACE_LOADED_OBJECTS, and LD_DEBUG for symbols."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from youcpu.commands.elf.tree import Tree
from youcpu.commands.ldd import process_of
from youcpu.formats.elf.binding import bindings
from youcpu.formats.elf.ld_so import Process

LOADER = "/lib64/ld-linux-x86-64.so.2"
PROGRAMS, WITH_SYMBOLS = 100, 12
LINE = re.compile(r"^\t(\S+)(?: => (\S+))? \(0x[0-9a-f]+\)$|^\t(\S+) => not found$")
BOUND = re.compile(
    r"binding file (\S+) \[0\] to (\S+) \[0\]: normal symbol `([^']+)'(?: \[([^]]+)\])?"
)


def dynamic_programs() -> Iterator[str]:
    for directory in ("/usr/bin", "/usr/sbin"):
        for path in sorted(Path(directory).iterdir()):
            try:
                status = path.stat()
                if not path.is_file() or status.st_mode & 0o6000 or status.st_size < 4096:
                    continue
                with path.open("rb") as file:
                    head = file.read(4096)
            except OSError:
                continue
            if head[:5] == b"\x7fELF\x02" and LOADER.encode() in head:
                yield str(path)


def sample(count: int) -> list[str]:
    programs = list(dict.fromkeys(os.path.realpath(p) for p in dynamic_programs()))
    if len(programs) < 10:
        pytest.skip("fewer than 10 dynamic x86-64 programs on this machine")
    return random.Random(3).sample(programs, min(count, len(programs)))


@pytest.fixture(autouse=True, scope="module")
def loader() -> None:
    if not os.path.exists(LOADER):
        pytest.skip(f"no {LOADER}")


def real_libraries(program: str) -> list[tuple[str, str]]:
    """(name, path) in the order of ld.so; the kernel's vdso apart."""
    environment = {**os.environ, "LD_TRACE_LOADED_OBJECTS": "1", "LC_ALL": "C"}
    result = subprocess.run(
        [LOADER, program], env=environment, capture_output=True, text=True, check=False
    )
    found = []
    for line in result.stdout.splitlines():
        match = LINE.match(line)
        if match and "vdso" not in line:
            name = match[1] or match[3]
            found.append((name, (match[2] or match[1]) if match[1] else "not found"))
    return found


def our_libraries(process: Process) -> list[tuple[str, str]]:
    rows = [(loaded.name, loaded.path or "") for loaded in process.objects[1:]]
    return rows + [(loaded.name, "not found") for loaded in process.missing]


def test_libraries_are_those_of_the_loader() -> None:
    wrong = []
    for program in sample(PROGRAMS):
        process = process_of(program, Tree("/"), None, None, False)
        real, own = real_libraries(program), our_libraries(process)
        if process.missing:
            real, own = sorted(real), sorted(own)
        # Started by hand the loader is last in its list, whoever asked for it first.
        real = [row for row in real if row[1] != LOADER]
        own = [row for row in own if row[1] != LOADER]
        if real != own:
            wrong.append((program, real, own))
    assert not wrong


def real_bindings(program: str) -> set[tuple[str, str, str | None, str]]:
    """(user, symbol, version, target) of every lookup while the program starts."""
    environment = {
        **os.environ,
        "LD_DEBUG": "bindings",
        "LD_BIND_NOW": "1",
        "LD_TRACE_LOADED_OBJECTS": "1",
        "LD_WARN": "1",
    }
    result = subprocess.run(
        [LOADER, program], env=environment, capture_output=True, text=True, check=False
    )
    return {(match[1], match[3], match[4], match[2]) for match in BOUND.finditer(result.stderr)}


def test_symbols_bind_as_the_loader_binds_them() -> None:
    compared = 0
    for program in sample(WITH_SYMBOLS):
        # A function may be bound twice, for calls and for its address.
        real: dict[tuple[str, str, str | None], set[str]] = {}
        for user, name, version, target in real_bindings(program):
            real.setdefault((user, name, version), set()).add(target)
        if not real:
            continue
        process = process_of(program, Tree("/"), None, None, False)
        for binding in bindings(process):
            if binding.user is process.interpreter:
                continue  # it has bound its own symbols before it looks at any other
            key = (binding.user.path, binding.reference.name, binding.reference.version)
            if key in real and binding.target is not None:
                compared += 1
                assert binding.target.path in real[key], (program, key)
    assert compared > 100


LIBRARIES = {  # name: (directory, what it needs, linker options)
    "libdeep.so": ("deep", [], []),
    "libb.so": ("b", ["libdeep.so"], ["-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/../deep"]),
    "libc1.so": ("c", ["libb.so"], ["-Wl,--enable-new-dtags", "-Wl,-rpath,$ORIGIN/../b"]),
    "libtwin.so": ("twin", [], []),
}
MAINS = {
    "rpath": ["-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/b:$ORIGIN/c:$ORIGIN/deep"],
    "runpath": ["-Wl,--enable-new-dtags", "-Wl,-rpath,${ORIGIN}/b:$ORIGIN/c"],
    "plain": [],
}


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Libraries in directories of their own, and programs that find them by different rules."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc to link test programs with")
    top = tmp_path_factory.mktemp("linked")
    (top / "empty.c").write_text("void nothing(void) {}\n")
    (top / "main.c").write_text("int main(void) { return 0; }\n")
    for name, (directory, needs, options) in LIBRARIES.items():
        (top / directory).mkdir(exist_ok=True)
        _link(
            top,
            top / directory / name,
            "empty.c",
            needs,
            [*options, "-shared", f"-Wl,-soname,{name}"],
        )
    for name, options in MAINS.items():
        _link(top, top / name, "main.c", ["libc1.so", "libb.so"], options)
    # A second file of the same soname, which comes first by LD_LIBRARY_PATH.
    (top / "first").mkdir()
    shutil.copy(top / "b" / "libb.so", top / "first" / "libb.so")
    return top


def _link(top: Path, output: Path, source: str, needs: list[str], options: list[str]) -> None:
    libraries = [str(top / LIBRARIES[name][0] / name) for name in needs]
    unresolved = ["-Wl,--allow-shlib-undefined", "-Wl,--no-as-needed"]
    command = ["gcc", "-o", str(output), str(top / source), *unresolved, *options, *libraries]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("program", list(MAINS))
@pytest.mark.parametrize("library_path", ["", "first", "first:c:deep", "c:b:deep", "nowhere:"])
@pytest.mark.parametrize("preload", ["", "twin/libtwin.so"])
def test_search_rules(
    linked: Path, program: str, library_path: str, preload: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    directories = ":".join(str(linked / d) if d else "" for d in library_path.split(":"))
    monkeypatch.setenv("LD_LIBRARY_PATH", directories if library_path else "")
    preloaded = str(linked / preload) if preload else ""
    process = process_of(str(linked / program), Tree("/"), None, preloaded, False)
    monkeypatch.setenv("LD_PRELOAD", preloaded)
    real = [row for row in real_libraries(str(linked / program)) if row[1] != LOADER]
    own = [row for row in our_libraries(process) if row[1] != LOADER]
    assert sorted(own) == sorted(real)
