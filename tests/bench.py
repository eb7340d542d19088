"""`make bench`: what youcpu costs, measured in one run with its peers where they are installed.

Peers: strace and qemu-x86_64 on this host, and Qiling in a venv of its own (its python given by
the environment's QILING_PYTHON). Costs of one thing (a syscall, a fault, a turn of a loop) are
differences of two runs that differ in how many they do, the least of some repeats: other load on
the machine only ever adds. Other modules named bench_*.py beside this one are run after it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "fixtures" / "bench"
YOUCPU = (sys.executable, "-m", "youcpu", "exec-trace")
REPEATS = 5
# As a driver of its own: Qiling has no command that runs a program and nothing else.
QILING_DRIVER = """
import sys
from qiling import Qiling
from qiling.const import QL_VERBOSE
Qiling(sys.argv[2:], "/", verbose=getattr(QL_VERBOSE, sys.argv[1])).run()
"""


@dataclass(frozen=True)
class Run:
    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Figure:
    """One line of the table; `met` is asked with ours and the peer's."""

    what: str
    ours: float | None
    unit: str
    target: str
    met: Callable[[float, float | None], bool] | None = None
    peer: float | None = None
    peer_name: str = ""


Runner = Callable[[Sequence[str]], list[str]]


def youcpu_quiet(program: Sequence[str]) -> list[str]:
    return [*YOUCPU, "--quiet", "--", *program]


def youcpu_traced(program: Sequence[str]) -> list[str]:
    return [*YOUCPU, "-o", "/dev/null", "--", *program]


def strace(program: Sequence[str]) -> list[str]:
    return ["strace", "-o", "/dev/null", *program]


def qemu(program: Sequence[str]) -> list[str]:
    return ["qemu-x86_64", *program]


def native(program: Sequence[str]) -> list[str]:
    return list(program)


def qiling(verbosity: str) -> Runner:
    """Qiling, silent ("OFF") or telling its syscalls ("DEFAULT")."""

    def command(program: Sequence[str]) -> list[str]:
        return [os.environ["QILING_PYTHON"], "-c", QILING_DRIVER, verbosity, *program]

    return command


def peers() -> tuple[dict[str, Runner], list[str]]:
    """Those that are here, and a line for each that is not."""
    found: dict[str, Runner] = {}
    missing = []
    for name, program, runner in (
        ("strace", "strace", strace),
        ("qemu", "qemu-x86_64", qemu),
    ):
        if shutil.which(program):
            found[name] = runner
        else:
            missing.append(f"{program} is not installed: not compared")
    if os.environ.get("QILING_PYTHON"):
        found["qiling"], found["qiling traced"] = qiling("OFF"), qiling("DEFAULT")
    else:
        missing.append("QILING_PYTHON is not set (python of a venv with qiling): not compared")
    return found, missing


