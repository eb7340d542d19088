"""The programs of the lab: what each shows, why, and where that is written.

Names are those of the rows of programs.S with dashes: `page_fault.write` is `page-fault-write`.
"""

from __future__ import annotations

from typing import NamedTuple


class Program(NamedTuple):
    """One program. `sources`: places in the Intel SDM unless another book is named."""

    title: str
    story: str
    sources: tuple[str, ...]


_HANDLER = "The handler sends the program to its signal handler, as a kernel does for {}."


def _fault(title: str, story: str, signal: str, *sources: str) -> Program:
    return Program(title, f"{story} {_HANDLER.format(signal)}", sources)


_PF = "vol. 3A, 6.15 (#PF), 4.7"
PROGRAMS: dict[str, Program] = {
    "int80": Program(
        "the oldest door: INT 80h, a software interrupt",
        "INT n looks its vector up in the IDT. Ring 3 may execute it because the gate's DPL is 3. "
        "The CPU saves all that it changes in a frame on the kernel's stack; IRETQ takes it back. "
        "Vector 80h is Linux's i386 call table: number 20 is getpid there, 39 in the 64-bit one.",
        ("vol. 2A, INT n", "vol. 3A, 6.12.1, 6.14", "vol. 2A, IRET"),
    ),
    "syscall": Program(
        "the door of 64-bit Linux: SYSCALL",
        "SYSCALL is no interrupt, it reads no IDT and writes no memory: RIP comes from IA32_LSTAR, "
        "CS and SS from IA32_STAR, RIP and RFLAGS are kept in RCX and R11. RSP stays the "
        "program's: the kernel must find its own stack, by SWAPGS and a word that GS leads to.",
        ("vol. 2B, SYSCALL, SYSRET, SWAPGS", "vol. 3A, 5.8.8"),
    ),
    "sysenter": Program(
        "the door of 32-bit programs: SYSENTER",
        "SYSENTER loads CS, SS, RIP and RSP from three MSRs and saves nothing: the program has to "
        "leave its return address in EDX and its stack in ECX, by agreement with the kernel. Nor "
        "does SYSEXIT give the flags back. AMD's CPUs refuse SYSENTER in long mode with #UD, also "
        "from compatibility mode (--vendor amd); on Intel's a 64-bit kernel is entered in 64-bit "
        "mode.",
        ("vol. 2B, SYSENTER, SYSEXIT", "vol. 3A, 5.8.7", "AMD APM vol. 3, SYSENTER"),
    ),
    "sysenter-64": Program(
        "SYSENTER from 64-bit code",
        "Intel's CPUs take SYSENTER in 64-bit mode, too; Linux programs never use it there. "
        "SYSEXIT with REX.W returns to 64-bit code. AMD's raise #UD (--vendor amd).",
        ("vol. 2B, SYSENTER, SYSEXIT", "vol. 3A, 5.8.7.1", "AMD APM vol. 3, SYSENTER"),
    ),
    "int3": Program(
        "a breakpoint: INT3, one byte for debuggers",
        "#BP is a trap: the saved RIP is behind the instruction, and a debugger subtracts 1 to "
        "find the byte that it replaced. The gate's DPL is 3, as for INT 80h.",
        ("vol. 3A, 6.15 (#BP)", "vol. 2A, INT n/INTO/INT3/INT1"),
    ),
    "into": _fault(
        "INTO is gone in 64-bit mode",
        "Its byte CE is no instruction there, so the CPU raises #UD, vector 6, never #OF.",
        "SIGILL", "vol. 2A, INT n/INTO/INT3/INT1", "vol. 3A, 6.15 (#UD)",
    ),
    "ud2": _fault(
        "an instruction that is none: UD2",
        "#UD is a fault: the saved RIP is that of UD2 itself. There is no error code.",
        "SIGILL", "vol. 2B, UD", "vol. 3A, 6.15 (#UD)",
    ),
    "divide": _fault(
        "division by zero: DIV",
        "#DE is vector 0. It comes for a quotient that is too large, too.",
        "SIGFPE", "vol. 3A, 6.15 (#DE)", "vol. 2A, DIV",
    ),
    "overflow": _fault(
        "INTO after an overflow, in compatibility mode",
        "32-bit code has INTO: with OF set it is an INT 4 of one byte. The kernel is entered in "
        "64-bit mode all the same, and the frame has 8 bytes a word.",
        "SIGSEGV", "vol. 3A, 6.15 (#OF)", "vol. 2A, INT n/INTO/INT3/INT1",
    ),
    "bound": _fault(
        "BOUND out of range, in compatibility mode",
        "10 is not within 0..9. In 64-bit mode the byte 62 begins an EVEX prefix instead.",
        "SIGSEGV", "vol. 3A, 6.15 (#BR)", "vol. 2A, BOUND",
    ),
    "debug": Program(
        "single step: the trap flag",
        "POPF sets TF; the instruction behind it still runs, then #DB comes, with BS set in DR6. "
        "The handler runs with TF clear, on the stack IST3. It clears TF in the saved flags.",
        ("vol. 3A, 17.3.1.4", "vol. 3A, 6.15 (#DB)"),
    ),
    "device-not-available": Program(
        "the FPU on demand: #NM",
        "With CR0.TS set the first x87 or SSE instruction faults; the handler clears TS and the "
        "instruction runs again. Kernels switched the FPU lazily this way; Linux stopped in 4.6.",
        ("vol. 3A, 6.15 (#NM)", "vol. 3A, 2.5"),
    ),
    "page-fault": Program(
        "a page that is not there yet: demand paging",
        "The error code says read, by ring 3, not present; CR2 says where. The handler writes the "
        "page table entry and returns to the same instruction, which finds the page now. The "
        "program never notices.",
        (_PF, "vol. 3A, 6.12.1"),
    ),
    "page-fault-write": _fault(
        "a write to a page that is read-only",
        "Bit 0 of the error code is 1: the page is there, its rights forbid the write.",
        "SIGSEGV", _PF, "vol. 3A, 4.6.1",
    ),
    "page-fault-execute": _fault(
        "a jump into data: the NX bit",
        "The jump itself succeeds; fetching at its target faults, so the saved RIP is the target. "
        "Bit 4 of the error code says instruction fetch.",
        "SIGSEGV", _PF, "vol. 3A, 4.6.1",
    ),
    "page-fault-kernel": _fault(
        "a program that reads the kernel's memory",
        "The page is mapped, but for supervisors only (U = 0): with ring 3 in bit 2 of the error "
        "code and the page present in bit 0, that is code 5.",
        "SIGSEGV", _PF, "vol. 3A, 4.6.1",
    ),
    "page-fault-null": _fault(
        "a null pointer",
        "Nothing is special about address 0, except that nobody maps it.",
        "SIGSEGV", _PF,
    ),
    "page-fault-reserved": _fault(
        "a page table entry with a reserved bit",
        "An address bit beyond the CPU's physical width is reserved; a kernel that sees bit 3 of "
        "the error code has a damaged page table.",
        "SIGSEGV", _PF,
    ),
    "general-protection": _fault(
        "a privileged instruction in ring 3: HLT",
        "There is no exception of its own for privilege: it is #GP with error code 0.",
        "SIGSEGV", "vol. 3A, 6.15 (#GP)", "vol. 3A, 5.9",
    ),
    "general-protection-address": _fault(
        "an address that is not canonical",
        "Bits 63..47 must be equal. No page table is asked: it is #GP(0), not #PF, and CR2 stays.",
        "SIGSEGV", "vol. 1, 3.3.7.1", "vol. 3A, 6.15 (#GP)",
    ),
    "general-protection-gate": _fault(
        "INT 14 in ring 3: the gate says no",
        "Otherwise a program could feign a page fault. The gate's DPL 0 is below CPL 3, so it is "
        "#GP, and the error code names the gate: 14 x 8, plus 2 for the IDT.",
        "SIGSEGV", "vol. 3A, 6.12.1.1", "vol. 3A, 6.13",
    ),
    "general-protection-selector": _fault(
        "a selector beyond the GDT",
        "The error code of #GP is the selector, its RPL bits clear.",
        "SIGSEGV", "vol. 3A, 6.13", "vol. 2B, MOV",
    ),
    "general-protection-ring0-data": _fault(
        "ring 3 loads the kernel's data segment",
        "The descriptor's DPL 0 is below CPL 3.",
        "SIGSEGV", "vol. 3A, 5.6", "vol. 2B, MOV",
    ),
    "segment-not-present": _fault(
        "a segment whose descriptor has P = 0",
        "DS is loaded with a descriptor that is there and marked absent: #NP with the selector.",
        "SIGBUS", "vol. 3A, 6.15 (#NP)", "vol. 2B, MOV",
    ),
    "stack-fault": _fault(
        "SS with a descriptor that has P = 0",
        "For SS it is #SS, not #NP, with the selector as error code.",
        "SIGBUS", "vol. 3A, 6.15 (#SS)", "vol. 2B, MOV",
    ),
    "stack-fault-address": _fault(
        "a stack address that is not canonical",
        "An address formed with RBP or RSP is one of the stack segment: #SS(0), not #GP(0).",
        "SIGBUS", "vol. 1, 3.3.7.1", "vol. 3A, 6.15 (#SS)",
    ),
    "alignment": _fault(
        "a misaligned load with AC set",
        "x86 takes misaligned accesses; only in ring 3, with CR0.AM and RFLAGS.AC both set, they "
        "are #AC(0).",
        "SIGBUS", "vol. 3A, 6.15 (#AC)", "vol. 3A, 2.5",
    ),
    "x87": _fault(
        "division by zero in the x87: #MF, told late",
        "FDIV only notes the error (ZE in the status word). The next x87 instruction that waits, "
        "here FWAIT, raises #MF; the saved RIP is that of FWAIT, not of the division.",
        "SIGFPE", "vol. 3A, 6.15 (#MF)", "vol. 1, 8.6-8.7",
    ),
    "timer": Program(
        "IRQ 0: the tick of the 8254, through the 8259",
        "The program asks for nothing. The chip's counter reaches its end, the interrupt "
        "controller raises INTR, and between two instructions the CPU asks it for the vector. A "
        "gate of an external interrupt needs no DPL. Until the handler writes EOI, the controller "
        "holds back this line and those below it. Saving one program here and restoring another "
        "is preemptive multitasking.",
        ("vol. 3A, 6.3.1, 6.8.1", "Intel 8259A, 8254 data sheets"),
    ),
    "keyboard": Program(
        "IRQ 1: a key, from the 8042 through the 8259",
        "The controller has a byte, 1E: the A key went down. The handler reads it from port 60h "
        "and tells the 8259 that it is done.",
        ("vol. 3A, 6.3.1", "Intel 8259A data sheet", "IBM PS/2 Technical Reference, 8042"),
    ),
    "nmi": Program(
        "the interrupt that IF does not hold back: NMI",
        "Vector 2 is wired: nobody is asked for it. It has a stack of its own, IST2, because it "
        "may come when RSP is not to be trusted, such as between SYSCALL and the switch of stacks. "
        "Another NMI waits until the next IRET.",
        ("vol. 3A, 6.7", "vol. 3A, 6.14.5"),
    ),
    "double-fault": Program(
        "a fault while delivering one: #DF, on IST1",
        "The program's page fault finds RSP0 at the end of its page: pushing the frame is a page "
        "fault, too. Two page faults make #DF. Its gate names IST1, so the CPU has a stack that "
        "works; without, see triple-fault. Nothing can be resumed: the kernel halts.",
        ("vol. 3A, 6.15 (#DF), table 6-5", "vol. 3A, 6.14.5"),
    ),
    "triple-fault": Program(
        "no stack for the double fault: shutdown",
        "As double-fault, but the gate of #DF has IST 0. Its frame cannot be pushed either. After "
        "that the CPU gives up and enters shutdown; a PC's chipset answers with a reset.",
        ("vol. 3A, 6.15 (#DF)",),
    ),
}  # fmt: skip


def row_of(name: str, rows: list[str]) -> str:
    """The row of programs.S for a name. Raises KeyError."""
    for row in rows:
        if row.replace("_", "-").replace(".", "-") == name:
            return row
    raise KeyError(name)
