"""`youcpu initramfs` as its user sees it: programs with their libraries, special files, errors."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from running import Run

from youcpu.formats.initrd import find_file, read_initrd


def pack(youcpu: Run, *words: str) -> bytes:
    done = youcpu("initramfs", *words)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_a_static_program(youcpu: Run) -> None:
    parts = read_initrd(pack(youcpu, "fixtures/hello/hello"))
    names = [entry.name for entry in parts[0].entries]
    assert names == [b".", b"init", b"dev", b"dev/console", b"dev/null"]


def test_a_dynamic_program_runs_in_its_archive(youcpu: Run, tmp_path: Path) -> None:
    if os.geteuid() or not shutil.which("cpio"):
        pytest.skip("chroot wants root, and cpio must be installed")
    data = pack(youcpu, "--compress", "none", shutil.which("ls") or "/bin/ls")
    subprocess.run(["cpio", "-id", "--quiet"], input=data, cwd=tmp_path, check=True)
    done = subprocess.run(["chroot", tmp_path, "/init", "/"], capture_output=True, check=False)
    if b"Operation not permitted" in done.stderr:
        pytest.skip("no chroot here")
    assert done.stdout.split() == [b"dev", b"init", b"lib", b"lib64"]
    console = (tmp_path / "dev/console").stat()
    assert stat.S_ISCHR(console.st_mode)
    assert console.st_rdev == os.makedev(5, 1)


def test_a_library_from_elsewhere_is_found(youcpu: Run, tmp_path: Path) -> None:
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    source = tmp_path / "a.c"
    source.write_text("int f(void) { return 7; }")
    library = tmp_path / "own" / "libown.so"
    library.parent.mkdir()
    subprocess.run(["gcc", "-shared", "-Wl,-soname,libown.so", "-o", library, source], check=True)
    source.write_text("int f(void); int main(void) { return f(); }")
    program = tmp_path / "program"
    rpath = "-Wl,-rpath,$ORIGIN/own"
    subprocess.run(["gcc", "-o", program, source, library, rpath], check=True)
    parts = read_initrd(pack(youcpu, str(program)))
    found = find_file(parts, "/lib/x86_64-linux-gnu/libown.so")
    assert found is not None
    assert bytes(found.data) == library.read_bytes()


def test_a_script_brings_its_interpreter(youcpu: Run, tmp_path: Path) -> None:
    script = tmp_path / "init"
    script.write_text("#!/bin/sh\necho hello\n")
    parts = read_initrd(pack(youcpu, str(script)))
    assert find_file(parts, "/bin/sh") is not None
    assert any(b"ld-linux" in entry.name for entry in parts[0].entries)


def test_special_files_are_kept(youcpu: Run, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "dev").mkdir(parents=True)
    try:
        os.mknod(root / "dev/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("device nodes may not be made here")
    entries = read_initrd(pack(youcpu, str(root)))[0].entries
    nulls = [entry for entry in entries if entry.name == b"dev/null"]
    assert [(entry.mode, entry.rdev) for entry in nulls] == [(stat.S_IFCHR | 0o600, (1, 3))]
    assert sum(entry.name == b"dev/console" for entry in entries) == 1


def test_the_output_is_not_packed_into_itself(youcpu: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    output = tmp_path / "out.cpio"
    for _ in range(2):
        pack(youcpu, "--compress", "none", "-o", str(output), str(tmp_path))
    names = [entry.name for entry in read_initrd(output.read_bytes())[0].entries]
    assert b"file" in names
    assert b"out.cpio" not in names


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "which DIR or PROGRAM?"),
        (("a", "b"), 2, "one at a time"),
        (("--compress", "rar", "."), 2, "gzip, xz, zstd or none"),
        (("--json", "."), 2, "-o FILE"),
        (("--list", "x", "-o", "y"), 2, "--list takes no DIR"),
        (("--lst", "x"), 2, "did you mean --list?"),
        (("/nowhere",), 1, "/nowhere: No such file or directory"),
        (("--list", "/nowhere"), 1, "/nowhere: No such file or directory"),
        (("--list", "README.md"), 1, "README.md: no cpio archive"),
        (("README.md",), 1, "no program: text without #!"),
        (("fixtures/elf/shape-aarch64.so",), 1, "x86-64 is what is booted here"),
        (("fixtures/elf/shape-x86_64.o",), 1, "no program"),
        (("-o", "/nowhere/out", "fixtures"), 1, "/nowhere/out: No such file or directory"),
    ],
)
def test_errors_are_one_line(youcpu: Run, words: tuple[str, ...], code: int, message: str) -> None:
    done = youcpu("initramfs", *words)
    assert done.returncode == code
    assert message in done.stderr.decode()
    assert len(done.stderr.splitlines()) == (2 if code == 2 else 1)
    assert done.stdout == b""
