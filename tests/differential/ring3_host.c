/* Runs pieces of machine code in ring 3 of the host, one a line of standard input:
 *
 *     name rax rcx rdx code          numbers and code in hex
 *
 * and prints which exception came: name, trap number, error code, RIP - start, RFLAGS. The code
 * lies at 0x401000, RDI and RSI hold 0x403070, as in the interrupt lab (fixtures/interrupt-lab).
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static char name[64];
#define CODE ((unsigned char *)0x401000000000)
#define DATA ((unsigned char *)0x403000)

static void handler(int number, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)info;
	/* A program may have set AC, which its handler keeps: libc is full of misaligned loads. */
	__asm__ volatile("pushfq; andl $~0x40000, (%rsp); popfq");
	printf("%s %d %llx %lld %llx %d\n", name, (int)r[REG_TRAPNO], r[REG_ERR],
	       (long long)(r[REG_RIP] - (greg_t)CODE), r[REG_EFL], number);
	fflush(stdout);
	_exit(0);
}

int main(void)
{
	static char stack[65536];
	stack_t alternative = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static const int signals[] = { SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGTRAP };
	unsigned long rax, rcx, rdx;
	static char code[4096];

	sigaltstack(&alternative, NULL);
	for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &action, NULL);
	if (mmap(CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != CODE ||
	    mmap(DATA, 4096, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != DATA)
		return 1;
	memcpy(DATA + 0x60, "\0\x10\x40\0\x10\0", 6); /* a far pointer to ring 0 code */
	while (scanf("%63s %lx %lx %lx %4095s", name, &rax, &rcx, &rdx, code) == 5) {
		if (fork() == 0) {
			for (size_t i = 0; code[2 * i]; i++)
				sscanf(code + 2 * i, "%2hhx", CODE + i);
			register void *target __asm__("r8") = CODE;

			__asm__ volatile("jmp *%%r8" ::"a"(rax), "c"(rcx), "d"(rdx), "D"(DATA + 0x70),
					 "S"(DATA + 0x70), "r"(target) : "memory");
		}
		wait(NULL);
	}
	return 0;
}
