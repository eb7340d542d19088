"""From the boot loader's last jump to the first program: init/main.c, init/do_mounts.c.

    start_kernel      memory from the firmware's map, descriptor tables, timer, mount tree
      rest_init       PID 1, and kthreadd as PID 2
        kernel_init   frees what the boot needed, then looks for an init:
                      rdinit= (/init), init=, /sbin/init, /etc/init, /bin/init, /bin/sh

A program that is run without a boot is executed the same way (kernel_execve), as PID 1000.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from youcpu.abi.e820 import E820_TYPE_RAM, E820Entry
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_FDCWD, O_RDWR
from youcpu.abi.signal import Sig
from youcpu.hardware.cpu import RSP
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binprm import ExecError, KernelArguments
from youcpu.kernel.exec.exec import do_execveat_common, finish
from youcpu.kernel.exec.load_elf import STACK_TOP, load_elf_image
from youcpu.kernel.exec.stages import stage_sink
from youcpu.kernel.kernel_half import CPU_ENTRY_AREA, DIRECT_MAP, KERNEL_TEXT, SYSCALL_ENTRY
from youcpu.kernel.kthread import kthreadd, unforked
from youcpu.kernel.panic import panic
from youcpu.kernel.printk import KERN_DEBUG, KERN_ERR, KERN_INFO, KERN_NOTICE, KERN_WARNING
from youcpu.kernel.rlimit import RLIMIT_STACK
from youcpu.kernel.signal import SigInfo, force_signal
from youcpu.kernel.task import RUNNING, Task, ThreadGroup
from youcpu.kernel.vfs.fdtable import FdTable
from youcpu.kernel.vfs.namei import LOOKUP_FOLLOW, path_lookup
from youcpu.kernel.vfs.open import do_open

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.params import BootParameters

#: The first MiB is the firmware's and the boot loader's: arch/x86 reserve_real_mode().
LOW_MEMORY = 1 << 20
#: Where the search ends, in order.
FALLBACK_INITS = (b"/sbin/init", b"/etc/init", b"/bin/init", b"/bin/sh")
NO_INIT = (
    "No working init found.  Try passing init= option to kernel. "
    "See Linux Documentation/admin-guide/init.rst for guidance."
)

Ranges = tuple[tuple[int, int], ...]


# -- any first program ---------------------------------------------------------------------------


def first_task(kernel: Kernel, group: ThreadGroup, files: FdTable, umask: int = 0o022) -> Task:
    """A task that is going to execute a program."""
    task = unforked(kernel, group, files, umask)
    kernel.tasks[group.pid] = task
    return task


def kernel_execve(
    task: Task, path: bytes, argv: Sequence[bytes], envp: Sequence[bytes], told: bool = True
) -> None:
    """Execute a program for a task of the kernel's making; `state` of the CPU is then its.

    `told`: the tracer gets the call. Raises KernelError (ExecError names the file at fault).
    """
    kernel = task.kernel
    probes, arguments, environment = kernel.probes, list(argv), list(envp)
    try:
        bprm = do_execveat_common(
            task,
            AT_FDCWD,
            path,
            KernelArguments(arguments),
            KernelArguments(environment),
            0,
            task.group.rlimits.soft(RLIMIT_STACK),
            load_elf_image,
            stage_sink(task),
        )
    except KernelError as error:
        if told:
            probes.first_exec(task, path, arguments, environment, STACK_TOP, -error.errno)
        raise
    finish(bprm)
    if told:
        pointer = kernel.cpu.state[RSP]
        probes.first_exec(task, path, arguments, environment, pointer, 0)
    task.state = RUNNING


# -- start_kernel --------------------------------------------------------------------------------


def usable_ranges(
    memory_map: Sequence[E820Entry], ram_size: int, limit: int | None, taken: Ranges = ()
) -> Ranges:
    """(first frame, frame behind) of what programs may have: usable, above 1 MiB, not `taken`.

    `limit`: mem=. `taken`: byte ranges that a boot loader still needs.
    """
    top = min(ram_size, limit or ram_size)
    holes = [(entry.address, entry.end) for entry in memory_map if entry.type != E820_TYPE_RAM]
    holes += [(0, LOW_MEMORY), *taken]
    ranges: list[tuple[int, int]] = []
    for entry in sorted(memory_map, key=lambda entry: entry.address):
        if entry.type == E820_TYPE_RAM:
            ranges += _without(entry.address, min(entry.end, top), sorted(holes))
    return tuple(ranges)


def _without(start: int, end: int, holes: list[tuple[int, int]]) -> Ranges:
    """Whole frames of a byte range that no hole touches."""
    parts = []
    for hole_start, hole_end in holes:
        if hole_end > start and hole_start < end:
            parts.append((start, hole_start))
            start = hole_end
    parts.append((start, end))
    frames = [(-(-first >> PAGE_SHIFT), last >> PAGE_SHIFT) for first, last in parts]
    return tuple((first, last) for first, last in frames if first < last)


def start_kernel(
    kernel: Kernel, memory_map: Sequence[E820Entry], parameters: BootParameters
) -> None:
    """Say what was set up and where; rest_init() is next. Raises SystemEnd.

    The tables themselves lie in RAM since `Kernel` was made (kernel_half.py).
    """
    log, half, step = kernel.printk, kernel.kernel_half, kernel.probes.boot_step
    log.console_loglevel = parameters.loglevel
    log.ignore_loglevel = parameters.ignore_loglevel
    kernel.panic_timeout = parameters.panic_timeout
    kernel.command_line = parameters.line
    if parameters.hostname is not None:
        kernel.hostname = parameters.hostname
    line = parameters.line.decode("utf-8", "surrogateescape")
    log.printk(KERN_NOTICE, kernel.banner().rstrip(b"\n"))
    log.printk(KERN_INFO, f"Command line: {line}")
    step("start_kernel", command_line=parameters.line)
    _setup_arch(kernel, memory_map)
    log.printk(KERN_NOTICE, f"Kernel command line: {line}")
    if parameters.unknown and parameters.too_many is None:
        words = b" ".join(parameters.unknown).decode("utf-8", "surrogateescape")
        log.printk(
            KERN_NOTICE,
            f'Unknown kernel command line parameters "{words}", will be passed to user space.',
        )
    step(
        "trap_init", idt=CPU_ENTRY_AREA, idt_frame=half.idt_frame << PAGE_SHIFT,
        gates=len(half.vectors), gdt=CPU_ENTRY_AREA + 0x1000,
        gdt_frame=half.gdt_frame << PAGE_SHIFT,
    )  # fmt: skip
    step(
        "cpu_init", tss=CPU_ENTRY_AREA + 0x3000, tss_frame=half.tss_frame << PAGE_SHIFT,
        rsp0=half.stack_address, lstar=KERNEL_TEXT + SYSCALL_ENTRY,
    )  # fmt: skip
    _mm_init(kernel)
    step("time_init", clocksource="blocks", monotonic_ns=kernel.clock.monotonic_ns())
    if parameters.too_many is not None:
        what, word = parameters.too_many
        panic(kernel, f"Too many boot {what} vars at `{word.decode('utf-8', 'replace')}'")


def _setup_arch(kernel: Kernel, memory_map: Sequence[E820Entry]) -> None:
    """The memory map, as e820__print_table() prints it, and the new page tables."""
    log = kernel.printk
    log.printk(KERN_INFO, "BIOS-provided physical RAM map:")
    for entry in memory_map:
        log.printk(
            KERN_INFO,
            f"BIOS-e820: [mem {entry.address:#018x}-{max(entry.end - 1, 0):#018x}] {entry.name}",
        )
    log.printk(KERN_INFO, "NX (Execute Disable) protection: active")
    root = kernel.kernel_half.root << PAGE_SHIFT
    usable = sum(entry.size for entry in memory_map if entry.type == E820_TYPE_RAM)
    kernel.probes.boot_step(
        "setup_arch", memory=usable, first_frame=kernel.frames.first << PAGE_SHIFT,
        cr3=root, direct_map=DIRECT_MAP, kernel_text=KERNEL_TEXT,
    )  # fmt: skip


def _mm_init(kernel: Kernel) -> None:
    frames = kernel.frames
    free, total = (count * (PAGE_SIZE >> 10) for count in (frames.available, frames.total))
    kernel.printk.printk(KERN_INFO, f"Memory: {free}K/{total}K available")
    kernel.probes.boot_step(
        "mm_init", free=free << 10, total=total << 10, zero_page=kernel.zero_frame << PAGE_SHIFT
    )


def rest_init(kernel: Kernel) -> Task:
    """PID 1, which will execute init, and PID 2, the parent of kernel threads."""
    init = first_task(kernel, kernel.init, FdTable())
    kernel.init.pgid = kernel.init.sid = 0
    kernel.init.unkillable = True
    init.comm = b"swapper/0"
    threads = kthreadd(kernel)
    kernel.first_pid = init.pid
    kernel.pid_allocated(threads.pid)
    kernel.probes.boot_step("rest_init", kernel_init=init.pid, kthreadd=threads.pid)
    return init


# -- kernel_init ---------------------------------------------------------------------------------


def kernel_init(task: Task, parameters: BootParameters) -> None:
    """PID 1: find a program to become. Raises SystemEnd where there is none."""
    kernel = task.kernel
    kernel.scheduler.start(task)
    kernel.probes.boot_step("kernel_init", pid=task.pid)
    early = _kernel_init_freeable(task, parameters)
    free_initmem(kernel)
    if early is not None:
        error = run_init_process(task, early, parameters)
        if not error:
            return
        kernel.printk.printk(KERN_ERR, f"Failed to execute {_text(early)} (error {error})")
    if parameters.init is not None:
        error = run_init_process(task, parameters.init, parameters)
        if error:
            panic(kernel, f"Requested init {_text(parameters.init)} failed (error {error}).")
        return
    for path in FALLBACK_INITS:
        error = run_init_process(task, path, parameters)
        if not error:
            return
        if error != -Errno.ENOENT:
            kernel.printk.printk(
                KERN_ERR,
                f"Starting init: {_text(path)} exists but couldn't execute it (error {error})",
            )
    panic(kernel, NO_INIT)


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _kernel_init_freeable(task: Task, parameters: BootParameters) -> bytes | None:
    """Open the console, see whether there is an early init; its path, None: there is none."""
    kernel = task.kernel
    console_on_rootfs(task)
    path = parameters.rdinit if parameters.rdinit is not None else b"/init"
    try:
        path_lookup(task, AT_FDCWD, path, LOOKUP_FOLLOW)
    except KernelError as error:
        if parameters.rdinit is not None:
            kernel.printk.printk(
                KERN_WARNING,
                f"check access for rdinit={_text(path)} failed: {-error.errno}, ignoring",
            )
    else:
        return path
    kernel.vfs.prepare_namespace()
    return None


def console_on_rootfs(task: Task) -> None:
    """/dev/console as descriptors 0, 1 and 2 of init."""
    kernel = task.kernel
    try:
        file = do_open(task, AT_FDCWD, b"/dev/console", O_RDWR)
    except KernelError:
        kernel.printk.printk(KERN_ERR, "Warning: unable to open an initial console.")
        return
    for fd in range(3):
        task.files.replace(fd, file)
    kernel.probes.boot_step("console_on_rootfs", device="/dev/console")


def free_initmem(kernel: Kernel) -> None:
    """What only the way here needed is memory like any other from now on."""
    freed = 0
    for start, end in kernel.boot_memory:
        for first, last in _without(start, end, []):
            kernel.frames.add(first, last)
            freed += last - first
    kernel.boot_memory = ()
    size = freed << PAGE_SHIFT
    kernel.printk.printk(KERN_INFO, f"Freeing boot loader memory: {size >> 10}K")
    kernel.probes.boot_step("free_initmem", size=size)


def run_init_process(task: Task, path: bytes, parameters: BootParameters) -> int:
    """Try to become a program: 0, or -errno and nothing has changed."""
    kernel = task.kernel
    argv = [path, *parameters.arguments]
    log = kernel.printk
    log.printk(KERN_INFO, b"Run %s as init process" % path)
    log.printk(KERN_DEBUG, "  with arguments:")
    for word in argv:
        log.printk(KERN_DEBUG, b"    " + word)
    log.printk(KERN_DEBUG, "  with environment:")
    for variable in parameters.environment:
        log.printk(KERN_DEBUG, b"    " + variable)
    kernel.probes.boot_step("run_init_process", path=path)
    try:
        kernel_execve(task, path, argv, parameters.environment)
    except ExecError as error:
        if error.fatal:
            # The search goes on, but whatever is found dies of this before it runs.
            force_signal(task, SigInfo(int(Sig.SIGSEGV)))
        return -error.errno
    except KernelError as error:
        return -error.errno
    return 0
