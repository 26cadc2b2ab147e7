// cflags: -pthread
// timeout: 60
// Each thread's SSE and AVX registers, MXCSR and x87 control word are its own, while threads
// change CPUs, are preempted, take signals and fork.
#include "check.h"
#include <cpuid.h>
#include <pthread.h>
#include <sched.h>

#define THREADS 6
#define ROUNDS  400

static bool avx;
static volatile int stop;

struct state {
	uint64_t r[16][4] __attribute__((aligned(32)));
};

static void load_sse(const struct state *s)
{
	__asm__ volatile("movups 0*32(%0), %%xmm0\n movups 1*32(%0), %%xmm1\n"
			 "movups 2*32(%0), %%xmm2\n movups 3*32(%0), %%xmm3\n"
			 "movups 4*32(%0), %%xmm4\n movups 5*32(%0), %%xmm5\n"
			 "movups 6*32(%0), %%xmm6\n movups 7*32(%0), %%xmm7\n"
			 "movups 8*32(%0), %%xmm8\n movups 9*32(%0), %%xmm9\n"
			 "movups 10*32(%0), %%xmm10\n movups 11*32(%0), %%xmm11\n"
			 "movups 12*32(%0), %%xmm12\n movups 13*32(%0), %%xmm13\n"
			 "movups 14*32(%0), %%xmm14\n movups 15*32(%0), %%xmm15\n"
			 :
			 : "r"(s)
			 : "memory");
}

static void store_sse(struct state *s)
{
	__asm__ volatile("movups %%xmm0, 0*32(%0)\n movups %%xmm1, 1*32(%0)\n"
			 "movups %%xmm2, 2*32(%0)\n movups %%xmm3, 3*32(%0)\n"
			 "movups %%xmm4, 4*32(%0)\n movups %%xmm5, 5*32(%0)\n"
			 "movups %%xmm6, 6*32(%0)\n movups %%xmm7, 7*32(%0)\n"
			 "movups %%xmm8, 8*32(%0)\n movups %%xmm9, 9*32(%0)\n"
			 "movups %%xmm10, 10*32(%0)\n movups %%xmm11, 11*32(%0)\n"
			 "movups %%xmm12, 12*32(%0)\n movups %%xmm13, 13*32(%0)\n"
			 "movups %%xmm14, 14*32(%0)\n movups %%xmm15, 15*32(%0)\n"
			 :
			 : "r"(s)
			 : "memory");
}

static void load_avx(const struct state *s)
{
	__asm__ volatile("vmovups 0*32(%0), %%ymm0\n vmovups 3*32(%0), %%ymm3\n"
			 "vmovups 7*32(%0), %%ymm7\n vmovups 15*32(%0), %%ymm15\n"
			 :
			 : "r"(s)
			 : "memory");
}

static void store_avx(struct state *s)
{
	__asm__ volatile("vmovups %%ymm0, 0*32(%0)\n vmovups %%ymm3, 3*32(%0)\n"
			 "vmovups %%ymm7, 7*32(%0)\n vmovups %%ymm15, 15*32(%0)\n"
			 :
			 : "r"(s)
			 : "memory");
}

/* No libc between load and store: it uses these registers. */
static inline long raw(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

static void spin(int n)
{
	while (n--)
		__asm__ volatile("pause" ::: "memory");
}

static void disturb(int how, unsigned cpus)
{
	uint64_t mask;

	switch (how % 4) {
	case 0:
		raw(SYS_sched_yield, 0, 0, 0);
		break;
	case 1:
		spin(2000);
		break;
	case 2:
		mask = 1ULL << (unsigned)how / 4 % cpus;
		raw(SYS_sched_setaffinity, 0, sizeof(mask), (long)&mask);
		break;
	default:
		raw(SYS_tkill, raw(SYS_gettid, 0, 0, 0), SIGUSR1, 0);
	}
}

static void handler(int sig)
{
	struct state s;

	(void)sig;
	memset(&s, 0x55, sizeof(s));
	load_sse(&s);
}

static void *thread(void *arg)
{
	uint32_t mxcsr = 0x1f80 | (uint32_t)((uintptr_t)arg % 4) << 13, mxcsr_now;
	uint16_t cw = 0x37f & ~((uint16_t)((uintptr_t)arg % 4) << 8), cw_now;
	unsigned cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	struct state in, now;

	for (int round = 0; round < ROUNDS; round++) {
		for (int r = 0; r < 16; r++)
			for (int w = 0; w < 4; w++)
				in.r[r][w] = (uintptr_t)arg << 48 | (unsigned)round << 16 |
					     (unsigned)r << 8 | (unsigned)w;
		now = in;
		__asm__ volatile("ldmxcsr %0\n fldcw %1" : : "m"(mxcsr), "m"(cw));
		load_sse(&in);
		if (avx)
			load_avx(&in);
		disturb(round + (int)(intptr_t)arg, cpus);
		if (avx)
			store_avx(&now);
		store_sse(&now);
		__asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(mxcsr_now), "=m"(cw_now));
		CHECK_EQ(memcmp(&in, &now, sizeof(in)), 0);
		CHECK_EQ(mxcsr_now, mxcsr);
		CHECK_EQ(cw_now, cw);
	}
	mxcsr = 0x1f80;
	__asm__ volatile("ldmxcsr %0\n fninit" : : "m"(mxcsr));
	return NULL;
}

static void *forker(void *arg)
{
	struct state in, now;

	(void)arg;
	memset(&in, 0x77, sizeof(in));
	while (!stop) {
		long pid;

		load_sse(&in);
		pid = raw(SYS_fork, 0, 0, 0);
		store_sse(&now);
		for (int r = 0; r < 16; r++)
			CHECK_EQ(memcmp(now.r[r], in.r[r], 16), 0);
		if (pid == 0)
			_exit(0);
		reap_ok((pid_t)pid);
		usleep(1000);
	}
	return NULL;
}

static bool has_avx(void)
{
	unsigned a, b, c, d, lo, hi;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX))
		return false;
	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (lo & 6) == 6;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = handler};
	pthread_t t[THREADS], f;

	avx = has_avx();
	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	CHECK_EQ(pthread_create(&f, NULL, forker, NULL), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, thread, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	stop = 1;
	CHECK_EQ(pthread_join(f, NULL), 0);
	say("ok\n");
	return 0;
}
