"""readelf beside its peers, in one run: ratios ours/peer, and what each took.

python tests/bench_readelf.py [LARGE_LIBRARY [LARGE_SYMBOL_TABLE]]
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5
SLOW = 5.0  # seconds: what takes longer runs once
LARGE = (
    "/usr/lib/x86_64-linux-gnu/libLLVM-*.so.*",
    "/usr/lib/*/libLLVM*.so*",
    "/usr/lib/*/libc.so.6",
)
TABLES = ("/usr/bin/node", "/usr/lib/x86_64-linux-gnu/libLLVM-*.so.*", "/usr/lib/*/libc.so.6")


def largest(patterns: tuple[str, ...]) -> str | None:
    """The largest file of the first pattern that has any."""
    for pattern in patterns:
        files = [os.path.realpath(name) for name in glob.glob(pattern)]
        if files:
            return max(files, key=os.path.getsize)
    return None


def measure(command: list[str]) -> tuple[float, int, bool]:
    """(seconds, peak megabytes, fine) of a command; output goes to a file, as a user keeps it."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        return time.perf_counter() - started, usage.ru_maxrss >> 10, status == 0


def ours(*arguments: str) -> list[str]:
    script = Path(sys.executable).parent / "youcpu"
    start = [str(script)] if script.exists() else [sys.executable, "-m", "youcpu"]
    return [*start, "readelf", *arguments]


def peers(*arguments: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in ("readelf", "llvm-readelf", "eu-readelf"):
        path = shutil.which(name)
        if path:
            found[name] = [path, *arguments]
    script = Path(sys.executable).parent / "readelf.py"
    if script.exists():
        # It knows no -W, for its lines are wide, and its -a shows a part of what GNU's does.
        flags = {"-W": [], "-a": ["-h", "-l", "-S", "-s", "-d", "-r", "-n", "-V"]}
        same = [word for argument in arguments for word in flags.get(argument, [argument])]
        found["pyelftools"] = [sys.executable, str(script), *same]
    return found


def compare(title: str, arguments: list[str]) -> None:
    """Turn by turn, so that a busy moment of the machine falls on all alike."""
    commands = {"youcpu": ours(*arguments), **peers(*arguments)}
    runs: dict[str, list[tuple[float, int, bool]]] = {name: [] for name in commands}
    for turn in range(ROUNDS):
        for name, command in commands.items():
            if turn == 0 or runs[name][0][0] < SLOW:
                runs[name].append(measure(command))
    mine = min(seconds for seconds, _, _ in runs["youcpu"])
    print(title)
    for name, results in runs.items():
        seconds = min(seconds for seconds, _, _ in results)
        memory = max(memory for _, memory, _ in results)
        note = "" if results[0][2] else "  (it failed)"
        ratio = "" if name == "youcpu" else f"  ours/peer {mine / seconds:5.2f}"
        print(f"  {name:<14} {seconds * 1000:8.0f} ms  {memory:4d} MB{ratio}{note}")


def main() -> int:
    """Print the table; 0 always, for it measures and does not judge."""
    arguments = sys.argv[1:]
    library = arguments[0] if arguments else largest(LARGE)
    table = arguments[1] if len(arguments) > 1 else largest(TABLES)
    compare("-h /bin/true", ["-h", "/bin/true"])
    for flags, file in (("-a -W", library), ("-s -W", table)):
        if file is not None:
            size = os.path.getsize(file) >> 20
            compare(f"{flags} {file} ({size} MB)", [*flags.split(), file])
    return 0


if __name__ == "__main__":
    sys.exit(main())
