"""The new image: fs/binfmt_elf.c load_elf_binary() from begin_new_exec() on, arch/x86/mm/mmap.c.

What fails here fails after the point of no return: the task dies of SIGSEGV.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.mman import MAP_FIXED, MAP_FIXED_NOREPLACE
from youcpu.abi.signal import Sig
from youcpu.formats.elf_exec import ET_DYN, ET_EXEC, PF_R, PF_W, PF_X, PT_LOAD
from youcpu.hardware.cpu import CR3, RIP, RSP
from youcpu.hardware.memory import PAGE_SIZE
from youcpu.kernel.cred import CAP_SYS_RAWIO
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binprm import ExecError
from youcpu.kernel.exec.creds import exec_credentials
from youcpu.kernel.exec.stack import ImageFacts, build_stack
from youcpu.kernel.exit import de_thread, mm_release, release_mm
from youcpu.kernel.mm.mm import MMAP_MIN_ADDR, TASK_SIZE, TASK_UNMAPPED_BASE
from youcpu.kernel.mm.mmap import MAY_ALL, get_unmapped_area, mmap_region, page_align
from youcpu.kernel.mm.uaccess import copy_to_user
from youcpu.kernel.mm.vm_area import (
    VM_ACCOUNT,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_READ,
    VM_WRITE,
    VmArea,
)
from youcpu.kernel.rlimit import RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK
from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.formats.elf_exec import ProgramHeader
    from youcpu.kernel.exec.binfmt_elf import ElfImage, ElfInterpreter
    from youcpu.kernel.exec.binprm import LinuxBinprm
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File

STACK_TOP = TASK_SIZE
#: setup_arg_pages(): the stack starts with this much room below its strings.
STACK_EXPAND = 128 << 10
ELF_ET_DYN_BASE = TASK_SIZE // 3 * 2
_GAP_MIN, _GAP_MAX = 128 << 20, TASK_SIZE // 6 * 5
_STACK_GUARD = 1 << 20
_STACK_RANDOM_PAGES = 0x3FFFFF
_MMAP_RANDOM_BITS = 28
_BRK_RANDOM_RANGE = 0x02000000
#: file_mmap_ok(): include/linux/fs.h; file systems may have a lower s_maxbytes.
MAX_LFS_FILESIZE = (1 << 63) - 1
_WORD = (1 << 64) - 1
MMAP_PAGE_ZERO = 0x0100000
READ_IMPLIES_EXEC = 0x0400000
ADDR_NO_RANDOMIZE = 0x0040000
ADDR_COMPAT_LAYOUT = 0x0200000


@record
class Placed:
    """Where the segments of one file went."""

    bias: int
    brk: int
    start_code: int
    end_code: int
    start_data: int
    end_data: int
    phdr: int


def load_elf_image(bprm: LinuxBinprm, image: ElfImage) -> None:
    """Replace the task's address space by the image. Raises ExecError."""
    task = bprm.task
    if image.flavour.bits != 64:
        raise ExecError(
            Errno.ENOEXEC, "loader", bprm.interp, "32-bit programs do not run here", bprm.role
        )
    bprm.stage("point of no return", path=bprm.interp)
    bprm.point_of_no_return = True
    try:
        _load(bprm, image, task)
    except KernelError as error:
        if isinstance(error, ExecError):
            raise
        raise ExecError(
            error.errno, "loader", bprm.interp, "its segments cannot be mapped", bprm.role
        ) from error


def _load(bprm: LinuxBinprm, image: ElfImage, task: Task) -> None:
    mm = _begin_new_exec(bprm, image, task)
    executable = bool(image.executable_stack)
    mm.executable_stack = executable
    stack_top = _setup_layout(task, mm)
    placed = _map_program(bprm, mm, image)
    # Unsigned long arithmetic: what is out of range wraps, and is looked at then.
    entry = (placed.bias + image.header.entry) & _WORD
    base = 0
    if image.interpreter is not None:
        interp_entry, base = _map_interpreter(bprm, mm, image.interpreter)
        bprm.stage("loaded interpreter", path=image.interpreter.path, base=base, entry=interp_entry)
        program_entry, entry = entry, interp_entry
    else:
        program_entry = entry
        if entry >= TASK_SIZE:
            raise ExecError(Errno.EINVAL, "loader", bprm.interp, "its entry is no user address")
    _set_brk(task, mm, image, placed)
    facts = ImageFacts(placed.phdr & _WORD, image.header.phnum, base, program_entry, 0)
    facts.vdso = mm.vdso = task.kernel.map_vdso(mm)
    if bprm.executable is not None:
        bprm.executable.refs += 1
        facts.execfd = task.files.install(bprm.executable)
        bprm.executable.put()
    _setup_stack(bprm, mm, stack_top, facts, executable)
    if task.personality & MMAP_PAGE_ZERO:
        try:
            get_unmapped_area(mm, 0, PAGE_SIZE, MAP_FIXED)
            mmap_region(mm, 0, PAGE_SIZE, VM_READ | VM_EXEC | MAY_ALL, None, 0)
        except KernelError:
            pass
    _start_thread(bprm, task, entry, mm.start_stack)
    bprm.stage("start", entry=entry, stack=mm.start_stack, program_entry=program_entry)


