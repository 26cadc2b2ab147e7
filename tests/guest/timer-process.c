// Timers belong to the process: a fork does not inherit them, an exec deletes them,
// RLIMIT_SIGPENDING limits them, SIGEV_THREAD_ID chooses the thread, and without a handler the
// signal kills. cflags: -pthread
#include "check.h"
#include <pthread.h>
#include <sys/resource.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static int tcreate(struct sigevent *ev)
{
	int id;

	return syscall(SYS_timer_create, CLOCK_MONOTONIC, ev, &id) < 0 ? -1 : id;
}

static void tset(int id, long long value, long long interval)
{
	struct itimerspec it = {{interval / 1000000000, interval % 1000000000},
				{value / 1000000000, value % 1000000000}};

	CHECK_EQ(syscall(SYS_timer_settime, id, 0, &it, NULL), 0);
}

static void exists(void *arg)
{
	struct itimerspec it;

	_exit(syscall(SYS_timer_gettime, *(int *)arg, &it) == 0 ? 1 : errno == EINVAL ? 0 : 2);
}

static void killed(void *arg)
{
	int id = tcreate(NULL);

	(void)arg;
	signal(SIGALRM, SIG_DFL);
	tset(id, 1000000, 0);
	for (;;)
		pause();
}

static void limited(void *arg)
{
	struct rlimit rl = {0, 0};

	(void)arg;
	CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &rl), 0);
	CHECK_EQ(tcreate(NULL), -1);
	say("limit: %s\n", errno == EAGAIN ? "EAGAIN" : strerror(errno));
}

static pthread_t thread;
static pid_t tid;
static volatile sig_atomic_t right, wrong;
static int ready[2];

static void handler(int sig)
{
	(void)sig;
	if (syscall(SYS_gettid) == tid)
		right++;
	else
		wrong++;
}

static void *body(void *arg)
{
	(void)arg;
	tid = (pid_t)syscall(SYS_gettid);
	send_byte(ready[1]);
	while (right < 5)
		usleep(500);
	return NULL;
}

static void threads(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	int id;

	signal(SIGUSR1, handler);
	make_pipe(ready);
	CHECK_EQ(pthread_create(&thread, NULL, body, NULL), 0);
	wait_byte(ready[0]);
	ev.sigev_notify_thread_id = tid;
	id = tcreate(&ev);
	CHECK(id >= 0);
	tset(id, 1000000, 1000000);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	/* Its thread is gone: the timer stays, and tells nobody. */
	sleep_ms(5);
	tset(id, 1000000, 1000000);
	sleep_ms(5);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(syscall(SYS_timer_delete, id), 0);
	say("thread ok\n");
}

int main(int argc, char **argv)
{
	int id;

	if (argc > 1) {
		id = atoi(argv[1]);
		exists(&id);
	}
	signal(SIGALRM, SIG_IGN);
	id = tcreate(NULL);
	CHECK(id >= 0);
	tset(id, 100LL * 1000000000, 0);
	say("after fork: %s\n", status_text(run_child(exists, &id)));
	say("killed: %s\n", status_text(run_child(killed, NULL)));
	reap_ok(spawn(limited, NULL));
	threads();
	{
		char number[16];

		/* Its pending signal goes with the timer. */
		sigset_t set;

		sigemptyset(&set);
		sigaddset(&set, SIGALRM);
		sigprocmask(SIG_BLOCK, &set, NULL);
		signal(SIGALRM, SIG_DFL);
		tset(id, 1000, 0);
		do
			sigpending(&set);
		while (!sigismember(&set, SIGALRM));
		snprintf(number, sizeof(number), "%d", id);
		sigemptyset(&set);
		execl(argv[0], argv[0], number, (char *)NULL);
	}
	argv[0] = NULL;
	return 1;
}
