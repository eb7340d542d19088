"""The tree of processes, compared with what strace -f sees on the host: forks, execs, ends."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import workspace
from side_by_side import ENVIRONMENT, NATIVE_SECONDS, find_program, run_native

COMMANDS = {
    "pipeline": ("bash", "-c", "ls | sort | head -2"),
    "subshells": ("bash", "-c", "(exit 3); (cd tree; (exit 4); true); echo $(echo hi)"),
    "jobs": ("bash", "-c", "sleep 0.1 & sleep 0.2 & wait; exit 5"),
    "killed": ("bash", "-c", "sleep 9 & kill $!; wait $!; sh -c 'kill -SEGV $$'; exit 1"),
    "dash": ("dash", "-c", "ls | cat; cat < words.txt | wc -l; exec sh -c 'exit 7'"),
    "busybox": ("busybox", "sh", "-c", "busybox ls | busybox wc -l; (exit 2)"),
    "xargs": ("xargs", "-n", "2", "echo"),
    "find": ("find", "tree", "-name", "*.txt", "-exec", "wc", "-c", "{}", ";"),
    "env": ("env", "nice", "timeout", "5", "sh", "-c", "exit 9"),
    "tar": ("tar", "-czf", "/dev/null", "tree"),
    "make": ("make", "-s", "-f", "/dev/stdin"),
    "perl": ("perl", "-e", "for (1..3) { exit $_ if !fork } 1 while wait > 0; system('true')"),
    "python": ("python3", "-c", "import subprocess; subprocess.run(['sh', '-c', 'exit 3'])"),
    "gcc": ("gcc", "-c", "-x", "c", "-o", "/dev/null", "/dev/null"),
    "sed": ("sed", "-n", "1e true", "pairs.txt"),
    "threads": ("xz", "-T2", "-kc", "words.txt"),
    "git": ("git", "--no-pager", "grep", "--no-index", "-c", "alpha", "tree"),
}
STDIN = {"xargs": b"a b c d e\n", "make": b"all: one two\none two:\n\t@echo $@ | cat\n"}
#: Nested: (how it was made, programs that it became, how it ended, children).
Tree = tuple[str, list[str], str, list[Any]]

_LINE = re.compile(r"(\d+) +(.*)")
_CALL = re.compile(r"(clone3?|v?fork|execve)\((.*)")
_RESUMED = re.compile(r"<\.\.\. (clone3?|v?fork|execve) resumed>(.*)")


class StraceTree:
    """Reads the output of strace -f."""

    def __init__(self, text: str) -> None:
        self.how: dict[int, str] = {}
        self.execs: dict[int, list[str]] = {}
        self.ends: dict[int, str] = {}
        self.children: dict[int, list[int]] = {}
        self.root = 0
        self._open: dict[int, str] = {}
        for line in text.splitlines():
            match = _LINE.match(line)
            if match:
                self._read(int(match[1]), match[2])

    def _read(self, pid: int, text: str) -> None:
        self.root = self.root or pid
        end = re.match(r"\+\+\+ (?:exited with (\d+)|killed by (\w+))", text)
        if end:
            self.ends[pid] = f"exit {end[1]}" if end[1] else end[2]
            return
        call, resumed = _CALL.match(text), _RESUMED.match(text)
        if call and "<unfinished" in text:
            self._open[pid] = call[2]
        elif call:
            self._done(pid, call[1], call[2])
        elif resumed:
            self._done(pid, resumed[1], self._open.pop(pid, "") + resumed[2])

    def _done(self, pid: int, name: str, text: str) -> None:
        result = re.search(r"= (-?\d+)[^=]*$", text)
        if not result or int(result[1]) < 0:
            return
        if name == "execve":
            path = re.match(r'"([^"]*)"', text)
            self.execs.setdefault(pid, []).append(path[1].rsplit("/", 1)[-1] if path else "?")
            return
        child = int(result[1])
        self.how[child] = "thread" if "CLONE_THREAD" in text else name
        self.children.setdefault(pid, []).append(child)

    def tree(self, pid: int = 0) -> Tree:
        pid = pid or self.root
        return (
            self.how.get(pid, ""),
            self.execs.get(pid, []),
            self.ends.get(pid, "?"),
            [self.tree(child) for child in self.children.get(pid, [])],
        )


def tree_of(document: dict[str, Any]) -> Tree:
    """fork-tree's document in the same form."""
    from youcpu.abi.signal import signal_name

    by_parent: dict[int, list[dict[str, Any]]] = {}
    for process in document["processes"]:
        by_parent.setdefault(process["parent"], []).append(process)

    def below(process: dict[str, Any]) -> Tree:
        signal = process["signal"]
        end = signal_name(signal) if signal else f"exit {process['status']}"
        programs = [exec_["path"].rsplit("/", 1)[-1] for exec_ in process["execs"]]
        how = "thread" if process["thread"] else process["how"]
        return how, programs, end, [below(child) for child in by_parent.get(process["pid"], [])]

    (root,) = by_parent[0]
    return below(root)


@pytest.mark.parametrize("name", COMMANDS)
def test_tree_is_that_of_strace(name: str, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    program = find_program(COMMANDS[name][0])
    if strace is None or program is None:
        pytest.skip("strace or the program is not installed")
    room, argv = workspace.make(tmp_path / "w"), [program, *COMMANDS[name][1:]]
    trace = tmp_path / "trace"
    calls = "trace=fork,vfork,clone,clone3,execve"
    run_native(
        [strace, "-f", "-q", "-s", "4096", "-e", calls, "-o", str(trace), *argv],
        room,
        STDIN.get(name, b""),
    )
    native = StraceTree(trace.read_text())
    if not native.root:
        pytest.skip("strace may not trace here")
    report = tmp_path / "report.json"
    variables = [word for item in ENVIRONMENT.items() for word in ("--env", "=".join(item))]
    subprocess.run(
        [sys.executable, "-m", "youcpu", "fork-tree", "--json", "-o", str(report), "--clear-env",
         *variables, "--", *argv],
        cwd=room, input=STDIN.get(name, b""), capture_output=True, timeout=2 * NATIVE_SECONDS,
        check=False,
    )  # fmt: skip
    assert tree_of(json.loads(report.read_text())) == native.tree()
