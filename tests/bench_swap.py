"""Cost of demand paging with less RAM than a program touches; `main()` prints a line a figure."""

from __future__ import annotations

import os
import sys
import time

from youcpu.kernel.mm.paging_limits import PagingLimits
from youcpu.launch import run
from youcpu.machine import Machine, MachineOptions
from youcpu.trace.tracer import Tracer

PROGRAM = [b"/bin/ls", b"-l", b"/etc"]
POLICIES = ("fifo", "clock", "lru", "random")
#: A major fault with its eviction may cost so much, milliseconds: five times a plain fault of
#: issue 2, and the translation of the code that comes back.
BOUND_MS = 1.0


def trial(limits: PagingLimits | None) -> tuple[float, int, int]:
    """Seconds, loads and the most frames of one run."""
    machine = Machine(MachineOptions(paging=limits), Tracer())
    null = os.open(os.devnull, os.O_RDWR)
    machine.standard_fds = (null, null, null)
    start = time.perf_counter()
    run(machine, PROGRAM[0], PROGRAM, [])
    seconds = time.perf_counter() - start
    reclaim = machine.kernel.reclaim
    machine.close()
    os.close(null)
    if reclaim is None:
        return seconds, 0, 0
    return seconds, reclaim.counts.loads, reclaim.counts.most_frames


def main() -> int:
    """Print the figures; 1 if one is over its bound."""
    plain = min(trial(None)[0] for _ in range(3))
    plenty, loads, frames = min(trial(PagingLimits(1 << 30)) for _ in range(3))
    print(f"{'ls -l /etc, no limit':<46} {plain * 1000:8.1f} ms")
    print(f"{f'--ram with plenty, {frames} frames used':<46} {plenty * 1000:8.1f} ms")
    late = 0
    for policy in POLICIES:
        limits = PagingLimits(frames // 4 << 12, 16 << 20, policy)
        seconds, more, _ = min(trial(limits) for _ in range(3))
        each = (seconds - plenty) / (more - loads) * 1000
        late += each > BOUND_MS
        mark = "" if each <= BOUND_MS else "  TOO SLOW"
        what = f"a quarter of the frames, {policy}: {more} loads"
        print(f"{what:<46} {seconds * 1000:8.1f} ms, {each:.3f} ms a load more{mark}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
