"""The options of `youcpu boot`: those of all boots, then those of one kind."""

from __future__ import annotations

from youcpu.commands._boot.disk import DISK_OPTIONS
from youcpu.commands._boot.linux import LINUX_OPTIONS
from youcpu.options import LAST_OPTIONS, Option, Parsed, UsageError

SHARED_OPTIONS = [
    Option("--stop-at", "Stop where STAGE begins.", "STAGE"),
    Option("--memory", "RAM of the machine (64M; 256M for --kernel).", "SIZE"),
    Option("--epoch", "Unix time at power-on (2024-01-01).", "SECONDS"),
    Option("--max-insns", "End after so many instructions, exit code 125.", "N"),
    Option("--timeout", "End after so many seconds, exit code 125.", "SECONDS"),
    Option("--json", "A document (docs/schema/boot.json); JSON Lines for --kernel."),
    Option("-o --output", "Write the report of the stages to FILE (- is stdout).", "FILE"),
    Option("-q --quiet", "No report: what the machine prints only."),
    Option("--stages", "With --kernel: tell its stages on stderr."),
]
DEMONSTRATION_OPTIONS = [
    Option("--explain", "What each stage is about, with its source."),
    Option("--svg", "Draw the stages to FILE.", "FILE"),
    Option("--walk", "Page walk of ADDR (hexadecimal) when the machine stands.", "ADDR", many=True),
    Option("--rootfs", "DIR is the root that init runs in; stdin is its console.", "DIR"),
    Option("--init", "Program to run as init, as init= does.", "PATH"),
]
OPTIONS = [*SHARED_OPTIONS, *DEMONSTRATION_OPTIONS, *DISK_OPTIONS, *LINUX_OPTIONS, *LAST_OPTIONS]

_PICTURED = ("demonstration", "--disk")
_LINUX = ("--kernel", "--resume")
#: Option -> the kinds of boot that it goes with; the others go with all.
GOES_WITH = {
    **dict.fromkeys(("rootfs", "init"), ("demonstration",)),
    **dict.fromkeys(("explain", "svg", "walk", "output", "color"), _PICTURED),
    "a20-closed": ("--disk",),
    "append": ("demonstration", "--kernel"),
    **dict.fromkeys(("initrd", "own-decompressor", "system-map"), ("--kernel",)),
    **dict.fromkeys(("until", "save", "stages"), _LINUX),
}


def kind_of(parsed: Parsed) -> str:
    """What is booted: demonstration, --disk, --kernel or --resume. Raises UsageError."""
    given = [f"--{key}" for key in ("disk", "kernel", "resume") if parsed.flag(key)]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)}: one of them")
    kind = given[0] if given else "demonstration"
    for key, kinds in GOES_WITH.items():
        if parsed.flag(key) and kind not in kinds:
            fitting = " or ".join("the demonstration" if k == "demonstration" else k for k in kinds)
            raise UsageError(f"--{key} goes with {fitting}")
    return kind
