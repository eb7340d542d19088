"""Build attributes of object files by vendor: tags, and what their values mean (the psABIs).

A value table is a tuple of words by value; STRING and NUMBER are values as they are.
"""

from __future__ import annotations

STRING, NUMBER, SPECIAL = "string", "number", "special"
Meaning = str | tuple[str, ...]

_YES = ("No", "Yes")
_USED = ("Unused", "Needed")
_ALLOWED = ("Not Allowed", "Allowed")
ARM_ARCHITECTURES = (
    "Pre-v4",
    "v4",
    "v4T",
    "v5T",
    "v5TE",
    "v5TEJ",
    "v6",
    "v6KZ",
    "v6T2",
    "v6K",
    "v7",
    "v6-M",
    "v6S-M",
    "v7E-M",
    "v8",
    "v8-R",
    "v8-M.baseline",
    "v8-M.mainline",
    "v8.1-A",
    "v8.2-A",
    "v8.3-A",
    "v8.1-M.mainline",
    "v9",
)
_GOALS = ("None", "Prefer Speed", "Aggressive Speed", "Prefer Size", "Aggressive Size")

ARM: dict[int, tuple[str, Meaning]] = {
    4: ("CPU_raw_name", STRING),
    5: ("CPU_name", STRING),
    6: ("CPU_arch", ARM_ARCHITECTURES),
    7: ("CPU_arch_profile", SPECIAL),
    8: ("ARM_ISA_use", _YES),
    9: ("THUMB_ISA_use", ("No", "Thumb-1", "Thumb-2", "Yes")),
    10: (
        "FP_arch",
        (
            "No",
            "VFPv1",
            "VFPv2",
            "VFPv3",
            "VFPv3-D16",
            "VFPv4",
            "VFPv4-D16",
            "FP for ARMv8",
            "FPv5/FP-D16 for ARMv8",
        ),
    ),
    11: ("WMMX_arch", ("No", "WMMXv1", "WMMXv2")),
    12: (
        "Advanced_SIMD_arch",
        ("No", "NEONv1", "NEONv1 with Fused-MAC", "NEON for ARMv8", "NEON for ARMv8.1"),
    ),
    13: (
        "PCS_config",
        (
            "None",
            "Bare platform",
            "Linux application",
            "Linux DSO",
            "PalmOS 2004",
            "PalmOS (reserved)",
            "SymbianOS 2004",
            "SymbianOS (reserved)",
        ),
    ),
    14: ("ABI_PCS_R9_use", ("V6", "SB", "TLS", "Unused")),
    15: ("ABI_PCS_RW_data", ("Absolute", "PC-relative", "SB-relative", "None")),
    16: ("ABI_PCS_RO_data", ("Absolute", "PC-relative", "None")),
    17: ("ABI_PCS_GOT_use", ("None", "direct", "GOT-indirect")),
    18: ("ABI_PCS_wchar_t", ("None", "??? 1", "2", "??? 3", "4")),
    19: ("ABI_FP_rounding", _USED),
    20: ("ABI_FP_denormal", ("Unused", "Needed", "Sign only")),
    21: ("ABI_FP_exceptions", _USED),
    22: ("ABI_FP_user_exceptions", _USED),
    23: ("ABI_FP_number_model", ("Unused", "Finite", "RTABI", "IEEE 754")),
    24: ("ABI_align_needed", SPECIAL),
    25: ("ABI_align_preserved", SPECIAL),
    26: ("ABI_enum_size", ("Unused", "small", "int", "forced to int")),
    27: ("ABI_HardFP_use", ("As Tag_FP_arch", "SP only", "Reserved", "Deprecated")),
    28: ("ABI_VFP_args", ("AAPCS", "VFP registers", "custom", "compatible")),
    29: ("ABI_WMMX_args", ("AAPCS", "WMMX registers", "custom")),
    30: ("ABI_optimization_goals", (*_GOALS, "Prefer Debug", "Aggressive Debug")),
    31: ("ABI_FP_optimization_goals", (*_GOALS, "Prefer Accuracy", "Aggressive Accuracy")),
    32: ("compatibility", SPECIAL),
    34: ("CPU_unaligned_access", ("None", "v6")),
    36: ("FP_HP_extension", _ALLOWED),
    38: ("ABI_FP_16bit_format", ("None", "IEEE 754", "Alternative Format")),
    42: ("MPextension_use", _ALLOWED),
    44: (
        "DIV_use",
        (
            "Allowed in Thumb-ISA, v7-R or v7-M",
            "Not allowed",
            "Allowed in v7-A with integer division extension",
        ),
    ),
    46: ("DSP_extension", ("Follow architecture", "Allowed")),
    48: ("MVE_arch", ("No MVE", "MVE Integer only", "MVE Integer and FP")),
    50: (
        "PAC_extension",
        (
            "No PAC/AUT instructions",
            "PAC/AUT instructions permitted in the NOP space",
            "PAC/AUT instructions permitted in the NOP and in the non-NOP space",
        ),
    ),
    52: (
        "BTI_extension",
        (
            "BTI instructions not permitted",
            "BTI instructions permitted in the NOP space",
            "BTI instructions permitted in the NOP and in the non-NOP space",
        ),
    ),
    64: ("nodefaults", SPECIAL),
    65: ("also_compatible_with", SPECIAL),
    66: ("T2EE_use", _ALLOWED),
    67: ("conformance", STRING),
    68: (
        "Virtualization_use",
        (
            "Not Allowed",
            "TrustZone",
            "Virtualization Extensions",
            "TrustZone and Virtualization Extensions",
        ),
    ),
    70: ("MPextension_use_legacy", _ALLOWED),
    74: (
        "BTI_use",
        (
            "Compiled without branch target enforcement",
            "Compiled with branch target enforcement",
        ),
    ),
    76: (
        "PACRET_use",
        (
            "Compiled without return address signing and authentication",
            "Compiled with return address signing and authentication",
        ),
    ),
}
ARM_PROFILES = {
    0: "None",
    ord("A"): "Application",
    ord("R"): "Realtime",
    ord("M"): "Microcontroller",
    ord("S"): "Application or Realtime",
}
ARM_ALIGN_NEEDED = ("None", "8-byte", "4-byte", "??? 3")
ARM_ALIGN_PRESERVED = ("None", "8-byte, except leaf SP", "8-byte", "??? 3")

RISCV = {
    4: "stack_align",
    5: "arch",
    6: "unaligned_access",
    8: "priv_spec",
    10: "priv_spec_minor",
    12: "priv_spec_revision",
}

MIPS_FP = {
    0: "Hard or soft float",
    1: "Hard float (double precision)",
    2: "Hard float (single precision)",
    3: "Soft float",
    4: "Hard float (MIPS32r2 64-bit FPU 12 callee-saved)",
    5: "Hard float (32-bit CPU, Any FPU)",
    6: "Hard float (32-bit CPU, 64-bit FPU)",
    7: "Hard float compat (32-bit CPU, 64-bit FPU)",
    8: "NaN 2008 compatibility",
}
POWER_FLOAT = (
    "unspecified hard/soft float",
    "hard float",
    "soft float",
    "single-precision hard float",
)
POWER_LONG_DOUBLE = (
    "unspecified long double",
    "128-bit IBM long double",
    "64-bit long double",
    "128-bit IEEE long double",
)
POWER_VECTOR = ("unspecified", "generic", "AltiVec", "SPE")
POWER_STRUCT_RETURN = ("unspecified", "r3/r4", "memory", "???")
S390_VECTOR = ("any", "software", "hardware")
