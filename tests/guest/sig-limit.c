// RLIMIT_SIGPENDING: sigqueue() fails with EAGAIN when the queue is full, a plain signal is always
// noted, real-time ones come lowest number first and in order, each with its value.
#include "check.h"
#include <sys/resource.h>

int main(void)
{
	struct rlimit rl;
	struct timespec zero = {0, 0};
	union sigval v;
	siginfo_t info;
	sigset_t set;
	int queued = 0, r;

	sigfillset(&set);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	CHECK_EQ(getrlimit(RLIMIT_SIGPENDING, &rl), 0);
	/* Others of this user may have signals queued: only what does not depend on them is said.
	 */
	v.sival_int = 0;
	CHECK_EQ(sigqueue(getpid(), SIGRTMIN + 3, v), 0);
	rl.rlim_cur = 0;
	CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &rl), 0);
	CHECK_ERR(sigqueue(getpid(), SIGRTMIN, v), EAGAIN);
	CHECK_EQ(kill(getpid(), SIGRTMIN + 1), 0); /* without its siginfo */
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(sigqueue(getpid(), SIGUSR2, v), 0);
	rl.rlim_cur = rl.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &rl), 0);
	for (int i = 1; i <= 3; i++) {
		v.sival_int = i;
		CHECK_EQ(sigqueue(getpid(), SIGRTMIN + 3, v), 0);
		v.sival_int = 10 * i;
		CHECK_EQ(sigqueue(getpid(), SIGRTMIN + 2, v), 0);
		CHECK_EQ(sigqueue(getpid(), SIGUSR1, v), 0);
	}
	while ((r = sigtimedwait(&set, &info, &zero)) > 0) {
		if (r >= SIGRTMIN)
			say("RTMIN+%d", r - SIGRTMIN);
		else
			say("%s", strsignal(r));
		say(" code %d", info.si_code);
		if (info.si_code == SI_QUEUE)
			say(" value %d", info.si_value.sival_int);
		say("\n");
		queued++;
	}
	CHECK_EQ(errno, EAGAIN);
	say("%d\n", queued);
	/* Numbers and codes that are refused. */
	CHECK_ERR(sigqueue(getpid(), 65, v), EINVAL);
	CHECK_ERR(sigqueue(1 << 30, SIGUSR1, v), ESRCH);
	info.si_code = SI_USER;
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &info), EPERM);
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, 8), EFAULT);
	CHECK_ERR(syscall(SYS_rt_tgsigqueueinfo, getpid(), -1, SIGUSR1, &info), EINVAL);
	return 0;
}
