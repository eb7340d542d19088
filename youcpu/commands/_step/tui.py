"""`step --tui`: panels in a terminal, by textual. Imported only for it."""

from __future__ import annotations

import time
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

from youcpu.commands._step.panels import (
    CHANGED,
    CURSOR,
    DIM,
    KERNEL,
    NAME,
    PC,
    WALKED,
    Line,
    Panels,
)
from youcpu.machine import TimeLimit
from youcpu.stepping.stepper import CannotGoBack, Pause, Stepper

STYLES = {
    "": "", PC: "bold reverse", CHANGED: "bold green", CURSOR: "underline", DIM: "dim",
    NAME: "yellow", KERNEL: "cyan",
}  # fmt: skip
#: A run to a place ends after so many seconds without it.
PATIENCE_S = 10.0
#: When nobody types for so long a machine is made ready for a way back.
_IDLE_S = 0.4
HELP = """\
 s, space   step: one instruction
 n          step over a call (to the instruction behind it)
 r          run to a symbol or an address (asks)
 c          run to the cursor (up and down move it)
 b          step back: registers, memory and kernel as before
 g          back to the first step
 w          page walk of RIP, RSP, or the data of the last step
 q          quit        any key closes this

 ► next instruction   > cursor   * changed by the last step
 flags in capitals are set; output that was written is taken
 back with the steps, it never left this machine"""


class HelpScreen(ModalScreen[None]):
    """The keys."""

    def compose(self) -> ComposeResult:
        yield Static(HELP, id="help")

    def on_key(self) -> None:
        self.dismiss()


