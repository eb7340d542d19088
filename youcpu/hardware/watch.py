"""Watching: a listener at each instruction, at one address, at changes of mode (trap 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.memory import Ram
from youcpu.hardware.paging import CR0_PE, CR0_PG, CR4_PAE
from youcpu.hardware.registers import (
    CR0,
    CR3,
    CR4,
    CS,
    EFER,
    GDT,
    HFLAGS,
    IDT,
    RIP,
    TR,
    RegisterFile,
)

#: CPL, the sizes of code and stack, PE, LMA, CS64: what QEMU keeps of the mode.
_HFLAGS_MODE = 3 | 1 << 4 | 1 << 7 | 1 << 14 | 1 << 15


class Watch(RegisterFile):
    """Tells listeners what runs."""

    def __init__(self, ram: Ram) -> None:
        super().__init__(ram)
        self._watcher: Callable[[int, int], None] | None = None
        self._watch_handle: Any = None
        self._pending_hooks: list[tuple[Any, int]] = []
        self._mode_watcher: Callable[[], None] | None = None
        self._mode_handle: Any = None
        self._mode: tuple[int, ...] = ()
        self._edge_watcher: Callable[[int, int, int], None] | None = None
        self._edge_handle: Any = None

    def watch_instructions(self, listener: Callable[[int, int], None] | None) -> None:
        """Call `listener(address, size)` before each instruction; None: not any more.

        Hundreds of times slower than running (trap 7). RIP in `state` is not up to date.
        """
        self._watcher = listener
        self.flush_code()  # hooks are compiled into the translations

    def watch_address(self, address: int, listener: Callable[[], None]) -> None:
        """Call `listener` before each time that the instruction at `address` runs.

        Only blocks that hold it pay. RIP in `state` is that of the instruction.
        """

        def callback(_address: int, _size: int, _data: Any) -> None:
            self.save()
            self.state[RIP] = address - self.state[CS + 1]  # its base
            listener()

        self._pending_hooks.append((uc.CodeHook(self._guard(callback)), address))
        self.flush_code()

    def watch_new_blocks(self, listener: Callable[[int, int, int], None] | None) -> None:
        """Call `listener(address, previous, size)` when a block is about to run that was never
        translated in this mode; None: not any more.

        Linear addresses of the block and of the one that led there, with its bytes. Code costs
        this once: a change of mode shows at the block behind it, and loops run at full speed.
        """
        self._edge_watcher = listener
        self.flush_code()

    def _tell_edge(self, now: Any, previous: Any, _data: Any) -> None:
        if self._edge_watcher is not None:
            self.save()
            address = now.contents.address
            self.state[RIP] = address - self.state[CS + 1] & (1 << 64) - 1
            before = previous.contents if previous else None
            at, size = (before.address, before.size) if before is not None else (address, 0)
            self._edge_watcher(address, at, size)

    def watch_modes(self, listener: Callable[[], None] | None) -> None:
        """Call `listener` at the first block after a change of mode, ring or system tables.

        That is PE, PG, PAE, LME, LMA, CPL, the size of code, CR3, GDTR, IDTR or TR. Each block
        costs a look (trap 7): stop watching (None) when what was waited for is reached.
        """
        self._mode_watcher = listener
        self._mode = self._current_mode()
        self.flush_code()

    def _current_mode(self) -> tuple[int, ...]:
        state = self.state
        return (
            state[CR0] & (CR0_PE | CR0_PG), state[CR3], state[CR4] & CR4_PAE, state[EFER],
            state[HFLAGS] & _HFLAGS_MODE, state[TR], state[GDT + 1], state[IDT + 1],
            state[GDT + 2], state[IDT + 2],
        )  # fmt: skip

    def _look_at_mode(self, address: int, _size: int, _data: Any) -> None:
        self.save()
        mode = self._current_mode()
        if mode != self._mode and self._mode_watcher is not None:
            self._mode = mode
            self.state[RIP] = address - self.state[CS + 1]
            self._mode_watcher()

    def _update_watch(self) -> None:
        self._mode_handle = self._toggle(
            self._mode_watcher, self._mode_handle, uc.HOOK_BLOCK, self._look_at_mode
        )
        if self._edge_watcher is not None and self._edge_handle is None:
            hook = uc.EdgeHook(self._guard(self._tell_edge))
            self._edge_handle = self._add_hook(uc.HOOK_EDGE_GENERATED, hook)
        elif self._edge_watcher is None and self._edge_handle is not None:
            self._check(self._library.uc_hook_del(self._engine, self._edge_handle))
            self._edge_handle = None
        while self._pending_hooks:
            hook, address = self._pending_hooks.pop()
            self._add_hook(uc.HOOK_CODE, hook, at=address)
        self._watch_handle = self._toggle(
            self._watcher, self._watch_handle, uc.HOOK_CODE, self._tell_instruction
        )

    def _tell_instruction(self, address: int, size: int, _data: Any) -> None:
        if self._watcher is not None:
            self.save()
            self._watcher(address, size)

    def _toggle(
        self, watcher: Any, handle: Any, kind: int, callback: Callable[[int, int, Any], None]
    ) -> Any:
        """Hook a callback in while someone watches; the handle, None where it is out."""
        if watcher is not None and handle is None:
            return self._add_hook(kind, uc.CodeHook(self._guard(callback)))
        if watcher is None and handle is not None:
            self._check(self._library.uc_hook_del(self._engine, handle))
            return None
        return handle
