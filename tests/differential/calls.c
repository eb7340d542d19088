/*
 * Runs the system calls that it is told on stdin, each with memory of known content, so that
 * what strace says of a call can be compared with what youcpu says of the same call.
 *
 * In:  { u64 number, arguments[6]; u32 size; u8 data[size] } ...
 * Out: { i64 result; u8 region[REGION] } ...
 * A call with the number 1000 marks the line of strace that follows.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BASE ((uint8_t *)0x10000000)
#define REGION 8192

static long raw_syscall(const uint64_t *call)
{
	long result;
	register uint64_t r10 asm("r10") = call[4];
	register uint64_t r8 asm("r8") = call[5];
	register uint64_t r9 asm("r9") = call[6];
	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(call[0]), "D"(call[1]), "S"(call[2]), "d"(call[3]), "r"(r10), "r"(r8),
		       "r"(r9)
		     : "rcx", "r11", "memory");
	return result;
}

static int exactly(int fd, void *at, size_t size)
{
	while (size) {
		long got = fd ? write(fd, at, size) : read(fd, at, size);
		if (got <= 0)
			return 0;
		at = (char *)at + got;
		size -= got;
	}
	return 1;
}

int main(void)
{
	static uint8_t before[REGION];
	uint64_t call[7];
	uint32_t size;
	static const uint64_t marker[7] = { 1000 };

	mmap(BASE, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	mmap(BASE + REGION, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	while (exactly(0, call, sizeof call) && exactly(0, &size, 4)) {
		memset(before, 0, REGION);
		if (size > REGION || !exactly(0, before, size))
			return 1;
		memcpy(BASE, before, REGION);
		raw_syscall(marker);
		int64_t result = raw_syscall(call);
		if (!exactly(1, &result, 8) || !exactly(1, BASE, REGION))
			return 1;
	}
	return 0;
}
