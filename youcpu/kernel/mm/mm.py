"""Address space of a process: struct mm_struct, mm/memory.c's unmapping, brk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.pte import decode_swap
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE, FrameAllocator
from youcpu.hardware.paging import PTE_A, PTE_ADDRESS, PTE_D, PTE_NX, PTE_P, PTE_U, PTE_W
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.page_table import PTE_PROTNONE, PageTable, entry_frame
from youcpu.kernel.mm.vm_area import VM_EXEC, VM_RIGHTS, VM_SHARED, VM_WRITE, VmArea, VmAreas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from youcpu.kernel.mm.page_cache import AddressSpace
    from youcpu.kernel.mm.reclaim import Reclaim
    from youcpu.kernel.vfs.file import File

#: End of user addresses with 4-level tables (TASK_SIZE_MAX): the last page stays unused.
TASK_SIZE = 0x7FFF_FFFF_F000
#: vm.mmap_min_addr, as an upstream kernel has it; Debian raises it to 65536.
MMAP_MIN_ADDR = 0x1000
#: Where mappings start with ADDR_COMPAT_LAYOUT, and where they go on when the top is full.
TASK_UNMAPPED_BASE = (TASK_SIZE // 3 + PAGE_SIZE - 1) & -PAGE_SIZE
#: vm.max_map_count
MAX_MAP_COUNT = 65530


class MM:
    """vm_areas and page tables of one process.

    `zero_frame` is the page of zeros that all reads of untouched memory share; it is not
    counted. `stale_tlb` and `stale_code` say what must be flushed before the program runs.
    """

    def __init__(self, frames: FrameAllocator, zero_frame: int, kernel_half: list[int]) -> None:
        self.frames = frames
        self.ram = frames.ram
        self.zero_frame = zero_frame
        self.page_table = PageTable(frames, kernel_half)
        self.leaf_tables = self.page_table.leaf_tables
        self.areas = VmAreas()
        self.users = 1
        #: How the last fault that the kernel made on behalf of a task was served.
        self.last_outcome = ""
        self.stale_tlb = False
        self.stale_code = False
        #: Takes pages away where RAM for them is limited; None: there is enough.
        self.reclaim: Reclaim | None = None
        #: Frames that were mapped executable; reusing one needs a flush of translations.
        self.code_frames: set[int] = set()
        self.mmap_base = TASK_SIZE
        #: mmap_is_legacy(): from mmap_base upwards instead of down.
        self.bottom_up = False
        self.start_brk = self.brk = 0
        self.start_code = self.end_code = self.start_data = self.end_data = 0
        self.start_stack = 0
        self.arg_start = self.arg_end = self.env_start = self.env_end = 0
        self.auxv = b""
        self.exe_file: File | None = None
        self.total_vm = 0  # pages
        self.vdso = 0
        #: Soft RLIMIT_STACK, RLIMIT_DATA, RLIMIT_AS in bytes; kept here by setrlimit.
        self.stack_limit = 8 << 20
        self.address_limit = (1 << 64) - 1
        self.data_limit = (1 << 64) - 1
        #: What MAP_FIXED may not go below: 0 for CAP_SYS_RAWIO, cap_mmap_addr().
        self.lowest_fixed = MMAP_MIN_ADDR
        self.executable_stack = False
        self.read_implies_exec = False
        self.dumpable = 1

    @property
    def cr3(self) -> int:
        """Physical address of the root table."""
        return self.page_table.root << PAGE_SHIFT

    def area_name(self, area: VmArea) -> str:
        """What /proc/PID/maps calls an area that maps no file: get_vma_name()."""
        if area.name or area.file is not None:
            return area.name
        if area.start < self.brk and area.end > self.start_brk:
            return "[heap]"
        if area.start <= self.start_stack <= area.end:
            return "[stack]"
        return ""

    def vm_areas(self) -> Iterator[VmArea]:
        """All areas in order of their addresses."""
        return iter(self.areas)

    def set_exe_file(self, file: File | None) -> None:
        """The program's file: nobody may write it while it runs (exe_file_deny_write_access)."""
        if file is not None:
            file.refs += 1
            file.inode.writecount -= 1
        self.exe_file = file

    # -- leaf entries ----------------------------------------------------------------------

    def zap_range(self, start: int, end: int) -> int:
        """Clear all leaf entries in [start, end) and give their frames back; how many."""
        pages = 0
        if self.reclaim is not None:
            self.reclaim.before_change()
        quads, put = self.ram.quads, self.frames.put
        zero = self.zero_frame
        for _, slot, entry in self.page_table.entries(start, end):
            quads[slot] = 0
            frame = entry_frame(entry)
            if not frame:
                self._put_swap(entry)
            elif frame != zero:
                pages += 1
                if entry & PTE_A and self.reclaim is not None:
                    self.reclaim.zapped_young(frame)
                if not entry & PTE_NX:
                    self._forget_code(frame)
                put(frame)
            self.stale_tlb = True
        return pages

    def _put_swap(self, entry: int) -> None:
        assert self.reclaim is not None
        self.reclaim.swap.put(decode_swap(entry))

    def _forget_code(self, frame: int) -> None:
        if self.frames.count(frame) == 1:
            self.stale_code = True

    def protect_range(self, area: VmArea, start: int, end: int) -> None:
        """Set the rights of the present entries in [start, end) to those of `area`."""
        quads = self.ram.quads
        for _, slot, entry in self.page_table.entries(start, end):
            if not entry_frame(entry):
                continue  # in swap: it gets its rights when it comes back
            new = self.entry_rights(area, entry)
            if new != entry:
                quads[slot] = new
                self.stale_tlb = True

    def entry_rights(self, area: VmArea, entry: int) -> int:
        """An existing entry with the rights that `area` gives now.

        A private page becomes writable only by a fault, which knows whether to copy.
        A shared page that was never written stays read-only: its first write marks it dirty.
        """
        frame = entry_frame(entry)
        entry &= PTE_A | PTE_D
        if not area.flags & VM_RIGHTS:
            return entry | ~(frame << PAGE_SHIFT) & PTE_ADDRESS | PTE_PROTNONE
        entry |= frame << PAGE_SHIFT | PTE_P | PTE_U
        if not area.flags & VM_EXEC:
            entry |= PTE_NX
        exclusive = area.flags & VM_SHARED or self.frames.count(frame) == 1
        if area.flags & VM_WRITE and entry & PTE_D and exclusive:
            entry |= PTE_W
        return entry

    def resident_pages(self) -> int:
        """Pages with a frame of their own or of a file: VmRSS."""
        empty = (0, self.zero_frame)
        return sum(
            entry_frame(entry) not in empty
            for _, _, entry in self.page_table.entries(0, TASK_SIZE + PAGE_SIZE)
        )

    def mapped_frame(self, address: int) -> int:
        """Frame that an address is mapped to, PROT_NONE included; 0 where there is none."""
        return entry_frame(self.page_table.entry(address))

    # -- areas -----------------------------------------------------------------------------

    def add_area(self, area: VmArea, merge_below: bool = True) -> VmArea:
        """Insert an area; its file is held. Raises ENOMEM beyond vm.max_map_count."""
        if len(self.areas) >= MAX_MAP_COUNT:
            raise KernelError(Errno.ENOMEM)
        if area.file is not None:
            area.file.refs += 1
            if area.file.inode.mapping is not None:
                area.file.inode.mapping.mappers.add(self)
        self.total_vm += area.size >> PAGE_SHIFT
        pieces = len(self.areas)
        merged = self.areas.insert(area, merge_below)
        if area.file is not None:
            # Each area holds one reference; merging gave some up.
            for _ in range(pieces + 1 - len(self.areas)):
                area.file.put()
        return merged

    def split_area(self, address: int) -> None:
        """Make a boundary at `address`. Raises EINVAL within [vdso] (special_mapping_split)."""
        across = self.areas.at(address)
        if across is not None and across.special is not None and across.start < address:
            raise KernelError(Errno.EINVAL)
        pieces = len(self.areas)
        self.areas.split(address)
        if len(self.areas) > pieces:
            area = self.areas.at(address)
            if area is not None and area.file is not None:
                area.file.refs += 1

    def unmap(self, start: int, end: int) -> None:
        """Remove every mapping in [start, end): do_vmi_munmap(). Raises ENOMEM on too many."""
        areas = self.areas.overlapping(start, end)
        if not areas or start >= end:
            return
        if areas[0].start < start and areas[-1].end > end and len(self.areas) >= MAX_MAP_COUNT:
            raise KernelError(Errno.ENOMEM)
        self.split_area(start)
        self.split_area(end)
        for area in self.areas.overlapping(start, end):
            self.areas.remove(area)
            self.total_vm -= area.size >> PAGE_SHIFT
            if area.file is not None:
                area.file.put()
        self.zap_range(start, end)
        # Tables may go up to the neighbours (free_pgtables): a table spans 2 MiB.
        near = self.areas.overlapping(max(0, start - (1 << 21)), start)
        floor = near[-1].end if near else start & -(1 << 21)
        above = self.areas.after(end)
        ceiling = min(above.start if above else TASK_SIZE + PAGE_SIZE, (end | 0x1FFFFF) + 1)
        self.page_table.free_tables(floor, ceiling)

    def unmap_mapping(self, mapping: AddressSpace, first: int) -> None:
        """A file lost its pages from index `first` on: unmap_mapping_range(), copies too."""
        for area in self.areas:
            if area.file is not None and area.file.inode.mapping is mapping:
                start = area.start + (max(0, first - area.pgoff) << PAGE_SHIFT)
                if start < area.end:
                    self.zap_range(start, area.end)

    def release(self) -> int:
        """The last user is gone: exit_mmap(). Pages that were in memory."""
        for area in list(self.areas):
            self.areas.remove(area)
            if area.file is not None:
                if area.file.inode.mapping is not None:
                    area.file.inode.mapping.mappers.discard(self)
                area.file.put()
        pages = self.zap_range(0, TASK_SIZE + PAGE_SIZE)
        self.page_table.release()
        if self.reclaim is not None:
            self.reclaim.forget_mm(self)
        if self.exe_file is not None:
            self.exe_file.inode.writecount += 1
            self.exe_file.put()
            self.exe_file = None
        return pages

    # -- access from the kernel --------------------------------------------------------------

    def fault_in(self, address: int, write: bool) -> int | None:
        """Physical address after the fault is served, None where it cannot be (EFAULT)."""
        from youcpu.kernel.mm.fault import BadAccess, handle_mm_fault

        if address > TASK_SIZE:
            return None
        entry = self.page_table.entry(address)
        if not entry & PTE_P or (write and not entry & PTE_W):
            try:
                self.last_outcome = handle_mm_fault(self, address, write=write)
            except BadAccess:
                return None
            entry = self.page_table.entry(address)
        if write and not entry & PTE_NX:
            self.stale_code = True
        if self.reclaim is not None:
            self.reclaim.touched(self, address, write)
        return (entry & PTE_ADDRESS) | (address & (PAGE_SIZE - 1))
