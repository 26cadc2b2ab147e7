// cflags: -pthread
// A thread reads a page again and again that another takes away each time: it gets on, however
// often.
#include "check.h"

#include <pthread.h>

#define TURNS 1500

static volatile char *page;
static volatile bool stop;
static _Atomic unsigned long reads;

/* Without a system call. */
static void *reader(void *arg)
{
	while (!stop) {
		char seen = *page;

		CHECK(seen == 0 || seen == 1);
		reads++;
	}
	return arg;
}

int main(void)
{
	pthread_t t;

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED);
	*page = 1;
	CHECK_EQ(pthread_create(&t, NULL, reader, NULL), 0);
	for (int i = 0; i < TURNS; i++) {
		unsigned long before = reads;

		CHECK_EQ(madvise((void *)(uintptr_t)page, 4096, MADV_DONTNEED), 0);
		while (reads < before + 3)
			syscall(SYS_sched_yield);
	}
	stop = true;
	CHECK_EQ(pthread_join(t, NULL), 0);
	say("ok\n");
	return 0;
}
