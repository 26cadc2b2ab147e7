// cflags: -pthread
// rt_sigqueueinfo and rt_tgsigqueueinfo: what arrives, in which order, and what may not be sent;
// sigtimedwait; SS_AUTODISARM.
#include "check.h"
#include <pthread.h>
#include <sched.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static volatile pid_t thread_tid, got_tid;
static volatile int got_value, stop;

static long queue(pid_t pid, int sig, int code, int value)
{
	siginfo_t si = {.si_signo = sig, .si_code = code};

	si.si_pid = 4711;
	si.si_uid = 99;
	si.si_value.sival_int = value;
	return syscall(SYS_rt_sigqueueinfo, pid, sig, &si);
}

static long queue_thread(pid_t tgid, pid_t tid, int sig, int code, int value)
{
	siginfo_t si = {.si_signo = sig, .si_code = code};

	si.si_value.sival_int = value;
	return syscall(SYS_rt_tgsigqueueinfo, tgid, tid, sig, &si);
}

/* Queued signals of one number keep their order; of several the lowest number comes first. */
static void order(void)
{
	struct timespec none = {0, 0}, bad = {0, -1};
	sigset_t set;
	siginfo_t si;

	sigemptyset(&set);
	for (int i = 0; i < 3; i++)
		sigaddset(&set, SIGRTMIN + i);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	CHECK_EQ(queue(getpid(), SIGRTMIN + 2, SI_QUEUE, 1), 0);
	CHECK_EQ(queue(getpid(), SIGRTMIN, SI_QUEUE, 2), 0);
	CHECK_EQ(queue(getpid(), SIGRTMIN + 2, SI_MESGQ, 3), 0);
	CHECK_EQ(queue(getpid(), SIGRTMIN, -60, 4), 0);
	CHECK_EQ(queue_thread(getpid(), getpid(), SIGRTMIN + 1, SI_QUEUE, 5), 0);
	/* To oneself any code may be sent. */
	CHECK_EQ(queue(getpid(), SIGRTMIN + 1, SI_USER, 6), 0);
	CHECK_EQ(queue(getpid(), SIGRTMIN + 1, SI_KERNEL, 7), 0);
	for (int i = 0; i < 7; i++) {
		int sig = i % 2 ? sigwaitinfo(&set, &si) : sigtimedwait(&set, &si, &none);

		CHECK(sig > 0);
		say("RTMIN+%d code %d value %d from %d %d\n", sig - SIGRTMIN, si.si_code,
		    si.si_value.sival_int, si.si_code == SI_QUEUE ? 0 : si.si_pid, (int)si.si_uid);
	}
	CHECK_ERR(sigtimedwait(&set, &si, &none), EAGAIN);
	CHECK_ERR(sigtimedwait(&set, &si, &bad), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigtimedwait, &set, &si, &none, 4), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigtimedwait, (void *)8, &si, &none, 8), EFAULT);
}

static void note(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	got_value = si->si_value.sival_int;
	got_tid = (pid_t)syscall(SYS_gettid);
}

static void *idle(void *arg)
{
	thread_tid = (pid_t)syscall(SYS_gettid);
	while (!stop)
		sched_yield();
	return arg;
}

static void to_a_thread(void)
{
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	pthread_t t;

	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	CHECK_EQ(pthread_create(&t, NULL, idle, NULL), 0);
	while (!thread_tid)
		sched_yield();
	CHECK_EQ(queue_thread(getpid(), thread_tid, SIGUSR1, SI_QUEUE, 77), 0);
	while (!got_tid)
		sched_yield();
	CHECK_EQ(got_tid, thread_tid);
	CHECK_EQ(got_value, 77);
	CHECK_ERR(queue_thread(getpid() + 1, thread_tid, SIGUSR1, SI_QUEUE, 1), ESRCH);
	stop = 1;
	CHECK_EQ(pthread_join(t, NULL), 0);
	say("to a thread ok\n");
}

static void wait_for_ever(void *arg)
{
	(void)arg;
	for (;;)
		pause();
}

static void errors(void)
{
	pid_t pid = spawn(wait_for_ever, NULL);

	CHECK_ERR(queue(pid, SIGUSR1, SI_USER, 1), EPERM);
	CHECK_ERR(queue(pid, SIGUSR1, SI_KERNEL, 1), EPERM);
	CHECK_ERR(queue(pid, SIGUSR1, SI_TKILL, 1), EPERM);
	CHECK_ERR(queue(pid, 65, SI_QUEUE, 1), EINVAL);
	CHECK_ERR(queue(pid, -1, SI_QUEUE, 1), EINVAL);
	CHECK_EQ(queue(pid, 0, SI_QUEUE, 1), 0);
	CHECK_ERR(queue(0x3ffffff0, SIGUSR1, SI_QUEUE, 1), ESRCH);
	CHECK_ERR(queue_thread(pid, pid, SIGUSR1, SI_USER, 1), EPERM);
	CHECK_ERR(queue_thread(0, pid, SIGUSR1, SI_QUEUE, 1), EINVAL);
	CHECK_ERR(queue_thread(pid, 0, SIGUSR1, SI_QUEUE, 1), EINVAL);
	CHECK_ERR(queue_thread(pid, getpid(), SIGUSR1, SI_QUEUE, 1), ESRCH);
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, 8), EFAULT);
	CHECK_ERR(syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGUSR1, 8), EFAULT);
	CHECK_EQ(queue(pid, SIGTERM, SI_QUEUE, 1), 0);
	say("queued: %s\n", status_text(reap(pid)));
}

/* ---- SS_AUTODISARM ---- */

static char stack[2][65536] __attribute__((aligned(16)));
static volatile int depth, flags_inside;

static int on(const void *sp, int i)
{
	return (const char *)sp >= stack[i] && (const char *)sp < stack[i] + sizeof(stack[i]);
}

static void disarmed(int sig)
{
	stack_t now, other = {.ss_sp = stack[1], .ss_size = sizeof(stack[1])};

	if (depth++) {
		/* The second signal: on the stack that the first one's handler has set. */
		CHECK(on(&now, 1));
		return;
	}
	CHECK(on(&now, 0));
	CHECK_EQ(sigaltstack(NULL, &now), 0);
	flags_inside = now.ss_flags;
	CHECK_EQ(sigaltstack(&other, NULL), 0);
	CHECK_EQ(raise(sig), 0);
	CHECK_EQ(depth, 2);
}

static void autodisarm(void)
{
	struct sigaction sa = {.sa_handler = disarmed, .sa_flags = SA_ONSTACK | SA_NODEFER};
	stack_t ss = {.ss_sp = stack[0],
		      .ss_size = sizeof(stack[0]),
		      .ss_flags = (int)SS_AUTODISARM},
		now;

	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	CHECK_EQ(sigaction(SIGUSR2, &sa, NULL), 0);
	CHECK_EQ(raise(SIGUSR2), 0);
	CHECK_EQ(flags_inside, SS_DISABLE);
	CHECK_EQ(sigaltstack(NULL, &now), 0);
	CHECK(now.ss_sp == stack[0]);
	CHECK_EQ((unsigned)now.ss_flags, SS_AUTODISARM);
	say("autodisarm ok\n");
}

int main(void)
{
	order();
	to_a_thread();
	errors();
	autodisarm();
	return 0;
}
