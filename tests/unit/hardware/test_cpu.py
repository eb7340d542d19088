"""One test a trap of docs/design/0002-unicorn.md that the machine relies on, with ring-3 code.

They say what the way around gives; a later Unicorn that behaves otherwise fails here first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from board import CODE, DATA, EXECUTABLE, READ_ONLY, STACK, WRITABLE, Board

from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.cpu import (
    CR2,
    CR3,
    CS,
    HFLAGS,
    R10,
    R11,
    RAX,
    RBX,
    RCX,
    RDX,
    RIP,
    RSP,
    SS,
    Cpu,
)  # fmt: skip
from youcpu.hardware.interrupts import (
    DIVIDE_ERROR,
    GENERAL_PROTECTION,
    INVALID_OPCODE,
    PAGE_FAULT,
)  # fmt: skip
from youcpu.hardware.memory import PAGE_SHIFT, Ram
from youcpu.hardware.paging import PF_INSTR, PF_PRESENT, PF_USER, PF_WRITE, PTE_A, PTE_D, PTE_P


@pytest.fixture
def board() -> Iterator[Board]:
    """A CPU in ring 3 on a few mapped pages."""
    board = Board()
    yield board
    board.cpu.close()


SYSCALL = "0f05"
HOLE = 0x900000


def mov_rbx(value: int) -> str:
    return "48bb" + value.to_bytes(8, "little").hex()


STORE, LOAD = "488903", "488b03"  # mov [rbx], rax; mov rax, [rbx]


# -- exceptions (traps 1, 15) --


def test_the_second_fault_is_no_double_fault(board: Board) -> None:
    def fault(vector: int, error: int | None) -> None:
        board.note("exception", vector, error)
        board.state[RIP] += 3  # step over it and let the next one come in the same run

    board.cpu.on_exception = fault
    board.run(mov_rbx(HOLE) + LOAD + LOAD + STORE + "90" + SYSCALL)
    for _ in range(3):
        board.cpu.run(100)
    vectors = [(door, vector) for door, vector, _, _ in board.knocks]
    assert vectors == [("exception", PAGE_FAULT)] * 3 + [("syscall", None)]


@pytest.mark.parametrize(
    ("rights", "code", "error"),
    [
        (None, LOAD, PF_USER),
        (None, STORE, PF_USER | PF_WRITE),
        (READ_ONLY, STORE, PF_USER | PF_WRITE | PF_PRESENT),
        (WRITABLE, "ffe3", PF_USER | PF_INSTR | PF_PRESENT),  # jmp rbx to a page with NX
        (None, "ffe3", PF_USER | PF_INSTR),
        (PTE_P | PTE_A, LOAD, PF_USER | PF_PRESENT),  # a supervisor page
    ],
)
def test_page_fault_error_codes(board: Board, rights: int | None, code: str, error: int) -> None:
    if rights is not None:
        board.map(HOLE, rights)
    board.run(mov_rbx(HOLE) + code)
    assert [knock[:3] for knock in board.knocks] == [("exception", PAGE_FAULT, error)]
    assert board.state[CR2] == HOLE


def test_a_fault_after_int_n_is_no_software_interrupt(board: Board) -> None:
    board.cpu.on_software_interrupt = lambda vector: board.knocks.append(("int", vector, None, 0))
    board.run("cd80" + mov_rbx(HOLE) + LOAD)
    assert [knock[:3] for knock in board.knocks] == [
        ("int", 0x80, None),
        ("exception", PAGE_FAULT, PF_USER),
    ]


def test_a_fault_is_precise(board: Board) -> None:
    board.state[RAX] = 7
    board.run(mov_rbx(HOLE - 4) + "48ffc0" + STORE)  # inc rax; a store across the page's end
    assert board.knocks == [("exception", PAGE_FAULT, PF_USER | PF_WRITE, CODE + 13)]
    assert board.state[RAX] == 8
    assert board.state[RBX] == HOLE - 4


def test_accessed_and_dirty_are_set_by_the_cpu(board: Board) -> None:
    board.map(HOLE, WRITABLE & ~(PTE_A | PTE_D))
    board.run(mov_rbx(HOLE) + LOAD + SYSCALL)
    assert board.table.entry(HOLE) & (PTE_A | PTE_D) == PTE_A
    board.run(mov_rbx(HOLE) + STORE + SYSCALL)
    assert board.table.entry(HOLE) & (PTE_A | PTE_D) == PTE_A | PTE_D


def test_divide_error(board: Board) -> None:
    board.run("31c9 f7f1")
    assert board.knocks == [("exception", DIVIDE_ERROR, None, CODE + 2)]


# -- the saved context (trap 2) --


def test_context_layout_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("youcpu.hardware.registers.R15", 19)
    with pytest.raises(uc.UnicornError, match="unknown Unicorn"):
        Cpu(Ram(2 << 20))


def test_state_is_the_register_file(board: Board) -> None:
    for i in range(16):
        if i != 4:  # RSP
            board.state[5 + i] = 0x1000 + i
    board.run("48ffc0 49ffc7" + SYSCALL)  # inc rax; inc r15
    assert board.state[RAX] == 0x1001
    assert board.state[20] == 0x1010
    assert board.state[RBX] == 0x1003
    assert board.state[RSP] == STACK + 0x1000


# -- rings and segments (trap 3) --


def test_programs_run_in_ring_3(board: Board) -> None:
    board.run("8cc8 8cd3" + SYSCALL)  # mov eax, cs; mov ebx, ss
    assert board.state[RAX] == 0x33
    assert board.state[RBX] == 0x2B
    assert board.state[HFLAGS] & 3 == 3
    assert board.cpu.cpl == 3
    assert (board.state[CS] & 0xFFFF, board.state[SS] & 0xFFFF) == (0x33, 0x2B)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("hlt", "f4"),
        ("cli", "fa"),
        ("sti", "fb"),
        ("mov cr3, rax", "0f22d8"),
        ("mov rax, cr0", "0f20c0"),
        ("wrmsr", "0f30"),
        ("rdmsr", "0f32"),
        ("lgdt [rsp]", "0f011424"),
        ("lidt [rsp]", "0f011c24"),
        ("ltr ax", "0f00d8"),
        ("swapgs", "0f01f8"),
        ("invlpg [rsp]", "0f013c24"),
        ("mov rax, dr7", "0f21f8"),
        ("clts", "0f06"),
        ("wbinvd", "0f09"),
    ],
)
def test_privileged_instructions_are_gp_in_ring_3(board: Board, name: str, code: str) -> None:
    board.run(code)
    assert board.knocks == [("exception", GENERAL_PROTECTION, 0, CODE)], name


def test_the_kernel_half_cannot_be_reached(board: Board) -> None:
    board.run(mov_rbx(0xFFFFFFFF81000000) + LOAD)
    assert board.knocks[0][:3] == ("exception", PAGE_FAULT, PF_USER | PF_PRESENT)
    board.run(mov_rbx(0xFFFFFFFF81000000) + "ffe3")
    assert board.knocks[1][:3] == ("exception", PAGE_FAULT, PF_USER | PF_PRESENT | PF_INSTR)


# -- SYSCALL (trap 4) --


@pytest.mark.parametrize("prefix", ["", "48", "4f", "f3", "66", "6648", "2e2e2e2e2e2e2e2e48"])
def test_syscall_sets_rcx_and_r11(board: Board, prefix: str) -> None:
    board.run("f9" + prefix + SYSCALL + "f4")  # stc
    after = CODE + 1 + len(prefix) // 2 + 2
    assert board.knocks == [("syscall", None, None, after)]
    assert board.state[RCX] == after
    assert board.state[R11] & 1
    assert board.state[R11] & ~0x8D5 == 0x202
    board.cpu.run(10)
    assert board.knocks[1] == ("exception", GENERAL_PROTECTION, 0, after)


def test_a_prefixed_syscall_in_place_of_another(board: Board) -> None:
    """The lengths of SYSCALLs are remembered by place; new code there makes them new."""
    board.run(SYSCALL)
    board.cpu.flush_code()
    board.run("f348" + SYSCALL)
    assert board.state[RCX] == CODE + 4


def test_the_door_may_send_the_program_elsewhere(board: Board) -> None:
    def elsewhere() -> None:
        board.note("syscall")
        if len(board.knocks) == 1:
            board.state[RIP] = CODE + 0x100
            board.state[RAX] = 5

    board.cpu.on_syscall = elsewhere
    board.write(CODE + 0x100, bytes.fromhex("48ffc0" + SYSCALL))
    board.run(SYSCALL + "f4")
    board.cpu.run(10)
    assert [knock[0] for knock in board.knocks] == ["syscall", "syscall"]
    assert board.state[RAX] == 6


def test_sysenter_knocks(board: Board) -> None:
    board.run("0f34")
    assert board.knocks[0][0] in ("sysenter", "exception")


# -- counting (traps 5, 6, 20) --


def test_slices_stop_between_instructions_and_count_exactly(board: Board) -> None:
    """trap 5: a stop in the middle of a read-modify-write would run it twice."""
    rounds = 200_000
    # mov rcx, rounds; mov rbx, DATA; 1: inc qword [rbx]; dec rcx; jnz 1b; syscall
    board.write(
        CODE,
        bytes.fromhex("48b9" + rounds.to_bytes(8, "little").hex() + mov_rbx(DATA))
        + bytes.fromhex("48ff03 48ffc9 75f8" + SYSCALL),
    )
    board.state[RIP] = CODE
    slices = 0
    while not board.knocks:
        board.cpu.run(997)
        slices += 1
    assert struct.unpack("<Q", board.read(DATA, 8)) == (rounds,)
    # The first round belongs to the first block, the SYSCALL is one of its own.
    assert slices in (rounds // 997 + 1, rounds // 997 + 2)


def test_two_runs_stop_at_the_same_places() -> None:
    def trail() -> list[tuple[int, int]]:
        board = Board()
        stops = []
        board.write(CODE, bytes.fromhex("48ffc0 48d1eb 7202 eb00 4801c3 ebf0"))
        board.state[RIP], board.state[RBX] = CODE, 0x123456789ABCDEF
        for count in (1, 7, 100, 13):
            board.cpu.run(count)
            stops.append((board.state[RIP], board.state[RAX], board.cpu.blocks))
        board.cpu.close()
        return stops

    assert trail() == trail()


def test_blocks_are_counted(board: Board) -> None:
    before = board.cpu.blocks
    board.run("b964000000 ffc9 75fc" + SYSCALL)  # 100 rounds
    assert board.cpu.blocks - before == pytest.approx(101, abs=1)


def test_an_endless_loop_comes_back(board: Board) -> None:
    board.run("ebfe", blocks=50_000)
    assert not board.knocks
    assert board.state[RIP] == CODE


def test_what_a_door_raises_comes_out_of_run(board: Board) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    board.cpu.on_syscall = interrupted
    with pytest.raises(KeyboardInterrupt):
        board.run(SYSCALL)


# -- #UD, INT n, IN, OUT (trap 9) --


@pytest.mark.parametrize("code", ["0f0b", "06", "0fffc0", "0f01d0", "0fc7f0"])
def test_invalid_opcodes(board: Board, code: str) -> None:
    board.run("90" + code)
    assert board.knocks == [("exception", INVALID_OPCODE, None, CODE + 1)]


@pytest.mark.parametrize(
    ("code", "vector"), [("cd80", 0x80), ("cc", 3), ("cd03", 3), ("cd0e", 14), ("cdff", 255)]
)
def test_int_n_knocks_with_rip_behind_it(board: Board, code: str, vector: int) -> None:
    board.run(code)
    assert board.knocks == [("int", vector, None, CODE + len(code) // 2)]


@pytest.mark.parametrize("code", ["e460", "ec", "66ed", "ed", "e660", "ee", "6e", "6d"])
def test_ports_are_refused_in_ring_3(board: Board, code: str) -> None:
    """Unicorn lets them happen; the door takes them back."""
    board.state[RAX], board.state[RDX] = 0x1234, 0x3F8
    board.state[5 + 6] = board.state[5 + 7] = DATA  # RSI, RDI
    # What follows in the same block must not happen: a store, a fault, a system call.
    board.state[RBX] = DATA
    for rest in ("48891b", mov_rbx(HOLE) + LOAD, SYSCALL, "0f0b", "cd80", "e460", "f4", "0f31"):
        board.run("f9" + code + rest)
    assert [knock[0] for knock in board.knocks] == ["privileged"] * 8
    assert board.state[RIP] == CODE + 1
    assert (board.state[RAX], board.state[RBX]) == (0x1234, DATA)
    assert board.cpu.eflags() & 1
    assert board.read(DATA, 8) == bytes(8)
    board.run(STORE + SYSCALL)
    assert board.knocks[-1][0] == "syscall"
    assert board.read(DATA, 2) == b"\x34\x12"


# -- translations and the TLB (traps 10, 14, 16) --


def test_new_bytes_are_executed_after_a_flush(board: Board) -> None:
    for value in (1, 2, 3):
        board.run(f"b8{value:02x}000000" + SYSCALL)
        assert board.state[RAX] == value


def test_the_program_may_change_its_own_code(board: Board) -> None:
    # mov byte [rip+1], 9; mov eax, 1: the immediate becomes 9.
    board.run("c6050100000009 b801000000" + SYSCALL)
    assert board.state[RAX] == 9


def test_lowered_rights_count_after_a_flush(board: Board) -> None:
    physical = board.map(HOLE, WRITABLE)
    board.run(mov_rbx(HOLE) + STORE + SYSCALL)
    board.ram.quads[board.table.slot(HOLE)] = physical | READ_ONLY
    board.cpu.flush_tlb()
    board.run(mov_rbx(HOLE) + STORE + SYSCALL)
    assert board.knocks[-1][:3] == ("exception", PAGE_FAULT, PF_USER | PF_WRITE | PF_PRESENT)


def test_raised_rights_need_no_flush(board: Board) -> None:
    physical = board.map(HOLE, READ_ONLY)
    board.run(mov_rbx(HOLE) + STORE + SYSCALL)
    assert board.knocks[-1][0] == "exception"
    board.ram.quads[board.table.slot(HOLE)] = physical | WRITABLE
    board.cpu.run(10)
    assert board.knocks[-1][0] == "syscall"


def test_another_cr3_is_another_address_space(board: Board) -> None:
    other = Board.__new__(Board)
    other.__dict__.update(board.__dict__)
    from youcpu.kernel.mm.page_table import PageTable

    other.table = PageTable(board.frames, board.half.entries)
    for target, value in ((board, 1), (other, 2)):
        if target is other:
            target.map(CODE, EXECUTABLE)
        target.map(DATA, WRITABLE)
        target.write(DATA, bytes([value]))
        target.write(CODE, bytes.fromhex(mov_rbx(DATA) + "0fb603" + SYSCALL))
    for target, value in ((board, 1), (other, 2), (board, 1)):
        board.state[CR3] = target.table.root << PAGE_SHIFT
        board.cpu.flush_tlb()
        board.state[RIP] = CODE
        board.cpu.run(10)
        assert board.state[RAX] == value


# -- time (trap 11) --


def test_rdtsc_is_the_virtual_clock(board: Board) -> None:
    board.cpu.on_rdtsc = lambda: 0x1_2345_6789
    board.state[RAX] = board.state[RDX] = (1 << 64) - 1
    board.run("0f31" + SYSCALL)
    assert (board.state[RAX], board.state[RDX]) == (0x2345_6789, 1)
    board.run("0f01f9")  # RDTSCP: not in this CPU, as CPUID says
    assert board.knocks[-1][:2] == ("exception", INVALID_OPCODE)


def test_rdtsc_leaves_the_other_registers(board: Board) -> None:
    board.cpu.on_rdtsc = lambda: 5
    board.state[RBX], board.state[R10] = 77, 88
    board.run("f9 0f31 73fe 48ffc3" + SYSCALL)  # the carry must survive
    assert (board.state[RBX], board.state[R10]) == (78, 88)


def test_there_is_no_rdrand(board: Board) -> None:
    board.run("b801000000 0fa2 f4")
    assert board.state[RBX] == 0x800
    assert not board.state[RCX] >> 30 & 1
    board.run("0fc7f0")
    assert board.knocks[-1][:2] == ("exception", INVALID_OPCODE)


def test_hwcap_is_cpuid_1_edx(board: Board) -> None:
    board.state[RAX] = 1
    board.run("0fa2" + SYSCALL)
    assert board.half.hwcap == board.state[RDX]


# -- ends (traps 12, 15) --


def test_a_jump_to_address_0_is_a_fault(board: Board) -> None:
    board.run("31c0 ffe0")
    assert board.knocks == [("exception", PAGE_FAULT, PF_USER | PF_INSTR, 0)]
    assert board.state[CR2] == 0


@pytest.mark.parametrize("code", [STORE, LOAD, "ff33"])
def test_a_non_canonical_address_is_gp(board: Board, code: str) -> None:
    board.run(mov_rbx(0x8000_0000_0000_0000) + code)
    assert board.knocks == [("exception", GENERAL_PROTECTION, 0, CODE + 10)]


# -- floating point (trap 13) --


def test_x87_computes_in_double_extended(board: Board) -> None:
    """FCW 0 would round to single precision: 1/10 would differ."""
    # fld1; push 10; fild qword [rsp]; fdivp; fstp tbyte [rbx]
    board.run(mov_rbx(DATA) + "d9e8 6a0a df2c24 def9 db3b" + SYSCALL)
    assert board.read(DATA, 10) == bytes.fromhex("cdcccccccccccccc fb3f")


def test_initial_control_words(board: Board) -> None:
    # fnstcw [rbx]; stmxcsr [rbx+4]
    board.run(mov_rbx(DATA) + "d93b 0fae5b04" + SYSCALL)
    assert struct.unpack("<HxxI", board.read(DATA, 8)) == (0x37F, 0x1F80)


def test_fxsave_is_what_the_cpu_stores(board: Board) -> None:
    # fld1; fldpi; movq xmm15, rbx; fxsave64 [rbx]
    board.run(mov_rbx(DATA) + "d9e8 d9eb 664c0f6efb 480fae03" + SYSCALL)
    stored = board.read(DATA, 512)
    image = board.cpu.fxsave()
    assert image[32:416] == stored[32:416]
    assert image[:5] == stored[:5]
    assert image[24:28] == stored[24:28]
    assert image[2:4] == struct.pack("<H", 6 << 11)  # two values on the stack
    assert image[400:408] == DATA.to_bytes(8, "little")


def test_fxrstor_is_what_the_cpu_loads(board: Board) -> None:
    board.run("d9e8 d9eb d9ee" + SYSCALL)
    image = bytearray(board.cpu.fxsave())
    image[400:416] = bytes(range(16))
    struct.pack_into("<H", image, 0, 0x77F)  # round down
    struct.pack_into("<I", image, 24, 0x5F80)
    kept = board.state[RBX], board.state[RSP]
    board.run("dbe3" + SYSCALL)  # fninit
    board.cpu.fxrstor(bytes(image))
    assert (board.state[RBX], board.state[RSP]) == kept
    assert board.cpu.fxsave() == bytes(image)
    board.run(mov_rbx(DATA) + "480fae03 d93b" + SYSCALL)
    stored = board.read(DATA, 512)
    assert stored[32:416] == bytes(image[32:416])
    assert stored[:2] + stored[24:28] == bytes(image[:2] + image[24:28])


def test_a_restored_rounding_mode_is_used(board: Board) -> None:
    """What QEMU derives from FCW and MXCSR comes with them."""
    image = bytearray(board.cpu.fxsave())
    struct.pack_into("<H", image, 0, 0xB7F)  # round up
    struct.pack_into("<I", image, 24, 0x5F80)  # SSE: up
    board.cpu.fxrstor(bytes(image))
    board.write(DATA, struct.pack("<dd", 1.25, 0.0))
    # fld qword [rbx]; fistp qword [rbx+8]; cvtsd2si rax, [rbx]
    board.run(mov_rbx(DATA) + "dd03 df7b08 f2480f2d03" + SYSCALL)
    assert struct.unpack("<q", board.read(DATA + 8, 8)) == (2,)
    assert board.state[RAX] == 2


# -- flags --


@pytest.mark.parametrize("flags", [0x202, 0x203, 0xAD7, 0x646, 0x40202])
def test_flags_go_in_and_out(board: Board, flags: int) -> None:
    board.cpu.set_eflags(flags)
    assert board.cpu.eflags() == flags | 2
    board.run("9c 58 fc" + SYSCALL)  # pushfq; pop rax; cld
    assert board.state[RAX] == flags | 2


def test_lazy_flags_are_evaluated(board: Board) -> None:
    board.run("31c0 83e801" + SYSCALL)  # xor; sub: CF, PF, AF, SF
    assert board.state[R11] == 0x297
    assert board.cpu.eflags() == 0x297


def test_a_snapshot_brings_everything_back(board: Board) -> None:
    board.run("b805000000 d9e8" + SYSCALL)
    kept = board.cpu.snapshot()
    image = board.cpu.fxsave()
    board.run("b806000000 dbe3" + SYSCALL)
    board.cpu.load(kept)
    assert board.state[RAX] == 5
    assert board.cpu.fxsave() == image
