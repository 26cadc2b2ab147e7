// native: no
// vmbox-options: --abi robust-list2=473
// timeout: 60
// expect-stdout: list64: 6 instructions, 3 before the lock is free
// expect-stdout: list32: 6 instructions, 3 before the lock is free
// expect-stdout: list64 moved: 6 instructions, 3 before the lock is free
// expect-stdout: list32 moved: 6 instructions, 3 before the lock is free
// Linux 7.2, the vDSO's __vdso_futex_robust_list64_try_unlock() and ..list32..: "If the cmpxchg was
// successful, then the pending pointer has to be cleared when user space was interrupted before
// reaching .Lend", whether a signal is delivered or the task dies.
//
// A task steps through the function (RFLAGS.TF). At each instruction it gets a signal; dies of
// one; dies in its handler; is stopped and killed. Nobody ever sees the lock free with the slot
// that names it set; and what another has put into the lock's memory by then (a decoy: a word that
// looks like the dying task's lock) stays as it is, though the robust list is walked.
#include "futex.h"
#include "vdso-robust-lock.h"
#include <sys/ucontext.h>

#define STEPS_MAX 16
#define CODE_MAX  64 /* bytes of one function */
#define TF        0x100

enum how {
	RUN,        /* to the end */
	IN_HANDLER, /* dies by SIGKILL in the signal's handler */
	AT,         /* dies of a signal without a handler, there */
	TRAP,       /* dies of the trap itself */
	STOP,       /* is stopped there, and killed by the parent */
};

static char *fn;

static enum how how;
static unsigned target, steps, released_at;

/* ---- the task ---- */

static void act(unsigned step)
{
	bool released = s->lock == 0;

	/* As if no signal had been there: only so does death find it. The last instruction is after
	 * the slot's. */
	if (how == AT && released && step < s->steps - 1)
		set_slot(&s->lock);
	if ((how == AT || how == IN_HANDLER) && released)
		s->lock = tid;
	/* Blocked in the handler: it comes when that has returned. */
	if (how == AT)
		raise(SIGTERM);
	else if (how == STOP)
		raise(SIGTSTP);
	else if (how == IN_HANDLER)
		kill(getpid(), SIGKILL);
}

static void on_trap(int sig, siginfo_t *si, void *uc)
{
	unsigned long rip = (unsigned long)((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];
	unsigned step;

	(void)sig;
	(void)si;
	if (rip - (unsigned long)fn >= CODE_MAX)
		return;
	step = steps++;
	CHECK(pair_ok(tid));
	if (s->lock == tid)
		released_at = steps;
	if (how == TRAP && step + 1 == target)
		signal(SIGTRAP, SIG_DFL);
	else if (how != RUN && how != TRAP && step == target)
		act(step);
}

static uint32_t step_through(void)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	uint64_t ret, a = (uintptr_t)&s->lock, b = tid, c = (uintptr_t)slot_address();

	sigfillset(&sa.sa_mask);
	CHECK_EQ(sigaction(SIGTRAP, &sa, NULL), 0);
	if (how == TRAP && target == 0)
		signal(SIGTRAP, SIG_DFL);
	steps = released_at = 0;
	__asm__ volatile("sub $128, %%rsp\n\t"
			 "pushfq\n\torl %5, (%%rsp)\n\tpopfq\n\t"
			 "call *%4\n\t"
			 "pushfq\n\tandl %6, (%%rsp)\n\tpopfq\n\t"
			 "add $128, %%rsp"
			 : "=a"(ret), "+D"(a), "+S"(b), "+d"(c)
			 : "r"(fn), "i"(TF), "i"(~TF)
			 : "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
	return (uint32_t)ret;
}

/* ---- what becomes of it ---- */

static void run(enum how h, unsigned at, unsigned n)
{
	how = h;
	target = at;
	CHECK_EQ(setpgid(0, 0), 0); /* else its group would be an orphan, and SIGTSTP ignored */
	take_lock(0);
	s->steps = n;
	step_through();
	_exit(98);
}

/* It stands still before instruction `at`. */
static void kill_stopped(pid_t pid, bool released)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK(pair_ok((uint32_t)pid));
	CHECK_EQ(s->lock == 0, released);
	if (released)
		s->lock = (uint32_t)pid;
	CHECK_EQ(kill(pid, SIGKILL), 0);
}

static void die(enum how h, unsigned at, unsigned n, unsigned release)
{
	static const int signals[] = {
		[IN_HANDLER] = SIGKILL, [AT] = SIGTERM, [TRAP] = SIGTRAP, [STOP] = SIGKILL};
	bool released = at >= release;
	pid_t pid = fork_ok();

	if (pid == 0)
		run(h, at, n);
	if (h == STOP)
		kill_stopped(pid, released);
	CHECK_EQ(reap(pid), signals[h]);
	if (!released) {
		CHECK_EQ(s->lock, W_DIED);
		CHECK_EQ(slot(), (uintptr_t)&s->lock);
	} else {
		CHECK_EQ(s->lock, h == TRAP ? 0 : (uint32_t)pid);
		CHECK_EQ(slot(), 0);
	}
}

/* Every instruction and every end; *n and *release: how many there are, and which is the first
 * after the lock's release. */
