// timeout: 60
// As many pipes as there are descriptors, up to 10,000, each as full as it gets: what they hold
// together is bounded for a user without privileges, and what was written is what is read.
#include "err.h"
#include <sys/resource.h>

#define PIPES      10000
#define SOFT_BYTES (16384L * 4096) /* fs.pipe-user-pages-soft */

static int fds[PIPES][2];

static void fill(void)
{
	static char block[4096], back[4096];
	long total = 0, read_back = 0;
	ssize_t r;
	int n;

	for (n = 0; n < PIPES && pipe2(fds[n], O_NONBLOCK) == 0; n++)
		;
	CHECK(n == PIPES || errno == EMFILE);
	CHECK(n > 100);
	for (int i = 0; i < n; i++) {
		memset(block, i % 251, sizeof(block));
		while ((r = write(fds[i][1], block, sizeof(block))) > 0)
			total += r;
		CHECK_EQ(errno, EAGAIN);
	}
	/* every pipe takes PIPE_BUF at least */
	CHECK(total >= n * 4096L);
	/* 2 pages, or PIPE_BUF, for each that came when the others had all */
	CHECK(total <= SOFT_BYTES + n * 8192L);
	for (int i = 0; i < n; i++) {
		while ((r = read(fds[i][0], back, sizeof(back))) > 0) {
			for (ssize_t k = 0; k < r; k++)
				CHECK_EQ((unsigned char)back[k], i % 251);
			read_back += r;
		}
		CHECK_EQ(errno, EAGAIN);
	}
	CHECK_EQ(read_back, total);
	/* the room is free again */
	CHECK_EQ(write(fds[0][1], block, sizeof(block)), 4096);
	say("filled and read\n");
}

int main(void)
{
	struct rlimit lim;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = lim.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &lim), 0);
	if (geteuid() == 0)
		as_other(fill);
	else
		fill();
	return 0;
}
