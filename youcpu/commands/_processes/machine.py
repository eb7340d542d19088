"""Options of the machine that fork-tree and sched have alike, and where their report goes."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from youcpu.kernel.sched import POLICIES
from youcpu.kernel.sched.policy import Tunables
from youcpu.launch import FAILED, Failure, parse_epoch, parse_size
from youcpu.machine import MachineOptions
from youcpu.options import Parsed, UsageError


def positive(parsed: Parsed, key: str, default: float) -> float:
    """A number above 0. Raises UsageError."""
    given = parsed.value(key)
    if given is None:
        return default
    try:
        value = float(given)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise UsageError(f"--{key} {given}: a number above 0 is wanted")
    return value


def machine_options(parsed: Parsed, policy: str | None = None) -> MachineOptions:
    """The machine that the options ask for. Raises UsageError, Failure."""
    name = policy or parsed.value("policy") or "eevdf"
    if name not in POLICIES:
        raise UsageError(f"--policy {name}: one of {', '.join(POLICIES)} is wanted")
    try:
        seed = int(parsed.value("seed") or "0", 0)
    except ValueError:
        raise UsageError(f"--seed {parsed.value('seed')}: a number is wanted") from None
    timeout = parsed.value("timeout")
    return MachineOptions(
        memory=parse_size(parsed.value("memory") or "2G"),
        seed=seed,
        epoch_ns=parse_epoch(parsed.value("epoch") or ""),
        rootfs=os.fsencode(parsed.value("rootfs") or "/"),
        writable=tuple(os.fsencode(directory) for directory in parsed.values("rw")),
        cwd=os.fsencode(cwd) if (cwd := parsed.value("cwd")) else None,
        timeout_s=None if timeout is None else positive(parsed, "timeout", 0),
        policy=name,
        tunables=Tunables(
            int(positive(parsed, "timeslice", 3) * 1e6),
            int(positive(parsed, "target-latency", 20) * 1e6),
            int(positive(parsed, "min-granularity", 1) * 1e6),
        ),
    )


def open_output(name: str) -> TextIO:
    """A report's file, standard error where no name is given. Raises Failure."""
    if not name:
        return sys.stderr
    if name == "-":
        return sys.stdout
    try:
        return open(name, "w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise Failure(f"{name}: {error.strerror}", FAILED) from None


def wants_color(when: str | None, stream: TextIO) -> bool:
    """--color; NO_COLOR and TERM=dumb count in auto. Raises UsageError."""
    if when not in (None, "auto", "always", "never"):
        raise UsageError(f"--color {when}: auto, always or never")
    if when in ("always", "never"):
        return when == "always"
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def write(stream: TextIO, text: str) -> None:
    """Write and flush, so that what follows stands behind it."""
    stream.write(text)
    stream.flush()
