// timeout: 60
// A breakpoint is met by the program that has it, whatever interrupts that: nobody else, and it not
// elsewhere. So is what looks like one.
#include "check.h"

#include <sys/time.h>

#define TURNS  4000
#define OTHERS 3

static volatile sig_atomic_t traps, overflows, elsewhere;
extern char behind_breakpoint[], behind_int_4[];

static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	traps++;
	elsewhere += (char *)uc->uc_mcontext.gregs[REG_RIP] != behind_breakpoint;
}

static void on_overflow(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	overflows++;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)behind_int_4;
}

static void on_alarm(int sig)
{
	(void)sig;
}

__attribute__((noinline)) static void breakpoint(void)
{
	__asm__ volatile("int3\n\t.globl behind_breakpoint\nbehind_breakpoint:" ::: "memory");
}

__attribute__((noinline)) static void int_4(void)
{
	__asm__ volatile("int $4\n\t.globl behind_int_4\nbehind_int_4:" ::: "memory");
}

static void meet_breakpoints(void *arg)
{
	const struct itimerval every = {{0, 200}, {0, 200}};
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

	(void)arg;
	CHECK_EQ(sigaction(SIGTRAP, &sa, NULL), 0);
	sa.sa_sigaction = on_overflow;
	CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
	CHECK(signal(SIGALRM, on_alarm) != SIG_ERR);
	CHECK_EQ(setitimer(ITIMER_REAL, &every, NULL), 0);
	for (int i = 0; i < TURNS; i++) {
		breakpoint();
		int_4();
	}
	CHECK_EQ(elsewhere, 0);
	CHECK_EQ(traps, TURNS);
	CHECK_EQ(overflows, TURNS);
}

/* Dies by a trap that is not its own. */
static void do_other_things(void)
{
	for (;;) {
		for (volatile int i = 0; i < 300; i++)
			;
		syscall(SYS_getppid);
		syscall(SYS_sched_yield);
	}
}

int main(void)
{
	pid_t pid[OTHERS];

	for (int i = 0; i < OTHERS; i++) {
		pid[i] = fork_ok();
		if (pid[i] == 0)
			do_other_things();
	}
	CHECK_EQ(run_child(meet_breakpoints, NULL), 0);
	for (int i = 0; i < OTHERS; i++) {
		int status;

		CHECK_EQ(kill(pid[i], SIGKILL), 0);
		CHECK_EQ(waitpid(pid[i], &status, 0), pid[i]);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	say("ok\n");
	return 0;
}
