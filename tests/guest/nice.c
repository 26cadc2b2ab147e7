// cflags: -pthread
//
// Nice values, policies and I/O priorities are each thread's own: by its id, by group, inherited
// from the thread that made it, and of a process that has ended.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#define IOPRIO(c, d) ((c) << 13 | (d))

struct thread {
	pthread_t th;
	pid_t tid;
	int ready[2], go[2];
};

static pid_t gettid_(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static int nice_of(int which, id_t who)
{
	int v;

	errno = 0;
	v = getpriority(which, who);
	CHECK_EQ(errno, 0);
	return v;
}

static long long stat_nice(pid_t tid)
{
	char path[64], line[512] = "", *p;
	long long prio, nice;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && read(fd, line, sizeof(line) - 1) > 0);
	close(fd);
	p = strrchr(line, ')') + 2;
	for (int i = 3; i < 18; i++)
		p = strchr(p, ' ') + 1;
	CHECK_EQ(sscanf(p, "%lld %lld", &prio, &nice), 2);
	CHECK_EQ(prio, 20 + nice);
	return nice;
}

static void *body(void *arg)
{
	struct thread *t = arg;

	t->tid = gettid_();
	send_byte(t->ready[1]);
	wait_byte(t->go[0]);
	say("the thread itself: %d\n", nice_of(PRIO_PROCESS, 0));
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 12), 0);
	send_byte(t->ready[1]);
	wait_byte(t->go[0]);
	return NULL;
}

static void start(struct thread *t)
{
	make_pipe(t->ready);
	make_pipe(t->go);
	CHECK_EQ(pthread_create(&t->th, NULL, body, t), 0);
	wait_byte(t->ready[0]);
}

static void threads(void)
{
	struct sched_param zero = {0};
	struct thread t;

	CHECK_EQ(setpgid(0, 0), 0);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 3), 0);
	start(&t);
	say("inherited: %d\n", nice_of(PRIO_PROCESS, (id_t)t.tid));
	CHECK_EQ(setpriority(PRIO_PROCESS, (id_t)t.tid, 7), 0);
	say("by id: %d and %d\n", nice_of(PRIO_PROCESS, (id_t)getpid()),
	    nice_of(PRIO_PROCESS, (id_t)t.tid));
	CHECK_EQ(stat_nice(getpid()), 3);
	CHECK_EQ(stat_nice(t.tid), 7);
	say("the group's lowest: %d\n", nice_of(PRIO_PGRP, 0));
	send_byte(t.go[1]);
	wait_byte(t.ready[0]);
	say("it has changed its own: %d and %d\n", nice_of(PRIO_PROCESS, 0),
	    nice_of(PRIO_PROCESS, (id_t)t.tid));
	CHECK_EQ(setpriority(PRIO_PGRP, 0, 15), 0);
	say("all of a group: %d and %d\n", nice_of(PRIO_PROCESS, 0),
	    nice_of(PRIO_PROCESS, (id_t)t.tid));

	CHECK_EQ(sched_setscheduler(t.tid, SCHED_BATCH, &zero), 0);
	say("policies: %d and %d\n", sched_getscheduler(0), sched_getscheduler(t.tid));
	CHECK_EQ(syscall(SYS_ioprio_set, 1, t.tid, IOPRIO(2, 6)), 0);
	CHECK_EQ(syscall(SYS_ioprio_set, 1, 0, IOPRIO(2, 1)), 0);
	say("I/O: %ld and %ld\n", syscall(SYS_ioprio_get, 1, 0) & 7,
	    syscall(SYS_ioprio_get, 1, t.tid) & 7);
	send_byte(t.go[1]);
	CHECK_EQ(pthread_join(t.th, NULL), 0);
	_exit(0);
}

/* It cannot change what it is: the values of a child that nobody has waited for. */
static void ended(void)
{
	pid_t pid = fork_ok();

	if (pid == 0) {
		CHECK_EQ(setpriority(PRIO_PROCESS, 0, 9), 0);
		_exit(0);
	}
	while (state_of(pid) != 'Z')
		sched_yield();
	say("a zombie: %d\n", nice_of(PRIO_PROCESS, (id_t)pid));
	reap_ok(pid);
	CHECK_ERR(getpriority(PRIO_PROCESS, (id_t)pid), ESRCH);
}

int main(void)
{
	pid_t pid = fork_ok();

	if (pid == 0)
		threads();
	reap_ok(pid);
	ended();
	return 0;
}
