// No memory ever shows what another process, or an earlier mapping, left in it: processes fill
// memory with a pattern and go, others must find zeros everywhere they may look.
#include "check.h"

#define PAGE  4096
#define PAGES 256
#define SEED  0xa5

static void fill(void *arg)
{
	unsigned char *p = map_pages(PAGES * PAGE, PROT_READ | PROT_WRITE);

	(void)arg;
	memset(p, SEED, PAGES * PAGE);
	p = sbrk(64 * PAGE);
	CHECK(p != (void *)-1);
	memset(p, SEED, 64 * PAGE);
}

static void expect_zero(const unsigned char *p, size_t len)
{
	const unsigned long *w = (const unsigned long *)(const void *)p;

	for (size_t i = 0; i < len / sizeof(*w); i++)
		CHECK_EQ(w[i], 0);
}

static void look(void *arg)
{
	unsigned char *p = map_pages(PAGES * PAGE, PROT_READ | PROT_WRITE);

	(void)arg;
	/* half read first, half written first: both kinds of fault */
	expect_zero(p, PAGES / 2 * PAGE);
	for (int i = PAGES / 2; i < PAGES; i++) {
		p[i * PAGE + 100] = 1;
		p[i * PAGE + 100] = 0;
		expect_zero(p + i * PAGE, PAGE);
	}
	p = sbrk(64 * PAGE);
	CHECK(p != (void *)-1);
	p = (unsigned char *)(((uintptr_t)p + PAGE - 1) & -(uintptr_t)PAGE);
	expect_zero(p, 63 * PAGE);
}

/* Below the stack pointer: what the stack grows into. */
static __attribute__((noinline)) void deep(void *arg)
{
	volatile unsigned char frame[200 * 1024];
	size_t top = sizeof(frame) - 16384;

	(void)arg;
	__asm__ volatile("" : "=m"(frame)); /* uninitialized on purpose */
	for (size_t i = 0; i < top; i++)
		CHECK_EQ(frame[i], 0);
	for (size_t i = 0; i < top; i++)
		frame[i] = SEED;
}

int main(void)
{
	for (int round = 0; round < 8; round++) {
		pid_t pid[4];

		for (int i = 0; i < 4; i++)
			pid[i] = spawn(i % 2 ? look : fill, NULL);
		for (int i = 0; i < 4; i++)
			reap_ok(pid[i]);
		reap_ok(spawn(deep, NULL));
	}
	/* within one process */
	for (int round = 0; round < 20; round++) {
		unsigned char *p = map_pages(64 * PAGE, PROT_READ | PROT_WRITE);

		expect_zero(p, 64 * PAGE);
		memset(p, SEED, 64 * PAGE);
		CHECK_EQ(munmap(p, 64 * PAGE), 0);
	}
	say("ok\n");
	return 0;
}
