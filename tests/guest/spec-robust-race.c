// native: no
// cflags: -pthread
// timeout: 60
// expect-stdout: killed ok
// expect-stdout: exit_group ok
// expect-stdout: execve ok
// expect-stdout: signal ok
// Linux 7.2: whatever ends or interrupts a thread in the vDSO's robust unlock, and wherever: the
// lock is never seen free while the pending slot still names it. Here nothing says where: a thread
// locks and unlocks as fast as it can while others kill it (spec-robust-vdso goes through the
// function one instruction after the other).
#include "futex.h"
#include "vdso-robust.h"
#include <pthread.h>

#define ROUNDS  60
#define SIGNALS 300

struct shared {
	word_t lock, tid, running;
	_Atomic bool
		unlocking; /* lock and slot were set, and nothing but the function cleared one */
	struct {
		uint64_t next, offset;
		_Atomic uint64_t pending;
	} head;
};

static struct shared *s;
static try_unlock_t unlock;
static _Atomic bool stop;

static bool pair_ok(uint32_t held)
{
	uint32_t v = s->lock;
	uint64_t p = s->head.pending;

	return (v == held && p == (uintptr_t)&s->lock) || (v == 0 && p == 0);
}

static void *worker(void *arg)
{
	uint32_t tid = my_tid();

	(void)arg;
	s->tid = tid;
	s->head.next = (uintptr_t)&s->head;
	CHECK_EQ(syscall(SYS_set_robust_list, &s->head, 24), 0);
	while (!stop) {
		s->head.pending = (uintptr_t)&s->lock;
		s->lock = tid;
		s->unlocking = true;
		CHECK_EQ(unlock(&s->lock, tid, (void *)&s->head.pending), tid);
		s->unlocking = false;
		s->running++;
	}
	return NULL;
}

static pthread_t start_worker(void)
{
	pthread_t t;

	s->running = 0;
	s->unlocking = false;
	CHECK_EQ(pthread_create(&t, NULL, worker, NULL), 0);
	while (s->running < 100)
		sched_yield();
	return t;
}

/* Some time, another each round. */
static void spin(int round)
{
	for (volatile int i = 0; i < round * 97; i++)
		;
}

enum how { KILLED, EXIT_GROUP, EXECVE };

static void one_round(enum how how, int round)
{
	static const char name[] = "/proc/self/exe";
	int ready[2];
	pid_t pid;

	make_pipe(ready);
	pid = fork_ok();
	if (pid == 0) {
		start_worker();
		send_byte(ready[1]);
		spin(round);
		if (how == EXIT_GROUP)
			_exit(0);
		if (how == EXECVE)
			execl(name, name, "exit", NULL);
		for (;;)
			pause();
	}
	wait_byte(ready[0]);
	if (how == KILLED) {
		spin(round);
		CHECK_EQ(kill(pid, SIGKILL), 0);
	}
	CHECK_EQ(reap(pid), how == KILLED ? SIGKILL : 0);
	close(ready[0]);
	close(ready[1]);
	CHECK(!s->unlocking || pair_ok(W_DIED));
}

static void rounds(enum how how, const char *name)
{
	for (int i = 0; i < ROUNDS; i++)
		one_round(how, i);
	say("%s ok\n", name);
}

static _Atomic unsigned handled;

static void on_signal(int sig)
{
	(void)sig;
	CHECK(!s->unlocking || pair_ok(s->tid));
	handled++;
}

static void signals(void)
{
	pthread_t t;

	signal(SIGUSR1, on_signal);
	t = start_worker();
	for (unsigned i = 0; i < SIGNALS; i++) {
		CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
		while (handled <= i)
			sched_yield();
	}
	stop = true;
	CHECK_EQ(pthread_join(t, NULL), 0);
	say("signal ok\n");
}

int main(int argc, char **argv)
{
	struct vdso v;
	char *fn;

	(void)argv;
	if (argc > 1)
		return 0;
	s = shared_pages(1);
	vdso_open(&v, (char *)getauxval(AT_SYSINFO_EHDR));
	fn = vdso_symbol(&v, "__vdso_futex_robust_list64_try_unlock", VDSO_VERSION);
	CHECK(fn);
	unlock = (try_unlock_t)(void *)fn;
	rounds(KILLED, "killed");
	rounds(EXIT_GROUP, "exit_group");
	rounds(EXECVE, "execve");
	signals();
	return 0;
}
