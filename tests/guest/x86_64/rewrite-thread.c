// vmbox-options: --rewrite=on
// cflags: -pthread
// timeout: 60
// Four threads execute sites while these are rewritten, others make them writable and back, unmap
// and map them, and processes are forked: each call is made once and returns where it should.
#include "rewrite.h"
#include <pthread.h>

#define THREADS 4
#define PAGES   16 /* of sites */
#define SITES   (PAGES * 64)
#define CALLS   60

typedef long call_fn(long, long, long);

static const unsigned char code[] = {0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xc3};
static unsigned char *text;
static pthread_barrier_t barrier;
static _Atomic int stop;
static char path[64];

static call_fn *site(int n)
{
	return (call_fn *)(uintptr_t)(text + n / 64 * 4096 + n % 64 * 64);
}

/* Sites in a file, mapped as a program's text is. */
static void make_text(void)
{
	static unsigned char page[4096];
	int fd;

	sprintf(path, "/tmp/rewrite-thread.%d", getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0700);
	CHECK(fd >= 0);
	for (int i = 0; i < 64; i++)
		memcpy(page + i * 64, code, sizeof(code));
	for (int i = 0; i < PAGES; i++)
		CHECK_EQ(write(fd, page, sizeof(page)), sizeof(page));
	text = mmap(NULL, PAGES * 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	CHECK(text != MAP_FAILED);
	close(fd);
	unlink(path);
}

/* All threads at one site at a time, from its first execution on. */
static void *hammer(void *arg)
{
	pid_t parent = getppid();

	(void)arg;
	for (int n = 0; n < SITES; n += 73) {
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < CALLS; i++)
			CHECK_EQ(site(n)(0, 0, 0), parent);
	}
	return NULL;
}

static void *run_some(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	pid_t parent = getppid();

	while (!stop) {
		int n = rand_r(&seed) % SITES;

		for (int i = 0; i < CALLS; i++)
			CHECK_EQ(site(n)(0, 0, 0), parent);
	}
	return NULL;
}

/* Text of the last page is made writable, and back; the others go on meanwhile. */
static void change(int round)
{
	unsigned char *page = text + round % PAGES * 4096;

	/* It stays executable: a thread may be there. */
	if (round % 3 == 0) {
		CHECK_EQ(mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
		for (int i = 0; i < 64; i++)
			CHECK(memcmp(page + i * 64, code, sizeof(code)) == 0);
		CHECK_EQ(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);
	} else if (round % 3 == 1) {
		CHECK_EQ(madvise(page, 4096, MADV_DONTNEED), 0);
	} else {
		pid_t child = fork_ok();

		if (child == 0) {
			for (int n = 0; n < SITES; n += 97)
				for (int i = 0; i < 20; i++)
					CHECK_EQ(site(n)(0, 0, 0), getppid());
			_exit(0);
		}
		reap_ok(child);
	}
}

static void run_threads(void *(*fn)(void *), int changes)
{
	pthread_t thread[THREADS];

	for (long i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, fn, (void *)(i + 1)), 0);
	for (int i = 0; i < changes; i++)
		change(i);
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	stop = 0;
}

int main(void)
{
	CHECK_EQ(pthread_barrier_init(&barrier, NULL, THREADS), 0);
	make_text();
	run_threads(hammer, 0);
	run_threads(run_some, 18);
	CHECK_EQ(munmap(text, PAGES * 4096), 0);
	make_text();
	run_threads(run_some, 18);
	say("each call once\n");
	return 0;
}
