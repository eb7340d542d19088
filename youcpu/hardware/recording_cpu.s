# The two hooks of recording_cpu.py, GNU as. tests/unit/hardware/test_recording_cpu.py assembles
# this and compares it with the bytes there. Cells (quadwords) are those of class Cell.
        .intel_syntax noprefix

        .set BUDGET, 0 * 8;  .set SLICE, 1 * 8;    .set TICKS, 2 * 8;    .set MODE, 3 * 8
        .set TARGET_A, 4 * 8; .set TARGET_B, 5 * 8; .set SKIP, 6 * 8;    .set NEXT, 7 * 8
        .set FIRST, 8 * 8;   .set END, 9 * 8;      .set STEPS, 10 * 8;   .set ACCESSES, 11 * 8
        .set MASK, 12 * 8;   .set REASON, 13 * 8;  .set LAST_ADDRESS, 14 * 8
        .set LAST_RCX, 15 * 8; .set SAVE, 16 * 8;  .set READ, 17 * 8;    .set STOP, 18 * 8
        .set RAM_BASE, 19 * 8; .set RAM_SIZE, 20 * 8; .set LOG, 21 * 8;  .set RESTORE, 22 * 8

        .set SLOT, 5696                         # bytes of a slot of the ring
        .set CONTEXT, 64                        # where the context lies in it
        .set STATE, CONTEXT + 40                # where CPUX86State lies in it
        .set COUNTER, STATE + 8                 # RCX
        .set FPUS, STATE + 608                  # the x87 status word, its control word
        .set FPUC, STATE + 610
        .set X87_RAISED, STATE + 778            # softfloat's exception flags: x87, SSE
        .set SSE_RAISED, STATE + 810
        .set X87_FLUSHES, STATE + 780
        .set SSE_FLUSHES, STATE + 812           # softfloat flushes SSE results to zero
        .set MXCSR, STATE + 816

# void instruction(engine rdi, address rsi, size edx, cells rcx): before each instruction
instruction:
        mov     eax, [rcx + MODE]
        test    eax, eax
        jz      9f                              # muted
        cmp     eax, 2
        je      record
        cmp     qword ptr [rcx + SKIP], 0
        jne     1f
        cmp     rsi, [rcx + TARGET_A]
        je      2f
        cmp     rsi, [rcx + TARGET_B]
        je      2f
1:      mov     eax, 1
        cmp     qword ptr [rcx + BUDGET], 0
        jle     3f
        inc     eax
        cmp     qword ptr [rcx + SLICE], 0
        jle     3f
        mov     qword ptr [rcx + SKIP], 0
        dec     qword ptr [rcx + BUDGET]
        dec     qword ptr [rcx + SLICE]
        inc     qword ptr [rcx + TICKS]
9:      ret
2:      mov     eax, 3
3:      mov     [rcx + REASON], rax
        jmp     qword ptr [rcx + STOP]

record: push    rbx
        push    r12
        push    r13
        push    r14
        push    r15
        mov     rbx, rcx
        mov     r12, rsi
        mov     r13d, edx
        mov     r14, rdi
        mov     r15, [rbx + NEXT]
        lea     rsi, [r15 + CONTEXT]
        call    [rbx + SAVE]
        movzx   eax, byte ptr [r15 + X87_RAISED]
        movzx   edx, byte ptr [r15 + SSE_RAISED]
        mov     ecx, [r15 + MXCSR]
        shr     ecx, 15
        xor     cl, [r15 + SSE_FLUSHES]
        or      ecx, eax
        or      ecx, edx
        jnz     raised
whole:  mov     rax, [r15 + COUNTER]
        cmp     r12, [rbx + LAST_ADDRESS]       # the same instruction, RCX just became 0:
        jne     fresh                           # QEMU looks once more at a REP that is over
        test    rax, rax
        jnz     same
        cmp     qword ptr [rbx + LAST_RCX], 0
        je      same
        mov     [rbx + LAST_RCX], rax
        jmp     tail
same:   mov     rdx, r15                        # the same instruction and the same registers, but
        cmp     rdx, [rbx + FIRST]              # it had begun to store: into its own block of
        jne     1f                              # code, so QEMU starts it again, alone
        mov     rdx, [rbx + END]
