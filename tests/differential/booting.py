"""A root directory, a machine that boots it, and what came out on its console."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from youcpu.booted_machine import BootedMachine, BootOutcome, ConsoleLine
from youcpu.machine import MachineOptions
from youcpu.trace.tracer import Sink, Tracer

BUSYBOX = Path("/usr/bin/busybox")


def busybox_root(root: Path) -> Path:
    """bin/busybox and its names."""
    (root / "bin").mkdir(parents=True)
    (root / "sbin").mkdir()
    target = root / "bin/busybox"
    target.write_bytes(BUSYBOX.read_bytes())
    target.chmod(0o755)
    for name in os.popen(f"{BUSYBOX} --list").read().split():
        place = root / "bin" / name
        if not place.exists():
            place.symlink_to("busybox")
    for name in ("init", "poweroff", "reboot", "halt"):
        (root / "sbin" / name).symlink_to("../bin/busybox")
    return root


def boot(
    root: Path, command_line: str = "quiet", typed: bytes = b"", sink: Sink | None = None
) -> tuple[BootOutcome, str]:
    """Boot a root directory; `typed` is read whenever nobody can run. Lines end in newlines."""
    out = bytearray()
    tracer = Tracer()
    if sink is not None:
        tracer.add(sink)
    with tempfile.TemporaryFile() as keyboard:
        keyboard.write(typed)
        keyboard.seek(0)
        options = MachineOptions(
            rootfs=os.fsencode(root), memory=64 << 20, epoch_ns=0, timeout_s=60
        )
        machine = BootedMachine.power_on(
            options, command_line.encode(), tracer, ConsoleLine(out.extend, keyboard.fileno())
        )
        try:
            outcome = machine.run()
        finally:
            machine.close()
    return outcome, out.decode("utf-8", "replace").replace("\r\n", "\n")
