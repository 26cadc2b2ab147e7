// What a handler does to each call that can block, with SA_RESTART and without: signal(7)'s lists.
// The parent signals when /proc says that the child sleeps, and makes what the call waits for
// happen after the handler has run: a restarted call then succeeds, another has failed with EINTR.
#include "check.h"
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/uio.h>

static struct shared {
	unsigned word;
} * sh;

static int empty[2], full[2], gate[2], ack[2], lockfd, efd, epfd;
static char file[256];
static char buf[1 << 16];

static void handler(int sig)
{
	(void)sig;
	send_byte(ack[1]);
}

static void feed(void)
{
	send_byte(empty[1]);
}

static void nothing(void)
{
}

/* ---- the calls ---- */

static long do_read(void)
{
	return read(empty[0], buf, 1);
}

static long do_readv(void)
{
	struct iovec v = {buf, 1};

	return readv(empty[0], &v, 1);
}

static long do_write(void)
{
	return write(full[1], buf, 4096);
}

static void drain(void)
{
	CHECK(read(full[0], buf, sizeof(buf)) > 0);
}

static pid_t grandchild(void)
{
	pid_t pid = fork_ok();

	if (pid == 0) {
		wait_byte(gate[0]);
		_exit(0);
	}
	return pid;
}

static long do_wait4(void)
{
	return waitpid(grandchild(), NULL, 0);
}

static long do_waitid(void)
{
	return waitid(P_PID, (id_t)grandchild(), NULL, WEXITED);
}

static void open_gate(void)
{
	send_byte(gate[1]);
}

static long do_flock(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	close(lockfd); /* the same lock's */
	return flock(fd, LOCK_EX);
}

static void take_flock(void)
{
	lockfd = open("/proc/self/exe", O_RDONLY);
	CHECK_EQ(flock(lockfd, LOCK_EX), 0);
}

static void drop_lock(void)
{
	CHECK_EQ(close(lockfd), 0);
}

static long do_setlkw(void)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(file, O_RDWR);

	return fcntl(fd, F_SETLKW, &fl);
}

static void take_record_lock(void)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	lockfd = open(file, O_RDWR | O_CREAT, 0600);
	CHECK_EQ(fcntl(lockfd, F_SETLK, &fl), 0);
}

static long futex(int op, unsigned val, const struct timespec *ts)
{
	return syscall(SYS_futex, &sh->word, op, val, ts, NULL, ~0U);
}

static long do_futex(void)
{
	return futex(FUTEX_WAIT, 0, NULL);
}

static long do_futex_bitset(void)
{
	return futex(FUTEX_WAIT_BITSET, 0, NULL);
}

static long do_futex_timeout(void)
{
	struct timespec ts = {100, 0};

	return futex(FUTEX_WAIT, 0, &ts);
}

static void wake(void)
{
	/* It may be between two waits: then it finds another value. */
	__atomic_store_n(&sh->word, 1, __ATOMIC_SEQ_CST);
	futex(FUTEX_WAKE, 10, NULL);
}

static long do_poll(void)
{
	struct pollfd p = {.fd = empty[0], .events = POLLIN};

	return poll(&p, 1, 100000);
}

static long do_ppoll(void)
{
	struct pollfd p = {.fd = empty[0], .events = POLLIN};

	return ppoll(&p, 1, NULL, NULL);
}

static long do_select(void)
{
	fd_set s;

	FD_ZERO(&s);
	FD_SET(empty[0], &s);
	return select(empty[0] + 1, &s, NULL, NULL, NULL);
}

static long do_pselect(void)
{
	fd_set s;
	sigset_t none;

	sigemptyset(&none);
	FD_ZERO(&s);
	FD_SET(empty[0], &s);
	return pselect(empty[0] + 1, &s, NULL, NULL, NULL, &none);
}

static long do_epoll(void)
{
	struct epoll_event ev;

	return epoll_wait(epfd, &ev, 1, -1);
}

static long do_eventfd(void)
{
	return read(efd, buf, 8);
}

static void signal_eventfd(void)
{
	CHECK_EQ(eventfd_write(efd, 1), 0);
}

static long do_nanosleep(void)
{
	struct timespec ts = {100, 0};

	return nanosleep(&ts, NULL);
}

static long do_clock_nanosleep(void)
{
	struct timespec ts = {100, 0};

	errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
	return errno ? -1 : 0;
}

