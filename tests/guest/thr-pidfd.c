// cflags: -pthread
// pidfds of threads: CLONE_THREAD with CLONE_PIDFD, PIDFD_THREAD, poll until the thread ends, whom
// a signal reaches. And CLONE_THREAD with CLONE_VFORK: the maker goes on when the thread has ended.
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/utsname.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#define THREAD       (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FS | CLONE_FILES)
#define PIDFD_THREAD O_EXCL

static volatile int go, ended;
static volatile pid_t tid, got;
static char stack[65536] __attribute__((aligned(16)));

static int open_pidfd(pid_t id, unsigned flags)
{
	return (int)syscall(SYS_pidfd_open, id, flags);
}

static int send(int fd, int sig, unsigned flags)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, flags);
}

static void note(int sig)
{
	(void)sig;
	got = (pid_t)syscall(SYS_gettid);
}

/* Between its end and the moment in which it is gone a thread is only readable. */
static void await_gone(struct pollfd *p)
{
	CHECK_EQ(poll(p, 1, -1), 1);
	while (p->revents == POLLIN) {
		sleep_ms(1);
		CHECK_EQ(poll(p, 1, 0), 1);
	}
	CHECK_EQ(p->revents, POLLIN | POLLHUP);
}

static void *hold(void *arg)
{
	tid = (pid_t)syscall(SYS_gettid);
	while (!go)
		sched_yield();
	return arg;
}

static void opened(void)
{
	struct pollfd p = {.events = POLLIN};
	siginfo_t si;
	pthread_t t;
	int group;

	CHECK_EQ(pthread_create(&t, NULL, hold, NULL), 0);
	while (!tid)
		sched_yield();
	CHECK_ERR(open_pidfd(tid, ~0U), EINVAL);
	CHECK(open_pidfd(tid, 0) < 0 && (errno == ENOENT || errno == EINVAL));
	p.fd = open_pidfd(tid, PIDFD_THREAD);
	CHECK(p.fd >= 0);
	CHECK_EQ(fcntl(p.fd, F_GETFL) & ~O_LARGEFILE, O_RDWR | O_EXCL);
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(send(p.fd, 0, 0), 0);
	CHECK_ERR(send(p.fd, 0, 3), EINVAL);
	CHECK_ERR(send(p.fd, 0, 8), EINVAL);
	CHECK_ERR(send(p.fd, 0, 4), ESRCH);
	CHECK_ERR(send(p.fd, 65, 0), EINVAL);
	CHECK_ERR(waitid((idtype_t)P_PIDFD, (id_t)p.fd, &si, WEXITED | WNOHANG), ECHILD);
	CHECK(signal(SIGUSR1, note) != SIG_ERR);
	CHECK_EQ(send(p.fd, SIGUSR1, 0), 0);
	while (!got)
		sched_yield();
	CHECK_EQ(got, tid);
	group = open_pidfd(getpid(), PIDFD_THREAD);
	CHECK(group >= 0);
	got = 0;
	CHECK_EQ(send(group, SIGUSR1, 1), 0);
	while (!got)
		sched_yield();
	CHECK_EQ(got, getpid());
	go = 1;
	await_gone(&p);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_ERR(send(p.fd, 0, 0), ESRCH);
	CHECK_ERR(send(p.fd, 0, 2), ESRCH);
	CHECK_EQ(send(group, 0, 0), 0);
	CHECK_EQ(close(p.fd), 0);
	CHECK_EQ(close(group), 0);
}

/* These share the maker's TLS: no libc, and errno is the maker's. */
static int quick(void *arg)
{
	struct timespec ts = {0, 100000000};

	syscall(SYS_nanosleep, &ts, NULL);
	ended = 1;
	return arg != NULL;
}

static void cloned(void)
{
	struct pollfd p = {.fd = -1, .events = POLLIN};
	pid_t id;

	id = clone(quick, stack + sizeof(stack), THREAD | CLONE_PIDFD, NULL, &p.fd);
	CHECK(id > 0 && p.fd >= 0);
	CHECK_EQ(fcntl(p.fd, F_GETFD), FD_CLOEXEC);
	await_gone(&p);
	CHECK_EQ(ended, 1);
	CHECK_EQ(close(p.fd), 0);

	ended = 0;
	id = clone(quick, stack + sizeof(stack), THREAD | CLONE_VFORK, NULL);
	CHECK(id > 0);
	CHECK_EQ(ended, 1);
	ended = 0;
	p.fd = -1;
	id = clone(quick, stack + sizeof(stack), THREAD | CLONE_VFORK | CLONE_PIDFD, NULL, &p.fd);
	CHECK(id > 0);
	CHECK_EQ(ended, 1);
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(close(p.fd), 0);
	CHECK_ERR(clone(quick, stack + sizeof(stack), THREAD | CLONE_PIDFD, NULL, (void *)8),
		  EFAULT);
}

/* The maker is killed while it waits for its thread. */
static void killed_in_vfork(void)
{
	pid_t pid = fork_ok();

	if (!pid) {
		struct sigaction sa = {.sa_handler = SIG_DFL};

		sigaction(SIGALRM, &sa, NULL);
		alarm(1);
		for (;;)
			clone(quick, stack + sizeof(stack), THREAD | CLONE_VFORK, NULL);
	}
	say("killed in vfork: %s\n", status_text(reap(pid)));
}

int main(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	CHECK_EQ(uname(&u), 0);
	CHECK_EQ(sscanf(u.release, "%d.%d", &major, &minor), 2);
	/* Threads got pidfds with Linux 6.9. */
	if (major > 6 || (major == 6 && minor >= 9)) {
		opened();
		cloned();
	}
	killed_in_vfork();
	say("ok\n");
	return 0;
}
