"""fork-tree --live: the processes of the host as its /proc shows them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import NamedTuple

from youcpu.options import Parsed, UsageError


class HostProcess(NamedTuple):
    """One process of the host."""

    pid: int
    ppid: int
    state: str
    threads: int
    name: str
    argv: tuple[str, ...]


def host_processes(proc: str = "/proc") -> dict[int, HostProcess]:
    """All processes that can be seen; those that end meanwhile are left out."""
    found = {}
    for entry in os.listdir(proc):
        if entry.isdigit():
            try:
                process = _read(proc, int(entry))
            except (OSError, ValueError, IndexError):
                continue
            found[process.pid] = process
    return found


def _read(proc: str, pid: int) -> HostProcess:
    with open(f"{proc}/{pid}/stat", "rb") as file:
        stat = file.read()
    # The name may hold anything, also ") ": it ends at the last parenthesis.
    left, right = stat.index(b"(") + 1, stat.rindex(b")")
    fields = stat[right + 2 :].split()
    with open(f"{proc}/{pid}/cmdline", "rb") as file:
        argv = file.read().rstrip(b"\0").split(b"\0")
    words = tuple(_clean(word) for word in argv if word)
    name = _clean(stat[left:right])
    return HostProcess(pid, int(fields[1]), fields[0].decode(), int(fields[17]), name, words)


def _clean(data: bytes) -> str:
    shown = data.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else "?" for char in shown)


def show_live(parsed: Parsed) -> int:
    """Print the tree of one PID, or of all. Raises UsageError."""
    processes = host_processes() if os.path.isdir("/proc/self") else {}
    if not processes:
        sys.stderr.write("youcpu fork-tree: /proc: this host shows no processes\n")
        return 1
    roots = [pid for pid, process in processes.items() if process.ppid not in processes]
    if parsed.operands:
        word = parsed.operands[0]
        if not word.isdigit():
            raise UsageError(f"{word}: a PID is wanted")
        if int(word) not in processes:
            sys.stderr.write(f"youcpu fork-tree: {word}: no such process\n")
            return 1
        roots = [int(word)]
    if parsed.flag("json"):
        chosen = [processes[pid]._asdict() for root in roots for pid in _below(processes, root)]
        answer = {"schema": "youcpu.fork-tree-live", "version": 1, "processes": chosen}
        sys.stdout.write(json.dumps(answer, indent=1) + "\n")
        return 0
    for root in sorted(roots):
        for line in _lines(processes, root):
            sys.stdout.write(line + "\n")
    return 0


def _children(processes: dict[int, HostProcess], pid: int) -> list[int]:
    return sorted(child.pid for child in processes.values() if child.ppid == pid != child.pid)


def _below(processes: dict[int, HostProcess], root: int) -> Iterator[int]:
    yield root
    for child in _children(processes, root):
        yield from _below(processes, child)


def _lines(processes: dict[int, HostProcess], root: int) -> Iterator[str]:
    """Depth first, with branches; a loop instead of recursion: trees may be deep."""
    stack = [("", "", root)]
    while stack:
        lead, deeper, pid = stack.pop()
        process = processes[pid]
        threads = f" [{process.threads} threads]" if process.threads > 1 else ""
        command = " ".join(process.argv) or f"[{process.name}]"
        yield f"{lead}{pid} {process.state} {process.name}{threads}  {command[:100]}"
        children = _children(processes, pid)
        for index, child in reversed(list(enumerate(children))):
            last = index == len(children) - 1
            branch, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
            stack.append((deeper + branch, deeper + below, child))