class StepApp(App[int]):
    """The stepper with its panels."""

    TITLE = "youcpu step"
    ENABLE_COMMAND_PALETTE = False
    # No panel takes the keys.
    AUTO_FOCUS = ""
    CSS = """
    Screen { layout: vertical; }
    #title { height: 1; text-style: bold; }
    #left { width: 1fr; } #right { width: 44; }
    .panel { border: solid $primary; padding: 0; text-wrap: nowrap; text-overflow: ellipsis; }
    #code { height: 1fr; } #walk { height: 8; } #output { height: 3; }
    #registers { height: 12; } #stack { height: 1fr; } #kernel { height: 5; }
    #ask { display: none; dock: bottom; height: 3; }
    #help { width: 66; height: auto; border: solid $primary; background: $surface; }
    HelpScreen { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s,space,enter", "step", " step"),
        Binding("n", "over", " over"),
        Binding("r", "ask", " run to"),
        Binding("c", "cursor", " to cursor"),
        Binding("b", "step_back", " back"),
        Binding("g", "start", " start"),
        Binding("w", "walk", " walk"),
        Binding("question_mark", "help", " help", key_display="?"),
        Binding("q", "quit", " quit"),
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("escape", "cancel", show=False),
    ]

    def __init__(self, stepper: Stepper, name: str) -> None:
        super().__init__()
        self.stepper = stepper
        self.panels = Panels(stepper)
        self.program_name = name
        self.cursor_address: int | None = None
        self.message = ""
        self._addresses: list[int] = []
        self._shown: dict[str, list[Line]] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        with Horizontal():
            with Vertical(id="left"):
                for name in ("code", "walk", "output"):
                    yield Static(id=name, classes="panel")
            with Vertical(id="right"):
                for name in ("registers", "stack", "kernel"):
                    yield Static(id=name, classes="panel")
        yield Input(placeholder="symbol or address, Enter; Esc: not", id="ask")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self.query_one("#code").border_title = "code"
        self.query_one("#output").border_title = "output of the program"
        self.query_one("#registers").border_title = "registers"
        self.query_one("#stack").border_title = "stack"
        self.query_one("#kernel").border_title = "ring and kernel"
        self.set_interval(_IDLE_S, self._get_ready)
        self.call_after_refresh(self.show)

    def on_resize(self, _event: Resize) -> None:
        self.call_after_refresh(self.show)

    # -- what is seen --------------------------------------------------------------------------

    def show(self) -> None:
        """All panels anew."""
        stepper, panels = self.stepper, self.panels
        state = f"step {stepper.position:,}"
        if stepper.ended is not None:
            state += "  " + ended_text(stepper.ended)
        title = f"{self.program_name}  {state}  ring {stepper.ring}  {self.message}"
        code, stack, output = (self._panel(name) for name in ("code", "stack", "output"))
        lines, self._addresses = panels.code(
            max(code.size.height, 1), max(code.size.width, 10), self.cursor_address
        )
        self._panel("walk").border_title = panels.walk_title()
        for name, shown in (
            ("title", [[(title, "")]]),
            ("code", lines),
            ("walk", panels.page_walk()),
            ("registers", panels.registers(42)),
            ("stack", panels.stack(max(stack.size.height, 1))),
            ("kernel", panels.kernel()),
            ("output", panels.output(max(output.size.height, 1))),
        ):
            # Sizes do not depend on what is in them.
            if self._shown.get(name) != shown:
                self._shown[name] = shown
                self._panel(name).update(as_text(shown), layout=False)

    def _panel(self, name: str) -> Static:
        return self.query_one(f"#{name}", Static)

    def _go(self, count: int | None, targets: tuple[int, ...] = ()) -> None:
        self.message = ""
        if self.stepper.ended is not None:
            self.message = "the program has ended: b goes back"
        else:
            try:
                pause = self.stepper.step(count, targets, self._seen, time.monotonic() + PATIENCE_S)
                if targets and pause.reason != "target":
                    self.message = "it was not reached"
            except TimeLimit:
                self.message = f"not reached in {PATIENCE_S:g} s"
        self.cursor_address = None
        self.show()

    def _seen(self, _step: object) -> None:
        """The stepper's history keeps it."""

    def _get_ready(self) -> None:
        if self.stepper.position:
            try:
                self.stepper.keep_ready()
            except CannotGoBack:
                pass

    # -- keys ----------------------------------------------------------------------------------

    def action_step(self) -> None:
        """One instruction."""
        self._go(1)

    def action_over(self) -> None:
        """Behind a call, or one instruction where there is none."""
        code = self.stepper.memory(self.stepper.address, 15)
        found = self.panels.decode(code, self.stepper.address) if code else None
        if found is not None and found.mnemonic.startswith(("call", "rep")):
            self._go(None, (found.address + len(found.data),))
        else:
            self._go(1)

    def action_ask(self) -> None:
        """Where to?"""
        ask = self.query_one("#ask", Input)
        ask.value = ""
        ask.display = True
        ask.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.action_cancel()
        place = event.value.strip()
        address = self.find(place)
        if address is None:
            near = self.stepper.places.near(place)
            self.message = f"no symbol '{place}'" + (f": {near}?" if near else "")
            self.call_after_refresh(self.show)
        else:
            # The question must be gone first: the panels have their whole size again.
            self.call_after_refresh(self._go, None, (address,))

    def find(self, place: str) -> int | None:
        """Address of a symbol or a number."""
        try:
            return int(place, 16)
        except ValueError:
            pass
        try:
            return self.stepper.find(place)
        except ValueError:
            return None

    def action_cancel(self) -> None:
        """No question any more."""
        self.query_one("#ask", Input).display = False
        self.set_focus(None)

    def action_cursor(self) -> None:
        """To the cursor."""
        if self.cursor_address is None:
            self.message = "move the cursor first: up and down"
            self.show()
        else:
            self._go(None, (self.cursor_address,))

    def action_move(self, by: int) -> None:
        """The cursor goes up or down."""
        here = self.cursor_address or self.stepper.address
        places = [address for address in self._addresses if address]
        if here in places:
            at = max(0, min(places.index(here) + by, len(places) - 1))
            self.cursor_address = places[at]
            self.show()

    def action_step_back(self) -> None:
        """One step back."""
        self._back(self.stepper.position - 1)

    def action_start(self) -> None:
        """To the first step."""
        self._back(0)

    def _back(self, step: int) -> None:
        self.message = ""
        if step < 0 or not self.stepper.position:
            self.message = "this is the first step"
        else:
            try:
                self.stepper.back_to(step)
            except CannotGoBack as error:
                self.message = str(error)
        self.cursor_address = None
        self.show()

    def action_walk(self) -> None:
        """The page walk of another address."""
        self.panels.walked = (self.panels.walked + 1) % len(WALKED)
        self.show()

    def action_help(self) -> None:
        """The keys."""
        self.push_screen(HelpScreen())


def as_text(lines: list[Line]) -> Text:
    """Lines of styled pieces as rich text, cut at the panel's edge."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for number, line in enumerate(lines):
        if number:
            text.append("\n")
        for piece, style in line:
            text.append(piece, STYLES[style])
    return text


def ended_text(pause: Pause) -> str:
    """How the program ended."""
    status = pause.status
    if status is None:
        return "deadlock"
    return f"ended by signal {status & 0x7F}" if status & 0x7F else f"ended: exit {status >> 8}"


def run_app(stepper: Stepper, name: str) -> None:
    """Until the user quits."""
    StepApp(stepper, name).run(mouse=False)
