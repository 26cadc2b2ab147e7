// variants: static
// cflags: -pthread
// POSIX message queues: priorities, attributes, full and empty queues, timeouts, poll,
// notification, the errors that mq_open(3) and its kin name. The names of the calls are the C
// library's.
#include "check.h"
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>

static char name[64];
static volatile sig_atomic_t told, told_value, told_code;

static void handler(int sig, siginfo_t *si, void *ctx)
{
	(void)sig;
	(void)ctx;
	told++;
	told_value = si->si_value.sival_int;
	told_code = si->si_code;
}

static unsigned ready(mqd_t q)
{
	struct pollfd p = {.fd = q, .events = POLLIN | POLLOUT};

	CHECK(poll(&p, 1, 0) >= 0);
	return (unsigned)p.revents;
}

static void getter(void *arg)
{
	mqd_t q = *(mqd_t *)arg;
	char buf[16];
	unsigned prio;

	CHECK_EQ(mq_receive(q, buf, 16, &prio), 4);
	CHECK_EQ(prio, 3);
}

static void *waits_for_ever(void *arg)
{
	char buf[16];

	mq_receive(*(mqd_t *)arg, buf, 16, NULL);
	return NULL;
}

/* The thread's call has the only reference that is left, and ends with the process. */
static void close_under_thread(void *arg)
{
	struct mq_attr a = {.mq_maxmsg = 1, .mq_msgsize = 16};
	pthread_t th;
	mqd_t q;

	(void)arg;
	strcat(name, "x");
	q = mq_open(name, O_RDWR | O_CREAT, 0600, &a);
	CHECK(q >= 0);
	CHECK_EQ(mq_unlink(name), 0);
	CHECK_EQ(pthread_create(&th, NULL, waits_for_ever, &q), 0);
	sleep_ms(30);
	CHECK_EQ(mq_close(q), 0);
}

static void closed_while_waiting(void)
{
	reap_ok(spawn(close_under_thread, NULL));
}

int main(void)
{
	struct mq_attr a = {.mq_maxmsg = 3, .mq_msgsize = 16}, b;
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct timespec ts;
	char buf[16], out[64] = "";
	unsigned prio;
	mqd_t q, r;
	pid_t pid;

	snprintf(name, sizeof(name), "/vmbox-test-%d", (int)getpid());
	CHECK_ERR(mq_open(name, O_RDWR), ENOENT);
	a.mq_maxmsg = 0;
	CHECK_ERR(mq_open(name, O_RDWR | O_CREAT, 0600, &a), EINVAL);
	a.mq_maxmsg = 3;
	q = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &a);
	CHECK(q >= 0);
	CHECK_EQ(fcntl(q, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a), EEXIST);
	CHECK_ERR(mq_open("/a/b", O_RDWR | O_CREAT, 0600, &a), EACCES);
	r = mq_open(name, O_RDONLY);
	CHECK(r >= 0);
	CHECK_EQ(mq_getattr(q, &b), 0);
	CHECK_EQ(b.mq_maxmsg, 3);
	CHECK_EQ(b.mq_msgsize, 16);
	CHECK_EQ(b.mq_flags, O_NONBLOCK);
	CHECK_EQ(ready(q), POLLOUT);
	CHECK_ERR(mq_receive(q, buf, 16, NULL), EAGAIN);
	CHECK_EQ(mq_send(q, "low", 3, 1), 0);
	CHECK_EQ(mq_send(q, "high", 4, 9), 0);
	CHECK_EQ(ready(q), POLLIN | POLLOUT);
	CHECK_EQ(mq_send(q, "low2", 4, 1), 0);
	CHECK_EQ(ready(q), POLLIN);
	CHECK_ERR(mq_send(q, "x", 1, 0), EAGAIN);
	CHECK_ERR(mq_send(q, "01234567890123456", 17, 0), EMSGSIZE);
	CHECK_ERR(mq_send(q, "x", 1, 40000), EINVAL);
	CHECK_ERR(mq_send(r, "x", 1, 0), EBADF);
	CHECK_ERR(mq_send(1, "x", 1, 0), EBADF);
	CHECK_ERR(mq_receive(q, buf, 15, NULL), EMSGSIZE);
	for (int i = 0; i < 3; i++) {
		ssize_t n = mq_receive(r, buf, 16, &prio);

		CHECK(n > 0);
		snprintf(out + strlen(out), 20, " %.*s/%u", (int)n, buf, prio);
	}
	say("order:%s\n", out);
	/* blocking, and its end */
	b.mq_flags = 0;
	CHECK_EQ(mq_setattr(q, &b, NULL), 0);
	CHECK_EQ(clock_gettime(CLOCK_REALTIME, &ts), 0);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_nsec -= 1000000000;
		ts.tv_sec++;
	}
	CHECK_ERR(mq_timedreceive(q, buf, 16, NULL, &ts), ETIMEDOUT);
	ts.tv_nsec = 1000000000;
	CHECK_ERR(mq_timedreceive(q, buf, 16, NULL, &ts), EINVAL);
	pid = spawn(getter, &q);
	await_asleep(pid);
	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	ev.sigev_value.sival_int = 77;
	CHECK_EQ(mq_notify(q, &ev), 0);
	CHECK_ERR(mq_notify(q, &ev), EBUSY);
	/* who waits gets it, and nobody is told */
	CHECK_EQ(mq_send(q, "wake", 4, 3), 0);
	reap_ok(pid);
	CHECK_EQ(told, 0);
	CHECK_EQ(mq_send(q, "tell", 4, 3), 0);
	for (int i = 0; i < 1000 && !told; i++)
		sleep_ms(1);
	CHECK_EQ(told, 1);
	CHECK_EQ(told_value, 77);
	CHECK_EQ(told_code, SI_MESGQ);
	CHECK_EQ(mq_send(q, "more", 4, 3), 0);
	CHECK_EQ(mq_notify(q, &ev), 0); /* once is over */
	CHECK_EQ(mq_notify(q, NULL), 0);
	CHECK_EQ(mq_notify(q, &ev), 0);
	ev.sigev_signo = 1000;
	CHECK_ERR(mq_notify(q, &ev), EINVAL);
	CHECK_ERR(mq_notify(1, NULL), EBADF);
	/* its last descriptor may be closed while somebody waits */
	closed_while_waiting();
	/* unlinked, it lives on in its descriptors */
	CHECK_EQ(mq_unlink(name), 0);
	CHECK_ERR(mq_unlink(name), ENOENT);
	CHECK_EQ(mq_receive(r, buf, 16, NULL), 4);
	CHECK_ERR(mq_open(name, O_RDWR), ENOENT);
	CHECK_EQ(mq_close(q), 0);
	CHECK_EQ(mq_close(r), 0);
	say("ok\n");
	return 0;
}
