"""Steps a second without output, the cost of a step that is looked at, and of a key of the TUI."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from youcpu.machine import MachineOptions
from youcpu.stepping.run import Program
from youcpu.stepping.stepper import Stepper
from youcpu.stepping.streams import Streams

STEP = Path(__file__).parents[1] / "fixtures" / "step"
#: What the acceptance asks for: steps a second, milliseconds a key.
LEAST_RATE, MOST_KEY_MS = 100_000, 50.0


def stepper(*words: str) -> Stepper:
    """A program before its first instruction."""
    argv = [word.encode() for word in words]
    return Stepper(Program(argv[0], argv, [], MachineOptions(epoch_ns=0), Streams()))


def rate(words: tuple[str, ...], count: int, looked_at: bool) -> float:
    """Steps a second, the best of three."""
    best = 0.0
    for _ in range(3):
        one = stepper(*words)
        start = time.perf_counter()
        one.step(count, on_step=(lambda step: None) if looked_at else None)
        best = max(best, one.position / (time.perf_counter() - start))
        one.close()
    return best


async def keys() -> dict[str, float]:
    """Milliseconds from a key's action to all panels drawn anew, the least of ten."""
    from youcpu.commands._step.tui import StepApp

    one = stepper(str(STEP / "sha256"))
    app = StepApp(one, "sha256")
    found: dict[str, float] = {}
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        for name, action in (
            ("step", app.action_step),
            ("step back by records", app.action_step_back),
            ("step back by playing again", app.action_start),
        ):
            least = float("inf")
            for _ in range(10):
                for _ in range(3):
                    app.action_step()
                if "again" in name:
                    one.keep_ready()
                await pilot.pause()
                start = time.perf_counter()
                action()
                await pilot.pause(0)
                least = min(least, (time.perf_counter() - start) * 1000)
            found[name] = least
    one.close()
    return found


def main() -> int:
    """Print the figures; 1 if one is over its bound."""
    late = 0
    for words in ((str(STEP / "random_1"),), ("/bin/ls", "/")):
        name = Path(words[0]).name
        quiet = rate(words, 100_000, looked_at=False)
        late += quiet < LEAST_RATE
        mark = "" if quiet >= LEAST_RATE else "  TOO SLOW"
        print(f"{f'step --count 100000 --quiet, {name}':<46} {quiet:10,.0f} steps/s{mark}")
        looked = rate(words, 20_000, looked_at=True)
        print(f"{f'each step looked at, {name}':<46} {looked:10,.0f} steps/s")
    try:
        found = asyncio.run(keys())
    except ImportError:
        print("textual is not installed: no figure for --tui")
        return 1 if late else 0
    for name, ms in found.items():
        late += ms > MOST_KEY_MS
        mark = "" if ms <= MOST_KEY_MS else "  TOO SLOW"
        print(f"{f'--tui, {name}':<46} {ms:8.1f} ms{mark}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
