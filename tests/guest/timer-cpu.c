// ITIMER_VIRTUAL and ITIMER_PROF run while the process computes, not while it sleeps; each sends
// its own signal, again and again; a fork does not inherit them.
#include "check.h"
#include <sys/time.h>

static volatile sig_atomic_t vt, prof;

static void handler(int sig)
{
	if (sig == SIGVTALRM)
		vt++;
	else
		prof++;
}

static void child(void *arg)
{
	struct itimerval it;

	(void)arg;
	CHECK_EQ(getitimer(ITIMER_PROF, &it), 0);
	_exit(it.it_value.tv_sec || it.it_value.tv_usec);
}

int main(void)
{
	struct itimerval it = {{0, 10000}, {0, 10000}}, old, off = {{0, 0}, {0, 0}};

	signal(SIGVTALRM, handler);
	signal(SIGPROF, handler);
	CHECK_EQ(setitimer(ITIMER_VIRTUAL, &it, NULL), 0);
	while (vt < 3)
		;
	CHECK_EQ(prof, 0);
	CHECK_EQ(setitimer(ITIMER_VIRTUAL, &off, &old), 0);
	CHECK_EQ(old.it_interval.tv_usec, 10000);
	CHECK(old.it_value.tv_usec > 0);
	say("virtual ok\n");
	CHECK_EQ(setitimer(ITIMER_PROF, &it, NULL), 0);
	say("after fork: %s\n", status_text(run_child(child, NULL)));
	while (prof < 3)
		;
	CHECK_EQ(setitimer(ITIMER_PROF, &off, NULL), 0);
	say("prof ok\n");
	/* Asleep no time passes. */
	it.it_value.tv_usec = 200000;
	CHECK_EQ(setitimer(ITIMER_PROF, &it, NULL), 0);
	sleep_ms(250);
	CHECK_EQ(getitimer(ITIMER_PROF, &old), 0);
	CHECK(old.it_value.tv_usec > 100000);
	CHECK_EQ(setitimer(ITIMER_PROF, &off, NULL), 0);
	say("asleep ok\n");
	return 0;
}
