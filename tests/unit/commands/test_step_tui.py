"""step --tui: keys and what the panels show, by textual's pilot; in a terminal by tmux."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

pytest.importorskip("textual", reason="textual is not installed")

from textual.pilot import Pilot
from textual.widgets import Input, Static

from youcpu.commands._step.tui import StepApp
from youcpu.machine import MachineOptions
from youcpu.stepping.run import Program
from youcpu.stepping.stepper import Stepper
from youcpu.stepping.streams import Streams

ROOT = Path(__file__).parents[3]
SHA256 = str(ROOT / "fixtures/step/sha256")
HELLO = str(ROOT / "fixtures/hello/hello")
Story = Callable[[StepApp, Pilot[int]], Awaitable[None]]


def play(program: str, story: Story, size: tuple[int, int] = (80, 24)) -> None:
    streams = Streams()
    argv = [program.encode()]
    stepper = Stepper(Program(argv[0], argv, [], MachineOptions(epoch_ns=0), streams))
    app = StepApp(stepper, "program")

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await story(app, pilot)

    asyncio.run(run())
    stepper.close()
    streams.close()


def text_of(app: StepApp, panel: str) -> str:
    return str(app.query_one(f"#{panel}", Static).render())


@pytest.mark.parametrize("size", [(80, 24), (132, 50)])
def test_step_and_back(size: tuple[int, int]) -> None:
    async def story(app: StepApp, pilot: Pilot[int]) -> None:
        assert "►4000e8 lea rsp" in text_of(app, "code")
        assert "PML4" in text_of(app, "walk")
        before = app.stepper.registers()
        await pilot.press("s")
        assert "►4000f0 cld" in text_of(app, "code")
        assert "*rsp 0000000000412000" in text_of(app, "registers")
        assert "#PF error 0x14 at 0x4000e8" in text_of(app, "kernel")
        await pilot.press("space", "s", "b", "b")
        assert app.stepper.position == 1
        await pilot.press("b")
        assert app.stepper.registers() == before
        await pilot.press("b")
        assert "this is the first step" in text_of(app, "title")

    play(SHA256, story, size)


def test_run_to_a_symbol_and_to_the_cursor() -> None:
    async def story(app: StepApp, pilot: Pilot[int]) -> None:
        await pilot.press("r", *"program", "enter")
        await pilot.pause()
        assert "program" in app.stepper.name(app.stepper.address)
        assert not app.query_one("#ask", Input).display
        await pilot.press("down", "down", "down")
        target = app.cursor_address
        assert target is not None
        assert "> " in text_of(app, "code")
        await pilot.press("c")
        assert app.stepper.address == target
        await pilot.press("r", *"prgram", "enter")
        await pilot.pause()
        assert "no symbol 'prgram': program?" in text_of(app, "title")
        await pilot.press("r", "escape", "g")
        assert app.stepper.position == 0

    play(SHA256, story)


def test_over_a_call_and_the_stack() -> None:
    async def story(app: StepApp, pilot: Pilot[int]) -> None:
        await pilot.press("r", *"begin", "enter")
        await pilot.pause()
        await pilot.press("s")
        code = app.stepper.address
        await pilot.press("s")
        assert "begin+0x6" in text_of(app, "stack")
        await pilot.press("b", "n")
        assert app.stepper.address == code + 5
        await pilot.press("w")
        assert app.panels.walked_address() == app.stepper.registers()["rsp"]

    play(SHA256, story)


def test_output_and_the_end() -> None:
    async def story(app: StepApp, pilot: Pilot[int]) -> None:
        assert "nothing yet" in text_of(app, "output")
        await pilot.press(*"sssss")
        assert "hello from ring 3" in text_of(app, "output")
        assert "SYSCALL" in text_of(app, "kernel")
        await pilot.press("b")
        assert "nothing yet" in text_of(app, "output")
        await pilot.press(*"sssssssss")
        assert "ended: exit 3" in text_of(app, "title")
        await pilot.press("s")
        assert "b goes back" in text_of(app, "title")
        await pilot.press("b")
        assert "ended" not in text_of(app, "title")
        assert app.stepper.position == 12

    play(HELLO, story)


def test_help_and_quit() -> None:
    async def story(app: StepApp, pilot: Pilot[int]) -> None:
        await pilot.press("question_mark")
        assert len(app.screen_stack) == 2
        await pilot.press("x")
        assert len(app.screen_stack) == 1
        await pilot.press("q")
        assert not app.is_running or app._exit

    play(HELLO, story)


def test_in_a_terminal() -> None:
    tmux = shutil.which("tmux")
    if tmux is None:
        pytest.skip("tmux is not installed")
    socket = f"youcpu-step-{time.time_ns()}"
    command = f"NO_COLOR=1 {sys.executable} -m youcpu step --tui --clear-env {SHA256}"

    def do(*words: str) -> str:
        done = subprocess.run(
            [tmux, "-L", socket, *words], capture_output=True, text=True, check=False
        )
        return done.stdout

    def seen(pattern: str) -> bool:
        for _ in range(300):
            if re.search(pattern, do("capture-pane", "-p")):
                return True
            time.sleep(0.1)
        return False

    do("new-session", "-d", "-x", "80", "-y", "24", "-c", str(ROOT), command)
    try:
        assert seen("step 0  ring 3")
        do("send-keys", "s")
        assert seen("step 1  ring 3")
        assert seen(r"\*rsp 0000000000412000")
        do("send-keys", "b")
        assert seen("step 0  ring 3")
        do("send-keys", "q")
        for _ in range(100):
            if not do("list-sessions"):
                break
            time.sleep(0.1)
        assert not do("list-sessions")
    finally:
        do("kill-server")
