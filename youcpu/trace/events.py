"""Events of a run: what the kernel and the machine tell whoever listens.

All have `pid` and `time_ns` (virtual CLOCK_REALTIME). `kind` is their name in JSON.
"""

from __future__ import annotations

from typing import ClassVar

from youcpu.abi.values import Remark, Struct
from youcpu.record import record


@record
class Event:
    """What all events have."""

    kind: ClassVar[str] = ""
    pid: int
    time_ns: int


@record
class SyscallEvent(Event):
    """One system call; `arguments` are values of abi/values.

    `result` is what the register holds, negative for -errno; None: it has not returned.
    `returned` is the value to show for it, `remark` what it means in words.
    """

    kind: ClassVar[str] = "syscall"
    number: int
    name: str
    raw: tuple[int, ...]
    #: (name, value) of each argument would repeat the names each time: they are in `names`.
    names: tuple[str, ...]
    arguments: list[object]
    result: int | None = None
    returned: object = None
    remark: Remark | None = None
    duration_ns: int = 0
    #: The `int 0x80` table was used.
    i386: bool = False

    @property
    def error(self) -> int:
        """errno, 0 if the call did not fail (or has not returned)."""
        result = self.result
        return -result if result is not None and -4096 < result < 0 else 0


@record
class BlockedEvent(Event):
    """A system call waits: others run meanwhile."""

    kind: ClassVar[str] = "blocked"
    call: SyscallEvent


@record
class SignalEvent(Event):
    """A signal is delivered to a task; `info` is the siginfo, its fields by name."""

    kind: ClassVar[str] = "signal"
    signal: int
    info: Struct


@record
class ExitEvent(Event):
    """A task is gone: by exit code, or by `signal`."""

    kind: ClassVar[str] = "exit"
    status: int = 0
    signal: int = 0
    core_dumped: bool = False
    #: A thread other than the last one of its program.
    thread: bool = False


@record
class ForkEvent(Event):
    """`pid` made `child`; `how` is the call's name."""

    kind: ClassVar[str] = "fork"
    child: int
    how: str
    thread: bool = False


@record
class SwitchEvent(Event):
    """The CPU goes from `pid` to `next_pid` (0: nobody can run). `reason`: blocked, slice, exit."""

    kind: ClassVar[str] = "switch"
    next_pid: int
    reason: str
    #: Basic blocks executed since power-on.
    blocks: int = 0


@record
class FaultEvent(Event):
    """A page fault and what satisfied it.

    `access`: read, write or execute. `outcome`: file (page cache), zero (the shared page of
    zeros), anon (a new page), shared (first write to a shared mapping), copy, reuse, spurious,
    signal; with limited RAM read (from its file), swap, swap_cache. `major`: something had to be
    read. `frame`: physical address of the page's frame, None without one.
    """

    kind: ClassVar[str] = "fault"
    address: int
    access: str
    user: bool
    ip: int
    outcome: str
    frame: int | None = None
    #: What is mapped there: a path, `[heap]`, `[stack]`.
    area: bytes = b""
    #: Offset in the file of the page, if it came from one.
    offset: int | None = None
    signal: int = 0
    #: copy and reuse: the frame that was there before, and the other tasks that still map it.
    source: int | None = None
    sharers: tuple[int, ...] = ()
    #: Something had to be read.
    major: bool = False


@record
class PagingEvent(Event):
    """What limited RAM did to the programs of a run, in pages; emitted before the end.

    `loads`: pages that came into memory, new ones too; `dropped`: evicted with nothing to write.
    """

    kind: ClassVar[str] = "paging"
    policy: str
    frames: int
    slots: int
    minor: int
    major: int
    loads: int
    file_reads: int
    swap_ins: int
    swap_outs: int
    dropped: int
    written: int
    most_frames: int
    most_slots: int


@record
class MemoryEvent(Event):
    """Pages of an address space when its last task ends.

    `private`: frames of its own; `shared`: private pages that others have too since a fork;
    `files`: pages of files and of shared memory; `zero`: the page of zeros; `tables`: frames
    of the page tables themselves.
    """

    kind: ClassVar[str] = "memory"
    private: int
    shared: int
    files: int
    zero: int
    tables: int


@record
class FrameUse:
    """One frame and who maps it: (pid, address) each. `backing`: a path, or anon."""

    frame: int
    backing: bytes
    users: tuple[tuple[int, int], ...]


@record
class FramesEvent(Event):
    """All frames of all programs at a moment."""

    kind: ClassVar[str] = "frames"
    frames: tuple[FrameUse, ...]


@record
class WakeEvent(Event):
    """A task became runnable: woken, or new."""

    kind: ClassVar[str] = "wake"


