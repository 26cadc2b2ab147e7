// native: no
// expect-stdout: as SYSCALL
// Where SYSCALL does not raise the privilege level, a program may jump to the system-call page's
// second entry instead: the call, its result, the registers and the flags are SYSCALL's, with
// signals and restarts; only r11 need not hold the flags on entry. Elsewhere the page gives
// nothing.
#include "check.h"

#include <sys/time.h>

#define ENTRY 0xffffffff80003100ul

static volatile int hits;

static void on_alarm(int sig)
{
	(void)sig;
	hits++;
}

/* The registers behind the call: rcx and r11 as it left them. */
struct after {
	unsigned long rcx, r11, flags;
};

/* A call by a jump that leaves the flags as they were; the SYSCALL in front of the label is for
 * restarts alone. */
static long jump_call(long nr, long a, long b, long c, struct after *after)
{
	register unsigned long rcx __asm__("rcx");
	register unsigned long r11 __asm__("r11");
	unsigned long flags;
	long r;

	__asm__ volatile("stc\n\tlea 1f(%%rip), %%rcx\n\tmov $-0x7fffcf00, %%r11\n\tjmp *%%r11\n\t"
			 "syscall\n1:\n\t"
			 "lea -128(%%rsp), %%rsp\n\tpushfq\n\tpop %[flags]\n\tlea 128(%%rsp), %%rsp"
			 : "=a"(r), "=r"(rcx), "=r"(r11), [flags] "=&r"(flags)
			 : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "memory", "cc");
	if (after)
		*after = (struct after){rcx, r11, flags};
	return r;
}

static void try(void *arg)
{
	(void)arg;
	_exit(jump_call(SYS_getppid, 0, 0, 0, NULL) == getppid() ? 0 : 1);
}

static void same_as_syscall(void)
{
	struct after after;
	char byte = 0;
	int p[2];

	CHECK_EQ(jump_call(SYS_getppid, 0, 0, 0, &after), getppid());
	CHECK(after.flags & 1);
	CHECK_EQ(after.r11 & 0xcd5, after.flags & 0xcd5);
	CHECK(after.rcx > 0x10000 && after.rcx < 1ul << 47);
	CHECK_EQ(jump_call(5000, 0, 0, 0, NULL), -ENOSYS);
	CHECK_EQ(jump_call(SYS_write, -1, 0, 0, NULL), -EBADF);
	make_pipe(p);
	CHECK_EQ(jump_call(SYS_write, p[1], (long)"x", 1, NULL), 1);
	CHECK_EQ(jump_call(SYS_read, p[0], (long)&byte, 1, NULL), 1);
	CHECK_EQ(byte, 'x');
}

static void storm(void)
{
	const struct itimerval often = {{0, 500}, {0, 500}}, off = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	pid_t parent = getppid();
	char byte;
	int p[2];
	pid_t child;

	CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	while (hits < 100)
		CHECK_EQ(jump_call(SYS_getppid, 0, 0, 0, NULL), parent);
	/* Interrupted and restarted: by the SYSCALL instruction. */
	make_pipe(p);
	child = fork_ok();
	if (child == 0) {
		/* Timers are not inherited; the parent's go on meanwhile. */
		hits = 0;
		CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
		while (hits < 20)
			syscall(SYS_getppid);
		CHECK_EQ(write(p[1], "y", 1), 1);
		_exit(0);
	}
	CHECK_EQ(jump_call(SYS_read, p[0], (long)&byte, 1, NULL), 1);
	CHECK_EQ(byte, 'y');
	CHECK_EQ(setitimer(ITIMER_REAL, &off, NULL), 0);
	reap_ok(child);
}

int main(void)
{
	int status = run_child(try, NULL);

	if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)) {
		CHECK_EQ(status, 0);
		same_as_syscall();
		storm();
	}
	say("as SYSCALL\n");
	return 0;
}
