// Floating-point and vector state belongs to each process: set in each of several spinning and
// yielding processes, it survives switches, forks and blocking calls. AVX where the CPU has it.
#include "check.h"
#include <sched.h>

#define KIDS 6

static bool have_avx;

static __attribute__((target("avx"))) void set_ymm(const unsigned long v[4])
{
	__asm__ volatile("vmovdqu %0, %%ymm5\n\tvmovdqu %0, %%ymm13" ::"m"(*(const char(*)[32])v)
			 : "xmm5", "xmm13");
}

static __attribute__((target("avx"))) void get_ymm(unsigned long v[8])
{
	__asm__ volatile("vmovdqu %%ymm5, %0\n\tvmovdqu %%ymm13, %1"
			 : "=m"(*(char(*)[32])v), "=m"(*(char(*)[32])(v + 4)));
}

static void set_xmm(const unsigned long v[2])
{
	__asm__ volatile("movdqu %0, %%xmm6\n\tmovdqu %0, %%xmm14" ::"m"(*(const char(*)[16])v)
			 : "xmm6", "xmm14");
}

static void get_xmm(unsigned long v[4])
{
	__asm__ volatile("movdqu %%xmm6, %0\n\tmovdqu %%xmm14, %1"
			 : "=m"(*(char(*)[16])v), "=m"(*(char(*)[16])(v + 2)));
}

/* The raw call, so that no C library code touches the registers in between. */
static long call(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

static __attribute__((noinline)) int one_round(unsigned long seed, const int *ring)
{
	unsigned long set[4] = {seed, ~seed, seed * 3, seed ^ 0xff}, x[4], y[8];
	unsigned short cw = (unsigned short)(0x37f & ~((seed & 3) << 10)), got_cw;
	char byte = 0;

	set_xmm(set);
	if (have_avx)
		set_ymm(set);
	__asm__ volatile("fldcw %0" ::"m"(cw));
	for (volatile int i = 0; i < 2000; i++)
		;
	call(SYS_sched_yield, 0, 0, 0);
	if (ring) {
		call(SYS_write, ring[1], (long)&byte, 1);
		call(SYS_read, ring[0], (long)&byte, 1);
	}
	get_xmm(x);
	if (have_avx)
		get_ymm(y);
	__asm__ volatile("fnstcw %0" : "=m"(got_cw));
	if (x[0] != set[0] || x[1] != set[1] || x[2] != set[0] || x[3] != set[1])
		return 1;
	if (have_avx && (memcmp(y, set, 32) != 0 || memcmp(y + 4, set, 32) != 0))
		return 2;
	return got_cw != cw ? 3 : 0;
}

int main(void)
{
	unsigned long set[4] = {1, 2, 3, 4}, x[4], y[8];
	int ring[KIDS][2];
	pid_t pid[KIDS];
	long raw;

	have_avx = __builtin_cpu_supports("avx");
	/* a fork's child starts with the parent's state */
	set_xmm(set);
	if (have_avx)
		set_ymm(set);
	raw = call(SYS_fork, 0, 0, 0);
	get_xmm(x);
	if (have_avx)
		get_ymm(y);
	CHECK(raw >= 0);
	CHECK(x[0] == 1 && x[1] == 2 && x[2] == 1 && x[3] == 2);
	CHECK(!have_avx || (memcmp(y, set, 32) == 0 && memcmp(y + 4, set, 32) == 0));
	if (raw == 0)
		_exit(0);
	reap_ok((pid_t)raw);
	say("fork ok\n");

	/* a ring of processes that hand a byte on */
	for (int i = 0; i < KIDS; i++)
		make_pipe(ring[i]);
	for (int i = 0; i < KIDS; i++) {
		pid[i] = fork_ok();
		if (pid[i] == 0) {
			int mine[2] = {ring[i][0], ring[(i + 1) % KIDS][1]};

			for (unsigned long n = 0; n < 100; n++)
				CHECK_EQ(one_round(n * 1000003 + (unsigned long)i, mine), 0);
			for (unsigned long n = 0; n < 100; n++)
				CHECK_EQ(one_round(n * 7777 + (unsigned long)i, NULL), 0);
			_exit(0);
		}
	}
	for (int i = 0; i < KIDS; i++)
		reap_ok(pid[i]);
	say("switches ok\n");
	return 0;
}
