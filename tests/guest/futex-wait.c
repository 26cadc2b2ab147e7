// FUTEX_WAIT and WAKE between processes: anonymous shared memory, a file mapped at different
// addresses and offsets; private keys, and what keeps keys apart; counts and order of checks.
#include "futex.h"

struct job {
	word_t *word;
	int want; /* errno of the wait, 0: woken */
};

static void wait_for(void *arg)
{
	struct job *j = arg;
	long r = futex(j->word, F_WAIT, *j->word, NULL, NULL, 0);

	CHECK_EQ(r < 0 ? errno : 0, j->want);
}

static void ping_pong(void)
{
	word_t *w = shared_pages(1);
	pid_t pid = fork_ok();

	for (uint32_t turn = pid ? 0 : 1; turn < 2000; turn += 2) {
		uint32_t seen;

		/* What is compared is what was looked at: the other may change it in between. */
		while ((seen = *w) != turn)
			if (futex(w, F_WAIT, seen, NULL, NULL, 0) < 0)
				CHECK_EQ(errno, EAGAIN);
		*w = turn + 1;
		futex(w, F_WAKE, 1, NULL, NULL, 0);
	}
	if (!pid)
		_exit(0);
	reap_ok(pid);
	say("ping-pong: %u\n", *w);
}

static void counts(void)
{
	word_t *w = shared_pages(1);
	struct job j = {w, 0};
	pid_t pid[6];

	for (int i = 0; i < 6; i++)
		pid[i] = spawn(wait_for, &j);
	await_waiters(w, 6);
	say("wake 2: %ld\n", futex(w, F_WAKE, 2, NULL, NULL, 0));
	say("wake 0: %ld\n", futex(w, F_WAKE, 0, NULL, NULL, 0));
	say("wake -1: %ld\n", futex(w, F_WAKE, -1, NULL, NULL, 0));
	say("left: %ld\n", waiters(w, 0));
	say("other word: %ld\n", futex(w + 1, F_WAKE, 9, NULL, NULL, 0));
	say("private key: %ld\n", futex(w, F_WAKE | F_PRIVATE, 9, NULL, NULL, 0));
	say("wake all: %ld\n", futex(w, F_WAKE, INT32_MAX, NULL, NULL, 0));
	say("again: %ld\n", futex(w, F_WAKE, INT32_MAX, NULL, NULL, 0));
	for (int i = 0; i < 6; i++)
		reap_ok(pid[i]);
}

static void file_at_two_addresses(void)
{
	const char *path = temp_path(temp_dir(), "words");
	static char zero[3 * 4096];
	int fd;
	word_t *a, *b;
	pid_t pid;
	struct job j;

	write_file(path, zero, sizeof(zero), 0600);
	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	a = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
	CHECK(a != MAP_FAILED && b != MAP_FAILED);
	j = (struct job){a + 1024 + 5, 0};
	pid = spawn(wait_for, &j);
	await_waiters(b + 5, 1);
	say("file, same offset of page 0: %ld\n", futex(a + 5, F_WAKE, 1, NULL, NULL, 0));
	say("file, other mapping: %ld\n", futex(b + 5, F_WAKE, 1, NULL, NULL, 0));
	reap_ok(pid);
	/* Through a mapping that may only be read. */
	CHECK_EQ(mprotect(b, 4096, PROT_READ), 0);
	pid = spawn(wait_for, &j);
	await_waiters(b + 5, 1);
	say("file, read-only mapping: %ld\n", futex(b + 5, F_WAKE, 1, NULL, NULL, 0));
	reap_ok(pid);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(unlink(path), 0);
	*strrchr((char *)(uintptr_t)path, '/') = 0;
	CHECK_EQ(rmdir(path), 0);
}

/* After fork a private word is another word in the child, whatever flag is used. */
static void private_memory(void)
{
	word_t *w = (word_t *)map_pages(4096, PROT_READ | PROT_WRITE);
	struct timespec soon = {0, 50000000};
	int ready[2];
	pid_t pid;

	make_pipe(ready);
	*w = 0;
	pid = fork_ok();
	if (!pid) {
		send_byte(ready[1]);
		CHECK_ERR(futex(w, F_WAIT, 0, &soon, NULL, 0), ETIMEDOUT);
		CHECK_ERR(futex(w, F_WAIT | F_PRIVATE, 0, &soon, NULL, 0), ETIMEDOUT);
		_exit(0);
	}
	wait_byte(ready[0]);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(futex(w, F_WAKE, 1, NULL, NULL, 0), 0);
		CHECK_EQ(futex(w, F_WAKE | F_PRIVATE, 1, NULL, NULL, 0), 0);
		sleep_ms(2);
	}
	reap_ok(pid);
	say("private memory is each process's own\n");
}

