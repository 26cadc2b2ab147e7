// timeout: 60
// Threads and processes open, use, hang up and close pairs at once: nothing is lost, nothing stays.
#include "pty.h"
#include <pthread.h>
#include <sys/epoll.h>

#define THREADS 3
#define ROUNDS  60
#define BYTES   20000

static volatile int running = 1;

/* Bytes through a pair, both ways, each by a thread of its own. */
struct side {
	int fd;
	size_t n;
};

static void *pour(void *arg)
{
	struct side *d = arg;
	char buf[700];

	memset(buf, 'a', sizeof(buf));
	for (size_t done = 0; done < BYTES;) {
		size_t len = BYTES - done < sizeof(buf) ? BYTES - done : sizeof(buf);
		ssize_t n = write(d->fd, buf, len);

		CHECK(n > 0);
		done += (size_t)n;
	}
	return NULL;
}

static void *drink(void *arg)
{
	struct side *d = arg;
	char buf[900];

	while (d->n < BYTES) {
		ssize_t n = read(d->fd, buf, sizeof(buf));

		CHECK(n > 0);
		for (ssize_t i = 0; i < n; i++)
			CHECK_EQ(buf[i], 'a');
		d->n += (size_t)n;
	}
	return NULL;
}

static void both_ways(void)
{
	struct side d[4] = {{0}};
	pthread_t th[4];
	int m, s;

	open_pair(&m, &s);
	set_raw(s, 1, 0);
	d[0].fd = d[1].fd = m;
	d[2].fd = d[3].fd = s;
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&th[i], NULL, i % 2 ? drink : pour, &d[i]), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(th[i], NULL), 0);
	CHECK_EQ(d[1].n + d[3].n, 2 * BYTES);
	close(s);
	close(m);
}

/* A pair that others look at while it goes. */
struct shared {
	int m, s, ep;
};

static void *poke(void *arg)
{
	struct shared *h = arg;
	struct epoll_event ev;
	struct termios a;
	char buf[64];
	int n;

	while (running) {
		n = read(h->s, buf, sizeof(buf));
		n = write(h->s, "slave\n", 6);
		n = read(h->m, buf, sizeof(buf));
		n = write(h->m, "a\003b\nc", 5);
		if (tcgetattr(h->s, &a) == 0)
			tcsetattr(h->s, TCSAFLUSH, &a);
		tcflush(h->m, TCIOFLUSH);
		ioctl(h->s, FIONREAD, &n);
		epoll_wait(h->ep, &ev, 1, 0);
		has_events(h->m, POLLIN, 0);
		has_events(h->s, POLLIN, 0);
		n = ioctl(h->m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK);
		if (n >= 0)
			close(n);
	}
	return NULL;
}

/* Descriptors that others use are replaced: their last use closes a pair. */
static void replaced(void)
{
	struct shared h = {.ep = epoll_create1(0)};
	pthread_t th[THREADS];

	open_pair(&h.m, &h.s);
	fcntl(h.m, F_SETFL, O_RDWR | O_NONBLOCK);
	fcntl(h.s, F_SETFL, O_RDWR | O_NONBLOCK);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&th[i], NULL, poke, &h), 0);
	for (int i = 0; i < ROUNDS; i++) {
		struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
		int m, s;

		open_pair(&m, &s);
		fcntl(m, F_SETFL, O_RDWR | O_NONBLOCK);
		fcntl(s, F_SETFL, O_RDWR | O_NONBLOCK);
		CHECK_EQ(dup2(i % 2 ? m : s, i % 2 ? h.m : h.s), i % 2 ? h.m : h.s);
		CHECK_EQ(dup2(i % 2 ? s : m, i % 2 ? h.s : h.m), i % 2 ? h.s : h.m);
		close(m);
		close(s);
		epoll_ctl(h.ep, EPOLL_CTL_ADD, h.m, &ev);
		epoll_ctl(h.ep, EPOLL_CTL_ADD, h.s, &ev);
	}
	running = 0;
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(th[i], NULL), 0);
	close(h.m);
	close(h.s);
	close(h.ep);
}

/* Sessions that end by a hang-up while their processes read, write and ask. */
static void sessions(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		int m, s;
		pid_t pid;

		open_pair(&m, &s);
		pid = fork_ok();
		if (pid == 0) {
			char buf[64];
			int n;

			close(m);
			setsid();
			ioctl(s, TIOCSCTTY, 0);
			for (int k = 0; k < 2; k++)
				if (fork_ok() == 0) {
					for (;;) {
						n = open("/dev/tty", O_RDWR);
						if (n < 0)
							_exit(0);
						if (write(n, "x", 1) < 0 || read(n, buf, 1) == 0)
							_exit(0);
						close(n);
					}
				}
			for (;;)
				if (read(s, buf, sizeof(buf)) <= 0)
					_exit(0);
		}
		close(s);
		type_keys(m, "some\nlines\nof\ninput\n");
		has_events(m, POLLIN, 1000);
		if (i % 3 == 0)
			type_keys(m, "\003");
		if (i % 3 == 1)
			CHECK_EQ(kill(pid, SIGKILL), 0);
		close(m);
		reap(pid);
	}
}

/* All numbers are free again. */
static void nothing_stays(int before)
{
	int m = -1;

	/* Natively other programs take and leave numbers as they like. */
	if (!alone)
		return;
	/* Orphans may have a slave open for a moment. */
	for (int tries = 0; tries < 2000; tries++) {
		m = open_master();
		if (pts_number(m) == before)
			break;
		close(m);
		sleep_ms(5);
	}
	CHECK_EQ(pts_number(m), before);
	close(m);
}

int main(void)
{
	int m, before;

	leave_session();
	m = open_master();
	before = pts_number(m);
	close(m);
	both_ways();
	replaced();
	sessions();
	nothing_stays(before);
	say("ok\n");
	return 0;
}
