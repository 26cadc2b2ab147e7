// Ids, capabilities, prctl, scheduling and limits: the errors of their man pages, as root and as
// one who owns nothing, on itself and on another user's process.
// kernel: 6.6 (PR_SET_MDWE)
#include "err.h"
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define NOBODY 99999999

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static pid_t parent;

static void ids(void)
{
	gid_t g[2];

	TRY(S(setuid, -1));
	TRY(S(setgid, -1));
	TRY(S(setreuid, -1, -1));
	TRY(S(setregid, -1, -1));
	TRY(S(setresuid, -1, -1, -1));
	TRY(S(setresgid, -1, -1, -1));
	TRY(S(getresuid, g, g, BAD_POINTER));
	TRY(S(getresgid, BAD_POINTER, g, g));
	TRY(S(getresgid, g, g, BAD_POINTER));
	TRY(S(setfsuid, -1) == (long)geteuid());
	TRY(S(setfsgid, -1) == (long)getegid());
	TRY(S(getgroups, -1, g));
	TRY(S(getgroups, 65537, BAD_POINTER) <= 0);
	TRY(S(setgroups, -1, g));
	TRY(S(setgroups, 65537, g));
}

static void capabilities(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0}, odd = {1, 0}, far = h;
	struct __user_cap_data_struct d[2] = {{0}}, more[2];

	TRY(S(capget, &h, d));
	TRY(S(capget, &h, BAD_POINTER));
	TRY(S(capget, BAD_POINTER, d));
	TRY(S(capget, &odd, d));
	TRY(odd.version == _LINUX_CAPABILITY_VERSION_3);
	odd.version = 1;
	TRY(S(capget, &odd, NULL));
	far.pid = NOBODY;
	TRY(S(capget, &far, d));
	far.pid = -1;
	TRY(S(capget, &far, d));
	CHECK_EQ(S(capget, &h, d), 0);
	TRY(S(capset, &h, d));
	TRY(S(capset, &h, BAD_POINTER));
	TRY(S(capset, BAD_POINTER, d));
	odd.version = 1;
	TRY(S(capset, &odd, d));
	far.pid = NOBODY;
	TRY(S(capset, &far, d));
	far.pid = -1;
	TRY(S(capset, &far, d));
	memcpy(more, d, sizeof(more));
	more[0].effective = ~0U;
	more[0].permitted &= ~1U;
	TRY(S(capset, &h, more));
}