def measure(command: Sequence[str]) -> Run:
    """Wall time and peak memory of one command. Its output goes nowhere."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise RuntimeError(f"{' '.join(command)}: status {os.waitstatus_to_exitcode(status)}")
    return Run(seconds, usage.ru_maxrss / 1024)


def median(command: Sequence[str], repeats: int = 2 * REPEATS + 1) -> Run:
    runs = [measure(command) for _ in range(repeats)]
    return Run(statistics.median(run.seconds for run in runs), max(run.peak_mb for run in runs))


@dataclass(frozen=True)
class Job:
    """A runner, and how many of the thing it does in the short run and in the long one."""

    runner: Runner
    few: int
    many: int


def costs_of_one(program: Path, jobs: dict[str, Job]) -> dict[str, float]:
    """Seconds for one more: the difference of two runs, each the least of some.

    The jobs take turns, so that what else goes on in the machine meets them all alike.
    """
    least: dict[tuple[str, int], float] = {}
    for _ in range(REPEATS):
        for name, job in jobs.items():
            for count in (job.few, job.many):
                seconds = measure(job.runner([str(program), str(count)])).seconds
                least[name, count] = min(seconds, least.get((name, count), seconds))
    return {
        name: max(least[name, job.many] - least[name, job.few], 0.0) / (job.many - job.few)
        for name, job in jobs.items()
    }


def build(directory: Path) -> dict[str, Path]:
    """Programs by name; `hello` is dynamic, for its loader is what is measured."""
    built = {}
    for source in sorted(SOURCES.glob("*.c")):
        built[source.stem] = directory / source.stem
        flags = ["-O1"] if source.stem == "hello" else ["-O1", "-static"]
        subprocess.run(["gcc", *flags, str(source), "-o", str(built[source.stem])], check=True)
    return built


def at_most(limit: float) -> Callable[[float, float | None], bool]:
    return lambda ours, peer: ours <= limit


def at_most_times(limit: float) -> Callable[[float, float | None], bool]:
    return lambda ours, peer: peer is None or ours <= limit * peer


def cheaper_and_at_most(limit: float) -> Callable[[float, float | None], bool]:
    return lambda ours, peer: ours <= limit and (peer is None or ours < peer)


def whole_command(programs: dict[str, Path], others: dict[str, Runner]) -> list[Figure]:
    hello = [str(programs["hello"])]
    figures = []
    runs = {"youcpu": median(youcpu_traced(hello)), "native": median(native(hello))}
    runs["quiet"] = median(youcpu_quiet(hello))
    runs |= {
        name: median(others[name](hello)) for name in ("qiling", "qemu", "strace") if name in others
    }
    best = next(name for name in ("qiling", "qemu", "native") if name in runs)
    for label, run in (("traced", runs["youcpu"]), ("quiet", runs["quiet"])):
        ours, peer = run.seconds * 1e3, runs[best].seconds * 1e3
        figures.append(
            Figure(
                f"dynamic hello, whole command, {label}",
                ours,
                "ms",
                "<= 200",
                at_most(200),
                peer,
                best,
            )
        )
    peak, peer_peak = runs["youcpu"].peak_mb, runs[best].peak_mb
    figures.append(Figure("its peak memory", peak, "MB", "<= 64", at_most(64), peer_peak, best))
    for name in ("qemu", "strace", "native"):
        if name in runs and name != best:
            figures.append(
                Figure(f"the same, {name}", None, "ms", "", None, runs[name].seconds * 1e3, name)
            )
    return figures


def syscall_costs(programs: dict[str, Path], others: dict[str, Runner]) -> list[Figure]:
    sizes = {
        "strace": (10_000, 60_000),
        "qemu": (10_000, 1_010_000),
        "qiling": (1000, 11_000),
        "qiling traced": (1000, 11_000),
    }
    jobs = {name: Job(runner, *sizes[name]) for name, runner in others.items()}
    jobs["traced"] = Job(youcpu_traced, 10_000, 60_000)
    jobs["quiet"] = Job(youcpu_quiet, 10_000, 110_000)
    cost = {name: each * 1e6 for name, each in costs_of_one(programs["syscalls"], jobs).items()}
    figures = [
        Figure("one traced syscall", cost["traced"], "us", "<= 15, < strace",
               cheaper_and_at_most(15), cost.get("strace"), "strace"),
        Figure("one untraced syscall", cost["quiet"], "us", "<= 8", at_most(8),
               cost.get("qemu"), "qemu"),
    ]  # fmt: skip
    for name in ("qiling traced", "qiling"):
        if name in cost:
            figures.append(Figure(f"the same, {name}", None, "us", "", None, cost[name], name))
    return figures


def fault_costs(programs: dict[str, Path], others: dict[str, Runner]) -> list[Figure]:
    figures = []
    for program, label in (("first_touch", "first touch"), ("touch_again", "after MADV_DONTNEED")):
        jobs = {"ours": Job(youcpu_quiet, 640, 32_640)}
        if "qemu" in others:
            jobs["qemu"] = Job(others["qemu"], 640, 64_640)
        cost = costs_of_one(programs[program], jobs)
        ours, theirs = cost["ours"] * 1e6, cost["qemu"] * 1e6 if "qemu" in cost else None
        what = f"one page fault, {label}"
        figures.append(Figure(what, ours, "us", "<= 20", at_most(20), theirs, "qemu"))
    return figures


def loop_speeds(programs: dict[str, Path], others: dict[str, Runner]) -> list[Figure]:
    figures = []
    for program, what, turns, limit in (
        ("alu_mixed", "2e9 instructions, loop of 10", 200_000_000, 2.0),
        ("alu_tight", "4e8 instructions, loop of 2", 200_000_000, 2.0),
        ("loads_stores", "20 M loads and 20 M stores", 20_000_000, 4.0),
    ):
        jobs = {"ours": Job(youcpu_quiet, 0, turns)}
        if "qemu" in others:
            jobs["qemu"] = Job(others["qemu"], 0, turns)
        cost = costs_of_one(programs[program], jobs)
        ours, theirs = cost["ours"] * turns, cost["qemu"] * turns if "qemu" in cost else None
        target = f"<= {limit:.0f} x qemu"
        figures.append(Figure(what, ours, "s", target, at_most_times(limit), theirs, "qemu"))
    return figures


def memory_growth(programs: dict[str, Path], others: dict[str, Runner]) -> list[Figure]:
    def peak(runner: Runner, count: int) -> float:
        return measure(runner([str(programs["syscalls"]), str(count)])).peak_mb

    ours = peak(youcpu_quiet, 1_000_000) - peak(youcpu_quiet, 100_000)
    traced = peak(youcpu_traced, 1_000_000) - peak(youcpu_traced, 100_000)
    figures = [
        Figure("growth, 100 k to 1 M syscalls", ours, "MB", "<= 2", at_most(2)),
        Figure("the same, traced", traced, "MB", "<= 2", at_most(2)),
    ]
    if "qiling" in others:
        # A hundredth of it, scaled: all of it would take a minute.
        theirs = (peak(others["qiling"], 20_000) - peak(others["qiling"], 11_000)) * 100
        figures.append(Figure("the same, qiling (scaled)", None, "MB", "", None, theirs, "qiling"))
    return figures


SECTIONS = (whole_command, syscall_costs, fault_costs, loop_speeds, memory_growth)


def line(figure: Figure) -> str:
    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:.3g} {figure.unit}"

    ratio = f"{figure.ours / figure.peer:.2f}" if figure.ours is not None and figure.peer else ""
    met = ""
    if figure.met and figure.ours is not None:
        met = "yes" if figure.met(figure.ours, figure.peer) else "**no**"
    peer = f"{shown(figure.peer)} ({figure.peer_name})" if figure.peer is not None else ""
    return f"| {figure.what} | {shown(figure.ours)} | {peer} | {ratio} | {figure.target} | {met} |"


def main() -> int:
    """Print the table, a line as soon as it is known. 0, whatever it says: speed is not a test."""
    if shutil.which("gcc") is None:
        print("bench: gcc is not installed; it builds the programs that are measured")
        return 1
    others, missing = peers()
    for reason in missing:
        print(reason)
    print("| what | youcpu | peer | ratio | target | met |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        programs = build(Path(directory))
        for section in SECTIONS:
            for figure in section(programs, others):
                print(line(figure), flush=True)
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        run_module(path)
    return 0


def run_module(path: Path) -> None:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if hasattr(module, "main"):
        print(f"\n{path.stem}", flush=True)
        module.main()


if __name__ == "__main__":
    sys.exit(main())
