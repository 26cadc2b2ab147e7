// splice, tee, vmsplice and copy_file_range: what they move, and their errors.
#include "check.h"
#include <sys/uio.h>

static char text[200000];

static int file_with(const char *dir, const char *name, size_t len)
{
	int fd = open(temp_path(dir, name), O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, len), len);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void splices(const char *dir)
{
	int in = file_with(dir, "a", sizeof(text)), out = file_with(dir, "b", 0), p[2], q[2];
	static char got[sizeof(text)];
	loff_t at = 100, to = 10;
	ssize_t n, total = 0;

	make_pipe(p);
	make_pipe(q);
	CHECK_EQ(splice(in, &at, p[1], NULL, 1000, 0), 1000);
	CHECK_EQ(at, 1100);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 0);
	CHECK_EQ(tee(p[0], q[1], 400, 0), 400);
	CHECK_EQ(splice(p[0], NULL, out, &to, 5000, 0), 1000);
	CHECK_EQ(to, 1010);
	CHECK_EQ(pread(out, got, 1000, 10), 1000);
	CHECK(memcmp(got, text + 100, 1000) == 0);
	CHECK_EQ(read(q[0], got, sizeof(got)), 400);
	CHECK(memcmp(got, text + 100, 400) == 0);
	/* pipe to pipe, as much as there is */
	CHECK_EQ(write(p[1], "hello", 5), 5);
	CHECK_EQ(splice(p[0], NULL, q[1], NULL, 100, 0), 5);
	CHECK_EQ(read(q[0], got, sizeof(got)), 5);
	/* a whole file through a pipe, by its own positions */
	CHECK_EQ(ftruncate(out, 0), 0);
	CHECK_EQ(lseek(out, 0, SEEK_SET), 0);
	while ((n = splice(in, NULL, p[1], NULL, 1 << 20, 0)) > 0) {
		while (n > 0) {
			ssize_t m = splice(p[0], NULL, out, NULL, (size_t)n, SPLICE_F_MOVE);

			CHECK(m > 0);
			n -= m;
			total += m;
		}
	}
	CHECK_EQ(n, 0);
	CHECK_EQ(total, sizeof(text));
	CHECK_EQ(pread(out, got, sizeof(got), 0), sizeof(text));
	CHECK(memcmp(got, text, sizeof(text)) == 0);
	/* nothing there */
	CHECK_ERR(splice(p[0], NULL, out, NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_ERR(tee(p[0], q[1], 10, SPLICE_F_NONBLOCK), EAGAIN);
	/* errors */
	CHECK_ERR(splice(in, NULL, out, NULL, 10, 0), EINVAL);
	CHECK_ERR(splice(p[0], NULL, p[1], NULL, 10, 0), EINVAL);
	CHECK_ERR(splice(p[0], &at, out, NULL, 10, 0), ESPIPE);
	CHECK_ERR(splice(p[1], NULL, out, NULL, 10, 0), EBADF);
	CHECK_ERR(splice(99, NULL, out, NULL, 10, 0), EBADF);
	CHECK_ERR(splice(p[0], NULL, out, NULL, 10, 0x100), EINVAL);
	CHECK_EQ(splice(p[0], NULL, out, NULL, 0, 0), 0);
	CHECK_ERR(tee(in, q[1], 10, 0), EINVAL);
	CHECK_ERR(tee(p[0], p[1], 10, 0), EINVAL);
	at = -1;
	CHECK_ERR(splice(in, &at, p[1], NULL, 10, 0), EINVAL);
	CHECK_ERR(syscall(SYS_splice, in, (void *)8, p[1], NULL, 10, 0), EFAULT);
	close(p[1]);
	CHECK_EQ(splice(p[0], NULL, out, NULL, 10, 0), 0);
	CHECK_EQ(tee(p[0], q[1], 10, 0), 0);
	close(p[0]);
	close(q[0]);
	signal(SIGPIPE, SIG_IGN);
	CHECK_EQ(lseek(in, 0, SEEK_SET), 0);
	CHECK_ERR(splice(in, NULL, q[1], NULL, 10, 0), EPIPE);
	close(q[1]);
	close(in);
	close(out);
	say("splice ok\n");
}

static void reader(void *arg)
{
	int *p = arg;
	size_t total = 0;
	char buf[5000];
	ssize_t n;

	close(p[1]);
	while ((n = read(p[0], buf, sizeof(buf))) > 0) {
		CHECK(memcmp(buf, text + total, (size_t)n) == 0);
		total += (size_t)n;
	}
	CHECK_EQ(total, sizeof(text));
}

/* Blocks for room and for data. */
static void blocks(const char *dir)
{
	int in = file_with(dir, "a", sizeof(text)), p[2];
	size_t total = 0;
	pid_t pid;

	make_pipe(p);
	pid = spawn(reader, p);
	close(p[0]);
	while (total < sizeof(text)) {
		ssize_t n = splice(in, NULL, p[1], NULL, sizeof(text), 0);

		CHECK(n > 0);
		total += (size_t)n;
	}
	close(p[1]);
	reap_ok(pid);
	close(in);
	say("blocks ok\n");
}

static void vmsplices(void)
{
	struct iovec iov[2] = {{text, 3}, {text + 10, 4}};
	char a[4] = "", b[8] = "";
	struct iovec to[2] = {{a, 2}, {b, 5}};
	int p[2];

	make_pipe(p);
	CHECK_EQ(vmsplice(p[1], iov, 2, 0), 7);
	CHECK_EQ(vmsplice(p[0], to, 2, 0), 7);
	CHECK(!memcmp(a, text, 2) && b[0] == text[2] && !memcmp(b + 1, text + 10, 4));
	CHECK_ERR(vmsplice(p[0], to, 2, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_ERR(vmsplice(99, to, 2, 0), EBADF);
	CHECK_ERR(vmsplice(p[1], iov, 2, 0x100), EINVAL);
	CHECK_ERR(vmsplice(p[1], iov, 1025, 0), EINVAL);
	say("vmsplice ok\n");
}

static void copies(const char *dir)
{
	int in = file_with(dir, "a", 100000), out = file_with(dir, "b", 0), ro, app, p[2];
	static char got[100000];
	loff_t from = 10, to = 5;

	CHECK_EQ(copy_file_range(in, NULL, out, NULL, 1 << 20, 0), 100000);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 100000);
	CHECK_EQ(lseek(out, 0, SEEK_CUR), 100000);
	CHECK_EQ(pread(out, got, sizeof(got), 0), sizeof(got));
	CHECK(memcmp(got, text, sizeof(got)) == 0);
	CHECK_EQ(copy_file_range(in, NULL, out, NULL, 10, 0), 0);
	CHECK_EQ(copy_file_range(in, &from, out, &to, 100, 0), 100);
	CHECK_EQ(from, 110);
	CHECK_EQ(to, 105);
	/* within one file */
	from = 0;
	to = 50000;
	CHECK_EQ(copy_file_range(in, &from, in, &to, 1000, 0), 1000);
	from = 0;
	to = 500;
	CHECK_ERR(copy_file_range(in, &from, in, &to, 1000, 0), EINVAL);
	CHECK_ERR(copy_file_range(in, NULL, out, NULL, 10, 1), EINVAL);
	ro = open(temp_path(dir, "b"), O_RDONLY);
	CHECK_ERR(copy_file_range(in, NULL, ro, NULL, 10, 0), EBADF);
	app = open(temp_path(dir, "b"), O_WRONLY | O_APPEND);
	CHECK_ERR(copy_file_range(in, NULL, app, NULL, 10, 0), EBADF);
	CHECK_ERR(copy_file_range(app, NULL, out, NULL, 10, 0), EBADF);
	make_pipe(p);
	CHECK_ERR(copy_file_range(p[0], NULL, out, NULL, 10, 0), EINVAL);
	close(ro);
	ro = open(dir, O_RDONLY);
	CHECK_ERR(copy_file_range(ro, NULL, out, NULL, 10, 0), EISDIR);
	say("copy_file_range ok\n");
}

int main(void)
{
	const char *dir = temp_dir();

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 + i / 251);
	splices(dir);
	blocks(dir);
	vmsplices();
	copies(dir);
	unlink(temp_path(dir, "a"));
	unlink(temp_path(dir, "b"));
	rmdir(dir);
	return 0;
}
