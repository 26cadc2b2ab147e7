// variants: static
// cflags: -pthread
// timeout: 60
// Threads and processes at once on the same sockets, semaphores and queues: nothing is lost,
// nothing is there twice; files in flight while their sockets close; edge-triggered epoll on
// sockets.
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define MESSAGES 400

static int pair[2], sem;
static pthread_barrier_t gate;

static void *many_readers(void *arg)
{
	long *sum = arg;
	int v;

	while (recv(pair[1], &v, sizeof(v), 0) == sizeof(v))
		*sum += v;
	return NULL;
}

static void *many_writers(void *arg)
{
	for (int i = 1; i <= MESSAGES; i++)
		CHECK_EQ(send(pair[0], &i, sizeof(i), 0), sizeof(i));
	(void)arg;
	return NULL;
}

static void packets(int type)
{
	pthread_t r[3], w[3];
	long sum[3] = {0, 0, 0};

	CHECK_EQ(socketpair(AF_UNIX, type, 0, pair), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(pthread_create(&r[i], NULL, many_readers, &sum[i]), 0);
		CHECK_EQ(pthread_create(&w[i], NULL, many_writers, NULL), 0);
	}
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(w[i], NULL), 0);
	CHECK_EQ(shutdown(pair[0], SHUT_WR), 0);
	if (type == SOCK_DGRAM) /* a datagram's peer does not learn of it */
		CHECK_EQ(shutdown(pair[1], SHUT_RD), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(r[i], NULL), 0);
	CHECK_EQ(sum[0] + sum[1] + sum[2], 3L * MESSAGES * (MESSAGES + 1) / 2);
	close(pair[0]);
	close(pair[1]);
	say("packets\n");
}

static ssize_t send_fd(int s, int fd)
{
	union {
		struct cmsghdr h;
		char buf[64];
	} c;
	struct iovec iov = {(void *)(uintptr_t) "x", 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = c.buf,
			   .msg_controllen = CMSG_SPACE(sizeof(fd))};

	memset(&c, 0, sizeof(c));
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	c.h.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
	return sendmsg(s, &m, MSG_NOSIGNAL);
}

static void *circles(void *arg)
{
	int s[2];

	(void)arg;
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
		CHECK_EQ(send_fd(s[0], s[0]), 1);
		CHECK_EQ(send_fd(s[1], s[1]), 1);
		close(s[0]);
		close(s[1]);
	}
	return NULL;
}

static void *pass(void *arg)
{
	union {
		struct cmsghdr h;
		char buf[64];
	} c;
	char b;
	int s[2], t[2], fd;

	(void)arg;
	for (int i = 0; i < 200; i++) {
		struct iovec iov = {&b, 1};
		struct msghdr m = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = c.buf,
				   .msg_controllen = sizeof(c)};

		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, t), 0);
		CHECK_EQ(write(t[0], "q", 1), 1);
		CHECK_EQ(send_fd(s[0], t[1]), 1);
		close(t[1]);
		CHECK_EQ(recvmsg(s[1], &m, 0), 1);
		memcpy(&fd, CMSG_DATA(&c.h), sizeof(fd));
		CHECK_EQ(read(fd, &b, 1), 1);
		CHECK_EQ(b, 'q');
		close(fd);
		close(t[0]);
		close(s[0]);
		close(s[1]);
	}
	return NULL;
}

static void flight(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, i % 2 ? circles : pass, NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	say("flight\n");
}

static void semaphores(void)
{
	int *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid[4];

	sem = semget(IPC_PRIVATE, 1, 0600);
	CHECK(sem >= 0);
	CHECK_EQ(semop(sem, &(struct sembuf){0, 1, 0}, 1), 0);
	for (int i = 0; i < 4; i++) {
		pid[i] = fork_ok();
		if (pid[i])
			continue;
		for (int n = 0; n < 200; n++) {
			int v;

			CHECK_EQ(semop(sem, &(struct sembuf){0, -1, SEM_UNDO}, 1), 0);
			v = *(volatile int *)count;
			if (n % 50 == 0)
				sched_yield();
			*(volatile int *)count = v + 1;
			CHECK_EQ(semop(sem, &(struct sembuf){0, 1, SEM_UNDO}, 1), 0);
		}
		_exit(0);
	}
	for (int i = 0; i < 4; i++)
		reap_ok(pid[i]);
	CHECK_EQ(*count, 800);
	CHECK_EQ(semctl(sem, 0, IPC_RMID), 0);
	say("semaphores\n");
}

