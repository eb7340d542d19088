"""commands/pagewalk as a user runs it: sources, tasks, exit codes, one line an error."""

from __future__ import annotations

import json
import lzma
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]

jsonschema = pytest.importorskip("jsonschema")

ROOT = Path(__file__).parents[3]
GUEST = str(ROOT / "fixtures" / "paging" / "l4-80m" / "tables.elf.xz")
PTI = str(ROOT / "fixtures" / "paging" / "l4-80m-pti" / "tables.elf.xz")
SCHEMA = json.loads((ROOT / "docs" / "schema" / "pagewalk.json").read_text())


def unpacked() -> bytes:
    return lzma.decompress(Path(GUEST).read_bytes())


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--leaves",),
        ("--stats",),
        ("401000", "0", "800000000000", "ffffffffa109d000"),
        ("401000", "--access", "w"),
        ("8000", "--access", "x", "--kernel"),
        ("--frame", "3e4000"),
        ("--frame", "1e7c000"),
        ("--quiz", "--seed", "3"),
        ("--quiz", "--solve", "--questions", "1"),
        ("--cr3", "99999000"),
    ],
    ids=" ".join,
)
def test_json_follows_its_schema(youcpu: Run, options: tuple[str, ...]) -> None:
    result = youcpu("pagewalk", GUEST, "--json", *options)
    assert result.returncode == 0
    jsonschema.validate(json.loads(result.stdout), SCHEMA)


def test_diff_json_follows_its_schema(youcpu: Run) -> None:
    result = youcpu("pagewalk", "--diff", GUEST, PTI, "--json")
    document = json.loads(result.stdout)
    jsonschema.validate(document, SCHEMA)
    assert len(document["sources"]) == 2
    assert {row["change"] for row in document["diff"]} == {"mapped", "unmapped", "changed"}


def test_nothing_differs_from_itself(youcpu: Run) -> None:
    result = youcpu("pagewalk", "--diff", GUEST, GUEST, "--json")
    assert json.loads(result.stdout)["diff"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "no source"),
        ((GUEST, "--leaves", "--stats"), 2, "ask for one"),
        ((GUEST, "xyz"), 2, "not a hexadecimal number"),
        ((GUEST, "10000000000000000"), 2, "64 bits"),
        ((GUEST, "--levels", "3"), 2, "none of 4, 5, pae, 32"),
        ((GUEST, "--access", "q", "0"), 2, "none of r, w, x"),
        ((GUEST, "--format", "xml"), 2, "none of text, qemu, json"),
        ((GUEST, "--format", "qemu", "--stats"), 2, "QEMU has"),
        ((GUEST, "--cpu", "x"), 2, "not a number"),
        ((GUEST, "--physical-bits", "60"), 2, "at most 52"),
        ((GUEST, "--questions", "0"), 2, "not a number from 1 on"),
        ((GUEST, "0", "--access", "r", "--user", "--kernel"), 2, "one ring"),
        ((GUEST, "--leafs"), 2, "did you mean --leaves?"),
        ((GUEST, "--frame"), 2, "--frame wants ADDR"),
        (("--diff", GUEST), 2, "--diff wants two dumps"),
        ((GUEST, "--cpu", "1"), 1, "no CPU 1"),
        ((GUEST, "--leaves", "--limit", "10"), 1, "9,629 leaves: more than --limit 10"),
        (("/nonexistent/dump",), 1, "No such file"),
        (("/",), 1, "Is a directory"),
        (("/dev/null",), 1, "not a regular file"),
    ],
)
def test_errors_are_one_line(
    youcpu: Run, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = youcpu("pagewalk", *arguments)
    assert result.returncode == code
    lines = result.stderr.decode().splitlines()
    assert message in lines[0]
    assert lines[0].startswith("youcpu pagewalk: ")
    assert len(lines) == (2 if code == 2 else 1)  # wrong usage points to --help besides
    assert not result.stdout


@pytest.mark.parametrize("suffix", [".xz", ".zst"])
def test_packed_dumps(youcpu: Run, tmp_path: Path, suffix: str) -> None:
    if suffix == ".zst" and shutil.which("zstd") is None:
        pytest.skip("no zstd program here")
    plain = tmp_path / "dump"
    plain.write_bytes(unpacked())
    packed = tmp_path / ("dump" + suffix)
    program = {".xz": ["xz", "-k"], ".zst": ["zstd", "-q"]}[suffix]
    if shutil.which(program[0]) is None:
        pytest.skip(f"no {program[0]} program here")
    subprocess.run([*program, str(plain)], check=True)
    whole = youcpu("pagewalk", str(packed), "--format", "qemu")
    assert whole.stdout == youcpu("pagewalk", str(plain), "--format", "qemu").stdout
    packed.write_bytes(packed.read_bytes()[:-50])
    cut = youcpu("pagewalk", str(packed))
    assert cut.returncode == 1
    assert b"not whole" in cut.stderr


def test_dump_from_a_pipe(youcpu: Run) -> None:
    data = unpacked()
    result = youcpu("pagewalk", "-", "401000", "--format", "qemu", input=data)
    assert result.stdout == b"gpa: 0x3e5000\n"


def test_addresses_from_standard_input(youcpu: Run) -> None:
    result = youcpu("pagewalk", GUEST, "-", "--format", "qemu", input=b"401000\n\n0x402000: x\n0\n")
    assert result.stdout == b"gpa: 0x3e5000\ngpa: 0x3e6000\nUnmapped\n"


def test_svg(youcpu: Run, tmp_path: Path) -> None:
    from xml.etree import ElementTree

    for options in (("401000", "0", "--access", "w"), ()):
        target = tmp_path / "picture.svg"
        assert youcpu("pagewalk", GUEST, *options, "--svg", str(target)).returncode == 0
        assert ElementTree.parse(target).getroot().tag.endswith("svg")
    missing = youcpu("pagewalk", GUEST, "--svg", str(tmp_path / "no" / "picture.svg"))
    assert missing.returncode == 1


def test_color(youcpu: Run) -> None:
    assert b"\x1b[" not in youcpu("pagewalk", GUEST).stdout
    assert b"\x1b[" in youcpu("pagewalk", GUEST, "--color", "always").stdout


def test_closed_pipe_is_quiet(youcpu: Run) -> None:
    command = f"'{sys.executable}' -m youcpu pagewalk '{GUEST}' --leaves"
    script = f"{command} | head -1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", script], capture_output=True, check=False)
    assert result.returncode == 141
    assert result.stderr == b""