def _begin_new_exec(bprm: LinuxBinprm, image: ElfImage, task: Task) -> MM:
    """De-thread, new address space, close-on-exec, signal dispositions, name."""
    kernel = task.kernel
    task.cred = exec_credentials(bprm)
    mm = kernel.new_mm()
    limits = task.group.rlimits
    mm.lowest_fixed = 0 if task.cred.capable(CAP_SYS_RAWIO) else MMAP_MIN_ADDR
    mm.stack_limit = limits.soft(RLIMIT_STACK)
    mm.address_limit = limits.soft(RLIMIT_AS)
    mm.data_limit = limits.soft(RLIMIT_DATA)
    mm.set_exe_file(image.file)
    de_thread(task)
    if task.mm is not None:
        mm_release(task)
    old, task.mm = task.mm, mm
    kernel.activate_mm(mm)
    if old is not None:
        release_mm(task, old)
    kernel.on_exec(task)
    task.unshare_files()
    task.files.close_on_exec()
    task.sighand = task.sighand.copy()
    task.sighand.flush()
    task.altstack = (0, 2, 0)
    task.clear_child_tid = task.robust_list = 0
    task.comm = task.group.comm = bprm.comm
    task.group.did_exec = True
    task.group.exit_signal = int(Sig.SIGCHLD)
    task.rseq = (0, 0, 0)
    task.restart_block = None
    for timer in task.group.posix_timers.values():
        timer.cancel()
    task.group.posix_timers.clear()
    return mm


def _setup_layout(task: Task, mm: MM) -> int:
    """arch_pick_mmap_layout(): mmap_base; returns the stack's top."""
    random = None if task.personality & ADDR_NO_RANDOMIZE else task.kernel.aslr
    gap = mm.stack_limit + _STACK_GUARD
    top = STACK_TOP
    rnd = 0
    if random is not None:
        gap += (_STACK_RANDOM_PAGES << 12) + 4096
        top -= random.randrange(_STACK_RANDOM_PAGES + 1) << 12
        rnd = random.getrandbits(_MMAP_RANDOM_BITS) << 12
    gap = max(_GAP_MIN, min(gap, _GAP_MAX))
    mm.bottom_up = bool(task.personality & ADDR_COMPAT_LAYOUT)
    mm.mmap_base = TASK_UNMAPPED_BASE + rnd if mm.bottom_up else page_align(TASK_SIZE - gap - rnd)
    return top


def _rights(segment: ProgramHeader) -> int:
    return (
        (VM_READ if segment.flags & PF_R else 0)
        | (VM_WRITE if segment.flags & PF_W else 0)
        | (VM_EXEC if segment.flags & PF_X else 0)
    )


def total_mapping_size(loads: list[ProgramHeader]) -> int:
    """Bytes from the first page of the lowest segment to the end of the highest."""
    low = min(segment.vaddr for segment in loads) & -PAGE_SIZE
    return max(segment.vaddr + segment.memsz for segment in loads) - low


def _map_program(bprm: LinuxBinprm, mm: MM, image: ElfImage) -> Placed:
    header = image.header
    loads = [segment for segment in image.phdrs if segment.type == PT_LOAD]
    placed = Placed(0, 0, (1 << 64) - 1, 0, 0, 0, 0)
    total = 0
    for number, segment in enumerate(loads):
        flags = MAP_FIXED
        if not number and header.type == ET_DYN:
            total, flags = _choose_bias(bprm, mm, image, loads, placed)
        elif not number:
            flags = MAP_FIXED_NOREPLACE
        where = f"segment at {segment.vaddr:#x}"
        start = _elf_load(mm, image.file, segment, placed.bias, flags, total if not number else 0)
        if not number and header.type == ET_DYN and not flags & MAP_FIXED:
            placed.bias = start - (segment.vaddr & -PAGE_SIZE)
        bprm.stage(
            "segment", path=bprm.interp, vaddr=segment.vaddr, address=start,
            memsz=segment.memsz, filesz=segment.filesz, offset=segment.offset,
            flags=segment.flags,
        )  # fmt: skip
        # The address as the file says it, before the bias; an interpreter's after it.
        _check_segment(bprm, segment, 0, where)
        _account(placed, segment, header.phoff, header.phnum)
    if not loads:
        placed.start_code = 0
    return placed


