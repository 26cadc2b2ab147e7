// sigaltstack: a handler runs on it, a stack overflow survives thanks to it, its rules.
#include "check.h"
#include <setjmp.h>

#define SIZE 65536

static char stack[SIZE] __attribute__((aligned(16)));
static volatile int on_stack, inner_flags;
static sigjmp_buf env;

static bool inside(const void *p)
{
	return (const char *)p >= stack && (const char *)p < stack + SIZE;
}

static void handler(int sig)
{
	stack_t now;
	int here;

	(void)sig;
	on_stack = inside(&here);
	CHECK_EQ(sigaltstack(NULL, &now), 0);
	inner_flags = now.ss_flags;
	if (on_stack)
		CHECK_ERR(sigaltstack(&now, NULL), EPERM);
}

static void overflow(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	CHECK(inside(&sig));
	CHECK(si->si_addr != NULL);
	siglongjmp(env, 1);
}

static volatile int sink;

static __attribute__((noinline)) int recurse(int n)
{
	volatile char frame[4096];

	frame[0] = (char)n;
	if (n >= 0)
		sink = recurse(n + 1) + frame[0];
	return sink;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	stack_t ss = {.ss_sp = stack, .ss_size = SIZE}, old;

	CHECK_EQ(sigaltstack(NULL, &old), 0);
	CHECK_EQ(old.ss_flags, SS_DISABLE);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	say("none: on it %d flags %d\n", on_stack, inner_flags);
	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	raise(SIGUSR1);
	say("with: on it %d flags %d\n", on_stack, inner_flags);
	CHECK_EQ(sigaltstack(NULL, &old), 0);
	CHECK(old.ss_sp == stack && old.ss_size == SIZE && old.ss_flags == 0);
	sa.sa_flags = 0;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	say("without SA_ONSTACK: on it %d flags %d\n", on_stack, inner_flags);

	/* A child has it too; an overflow of the stack is survived, twice. */
	sa.sa_sigaction = overflow;
	sa.sa_flags = SA_ONSTACK | SA_SIGINFO;
	sigaction(SIGSEGV, &sa, NULL);
	for (volatile int i = 0; i < 2; i++) {
		if (sigsetjmp(env, 1) == 0) {
			recurse(0);
			CHECK(0);
		}
		say("overflow %d survived\n", i);
	}
	pid_t pid = fork_ok();

	if (pid == 0) {
		if (sigsetjmp(env, 1) == 0)
			recurse(0);
		_exit(7);
	}
	say("child: %s\n", status_text(reap(pid)));

	/* Without one, an overflow kills. */
	pid = fork_ok();
	if (pid == 0) {
		ss.ss_flags = SS_DISABLE;
		CHECK_EQ(sigaltstack(&ss, NULL), 0);
		recurse(0);
		_exit(0);
	}
	say("disabled: %s\n", status_text(reap(pid)));
	ss.ss_flags = 0;
	ss.ss_size = 100;
	CHECK_ERR(sigaltstack(&ss, NULL), ENOMEM);
	ss.ss_size = SIZE;
	ss.ss_flags = 77;
	CHECK_ERR(sigaltstack(&ss, NULL), EINVAL);
	return 0;
}
