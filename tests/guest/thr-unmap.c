// cflags: -pthread
// msync, mprotect and futexes look at the file behind a mapping while other threads unmap it.
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>

#define PAGE  4096ul
#define PAGES 16ul

static unsigned char *area;
static _Atomic bool stop;

static void *remapper(void *arg)
{
	const char *path = arg;

	while (!atomic_load(&stop)) {
		int fd = open(path, O_RDONLY);
		void *p = mmap(area, PAGES * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);

		CHECK(fd >= 0 && p == area);
		close(fd); /* the mapping's reference is the only one */
		CHECK_EQ(munmap(area, PAGES * PAGE), 0);
	}
	return NULL;
}

static void *looker(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		int r = msync(area, PAGES * PAGE, MS_SYNC);

		CHECK(r == 0 || errno == ENOMEM);
		/* The file was not opened for writing. */
		CHECK(mprotect(area, PAGES * PAGE, PROT_READ | PROT_WRITE) < 0);
		CHECK(errno == EACCES || errno == ENOMEM);
		r = (int)syscall(SYS_futex, area, FUTEX_WAKE, 1, NULL, NULL, 0);
		CHECK(r == 0 || errno == EFAULT);
	}
	return NULL;
}

int main(void)
{
	char path[] = "/tmp/thr-unmap-XXXXXX";
	int fd = mkstemp(path);
	pthread_t t[3];

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)(PAGES * PAGE)), 0);
	close(fd);
	/* Far from where threads' stacks and their like are placed: only the remapper maps here. */
	area = (unsigned char *)0x200000000;
	CHECK_EQ(pthread_create(&t[0], NULL, remapper, path), 0);
	CHECK_EQ(pthread_create(&t[1], NULL, looker, NULL), 0);
	CHECK_EQ(pthread_create(&t[2], NULL, looker, NULL), 0);
	usleep(300000);
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	CHECK_EQ(unlink(path), 0);
	say("ok\n");
	return 0;
}
