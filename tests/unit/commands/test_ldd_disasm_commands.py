"""ldd and disasm as commands: exit codes, JSON by schema, other systems' trees, errors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

HERE = Path(__file__).parent.parent.parent.parent
FIXTURES = HERE / "fixtures" / "elf"
SHAPE = str(FIXTURES / "shape-x86_64.so")


def validated(output: bytes, schema: str) -> dict:
    document = json.loads(output)
    path = HERE / "docs" / "schema" / f"{schema}.json"
    Draft202012Validator(json.loads(path.read_text(encoding="utf-8"))).validate(document)
    return document


def test_ldd_json(youcpu) -> None:
    result = youcpu("ldd", SHAPE, "--symbols", "--min-glibc", "--json")
    (program,) = validated(result.stdout, "ldd")["programs"]
    assert program["linkage"] == "static-pie"
    assert program["glibc"]["least"] is None
    # `missing` is weak: nothing defines it, and that is no error.
    lost = [row for row in program["symbols"] if row["target"] is None]
    assert [(row["symbol"], row["weak"]) for row in lost] == [("missing", True)]
    assert result.returncode == 0


def test_ldd_of_another_machine_in_its_tree(youcpu, tmp_path: Path) -> None:
    """An AArch64 program finds its own library, not the x86-64 one that comes first."""
    for place, name in (("lib/aarch64-linux-gnu", "x86_64"), ("usr/lib", "aarch64")):
        (tmp_path / place).mkdir(parents=True)
        shutil.copy(FIXTURES / f"shape-{name}.so", tmp_path / place / "libwants.so")
    program = patched_needed((FIXTURES / "shape-aarch64.so").read_bytes())
    (tmp_path / "program").write_bytes(program)
    result = youcpu("ldd", "--root", str(tmp_path), "/program", "--json")
    (found,) = validated(result.stdout, "ldd")["programs"]
    (wanted,) = [o for o in found["objects"] if o["name"] == "libwants.so"]
    assert wanted["path"] == "/usr/lib/libwants.so"
    assert "for another machine" in [a["result"] for a in wanted["attempts"]]
    assert wanted["attempts"][0]["source"] == "RUNPATH of /program"


def patched_needed(data: bytes) -> bytes:
    """The library with DT_SONAME (14) made DT_NEEDED (1), and the name another."""
    soname = (14).to_bytes(8, "little")
    assert data.count(soname) == 1
    data = data.replace(soname, (1).to_bytes(8, "little"))
    return data.replace(b"libshape.so\0", b"libwants.so\0")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ldd", "/nonexistent"], 1, b"No such file"),
        (["ldd", "/etc/passwd"], 1, b"text without #!"),
        (["ldd", str(FIXTURES / "shape-x86_64.o")], 1, b"neither a program nor"),
        (["ldd"], 2, b"which file?"),
        (["ldd", "--symbol", SHAPE], 2, b"did you mean --symbols?"),
        (["disasm", "--field", SHAPE], 2, b"did you mean --fields?"),
        (["disasm", "--hex", "zz"], 1, b"not hexadecimal"),
        (["disasm"], 2, b"either FILE or --hex"),
        (["disasm", SHAPE, "--function", "nothing"], 1, b"no such code: nothing"),
        (["disasm", SHAPE, "--start", "x"], 2, b"take numbers"),
        (["disasm", "/etc/passwd"], 1, b"not an ELF file"),
    ],
)
def test_errors_are_one_line(youcpu, arguments: list[str], code: int, words: bytes) -> None:
    result = youcpu(*arguments)
    assert result.returncode == code
    assert words in result.stderr
    assert b"Traceback" not in result.stderr


def test_disasm_of_a_function(youcpu) -> None:
    result = youcpu("disasm", SHAPE, "--function", "answer", "--json")
    document = validated(result.stdout, "disasm")
    (part,) = document["parts"]
    assert part["code"][0]["names"] == ["answer"]
    assert bytes.fromhex("".join(row["bytes"] for row in part["code"])) == b"\x2a\0\0\0"


def test_disasm_draws_fields(youcpu) -> None:
    output = youcpu("disasm", "--hex", "48 8b 44 8e 10", "--fields", "--bits").stdout.decode()
    assert "│ REX │ opcode │ ModRM │ SIB │ displacement │" in output
    assert "01001000 10001011 01000100 10001110  48 8b 44 8e" in output
