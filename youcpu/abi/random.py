"""getrandom(2): include/uapi/linux/random.h."""

from __future__ import annotations

from youcpu.abi.names import named

GRND_NONBLOCK = 1
GRND_RANDOM = 2
GRND_INSECURE = 4

GRND_NAMES = named(globals(), "GRND_???", "GRND_NONBLOCK GRND_RANDOM GRND_INSECURE")
