"""Chapter 2, after part 2 of the article: timers, time slices, schedulers."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from youcpu.commands._tour.guide import Guide
from youcpu.commands._tour.model import Question, Screen, Shown


def loop(count: int) -> str:
    """A shell's loop that computes and asks nobody, as an option of youcpu sched."""
    return f"-c 'i=0; while [ $i -lt {count} ]; do i=$((i+1)); done'"


def screens(guide: Guide) -> Iterator[Screen]:
    """From two loops to the policies of real kernels."""
    guide.system("sh")
    yield from _preemption()
    yield from _policies()


def _preemption() -> Iterator[Screen]:
    yield Screen(
        "Two programs, one CPU",
        "Two shells count, each as fast as it can. Neither ever says that another may go on. The "
        "chart shows who had the CPU.",
        (Shown(f"youcpu sched --svg loops.svg {loop(3000)} {loop(2000)}", 14, (0,), "loops.svg"),),
        "Before a program goes on, the kernel sets a timer. When it fires, the CPU leaves the "
        "program in the middle of its work and goes on in the kernel, which saves the registers "
        "and may give the CPU to another: preemption. Today's x86 kernels use the timer of the "
        "local APIC for it, not the PIT.",
        ("Intel SDM vol. 3A, 12.5.4 (APIC timer)", "kernel/sched/core.c (Linux 6.18)"),
    )
    yield Screen(
        "A tick",
        "The timer's interrupt, once, for real: a program computes, and knows nothing of it.",
        (Shown("youcpu interrupts --run timer", 40),),
        "Nothing in the program asked for it. The CPU looks for interrupts between any two "
        "instructions; where the flag IF allows it, it goes through the gate. A real kernel would "
        "now ask its scheduler before it returns.",
        ("Intel SDM vol. 3A, 6.6, 6.8.1",),
    )
    yield Screen(
        "Without a timer",
        "The same two, when only a program itself can give the CPU away.",
        (Shown(f"youcpu sched --policy cooperative {loop(3000)} {loop(2000)}", 5),),
        "The second waits until the first is done. So classic Mac OS and Windows before NT worked: "
        "one program that never yields stops all.",
        ("sched_yield(2)",),
    )


def _policies() -> Iterator[Screen]:
    yield Screen(
        "How long is a slice?",
        "A target latency says within which time each program should have had its turn: here 6 ms "
        "for three programs, and no slice under 0.75 ms.",
        (
            Shown(
                "youcpu sched --policy target-latency --target-latency 6 --min-granularity 0.75 "
                f"{loop(2000)} {loop(2000)} {loop(2000)}",
                8,
            ),
        ),
        "6 ms / 3 = 2 ms each. Linux had such a rule from 2.6.23 to 6.5 in CFS, with 6 ms and "
        "0.75 ms times 1 + log2 of the CPUs (at most 8). CFS was no round robin: it took the task "
        "with the least virtual run time. Since 6.6 there is EEVDF instead, with deadlines and "
        "without a target latency.",
        ("kernel/sched/fair.c (Linux 6.5 and 6.18)",),
    )
    yield Screen(
        "Policies side by side",
        "The same work under five policies: a long loop, a short one, and one that sleeps.",
        (Shown(f"youcpu sched --compare {loop(2500)} {loop(700)} -c 'sleep 0.002'", 20),),
        "Wait is time spent ready and not running; turnaround is from arrival to end. A policy "
        "that is good for one of them need not be for the other.",
    )
    yield Screen(
        "Who sleeps has no need of the CPU",
        "A task that waits, for time, for data, for a child, is not ready and costs nothing. When "
        "it is woken it may take the CPU from the one that runs.",
        (Shown(f"youcpu sched {loop(2500)} -c 'sleep 0.002; sleep 0.002; :'", 12),),
        "`b` is where a task blocks, `w` where one is preempted by a wake-up. The frequency of "
        "the timer's tick is 250 Hz in a default Linux; run time is counted in nanoseconds, not "
        "in ticks.",
        ("kernel/Kconfig.hz (Linux 6.18)", "kernel/sched/core.c, wakeup_preempt() (Linux 6.18)"),
    )


# -- questions -----------------------------------------------------------------------------


def ask_slice(guide: Guide, chance: Random) -> Question:
    """The length of a slice by target latency and least granularity."""
    tasks = chance.randrange(2, 5)
    latency, least = chance.choice([(6, 2), (12, 2), (12, 4), (4, 1), (9, 4)])
    slice_ms = max(latency / tasks, least)
    line = (
        f"youcpu sched --policy target-latency --target-latency {latency} "
        f"--min-granularity {least} " + " ".join([loop(1500)] * tasks)
    )
    return Question(
        f"{tasks} programs compute; the target latency is {latency} ms, the least granularity "
        f"{least} ms. How many microseconds is a slice?",
        (),
        str(int(slice_ms * 1000)),
        "number",
        f"{latency} ms / {tasks} is {latency / tasks:.3f} ms; the least is {least} ms.",
        line,
    )


def ask_switches(guide: Guide, chance: Random) -> Question:
    """How often a task was preempted, from its chart."""
    line = f"youcpu sched {loop(chance.randrange(15, 40) * 100)} {loop(2000)}"
    tasks = _tasks(guide, line)
    task = chance.choice(tasks)
    return Question(
        f"How often did task {task['pid']} lose the CPU because its slice was at its end?",
        (Shown(line, 6),),
        str(task["reasons"].get("slice", 0)),
        "number",
        "Each `s` below its row is one slice at its end.",
        line,
    )


def ask_wait(guide: Guide, chance: Random) -> Question:
    """Turnaround from the run's figures."""
    count = chance.randrange(10, 30) * 100
    line = f"youcpu sched --policy fixed --timeslice 2 {loop(count)} {loop(1200)}"
    task = chance.choice(_tasks(guide, line))
    run, wait = task["run_ns"] // 1000, task["wait_ns"] // 1000
    return Question(
        f"Task {task['pid']} never blocked: it ran for {run} microseconds and waited, ready, for "
        f"{wait}. It arrived at 0. When did it end (microseconds)?",
        (),
        str(run + wait),
        "number",
        "Turnaround is run time plus waiting time, where a task never blocks.",
        line,
    )


def _tasks(guide: Guide, line: str) -> list[Any]:
    document = guide.json(line.replace("youcpu sched", "youcpu sched --json -o -"))
    tasks: list[Any] = document["runs"][0]["tasks"]
    return tasks


QUESTIONS = (ask_slice, ask_switches, ask_wait)
