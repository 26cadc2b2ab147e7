// kill, tgkill, sigqueue, wait4, waitid, setpgid, setsid, sched_*, priorities, prlimit, getrusage,
// ids and prctl: the errors of their man pages.
#include "err.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <sys/utsname.h>

#define NOBODY 99999999

static void signals(void)
{
	struct sigaction sa = {.sa_handler = SIG_IGN};
	siginfo_t si = {.si_code = SI_QUEUE};
	sigset_t set;

	sigfillset(&set);
	TRY(S(kill, NOBODY, 0));
	TRY(S(kill, NOBODY, 65));
	TRY(S(kill, getpid(), 65));
	TRY(S(kill, getpid(), -1));
	TRY(S(kill, -NOBODY, 0));
	TRY(S(kill, INT32_MIN, 0));
	TRY(S(kill, getpid(), 0));
	TRY(S(tkill, NOBODY, 0));
	TRY(S(tkill, 0, 0));
	TRY(S(tkill, -1, 0));
	TRY(S(tkill, getpid(), 65));
	TRY(S(tgkill, 0, getpid(), 0));
	TRY(S(tgkill, getpid(), 0, 0));
	TRY(S(tgkill, -1, getpid(), 0));
	TRY(S(tgkill, getpid(), NOBODY, 0));
	TRY(S(tgkill, NOBODY, getpid(), 0));
	TRY(S(tgkill, getpid(), getpid(), 65));
	TRY(S(tgkill, getpid(), getpid(), 0));
	TRY(S(rt_sigqueueinfo, NOBODY, 1, &si));
	TRY(S(rt_sigqueueinfo, getpid(), 65, &si));
	TRY(S(rt_sigqueueinfo, getpid(), 0, BAD_POINTER));
	TRY(S(rt_sigqueueinfo, getpid(), 0, &si));
	TRY(S(rt_tgsigqueueinfo, getpid(), 0, 0, &si));
	TRY(S(rt_sigaction, 0, NULL, NULL, 8));
	TRY(S(rt_sigaction, 65, NULL, NULL, 8));
	TRY(S(rt_sigaction, SIGKILL, &sa, NULL, 8));
	TRY(S(rt_sigaction, SIGKILL, NULL, NULL, 8));
	TRY(S(rt_sigaction, SIGUSR1, NULL, NULL, 4));
	TRY(S(rt_sigaction, SIGUSR1, BAD_POINTER, NULL, 8));
	TRY(S(rt_sigaction, SIGUSR1, NULL, BAD_POINTER, 8));
	TRY(S(rt_sigprocmask, 9, &set, NULL, 8));
	TRY(S(rt_sigprocmask, 9, NULL, NULL, 8));
	TRY(S(rt_sigprocmask, SIG_BLOCK, &set, NULL, 4));
	TRY(S(rt_sigprocmask, SIG_BLOCK, BAD_POINTER, NULL, 8));
	TRY(S(rt_sigprocmask, SIG_BLOCK, NULL, BAD_POINTER, 8));
	TRY(S(rt_sigpending, BAD_POINTER, 8));
	TRY(S(rt_sigpending, &set, 16));
	TRY(S(rt_sigsuspend, BAD_POINTER, 8));
	TRY(S(rt_sigsuspend, &set, 4));
	TRY(S(rt_sigtimedwait, BAD_POINTER, NULL, NULL, 8));
	TRY(S(rt_sigtimedwait, &set, NULL, &((struct timespec){0, -1}), 8));
	TRY(S(rt_sigtimedwait, &set, NULL, &((struct timespec){-1, 0}), 8));
	TRY(S(rt_sigtimedwait, &set, NULL, BAD_POINTER, 8));
	TRY(S(rt_sigtimedwait, &set, NULL, &((struct timespec){0, 0}), 8));
	TRY(S(rt_sigtimedwait, &set, NULL, &((struct timespec){0, 0}), 4));
	TRY(S(sigaltstack, BAD_POINTER, NULL));
	TRY(S(sigaltstack, NULL, BAD_POINTER));
	TRY(S(sigaltstack, &((stack_t){&set, 8, 8}), NULL));
	TRY(S(sigaltstack, &((stack_t){.ss_sp = &set, .ss_size = 100}), NULL));
}

