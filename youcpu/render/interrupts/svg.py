"""A run of the lab as a picture: ring 3 left, ring 0 right, the CPU's own steps across."""

from __future__ import annotations

from html import escape
from typing import Any

from youcpu.abi.x86_vectors import rflags_text

Document = dict[str, Any]
LEFT, RIGHT, BOX, ROW = 20, 560, 400, 20
WIDTH = RIGHT + BOX + 20
STYLE = (
    "text{font-family:ui-monospace,monospace;font-size:12px;fill:#222}"
    ".dim{fill:#777}.head{font-size:14px;font-weight:bold}.bad{fill:#b00020}"
    "rect{fill:#f7f7f4;stroke:#555}.ring3{fill:#d7f0d0}.ring0{fill:#ffe3c2}.cpu{fill:#cfe3ff}"
    ".push{fill:#fff}path{stroke:#555;fill:none;stroke-width:1.5}"
)


class _Picture:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = 20
        self._ring: int | None = None

    def text(self, x: int, y: int, text: str, style: str = "") -> None:
        attribute = f' class="{style}"' if style else ""
        self.parts.append(f'<text x="{x}" y="{y}"{attribute}>{escape(text)}</text>')

    def box(self, x: int, y: int, width: int, height: int, style: str) -> None:
        self.parts.append(
            f'<rect class="{style}" x="{x}" y="{y}" width="{width}" height="{height}"/>'
        )

    def arrow(self, down: bool, y: int) -> None:
        """From ring 3 to ring 0, or back."""
        start, end = (LEFT + BOX, RIGHT) if down else (RIGHT, LEFT + BOX)
        tip = 7 if down else -7
        self.parts.append(f'<path d="M{start} {y} H{end} m{-tip} -4 l{tip} 4 l{-tip} 4"/>')

    def lane(self, ring: int, lines: list[str], title: str) -> None:
        """Instructions of one ring, in its lane."""
        x = LEFT if ring else RIGHT
        height = ROW * (len(lines) + 1) + 8
        self.box(x, self.y, BOX, height, f"ring{ring}")
        self.text(x + 10, self.y + 17, title, "head")
        for number, line in enumerate(lines, 1):
            self.text(x + 10, self.y + 17 + ROW * number, line)
        self.y += height + 14

    def delivery(self, step: Document) -> None:
        """The CPU's own work: each attempt as a box, the frame as a column of words."""
        for attempt in step["attempts"]:
            lines = _stages(attempt)
            rows = max(len(lines) + 1, len(attempt["pushed"]) + 1)
            height = ROW * rows + 8
            self.box(LEFT, self.y, WIDTH - 40, height, "cpu")
            code = attempt["error_code"]
            title = f"{attempt['mnemonic']} {attempt['name']}" + (
                f", error code {code}" if code else ""
            )
            self.text(LEFT + 10, self.y + 17, title, "head")
            for number, (line, style) in enumerate(lines, 1):
                self.text(LEFT + 10, self.y + 17 + ROW * number, line, style)
            for number, push in enumerate(attempt["pushed"]):
                y = self.y + 6 + ROW * number
                self.box(RIGHT + 40, y, 350, ROW, "push")
                value = int(push["value"], 16)
                self.text(RIGHT + 50, y + 14, f"{int(push['address'], 16):x}", "dim")
                self.text(RIGHT + 190, y + 14, f"{value:x}")
                self.text(RIGHT + 330, y + 14, push["name"].replace("error code", "error"), "dim")
            self.y += height + 14


def _stages(attempt: Document) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    gate = attempt["gate"]
    if gate is not None:
        where = int(gate["address"], 16)
        lines.append((f"gate  {where:x}: {gate['type']}, DPL {gate['dpl']}, IST {gate['ist']}", ""))
        lines.append((f"      to {int(gate['offset'], 16):x} {gate['handler']}", ""))
    if attempt["stack"] is not None:
        stack = attempt["stack"]
        source = f"{stack['source']} of the TSS" if stack["switched"] else "unchanged"
        lines.append((f"stack {source}: {int(stack['rsp'], 16):x}", ""))
    if attempt["after"] is not None:
        flags = [rflags_text(int(value, 16)) for value in attempt["after"]["rflags"]]
        lines.append((f"flags {flags[0]} → {flags[1]}", ""))
        lines.append(("ring  {} → {}".format(*attempt["after"]["ring"]), ""))
    if attempt["fault"] is not None:
        fault = attempt["fault"]
        lines.append((f"fault {fault['mnemonic']}: {fault['reason']}", "bad"))
    return lines


def run_svg(document: Document) -> str:
    """The whole run."""
    picture = _Picture()
    picture.text(LEFT, picture.y + 4, f"{document['name']}: {document['title']}", "head")
    picture.y += 24
    pending: list[str] = []
    place: tuple[int, str] | None = None

    def flush() -> None:
        nonlocal pending
        if pending and place is not None:
            picture.lane(place[0], pending, f"ring {place[0]}  {place[1]}")
        pending = []

    for step in document["steps"]:
        if step["kind"] == "delivery":
            flush()
            place = None
            picture.delivery(step)
            continue
        here = (step["ring"], step["symbol"].partition("+")[0])
        if here != place:
            flush()
            place = here
        pending.append(f"{int(step['address'], 16):x}  {step['text']}")
        if step["kind"] in ("entry", "return"):
            flush()
            place = None
            picture.arrow(step["kind"] == "entry", picture.y - 28)
            for change in step["changes"]:
                after = int(change["after"], 16)
                x = LEFT + 10 if step["kind"] == "return" else RIGHT + 10
                picture.text(x, picture.y + 8, f"{change['register']} = {after:x}", "dim")
                picture.text(x + 190, picture.y + 8, change["why"], "dim")
                picture.y += 16
            picture.y += 10
    flush()
    height = picture.y + 10
    title = f"{document['name']}: {document['title']}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n" + "\n".join(picture.parts) + "\n</svg>\n"
    )