static void die_everywhere(unsigned *n, unsigned *release)
{
	how = RUN;
	take_lock(0);
	CHECK_EQ(step_through(), tid);
	CHECK_EQ(s->lock, 0);
	CHECK_EQ(slot(), 0);
	*n = steps;
	*release = released_at;
	CHECK(*n <= STEPS_MAX && *release < *n - 1);
	for (unsigned at = 0; at < *n; at++) {
		die(IN_HANDLER, at, *n, *release);
		die(AT, at, *n, *release);
		die(TRAP, at, *n, *release);
		die(STOP, at, *n, *release);
	}
}

/* ---- more ---- */

/* A stopped task that goes on ends as if nothing had been. */
static void stop_and_go_on(unsigned at)
{
	pid_t pid = fork_ok();
	int status;

	if (pid == 0) {
		how = STOP;
		target = at;
		CHECK_EQ(setpgid(0, 0), 0);
		take_lock(0);
		CHECK_EQ(step_through(), tid);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(kill(pid, SIGCONT), 0);
	reap_ok(pid);
	CHECK_EQ(s->lock, 0);
	CHECK_EQ(slot(), 0);
}

/* "on mismatch nothing is written": with waiters, or another's. */
static void on_trap_refused(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)si;
	(void)uc;
	steps++;
	CHECK_EQ(s->lock, tid | W_WAITERS);
	CHECK_EQ(slot(), (uintptr_t)&s->lock);
}

static void refused(void)
{
	struct sigaction sa = {.sa_sigaction = on_trap_refused, .sa_flags = SA_SIGINFO};
	uint32_t old;

	take_lock(my_tid() | W_WAITERS);
	CHECK_EQ(((try_unlock_t)(void *)fn)(&s->lock, tid, slot_address()), tid | W_WAITERS);
	CHECK_EQ(sigaction(SIGTRAP, &sa, NULL), 0);
	steps = 0;
	__asm__ volatile("pushfq\n\torl %0, (%%rsp)\n\tpopfq" : : "i"(TF) : "memory", "cc");
	old = ((try_unlock_t)(void *)fn)(&s->lock, tid, slot_address());
	__asm__ volatile("pushfq\n\tandl %0, (%%rsp)\n\tpopfq" : : "i"(~TF) : "memory", "cc");
	CHECK_EQ(old, tid | W_WAITERS);
	CHECK(steps >= 5);
	CHECK_EQ(s->lock, tid | W_WAITERS);
	CHECK_EQ(slot(), (uintptr_t)&s->lock);
	s->lock = 0;
	set_slot(NULL);
}

static void test(const struct vdso *v, const char *name, bool width32, const char *what)
{
	unsigned n, release;

	is32 = width32;
	fn = vdso_symbol(v, name, "LINUX_2.6");
	CHECK(fn);
	die_everywhere(&n, &release);
	say("list%s%s: %u instructions, %u before the lock is free\n", is32 ? "32" : "64", what, n,
	    release);
	stop_and_go_on(release);
	refused();
	read_only_slot((try_unlock_t)(void *)fn);
}

static void test_both(const struct vdso *v, const char *what)
{
	test(v, "__vdso_futex_robust_list64_try_unlock", false, what);
	test(v, "__vdso_futex_robust_list32_try_unlock", true, what);
}

/* "ranges follow a move of the vDSO": a program's own code at the old place is no range. */
static unsigned copy_seen;

static void on_trap_copy(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)si;
	(void)uc;
	copy_seen += s->lock == 0 && slot() != 0;
}

static void own_copy(char *copy)
{
	struct sigaction sa = {.sa_sigaction = on_trap_copy, .sa_flags = SA_SIGINFO};

	CHECK_EQ(sigaction(SIGTRAP, &sa, NULL), 0);
	is32 = false;
	take_lock(0);
	copy_seen = 0;
	__asm__ volatile("pushfq\n\torl %0, (%%rsp)\n\tpopfq" : : "i"(TF) : "memory", "cc");
	((try_unlock_t)(void *)copy)(&s->lock, tid, slot_address());
	__asm__ volatile("pushfq\n\tandl %0, (%%rsp)\n\tpopfq" : : "i"(~TF) : "memory", "cc");
	CHECK_EQ(copy_seen, 2); /* before the branch and before the store */
}

static void move(struct vdso *v)
{
	static const char name[] = "__vdso_futex_robust_list64_try_unlock";
	char *old = v->base, *old_fn = vdso_symbol(v, name, "LINUX_2.6");
	char *to = (char *)map_pages(v->size, PROT_NONE);

	CHECK_EQ(mremap(old, v->size, v->size, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
	vdso_open(v, to);
	CHECK_EQ(mmap(old, v->size, PROT_READ | PROT_WRITE | PROT_EXEC,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		 old);
	memcpy(old, to, v->size);
	own_copy(old_fn);
}

int main(void)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT;
	struct vdso v;

	s = mmap(NULL, 4096, prot, flags, -1, 0);
	other = mmap(NULL, 4096, prot, flags, -1, 0);
	CHECK(s != MAP_FAILED && (void *)other != MAP_FAILED);
	vdso_open(&v, (char *)getauxval(AT_SYSINFO_EHDR));
	CHECK_EQ(strcmp(v.soname, "linux-vdso.so.1"), 0);
	test_both(&v, "");
	move(&v);
	test_both(&v, " moved");
	return 0;
}
