"""What a shell does with a file that the kernel refuses with ENOEXEC: POSIX XCU 2.9.1.4."""

from __future__ import annotations

#: bash looks at so many bytes (check_binary_file() of general.c).
SAMPLE = 80


def looks_binary(head: bytes) -> bool:
    """bash's test: a NUL in the first line means that it is no script."""
    return b"\0" in head[:SAMPLE].partition(b"\n")[0]
