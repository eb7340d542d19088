"""What youcpu writes of a system call is what strace 6.1 writes, letter by letter.

A small C program makes some 800 calls under strace, on memory of known content. The same
registers, memory and results go through youcpu's markers and renderer. Compared with: strace
6.1 on this host; no emulation takes part.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import strace_cases_control
import strace_cases_file
import strace_cases_process
from strace_calls import BASE, REGION, Case, Recorder, build, call, ints, quads

from youcpu.abi.args import Capture
from youcpu.abi.syscalls import syscall_name
from youcpu.kernel.syscalls import load_all
from youcpu.kernel.syscalls.table import SYSCALLS, unknown
from youcpu.render.strace.lines import LineOptions, StraceSink
from youcpu.render.strace.values import Style
from youcpu.trace.capture import enter, leave

FAMILIES = {
    "file": strace_cases_file.CASES,
    "control": strace_cases_control.CASES,
    "process": strace_cases_process.CASES,
}
#: What is not as strace has it, and why.
DIFFERENT = {
    "a signal set of a wrong size is shown all the same": call(
        "rt_sigprocmask", 0, BASE, BASE + 8, 16
    ),
    "seccomp's third argument is an address, whatever the operation": call("seccomp", 2, 0, BASE),
    "keyctl has no names": call("keyctl", 99, 1, 2, 3, 4),
    "values of socket options are addresses: there are no sockets": call(
        "setsockopt", 99, 1, 2, BASE, 4, memory=ints(1)
    ),
    "prctl options of ARM have no names for their arguments": call("prctl", 55, 1, 0, 0, 0),
}


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    for program in ("strace", "gcc"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    version = subprocess.run(["strace", "--version"], capture_output=True, text=True, check=True)
    if "version 6.1" not in version.stdout:
        pytest.skip("strace is not 6.1: another version writes other names")
    directory = tmp_path_factory.mktemp("calls")
    return Recorder(build(directory), directory)


def our_line(case: Case, limit: int = 32, verbose: bool = False) -> str:
    """The line that youcpu writes for a case that has been run."""
    row = SYSCALLS.get(case.number) or unknown(case.number, syscall_name(case.number))
    memory = case.memory.ljust(REGION, b"\0")

    def read(address: int, size: int) -> bytes:
        inside = BASE <= address < BASE + REGION
        return memory[address - BASE : address - BASE + size] if inside else b""

    capture = Capture(read, limit=limit, verbose=verbose)
    event = enter(row, case.raw, capture, 1, 0)
    memory = case.after
    leave(event, row, case.result, capture, 0)
    written: list[str] = []
    sink = StraceSink(written.append, LineOptions(Style(limit, verbose)))
    sink.emit(event)
    sink.close()
    return "".join(written).removesuffix("\n")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("options", ["", "-v", "-s 3"])
def test_lines_are_those_of_strace(
    recorder: Recorder, family: str, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    load_all()
    cases = FAMILIES[family]
    recorder.run(cases, tuple(options.split()))
    limit = 3 if options == "-s 3" else 32
    ours = [our_line(case, limit, options == "-v") for case in cases]
    theirs = [case.line for case in cases]
    different = [(a, b) for a, b in zip(theirs, ours, strict=True) if a != b]
    assert different == []
    assert len(cases) > 200


def test_known_differences_are_still_there(recorder: Recorder) -> None:
    load_all()
    cases = list(DIFFERENT.values())
    recorder.run(cases)
    assert [why for why, case in DIFFERENT.items() if case.line == our_line(case)] == []


def test_the_compiled_program_shows_what_it_was_given(recorder: Recorder) -> None:
    case = call("write", 1000, BASE, 3, memory=b"abc" + quads(1))
    recorder.run([case])
    assert case.line.startswith('write(1000, "abc", 3)')
    assert case.result == -9
    assert Path(recorder.directory, "strace.log").exists()
