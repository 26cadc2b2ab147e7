// vmbox-options: --rewrite=on
// variants: static static-pie musl dynamic
// cflags: -pthread
// timeout: 60
// The C library's own sites, hot: reads, writes, futexes by way of mutexes and conditions, forks,
// vforks and execs of a program whose sites are hot, in each way to link it.
#include "rewrite.h"
#include <pthread.h>
#include <sched.h>

#define ROUNDS 200

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn, count;

static void *take_turns(void *arg)
{
	int me = (int)(uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(pthread_mutex_lock(&mutex), 0);
		while (turn != me)
			CHECK_EQ(pthread_cond_wait(&cond, &mutex), 0);
		turn = !me;
		count++;
		CHECK_EQ(pthread_cond_broadcast(&cond), 0);
		CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t t[2];

	count = turn = 0;
	for (long i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, take_turns, (void *)i), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	CHECK_EQ(count, 2 * ROUNDS);
}

static void pipes(void)
{
	int there[2], back[2];
	pid_t child;
	char c;

	make_pipe(there);
	make_pipe(back);
	child = fork_ok();
	if (child == 0) {
		close(there[1]);
		while (read(there[0], &c, 1) == 1)
			CHECK_EQ(write(back[1], &c, 1), 1);
		_exit(0);
	}
	for (int i = 0; i < ROUNDS; i++) {
		c = (char)i;
		CHECK_EQ(write(there[1], &c, 1), 1);
		CHECK_EQ(read(back[0], &c, 1), 1);
		CHECK_EQ(c, (char)i);
	}
	close(there[1]);
	reap_ok(child);
	close(there[0]);
	close(back[0]);
	close(back[1]);
}

static void calls(void)
{
	int fd = open("/dev/zero", O_RDONLY);
	char buf[16];

	CHECK(fd >= 0);
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(syscall(SYS_getppid), getppid());
		CHECK_EQ(read(fd, buf, sizeof(buf)), (ssize_t)sizeof(buf));
		CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
		CHECK_EQ(sched_yield(), 0);
		CHECK_ERR(read(-1, buf, 1), EBADF);
		CHECK_ERR(close(-1), EBADF);
	}
	close(fd);
}

static void child(char *self, int i)
{
	for (int n = 0; n < 20; n++)
		if (getppid() <= 0)
			_exit(1);
	if (i % 3 == 0) {
		execl(self, self, "again", NULL);
		_exit(2);
	}
	_exit(0);
}

static __attribute__((noinline)) pid_t vforked(char *self, int i)
{
	pid_t pid = vfork();

	if (pid == 0)
		child(self, i);
	return pid;
}

static void children(char *self)
{
	for (int i = 0; i < 30; i++) {
		pid_t pid = i % 2 ? vforked(self, i) : fork_ok();

		if (pid == 0)
			child(self, i);
		reap_ok(pid);
	}
}

int main(int argc, char **argv)
{
	calls();
	if (argc > 1)
		return 0;
	pipes();
	threads();
	children(argv[0]);
	calls();
	say("the same results\n");
	return 0;
}
