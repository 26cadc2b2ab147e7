// What a handled signal does to a blocked call: with SA_RESTART read, write, wait and open go
// on; without it they return EINTR, or the part that was done; pause, nanosleep and sigsuspend
// never go on. An ignored signal interrupts nothing.
#include "check.h"

static volatile int hits;
static int acked[2];

static void handler(int sig)
{
	(void)sig;
	hits++;
	send_byte(acked[1]);
}

/* Signals the parent once it sleeps, which it does only in the call that is meant, and when the
 * handler has run writes to it so that a restarted call ends. */
static pid_t disturb(int sig, int fd, bool handled)
{
	pid_t pid = fork_ok();

	if (pid == 0) {
		await_asleep(getppid());
		kill(getppid(), sig);
		if (handled)
			wait_byte(acked[0]);
		sleep_ms(10);
		if (fd >= 0)
			(void)!write(fd, "y", 1);
		_exit(0);
	}
	return pid;
}

static void install(int sig, int flags, void (*fn)(int))
{
	struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};

	CHECK_EQ(sigaction(sig, &sa, NULL), 0);
	hits = 0;
}

static char big[1 << 18];

static void reads(void)
{
	int fd[2];
	pid_t pid;
	ssize_t n;

	make_pipe(fd);
	install(SIGUSR1, SA_RESTART, handler);
	pid = disturb(SIGUSR1, fd[1], true);
	n = read(fd[0], big, 10);
	say("read restarted: %zd hits %d\n", n, hits);
	reap_ok(pid);
	install(SIGUSR1, 0, handler);
	pid = disturb(SIGUSR1, fd[1], true);
	n = read(fd[0], big, 10);
	say("read interrupted: %zd %s hits %d\n", n, errno == EINTR ? "EINTR" : "?", hits);
	reap_ok(pid);
	wait_byte(fd[0]);
	install(SIGUSR1, 0, SIG_IGN);
	pid = disturb(SIGUSR1, fd[1], false);
	n = read(fd[0], big, 10);
	say("read, ignored signal: %zd\n", n);
	reap_ok(pid);
	/* A stop and a continue do not interrupt a read either. */
	install(SIGCONT, 0, SIG_DFL);
	pid = disturb(SIGCONT, fd[1], false);
	n = read(fd[0], big, 10);
	say("read, SIGCONT: %zd\n", n);
	reap_ok(pid);
	close(fd[0]);
	close(fd[1]);
}

static void writes(void)
{
	int fd[2];
	pid_t pid;
	ssize_t n;

	make_pipe(fd);
	install(SIGUSR1, SA_RESTART, handler);
	pid = disturb(SIGUSR1, -1, true);
	n = write(fd[1], big, sizeof(big));
	say("write part done: %zd hits %d\n", n, hits);
	reap_ok(pid);
	install(SIGUSR1, 0, handler);
	pid = disturb(SIGUSR1, -1, true);
	n = write(fd[1], big, 10);
	say("write interrupted: %zd %s\n", n, errno == EINTR ? "EINTR" : "?");
	reap_ok(pid);
	close(fd[0]);
	close(fd[1]);
}

static void waits(void)
{
	int go[2];
	pid_t pid, child;
	int status = 0, ret;

	make_pipe(go);
	for (int restart = 0; restart < 2; restart++) {
		child = fork_ok();
		if (child == 0) {
			wait_byte(go[0]);
			_exit(9);
		}
		install(SIGUSR1, restart ? SA_RESTART : 0, handler);
		pid = disturb(SIGUSR1, go[1], true);
		ret = waitpid(child, &status, 0);
		if (ret < 0)
			say("wait: errno %d\n", errno);
		else
			say("wait: %s\n", status_text(status));
		if (ret < 0)
			CHECK_EQ(reap(child), 9 << 8);
		reap_ok(pid);
	}
}

static void others(void)
{
	struct timespec ts = {10, 0}, left = {0, 0};
	sigset_t none;
	pid_t pid;

	install(SIGUSR1, SA_RESTART, handler);
	pid = disturb(SIGUSR1, -1, true);
	CHECK_ERR(pause(), EINTR);
	reap_ok(pid);
	pid = disturb(SIGUSR1, -1, true);
	CHECK_ERR(nanosleep(&ts, &left), EINTR);
	/* the timer's slack may make it a little more than was asked for */
	CHECK(left.tv_sec >= 5 && left.tv_sec <= 10);
	reap_ok(pid);
	pid = disturb(SIGUSR1, -1, true);
	sigemptyset(&none);
	CHECK_ERR(sigsuspend(&none), EINTR);
	reap_ok(pid);
	say("others ok, hits %d\n", hits);
}

int main(void)
{
	make_pipe(acked);
	reads();
	writes();
	waits();
	others();
	return 0;
}
