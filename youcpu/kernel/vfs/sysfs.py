"""/sys of a booted machine: fs/sysfs/. Only what programs need to find their console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.kernel.vfs.procfs import ProcDir
from youcpu.kernel.vfs.super import SuperBlock

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel

SYSFS_MAGIC = 0x62656572
_FILES = {b"class/tty/console/active": b"ttyS0\n", b"class/tty/ttyS0/dev": b"4:64\n"}


class SysFs(SuperBlock):
    """The one instance of sysfs."""

    def __init__(self, kernel: Kernel, dev: int) -> None:
        super().__init__(kernel, "sysfs", dev, SYSFS_MAGIC)
        self.root = ProcDir(self)
        for path, text in _FILES.items():
            *names, last = path.split(b"/")
            place = self.root
            for name in names:
                place = self._directory(place, name)
            place.file(last, lambda text: text, text)

    def _directory(self, place: ProcDir, name: bytes) -> ProcDir:
        if name not in place.makers:
            made = ProcDir(self)
            place.directory(name, lambda: made)
        found = place.lookup(name)
        assert isinstance(found, ProcDir)
        return found