def sparse_image(path: Path, size: int) -> None:
    """A raw image whose tables lie at its end: one page mapped at 0x400000."""
    with path.open("wb") as file:
        file.truncate(size)
        table = size - 0x4000
        for index, entry in ((0, 7), (0, 7), (2, 7), (0, 0x5007)):
            file.seek(table + index * 8)
            target = entry & -4096 or table + 0x1000
            file.write(struct.pack("<Q", target | 7))
            table += 0x1000


def test_a_sparse_image_is_mapped_not_read(youcpu: Run, tmp_path: Path) -> None:
    path = tmp_path / "memory.raw"
    sparse_image(path, 4 << 30)
    script = (
        "import sys; from youcpu.cli import main; main(sys.argv[1:]);"
        "status = open('/proc/self/status').read();"
        "print(status.split('VmHWM:')[1].split()[0], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, "pagewalk", str(path), "--cr3", "ffffc000", "400123"],
        capture_output=True,
        check=True,
    )
    assert b"physical 0x5123" in result.stdout
    assert int(result.stderr) < 100_000  # KiB
    assert path.stat().st_blocks * 512 < 1 << 20


def test_raw_image_needs_cr3(youcpu: Run, tmp_path: Path) -> None:
    path = tmp_path / "memory.raw"
    path.write_bytes(bytes(8192))
    result = youcpu("pagewalk", str(path))
    assert result.returncode == 1
    assert b"tell it with --cr3" in result.stderr


def test_tables_outside_the_dump_are_told(youcpu: Run, tmp_path: Path) -> None:
    path = tmp_path / "memory.raw"
    path.write_bytes(struct.pack("<Q", 0x7000_0007).ljust(4096, b"\0"))
    result = youcpu("pagewalk", str(path), "--cr3", "0", "400000")
    assert b"table not in the dump at 0x70000000" in result.stdout
    result = youcpu("pagewalk", str(path), "--cr3", "0")
    assert b"PDPT not in the dump at 0x70000000" in result.stderr
    assert result.returncode == 0
