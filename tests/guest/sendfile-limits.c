// What ends sendfile, splice and copy_file_range early: a time limit of the socket, and
// RLIMIT_FSIZE.
#include "check.h"

#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#define LIMIT 100000

static int in, out;

static void limit_size(void)
{
	const struct rlimit l = {LIMIT, LIMIT};

	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void copy_over(void *arg)
{
	loff_t from = 0, to = 0;

	(void)arg;
	limit_size();
	CHECK_EQ(copy_file_range(in, &from, out, &to, 2 * LIMIT, 0), LIMIT);
}

static void send_over(void *arg)
{
	off_t from = 0;

	(void)arg;
	limit_size();
	sendfile(out, in, &from, 2 * LIMIT);
}

static void send_up_to(void *arg)
{
	off_t from = 0;

	(void)arg;
	limit_size();
	CHECK_EQ(sendfile(out, in, &from, LIMIT), LIMIT);
}

/* len bytes from a pipe to `at`, or to where the file stands (-1); what is left in the pipe. */
static void splice_over(size_t len, off_t at)
{
	loff_t to = at;
	char buf[4096];
	int p[2];
	ssize_t r;

	limit_size();
	CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	make_pipe(p);
	memset(buf, 'x', sizeof(buf));
	for (size_t n = 0; n < len; n += sizeof(buf))
		CHECK_EQ(write(p[1], buf, sizeof(buf)), sizeof(buf));
	close(p[1]);
	r = splice(p[0], NULL, out, at < 0 ? NULL : &to, len, 0);
	say("splice %zu at %ld: %ld", len, (long)at, (long)r);
	if (r < 0)
		say(" %s", strerrorname_np(errno));
	for (r = 0, len = 0; (r = read(p[0], buf, sizeof(buf))) > 0; len += (size_t)r)
		;
	say(", left %zu, at %ld\n", len, at < 0 ? (long)lseek(out, 0, SEEK_CUR) : (long)to);
}

static void splice_at_the_end(void *arg)
{
	(void)arg;
	CHECK_EQ(lseek(out, LIMIT - 4096, SEEK_SET), LIMIT - 4096);
	splice_over(8192, -1);
	splice_over(4096, -1);
	splice_over(4096, LIMIT);
	splice_over(8192, LIMIT - 5000);
	splice_over(4096, LIMIT - 4096);
	splice_over(4096, 2 * LIMIT);
}

static void splice_signal(void *arg)
{
	loff_t to = LIMIT;
	int p[2];

	(void)arg;
	limit_size();
	make_pipe(p);
	CHECK_EQ(write(p[1], "x", 1), 1);
	splice(p[0], NULL, out, &to, 1, 0);
}

static void splice_partly(void *arg)
{
	loff_t to = LIMIT - 1;
	int p[2];

	(void)arg;
	limit_size();
	make_pipe(p);
	CHECK_EQ(write(p[1], "xy", 2), 2);
	CHECK_EQ(splice(p[0], NULL, out, &to, 2, 0), 1);
}

/* A pipe has no size that counts. */
static void tee_and_vmsplice(void *arg)
{
	char byte = 1;
	struct iovec v = {&byte, 1};
	int p[2], q[2];
	const struct rlimit l = {0, 0};

	(void)arg;
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &l), 0);
	make_pipe(p);
	make_pipe(q);
	CHECK_EQ(vmsplice(p[1], &v, 1, 0), 1);
	CHECK_EQ(tee(p[0], q[1], 1, 0), 1);
	CHECK_EQ(splice(p[0], NULL, q[1], NULL, 1, 0), 1);
}

static void send_to_socket(void *arg)
{
	const struct timeval limit = {.tv_usec = 100000};
	off_t from = 0;
	int s[2];
	long r;

	(void)arg;
	alarm(30);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
	while ((r = sendfile(s[0], in, &from, 4096)) > 0)
		from = 0;
	CHECK_EQ(r, -1);
	CHECK_EQ(errno, EAGAIN);
}

static void try(const char *what, void (*fn)(void *))
{
	struct stat st;
	int status;

	CHECK_EQ(ftruncate(out, 0), 0);
	CHECK_EQ(lseek(out, 0, SEEK_SET), 0);
	status = run_child(fn, NULL);
	CHECK_EQ(fstat(out, &st), 0);
	if (WIFSIGNALED(status))
		say("%s: %s, size %ld\n", what, strsignal(WTERMSIG(status)), (long)st.st_size);
	else
		say("%s: %d, size %ld\n", what, WEXITSTATUS(status), (long)st.st_size);
}

int main(void)
{
	const struct rlimit no_core = {0, 0};
	const char *dir = temp_dir();

	CHECK_EQ(setrlimit(RLIMIT_CORE, &no_core), 0);
	in = open(temp_path(dir, "a"), O_RDWR | O_CREAT, 0600);
	out = open(temp_path(dir, "b"), O_RDWR | O_CREAT, 0600);
	CHECK(in >= 0 && out >= 0);
	CHECK_EQ(ftruncate(in, 3 * LIMIT), 0);
	try("copy_file_range beyond", copy_over);
	try("sendfile beyond", send_over);
	try("sendfile up to it", send_up_to);
	try("splice at the limit", splice_at_the_end);
	try("splice beyond", splice_signal);
	try("splice partly beyond", splice_partly);
	try("between pipes", tee_and_vmsplice);
	try("sendfile to a full socket", send_to_socket);
	CHECK_EQ(unlink(temp_path(dir, "a")), 0);
	CHECK_EQ(unlink(temp_path(dir, "b")), 0);
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
