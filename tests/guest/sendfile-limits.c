// What ends sendfile and copy_file_range early: a time limit of the socket, and RLIMIT_FSIZE.
#include "check.h"

#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>

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
	try("sendfile to a full socket", send_to_socket);
	CHECK_EQ(unlink(temp_path(dir, "a")), 0);
	CHECK_EQ(unlink(temp_path(dir, "b")), 0);
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
