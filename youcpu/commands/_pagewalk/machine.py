"""A program on our own machine as a source: its real tables at a moment of its run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from youcpu.commands._pagewalk.space import Area, Space
from youcpu.hardware.cpu import CR0, CR4, EFER
from youcpu.hardware.memory import PAGE_SHIFT
from youcpu.hardware.paging import FlatMemory, PagingRegisters
from youcpu.kernel.kernel_half import CPU_ENTRY_AREA, DIRECT_MAP, KERNEL_TEXT
from youcpu.kernel.vfs.dcache import d_path
from youcpu.launch import Failure, environment, find_program, run
from youcpu.machine import Machine, MachineOptions
from youcpu.moments import Moment, Stopped, Watch
from youcpu.render.pagewalk_view import SourceView

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

FORMAT = "youcpu's machine"
#: Pages of the cpu_entry_area: kernel/kernel_half.py.
ENTRY_AREA_NAMES = ("[IDT]", "[GDT]", "[entry stack]", "[TSS]")


class ProgramRun:
    """One run of a program that stops at moments; close() ends it."""

    def __init__(self, words: list[str], options: MachineOptions, clear_env: bool = False) -> None:
        self.words = words
        self.envp = environment([], clear_env)
        self.path = find_program(words[0], self.envp, os.fsdecode(options.rootfs))
        self.machine = Machine(options)
        #: The one that ran at the moment reached last.
        self.task: Task | None = None

    def spaces(self, moments: list[Moment]) -> list[list[Space]]:
        """The address spaces at each moment, that of the task that runs first. Raises Failure.

        At the last one the machine stands still; of the ones before, RAM is copied.
        """
        found: list[list[Space]] = []
        watches: list[Watch] = []

        def prepare(machine: Machine) -> None:
            # The program's own output is not ours.
            task = machine.kernel.tasks[machine.first_pid]
            errors = task.files.files.get(2)
            if errors is not None:
                task.files.replace(1, errors)
            self._next(moments, found, watches)

        argv = [os.fsencode(word) for word in self.words]
        try:
            outcome = run(self.machine, self.path, argv, self.envp, prepared=prepare)
        except Stopped:
            return found
        text = outcome.message or "the program ended"
        if watches:
            text += f" before {watches[-1].moment.text}"
        raise Failure(text)

    def _next(self, moments: list[Moment], found: list[list[Space]], watches: list[Watch]) -> None:
        moment = moments[len(found)]

        def reached(task: Task) -> None:
            last = len(found) + 1 == len(moments)
            self.task = task
            found.append(self._frozen(task, moment, last))
            if last:
                raise Stopped
            self._next(moments, found, watches)

        watches.append(Watch(self.machine, moment, reached))

    def _frozen(self, task: Task, moment: Moment, last: bool) -> list[Space]:
        memory = self.machine.ram.bytes
        if not last:
            memory = memoryview(bytes(memory[: self.machine.kernel.frames.highest << PAGE_SHIFT]))
        return machine_spaces(self.machine, task, FlatMemory(memory), f"at {moment.text}")

    def close(self) -> None:
        """Give the machine's memory back."""
        self.machine.close()


def chosen_first(spaces: list[Space], pid: int | None) -> list[Space]:
    """The space of one process ahead of the others. Raises Failure."""
    if pid is None:
        return spaces
    label = f"pid {pid}"
    chosen = [space for space in spaces if space.label == label]
    if not chosen:
        there = ", ".join(space.label for space in spaces)
        raise Failure(f"no process {pid} then: {there}")
    return chosen + [space for space in spaces if space.label != label]


def machine_spaces(machine: Machine, current: Task, memory: FlatMemory, when: str) -> list[Space]:
    """An address space a process, that of `current` first."""
    tasks = {id(current.mm): current}
    for task in machine.kernel.tasks.values():
        if task.mm is not None:
            tasks.setdefault(id(task.mm), task)
    return [_space(machine, task, memory, when) for task in tasks.values()]


def _space(machine: Machine, task: Task, memory: FlatMemory, when: str) -> Space:
    state = machine.cpu.state
    registers = PagingRegisters(task.mm.cr3, state[CR0], state[CR4], state[EFER])
    mode = registers.mode
    label = f"pid {task.tgid}"
    view = SourceView(
        name=f"{os.fsdecode(task.comm)}, {label}",
        format=FORMAT,
        origin=when,
        mode=mode.name if mode else "no",
        registers={
            "cr0": registers.cr0,
            "cr3": registers.cr3,
            "cr4": registers.cr4,
            "efer": registers.efer,
        },
        cpus=1,
    )
    return Space(label, memory, registers, view, _user_areas(task) + _kernel_areas(machine))


def _user_areas(task: Task) -> list[Area]:
    areas = []
    for area in task.mm.vm_areas():
        name = task.mm.area_name(area) or "[anonymous]"
        if area.file is not None:
            name = os.fsdecode(d_path(area.file.dentry, task.fs.root)[0])
        areas.append(Area(area.start, area.end, name))
    return areas


def _kernel_areas(machine: Machine) -> list[Area]:
    """The kernel half of every address space: kernel/kernel_half.py."""
    areas = [Area(DIRECT_MAP, DIRECT_MAP + machine.ram.size, "[direct map of RAM]")]
    for number, name in enumerate(ENTRY_AREA_NAMES):
        start = CPU_ENTRY_AREA + (number << PAGE_SHIFT)
        areas.append(Area(start, start + (1 << PAGE_SHIFT), name))
    areas.append(Area(KERNEL_TEXT, KERNEL_TEXT + (1 << PAGE_SHIFT), "[kernel text]"))
    return areas
