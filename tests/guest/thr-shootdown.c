// cflags: -pthread
// timeout: 60
// One thread unmaps, protects or drops pages that others write to at this moment on other CPUs;
// the memory is used again at once, elsewhere. A write through a stale translation would be seen
// there.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>

#define ROUNDS 100
#define PAGES  8
#define MARK   0xdeadbeefcafef00dULL

static volatile uint64_t *volatile target;
static volatile int stop;
static __thread sigjmp_buf out;

static void on_fault(int sig, siginfo_t *si, void *uc)
{
	uintptr_t at = (uintptr_t)si->si_addr, start = (uintptr_t)target;

	(void)sig;
	(void)uc;
	CHECK(at >= start && at < start + PAGES * 4096);
	siglongjmp(out, 1);
}

/* Writes the mark wherever it may, as fast as it can. */
static void *writer(void *arg)
{
	sigsetjmp(out, 1);
	while (!stop)
		for (int n = 0; n < 1000; n++)
			target[(n % PAGES) * 512 + (uintptr_t)arg] = MARK;
	return NULL;
}

/* What the freed frames are used for: it must hold what we put there, and nothing else. */
static void use_again(void)
{
	volatile uint64_t *p = (void *)map_pages(2 * PAGES * 4096, PROT_READ | PROT_WRITE);

	for (int i = 0; i < 2 * PAGES; i++)
		p[i * 512 + 100] = 1;
	for (int look = 0; look < 20; look++)
		for (int i = 0; i < 2 * PAGES; i++)
			for (int w = 0; w < 4; w++)
				CHECK_EQ(p[i * 512 + w], 0);
	CHECK_EQ(munmap((void *)(uintptr_t)p, 2 * PAGES * 4096), 0);
}

static void map_again(void)
{
	void *p = mmap((void *)(uintptr_t)target, PAGES * 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	CHECK(p == (void *)(uintptr_t)target);
}

static void let_them_write(void)
{
	for (int i = 0; i < PAGES; i++)
		target[i * 512] = 0;
	sched_yield();
}

static void unmap(void)
{
	let_them_write();
	CHECK_EQ(munmap((void *)(uintptr_t)target, PAGES * 4096), 0);
	use_again();
	map_again();
}

static void drop(void)
{
	let_them_write();
	CHECK_EQ(madvise((void *)(uintptr_t)target, PAGES * 4096, MADV_DONTNEED), 0);
	use_again();
}

/* While nobody may write, nothing changes. */
static void protect(void)
{
	uint64_t before[PAGES * 2];

	let_them_write();
	CHECK_EQ(mprotect((void *)(uintptr_t)target, PAGES * 4096, PROT_READ), 0);
	for (int i = 0; i < PAGES * 2; i++)
		before[i] = target[i / 2 * 512 + 1 + i % 2];
	for (int look = 0; look < 20; look++)
		for (int i = 0; i < PAGES * 2; i++)
			CHECK_EQ(target[i / 2 * 512 + 1 + i % 2], before[i]);
	CHECK_EQ(mprotect((void *)(uintptr_t)target, PAGES * 4096, PROT_READ | PROT_WRITE), 0);
}

/* The child's copy stays as it was at the fork. */
static void fork_copy(void)
{
	pid_t pid;

	let_them_write();
	pid = fork_ok();
	if (pid == 0) {
		uint64_t before[PAGES];

		for (int i = 0; i < PAGES; i++)
			before[i] = target[i * 512 + 1];
		for (int look = 0; look < 20; look++) {
			sched_yield();
			for (int i = 0; i < PAGES; i++)
				CHECK_EQ(target[i * 512 + 1], before[i]);
		}
		_exit(0);
	}
	/* so that they differ from what the child has */
	for (int n = 0; n < 100; n++)
		for (int i = 0; i < PAGES; i++)
			target[i * 512 + 1] = (uint64_t)n;
	reap_ok(pid);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	pthread_t t[2];

	CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
	target = (void *)map_pages(PAGES * 4096, PROT_READ | PROT_WRITE);
	for (uintptr_t i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, writer, (void *)(i + 1)), 0);
	for (int i = 0; i < ROUNDS; i++) {
		unmap();
		drop();
		protect();
		if (i % 10 == 0)
			fork_copy();
	}
	stop = 1;
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	say("ok\n");
	return 0;
}
