// native: no
// vmbox-options: --mem 64M
// expect-stdout: ok
// pts(4): "The maximum number of pseudoterminals is in /proc/sys/kernel/pty/max"; one more is
// ENOSPC. Here it is a share of the guest's memory, which natively it is not.
#include "pty.h"

static int number_in(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0);
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atoi(text);
}

int main(void)
{
	int max = number_in("/proc/sys/kernel/pty/max"), n = number_in("/proc/sys/kernel/pty/nr"),
	    m = -1;

	CHECK(max >= 64 && max <= 4096);
	for (int round = 0; round < 2; round++) {
		int first = -1;

		for (int i = n; i < max; i++) {
			m = open_master();
			first = first < 0 ? m : first;
		}
		CHECK_EQ(number_in("/proc/sys/kernel/pty/nr"), max);
		CHECK_ERR(open("/dev/ptmx", O_RDWR), ENOSPC);
		CHECK_EQ(close(m), 0);
		CHECK_EQ(open_master(), m);
		CHECK_ERR(open("/dev/pts/ptmx", O_RDWR), ENOSPC);
		CHECK_EQ(close_range((unsigned)first, (unsigned)m, 0), 0);
		CHECK_EQ(number_in("/proc/sys/kernel/pty/nr"), n);
	}
	say("ok\n");
	return 0;
}
