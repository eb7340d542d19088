"""Resource limits: include/uapi/asm-generic/resource.h, kernel/sys.c."""

from __future__ import annotations

RLIM_INFINITY = (1 << 64) - 1
(
    RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS, RLIMIT_NPROC,
    RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_AS, RLIMIT_LOCKS, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE,
    RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_RTTIME,
) = range(16)  # fmt: skip


class Rlimits:
    """(soft, hard) of each limit, as an init task gives them (INIT_RLIMITS)."""

    __slots__ = ("limits",)

    def __init__(self, limits: list[tuple[int, int]] | None = None) -> None:
        if limits is None:
            limits = [(RLIM_INFINITY, RLIM_INFINITY)] * 16
            limits[RLIMIT_STACK] = (8 << 20, RLIM_INFINITY)
            limits[RLIMIT_CORE] = (0, RLIM_INFINITY)
            limits[RLIMIT_NOFILE] = (1024, 1 << 20)
            limits[RLIMIT_NPROC] = (16384, 16384)
            limits[RLIMIT_MEMLOCK] = (8 << 20, 8 << 20)
            limits[RLIMIT_SIGPENDING] = (16384, 16384)
            limits[RLIMIT_MSGQUEUE] = (819200, 819200)
            limits[RLIMIT_NICE] = limits[RLIMIT_RTPRIO] = (0, 0)
        self.limits = limits

    def soft(self, resource: int) -> int:
        """The limit that counts."""
        return self.limits[resource][0]

    def copy(self) -> Rlimits:
        """For a child process."""
        return Rlimits(list(self.limits))
