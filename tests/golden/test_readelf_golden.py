"""readelf's JSON and text of the fixtures, word for word (rewritten with --update-golden)."""

from __future__ import annotations

from pathlib import Path

import identity
import pytest

HERE = Path(__file__).parent
FIXTURES = HERE.parent.parent / "fixtures" / "elf"


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("readelf_x86_64.json", ["-a", "--json", "shape-x86_64.so"]),
        ("readelf_arm.json", ["-A", "-u", "-l", "--json", "shape-arm.so"]),
        ("readelf_mips.txt", ["-a", "-W", "shape-mips.so"]),
        ("readelf_object.txt", ["-a", "-g", "shape-x86_64.o"]),
    ],
)
def test_golden(name: str, flags: list[str], request: pytest.FixtureRequest, monkeypatch) -> None:
    monkeypatch.chdir(FIXTURES)
    output = identity.ours(flags[:-1], flags[-1])
    golden = HERE / name
    if request.config.getoption("--update-golden"):
        golden.write_bytes(output)
    assert output == golden.read_bytes()
