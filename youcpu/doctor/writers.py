"""Who on this host has a file open for writing: /proc/PID/fd and fdinfo."""

from __future__ import annotations

import os

_MOST = 3
_O_ACCMODE = 3


def writers_of(path: bytes) -> list[tuple[int, str]]:
    """(pid, command) of processes that we may look into; three at most."""
    try:
        wanted = os.stat(path)
    except OSError:
        return []
    found: list[tuple[int, str]] = []
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        if _writes(pid, wanted):
            found.append((pid, _command(pid)))
            if len(found) == _MOST:
                break
    return found


def _writes(pid: int, wanted: os.stat_result) -> bool:
    directory = f"/proc/{pid}/fd"
    try:
        for fd in os.listdir(directory):
            at = os.stat(f"{directory}/{fd}")
            if (at.st_dev, at.st_ino) == (wanted.st_dev, wanted.st_ino) and _for_writing(pid, fd):
                return True
    except OSError:
        pass
    return False


def _for_writing(pid: int, fd: str) -> bool:
    with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as info:
        for line in info:
            if line.startswith("flags:"):
                return bool(int(line.split()[1], 8) & _O_ACCMODE)
    return False


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "?"
