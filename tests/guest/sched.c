// Scheduling calls: affinity, priority, policies as an ordinary process sees them.
#include "check.h"
#include <sched.h>
#include <sys/resource.h>

int main(void)
{
	struct sched_param param = {.sched_priority = 0};
	struct timespec ts;
	unsigned cpu = 99999, node = 99999;
	cpu_set_t set;
	pid_t pid;

	CPU_ZERO(&set);
	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	CHECK(CPU_COUNT(&set) >= 1);
	CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
	CHECK(syscall(SYS_getcpu, &cpu, &node, NULL) == 0);
	CHECK(CPU_ISSET(cpu, &set));
	CPU_ZERO(&set);
	CHECK_ERR(sched_setaffinity(0, sizeof(set), &set), EINVAL);
	CHECK_ERR(sched_getaffinity(1 << 29, sizeof(set), &set), ESRCH);
	CHECK_ERR(syscall(SYS_sched_getaffinity, 0, 1, &set), EINVAL);
	CHECK_EQ(sched_yield(), 0);

	say("policy %d\n", sched_getscheduler(0));
	CHECK_EQ(sched_getparam(0, &param), 0);
	CHECK_EQ(param.sched_priority, 0);
	CHECK_EQ(sched_setscheduler(0, SCHED_OTHER, &param), 0);
	say("fifo %d..%d other %d..%d\n", sched_get_priority_min(SCHED_FIFO),
	    sched_get_priority_max(SCHED_FIFO), sched_get_priority_min(SCHED_OTHER),
	    sched_get_priority_max(SCHED_OTHER));
	CHECK_ERR(sched_get_priority_max(77), EINVAL);
	CHECK_ERR(sched_setscheduler(0, 77, &param), EINVAL);
	CHECK_ERR(sched_getscheduler(-1), EINVAL);
	CHECK_ERR(sched_getscheduler(1 << 29), ESRCH);
	CHECK_EQ(sched_rr_get_interval(0, &ts), 0);

	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 0);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 5), 0);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 5);
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(getpriority(PRIO_PROCESS, 0), 5);
		CHECK_EQ(setpriority(PRIO_PROCESS, 0, 100), 0);
		CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
		_exit(0);
	}
	reap_ok(pid);
	CHECK_ERR(getpriority(99, 0), EINVAL);
	CHECK_ERR(getpriority(PRIO_PROCESS, 1 << 29), ESRCH);
	say("ok\n");
	return 0;
}
