"""System-wide files of /proc: fs/proc/meminfo.c, stat.c, uptime.c, loadavg.c, version.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.kernel.vfs.procfs import ProcDir

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel


def add_system_files(root: ProcDir, kernel: Kernel) -> None:
    """All files of /proc that belong to no process."""
    root.file(b"meminfo", meminfo, kernel)


def meminfo(kernel: Kernel) -> bytes:
    """Memory of the machine, in KiB."""
    frames = kernel.frames
    total, free = frames.total * 4, frames.available * 4
    return f"MemTotal:       {total:8} kB\nMemFree:        {free:8} kB\n".encode()
