// cflags: -pthread
// Signals and threads: pthread_kill reaches the one thread, kill(2) whichever does not block it;
// sigwait, masks, alternate stacks and pending sets are each thread's own, actions are common.
#include "check.h"
#include <pthread.h>
#include <sched.h>

static __thread volatile int got;
static volatile int total;
static volatile pid_t who;
static volatile int ready, stop;

static pid_t self(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static void handler(int sig)
{
	got = sig;
	who = self();
	__atomic_fetch_add(&total, 1, __ATOMIC_SEQ_CST);
}

static void set_handler(int sig, int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};

	CHECK_EQ(sigaction(sig, &sa, NULL), 0);
}

static void mask(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	CHECK_EQ(pthread_sigmask(how, &set, NULL), 0);
}

static void *wait_for_it(void *arg)
{
	volatile pid_t *tid = arg;

	*tid = self();
	while (!got)
		sched_yield();
	return (void *)(intptr_t)got;
}

static void to_one(void)
{
	volatile pid_t tid = 0;
	pthread_t t;
	void *ret;

	CHECK_EQ(pthread_create(&t, NULL, wait_for_it, (void *)(uintptr_t)&tid), 0);
	while (!tid)
		sched_yield();
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	CHECK_EQ(pthread_join(t, &ret), 0);
	CHECK_EQ((intptr_t)ret, SIGUSR1);
	CHECK_EQ(who, tid);
	CHECK_EQ(got, 0);
	say("pthread_kill ok\n");
}

static void *spin_for_it(void *arg)
{
	volatile pid_t *tid = arg;

	*tid = self();
	while (!got)
		;
	return NULL;
}

static void *block_in_read(void *arg)
{
	char c;

	mask(SIG_UNBLOCK, SIGUSR2);
	__atomic_store_n(&ready, self(), __ATOMIC_SEQ_CST);
	CHECK_ERR(read(*(int *)arg, &c, 1), EINTR);
	CHECK_EQ(got, SIGUSR2);
	return NULL;
}

