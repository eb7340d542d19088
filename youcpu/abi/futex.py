"""Futexes: include/uapi/linux/futex.h."""

from __future__ import annotations

from youcpu.abi.names import NameTable

FUTEX_WAIT = 0
FUTEX_WAKE = 1
FUTEX_FD = 2
FUTEX_REQUEUE = 3
FUTEX_CMP_REQUEUE = 4
FUTEX_WAKE_OP = 5
FUTEX_LOCK_PI = 6
FUTEX_UNLOCK_PI = 7
FUTEX_TRYLOCK_PI = 8
FUTEX_WAIT_BITSET = 9
FUTEX_WAKE_BITSET = 10
FUTEX_WAIT_REQUEUE_PI = 11
FUTEX_CMP_REQUEUE_PI = 12
FUTEX_LOCK_PI2 = 13
FUTEX_PRIVATE_FLAG = 128
FUTEX_CLOCK_REALTIME = 256
FUTEX_CMD_MASK = ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)
FUTEX_BITSET_MATCH_ANY = 0xFFFFFFFF
FUTEX_WAITERS = 0x80000000
FUTEX_OWNER_DIED = 0x40000000
FUTEX_TID_MASK = 0x3FFFFFFF

_COMMANDS = (
    "FUTEX_WAIT FUTEX_WAKE FUTEX_FD FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP FUTEX_LOCK_PI"
    " FUTEX_UNLOCK_PI FUTEX_TRYLOCK_PI FUTEX_WAIT_BITSET FUTEX_WAKE_BITSET FUTEX_WAIT_REQUEUE_PI"
    " FUTEX_CMP_REQUEUE_PI FUTEX_LOCK_PI2"
)


def _operations() -> list[tuple[str, int]]:
    names = [(name, value) for value, name in enumerate(_COMMANDS.split())]
    names += [(f"{name}_PRIVATE", value | FUTEX_PRIVATE_FLAG) for name, value in names]
    # The combinations that exist.
    clocked = (FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI)
    return names + [
        (f"{name}|FUTEX_CLOCK_REALTIME", value | FUTEX_CLOCK_REALTIME)
        for name, value in names
        if value & ~FUTEX_PRIVATE_FLAG in clocked
    ]


FUTEX_NAMES = NameTable("FUTEX_???", _operations())
WAKE_OP_NAMES = NameTable(
    "FUTEX_OP_???",
    [
        ("FUTEX_OP_SET", 0),
        ("FUTEX_OP_ADD", 1),
        ("FUTEX_OP_OR", 2),
        ("FUTEX_OP_ANDN", 3),
        ("FUTEX_OP_XOR", 4),
    ],
)
WAKE_COMPARISON_NAMES = NameTable(
    "FUTEX_OP_CMP_???",
    [(f"FUTEX_OP_CMP_{name}", n) for n, name in enumerate(("EQ", "NE", "LT", "LE", "GT", "GE"))],
)
BITSET_NAMES = NameTable("FUTEX_BITSET_???", [("FUTEX_BITSET_MATCH_ANY", FUTEX_BITSET_MATCH_ANY)])
