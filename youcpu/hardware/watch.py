"""Watching: a listener at each instruction, or at one address (trap 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.memory import Ram
from youcpu.hardware.registers import CS, RIP, RegisterFile


class Watch(RegisterFile):
    """Tells listeners what runs."""

    def __init__(self, ram: Ram) -> None:
        super().__init__(ram)
        self._watcher: Callable[[int, int], None] | None = None
        self._watch_handle: Any = None
        self._pending_hooks: list[tuple[Any, int]] = []

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

    def _update_watch(self) -> None:
        while self._pending_hooks:
            hook, address = self._pending_hooks.pop()
            self._add_hook(uc.HOOK_CODE, hook, at=address)
        if self._watcher is not None and self._watch_handle is None:

            def callback(address: int, size: int, _data: Any) -> None:
                if self._watcher is not None:
                    self.save()
                    self._watcher(address, size)

            hook = uc.CodeHook(self._guard(callback))
            self._watch_handle = self._add_hook(uc.HOOK_CODE, hook)
        elif self._watcher is None and self._watch_handle is not None:
            self._check(self._library.uc_hook_del(self._engine, self._watch_handle))
            self._watch_handle = None
