// PI futexes between processes: ownership, hand-over in order, timeouts, signals, an owner that
// dies; WAIT_REQUEUE_PI. No robust list here: robust-mutex.c has those.
#include "futex.h"

static void lock_user(word_t *w)
{
	uint32_t free_word = 0;

	if (!atomic_compare_exchange_strong(w, &free_word, my_tid()))
		CHECK_EQ(futex(w, F_LOCK_PI, 0, NULL, NULL, 0), 0);
	CHECK_EQ(*w & W_TID, my_tid());
}

static void unlock_user(word_t *w)
{
	uint32_t mine = my_tid();

	if (!atomic_compare_exchange_strong(w, &mine, 0))
		CHECK_EQ(futex(w, F_UNLOCK_PI, 0, NULL, NULL, 0), 0);
}

static void await_bit(word_t *w)
{
	while (!(*w & W_WAITERS))
		sleep_ms(1);
}

static void alone(word_t *w)
{
	uint32_t tid = my_tid();
	struct timespec past = {0, 0};

	CHECK_EQ(futex(w, F_LOCK_PI, 0, NULL, NULL, 0), 0);
	CHECK_EQ(*w, tid);
	CHECK_ERR(futex(w, F_LOCK_PI, 0, NULL, NULL, 0), EDEADLK);
	CHECK_ERR(futex(w, F_TRYLOCK_PI, 0, NULL, NULL, 0), EDEADLK);
	CHECK_ERR(futex(w, F_LOCK_PI2, 0, &past, NULL, 0), EDEADLK);
	CHECK_EQ(futex(w, F_UNLOCK_PI, 0, NULL, NULL, 0), 0);
	CHECK_EQ(*w, 0);
	CHECK_ERR(futex(w, F_UNLOCK_PI, 0, NULL, NULL, 0), EPERM);
	*w = W_DIED;
	CHECK_EQ(futex(w, F_TRYLOCK_PI, 0, (void *)1, NULL, 0), 0);
	CHECK_EQ(*w, W_DIED | tid);
	CHECK_EQ(futex(w, F_UNLOCK_PI, 0, NULL, NULL, 0), 0);
	CHECK_EQ(*w, 0);
	*w = 0x3ffffff0;
	CHECK_ERR(futex(w, F_LOCK_PI, 0, NULL, NULL, 0), ESRCH);
	*w = 0x3ffffff0;
	CHECK_ERR(futex(w, F_TRYLOCK_PI, 0, NULL, NULL, 0), ESRCH);
	*w = 0;
	CHECK_ERR(futex((char *)w + 1, F_LOCK_PI, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex((void *)4096, F_LOCK_PI, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex((void *)4096, F_LOCK_PI | F_PRIVATE, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex((void *)4096, F_UNLOCK_PI | F_PRIVATE, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex(KERNEL_HALF, F_UNLOCK_PI, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex((char *)w + 1, F_UNLOCK_PI, 0, NULL, NULL, 0), EPERM);
	say("alone: ok\n");
}

/* Three wait in a known order; the lock goes round in it. */
static void order(word_t *w)
{
	struct timespec ts;
	pid_t pid[3];

	lock_user(w);
	for (int i = 0; i < 3; i++) {
		int went[2];

		make_pipe(went);
		pid[i] = fork_ok();
		if (!pid[i]) {
			send_byte(went[1]);
			lock_user(w);
			w[2] = w[2] * 10 + 1 + (uint32_t)i;
			unlock_user(w);
			_exit(0);
		}
		wait_byte(went[0]);
		await_bit(w);
		await_asleep(pid[i]);
		close(went[0]);
		close(went[1]);
	}
	CHECK_ERR(futex(w, F_WAKE, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex(w, F_REQUEUE, 1, COUNT(1), w + 1, 0), EINVAL);
	unlock_user(w);
	for (int i = 0; i < 3; i++)
		reap_ok(pid[i]);
	CHECK_EQ(*w & W_TID, 0);
	say("order: %u\n", w[2]);
	*w = 0;
	/* Contended by a try and by a timeout. */
	lock_user(w);
	pid[0] = fork_ok();
	if (!pid[0]) {
		CHECK_ERR(futex(w, F_TRYLOCK_PI, 0, NULL, NULL, 0), EAGAIN);
		ts = in_ms(CLOCK_REALTIME, 20);
		CHECK_ERR(futex(w, F_LOCK_PI, 0, &ts, NULL, 0), ETIMEDOUT);
		CHECK_ERR(futex(w, F_LOCK_PI2 | F_REALTIME, 0, &ts, NULL, 0), ETIMEDOUT);
		ts = in_ms(CLOCK_MONOTONIC, 20);
		CHECK_ERR(futex(w, F_LOCK_PI2, 0, &ts, NULL, 0), ETIMEDOUT);
		CHECK_ERR(futex(w, F_UNLOCK_PI, 0, NULL, NULL, 0), EPERM);
		_exit(0);
	}
	reap_ok(pid[0]);
	CHECK_EQ(*w, W_WAITERS | my_tid());
	unlock_user(w);
	CHECK_EQ(*w, 0);
	say("timeouts: ok\n");
}

static volatile sig_atomic_t hits;

static void on_signal(int sig)
{
	(void)sig;
	hits++;
}

/* A signal never ends LOCK_PI: it begins again after the handler. */
static void restart(word_t *w)
{
	struct sigaction act = {.sa_handler = on_signal};
	int went[2];
	pid_t pid;

	lock_user(w);
	make_pipe(went);
	pid = fork_ok();
	if (!pid) {
		CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
		send_byte(went[1]);
		CHECK_EQ(futex(w, F_LOCK_PI, 0, NULL, NULL, 0), 0);
		CHECK_EQ(hits, 1);
		unlock_user(w);
		_exit(0);
	}
	wait_byte(went[0]);
	await_bit(w);
	await_asleep(pid);
	CHECK_EQ(kill(pid, SIGUSR1), 0);
	/* Whether it sleeps again by now or not: it has the lock in the end, and the handler has
	 * run. */
	unlock_user(w);
	reap_ok(pid);
	say("signal: restarted\n");
}

/* The owner dies without a robust list: who waits already inherits, who comes later finds nobody.
 */
static void death(word_t *w)
{
	int went[2];
	pid_t owner, heir;

	make_pipe(went);
	owner = fork_ok();
	if (!owner) {
		lock_user(w);
		send_byte(went[1]);
		for (;;)
			pause();
	}
	wait_byte(went[0]);
	heir = fork_ok();
	if (!heir) {
		CHECK_EQ(futex(w, F_LOCK_PI, 0, NULL, NULL, 0), 0);
		CHECK_EQ(*w, W_WAITERS | W_DIED | my_tid());
		_exit(0); /* without unlocking */
	}
	await_bit(w);
	await_asleep(heir);
	CHECK_EQ(kill(owner, SIGKILL), 0);
	CHECK_EQ(reap(owner), SIGKILL);
	reap_ok(heir);
	CHECK_ERR(futex(w, F_LOCK_PI, 0, NULL, NULL, 0), ESRCH);
	*w = 0;
	say("death: ok\n");
}

static void work(void *arg)
{
	word_t *w = arg;

	for (int i = 0; i < 500; i++) {
		lock_user(w);
		w[4] = w[4] + 1; /* one at a time, or this is wrong */
		unlock_user(w);
	}
}

static void contention(word_t *w)
{
	pid_t pid[4];

	w[4] = 0;
	for (int i = 0; i < 4; i++)
		pid[i] = spawn(work, w);
	for (int i = 0; i < 4; i++)
		reap_ok(pid[i]);
	say("contention: %u\n", w[4]);
}

/* ---- WAIT_REQUEUE_PI: word 8 is the condition, word 0 the lock ---- */

static void cond_wait(void *arg)
{
	word_t *w = arg;

	CHECK_EQ(futex(w + 8, F_WAIT_REQUEUE_PI, 0, NULL, w, 0), 0);
	CHECK_EQ(*w & W_TID, my_tid());
	w[4] = w[4] + 1;
	unlock_user(w);
}

/* REQUEUE refuses these waiters, so looking for them is itself a sign. */
static void await_cond(word_t *w)
{
	while (futex(w, F_WAKE, 1, NULL, NULL, 0) == 0)
		sleep_ms(1);
	CHECK_EQ(errno, EINVAL);
}

static void condition(word_t *w)
{
	struct timespec ts;
	pid_t pid[3];
	long moved;

	w[4] = 0;
	*w = 0;
	for (int i = 0; i < 3; i++) {
		pid[i] = spawn(cond_wait, w);
		await_asleep(pid[i]);
	}
	CHECK_ERR(futex(w + 8, F_CMP_REQUEUE_PI, 1, COUNT(9), w, 7), EAGAIN);
	CHECK_ERR(futex(w + 8, F_CMP_REQUEUE_PI, 2, COUNT(9), w, 0), EINVAL);
	CHECK_ERR(futex(w + 8, F_CMP_REQUEUE_PI, 1, COUNT(-1), w, 0), EINVAL);
	CHECK_ERR(futex(w + 8, F_CMP_REQUEUE_PI, 1, COUNT(9), w + 8, 0), EINVAL);
	CHECK_ERR(futex(w + 8, F_CMP_REQUEUE_PI, 1, COUNT(9), w + 1, 0), EINVAL);
	CHECK_ERR(futex(w + 8, F_CMP_REQUEUE, 1, COUNT(9), w, 0), EINVAL);
	say("requeue to a free lock: %ld\n", futex(w + 8, F_CMP_REQUEUE_PI, 1, COUNT(0), w, 0));
	reap_ok(pid[0]);
	lock_user(w);
	say("requeue to a held lock: %ld\n", futex(w + 8, F_CMP_REQUEUE_PI, 1, COUNT(9), w, 0));
	CHECK_EQ(*w, W_WAITERS | my_tid());
	CHECK_EQ(w[4], 1);
	unlock_user(w);
	reap_ok(pid[1]);
	reap_ok(pid[2]);
	say("each had the lock: %u\n", w[4]);
	CHECK_EQ(futex(w + 8, F_CMP_REQUEUE_PI, 1, COUNT(9), w, 0), 0);

	ts = in_ms(CLOCK_MONOTONIC, 20);
	CHECK_ERR(futex(w + 8, F_WAIT_REQUEUE_PI, 0, &ts, w, 0), ETIMEDOUT);
	ts = in_ms(CLOCK_REALTIME, 20);
	CHECK_ERR(futex(w + 8, F_WAIT_REQUEUE_PI | F_REALTIME, 0, &ts, w, 0), ETIMEDOUT);
	CHECK_ERR(futex(w + 8, F_WAIT_REQUEUE_PI, 1, &ts, w, 0), EAGAIN);
	CHECK_ERR(futex(w + 8, F_WAIT_REQUEUE_PI, 1, &ts, w + 8, 0), EINVAL);
	CHECK_ERR(futex(w + 8, F_WAIT_REQUEUE_PI, 1, &ts, (char *)w + 1, 0), EINVAL);
	CHECK_ERR(futex(w + 8, F_WAIT_REQUEUE_PI, 1, &ts, KERNEL_HALF, 0), EFAULT);
	/* Moved, and the owner does not unlock in time. Again if its time was over before. */
	lock_user(w);
	do {
		pid[0] = fork_ok();
		if (!pid[0]) {
			ts = in_ms(CLOCK_MONOTONIC, 100);
			CHECK_ERR(futex(w + 8, F_WAIT_REQUEUE_PI, 0, &ts, w, 0), ETIMEDOUT);
			_exit(0);
		}
		await_asleep_or_ended(pid[0]);
		moved = futex(w + 8, F_CMP_REQUEUE_PI, 1, COUNT(0), w, 0);
		CHECK(moved == 0 || moved == 1);
		reap_ok(pid[0]);
	} while (moved == 0);
	unlock_user(w);
	CHECK_EQ(*w, 0);
	/* Moved, then a signal: the lock was not had. */
	lock_user(w);
	pid[0] = fork_ok();
	if (!pid[0]) {
		struct sigaction act = {.sa_handler = on_signal};

		CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
		CHECK_ERR(futex(w + 8, F_WAIT_REQUEUE_PI, 0, NULL, w, 0), EAGAIN);
		_exit(0);
	}
	await_cond(w + 8);
	CHECK_EQ(futex(w + 8, F_CMP_REQUEUE_PI, 1, COUNT(0), w, 0), 1);
	CHECK_EQ(kill(pid[0], SIGUSR1), 0);
	reap_ok(pid[0]);
	unlock_user(w);
	say("requeue, timeouts and signals: ok\n");
}

int main(void)
{
	word_t *w = shared_pages(1);

	alone(w);
	order(w);
	restart(w);
	death(w);
	contention(w);
	condition(w);
	return 0;
}
