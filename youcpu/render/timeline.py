"""Chrome trace events (Perfetto, chrome://tracing) and plain SVG: what timelines share."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape

STYLE = (
    "text{font-family:ui-monospace,monospace;font-size:12px;fill:#222}"
    ".dim{fill:#777}.head{font-size:14px;font-weight:bold}.bad{fill:#b00020}"
    "rect{fill:#cfe3ff;stroke:#557}.thread{fill:#e6e0f5}.run{fill:#9ad18b;stroke:none}"
    ".wait{fill:#f2d06b;stroke:none}.copy{fill:#b00020;stroke:none}"
    ".reuse{fill:#3a7d2c;stroke:none}path{stroke:#777;fill:none}"
)


def svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """A complete document."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def text(x: float, y: float, words: str, style: str = "") -> str:
    """Words at a place; nothing that is not printable."""
    attribute = f' class="{style}"' if style else ""
    words = "".join(char if char.isprintable() else "?" for char in words)
    return f'<text x="{x:.1f}" y="{y:.1f}"{attribute}>{escape(words)}</text>'


def bar(x: float, y: float, width: float, height: float, style: str = "", title: str = "") -> str:
    """A rectangle, with words that show when the mouse is over it."""
    attribute = f' class="{style}"' if style else ""
    inside = f"<title>{escape(title)}</title>" if title else ""
    box = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}"'
    return f"<rect{attribute} {box}>{inside}</rect>"


def chrome_trace(events: list[dict[str, object]]) -> str:
    """A document of trace events; `ts` and `dur` are microseconds."""
    return json.dumps({"displayTimeUnit": "ns", "traceEvents": events}, indent=None) + "\n"


def span(
    name: str, pid: int, tid: int, start_ns: int, duration_ns: int, **args: object
) -> dict[str, object]:
    """A complete event (ph X)."""
    return {
        "name": name, "ph": "X", "pid": pid, "tid": tid, "ts": start_ns / 1000,
        "dur": duration_ns / 1000, "args": args,
    }  # fmt: skip


def instant(name: str, pid: int, tid: int, time_ns: int, **args: object) -> dict[str, object]:
    """A moment (ph i) of one thread."""
    return {
        "name": name, "ph": "i", "s": "t", "pid": pid, "tid": tid, "ts": time_ns / 1000,
        "args": args,
    }  # fmt: skip


def label(pid: int, tid: int, name: str) -> dict[str, object]:
    """The name of a row."""
    kind = "process_name" if pid == tid else "thread_name"
    return {"name": kind, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}}
