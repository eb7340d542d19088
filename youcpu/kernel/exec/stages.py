"""The stages of an exec as trace events: what bprm.stage() tells, typed for trace/events.py."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from youcpu.abi import auxv
from youcpu.formats.elf_exec import PF_R, PF_W, PF_X
from youcpu.hardware.memory import PAGE_SIZE
from youcpu.kernel.vfs.dcache import d_path
from youcpu.trace.events import (
    BinprmStage,
    EntryStage,
    Event,
    HandlerStage,
    InterpreterStage,
    LookupStage,
    RegistersStage,
    SegmentStage,
    StackStage,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from youcpu.kernel.exec.binprm import LinuxBinprm
    from youcpu.kernel.task import Task

_AUXV_NAMES = {
    value: name
    for name, value in vars(auxv).items()
    if name.startswith("AT_") and isinstance(value, int)
}


def stage_sink(task: Task) -> TraceStages | None:
    """Listener for do_execveat_common(), or None where nobody wants to know."""
    return TraceStages(task) if task.kernel.tracer.exec_stages else None


class TraceStages:
    """A StageSink that emits events. It remembers what a later stage has to say again."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.segments = 0
        self.depth = 0
        self.rewrite = b""
        self.bprm: LinuxBinprm | None = None
        self._events: dict[str, Callable[[dict[str, Any]], Event | None]] = {
            "open": self._open,
            "buffer": self._buffer,
            "rewrite": self._rewrite,
            "answer": self._answer,
            "accept": self._accept,
            "segment": self._segment,
            "loaded interpreter": self._loaded_interpreter,
            "stack": self._stack,
            "start": self._start,
        }

    def __call__(self, name: str, facts: dict[str, object]) -> None:
        make = self._events.get(name)
        event = make(facts) if make else None
        if event is not None:
            self.task.kernel.tracer.emit(event)

    def _now(self) -> tuple[int, int]:
        return self.task.pid, self.task.kernel.clock.realtime_ns()

    def _open(self, facts: dict[str, Any]) -> Event:
        file = facts["file"]
        return LookupStage(
            *self._now(),
            facts["path"],
            d_path(file.dentry, self.task.fs.root)[0],
            mode=file.inode.mode,
            size=file.inode.size,
        )

    def _buffer(self, facts: dict[str, Any]) -> Event:
        self.bprm = bprm = facts["bprm"]
        cred = self.task.cred
        self.depth = bprm.depth
        return BinprmStage(
            *self._now(),
            bprm.filename,
            bprm.interp,
            len(bprm.argv),
            len(bprm.envp),
            bprm.buf,
            cred.uid,
            cred.euid,
            cred.gid,
            cred.egid,
            cred.uid != cred.euid or cred.gid != cred.egid,
        )

    def _rewrite(self, facts: dict[str, Any]) -> None:
        self.rewrite = facts["interpreter"]

    def _answer(self, facts: dict[str, Any]) -> Event | None:
        if facts["errno"] is not None:
            answer = facts["errno"].name
        elif self.rewrite:
            answer = "again"
        else:
            return None
        interpreter, self.rewrite = self.rewrite, b""
        return HandlerStage(
            *self._now(), facts["handler"], answer, facts["reason"], interpreter, self.depth
        )

    def _accept(self, facts: dict[str, Any]) -> Event:
        reason, handler = facts["reason"], facts["handler"]
        return HandlerStage(*self._now(), handler, "loaded", reason, b"", self.depth)

    def _segment(self, facts: dict[str, Any]) -> Event:
        index, self.segments = self.segments, self.segments + 1
        flags, vaddr, start = facts["flags"], facts["vaddr"], facts["address"]
        bias = start - (vaddr & -PAGE_SIZE)
        end = (vaddr + bias + facts["memsz"] + PAGE_SIZE - 1) & -PAGE_SIZE
        rights = "".join(
            letter if flags & bit else "-"
            for letter, bit in zip("rwx", (PF_R, PF_W, PF_X), strict=True)
        )
        return SegmentStage(
            *self._now(),
            facts["path"],
            index,
            start,
            end,
            facts["offset"],
            rights,
            facts["filesz"],
            facts["memsz"],
            bias,
        )

    def _loaded_interpreter(self, facts: dict[str, Any]) -> Event:
        self.segments = 0
        return InterpreterStage(*self._now(), facts["path"], facts["base"], facts["entry"])

    def _stack(self, facts: dict[str, Any]) -> Event:
        bprm = self.bprm
        assert bprm is not None
        words = list(struct.iter_unpack("<QQ", facts["auxv"]))
        pointer = facts["pointer"]
        argv_at = pointer + 8
        envp_at = argv_at + 8 * (len(bprm.argv) + 1)
        return StackStage(
            *self._now(),
            facts["top"],
            pointer,
            tuple(bprm.argv),
            tuple(bprm.envp),
            tuple((_AUXV_NAMES.get(kind, f"AT_{kind}"), value, "") for kind, value in words),
            argv_at,
            envp_at,
            envp_at + 8 * (len(bprm.envp) + 1),
        )

    def _start(self, facts: dict[str, Any]) -> Event:
        registers = RegistersStage(
            *self._now(),
            {"rip": facts["entry"], "rsp": facts["stack"], "rflags": 0x202, "cs": 0x33, "ss": 0x2B},
        )
        self.task.kernel.tracer.emit(registers)
        return EntryStage(*self._now(), facts["entry"], facts["program_entry"])
