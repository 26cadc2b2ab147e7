// kernel: 6.12 (F_DUPFD_QUERY, MAP_DROPPABLE and SCHED_EXT are younger than that)
//
// What a sweep over clocks, policies, owners of files and socket options found: errors in their
// order, and values that are kept.
#include "err.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/un.h>

#define NOBODY        99999999
#define DUPFD_QUERY   1027
#define MAP_DROP      0x08
#define EXT           7
#define CPU_CLOCK(k)  ((clockid_t)(~0U << 3 | 4 | (k))) /* of this thread: PROF, VIRT, SCHED */
#define IOPRIO(c, d)  ((c) << 13 | (d))
#define MPOL_BIND_K   2
#define MPOL_STATIC   0x8000
#define MPOL_RELATIVE 0x4000

static void clocks(void)
{
	struct timespec ts = {0, -1};
	struct timex tx = {0};

	TRY(S(clock_settime, CLOCK_PROCESS_CPUTIME_ID, BAD_POINTER));
	TRY(S(clock_settime, CLOCK_THREAD_CPUTIME_ID, &ts));
	TRY(S(clock_settime, CPU_CLOCK(2), BAD_POINTER));
	TRY(S(clock_settime, CPU_CLOCK(2), &ts));
	TRY(S(clock_settime, -1, BAD_POINTER));
	TRY(S(clock_settime, -1, &ts));
	TRY(S(clock_adjtime, -1, &tx));
	TRY(S(clock_adjtime, CPU_CLOCK(2), &tx));
	TRY(S(clock_adjtime, 10, &tx));
	for (int kind = 0; kind < 3; kind++) {
		CHECK_EQ(S(clock_getres, CPU_CLOCK(kind), &ts), 0);
		say("resolution %s\n", ts.tv_nsec > 1 ? "a tick" : "1 ns");
	}
}

static void policies(void)
{
	unsigned long node = 1;

	TRY(S(sched_get_priority_max, EXT));
	TRY(S(sched_get_priority_min, EXT));
	/* The hint above the level. */
	TRY(S(ioprio_set, 1, 0, IOPRIO(2, 9)));
	CHECK_EQ(S(ioprio_get, 1, 0), IOPRIO(2, 9));
	TRY(S(ioprio_set, 1, 0, IOPRIO(0, 9)));
	TRY(S(ioprio_set, 1, 0, 0));
	TRY(S(set_mempolicy, MPOL_BIND_K | MPOL_STATIC | MPOL_RELATIVE, &node, 64));
}

static void owners(void)
{
	struct {
		int type, pid;
	} ex;
	int sv[2], other;
	pid_t pid;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	CHECK_EQ(fcntl(sv[0], F_GETOWN_EX, &ex), 0);
	say("owner at first: type %d, %d\n", ex.type, ex.pid);
	TRY(fcntl(sv[0], F_SETOWN, -NOBODY));
	TRY(fcntl(sv[0], F_SETOWN, NOBODY));
	TRY(fcntl(sv[0], F_SETOWN, INT32_MIN));
	TRY(fcntl(sv[0], F_SETOWN, getpid()));
	CHECK_EQ(fcntl(sv[0], F_GETOWN_EX, &ex), 0);
	CHECK_EQ(ex.pid, getpid());
	say("owner: type %d\n", ex.type);
	ex.type = 0;
	TRY(fcntl(sv[0], F_SETOWN_EX, &ex));
	CHECK_EQ(fcntl(sv[0], F_GETOWN), getpid());
	CHECK_EQ(fcntl(sv[0], F_GETOWN_EX, &ex), 0);
	say("owner: type %d\n", ex.type);
	ex.type = 2;
	ex.pid = getpgrp();
	TRY(fcntl(sv[0], F_SETOWN_EX, &ex));
	CHECK_EQ(fcntl(sv[0], F_GETOWN_EX, &ex), 0);
	CHECK_EQ(ex.pid, getpgrp());
	ex.pid = NOBODY;
	TRY(fcntl(sv[0], F_SETOWN_EX, &ex));
	ex.type = 3;
	TRY(fcntl(sv[0], F_SETOWN_EX, &ex));
	TRY(fcntl(sv[0], F_SETSIG, 65));
	TRY(fcntl(sv[0], F_SETSIG, SIGUSR1));
	CHECK_EQ(fcntl(sv[0], F_GETSIG), SIGUSR1);
	/* An owner that has gone is none. */
	pid = fork_ok();
	if (pid == 0)
		_exit(0);
	CHECK_EQ(fcntl(sv[0], F_SETOWN, pid), 0);
	reap_ok(pid);
	say("owner gone: %d\n", fcntl(sv[0], F_GETOWN));

	other = dup(sv[0]);
	TRY(fcntl(sv[0], DUPFD_QUERY, other));
	TRY(fcntl(sv[0], DUPFD_QUERY, sv[1]));
	TRY(fcntl(sv[0], DUPFD_QUERY, 999));
	TRY(fcntl(sv[0], F_NOTIFY, 1));
}

static void memory(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_DROP | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	CHECK(p != MAP_FAILED);
	p[0] = 1;
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(p[0], 0);
		_exit(0);
	}
	reap_ok(pid);
	CHECK(mmap(NULL, 8192, PROT_READ, MAP_DROP | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) ==
	      MAP_FAILED);
	say("droppable and locked: %s\n", strerrorname_np(errno));
}

static void sockets(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

	TRY(setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &one, 4));
	TRY(setsockopt(s, SOL_SOCKET, SO_BSDCOMPAT, &one, 4));
	TRY(setsockopt(s, SOL_SOCKET, SO_LINGER, BAD_POINTER, 4));
	TRY(setsockopt(s, SOL_SOCKET, SO_LINGER, &one, 4));
	TRY(setsockopt(s, SOL_SOCKET, SO_NOFCS, &one, 4));
	TRY(setsockopt(s, SOL_SOCKET, SO_SELECT_ERR_QUEUE, &one, 4));
	CHECK_EQ(bind(s, (struct sockaddr *)&un, sizeof(un.sun_family)), 0);
	CHECK_EQ(listen(s, 1), 0);
	CHECK_EQ(shutdown(s, SHUT_RDWR), 0);
	TRY(accept(s, NULL, NULL));
}

int main(void)
{
	clocks();
	policies();
	owners();
	memory();
	sockets();
	return 0;
}
