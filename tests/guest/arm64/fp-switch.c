// Vector state belongs to each process: all 32 vector registers, FPCR and FPSR, set in each of
// several spinning and yielding processes, survive switches, forks and blocking calls.
#include "vregs.h"
#include <sched.h>

#define KIDS 6

static __attribute__((noinline)) void one_round(unsigned long seed, const int *ring)
{
	struct vregs set, got;
	char byte = 0;

	vregs_fill(&set, seed);
	vregs_load(&set);
	for (volatile int i = 0; i < 2000; i++)
		;
	raw_call(SYS_sched_yield, 0, 0, 0);
	if (ring) {
		raw_call(SYS_write, ring[1], (long)&byte, 1);
		raw_call(SYS_read, ring[0], (long)&byte, 1);
	}
	vregs_store(&got);
	vregs_check(&set, &got);
}

int main(void)
{
	struct vregs set, got;
	int ring[KIDS][2];
	pid_t pid[KIDS];
	long raw;

	/* a fork's child starts with the parent's state */
	vregs_fill(&set, 7);
	vregs_load(&set);
	raw = raw_call(SYS_clone, SIGCHLD, 0, 0);
	vregs_store(&got);
	CHECK(raw >= 0);
	vregs_check(&set, &got);
	if (raw == 0)
		_exit(0);
	vregs_clear();
	reap_ok((pid_t)raw);
	say("fork ok\n");

	/* a ring of processes that hand a byte on */
	for (int i = 0; i < KIDS; i++)
		make_pipe(ring[i]);
	for (int i = 0; i < KIDS; i++) {
		pid[i] = fork_ok();
		if (pid[i] == 0) {
			int mine[2] = {ring[i][0], ring[(i + 1) % KIDS][1]};

			for (unsigned long n = 0; n < 60; n++)
				one_round(n * 1000003 + (unsigned long)i, mine);
			for (unsigned long n = 0; n < 60; n++)
				one_round(n * 7777 + (unsigned long)i, NULL);
			_exit(0);
		}
	}
	for (int i = 0; i < KIDS; i++)
		reap_ok(pid[i]);
	say("switches ok\n");
	return 0;
}
