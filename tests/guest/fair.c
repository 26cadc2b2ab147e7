// A scheduler must let everyone run: with more spinning processes than CPUs, each of them makes
// progress, a sleeping process wakes in time, and a pipe conversation goes on.
#include "check.h"
#include <stdatomic.h>

#define SPINNERS 6

int main(void)
{
	_Atomic long *turns =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid[SPINNERS], talker;
	int a[2], b[2], awake = 0;
	long long end;

	CHECK(turns != MAP_FAILED);
	for (int i = 0; i < SPINNERS; i++) {
		pid[i] = fork_ok();
		if (pid[i] == 0)
			for (;;)
				atomic_fetch_add_explicit(&turns[i * 8], 1, memory_order_relaxed);
	}
	make_pipe(a);
	make_pipe(b);
	talker = fork_ok();
	if (talker == 0) {
		char c;

		close(a[1]);
		while (read(a[0], &c, 1) == 1)
			send_byte(b[1]);
		_exit(0);
	}
	/* until all have turned, or a time that is no measure of speed */
	end = now_ns(CLOCK_MONOTONIC) + 50000000000LL;
	for (;;) {
		int running = 0;

		sleep_ms(10);
		awake++;
		send_byte(a[1]);
		wait_byte(b[0]);
		for (int i = 0; i < SPINNERS; i++)
			running += atomic_load(&turns[i * 8]) > 1000;
		if (running == SPINNERS && awake >= 5)
			break;
		CHECK(now_ns(CLOCK_MONOTONIC) < end);
	}
	/* and every one again, after all have had their turn */
	for (int i = 0; i < SPINNERS; i++) {
		long was = atomic_load(&turns[i * 8]);

		while (atomic_load(&turns[i * 8]) == was) {
			CHECK(now_ns(CLOCK_MONOTONIC) < end);
			sleep_ms(1);
		}
	}
	close(a[1]);
	reap_ok(talker);
	for (int i = 0; i < SPINNERS; i++) {
		CHECK_EQ(kill(pid[i], SIGKILL), 0);
		CHECK_EQ(reap(pid[i]), SIGKILL);
	}
	say("all made progress\n");
	return 0;
}