static void edges(void)
{
	static char big[400000];
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	int ep = epoll_create1(0), s[2];
	char buf[8];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, s[0], &e), 0);
	CHECK_EQ(epoll_wait(ep, &e, 1, 0), 1);
	CHECK_EQ(e.events, EPOLLOUT);
	CHECK_EQ(epoll_wait(ep, &e, 1, 0), 0);
	CHECK_EQ(write(s[1], "ab", 2), 2);
	CHECK_EQ(epoll_wait(ep, &e, 1, 0), 1);
	CHECK_EQ(e.events, EPOLLIN | EPOLLOUT);
	CHECK_EQ(read(s[0], buf, 1), 1);
	CHECK_EQ(epoll_wait(ep, &e, 1, 0), 0); /* some is left, but nothing is new */
	CHECK_EQ(write(s[1], "c", 1), 1);
	CHECK_EQ(epoll_wait(ep, &e, 1, 0), 1);
	while (write(s[0], big, sizeof(big)) > 0)
		;
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(epoll_wait(ep, &e, 1, 0), 0);
	while (read(s[1], big, sizeof(big)) > 0)
		;
	CHECK_EQ(epoll_wait(ep, &e, 1, 1000), 1); /* room again */
	CHECK(e.events & EPOLLOUT);
	CHECK_EQ(close(s[1]), 0);
	CHECK_EQ(epoll_wait(ep, &e, 1, 1000), 1);
	CHECK_EQ(e.events, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
	close(s[0]);
	close(ep);
	say("edges\n");
}

/* Threads give one socket a name each: one wins. */
static void *namer(void *arg)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int *at = arg;

	/* sun_path to its end, without a NUL */
	memset(a.sun_path, 'n', sizeof(a.sun_path));
	memcpy(a.sun_path, "dir/", 4);
	a.sun_path[sizeof(a.sun_path) - 1] = (char)at[1];
	pthread_barrier_wait(&gate);
	at[2] = bind(at[0], (struct sockaddr *)&a, sizeof(a));
	if (at[2])
		CHECK_EQ(errno, EINVAL);
	return NULL;
}

static void unlink_named(int who)
{
	char path[110] = "dir/";

	memset(path + 4, 'n', 104);
	path[107] = (char)who;
	unlink(path);
}

static void names(void)
{
	const char *base = temp_dir();
	pthread_t th[4];
	int at[4][3];

	CHECK_EQ(chdir(base), 0);
	CHECK_EQ(mkdir("dir", 0755), 0);
	CHECK_EQ(pthread_barrier_init(&gate, NULL, 4), 0);
	for (int n = 0; n < 50; n++) {
		int s = socket(AF_UNIX, SOCK_STREAM, 0), won = 0;

		for (int i = 0; i < 4; i++) {
			at[i][0] = s;
			at[i][1] = 'a' + i;
			CHECK_EQ(pthread_create(&th[i], NULL, namer, at[i]), 0);
		}
		for (int i = 0; i < 4; i++) {
			CHECK_EQ(pthread_join(th[i], NULL), 0);
			won += !at[i][2];
			unlink_named('a' + i);
		}
		CHECK_EQ(won, 1);
		close(s);
	}
	CHECK_EQ(rmdir("dir"), 0);
	CHECK_EQ(rmdir(base), 0);
	say("names\n");
}

int main(void)
{
	names();
	packets(SOCK_SEQPACKET);
	packets(SOCK_DGRAM);
	flight();
	semaphores();
	edges();
	return 0;
}
