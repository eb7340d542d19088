"""Numbers of reboot(2): include/uapi/linux/reboot.h."""

from __future__ import annotations

from youcpu.abi.names import NameTable

MAGIC1 = 0xFEE1DEAD
#: Birthdays: of Linus and of his daughters.
MAGIC2 = (672274793, 85072278, 369367448, 537993216)
CMD_RESTART = 0x01234567
CMD_HALT = 0xCDEF0123
CMD_CAD_ON = 0x89ABCDEF
CMD_CAD_OFF = 0
CMD_POWER_OFF = 0x4321FEDC
CMD_RESTART2 = 0xA1B2C3D4
CMD_SW_SUSPEND = 0xD000FCE2
CMD_KEXEC = 0x45584543

MAGIC1_NAMES = NameTable("LINUX_REBOOT_MAGIC_???", [("LINUX_REBOOT_MAGIC1", MAGIC1)])
MAGIC2_NAMES = NameTable(
    "LINUX_REBOOT_MAGIC_???",
    [
        (f"LINUX_REBOOT_MAGIC2{letter}", value)
        for letter, value in zip(("", "A", "B", "C"), MAGIC2, strict=True)
    ],
)
COMMAND_NAMES = NameTable(
    "LINUX_REBOOT_CMD_???",
    [
        (f"LINUX_REBOOT_{name}", value)
        for name, value in sorted(globals().items())
        if name.startswith("CMD_")
    ],
)