1:      sub     rdx, SLOT
        mov     r8, [rbx + ACCESSES]
        cmp     r8, [rdx + 32]
        je      fresh
        lea     rsi, [rdx + STATE]
        lea     rdi, [r15 + STATE]
        mov     ecx, 16
        repe cmpsq
        jne     fresh
        mov     [rdx + 32], r8
        jmp     tail
fresh:  cmp     qword ptr [rbx + SKIP], 0
        jne     1f
        cmp     r12, [rbx + TARGET_A]
        je      2f
        cmp     r12, [rbx + TARGET_B]
        je      2f
1:      mov     ecx, 1
        cmp     qword ptr [rbx + BUDGET], 0
        jle     3f
        inc     ecx
        cmp     qword ptr [rbx + SLICE], 0
        jle     3f
        mov     [rbx + LAST_ADDRESS], r12
        mov     [rbx + LAST_RCX], rax
        mov     qword ptr [rbx + SKIP], 0
        mov     rdi, r14
        mov     esi, 25                         # UC_X86_REG_EFLAGS
        lea     rdx, [r15 + 24]
        mov     qword ptr [rdx], 0
        call    [rbx + READ]
        mov     rax, [rbx + TICKS]
        mov     [r15], rax
        mov     [r15 + 8], r12
        mov     [r15 + 16], r13
        mov     rax, [rbx + ACCESSES]
        mov     [r15 + 32], rax
        add     r15, SLOT
        cmp     r15, [rbx + END]
        jb      1f
        mov     r15, [rbx + FIRST]
1:      mov     [rbx + NEXT], r15
        dec     qword ptr [rbx + BUDGET]
        inc     qword ptr [rbx + STEPS]
tail:   dec     qword ptr [rbx + SLICE]
        inc     qword ptr [rbx + TICKS]
8:      pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        ret
2:      mov     ecx, 3
3:      mov     [rbx + REASON], rcx
        mov     rdi, r14
        call    [rbx + STOP]
        jmp     8b

# QEMU 5.0 keeps what SSE and x87 instructions raised to itself: into MXCSR and FSW with it.
raised: mov     ecx, edx                        # 80: a result was flushed to zero, UE and PE
        and     ecx, 0x80
        shr     ecx, 2
        or      edx, ecx
        shr     ecx, 1
        or      edx, ecx
        and     edx, 0x3d
        or      [r15 + MXCSR], edx
        and     eax, 0x3d
        or      [r15 + FPUS], ax
        mov     cx, [r15 + FPUC]
        not     ecx
        and     ecx, eax
        jz      1f
        or      word ptr [r15 + FPUS], 0x8080   # one that is not masked: ES and B
1:      mov     byte ptr [r15 + X87_RAISED], 0
        mov     byte ptr [r15 + SSE_RAISED], 0
        mov     ecx, [r15 + MXCSR]
        shr     ecx, 15
        mov     [r15 + SSE_FLUSHES], cl         # LDMXCSR told it to the x87 unit's instead
        mov     byte ptr [r15 + X87_FLUSHES], 0
        mov     rdi, r14
        lea     rsi, [r15 + CONTEXT]
        call    [rbx + RESTORE]
        jmp     whole

# void access(engine rdi, type esi, physical address rdx, size ecx, value r8, cells r9)
        .balign 16
access: cmp     dword ptr [r9 + MODE], 2
        jne     9f
        mov     r10, [r9 + ACCESSES]
        mov     rax, r10
        and     rax, [r9 + MASK]
        shl     rax, 6
        add     rax, [r9 + LOG]
        inc     r10
        mov     [r9 + ACCESSES], r10
        mov     [rax], rdx
        mov     [rax + 8], ecx
        mov     [rax + 12], esi
        mov     [rax + 16], r8
        mov     qword ptr [rax + 24], 0
        lea     r10, [rdx + 8]
        cmp     r10, [r9 + RAM_SIZE]
        ja      9f
        add     rdx, [r9 + RAM_BASE]
        mov     r10, [rdx]                      # what is there before a store; what is read
        mov     [rax + 24], r10
9:      ret
