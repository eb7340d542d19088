"""Why a register changes at a door, and where each stage of a delivery is written (Intel SDM)."""

from __future__ import annotations

ENTRY_REASONS = {
    "syscall": {
        "rip": "IA32_LSTAR",
        "rcx": "RIP behind SYSCALL",
        "r11": "RFLAGS",
        "rflags": "RFLAGS AND NOT IA32_FMASK",
        "cs": "IA32_STAR 47..32",
        "ss": "IA32_STAR 47..32 + 8",
    },
    "sysenter": {
        "rip": "IA32_SYSENTER_EIP",
        "rsp": "IA32_SYSENTER_ESP",
        "rflags": "IF and VM cleared",
        "cs": "IA32_SYSENTER_CS",
        "ss": "IA32_SYSENTER_CS + 8",
    },
}
RETURN_REASONS = {
    "iretq": dict.fromkeys(("rip", "cs", "rflags", "rsp", "ss"), "popped"),
    "sysretq": {
        "rip": "RCX",
        "rflags": "R11",
        "cs": "IA32_STAR 63..48 + 16, RPL 3",
        "ss": "IA32_STAR 63..48 + 8, RPL 3",
    },
    "sysexit": {
        "rip": "EDX",
        "rsp": "ECX",
        "cs": "IA32_SYSENTER_CS + 16, RPL 3",
        "ss": "IA32_SYSENTER_CS + 24, RPL 3",
    },
    "sysexitq": {
        "rip": "RDX",
        "rsp": "RCX",
        "cs": "IA32_SYSENTER_CS + 32, RPL 3",
        "ss": "IA32_SYSENTER_CS + 40, RPL 3",
    },
}

#: --explain: what the CPU looks at in each stage of a delivery.
STAGE_RULES = {
    "gate": (
        "The IDT's entry is at IDTR.base + vector x 16; beyond the limit it is #GP, with P = 0 "
        "#NP.",
        "SDM vol. 3A, 6.10, 6.14.1",
    ),
    "privilege": (
        "For INT n, INT3 and INTO the gate's DPL must not be below CPL; exceptions and devices are "
        "not asked. The handler's code segment must be 64-bit code whose DPL is not above CPL.",
        "SDM vol. 3A, 6.12.1.1, 6.14.1",
    ),
    "stack": (
        "IST n of the gate names a stack of the TSS, used always. With IST 0 a change of ring "
        "takes RSPn of the TSS for the new ring; without a change the stack stays. RSP is aligned "
        "to 16.",
        "SDM vol. 3A, 6.14.2, 6.14.4, 6.14.5",
    ),
    "frame": (
        "64-bit mode always pushes SS, RSP, RFLAGS, CS and RIP, 8 bytes each; some exceptions add "
        "an error code. For a fault the pushed RFLAGS have RF set, so that a breakpoint on the "
        "instruction is not met twice.",
        "SDM vol. 3A, 6.13, 6.14.2, 17.3.1.1",
    ),
    "flags": (
        "TF, NT, RF and VM are cleared; an interrupt gate clears IF too, a trap gate does not.",
        "SDM vol. 3A, 6.12.1.3, 6.8.1",
    ),
    "enter": (
        "CS and RIP come from the gate; CPL becomes the code segment's DPL; after a change of ring "
        "SS is a null selector.",
        "SDM vol. 3A, 6.14.2",
    ),
    "fault": (
        "A fault while a fault is delivered: a contributory one after a contributory one, or any "
        "such or a page fault after a page fault, is #DF; one more is a shutdown.",
        "SDM vol. 3A, table 6-5",
    ),
}
