"""`youcpu boot` for Linux guests as a program: the command where it is there, else its part."""

from __future__ import annotations

import sys


def main(argv: list[str]) -> int:
    """Exit code of the boot."""
    from importlib.util import find_spec

    if find_spec("youcpu.commands.boot") is not None:
        from youcpu.cli import main as youcpu

        return youcpu(["boot", *argv])
    from youcpu.commands._boot.linux import LINUX_OPTIONS, run
    from youcpu.options import Option, UsageError, parse, usage_error

    shared = [
        Option(f"--{name}", "", "VALUE")
        for name in ("memory", "epoch", "max-insns", "timeout", "stop-at")
    ]
    shared += [Option(f"--{name}", "") for name in ("stages", "quiet", "json")]
    try:
        return run(parse(argv, [*LINUX_OPTIONS, *shared]))
    except UsageError as error:
        return usage_error("boot", error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
