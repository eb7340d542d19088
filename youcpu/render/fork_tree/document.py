"""The tree of processes as a JSON document: docs/schema/fork-tree.json."""

from __future__ import annotations

from youcpu.render.fork_tree.model import Exec, Fault, ForkTree, Process
from youcpu.render.fork_tree.text import named

Json = dict[str, object]
SCHEMA, VERSION = "youcpu.fork-tree", 1


def document(tree: ForkTree, cow: bool, frames: bool) -> Json:
    """All of a run; times are ns since its start."""
    names = {process.pid: name for process, name in named(tree)}
    answer: Json = {
        "schema": SCHEMA,
        "version": VERSION,
        "duration_ns": tree.end_ns - tree.start_ns,
        "processes": [_process(tree, process, names) for _, process in tree.walk()],
    }
    if cow:
        answer["cow"] = [
            _fault(tree, fault) for fault in tree.faults if fault.outcome in ("copy", "reuse")
        ]
    if frames:
        answer["frames_at_ns"] = max(0, tree.frames_ns - tree.start_ns)
        answer["frames"] = [
            {
                "frame": f"{use.frame << 12:#x}",
                "backing": _text(use.backing),
                "users": [{"pid": pid, "address": f"{page & -4096:#x}"} for pid, page in use.users],
            }
            for use in tree.frames
        ]
    return answer


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _process(tree: ForkTree, process: Process, names: dict[int, bytes]) -> Json:
    start = tree.start_ns
    memory = process.memory
    return {
        "pid": process.pid,
        "parent": process.parent,
        "how": process.how,
        "thread": process.thread,
        "name": _text(names[process.pid]),
        "execs": [_exec(start, exec_) for exec_ in process.execs],
        "start_ns": process.start_ns - start,
        "end_ns": None if process.end_ns is None else process.end_ns - start,
        "status": None if process.end_ns is None or process.signal else process.status,
        "signal": process.signal or None,
        "faults": dict(sorted(process.faults.items())),
        "memory": None
        if memory is None
        else {
            "private": memory.private,
            "shared": memory.shared,
            "files": memory.files,
            "zero": memory.zero,
            "tables": memory.tables,
        },
    }


def _exec(start: int, exec_: Exec) -> Json:
    return {
        "time_ns": exec_.time_ns - start,
        "path": _text(exec_.path),
        "argv": [_text(word) for word in exec_.argv],
    }


def _fault(tree: ForkTree, fault: Fault) -> Json:
    return {
        "pid": fault.pid,
        "time_ns": fault.time_ns - tree.start_ns,
        "page": f"{fault.address & -4096:#x}",
        "outcome": fault.outcome,
        "frame": None if fault.frame is None else f"{fault.frame:#x}",
        "source": None if fault.source is None else f"{fault.source:#x}",
        "owner": fault.owner or None,
        "sharers": list(fault.sharers),
        "area": _text(fault.area),
        "user": fault.user,
    }
