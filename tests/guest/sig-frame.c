// Frames that cannot be made or taken back: handlers at bad addresses, no stack, an alternate stack
// that overflows, frames smashed by the handler. The process gets SIGSEGV, or dies of it.
#include "check.h"
#include <setjmp.h>

static sigjmp_buf env;
static char alt[65536] __attribute__((aligned(16)));
static volatile sig_atomic_t depth;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(env, 1);
}

static void install(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};

	CHECK_EQ(sigaction(sig, &sa, NULL), 0);
}

static void use_alt(size_t size)
{
	stack_t ss = {.ss_sp = alt + sizeof(alt) - size, .ss_size = size};

	CHECK_EQ(sigaltstack(&ss, NULL), 0);
}

static void bad_handler(void *arg)
{
	install(SIGUSR1, (void (*)(int))arg, 0);
	raise(SIGUSR1);
}

/* The fault of a bad handler is an ordinary one. */
static void bad_handler_caught(void)
{
	install(SIGSEGV, jump, SA_NODEFER);
	install(SIGUSR1, (void (*)(int))8, SA_NODEFER);
	if (sigsetjmp(env, 1) == 0) {
		raise(SIGUSR1);
		say("not reached\n");
	}
	say("bad handler caught\n");
	install(SIGUSR1, SIG_DFL, 0);
}

/* Every level needs another frame; at the end there is no room. (arm64 does not look: what lies
 * below the stack is no alternate stack, so the next frame is at its top again.) */
static void deeper(int sig)
{
	if (++depth == 100)
		_exit(3);
	raise(sig);
}

static void overflow(void *arg)
{
	(void)arg;
	use_alt(16384);
	install(SIGUSR1, deeper, SA_ONSTACK | SA_NODEFER);
	raise(SIGUSR1);
}

static void smash(int sig, siginfo_t *si, void *ctx)
{
	(void)sig;
	(void)si;
	memset(ctx, 0xff, sizeof(ucontext_t));
}

static void smashed(void *arg)
{
	struct sigaction sa = {.sa_sigaction = smash, .sa_flags = SA_SIGINFO};

	(void)arg;
	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	raise(SIGUSR1);
}

static void no_frame(void *arg)
{
	(void)arg;
	/* rt_sigreturn out of the blue: whatever the stack holds is no frame. */
	use_alt(16384);
	memset(alt, 0xff, sizeof(alt));
	syscall(SYS_rt_sigreturn);
}

static volatile sig_atomic_t order[4], norder;

static void inner(int sig)
{
	(void)sig;
	order[norder++] = 2;
}

static void outer(int sig)
{
	(void)sig;
	order[norder++] = 1;
	raise(SIGUSR2);
	order[norder++] = 3;
}

static void nested(void)
{
	use_alt(sizeof(alt));
	install(SIGUSR1, outer, SA_ONSTACK);
	install(SIGUSR2, inner, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(norder == 3 && order[0] == 1 && order[1] == 2 && order[2] == 3);
	say("nested on the alternate stack\n");
}

static void jumps(void)
{
	sigset_t now;

	install(SIGUSR1, jump, SA_ONSTACK);
	for (volatile int i = 0; i < 100; i++) {
		if (sigsetjmp(env, 1) == 0) {
			raise(SIGUSR1);
			say("not reached\n");
		}
		sigprocmask(SIG_BLOCK, NULL, &now);
		CHECK(!sigismember(&now, SIGUSR1));
	}
	say("100 jumps\n");
}

int main(void)
{
	say("handler at 8: %s\n", status_text(run_child(bad_handler, (void *)8)));
	say("handler in the kernel's half: %s\n",
	    status_text(run_child(bad_handler, (void *)0xffffffff81000000)));
	say("handler at no address: %s\n",
	    status_text(run_child(bad_handler, (void *)0x8000000000000000)));
	say("overflow: %s\n", status_text(run_child(overflow, NULL)));
	say("smashed: %s\n", status_text(run_child(smashed, NULL)));
	say("no frame: %s\n", status_text(run_child(no_frame, NULL)));
	bad_handler_caught();
	nested();
	jumps();
	return 0;
}