static long do_clock_nanosleep_abs(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += 100;
	errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	return errno ? -1 : 0;
}

static long do_pause(void)
{
	return pause();
}

static long do_sigsuspend(void)
{
	sigset_t none;

	sigemptyset(&none);
	return sigsuspend(&none);
}

static long do_sigwaitinfo(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return sigwaitinfo(&set, NULL);
}

static const struct {
	const char *name;
	long (*call)(void);
	void (*release)(void);
	void (*prepare)(void);
} calls[] = {
	{"read", do_read, feed, NULL},
	{"readv", do_readv, feed, NULL},
	{"write", do_write, drain, NULL},
	{"wait4", do_wait4, open_gate, NULL},
	{"waitid", do_waitid, open_gate, NULL},
	{"flock", do_flock, drop_lock, take_flock},
	{"fcntl F_SETLKW", do_setlkw, drop_lock, take_record_lock},
	{"futex wait", do_futex, wake, NULL},
	{"futex wait bitset", do_futex_bitset, wake, NULL},
	{"futex wait with timeout", do_futex_timeout, wake, NULL},
	{"eventfd read", do_eventfd, signal_eventfd, NULL},
	{"poll", do_poll, feed, NULL},
	{"ppoll", do_ppoll, feed, NULL},
	{"select", do_select, feed, NULL},
	{"pselect", do_pselect, feed, NULL},
	{"epoll_wait", do_epoll, feed, NULL},
	{"nanosleep", do_nanosleep, nothing, NULL},
	{"clock_nanosleep", do_clock_nanosleep, nothing, NULL},
	{"clock_nanosleep absolute", do_clock_nanosleep_abs, nothing, NULL},
	{"pause", do_pause, nothing, NULL},
	{"sigsuspend", do_sigsuspend, nothing, NULL},
	{"sigwaitinfo", do_sigwaitinfo, nothing, NULL},
};

static void fresh(const char *dir)
{
	struct epoll_event ev = {.events = EPOLLIN};

	snprintf(file, sizeof(file), "%s/file", dir);
	make_pipe(empty);
	make_pipe(full);
	make_pipe(gate);
	make_pipe(ack);
	CHECK_EQ(fcntl(full[1], F_SETFL, O_NONBLOCK), 0);
	while (write(full[1], buf, 4096) == 4096)
		;
	CHECK_EQ(fcntl(full[1], F_SETFL, 0), 0);
	efd = eventfd(0, 0);
	epfd = epoll_create1(0);
	CHECK(efd >= 0 && epfd >= 0);
	CHECK_EQ(epoll_ctl(epfd, EPOLL_CTL_ADD, empty[0], &ev), 0);
	sh->word = 0;
}

static void forget(void)
{
	for (int i = 0; i < 2; i++) {
		close(empty[i]);
		close(full[i]);
		close(gate[i]);
		close(ack[i]);
	}
	close(efd);
	close(epfd);
}

static const char *outcome(unsigned i, bool restart, const char *dir)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
	int status;
	pid_t pid;

	fresh(dir);
	if (calls[i].prepare)
		calls[i].prepare();
	pid = fork_ok();
	if (pid == 0) {
		long r;

		CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
		send_byte(ack[1]);
		r = calls[i].call();
		_exit(r >= 0 ? 0 : errno);
	}
	wait_byte(ack[0]);
	while (state_of(pid) != 'S')
		sched_yield();
	CHECK_EQ(kill(pid, SIGUSR1), 0);
	wait_byte(ack[0]);
	/* What would be ready at once could make a call succeed that should fail; it has failed
	 * when it is gone, and goes on to wait when it sleeps. */
	await_asleep_or_ended(pid);
	if (calls[i].release == nothing && state_of(pid) == 'S')
		kill(pid, SIGKILL);
	else
		calls[i].release();
	status = reap(pid);
	forget();
	if (WIFSIGNALED(status))
		return "restarted";
	return WEXITSTATUS(status) == 0 ? "restarted" : strerrorname_np(WEXITSTATUS(status));
}

int main(void)
{
	const char *dir = temp_dir();

	sh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(sh != MAP_FAILED);
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		say("%s: SA_RESTART %s", calls[i].name, outcome(i, true, dir));
		say(", without %s\n", outcome(i, false, dir));
	}
	unlink(file);
	rmdir(dir);
	return 0;
}
