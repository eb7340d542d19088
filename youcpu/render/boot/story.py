"""What each stage of a boot is about, with its source: for --explain."""

from __future__ import annotations

#: Stage -> sentences.
STAGES = {
    "firmware": (
        "After RESET the CPU is in real mode: CR0.PE is 0, ring 0, CS's base is FFFF0000h, so the"
        " first instruction is fetched from FFFFFFF0h, in the firmware's ROM"
        " [SDM vol. 3A, 11.1.4].",
        "The firmware sets up vectors and devices, reads sector 0 of the disk to 0000:7C00, and"
        " jumps there if it ends in 55 AA. A PC with UEFI never does this: its firmware runs in"
        " long mode with paging on already.",
    ),
    "bootloader": (
        "512 bytes of the disk, in real mode. What they need they ask the firmware for by"
        " interrupts: INT 13h reads the rest of the loader, INT 15h E820 tells which memory there"
        " is.",
    ),
    "protected": (
        "MOV to CR0 set PE; only the far jump behind it loads CS with a descriptor of the GDT"
        " [SDM vol. 3A, 10.9.1]. From here on the firmware's real-mode interrupts cannot be"
        " called.",
    ),
    "long": (
        "CR4.PAE, CR3 with the physical address of the PML4, EFER.LME, then CR0.PG: the CPU sets"
        " EFER.LMA. The far jump to a segment with L = 1 makes it 64-bit code"
        " [SDM vol. 3A, 10.8.5].",
    ),
    "kernel": (
        "The loader jumps to the kernel in the upper half and hands over the memory map. Linux"
        " goes on in start_kernel(), which calls rest_init(); that makes kernel_init (PID 1) and"
        " kthreadd (PID 2) [init/main.c].",
        "Here youcpu's kernel takes RAM and CPU over: it builds its own page tables, GDT, IDT and"
        " TSS, and looks for an init: rdinit= (/init), init=, /sbin/init, /etc/init, /bin/init,"
        " /bin/sh.",
    ),
    "user": (
        "IRETQ with a selector of ring 3 is how the kernel leaves for the first program: the"
        " lowest two bits of CS are the CPL, 3 is user mode [SDM vol. 3A, 6.5].",
        "Signals without a handler do not kill PID 1, SIGKILL neither; if it ends, the kernel"
        " panics [kernel/signal.c SIGNAL_UNKILLABLE, kernel/exit.c].",
    ),
}
