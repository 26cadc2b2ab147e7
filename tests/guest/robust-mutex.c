// variants: static static-pie musl
// pthread mutexes in shared memory: robust ones whose owner dies (exit, SIGKILL, execve) give
// EOWNERDEAD to the next, then ENOTRECOVERABLE if nobody repairs them; with a waiter asleep;
// ordinary and PI protocol.
#include "check.h"
#include <pthread.h>

struct mem {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int value, turn;
};

static void init(struct mem *m, int protocol, bool robust)
{
	pthread_mutexattr_t a;
	pthread_condattr_t c;

	memset(m, 0, sizeof(*m));
	CHECK_EQ(pthread_mutexattr_init(&a), 0);
	CHECK_EQ(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_mutexattr_setprotocol(&a, protocol), 0);
	if (robust)
		CHECK_EQ(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST), 0);
	CHECK_EQ(pthread_mutex_init(&m->mutex, &a), 0);
	CHECK_EQ(pthread_condattr_init(&c), 0);
	CHECK_EQ(pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_cond_init(&m->cond, &c), 0);
}

enum end { END_EXIT, END_KILL, END_EXEC };

/* A child takes the mutex and ends with it. */
static void die_holding(struct mem *m, enum end end, int wait_fd)
{
	pid_t pid;
	int went[2];

	make_pipe(went);
	pid = fork_ok();
	if (!pid) {
		CHECK_EQ(pthread_mutex_lock(&m->mutex), 0);
		send_byte(went[1]);
		if (wait_fd >= 0)
			wait_byte(wait_fd);
		if (end == END_KILL)
			raise(SIGKILL);
		if (end == END_EXEC) {
			execl("/proc/self/exe", "robust-mutex", "again", NULL);
			_exit(1);
		}
		_exit(0);
	}
	wait_byte(went[0]);
	if (wait_fd < 0)
		CHECK_EQ(reap(pid), end == END_KILL ? SIGKILL : 0);
	close(went[0]);
	close(went[1]);
}

static const char *name(int r)
{
	return r == 0                 ? "0"
	       : r == EOWNERDEAD      ? "EOWNERDEAD"
	       : r == ENOTRECOVERABLE ? "ENOTRECOVERABLE"
	       : r == EBUSY           ? "EBUSY"
				      : "?";
}

static void deaths(struct mem *m, int protocol)
{
	for (int end = END_EXIT; end <= END_EXEC; end++) {
		init(m, protocol, true);
		die_holding(m, end, -1);
		say("lock: %s", name(pthread_mutex_lock(&m->mutex)));
		CHECK_EQ(pthread_mutex_consistent(&m->mutex), 0);
		CHECK_EQ(pthread_mutex_unlock(&m->mutex), 0);
		say(", repaired: %s\n", name(pthread_mutex_trylock(&m->mutex)));
		CHECK_EQ(pthread_mutex_unlock(&m->mutex), 0);
		die_holding(m, end, -1);
		say("trylock: %s", name(pthread_mutex_trylock(&m->mutex)));
		CHECK_EQ(pthread_mutex_unlock(&m->mutex), 0);
		say(", not repaired: %s\n", name(pthread_mutex_lock(&m->mutex)));
	}
}

/* The owner dies while others sleep in lock: one gets it, then the next. */
static void waiters(struct mem *m, int protocol)
{
	int go[2];
	pid_t pid[3];

	init(m, protocol, true);
	make_pipe(go);
	die_holding(m, END_KILL, go[0]);
	for (int i = 0; i < 3; i++) {
		pid[i] = fork_ok();
		if (!pid[i]) {
			int r = pthread_mutex_lock(&m->mutex);

			CHECK_EQ(r, m->value == 0 ? EOWNERDEAD : 0);
			if (r)
				CHECK_EQ(pthread_mutex_consistent(&m->mutex), 0);
			m->value++;
			CHECK_EQ(pthread_mutex_unlock(&m->mutex), 0);
			_exit(0);
		}
	}
	for (int i = 0; i < 3; i++)
		await_asleep(pid[i]);
	send_byte(go[1]);
	for (int i = 0; i < 3; i++)
		reap_ok(pid[i]);
	CHECK(wait(NULL) > 0);
	say("waiters served: %d\n", m->value);
	close(go[0]);
	close(go[1]);
}

static void work(void *arg)
{
	struct mem *m = arg;

	for (int i = 0; i < 300; i++) {
		CHECK_EQ(pthread_mutex_lock(&m->mutex), 0);
		m->value++;
		CHECK_EQ(pthread_mutex_unlock(&m->mutex), 0);
	}
}

static void contention(struct mem *m, int protocol, bool robust)
{
	pid_t pid[4];

	init(m, protocol, robust);
	for (int i = 0; i < 4; i++)
		pid[i] = spawn(work, m);
	for (int i = 0; i < 4; i++)
		reap_ok(pid[i]);
	say("counted: %d\n", m->value);
}

/* Two processes in turns through a condition variable. */
static void condition(struct mem *m, int protocol)
{
	pid_t pid;
	int me;

	init(m, protocol, false);
	pid = fork_ok();
	me = pid == 0;
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(pthread_mutex_lock(&m->mutex), 0);
		while (m->turn != me)
			CHECK_EQ(pthread_cond_wait(&m->cond, &m->mutex), 0);
		m->turn = !me;
		m->value++;
		CHECK_EQ(pthread_cond_signal(&m->cond), 0);
		CHECK_EQ(pthread_mutex_unlock(&m->mutex), 0);
	}
	if (!pid)
		_exit(0);
	reap_ok(pid);
	say("turns: %d\n", m->value);
}

int main(int argc, char **argv)
{
	struct mem *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)argv;
	if (argc > 1)
		return 0;
	CHECK(m != MAP_FAILED);
	deaths(m, PTHREAD_PRIO_NONE);
	waiters(m, PTHREAD_PRIO_NONE);
	contention(m, PTHREAD_PRIO_NONE, false);
	contention(m, PTHREAD_PRIO_NONE, true);
	condition(m, PTHREAD_PRIO_NONE);
	deaths(m, PTHREAD_PRIO_INHERIT);
	waiters(m, PTHREAD_PRIO_INHERIT);
	contention(m, PTHREAD_PRIO_INHERIT, false);
	contention(m, PTHREAD_PRIO_INHERIT, true);
	condition(m, PTHREAD_PRIO_INHERIT);
	return 0;
}
