"""Boot disks under qemu-system-x86_64 with SeaBIOS, or our firmware's ROM in its place: the text
screen, what COM1 sent, and how the CPU stands. `python tests/differential/qemu_disks.py` records
the answers of fixtures/boot/disks anew.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DISKS = ROOT / "fixtures/boot/images/disks"
RECORDED = ROOT / "fixtures/boot/disks/qemu.json"
QEMU = shutil.which("qemu-system-x86_64")
#: Keys as QEMU's monitor names them, and the same for our standard input.
KEYS = {
    "keys": (["a", "shift-b", "1", "ret", "ret"], b"aB1\n\n"),
    "irq1": (["a", "ret", "spc", "x"], b"a\n x"),
}


class Monitor:
    """QMP over a socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        for _ in range(200):
            if path.exists():
                break
            time.sleep(0.05)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rw")
        self._file.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: Any) -> Any:
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            answer = json.loads(self._file.readline())
            if "return" in answer or "error" in answer:
                return answer.get("return")

    def say(self, line: str) -> str:
        return str(self.ask("human-monitor-command", **{"command-line": line}))

    def halted(self) -> bool:
        """HLT with IF = 0."""
        text = self.say("info registers")
        return "HLT=1" in text and not int(text.split("FL=")[1].split()[0], 16) & 0x200


def boot(image: Path, keys: list[str], *more: str, seconds: float = 30) -> dict[str, Any]:
    """`screen` (rows), `serial`, `log` (port 402h), `halted`."""
    assert QEMU is not None
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        command = [
            QEMU, "-m", "64", "-display", "none", "-no-reboot", "-nic", "none",
            "-drive", f"file={image},format=raw,if=ide,snapshot=on",
            "-serial", f"file:{place / 'serial'}", "-debugcon", f"file:{place / 'log'}",
            "-global", "isa-debugcon.iobase=0x402",
            "-qmp", f"unix:{place / 'qmp'},server=on,wait=off", *more,
        ]  # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                monitor = Monitor(place / "qmp")
                end = time.monotonic() + seconds
                text = b"" if not keys else b":"
                while time.monotonic() < end and text not in (place / "serial").read_bytes():
                    time.sleep(0.05)
                for key in keys:
                    time.sleep(0.2)
                    monitor.say(f"sendkey {key}")
                halted = _settled(monitor, place / "serial", end)
                monitor.ask("pmemsave", val=0xB8000, size=4000, filename=str(place / "screen"))
                monitor.ask("quit")
                process.wait(10)
            finally:
                process.kill()
        cells = (place / "screen").read_bytes()
        rows = [cells[i * 160 : i * 160 + 160 : 2].decode("cp437") for i in range(25)]
        return {
            "screen": trimmed([row.replace("\0", " ") for row in rows]),
            "serial": (place / "serial").read_bytes().decode("latin-1").replace("\r", ""),
            "log": (place / "log").read_bytes().decode("latin-1"),
            "halted": halted,
        }


def _settled(monitor: Monitor, serial: Path, end: float) -> bool:
    """Whether the CPU was halted at six looks in a row, and nothing came: the BIOS halts, too."""
    looks, size = 0, -1
    while time.monotonic() < end and looks < 6:
        now = serial.stat().st_size
        looks = looks + 1 if monitor.halted() and now == size else 0
        size = now
        time.sleep(0.05)
    return looks >= 6


def trimmed(rows: list[str]) -> list[str]:
    """Without blanks at the right and below."""
    rows = [row.rstrip() for row in rows]
    while rows and not rows[-1]:
        rows.pop()
    return rows


def main() -> None:
    """Record."""
    answers = {}
    for image in sorted(DISKS.glob("*.img")):
        keys, _ = KEYS.get(image.stem, ([], b""))
        answer = boot(image, keys)
        assert answer["halted"], image
        answers[image.stem] = {"screen": answer["screen"], "serial": answer["serial"]}
        print(image.stem, len(answer["serial"]))
    RECORDED.write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
