"""The memory map that firmware hands over: INT 15h E820, arch/x86/include/uapi/asm/setup_data.h."""

from __future__ import annotations

from youcpu.record import record

E820_TYPE_RAM, E820_TYPE_RESERVED, E820_TYPE_ACPI, E820_TYPE_NVS, E820_TYPE_UNUSABLE = range(1, 6)

#: As e820__print_table() words them.
E820_NAMES = {
    E820_TYPE_RAM: "usable",
    E820_TYPE_RESERVED: "reserved",
    E820_TYPE_ACPI: "ACPI data",
    E820_TYPE_NVS: "ACPI NVS",
    E820_TYPE_UNUSABLE: "unusable",
}


@record(frozen=True)
class E820Entry:
    """One range of physical addresses, bytes."""

    address: int
    size: int
    type: int = E820_TYPE_RAM

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.address + self.size

    @property
    def name(self) -> str:
        """What it is, as Linux says it."""
        return E820_NAMES.get(self.type, f"type {self.type}")
