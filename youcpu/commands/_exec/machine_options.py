"""The options of a machine, alike in all commands that run programs on one."""

from __future__ import annotations

from youcpu.options import Option

MACHINE_OPTIONS = [
    Option("--rootfs", "DIR is the program's root directory.", "DIR"),
    Option("--memory", "RAM of the machine (2G).", "SIZE"),
    Option("--timeout", "End the run after so many seconds, exit code 125.", "SECONDS"),
    Option("--cwd", "Working directory of the program.", "DIR"),
    Option("--env", "Set a variable of its environment.", "K=V", many=True),
    Option("--clear-env", "Start with an empty environment."),
    Option("--seed", "Seed of all randomness (0).", "N"),
    Option("--epoch", "Virtual time at the start (now, or SOURCE_DATE_EPOCH).", "SECONDS"),
]
WRITE_OPTION = Option("--rw", "Let writes through to the host below DIR.", "DIR", many=True)
ASLR_OPTION = Option("--aslr", "Random addresses, from the seed.")
#: Less RAM than the programs touch.
PAGING_OPTIONS = [
    Option("--ram", "RAM for pages of programs; more goes to swap, or is read again.", "SIZE"),
    Option("--swap", "Size of the swap area, with --ram (0).", "SIZE"),
    Option(
        "--page-replacement",
        "fifo, clock (default), lru or random: what goes.",
        "POLICY",
        choices="fifo clock lru random",
    ),
]
