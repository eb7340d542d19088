"""Arguments of mount(2): fs/namespace.c."""

from __future__ import annotations

from typing import Annotated

from youcpu.abi.args import Flags
from youcpu.abi.mount import MOUNT_NAMES

MountFlags = Annotated[int, Flags(MOUNT_NAMES, bits=64)]