static void errors(void)
{
	word_t *w = shared_pages(2), *ro = (word_t *)map_pages(4096, PROT_READ);
	struct timespec bad = {0, 1000000000}, neg = {-1, 0}, none = {0, 0};
	char *unmapped = (char *)(w + 1024);

	CHECK_EQ(munmap(unmapped, 4096), 0);
	*w = 1;
	CHECK_ERR(futex(w, F_WAIT, 0, NULL, NULL, 0), EAGAIN);
	CHECK_ERR(futex((char *)w + 1, F_WAIT, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex((char *)w + 2, F_WAKE | F_PRIVATE, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex(unmapped, F_WAIT, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex(unmapped, F_WAIT | F_PRIVATE, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex(unmapped, F_WAKE, 1, NULL, NULL, 0), EFAULT);
	CHECK_EQ(futex(unmapped, F_WAKE | F_PRIVATE, 1, NULL, NULL, 0), 0);
	CHECK_ERR(futex(KERNEL_HALF, F_WAKE, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex(KERNEL_HALF, F_WAKE | F_PRIVATE, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex(KERNEL_HALF, F_WAIT | F_PRIVATE, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex((void *)-4L, F_WAIT, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex(NULL, F_WAKE, 1, NULL, NULL, 0), EFAULT);
	CHECK_EQ(futex(NULL, F_WAKE | F_PRIVATE, 1, NULL, NULL, 0), 0);
	/* Anonymous memory that may only be read: a shared key cannot be made, a private one can.
	 */
	CHECK_ERR(futex(ro, F_WAIT, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex(ro, F_WAKE, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex(ro, F_WAIT | F_PRIVATE, 1, NULL, NULL, 0), EAGAIN);
	/* The timeout comes first of all, before the operation is known. */
	CHECK_ERR(futex((char *)w + 1, F_WAIT, 0, (void *)1, NULL, 0), EFAULT);
	CHECK_ERR(futex((char *)w + 1, F_WAIT, 0, &bad, NULL, 0), EINVAL);
	CHECK_ERR(futex(w, F_WAIT, 0, &neg, NULL, 0), EINVAL);
	CHECK_ERR(futex(w, F_LOCK_PI | F_REALTIME, 0, &bad, NULL, 0), EINVAL);
	CHECK_ERR(futex(w, F_WAKE | F_REALTIME, 0, &bad, NULL, 0), ENOSYS);
	CHECK_ERR(futex(w, F_WAIT | F_REALTIME, 0, NULL, NULL, 0), ENOSYS);
	CHECK_ERR(futex(w, F_LOCK_PI | F_REALTIME, 0, NULL, NULL, 0), ENOSYS);
	CHECK_ERR(futex(w, F_WAIT, 0, &none, NULL, 0), EAGAIN);
	CHECK_ERR(futex(w, F_WAIT, 1, &none, NULL, 0), ETIMEDOUT);
	CHECK_ERR(futex(w, F_FD, 0, NULL, NULL, 0), ENOSYS);
	CHECK_ERR(futex(w, 14, 0, NULL, NULL, 0), ENOSYS);
	CHECK_ERR(futex(w, 64, 0, NULL, NULL, 0), ENOSYS);
	CHECK_ERR(futex(w, ~0U, 0, NULL, NULL, 0), ENOSYS);
	say("errors as they should be\n");
}

/* The same memory with and without FUTEX_PRIVATE_FLAG: two keys. */
static void flag_makes_the_key(void *arg)
{
	word_t *w = arg;
	struct timespec ten = {10, 0};

	CHECK_EQ(futex(w, F_WAIT | F_PRIVATE, 0, &ten, NULL, 0), 0);
}

static void private_flag(void)
{
	word_t *w = shared_pages(1);
	pid_t pid;

	/* vfork-like sharing is not needed: a private waiter of another process is never found. */
	pid = spawn(flag_makes_the_key, w);
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(futex(w, F_WAKE, 1, NULL, NULL, 0), 0);
		CHECK_EQ(futex(w, F_WAKE | F_PRIVATE, 1, NULL, NULL, 0), 0);
		sleep_ms(2);
	}
	CHECK_EQ(kill(pid, SIGKILL), 0);
	say("a private wait: %s\n", status_text(reap(pid)));
}

int main(void)
{
	ping_pong();
	counts();
	file_at_two_addresses();
	private_memory();
	private_flag();
	errors();
	return 0;
}
