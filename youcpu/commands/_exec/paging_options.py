"""The options of a machine with less RAM than its programs touch."""

from __future__ import annotations

from youcpu.options import Option

OPTIONS = [
    Option("--ram", "RAM for pages of programs; more goes to swap, or is read again.", "SIZE"),
    Option("--swap", "Size of the swap area, with --ram (0).", "SIZE"),
    Option(
        "--page-replacement",
        "fifo, clock (default), lru or random: what goes.",
        "POLICY",
        choices="fifo clock lru random",
    ),
    Option("--compare", "With --ram: run under each policy, and tell what the best could do."),
]