def _choose_bias(
    bprm: LinuxBinprm, mm: MM, image: ElfImage, loads: list[ProgramHeader], placed: Placed
) -> tuple[int, int]:
    """Where an ET_DYN goes: (total size, mmap flags of its first segment)."""
    total = total_mapping_size(loads)
    if total <= 0:
        raise ExecError(Errno.EINVAL, "loader", bprm.interp, "its segments have no size")
    powers = [segment.align for segment in loads if segment.align & (segment.align - 1) == 0]
    alignment = max([PAGE_SIZE, *powers])
    first = loads[0].vaddr
    if image.interpreter is None:
        # Without an interpreter it is one itself (ld.so): among the libraries.
        if alignment > PAGE_SIZE:
            # Where it would go anyway, aligned down; something may be there already.
            start = get_unmapped_area(mm, 0, page_align(total), 0)
            placed.bias = ((start & -alignment) - first) & -PAGE_SIZE
            return total, MAP_FIXED_NOREPLACE
        placed.bias = -(first & -PAGE_SIZE)
        return total, 0
    base = ELF_ET_DYN_BASE
    random = None if bprm.task.personality & ADDR_NO_RANDOMIZE else bprm.task.kernel.aslr
    if random is not None:
        base += random.getrandbits(_MMAP_RANDOM_BITS) << 12
    base &= -alignment
    placed.bias = (base - first) & -PAGE_SIZE
    return total, MAP_FIXED_NOREPLACE


def _elf_load(mm: MM, file: File, segment: ProgramHeader, bias: int, flags: int, total: int) -> int:
    """elf_load(): file part, zeroed tail, anonymous rest. Returns the page it starts at."""
    address = segment.vaddr + bias
    start = address & -PAGE_SIZE
    inside = address - start
    rights = _rights(segment)
    if segment.filesz:
        if (segment.offset - inside) & (PAGE_SIZE - 1) or segment.offset < inside:
            raise KernelError(Errno.EINVAL)
        size = page_align(segment.filesz + inside)
        if segment.offset - inside + size >> 64:
            raise KernelError(Errno.EINVAL)
        if segment.offset - inside + size > MAX_LFS_FILESIZE:
            raise KernelError(Errno.EOVERFLOW)
        start = get_unmapped_area(mm, start, page_align(total) if total else size, flags)
        pgoff = (segment.offset - inside) >> 12
        if total > size:
            # The whole span is taken first, so that nothing else goes between the segments.
            check = get_unmapped_area(mm, start, page_align(total), MAP_FIXED)
            assert check == start
        file.mmap(False, False)
        mmap_region(mm, start, size, rights | MAY_ALL, file, pgoff)
        address = start + inside
        if segment.memsz > segment.filesz:
            _clear_tail(mm, address + segment.filesz, start + size, rights)
        tail = start + size
    else:
        start = get_unmapped_area(
            mm, start, page_align(total or (segment.memsz + inside) or PAGE_SIZE), flags
        )
        address = start + inside
        tail = start
    end = page_align(address + segment.memsz)
    if segment.memsz > segment.filesz and end > tail:
        get_unmapped_area(mm, tail, end - tail, MAP_FIXED)
        area_rights = VM_READ | VM_WRITE | (rights & VM_EXEC)
        mmap_region(mm, tail, end - tail, area_rights | MAY_ALL, None, 0)
    return start


def _clear_tail(mm: MM, start: int, end: int, rights: int) -> None:
    """padzero(): the rest of the last file page; a failure on a read-only segment is ignored."""
    if start >= end or not rights & VM_WRITE:
        return
    physical = mm.fault_in(start, True)
    if physical is None:
        raise KernelError(Errno.EFAULT)
    size = min(end - start, PAGE_SIZE - (start & (PAGE_SIZE - 1)))
    mm.ram.bytes[physical : physical + size] = bytes(size)


def _check_segment(bprm: LinuxBinprm, segment: ProgramHeader, bias: int, where: str) -> None:
    start = segment.vaddr + bias
    if (
        start >= TASK_SIZE
        or segment.filesz > segment.memsz
        or segment.memsz > TASK_SIZE
        or TASK_SIZE - segment.memsz < start
    ):
        raise ExecError(
            Errno.EINVAL, "loader", bprm.interp, f"{where} does not fit in memory", bprm.role
        )


