// kernel: 6.11 (RWF_NOAPPEND and RWF_ATOMIC are younger than that)
//
// preadv2 and pwritev2 with flags: where a write goes, what becomes of the position, and flags that
// a file in memory has no use for; ftruncate of a message queue.
#include "err.h"
#include <mqueue.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define NOAPPEND  0x20
#define ATOMIC    0x40
#define DONTCACHE 0x80

static int fd;

static void put(const char *what, int flags, off_t at, const char *bytes)
{
	struct iovec iov = {(void *)(uintptr_t)bytes, strlen(bytes)};
	char text[64] = "";
	ssize_t n = pwritev2(fd, &iov, 1, at, flags);
	int err = errno;

	CHECK(pread(fd, text, sizeof(text) - 1, 0) >= 0);
	say("%s: %s '%s' at %ld\n", what, n < 0 ? strerrorname_np(err) : "written", text,
	    (long)lseek(fd, 0, SEEK_CUR));
}

static void file(void)
{
	char buf[8];
	struct iovec iov = {buf, 2};

	fd = memfd_create("m", 0);
	CHECK(fd >= 0);
	put("plain", 0, -1, "0123456789");
	put("append elsewhere", RWF_APPEND, 2, "ab");
	put("append at the position", RWF_APPEND, -1, "cd");
	CHECK_EQ(lseek(fd, 1, SEEK_SET), 1);
	put("no append", NOAPPEND, 2, "AB");
	put("both", RWF_APPEND | NOAPPEND, 2, "!!");
	CHECK_EQ(fcntl(fd, F_SETFL, O_APPEND), 0);
	put("opened to append", 0, 2, "ef");
	put("but not this time", NOAPPEND, 4, "CD");
	put("nor at the position", NOAPPEND, -1, "EF");
	put("atomic", ATOMIC, 0, "xx");
	put("not to be cached", DONTCACHE, 0, "xx");
	put("unknown", 0x1000, 0, "xx");
	TRY(preadv2(fd, &iov, 1, 0, NOAPPEND));
	TRY(preadv2(fd, &iov, 1, 0, RWF_APPEND));
	TRY(preadv2(fd, &iov, 1, 0, RWF_APPEND | NOAPPEND));
	TRY(preadv2(fd, &iov, 1, 0, ATOMIC));
	TRY(preadv2(fd, &iov, 1, 0, DONTCACHE));
	close(fd);
}

static void queue(void)
{
	struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
	char name[64];
	int q;

	snprintf(name, sizeof(name), "/guest-test-rw-flags.%d", getpid());
	q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	CHECK(q >= 0);
	CHECK_EQ(mq_unlink(name), 0);
	TRY(ftruncate(q, 5));
	TRY(ftruncate(q, -1));
	TRY(mq_send(q, "x", 1, 0));
	CHECK_EQ(mq_close(q), 0);
}

int main(void)
{
	file();
	queue();
	return 0;
}
