"""Options of the machine that fork-tree and sched have alike."""

from __future__ import annotations

from youcpu.options import Option

MACHINE_OPTIONS = [
    Option(
        "--policy",
        "fixed, target-latency, cfs, eevdf (default) or cooperative.",
        "NAME",
        choices="fixed target-latency cfs eevdf cooperative",
    ),
    Option("--timeslice", "Length of a slice of fixed and eevdf (3).", "MS"),
    Option("--target-latency", "In which each task has its turn: target-latency, cfs (20).", "MS"),
    Option("--min-granularity", "The least a task gets then (1).", "MS"),
    Option("--rw", "Let writes through to the host below DIR.", "DIR", many=True),
    Option("--rootfs", "DIR is the programs' root directory.", "DIR"),
    Option("--memory", "RAM of the machine (2G).", "SIZE"),
    Option("--timeout", "End the run after so many seconds, exit code 125.", "SECONDS"),
    Option("--cwd", "Working directory of the programs.", "DIR"),
    Option("--env", "Set a variable of their environment.", "K=V", many=True),
    Option("--clear-env", "Start with an empty environment."),
    Option("--seed", "Seed of all randomness (0).", "N"),
    Option("--epoch", "Virtual time at the start (now, or SOURCE_DATE_EPOCH).", "SECONDS"),
]
LAST_OPTIONS = [
    Option("--color", "auto, always or never.", "WHEN", choices="auto always never"),
    Option("-h --help", "This help."),
]