def _account(placed: Placed, segment: ProgramHeader, phoff: int, phnum: int) -> None:
    """start_code, end_data, brk and the program headers' address from one segment."""
    start = segment.vaddr + placed.bias
    if segment.offset <= phoff < segment.offset + segment.filesz:
        placed.phdr = phoff - segment.offset + start
    if segment.flags & PF_X:
        placed.start_code = min(placed.start_code, start)
        placed.end_code = max(placed.end_code, start + segment.filesz)
    placed.start_data = max(placed.start_data, start)
    placed.end_data = max(placed.end_data, start + segment.filesz)
    placed.brk = max(placed.brk, start + segment.memsz)


def _map_interpreter(bprm: LinuxBinprm, mm: MM, interpreter: ElfInterpreter) -> tuple[int, int]:
    """load_elf_interp(): (entry, base)."""
    header = interpreter.header
    assert header is not None
    loads = [segment for segment in interpreter.phdrs if segment.type == PT_LOAD]
    if header.type not in (ET_EXEC, ET_DYN) or not loads:
        raise ExecError(
            Errno.EINVAL, "loader", interpreter.path, "it has nothing to load", "ELF interpreter"
        )
    total = total_mapping_size(loads)
    bias = 0
    for number, segment in enumerate(loads):
        flags = MAP_FIXED
        if not number and header.type == ET_DYN:
            bias, flags = -(segment.vaddr & -PAGE_SIZE), 0
        start = _elf_load(mm, interpreter.file, segment, bias, flags, total if not number else 0)
        if not number and header.type == ET_DYN:
            bias = start - (segment.vaddr & -PAGE_SIZE)
        bprm.stage(
            "segment", path=interpreter.path, vaddr=segment.vaddr, address=start,
            memsz=segment.memsz, filesz=segment.filesz, offset=segment.offset,
            flags=segment.flags,
        )  # fmt: skip
        _check_segment(bprm, segment, bias, f"segment at {segment.vaddr:#x}")
    entry = (header.entry + bias) & ((1 << 64) - 1)
    if entry >= TASK_SIZE:
        raise ExecError(
            Errno.EINVAL, "loader", interpreter.path, "its entry is no user address",
            "ELF interpreter",
        )  # fmt: skip
    return entry, bias


def _set_brk(task: Task, mm: MM, image: ElfImage, placed: Placed) -> None:
    mm.start_code, mm.end_code = placed.start_code, placed.end_code
    mm.start_data, mm.end_data = placed.start_data, placed.end_data
    brk = page_align(placed.brk)
    if image.header.type == ET_DYN and image.interpreter is None:
        # ld.so run as a program: its brk must not run into the libraries.
        brk = page_align(ELF_ET_DYN_BASE)
    random = None if task.personality & ADDR_NO_RANDOMIZE else task.kernel.aslr
    if random is not None:
        brk = page_align(brk + random.randrange(_BRK_RANDOM_RANGE))
    mm.start_brk = mm.brk = brk


def _setup_stack(bprm: LinuxBinprm, mm: MM, top: int, facts: ImageFacts, executable: bool) -> None:
    """setup_arg_pages() and create_elf_tables()."""
    kernel = bprm.task.kernel
    gap = kernel.aslr.randrange(8192) if kernel.aslr is not None else 0
    stack = build_stack(bprm, top, facts, kernel.random.randbytes(16), gap)
    strings = stack.arg_start & -PAGE_SIZE
    start = max(strings - STACK_EXPAND, top - max(mm.stack_limit, top - strings) & -PAGE_SIZE)
    flags = VM_READ | VM_WRITE | VM_GROWSDOWN | VM_ACCOUNT | MAY_ALL
    if executable:
        flags |= VM_EXEC
    mm.add_area(VmArea(start, top, flags, start >> 12))
    copy_to_user(bprm.task, stack.pointer, stack.image)
    mm.start_stack = stack.pointer
    mm.arg_start, mm.arg_end = stack.arg_start, stack.arg_end
    mm.env_start, mm.env_end = stack.env_start, stack.env_end
    mm.auxv = stack.auxv
    bprm.stage("stack", pointer=stack.pointer, top=top, start=start, auxv=stack.auxv)


def _start_thread(bprm: LinuxBinprm, task: Task, entry: int, pointer: int) -> None:
    """ELF_PLAT_INIT and start_thread(): all registers zero but RIP, RSP, flags, CS, SS."""
    cpu = task.kernel.cpu
    cpu.load(task.kernel.kernel_half.user_state)
    state = cpu.state
    state[5:21] = memoryview(bytes(128)).cast("Q")
    state[RSP], state[RIP] = pointer, entry
    state[CR3] = task.mm.cr3
    cpu.set_eflags(0x202)
