"""Chapter 1, after part 1 of the article: instructions, registers, rings, system calls."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from youcpu.commands._tour.guide import Guide
from youcpu.commands._tour.model import Question, Screen, Shown

#: SDM vol. 2D, table A-6: what the three reg bits select behind opcode 83.
GROUP_1 = ("add", "or", "adc", "sbb", "and", "sub", "xor", "cmp")
SELECTORS = (0x08, 0x10, 0x1B, 0x23, 0x2B, 0x33)


def screens(guide: Guide) -> Iterator[Screen]:
    """From three bytes to the door of the kernel."""
    yield from _code()
    yield from _rings()
    yield from _doors()
    yield from _calls(guide)


def _code() -> Iterator[Screen]:
    yield Screen(
        "Instructions are bytes",
        "A CPU takes bytes from memory and does what they say. These three say `add ebx, 10`.",
        (Shown("youcpu disasm --hex '83 c3 0a' --bits --fields"),),
        "Opcode `83` alone is no ADD: it stands for eight operations, and the three reg bits of "
        "ModRM choose one of them; `000` is ADD. The rm bits `011` are EBX. An instruction has "
        "1 to 15 bytes, prefixes included.",
        ("Intel SDM vol. 2A, 2.1", "Intel SDM vol. 2D, A.4.2, table A-6"),
    )
    yield Screen(
        "The little end first",
        "A number in an instruction lies there with its lowest byte first.",
        (Shown("youcpu disasm --hex '05 00 02 00 00' --fields"),),
        "`05` adds a 32-bit immediate to EAX: 512 is `00 02 00 00`.",
        ("Intel SDM vol. 2A, ADD",),
    )
    yield Screen(
        "Fetch, execute, and again",
        "`hello` is a program of 480 bytes: it says hello twice and ends with 3. Here the CPU of "
        "the emulated machine takes its first steps.",
        (Shown("youcpu step --count 4 ./hello", 24),),
        "RIP, the instruction pointer, moves behind each instruction, unless the instruction says "
        "where to. It can be read: `lea rsi, [rip + 0x29]` did so just now. The first fetch "
        "went through the kernel: the page was not there yet; chapter 5 tells more. "
        "`youcpu step --tui` lets you step by keys, back as well.",
        ("Intel SDM vol. 1, 3.5", "Intel SDM vol. 2A, 2.2.1.6 (RIP-relative addressing)"),
    )


def _rings() -> Iterator[Screen]:
    yield Screen(
        "Ring 3",
        "With which registers does a program begin? Here the kernel got it ready and stopped "
        "before its first instruction.",
        (Shown("youcpu exec-trace --stages-only ./hello", 4, last=True),),
        "The two lowest bits of CS are the current privilege level: `0x33` ends in `11`, ring 3, "
        "user mode. The kernel runs with CS `0x10`: ring 0. Except RIP, RSP, CS, SS and the "
        "flags all registers are 0.",
        ("Intel SDM vol. 3A, 5.5", "arch/x86/kernel/process_64.c, start_thread() (Linux 6.18)"),
    )
    yield Screen(
        "What ring 3 may not",
        "The same instructions, tried in ring 0 and in ring 3.",
        (Shown("youcpu rings mov-cs cli hlt in mov-cr3 lgdt wrmsr read-kernel", 24),),
        "What would change the machine for all is refused in ring 3: the CPU raises a fault, and "
        "goes on in the kernel. `IOPL` and the I/O map are how a kernel lets a program to the "
        "ports after all.",
        ("Intel SDM vol. 3A, 5.9", "Intel SDM vol. 1, 19.5 (I/O privilege)"),
    )


def _doors() -> Iterator[Screen]:
    yield Screen(
        "Two doors to the kernel",
        "In ring 3 a program may compute, and touch its own memory. For all else it asks the "
        "kernel, by a system call. `hello` knows two ways.",
        (Shown("youcpu exec-trace ./hello", 8, (3,)),),
        "The first `write` is a SYSCALL instruction. It is no interrupt and asks no interrupt "
        "table: the CPU jumps where the register LSTAR says. The second is `int 0x80`: the CPU "
        "looks up gate 128 of the IDT. Behind that door the numbers are those of the i386: 4 is "
        "write there, 1 here.",
        ("Intel SDM vol. 2B, SYSCALL", "arch/x86/entry/entry_64.S (Linux 6.18)"),
    )
    run = "youcpu interrupts --run int80"
    yield Screen(
        "Through the gate",
        "What the CPU does at `int 0x80`, by itself, before the kernel's first instruction:",
        (Shown(run, 40), Shown(f"{run} --svg door.svg", 1, (0,), "door.svg")),
        "An entry of the IDT is a gate of 16 bytes: where to go, and its DPL, the ring that it is "
        "open for. The CPU takes the kernel's stack from the TSS and pushes five words, by which "
        "IRETQ finds the way back.",
        ("Intel SDM vol. 3A, 6.12.1, 6.14",),
    )
    yield Screen(
        "Three doors side by side",
        "SYSENTER is a third one; 64-bit Linux programs use SYSCALL only.",
        (Shown("youcpu interrupts --compare doors", 30),),
        "SYSCALL writes nothing to memory and leaves RSP as it is: the kernel changes the stack "
        "itself. AMD's CPUs refuse SYSENTER in long mode (#UD), Intel's refuse SYSCALL in 32-bit "
        "code.",
        ("Intel SDM vol. 2B, SYSCALL, SYSENTER", "AMD64 APM vol. 3, SYSENTER"),
    )


def _calls(guide: Guide) -> Iterator[Screen]:
    yield Screen(
        "Which register holds what",
        "The arguments go in registers, by a convention of the kernel.",
        (Shown("youcpu syscalls write", 22),),
        "The fourth argument goes in R10, not in RCX as between C functions: SYSCALL itself "
        "needs RCX for the way back. What comes back in RAX is the result, or, from -4095 to "
        "-1, the number of an error.",
        ("syscall(2)", "Intel SDM vol. 2B, SYSCALL"),
    )
    ls = guide.system("ls", "busybox")
    yield Screen(
        "A real program asks all the time",
        "Most of what a program is for happens behind those doors.",
        (Shown(f"youcpu exec-trace -c {ls} /", 40),),
        "Most of these are the dynamic linker's, which fetches the libraries. C programs call "
        "functions of the C library, and these make the system calls: `exit(1)` ends in "
        "`exit_group`, by SYSCALL.",
        ("syscalls(2)", "exit_group(2)"),
    )


# -- questions -----------------------------------------------------------------------------


def ask_group(guide: Guide, chance: Random) -> Question:
    """An instruction of opcode 83, to be decoded by hand."""
    modrm = 0xC0 | chance.randrange(8) << 3 | chance.choice([0, 1, 2, 3, 6, 7])
    code = f"83 {modrm:02x} {chance.randrange(1, 0x80):02x}"
    line = f"youcpu disasm --hex '{code}' --fields"
    document = guide.json(line.replace("--fields", "--json"))
    found = document["parts"][0]["code"][0]
    groups = ", ".join(f"{number:03b} {name}" for number, name in enumerate(GROUP_1))
    return Question(
        f"What do the bytes `{code}` say? Opcode 83 works on a register and an immediate of 8 "
        f"bits. The reg bits of ModRM choose: {groups}. The rm bits name the register: 000 eax, "
        "001 ecx, 010 edx, 011 ebx, 110 esi, 111 edi.",
        (),
        f"{found['mnemonic']} {found['operands']}",
        "instruction",
        f"ModRM is {modrm:08b}: mod 11, reg {modrm >> 3 & 7:03b}, rm {modrm & 7:03b}.",
        line,
    )


def ask_next(guide: Guide, chance: Random) -> Question:
    """Where RIP points next, in real code."""
    program = guide.system("true", "ls", "busybox")
    entry = guide.json(f"youcpu readelf --json -h {program}")["files"][0]["header"]["entry"]
    line = f"youcpu disasm --start {entry:#x} --stop {entry + 40:#x} {program}"
    code = [row for part in guide.json(f"{line} --json")["parts"] for row in part["code"]]
    straight = [row for row in code if row["target"] is None and row["mnemonic"][0].isalpha()]
    chosen = chance.choice(straight)
    return Question(
        f"In {program} the instruction `{chosen['mnemonic']} {chosen['operands']}` lies at "
        f"{chosen['address']:#x}, as the bytes {_spaced(chosen['bytes'])}. Where does RIP point "
        "when it has been executed?",
        (),
        f"{chosen['address'] + len(chosen['bytes']) // 2:#x}",
        "number",
        f"It has {len(chosen['bytes']) // 2} bytes.",
        line,
    )


def ask_ring(guide: Guide, chance: Random) -> Question:
    """The privilege level in CS."""
    selector = chance.choice(SELECTORS)
    return Question(
        f"CS holds {selector:#04x}. In which ring is the CPU?",
        (),
        str(selector & 3),
        "number",
        f"The two lowest bits of {selector:#04x} are {selector & 3:02b}. "
        "Ring 0 is the kernel's, ring 3 the programs'.",
        "youcpu exec-trace --stages-only ./hello | tail -3",
    )


def ask_call(guide: Guide, chance: Random) -> Question:
    """A number behind one of the two doors."""
    from youcpu.abi.syscalls import NAMES_I386

    i386 = chance.random() < 0.5
    number = chance.choice([1, 3, 4, 5, 6, 11, 20, 37, 39, 45, 57, 59, 60])
    option = "--i386 " if i386 else ""
    line = f"youcpu syscalls {option}{number}"
    document = guide.json(f"youcpu syscalls --json {option}{number}")
    register, door = ("eax", "int 0x80") if i386 else ("rax", "syscall")
    other = guide.json(f"youcpu syscalls --json {number}")["syscalls"][0]["name"]
    return Question(
        f"{register} holds {number}, and `{door}` is executed: which call is it?",
        (),
        document["syscalls"][0]["name"],
        "words",
        f"The two doors have numbers of their own: {number} is {NAMES_I386[number]} behind "
        f"int 0x80, and {other} behind syscall.",
        line,
    )


def ask_refused(guide: Guide, chance: Random) -> Question:
    """What comes of an instruction in ring 3."""
    probes = guide.json("youcpu rings --json")["probes"]
    names = ["cli", "hlt", "in", "mov-cr3", "lgdt", "rdmsr", "rdtsc", "cpuid", "pushf", "clts"]
    probe = chance.choice([one for one in probes if one["name"] in names])
    cell = probe["cells"]["ring3"]
    answer = cell["exception"] or cell["outcome"]
    return Question(
        f"A program in ring 3 executes `{probe['instruction']}`. Which exception comes of it (#GP, "
        "#UD, #PF), or `ran`?",
        (),
        answer,
        "words",
        f"{probe['rule'][0].upper()}{probe['rule'][1:]} ({probe['source']}).",
        f"youcpu rings --explain {probe['name']}",
    )


def ask_frame(guide: Guide, chance: Random) -> Question:
    """How much the CPU pushes."""
    name = chance.choice(["int80", "ud2", "int3", "divide", "page-fault", "general-protection"])
    line = f"youcpu interrupts --run {name}"
    steps = guide.json(f"{line} --json")["steps"]
    delivery = next(step for step in steps if step["kind"] == "delivery")
    words = len(delivery["attempts"][-1]["pushed"])
    return Question(
        f"A program in ring 3 comes to {delivery['name']} (vector {delivery['vector']}). How many "
        "words of 8 bytes does the CPU push onto the kernel's stack?",
        (),
        str(words),
        "number",
        "SS, RSP, RFLAGS, CS and RIP always; some exceptions push an error code besides: #PF and "
        "#GP do, #UD, #DE and software interrupts do not.",
        line,
    )


def _spaced(digits: str) -> str:
    return " ".join(digits[place : place + 2] for place in range(0, len(digits), 2))


QUESTIONS = (ask_group, ask_next, ask_ring, ask_call, ask_refused, ask_frame)
