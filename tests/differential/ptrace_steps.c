/*
 * Single-steps a program on this machine's CPU and writes its registers after each step.
 *
 * ptrace_steps PLACE LIMIT OUTPUT PROGRAM: from address PLACE (hexadecimal) on, at most LIMIT steps.
 * A record: struct user_regs_struct, struct user_fpregs_struct (the image of FXSAVE64).
 * The first is the state at PLACE. Exit code: 0 the program ended or LIMIT was reached, 77 ptrace
 * is forbidden, 1 anything else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static FILE *out;

static int record(pid_t child) {
    struct user_regs_struct regs;
    struct user_fpregs_struct fpregs;
    if (ptrace(PTRACE_GETREGS, child, 0, &regs) || ptrace(PTRACE_GETFPREGS, child, 0, &fpregs))
        return 1;
    return fwrite(&regs, sizeof regs, 1, out) != 1 || fwrite(&fpregs, sizeof fpregs, 1, out) != 1;
}

static unsigned long rip(pid_t child) {
    struct user_regs_struct regs;
    ptrace(PTRACE_GETREGS, child, 0, &regs);
    return regs.rip;
}

int main(int argc, char **argv) {
    if (argc < 5) return 1;
    unsigned long place = strtoul(argv[1], 0, 16);
    long limit = atol(argv[2]);
    out = fopen(argv[3], "wbe");
    if (!out) return 1;
    setvbuf(out, 0, _IOFBF, 1 << 20);
    pid_t child = fork();
    if (!child) {
        char *environment[] = {0};
        personality(ADDR_NO_RANDOMIZE);
        if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(77);
        execve(argv[4], argv + 4, environment);
        _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    while (rip(child) != place) {
        if (ptrace(PTRACE_SINGLESTEP, child, 0, 0)) return 77;
        waitpid(child, &status, 0);
        if (!WIFSTOPPED(status)) return 1;
    }
    if (record(child)) return 1;
    long signal = 0;
    for (long done = 0; done < limit;) {
        if (ptrace(PTRACE_SINGLESTEP, child, 0, signal)) return 77;
        waitpid(child, &status, 0);
        if (!WIFSTOPPED(status)) break;
        signal = 0;
        siginfo_t info;
        if (WSTOPSIG(status) != SIGTRAP) {
            signal = WSTOPSIG(status);
        } else if (!ptrace(PTRACE_GETSIGINFO, child, 0, &info) && info.si_code == SI_KERNEL) {
            signal = SIGTRAP;           /* INT3 of the program, not our step */
        }
        /* A signal that is about to be delivered: the step goes on into the handler. */
        if (signal) continue;
        if (record(child)) return 1;
        done++;
    }
    return fclose(out) ? 1 : 0;
}
