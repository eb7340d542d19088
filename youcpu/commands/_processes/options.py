"""Options of the machine and its scheduler that fork-tree and sched have alike."""

from __future__ import annotations

from youcpu.commands._exec.machine_options import MACHINE_OPTIONS, WRITE_OPTION
from youcpu.options import Option

SCHEDULED_OPTIONS = [
    Option(
        "--policy",
        "fixed, target-latency, cfs, eevdf (default) or cooperative.",
        "NAME",
        choices="fixed target-latency cfs eevdf cooperative",
    ),
    Option("--timeslice", "Length of a slice of fixed and eevdf (3).", "MS"),
    Option("--target-latency", "In which each task has its turn: target-latency, cfs (20).", "MS"),
    Option("--min-granularity", "The least a task gets then (1).", "MS"),
    WRITE_OPTION,
    *MACHINE_OPTIONS,
]
