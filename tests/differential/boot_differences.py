"""Where a boot on our board rightly differs from QEMU's, and why. Nothing else may.

Lines of the console's log are first brought to one form (REWRITES, on both sides); lines that
only one side has must be named here. So must what guest programs print.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

# -- the kernel's log ----------------------------------------------------------------------

#: (why, pattern, what stands for it)
REWRITES = (
    ("times", r"^\[ *\d+\.\d+\] ", ""),
    ("the clock's speed, measured", r"\d+\.\d+ MHz processor", "MHZ processor"),
    ("the clock's speed", r"(max_cycles|max_idle_ns): \w+( ns)?", r"\1: N"),
    ("the clock's speed", r"\d+\.\d+ BogoMIPS( \(lpj=\d+\))?", "BOGOMIPS"),
    ("the clock's offset and speed", r"sched_clock: Marking stable .*", "sched_clock: stable"),
    ("when audit started", r"audit\(\d+\.\d+:", "audit(TIME:"),
    # SMBIOS tables and the copy of the ROM's pages that DMI keeps are 4 KiB.
    ("no firmware", r"Memory: \d+K/(\d+)K available(.*), \d+K reserved", r"Memory: of \1K\2"),
    (
        "a BIOS ROM ends at 4 GiB",
        r"\[mem (\w+)-\w+\] available for PCI",
        r"[mem \1-] available PCI",
    ),
    ("video mode of the BIOS", r"Console: colour (\*CGA|dummy device) 80x25", "Console: 80x25"),
)

#: Lines that a thread of the kernel writes whenever it runs: compared apart from the order.
ANY_TIME = (r"input: AT Translated Set 2 keyboard",)


@dataclass(frozen=True)
class Only:
    """Lines that one side alone has."""

    why: str
    side: str
    pattern: str


ONLY = (
    Only(
        "the ROM that holds QEMU's BIOS", "qemu", r"BIOS-e820: \[mem 0x00000000fffc0000-.*reserved"
    ),
    Only("QEMU's BIOS leaves SMBIOS tables", "qemu", r"SMBIOS \d\.\d present\."),
    Only("QEMU's BIOS leaves SMBIOS tables", "qemu", r"DMI: Bochs Bochs, BIOS Bochs .*"),
    Only("no firmware ran, no SMBIOS tables", "board", r"DMI not present or invalid\."),
)


def kernel_log(console: str) -> list[str]:
    """The log up to the start of /init, rewritten."""
    lines = console.replace("\r\n", "\n").split("\n")
    end = next((i for i, line in enumerate(lines) if "as init process" in line), len(lines) - 1)
    found = []
    for line in lines[: end + 1]:
        for _, pattern, common in REWRITES:
            line = re.sub(pattern, common, line)
        found.append(line.rstrip())
    return found


def unexplained(qemu: list[str], board: list[str]) -> list[str]:
    """Lines that only one side has and that are not in the table, as diff(1) marks them."""
    wrong = []
    for pattern in ANY_TIME:
        theirs, ours = ([x for x in side if re.match(pattern, x)] for side in (qemu, board))
        if theirs != ours:
            wrong += [f"< {line}" for line in theirs] + [f"> {line}" for line in ours]
        qemu, board = ([x for x in side if not re.match(pattern, x)] for side in (qemu, board))
    for tag, a, b, c, d in SequenceMatcher(None, qemu, board, autojunk=False).get_opcodes():
        if tag != "equal":
            wrong += [f"< {line}" for line in qemu[a:b] if not _is_explained("qemu", line)]
            wrong += [f"> {line}" for line in board[c:d] if not _is_explained("board", line)]
    return wrong


def _is_explained(side: str, line: str) -> bool:
    return any(one.side == side and re.fullmatch(one.pattern, line) for one in ONLY)


# -- guest programs ------------------------------------------------------------------------

#: (why, program, pattern, what stands for it)
GUEST_REWRITES = (
    # SDM vol. 3, 7.13: the error code is the vector times 8, and 2. QEMU 7.2's TCG in 64-bit mode
    # takes it times 16 (that of a real CPU is in the guest programs' native run).
    ("INT n without the right", "exceptions", r"^(int 0x\w+: signal 11 .* err) \w+", r"\1"),
    # SDM vol. 1, 3.3.7.1: a stack reference raises #SS, as a real CPU does; QEMU 7.2 #GP for all.
    (
        "stack references",
        "exceptions",
        r"^read by rbp from the non-canonical: .*",
        "read by rbp from the non-canonical",
    ),
    # Unicorn touches the memory before it asks whether the port may be read.
    ("INS checks memory first", "exceptions", r"^insb: .*", "insb"),
    # Intel SDM vol. 3, 18.3.1.1: a fault's frame has RF set. QEMU 7.2's TCG leaves it clear.
    ("RF in a fault's frame", ".*", r" rf [01]$", ""),
    # QEMU 7.2 traps once more before the first round of a REP; CPUs do not.
    ("rep under TF", "single_step", r"^rep stosb of four: .*", "rep stosb of four"),
    # Unicorn has no watchpoints: DR0 to DR3 stop at instructions, not at data.
    ("data breakpoints", "single_step", r"^(watch [a-z0-9 ]*): .*", r"\1"),
    # Unicorn's QEMU 5.0 keeps no inexact, invalid and denormal flags (5.2 does), nor C1.
    ("exception flags", "fpu_state", r"(cw \w{4}) sw (\w\w)\w\w", r"\1 sw \2"),
    ("exception flags", "fpu_state", r"(after 0x\w+)\w\w$", r"\1"),
    # Unicorn forgets translations only for stores through the mapping that is executed, or
    # after the next write to CR3: a loop that has no system call in it sees old code.
    ("stores through an alias", "changing_code", r"^by an alias: .*", "by an alias"),
)


def guest_lines(program: str, output: str) -> list[str]:
    """What a guest program printed, rewritten."""
    lines = []
    for line in output.split("\n"):
        for _, name, pattern, common in GUEST_REWRITES:
            if re.fullmatch(name, program):
                line = re.sub(pattern, common, line)
        lines.append(line)
    return lines