static void waits(void)
{
	siginfo_t si;
	int status;
	pid_t pid;

	TRY(S(wait4, -1, NULL, 0, NULL));
	TRY(S(wait4, NOBODY, NULL, WNOHANG, NULL));
	TRY(S(wait4, getpid(), NULL, 0, NULL));
	TRY(S(wait4, -1, NULL, 0x100, NULL));
	TRY(S(wait4, INT32_MIN, NULL, 0, NULL));
	TRY(S(waitid, P_ALL, 0, &si, 0, NULL));
	TRY(S(waitid, P_ALL, 0, &si, 0x100 | WEXITED, NULL));
	TRY(S(waitid, 77, 0, &si, WEXITED, NULL));
	TRY(S(waitid, P_PID, 0, &si, WEXITED, NULL));
	TRY(S(waitid, P_PID, -1, &si, WEXITED, NULL));
	TRY(S(waitid, P_PGID, -1, &si, WEXITED, NULL));
	TRY(S(waitid, P_ALL, 0, &si, WEXITED, NULL));
	TRY(S(waitid, P_PIDFD, -1, &si, WEXITED, NULL));
	TRY(S(waitid, P_PIDFD, 999, &si, WEXITED, NULL));
	TRY(S(waitid, P_PIDFD, 1, &si, WEXITED, NULL));
	pid = fork_ok();
	if (pid == 0)
		_exit(3);
	CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	TRY(S(waitid, P_PID, pid, BAD_POINTER, WEXITED | WNOWAIT, NULL));
	TRY(S(waitid, P_PID, pid, &si, WEXITED | WNOWAIT, BAD_POINTER));
	TRY(S(wait4, pid, BAD_POINTER, 0, NULL));
	TRY(S(wait4, pid, &status, 0, NULL));
	pid = fork_ok();
	if (pid == 0)
		_exit(3);
	TRY(S(wait4, pid, &status, 0, BAD_POINTER));
	TRY(S(wait4, pid, &status, 0, NULL));
}

static void groups(void)
{
	int hold[2], ready[2];
	pid_t pid;

	TRY(S(setpgid, NOBODY, 0));
	TRY(S(setpgid, 0, -1));
	TRY(S(setpgid, 0, NOBODY));
	TRY(S(setpgid, -1, 0));
	TRY(S(getpgid, NOBODY));
	TRY(S(getpgid, -1));
	TRY(S(getsid, NOBODY));
	TRY(S(getsid, -1));
	make_pipe(hold);
	make_pipe(ready);
	pid = fork_ok();
	if (pid == 0) {
		CHECK(setsid() == getpid());
		TRY(S(setsid));
		TRY(S(setpgid, getppid(), 0));
		TRY(S(setpgid, 0, 0));
		send_byte(ready[1]);
		wait_byte(hold[0]);
		_exit(0);
	}
	wait_byte(ready[0]);
	TRY(S(setpgid, pid, 0));
	TRY(S(setpgid, pid, getpgrp()));
	TRY(S(setpgid, 0, pid));
	send_byte(hold[1]);
	reap_ok(pid);
}

static void scheduling(void)
{
	struct sched_param zero = {0}, one = {1}, neg = {-1};
	unsigned long mask = 0;
	struct timespec ts;

	TRY(S(sched_setscheduler, NOBODY, SCHED_OTHER, &zero));
	TRY(S(sched_setscheduler, -1, SCHED_OTHER, &zero));
	TRY(S(sched_setscheduler, 0, 77, &zero));
	TRY(S(sched_setscheduler, 0, -1, &zero));
	TRY(S(sched_setscheduler, 0, SCHED_OTHER, NULL));
	TRY(S(sched_setscheduler, 0, SCHED_OTHER, BAD_POINTER));
	TRY(S(sched_setscheduler, 0, SCHED_OTHER, &one));
	TRY(S(sched_setscheduler, 0, SCHED_FIFO, &zero));
	TRY(S(sched_setscheduler, 0, SCHED_FIFO, &neg));
	TRY(S(sched_getscheduler, -1));
	TRY(S(sched_getscheduler, NOBODY));
	TRY(S(sched_setparam, 0, &one));
	TRY(S(sched_setparam, 0, NULL));
	TRY(S(sched_setparam, NOBODY, &zero));
	TRY(S(sched_getparam, 0, NULL));
	TRY(S(sched_getparam, -1, &zero));
	TRY(S(sched_getparam, 0, BAD_POINTER));
	TRY(S(sched_get_priority_max, 77));
	TRY(S(sched_get_priority_min, -1));
	TRY(S(sched_get_priority_max, SCHED_FIFO));
	TRY(S(sched_rr_get_interval, -1, &ts));
	TRY(S(sched_rr_get_interval, NOBODY, &ts));
	TRY(S(sched_rr_get_interval, 0, BAD_POINTER));
	TRY(S(sched_setaffinity, 0, sizeof(mask), &mask));
	TRY(S(sched_setaffinity, NOBODY, sizeof(mask), &mask));
	TRY(S(sched_setaffinity, 0, sizeof(mask), BAD_POINTER));
	TRY(S(sched_getaffinity, 0, 7, &mask));
	TRY(S(sched_getaffinity, 0, 0, &mask));
	TRY(S(sched_getaffinity, NOBODY, sizeof(mask), &mask));
	TRY(S(sched_getaffinity, 0, sizeof(mask), BAD_POINTER));
	TRY(S(getpriority, 9, 0));
	TRY(S(getpriority, PRIO_PROCESS, NOBODY));
	TRY(S(getpriority, PRIO_PGRP, NOBODY));
	TRY(S(setpriority, 9, 0, 0));
	TRY(S(setpriority, PRIO_PROCESS, NOBODY, 0));
	TRY(S(ioprio_get, 9, 0));
	TRY(S(ioprio_get, 1, NOBODY));
	TRY(S(ioprio_set, 1, 0, 7 << 13));
}

