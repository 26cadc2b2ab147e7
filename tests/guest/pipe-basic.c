// variants: static musl
// Pipes between two processes: data in order, EOF when the last writer is gone (also when that
// is a sibling), EPIPE and SIGPIPE when the last reader is.
#include "check.h"

static void writer(void *arg)
{
	int *fd = arg;

	close(fd[0]);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(write(fd[1], &i, sizeof(i)), sizeof(i));
}

static void order(void)
{
	int fd[2], value;
	pid_t pid;

	make_pipe(fd);
	pid = spawn(writer, fd);
	close(fd[1]);
	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(read(fd[0], &value, sizeof(value)), sizeof(value));
		CHECK_EQ(value, i);
	}
	CHECK_EQ(read(fd[0], &value, sizeof(value)), 0);
	CHECK_EQ(read(fd[0], &value, sizeof(value)), 0);
	reap_ok(pid);
	close(fd[0]);
	say("order and EOF\n");
}

/* The reader blocks while its sibling holds the last writing end, and is woken by its exit. */
static void sibling(void)
{
	int fd[2], go[2], ready[2];
	pid_t reader, holder;
	char c;

	make_pipe(fd);
	make_pipe(go);
	make_pipe(ready);
	holder = fork_ok();
	if (holder == 0) {
		close(fd[0]);
		wait_byte(go[0]);
		_exit(0);
	}
	reader = fork_ok();
	if (reader == 0) {
		close(fd[1]);
		send_byte(ready[1]);
		_exit(read(fd[0], &c, 1) == 0 ? 7 : 8);
	}
	close(fd[0]);
	close(fd[1]);
	wait_byte(ready[0]);
	CHECK_EQ(waitpid(reader, NULL, WNOHANG), 0);
	sleep_ms(5);
	CHECK_EQ(waitpid(reader, NULL, WNOHANG), 0);
	send_byte(go[1]);
	say("reader: %s\n", status_text(reap(reader)));
	reap_ok(holder);
}

static void broken_default(void *arg)
{
	CHECK_EQ(write(*(int *)arg, "x", 1), 1);
	CHECK(0);
}

static void broken_ignored(void *arg)
{
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERR(write(*(int *)arg, "x", 1), EPIPE);
	CHECK_ERR(write(*(int *)arg, "x", 1), EPIPE);
	CHECK_EQ(write(*(int *)arg, "x", 0), 0);
}

static void broken_blocked(void *arg)
{
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_ERR(write(*(int *)arg, "x", 1), EPIPE);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGPIPE));
}

int main(void)
{
	int fd[2];
	char c;

	order();
	sibling();
	make_pipe(fd);
	close(fd[0]);
	say("no reader: %s\n", status_text(run_child(broken_default, &fd[1])));
	say("no reader, ignored: %s\n", status_text(run_child(broken_ignored, &fd[1])));
	say("no reader, blocked: %s\n", status_text(run_child(broken_blocked, &fd[1])));
	make_pipe(fd);
	CHECK_ERR(read(fd[1], &c, 1), EBADF);
	CHECK_ERR(write(fd[0], &c, 1), EBADF);
	CHECK_ERR(lseek(fd[0], 0, SEEK_CUR), ESPIPE);
	CHECK_ERR(pread(fd[0], &c, 1, 0), ESPIPE);
	CHECK_ERR(pwrite(fd[1], &c, 1, 0), ESPIPE);
	CHECK_EQ(read(fd[0], &c, 0), 0);
	CHECK_ERR(pipe2(fd, 0x1000000), EINVAL);
	return 0;
}
