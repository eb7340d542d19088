"""Processors other than the machine's usual one (Nehalem): for what only newer ones have.

Unicorn plays them by number (uc_cpu_x86); both have SMEP, SMAP and FSGSBASE.
"""

from __future__ import annotations

from youcpu.hardware.cpu import Cpu


class Broadwell(Cpu):
    """Intel, 2014."""

    cpu_model = 20


class Epyc(Cpu):
    """AMD, 2017: SYSENTER is #UD in long mode."""

    cpu_model = 35
    amd = True


VENDORS: dict[str, type[Cpu]] = {"intel": Broadwell, "amd": Epyc}
