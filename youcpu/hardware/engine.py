"""The engine: Unicorn's library on our RAM, its hooks and its caches.

Traps of Unicorn that shape the files of the CPU: docs/design/0002-unicorn.md, named (trap N).
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from typing import Any

from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.memory import Ram

#: Intel Nehalem: x86-64-v2, all of it in Unicorn's reach, and without RDRAND, whose
#: numbers would be the host's (trap 11).
CPU_MODEL_NEHALEM = 15


class Engine:
    """One Unicorn instance whose physical memory from 0 on is a Ram."""

    #: Which processor Unicorn plays (uc_cpu_x86).
    cpu_model = CPU_MODEL_NEHALEM
    #: Whether it is one of AMD's: SYSENTER and SYSCALL differ.
    amd = False

    def __init__(self, ram: Ram) -> None:
        self._library = library = uc.load()
        self._failure: BaseException | None = None
        self._keep: list[Any] = []
        self._stale_code = False
        #: stop() was called since run() began.
        self._stopping = False
        engine = ctypes.c_void_p()
        self._check(library.uc_open(uc.ARCH_X86, uc.MODE_64, ctypes.byref(engine)))
        self._engine = engine
        self._control(uc.CTL_CPU_MODEL, ctypes.c_int(self.cpu_model))
        # With exits enabled and none set no address is special, 0 neither (trap 12, 15).
        self._control(uc.CTL_USE_EXITS, ctypes.c_int(1))
        self.ram = ram
        address = ctypes.addressof(ctypes.c_char.from_buffer(ram.buffer))
        self._check(library.uc_mem_map_ptr(engine, 0, ram.size, uc.PROT_ALL, address))

    def _check(self, error: int) -> None:
        if error:
            raise uc.UnicornError(self._library.uc_strerror(error).decode())

    def _control(self, kind: int, *arguments: Any) -> None:
        control = ctypes.c_int(kind | len(arguments) << 26 | uc.CTL_WRITE)
        self._check(self._library.uc_ctl(self._engine, control, *arguments))

    def _add_hook(
        self, kind: int, callback: Any, *instruction: int, data: int = 0, at: int | None = None
    ) -> Any:
        handle = ctypes.c_size_t()
        self._keep.append(callback)
        self._check(
            self._library.uc_hook_add(
                self._engine,
                ctypes.byref(handle),
                ctypes.c_int(kind),
                ctypes.cast(callback, ctypes.c_void_p),
                ctypes.c_void_p(data),
                # First and last address; a range turned round is all of them.
                ctypes.c_uint64(1 if at is None else at),
                ctypes.c_uint64(0 if at is None else at),
                *(ctypes.c_int(number) for number in instruction),
            )
        )
        return handle

    def _guard(self, door: Callable[..., Any], answer: Any = None) -> Callable[..., Any]:
        """A callback for C: an exception (Ctrl-C too) stops the CPU and is raised by run()."""

        def callback(_engine: Any, *arguments: Any) -> Any:
            try:
                result = door(*arguments)
                return answer if result is None else result
            except BaseException as error:
                self._failure = self._failure or error
                self.stop()
                return answer

        return callback

    def hook_accesses(self, listener: Callable[[int, int], None]) -> None:
        """Call `listener(address, size)` before each load and store, for good (trap 19)."""

        def callback(_kind: int, address: int, size: int, _value: int, _data: Any) -> bool:
            listener(address, size)
            return True

        hook = uc.MemoryHook(self._guard(callback, True))
        self._add_hook(uc.HOOK_MEM_READ | uc.HOOK_MEM_WRITE, hook)
        self.flush_code()  # hooks are compiled into the translations

    @property
    def stop_address(self) -> int:
        """uc_emu_stop, for machine code that is hooked in."""
        return ctypes.cast(self._library.uc_emu_stop, ctypes.c_void_p).value or 0

    def map_open_bus(self, start: int, size: int) -> None:
        """Physical addresses where nobody answers: reads are all ones, writes are lost."""
        read = uc.MmioRead(lambda _engine, _offset, _size, _data: (1 << 64) - 1)
        write = uc.MmioWrite(lambda _engine, _offset, _size, _value, _data: None)
        self._keep += [read, write]
        self._check(self._library.uc_mmio_map(self._engine, start, size, read, None, write, None))

    def map_rom(self, address: int, content: bytes) -> None:
        """Read-only memory: page-aligned, whole pages, where nothing else is."""
        buffer = mmap.mmap(-1, len(content))
        buffer[:] = content
        self._keep.append(buffer)
        place = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        self._check(
            self._library.uc_mem_map_ptr(self._engine, address, len(content), uc.PROT_ROM, place)
        )

    def hook_native(self, kind: int, function: int, data: int) -> None:
        """Hook machine code in, for good: the address of a function and of its data."""
        self._add_hook(kind, ctypes.c_void_p(function), data=data)
        self.flush_code()  # hooks are compiled into the translations

    def stop(self) -> None:
        """Return from run() after the current instruction. Only from within a door (trap 5)."""
        self._stopping = True
        if self._engine:
            self._library.uc_emu_stop(self._engine)

    def flush_tlb(self) -> None:
        """After rights in a page table were lowered or an entry was cleared (trap 10)."""
        self._control(uc.CTL_TLB_FLUSH)

    def flush_code(self) -> None:
        """After the kernel changed bytes that may have been executed (trap 10).

        Done before the next run(): the block that knocked is itself a translation.
        """
        self._stale_code = True
        self.stop()
