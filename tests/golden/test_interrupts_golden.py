"""Exact output of `youcpu interrupts` and `youcpu rings`: golden files and the README's picture.

`--update-golden` writes the golden files and the picture anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Run

from youcpu.cli import main
from youcpu.interrupt_lab.programs import PROGRAMS

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "interrupts"
PICTURE = "docs/pictures/interrupt.svg"
L4, X86 = (f"fixtures/paging/{guest}/tables.elf.xz" for guest in ("l4-80m", "x86-32"))

CASES: dict[str, tuple[str, ...]] = {
    **{f"run-{name}": ("interrupts", "--run", name) for name in PROGRAMS},
    "run-page-fault-explained": ("interrupts", "--run", "page-fault", "--explain"),
    "run-double-fault-explained": ("interrupts", "--run", "double-fault", "--explain"),
    "run-sysenter-amd": ("interrupts", "--run", "sysenter", "--vendor", "amd"),
    "run-color": ("interrupts", "--run", "int80", "--color", "always"),
    "run-page-fault-json": ("interrupts", "--run", "page-fault", "--json"),
    "run-syscall-json": ("interrupts", "--run", "syscall", "--json"),
    "run-double-fault-svg": ("interrupts", "--run", "double-fault", "--svg", "-"),
    "list": ("interrupts", "--run"),
    "doors": ("interrupts", "--compare", "doors"),
    "doors-amd": ("interrupts", "--compare", "doors", "--vendor", "amd"),
    "doors-json": ("interrupts", "--compare", "doors", "--json"),
    "tables": ("interrupts",),
    "tables-lab": ("interrupts", "--lab"),
    "tables-bits": ("interrupts", "--table", "gdt", "--bits"),
    "tables-json": ("interrupts", "--lab", "--json"),
    "vector": ("interrupts", "--lab", "--vector", "14"),
    "vector-int80": ("interrupts", "--vector", "0x80"),
    "vector-absent": ("interrupts", "--vector", "200"),
    "dump": ("interrupts", "--dump", L4),
    "dump-x86-32": ("interrupts", "--dump", X86, "--table", "idt", "--table", "tss"),
    "rings": ("rings",),
    "rings-amd": ("rings", "sysexit", "sysretq", "--vendor", "amd"),
    "rings-explained": ("rings", "--explain"),
    "rings-json": ("rings", "popf", "read-kernel", "int-ring0", "--json"),
    "rings-color": ("rings", "cli", "popf-if", "--color", "always"),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(
    name: str,
    pytestconfig: pytest.Config,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(list(CASES[name])) == 0
    text = capsys.readouterr().out
    path = GOLDEN / f"{name}.txt"
    if pytestconfig.getoption("--update-golden"):
        path.write_text(text)
    assert text == path.read_text()


def test_lines_fit_a_terminal() -> None:
    wide = {
        (path.name, line)
        for path in GOLDEN.glob("*.txt")
        if not path.stem.endswith(("json", "svg", "color"))
        for line in path.read_text().splitlines()
        if len(line) > 80
    }
    assert wide == set()


def test_readme_picture(youcpu: Run, pytestconfig: pytest.Config) -> None:
    picture = youcpu("interrupts", "--run", "page-fault", "--svg", "-").stdout.decode()
    if pytestconfig.getoption("--update-golden"):
        (ROOT / PICTURE).write_text(picture)
    assert (ROOT / PICTURE).read_text() == picture
    assert PICTURE in (ROOT / "README.md").read_text()