@record
class InstructionEvent(Event):
    """One instruction before it runs; registers only if someone asked for them."""

    kind: ClassVar[str] = "instruction"
    address: int
    code: bytes
    text: str
    #: `main+0x12`, empty if unknown.
    symbol: str = ""


@record
class MapLine:
    """One line of /proc/PID/maps."""

    start: int
    end: int
    #: `r-xp`
    rights: str
    offset: int = 0
    device: tuple[int, int] = (0, 0)
    inode: int = 0
    name: bytes = b""
    #: Pages in memory.
    resident: int = 0


@record
class MapsEvent(Event):
    """The address space at the end of a run."""

    kind: ClassVar[str] = "maps"
    lines: tuple[MapLine, ...]


@record
class EndEvent(Event):
    """The last event. `outcome`: exit (`status`), signal (`signal`) or errno (`errno`)."""

    kind: ClassVar[str] = "end"
    outcome: str
    status: int | None = None
    signal: int = 0
    errno: int = 0
    core_dumped: bool = False


@record
class PrintkEvent(Event):
    """A line of the kernel's log; `level` 0 to 7, `since_boot_ns` the time that it shows."""

    kind: ClassVar[str] = "printk"
    level: int
    since_boot_ns: int
    text: bytes


@record
class BootStepEvent(Event):
    """A step of the kernel's start: Linux's name of the function, and what it set up where.

    `values`: addresses, sizes in bytes, PIDs, paths; what each is its name says.
    """

    kind: ClassVar[str] = "boot_step"
    step: str
    values: dict[str, int | str | bytes]


@record
class SystemEndEvent(Event):
    """The machine stopped: `how` is power off, restart, halt or panic, `text` why it panicked."""

    kind: ClassVar[str] = "system_end"
    how: str
    text: str = ""


@record
class ExecEvent(Event):
    """A stage of execve(2): see trace/exec_stages for the kinds."""

    kind: ClassVar[str] = "exec"
    stage: ClassVar[str] = ""


@record
class LookupStage(ExecEvent):
    """Path lookup: what the name led to. `links`: each symlink on the way and its target."""

    stage: ClassVar[str] = "lookup"
    path: bytes
    resolved: bytes = b""
    links: tuple[tuple[bytes, bytes], ...] = ()
    mode: int = 0
    size: int = 0
    errno: int = 0


@record
class BinprmStage(ExecEvent):
    """struct linux_binprm when the search for a handler starts; `buffer` is 256 bytes."""

    stage: ClassVar[str] = "binprm"
    filename: bytes
    interp: bytes
    argc: int
    envc: int
    buffer: bytes
    #: Real and effective ids after set-user-ID bits.
    uid: int = 0
    euid: int = 0
    gid: int = 0
    egid: int = 0
    secure: bool = False


@record
class HandlerStage(ExecEvent):
    """A binary format was asked. `answer`: `loaded`, `ENOEXEC`, another errno, `again`.

    `reason`: what it saw, in a few words. `interpreter`: whom to run instead, for `again`.
    """

    stage: ClassVar[str] = "handler"
    format: str
    answer: str
    reason: str = ""
    interpreter: bytes = b""
    depth: int = 0


@record
class SegmentStage(ExecEvent):
    """A PT_LOAD mapped: addresses as mapped, `rights` as `r-x`."""

    stage: ClassVar[str] = "segment"
    path: bytes
    index: int
    start: int
    end: int
    offset: int
    rights: str
    file_size: int
    memory_size: int
    #: Load bias: what was added to p_vaddr.
    bias: int = 0


@record
class InterpreterStage(ExecEvent):
    """PT_INTERP: who loads the libraries."""

    stage: ClassVar[str] = "interpreter"
    path: bytes
    base: int
    entry: int


@record
class StackStage(ExecEvent):
    """The new stack, as the program finds it.

    `auxv`: (name, value, meaning in words); addresses of the arrays and of the strings.
    """

    stage: ClassVar[str] = "stack"
    top: int
    pointer: int
    argv: tuple[bytes, ...]
    envp: tuple[bytes, ...]
    auxv: tuple[tuple[str, int, str], ...]
    argv_address: int = 0
    envp_address: int = 0
    auxv_address: int = 0


@record
class RegistersStage(ExecEvent):
    """Registers at the first instruction."""

    stage: ClassVar[str] = "registers"
    registers: dict[str, int]


@record
class EntryStage(ExecEvent):
    """Where the first instruction is: of the program, or of its interpreter."""

    stage: ClassVar[str] = "entry"
    entry: int
    program_entry: int
    symbol: str = ""
    code: bytes = b""
    text: tuple[str, ...] = ()