/* Blocked in the main thread: another one gets it, computing or asleep. */
static void to_process(void)
{
	volatile pid_t tid = 0;
	pthread_t t;
	int fd[2];

	CHECK_EQ(pthread_create(&t, NULL, spin_for_it, (void *)(uintptr_t)&tid), 0);
	while (!tid)
		sched_yield();
	mask(SIG_BLOCK, SIGUSR1);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_EQ(who, tid);
	CHECK_EQ(got, 0);
	mask(SIG_UNBLOCK, SIGUSR1);

	mask(SIG_BLOCK, SIGUSR2);
	make_pipe(fd);
	ready = 0;
	CHECK_EQ(pthread_create(&t, NULL, block_in_read, &fd[0]), 0);
	while (!ready)
		sched_yield();
	await_thread_asleep(ready);
	CHECK_EQ(kill(getpid(), SIGUSR2), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	mask(SIG_UNBLOCK, SIGUSR2);
	say("kill ok\n");
}

/* Everybody blocks it: it stays with the process until one unblocks it. */
static void *unblock(void *arg)
{
	sigset_t set;

	(void)arg;
	CHECK_EQ(sigpending(&set), 0);
	CHECK_EQ(sigismember(&set, SIGUSR1), 1);
	CHECK_EQ(got, 0);
	mask(SIG_UNBLOCK, SIGUSR1);
	CHECK_EQ(got, SIGUSR1);
	return NULL;
}

static void *look(void *arg)
{
	sigset_t set;

	(void)arg;
	CHECK_EQ(sigpending(&set), 0);
	CHECK_EQ(sigismember(&set, SIGUSR1), 0);
	return NULL;
}

static void pending(void)
{
	sigset_t set;
	pthread_t t;

	mask(SIG_BLOCK, SIGUSR1);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(pthread_create(&t, NULL, unblock, NULL), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_EQ(sigpending(&set), 0);
	CHECK_EQ(sigismember(&set, SIGUSR1), 0);
	CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
	CHECK_EQ(pthread_create(&t, NULL, look, NULL), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	mask(SIG_UNBLOCK, SIGUSR1);
	CHECK_EQ(got, SIGUSR1);
	got = 0;
	say("pending sets ok\n");
}

static void *waiter(void *arg)
{
	sigset_t set;
	int sig = 0;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGRTMIN + 1);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(sigwait(&set, &sig), 0);
		CHECK(sig == SIGTERM || sig == SIGRTMIN + 1);
		__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void waiting(void)
{
	pthread_t t;

	mask(SIG_BLOCK, SIGTERM);
	mask(SIG_BLOCK, SIGRTMIN + 1);
	ready = 0;
	CHECK_EQ(pthread_create(&t, NULL, waiter, NULL), 0);
	for (int i = 0; i < 50; i++) {
		if (i & 1)
			CHECK_EQ(kill(getpid(), SIGTERM), 0);
		else
			CHECK_EQ(pthread_kill(t, SIGRTMIN + 1), 0);
		while (ready <= i)
			sched_yield();
	}
	CHECK_EQ(pthread_join(t, NULL), 0);
	say("sigwait ok\n");
}

static void *own_stack(void *arg)
{
	stack_t ss = {.ss_sp = arg, .ss_size = 65536}, old;
	char *stack = arg;

	CHECK_EQ(sigaltstack(NULL, &old), 0);
	CHECK_EQ(old.ss_flags, SS_DISABLE);
	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	memset(stack, 0, 65536);
	for (int i = 0; i < 20; i++) {
		got = 0;
		CHECK_EQ(pthread_kill(pthread_self(), SIGUSR2), 0);
		CHECK_EQ(got, SIGUSR2);
		sched_yield();
	}
	/* its frames are there */
	for (int i = 0; i < 65536; i++)
		if (stack[i])
			return arg;
	CHECK(!"the alternate stack was used");
	return NULL;
}

static void stacks(void)
{
	pthread_t t[4];

	set_handler(SIGUSR2, SA_ONSTACK);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, own_stack,
					map_pages(65536, PROT_READ | PROT_WRITE)),
			 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	say("alternate stacks ok\n");
}

static void *target(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	while (!stop)
		if (ready & 1)
			sched_yield();
	return NULL;
}

/* Each signal that is sent, counted and none lost: real-time ones queue up. */
static void storm(void)
{
	pthread_t t[4];
	int sent = 0;

	set_handler(SIGRTMIN + 2, SA_RESTART);
	total = ready = stop = 0;
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, target, NULL), 0);
	for (int i = 0; i < 400; i++) {
		if (i % 5 == 4)
			CHECK_EQ(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = i}),
				 0);
		else
			CHECK_EQ(pthread_kill(t[i % 4], SIGRTMIN + 2), 0);
		sent++;
	}
	while (total < sent)
		sched_yield();
	stop = 1;
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	CHECK_EQ(total, sent);
	say("%d signals ok\n", sent);
}

/* Its taker ends before it takes it: another thread does. */
static void *dying(void *arg)
{
	(void)arg;
	return NULL;
}

static void *killer(void *arg)
{
	mask(SIG_BLOCK, SIGRTMIN + 2);
	for (int i = 0; i < 200; i++)
		CHECK_EQ(kill(getpid(), SIGRTMIN + 2), 0);
	return arg;
}

static void handed_on(void)
{
	pthread_t k, t;

	total = 0;
	got = 0;
	CHECK_EQ(pthread_create(&k, NULL, killer, NULL), 0);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(pthread_create(&t, NULL, dying, NULL), 0);
		CHECK_EQ(pthread_join(t, NULL), 0);
	}
	CHECK_EQ(pthread_join(k, NULL), 0);
	while (total < 200)
		sched_yield();
	say("handed on\n");
}

int main(void)
{
	set_handler(SIGUSR1, SA_RESTART);
	set_handler(SIGUSR2, 0);
	to_one();
	to_process();
	pending();
	waiting();
	stacks();
	storm();
	handed_on();
	return 0;
}
