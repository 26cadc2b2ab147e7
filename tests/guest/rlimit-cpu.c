// timeout: 60
//
// RLIMIT_CPU: SIGXCPU at the soft limit, which then grows by a second each time, SIGKILL at the
// hard one; a child inherits the limit and starts from nothing.
#include "check.h"
#include <sys/resource.h>

static volatile sig_atomic_t times, code;

static void handler(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	times++;
	code = si->si_code;
}

static void spin(void)
{
	static volatile unsigned long n;

	for (;;)
		n++;
}

static struct rlimit limit(void)
{
	struct rlimit l;

	CHECK_EQ(getrlimit(RLIMIT_CPU, &l), 0);
	return l;
}

/* A limit of nothing is reached at once. */
static void hard(void *arg)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	CHECK_EQ(sigaction(SIGXCPU, &sa, NULL), 0);
	CHECK_EQ(setrlimit(RLIMIT_CPU, &(struct rlimit){0, 1}), 0);
	while (!times)
		;
	CHECK_EQ(code, SI_KERNEL);
	CHECK_EQ(limit().rlim_cur, 1);
	CHECK_EQ(limit().rlim_max, 1);
	send_byte(*(int *)arg);
	spin();
}

static void soft(void *arg)
{
	(void)arg;
	spin();
}

static void parent(void *arg)
{
	(void)arg;
	CHECK_EQ(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}), 0);
	CHECK_EQ(setrlimit(RLIMIT_CPU, &(struct rlimit){1, RLIM_INFINITY}), 0);
	say("a child's soft limit: %s\n", status_text(run_child(soft, NULL)));
	CHECK_EQ(limit().rlim_cur, 1);
	/* Those that are reached no more. */
	CHECK_EQ(setrlimit(RLIMIT_CPU, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}), 0);
}

/* Set from outside, while it computes. */
static void outside(void)
{
	struct rlimit l = {0, 0};
	pid_t pid = spawn(soft, NULL);

	CHECK_EQ(syscall(SYS_prlimit64, pid, RLIMIT_CPU, &l, NULL), 0);
	say("from outside: %s\n", status_text(reap(pid)));
}

int main(void)
{
	int fd[2];
	pid_t pid;

	if (limit().rlim_max != RLIM_INFINITY)
		return 0;
	make_pipe(fd);
	pid = spawn(hard, &fd[1]);
	wait_byte(fd[0]);
	say("hard limit: %s\n", status_text(reap(pid)));
	CHECK_EQ(run_child(parent, NULL), 0);
	outside();
	return 0;
}