static void processes_of_prctl(void)
{
	char text[32];

	TRY(S(prctl, PR_SET_PDEATHSIG, -1, 0, 0, 0));
	TRY(S(prctl, PR_SET_PDEATHSIG, 64, 0, 0, 0));
	TRY(S(prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0));
	TRY(S(prctl, PR_GET_NAME, BAD_POINTER, 0, 0, 0));
	TRY(S(prctl, PR_GET_NAME, text, 1, 1, 1));
	TRY(S(prctl, PR_SET_DUMPABLE, -1, 0, 0, 0));
	TRY(S(prctl, PR_SET_KEEPCAPS, 2, 0, 0, 0));
	TRY(S(prctl, PR_SET_TIMING, 1, 0, 0, 0));
	TRY(S(prctl, PR_SET_TIMING, 0, 0, 0, 0));
	TRY(S(prctl, PR_GET_TIMING, 0, 0, 0, 0));
	TRY(S(prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	TRY(S(prctl, PR_GET_CHILD_SUBREAPER, BAD_POINTER, 0, 0, 0));
	TRY(S(prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0));
	TRY(S(prctl, PR_SET_TIMERSLACK, -1, 0, 0, 0));
	TRY(S(prctl, PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0));
	TRY(S(prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 1));
	TRY(S(prctl, PR_SET_THP_DISABLE, 1, 0, 0, 1));
	TRY(S(prctl, PR_GET_THP_DISABLE, 0, 0, 0, 1));
	TRY(S(prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0));
	TRY(S(prctl, PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0));
	TRY(S(prctl, PR_MCE_KILL, PR_MCE_KILL_CLEAR, 1, 0, 0));
	TRY(S(prctl, PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0));
	TRY(S(prctl, PR_MCE_KILL_GET, 0, 0, 0, 0));
	TRY(S(prctl, PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_DEFAULT, 0, 0));
	TRY(S(prctl, PR_MCE_KILL_GET, 0, 0, 0, 0));
	TRY(S(prctl, PR_MCE_KILL, PR_MCE_KILL_SET, 9, 0, 0));
	TRY(S(prctl, PR_MCE_KILL, 9, 0, 0, 0));
	TRY(S(prctl, PR_MCE_KILL_GET, 1, 0, 0, 0));
	TRY(S(prctl, PR_SET_MM, PR_SET_MM_BRK, 1, 0, 1));
	TRY(S(prctl, PR_SET_MM, 99, 0x100000, 0, 0) < 0);
	TRY(S(prctl, PR_GET_TID_ADDRESS, BAD_POINTER, 0, 0, 0));
	TRY(S(prctl, PR_GET_TID_ADDRESS, text, 0, 0, 0));
	TRY(S(prctl, PR_TASK_PERF_EVENTS_DISABLE, 0, 0, 0, 0));
	TRY(S(prctl, PR_TASK_PERF_EVENTS_ENABLE, 0, 0, 0, 0));
	TRY(S(prctl, PR_SET_FP_MODE, 0, 0, 0, 0));
	TRY(S(prctl, PR_SET_ENDIAN, 0, 0, 0, 0));
	TRY(S(prctl, PR_GET_UNALIGN, text, 0, 0, 0));
	TRY(S(prctl, PR_SET_FPEMU, 0, 0, 0, 0));
	TRY(S(prctl, PR_GET_FPEXC, text, 0, 0, 0));
	TRY(S(prctl, PR_GET_SPECULATION_CTRL, 99, 0, 0, 0));
	TRY(S(prctl, PR_SET_SPECULATION_CTRL, 99, 0, 0, 0));
	TRY(S(prctl, PR_GET_SPECULATION_CTRL, 0, 1, 0, 0));
	TRY(S(prctl, PR_SET_IO_FLUSHER, 2, 0, 0, 0) < 0);
	TRY(S(prctl, PR_SET_SYSCALL_USER_DISPATCH, 9, 0, 0, 0));
	TRY(S(prctl, PR_SET_SYSCALL_USER_DISPATCH, 0, 1, 0, 0));
	TRY(S(prctl, PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0));
	TRY(S(prctl, 0, 0, 0, 0, 0));
	TRY(S(prctl, -1, 0, 0, 0, 0));
}

static void more_of_prctl(void *arg)
{
	char aux[1024], *page;

	(void)arg;
	TRY(S(prctl, PR_GET_AUXV, aux, sizeof(aux), 0, 0));
	TRY(S(prctl, PR_GET_AUXV, BAD_POINTER, 16, 0, 0));
	TRY(S(prctl, PR_GET_AUXV, aux, 0, 0, 0));
	TRY(S(prctl, PR_GET_AUXV, aux, 16, 1, 0));
	TRY(S(prctl, PR_GET_MDWE, 0, 0, 0, 0));
	TRY(S(prctl, PR_GET_MDWE, 1, 0, 0, 0));
	TRY(S(prctl, PR_SET_MDWE, 8, 0, 0, 0));
	TRY(S(prctl, PR_SET_MDWE, 2, 0, 0, 0));
	TRY(S(prctl, PR_SET_MDWE, 1, 1, 0, 0));
	TRY(S(prctl, PR_SET_MDWE, 0, 0, 0, 0));
	TRY(S(prctl, PR_SET_MDWE, 1, 0, 0, 0));
	TRY(S(prctl, PR_GET_MDWE, 0, 0, 0, 0) == 1);
	TRY(S(prctl, PR_SET_MDWE, 0, 0, 0, 0));
	TRY(S(mmap, NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, 0x22, -1, 0));
	page = (char *)S(mmap, NULL, 4096, PROT_READ | PROT_EXEC, 0x22, -1, 0);
	TRY(S(mprotect, page, 4096, PROT_EXEC));
	TRY(S(mprotect, page, 4096, PROT_EXEC | PROT_WRITE));
	TRY(S(mprotect, page, 4096, PROT_READ | PROT_WRITE));
	TRY(S(mprotect, page, 4096, PROT_READ | PROT_EXEC));
	TRY(S(pkey_mprotect, page, 4096, PROT_READ | PROT_EXEC, -1));
}

static void capabilities_of_prctl(void *arg)
{
	(void)arg;
	TRY(S(prctl, PR_CAPBSET_READ, 99, 0, 0, 0));
	TRY(S(prctl, PR_CAPBSET_READ, -1, 0, 0, 0));
	TRY(S(prctl, PR_CAPBSET_DROP, 99, 0, 0, 0) < 0);
	TRY(S(prctl, PR_CAP_AMBIENT, 99, 0, 0, 0));
	TRY(S(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 99, 0, 0));
	TRY(S(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, 0, 0, 0));
	TRY(S(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0));
	TRY(S(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 1, 0));
	TRY(S(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0));
	TRY(S(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	TRY(S(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0)); /* not inheritable */
	TRY(S(prctl, PR_GET_SECUREBITS, 0, 0, 0, 0));
	TRY(S(prctl, PR_SET_SECUREBITS, 1 << 20, 0, 0, 0));
}

static void scheduling(void)
{
	struct attr a = {.size = 48}, got;
	unsigned long mask[16] = {0};

	TRY(S(sched_setattr, 0, &a, 0));
	TRY(S(sched_setattr, 0, &a, 1));
	TRY(S(sched_setattr, -1, &a, 0));
	TRY(S(sched_setattr, NOBODY, &a, 0));
	TRY(S(sched_setattr, 0, NULL, 0));
	TRY(S(sched_setattr, 0, BAD_POINTER, 0));
	a.size = 40;
	TRY(S(sched_setattr, 0, &a, 0));
	TRY(a.size == 56 || a.size == 48);
	a = (struct attr){.size = 48, .policy = 99};
	TRY(S(sched_setattr, 0, &a, 0));
	a = (struct attr){.size = 48, .flags = 1ULL << 40};
	TRY(S(sched_setattr, 0, &a, 0));
	a = (struct attr){.size = 48, .priority = 1};
	TRY(S(sched_setattr, 0, &a, 0));
	a = (struct attr){.size = 48, .policy = SCHED_FIFO, .priority = 100};
	TRY(S(sched_setattr, 0, &a, 0));
	a = (struct attr){.size = 48, .policy = 6, .runtime = 100, .deadline = 1};
	TRY(S(sched_setattr, 0, &a, 0));
	TRY(S(sched_getattr, 0, &got, 48, 0));
	TRY(S(sched_getattr, 0, &got, 47, 0));
	TRY(S(sched_getattr, 0, &got, 5000, 0));
	TRY(S(sched_getattr, 0, &got, 48, 1));
	TRY(S(sched_getattr, 0, NULL, 48, 0));
	TRY(S(sched_getattr, 0, BAD_POINTER, 48, 0));
	TRY(S(sched_getattr, -1, &got, 48, 0));
	TRY(S(sched_getattr, NOBODY, &got, 48, 0));
	TRY(S(sched_setaffinity, -1, 8, mask));
	TRY(S(sched_setaffinity, 0, 0, mask));
	mask[15] = 1UL << 63;
	TRY(S(sched_setaffinity, 0, sizeof(mask), mask));
	TRY(S(sched_getaffinity, -1, sizeof(mask), mask));
	TRY(S(sched_getaffinity, 0, sizeof(mask), mask));
	TRY(S(sched_getaffinity, 0, 9, mask));
	TRY(S(sched_getparam, NOBODY, mask));
	TRY(S(sched_rr_get_interval, 0, mask));
	TRY(S(ioprio_set, 9, 0, 0));
	TRY(S(ioprio_set, 1, NOBODY, 0));
	TRY(S(ioprio_set, 2, NOBODY, 0));
	TRY(S(ioprio_set, 1, 0, 8 << 13));
	TRY(S(ioprio_set, 1, 0, 0 << 13 | 1));
	TRY(S(ioprio_set, 1, 0, 2 << 13 | 4));
	TRY(S(ioprio_get, 2, NOBODY));
	TRY(S(ioprio_get, -1, 0));
	TRY(S(getpriority, -1, 0));
	TRY(S(getpriority, PRIO_PROCESS, -1));
	TRY(S(getpriority, PRIO_USER, NOBODY));
	TRY(S(setpriority, -1, 0, 0));
	TRY(S(setpriority, PRIO_PGRP, NOBODY, 0));
	TRY(S(setpriority, PRIO_USER, NOBODY, 0));
	TRY(S(setpriority, PRIO_PROCESS, 0, 1));
}

static void odds(void)
{
	char name[80] = "x";
	void *head;
	size_t len;

	TRY(S(get_robust_list, 0, BAD_POINTER, &len));
	TRY(S(get_robust_list, 0, &head, BAD_POINTER));
	TRY(S(get_robust_list, -1, &head, &len));
	TRY(S(membarrier, 99, 0, 0));
	TRY(S(membarrier, 0, 99, 0));
	TRY(S(membarrier, 8, 1, 0));
	TRY(S(getcpu, NULL, BAD_POINTER, NULL));
	TRY(S(pidfd_open, 0, 0));
	TRY(S(pidfd_open, -1, 0));
	TRY(S(pidfd_open, getpid(), 1));
	TRY(S(setpgid, 0, NOBODY));
	TRY(S(getrandom, name, 4, 6));
	TRY(S(getrandom, name, 0, 0));
	TRY(S(personality, 0xffffffff));
	TRY(S(set_tid_address, BAD_POINTER));
	TRY(S(pidfd_send_signal, 0, 0, NULL, 0));
	if (geteuid() == 0)
		return;
	TRY(S(sethostname, name, -1));
	TRY(S(setdomainname, name, -1));
}

static void others(void)
{
	struct sched_param zero = {0}, one = {1};
	struct attr a = {.size = 48}, fifo = {.size = 48, .policy = SCHED_FIFO, .priority = 1};
	struct attr dl = {.size = 48, .policy = 6, .runtime = 1 << 20, .deadline = 1 << 21};
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[4] = {{1, 1, 0}};
	struct __user_cap_header_struct far = {_LINUX_CAPABILITY_VERSION_3, parent};
	struct rlimit lim, up = {RLIM_INFINITY, RLIM_INFINITY};
	void *head;
	size_t len;
	char aux[1024];

	ids();
	TRY(S(setreuid, 0, -1));
	TRY(S(setregid, -1, 0));
	TRY(S(setregid, 0, -1));
	TRY(S(setresuid, -1, 0, -1));
	TRY(S(setresgid, -1, -1, 0));
	TRY(S(setuid, ERR_UID));
	TRY(S(setfsuid, 0) == ERR_UID);
	TRY(S(setfsuid, -1) == ERR_UID);
	TRY(S(capget, &far, d + 2));
	TRY(S(capset, &far, d));
	TRY(S(capset, &h, d));
	d[0] = (struct __user_cap_data_struct){0, 0, 1};
	TRY(S(capset, &h, d));
	TRY(S(prctl, PR_CAPBSET_DROP, 0, 0, 0, 0));
	TRY(S(prctl, PR_CAPBSET_DROP, 99, 0, 0, 0));
	TRY(S(prctl, PR_SET_SECUREBITS, 0, 0, 0, 0));
	TRY(S(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 1, 0, 0));
	TRY(S(prctl, PR_SET_MM, PR_SET_MM_BRK, 0x100000, 0, 0));
	TRY(S(prctl, PR_SET_IO_FLUSHER, 1, 0, 0, 0));
	TRY(S(prctl, PR_GET_IO_FLUSHER, 0, 0, 0, 0));
	TRY(S(prctl, PR_GET_AUXV, aux, sizeof(aux), 0, 0));
	TRY(S(sched_setattr, 0, &fifo, 0));
	TRY(S(sched_setattr, 0, &dl, 0));
	TRY(S(sched_setattr, parent, &a, 0));
	TRY(S(sched_setscheduler, parent, SCHED_OTHER, &zero));
	TRY(S(sched_setscheduler, parent, SCHED_IDLE, &zero));
	TRY(S(sched_setscheduler, 0, SCHED_RR, &one));
	TRY(S(sched_getscheduler, parent));
	TRY(S(sched_setparam, parent, &zero));
	TRY(S(sched_getaffinity, parent, 8, &(unsigned long){0}));
	TRY(S(sched_setaffinity, parent, 8, &(unsigned long){1}));
	TRY(S(sched_setscheduler, 0, SCHED_BATCH | 0x40000000, &zero));
	TRY(S(sched_getscheduler, 0) == (SCHED_BATCH | 0x40000000));
	TRY(S(sched_setscheduler, 0, SCHED_BATCH, &zero));
	TRY(S(sched_setattr, 0, &a, 0));
	a.flags = 1;
	TRY(S(sched_setattr, 0, &a, 0));
	TRY(S(sched_getscheduler, 0) == 0x40000000);
	TRY(S(sched_setscheduler, 0, SCHED_IDLE | 0x40000000, &zero));
	TRY(S(sched_setscheduler, 0, SCHED_OTHER | 0x40000000, &zero));
	TRY(S(sched_setattr, 0, &a, 0));
	TRY(S(setpriority, PRIO_PROCESS, 0, -1));
	TRY(S(setpriority, PRIO_PROCESS, 0, 5));
	TRY(S(setpriority, PRIO_PROCESS, 0, 4));
	TRY(S(setpriority, PRIO_PROCESS, parent, 5));
	TRY(S(getpriority, PRIO_PROCESS, parent));
	TRY(S(ioprio_set, 1, 0, 1 << 13));
	TRY(S(ioprio_set, 1, 0, 3 << 13));
	TRY(S(ioprio_set, 1, parent, 2 << 13));
	TRY(S(ioprio_get, 1, parent));
	TRY(S(prlimit64, parent, RLIMIT_CORE, NULL, &lim));
	CHECK_EQ(setrlimit(RLIMIT_CORE, &((struct rlimit){0, 0})), 0);
	TRY(S(setrlimit, RLIMIT_CORE, &up));
	TRY(S(prlimit64, 0, RLIMIT_CORE, &up, NULL));
	TRY(S(get_robust_list, parent, &head, &len));
	TRY(S(kill, parent, 0));
	TRY(S(kill, parent, SIGCONT));
	TRY(S(tkill, parent, SIGUSR1));
	TRY(S(tgkill, parent, parent, SIGUSR1));
	TRY(S(rt_sigqueueinfo, parent, SIGUSR1, &((siginfo_t){.si_code = SI_QUEUE})));
	TRY(S(rt_sigqueueinfo, parent, SIGUSR1, &((siginfo_t){.si_code = SI_USER})));
	TRY(S(rt_tgsigqueueinfo, parent, parent, SIGUSR1, &((siginfo_t){.si_code = SI_QUEUE})));
	TRY(S(getsid, parent));
	TRY(S(getpgid, parent));
	TRY(S(setpgid, parent, 0));
	odds();
}

int main(void)
{
	parent = getpid();
	ids();
	capabilities();
	processes_of_prctl();
	CHECK_EQ(run_child(more_of_prctl, NULL), 0);
	CHECK_EQ(run_child(capabilities_of_prctl, NULL), 0);
	scheduling();
	odds();
	as_other(others);
	return 0;
}
