// FIFOs: opens that wait for the other end, non-blocking ones, poll, end of file, EPIPE, signals.
#include "check.h"
#include <poll.h>

static void writer(void *arg)
{
	(void)arg;
	int fd = open("f", O_WRONLY);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "hello", 5), 5);
}

static void reader(void *arg)
{
	(void)arg;
	int fd = open("f", O_RDONLY);
	char c;

	CHECK(fd >= 0);
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(read(fd, &c, 1), 0);
}

/* Opens and closes again at once: who waited has seen it. */
static void passing(void *arg)
{
	(void)arg;
	int fd = open("f", O_WRONLY);

	CHECK(fd >= 0);
	close(fd);
}

static void waits(void)
{
	pid_t pid = spawn(writer, NULL);
	char buf[16];
	int fd = open("f", O_RDONLY);

	CHECK(fd >= 0);
	CHECK_EQ(read(fd, buf, sizeof(buf)), 5);
	CHECK_EQ(read(fd, buf, sizeof(buf)), 0);
	close(fd);
	reap_ok(pid);
	pid = spawn(reader, NULL);
	fd = open("f", O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(write(fd, "x", 1), 1);
	close(fd);
	reap_ok(pid);
	for (int i = 0; i < 20; i++) {
		pid = spawn(passing, NULL);
		fd = open("f", O_RDONLY);
		CHECK(fd >= 0);
		CHECK_EQ(read(fd, buf, 1), 0);
		close(fd);
		reap_ok(pid);
	}
	say("waits ok\n");
}

static void nonblocking(void)
{
	struct pollfd p = {.events = POLLIN};
	struct stat st;
	char buf[16];
	int r, w;

	CHECK_ERR(open("f", O_WRONLY | O_NONBLOCK), ENXIO);
	r = open("f", O_RDONLY | O_NONBLOCK);
	CHECK(r >= 0);
	CHECK_EQ(read(r, buf, 1), 0);
	p.fd = r;
	CHECK_EQ(poll(&p, 1, 0), 0); /* no writer yet: no POLLHUP */
	w = open("f", O_WRONLY | O_NONBLOCK);
	CHECK(w >= 0);
	CHECK_ERR(read(r, buf, 1), EAGAIN);
	CHECK_EQ(write(w, "abc", 3), 3);
	CHECK_EQ(poll(&p, 1, 0), 1);
	say("poll %x\n", p.revents);
	CHECK_EQ(read(r, buf, sizeof(buf)), 3);
	close(w);
	CHECK_EQ(poll(&p, 1, 0), 1);
	say("poll %x\n", p.revents);
	w = open("f", O_WRONLY);
	CHECK_EQ(write(w, "left", 4), 4);
	close(w);
	CHECK_EQ(read(r, buf, sizeof(buf)), 4);
	CHECK_EQ(fstat(r, &st), 0);
	CHECK(S_ISFIFO(st.st_mode));
	CHECK_EQ(lseek(r, 0, SEEK_CUR), -1);
	CHECK_EQ(errno, ESPIPE);
	w = open("f", O_WRONLY);
	close(r);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERR(write(w, "x", 1), EPIPE);
	close(w);
	/* both ends at once */
	r = open("f", O_RDWR);
	CHECK(r >= 0);
	CHECK_EQ(write(r, "me", 2), 2);
	CHECK_EQ(read(r, buf, sizeof(buf)), 2);
	CHECK_EQ(fcntl(r, F_GETPIPE_SZ), 65536);
	close(r);
	/* what nobody read is gone with the last end */
	r = open("f", O_RDONLY | O_NONBLOCK);
	CHECK_EQ(read(r, buf, 1), 0);
	close(r);
	say("nonblocking ok\n");
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void interrupted(void)
{
	struct sigaction sa = {.sa_handler = on_alarm};

	CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	ualarm(30000, 30000);
	CHECK_ERR(open("f", O_RDONLY), EINTR);
	CHECK_ERR(open("f", O_WRONLY), EINTR);
	ualarm(0, 0);
	/* the interrupted reader is no longer one */
	CHECK_ERR(open("f", O_WRONLY | O_NONBLOCK), ENXIO);
	say("interrupted ok\n");
}

int main(void)
{
	const char *dir = temp_dir();

	CHECK_EQ(chdir(dir), 0);
	CHECK_EQ(mkfifo("f", 0600), 0);
	waits();
	nonblocking();
	interrupted();
	CHECK_EQ(unlink("f"), 0);
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