static void limits(void)
{
	struct rlimit lim = {10, 5};
	struct rusage ru;

	TRY(S(prlimit64, 0, 99, NULL, &lim));
	TRY(S(prlimit64, 0, RLIMIT_CORE, &((struct rlimit){10, 5}), NULL));
	TRY(S(prlimit64, 0, RLIMIT_CORE, BAD_POINTER, NULL));
	TRY(S(prlimit64, 0, RLIMIT_CORE, NULL, BAD_POINTER));
	TRY(S(prlimit64, NOBODY, RLIMIT_CORE, NULL, &lim));
	TRY(S(prlimit64, -1, RLIMIT_CORE, NULL, &lim));
	TRY(S(getrlimit, 99, &lim));
	TRY(S(getrlimit, RLIMIT_CORE, BAD_POINTER));
	TRY(S(setrlimit, 99, &lim));
	TRY(S(setrlimit, RLIMIT_CORE, BAD_POINTER));
	TRY(S(setrlimit, RLIMIT_NOFILE, &((struct rlimit){1UL << 40, 1UL << 40})));
	TRY(S(getrusage, 99, &ru));
	TRY(S(getrusage, RUSAGE_SELF, BAD_POINTER));
	TRY(S(times, BAD_POINTER));
	TRY(S(uname, BAD_POINTER));
	TRY(S(sysinfo, BAD_POINTER));
	TRY(S(getgroups, -1, NULL));
	TRY(S(getresuid, BAD_POINTER, NULL, NULL));
	TRY(S(setgroups, 65537, NULL));
	TRY(S(setresuid, -1, -1, -1));
	TRY(S(setreuid, -1, -1));
	TRY(S(personality, 0xffffffff) >= 0);
	TRY(S(prctl, 9999, 0, 0, 0, 0));
	TRY(S(prctl, PR_SET_PDEATHSIG, 65, 0, 0, 0));
	TRY(S(prctl, PR_GET_PDEATHSIG, BAD_POINTER, 0, 0, 0));
	TRY(S(prctl, PR_SET_NAME, BAD_POINTER, 0, 0, 0));
	TRY(S(prctl, PR_SET_DUMPABLE, 2, 0, 0, 0));
	TRY(S(prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	TRY(S(prctl, PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
	TRY(S(prctl, PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
	TRY(S(prctl, PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0));
	TRY(S(set_robust_list, NULL, 8));
	TRY(S(get_robust_list, NOBODY, NULL, NULL));
	TRY(S(getrandom, BAD_POINTER, 8, 0));
	TRY(S(getrandom, NULL, 0, 8));
	TRY(S(getcpu, BAD_POINTER, NULL, NULL));
}

static void others(void)
{
	struct sched_param one = {1};

	TRY(S(kill, 1, 0));
	TRY(S(kill, getppid(), SIGUSR1));
	TRY(S(kill, getppid(), SIGCONT));
	TRY(S(tgkill, getppid(), getppid(), 0));
	TRY(S(setuid, 0));
	TRY(S(setgid, 0));
	TRY(S(setresuid, 0, -1, -1));
	TRY(S(setreuid, -1, 0));
	TRY(S(setresgid, 0, -1, -1));
	TRY(S(setgroups, 0, NULL));
	TRY(S(setpriority, PRIO_PROCESS, getppid(), 0));
	TRY(S(setpriority, PRIO_PROCESS, 0, -20));
	TRY(S(sched_setscheduler, 0, SCHED_FIFO, &one));
	TRY(S(sched_setaffinity, getppid(), 8, &(unsigned long){1}));
	TRY(S(prlimit64, getppid(), RLIMIT_CORE, NULL, &((struct rlimit){0, 0})));
	TRY(S(setrlimit, RLIMIT_NPROC, &((struct rlimit){RLIM_INFINITY, RLIM_INFINITY})) <= 0);
	TRY(S(sethostname, "x", 1));
	TRY(S(setdomainname, "x", 1));
}

int main(void)
{
	signals();
	waits();
	groups();
	scheduling();
	limits();
	as_other(others);
	return 0;
}
