"""exec-trace with less RAM than the program touches: --ram, --swap and what belongs to them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from youcpu.kernel.mm.paging_limits import PagingLimits
from youcpu.launch import FAILED, Failure, Outcome, parse_bytes, run
from youcpu.machine import Machine, MachineOptions
from youcpu.options import Parsed, UsageError
from youcpu.record import replace
from youcpu.trace.tracer import Tracer

if TYPE_CHECKING:
    from youcpu.references import ReferenceRecorder
    from youcpu.trace.events import PagingEvent

POLICIES = ("fifo", "clock", "lru", "random")
DEFAULT_POLICY = "clock"
#: One instruction may touch several pages: fewer frames would never do (kernel/mm/reclaim.py).
LEAST_RAM, MOST_SWAP = 64 << 10, 1 << 40


def paging_limits(parsed: Parsed) -> PagingLimits | None:
    """What --ram and its companions ask for. Raises UsageError, Failure."""
    ram = parsed.value("ram")
    if ram is None:
        for name in ("swap", "page-replacement", "compare"):
            if parsed.flag(name):
                raise UsageError(f"--{name} wants --ram SIZE")
        return None
    policy = parsed.value("page-replacement") or DEFAULT_POLICY
    if policy not in POLICIES:
        raise UsageError(f"--page-replacement {policy}: one of {', '.join(POLICIES)}")
    if parsed.flag("compare") and parsed.values("rw"):
        raise UsageError("--compare runs the program several times: not with --rw")
    size = parse_bytes("--ram", ram, LEAST_RAM, MOST_SWAP)
    swap = parse_bytes("--swap", parsed.value("swap") or "0", 0, MOST_SWAP)
    return PagingLimits(size & -4096, swap & -4096, policy)


class Trial:
    """One run of the program with its output kept: in files, as a redirection would."""

    def __init__(self, options: MachineOptions, policy: str, stdin: int) -> None:
        assert options.paging is not None
        self.options = replace(options, paging=replace(options.paging, policy=policy))
        self.stdin = stdin
        self.outputs = [os.memfd_create(name) for name in ("stdout", "stderr")]
        self.recorder: ReferenceRecorder | None = None

    def run(self, path: bytes, argv: list[bytes], envp: list[bytes], record: bool) -> Outcome:
        """Run it; with `record` its reference string is kept."""
        machine = Machine(self.options, Tracer())
        try:
            os.lseek(self.stdin, 0, os.SEEK_SET)
            machine.standard_fds = (self.stdin, self.outputs[0], self.outputs[1])
            if record:
                from youcpu.references import ReferenceRecorder

                self.recorder = ReferenceRecorder(machine)
            outcome = run(machine, path, argv, envp)
            reclaim = machine.kernel.reclaim
            assert reclaim is not None
            self.counts: PagingEvent = reclaim.event(outcome.event.pid, outcome.event.time_ns)
            return outcome
        finally:
            if self.recorder is not None:
                self.recorder.close()
            machine.close()

    def output(self, index: int) -> bytes:
        """What the program wrote to stdout (0) or stderr (1)."""
        with open(os.dup(self.outputs[index]), "rb") as file:
            file.seek(0)
            return file.read()

    def close(self) -> None:
        """The outputs are not needed any more."""
        for fd in self.outputs:
            os.close(fd)


def _input_copy() -> int:
    """Standard input as a file that each run reads from its start."""
    copy = os.memfd_create("stdin")
    try:
        if not os.isatty(0):
            while data := os.read(0, 1 << 20):
                os.write(copy, data)
    except OSError:
        pass  # closed, or a directory: the program finds an empty file
    return copy


def compare(
    options: MachineOptions, path: bytes, argv: list[bytes], envp: list[bytes]
) -> tuple[Outcome, str]:
    """Run under every policy; the outcome under the chosen one, and the table. Raises Failure."""
    from youcpu.hardware.references import ReferencesUnavailable
    from youcpu.references import count_references, optimum
    from youcpu.render.paging import compare_text

    assert options.paging is not None
    chosen = options.paging.policy
    stdin = _input_copy()
    trials = [Trial(options, policy, stdin) for policy in sorted(POLICIES, key=chosen.__ne__)]
    try:
        outcomes = [trial.run(path, argv, envp, record=trial is trials[0]) for trial in trials]
        sys.stdout.buffer.write(trials[0].output(0))
        sys.stdout.flush()
        sys.stderr.buffer.write(trials[0].output(1))
        sys.stderr.flush()
        recorder = trials[0].recorder
        assert recorder is not None
        least = optimum(recorder.events, options.paging.ram >> 12)
        references = count_references(recorder.events)
        table = compare_text([trial.counts for trial in trials], least, references)
        if recorder.cut or recorder.ring.lost:
            table += "the program used more pages than are recorded: the optimum is too low\n"
        for trial in trials[1:]:
            if trial.output(0) != trials[0].output(0):
                table += f"{trial.counts.policy}: another output than under {chosen}\n"
        return outcomes[0], table
    except ReferencesUnavailable as error:
        raise Failure(f"--compare: {error}", FAILED) from None
    finally:
        for trial in trials:
            trial.close()
        os.close(stdin)
