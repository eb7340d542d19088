"""readelf on damaged files: no exception, no hang, bounded memory, and GNU's stdout if any."""

from __future__ import annotations

import json
import time
from pathlib import Path

import identity
import pytest
from elf_mutants import mutants
from jsonschema import Draft202012Validator

from youcpu.commands import disasm, ldd

SCHEMA = Path(__file__).parent.parent.parent / "docs" / "schema" / "readelf.json"
SECONDS, MEGABYTES = 5, 200
VIEWS = (
    "-a -W",
    "-a",
    "-t -g",
    "-D -s -r",
    "-x 3 -p 4 -R 5 -z",
    "-c -h",
    "-n -W",
    "--lto-syms -V",
)
LEAST_EQUAL = 0.8


def peak_kilobytes(reset: bool = False) -> int:
    """Peak of this process's memory, VmHWM; `reset`: from here on (proc(5), clear_refs).

    Other tests ran in this process before.
    """
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def count(request: pytest.FixtureRequest) -> int:
    return 5000 if request.config.getoption("--long") else 400


def test_text_of_mutants(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    file = tmp_path / "mutant"
    compared = equal = 0
    before = peak_kilobytes(reset=True)
    has_gnu = identity.gnu_version() == identity.GNU_VERSION
    for serial, (what, data) in enumerate(mutants(count(request), seed=11)):
        file.write_bytes(data)
        flags = VIEWS[serial % len(VIEWS)].split()
        started = time.monotonic()
        mine = identity.ours(flags, str(file))
        assert time.monotonic() - started < SECONDS, what
        theirs = identity.gnu(flags, str(file)) if has_gnu else b""
        if theirs:
            compared += 1
            equal += theirs == mine
    assert peak_kilobytes() - before < MEGABYTES << 10
    assert equal >= LEAST_EQUAL * compared, f"{equal} of {compared} as GNU"


def test_json_of_mutants_is_valid(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    file = tmp_path / "mutant"
    flags = ["-a", "-z", "-x", "3", "-c", "--lto-syms", "--json"]
    for what, data in mutants(count(request), seed=12):
        file.write_bytes(data)
        started = time.monotonic()
        document = json.loads(identity.ours(flags, str(file)))
        assert time.monotonic() - started < SECONDS, what
        validator.validate(document)


def test_exit_codes_of_mutants(youcpu: object, tmp_path: Path) -> None:
    """The whole command: exit 0 or 1, and no traceback."""
    file = tmp_path / "mutant"
    for what, data in mutants(24, seed=13):
        file.write_bytes(data)
        result = youcpu("readelf", "-a", str(file))  # type: ignore[operator]
        assert result.returncode in (0, 1), what
        assert b"Traceback" not in result.stderr, what


@pytest.mark.parametrize("command", ["ldd", "disasm"])
def test_ldd_and_disasm_of_mutants(
    command: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 or 1 and no exception; all that disasm and ldd can be asked for."""
    module = {"ldd": ldd, "disasm": disasm}[command]
    options = ["--symbols", "--min-glibc"] if command == "ldd" else ["--fields", "--bits"]
    file = tmp_path / "mutant"
    for what, data in mutants(count(request) // 4, seed=14):
        file.write_bytes(data)
        started = time.monotonic()
        assert module.main([str(file), *options]) in (0, 1), what
        assert time.monotonic() - started < SECONDS, what
        assert "Traceback" not in capsys.readouterr().err, what
