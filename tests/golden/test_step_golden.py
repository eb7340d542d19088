"""Exact output of step: golden files, the README's picture.

The programs are static binaries of fixtures, so all is the same on every host.
`--update-golden` writes the golden files and the picture anew.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from running import Run

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "step"
PICTURE = "docs/pictures/step-tui.svg"
CASES: dict[str, tuple[str, ...]] = {
    "hello": ("fixtures/hello/hello",),
    "short": ("--short", "--count", "all", "fixtures/hello/hello"),
    "json": ("--json", "--count", "6", "--back", "2", "fixtures/hello/hello"),
    "explain": ("--explain", "--color", "always", "--count", "40", "fixtures/step/faults"),
    "back": (
        "--from",
        "begin",
        "--count",
        "30",
        "--back",
        "4",
        "--registers",
        "fixtures/step/stack",
    ),
    "x87": ("--from", "begin", "--count", "12", "fixtures/step/x87_load_store"),
    "strings": ("--short", "--from", "begin", "--count", "60", "fixtures/step/strings"),
    "hex": ("--hex", "48 8b 44 8e 10", "--explain"),
}


def report(youcpu: Run, *options: str) -> str:
    words = ("step", "--epoch", "0", "--clear-env", *options)
    done = youcpu(*words, cwd=ROOT)
    assert b"Traceback" not in done.stderr
    text: str = done.stdout.decode().replace(str(ROOT), "ROOT")
    return text


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, youcpu: Run, pytestconfig: pytest.Config) -> None:
    text = report(youcpu, *CASES[name])
    path = GOLDEN / f"{name}.txt"
    if pytestconfig.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_readme_picture(pytestconfig: pytest.Config) -> None:
    pytest.importorskip("textual", reason="textual is not installed")
    drawn = asyncio.run(picture())
    if pytestconfig.getoption("--update-golden"):
        (ROOT / PICTURE).write_text(drawn)
    # Fonts and ids of textual's export may change; what is said may not.
    words = re.compile(r">([^<>]+)</text>")
    assert words.findall(drawn) == words.findall((ROOT / PICTURE).read_text())
    assert PICTURE in (ROOT / "README.md").read_text()


async def picture() -> str:
    """The TUI some steps into fixtures/step/sort."""
    from youcpu.commands._step.tui import StepApp
    from youcpu.machine import MachineOptions
    from youcpu.stepping.run import Program
    from youcpu.stepping.stepper import Stepper
    from youcpu.stepping.streams import Streams

    program = str(ROOT / "fixtures/step/sort").encode()
    argv = [b"fixtures/step/sort"]
    stepper = Stepper(Program(program, argv, [], MachineOptions(epoch_ns=0), Streams()))
    stepper.seek(lambda: stepper.find("program"))
    app = StepApp(stepper, "fixtures/step/sort")
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        await pilot.press(*"sssss")
        await pilot.press("r", *"sift", "enter")
        await pilot.pause()
        await pilot.press("s", "s", "down", "down")
        await pilot.pause()
        drawn = app.export_screenshot(title="youcpu step --tui")
    stepper.close()
    return drawn
