// native: no
// vmbox-options: --abi robust-list2=473
// timeout: 60
// expect-stdout: list64, LL/SC: 9 instructions, 5 before the lock is free
// expect-stdout: list32, LL/SC: 9 instructions, 5 before the lock is free
// expect-stdout: list64, LSE: 8 instructions, 3 before the lock is free
// expect-stdout: list32, LSE: 8 instructions, 3 before the lock is free
// expect-stdout: list64, LL/SC, moved: 9 instructions, 5 before the lock is free
// expect-stdout: list32, LL/SC, moved: 9 instructions, 5 before the lock is free
// expect-stdout: list64, LSE, moved: 8 instructions, 3 before the lock is free
// expect-stdout: list32, LSE, moved: 8 instructions, 3 before the lock is free
// Linux 7.2, the vDSO's __vdso_futex_robust_list64_try_unlock() and ..list32..: "If the cmpxchg was
// successful, then the pending pointer has to be cleared when user space was interrupted before
// reaching .Lend", whether a signal is delivered or the task dies.
//
// A task stops at each instruction of the function, in both forms: EL0 has no single step, so it
// puts a breakpoint there, into its own copy of the vDSO's page (where breakpoints of a debugger
// are, too), or an endless loop, out of which only a kick brings it. It gets a signal there; dies
// of one; dies in its handler; is stopped and killed; is killed in the loop. Nobody ever sees the
// lock free with the slot that names it set; and what another has put into the lock's memory by
// then (a decoy: a word that looks like the dying task's lock) stays as it is, though the robust
// list is walked.
#include "futex.h"
#include "vdso-robust-lock.h"
#include <sched.h>
#include <sys/ucontext.h>

#define HWCAP_LSE    (1 << 8)
#define INSN_NOP     0xd503201fu
#define INSN_BRK     0xd4200000u
#define INSN_LOOP    0x14000000u /* to itself */
#define INSN_TO_LLSC 0x14000008u
#define INSN_CASL    0x88a3fc1fu
#define INSN_STLXR   0x8803fc1fu
#define RETRY        8  /* index of the LDXR */
#define CBNZ         12 /* and of the branch back to it */
#define REG_STATUS   3  /* of the STLXR */
#define LOOP_NS      3000000000
#define PAGE_LOW     0x20000000ul
#define OTHER_LOW    0x20010000ul

enum how {
	RUN,        /* to the end */
	IN_HANDLER, /* dies by SIGKILL in the signal's handler */
	AT,         /* dies of a signal without a handler, there */
	TRAP,       /* dies of the trap itself */
	STOP,       /* is stopped there, and killed by the parent */
	LOOP,       /* runs there for ever, and is killed by the parent */
};

/* The instructions that an unlock executes, by index from the function's start. */
struct form {
	const char *name;
	unsigned path[9], n;
	unsigned release; /* index in path of the first one after the lock's release */
};

static const struct form llsc = {"LL/SC", {0, 8, 9, 10, 11, 12, 13, 14, 15}, 9, 5};
static const struct form lse = {"LSE", {0, 1, 2, 3, 4, 5, 6, 7}, 8, 3};

static uint32_t *fn;
static const struct form *form;

static enum how how;
static unsigned target; /* index in form->path */
static uint32_t saved;  /* the instruction there */
static unsigned hits;

static bool released(unsigned at)
{
	return at >= form->release;
}

/* ---- the code ---- */

static void put_insn(uint32_t *at, uint32_t insn)
{
	*at = insn;
	__builtin___clear_cache((char *)at, (char *)(at + 1));
}

/* This process's copy of the functions in this form. */
static void choose(void)
{
	CHECK(fn[2] == INSN_CASL && fn[11] == INSN_STLXR);
	put_insn(fn, form == &lse ? INSN_NOP : INSN_TO_LLSC);
}

static void plant(uint32_t insn)
{
	uint32_t *at = fn + form->path[target];

	saved = *at;
	put_insn(at, insn);
}

/* ---- the task ---- */

static void act(void)
{
	bool free = s->lock == 0;

	/* As if no signal had been there: only so does death find it. The last two instructions are
	 * after the slot's. */
	if (how == AT && free && target < form->n - 2)
		set_slot(&s->lock);
	if ((how == AT || how == IN_HANDLER) && free)
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
	uint32_t *pc = (uint32_t *)((ucontext_t *)uc)->uc_mcontext.pc;

	(void)sig;
	(void)si;
	CHECK(pc == fn + form->path[target]);
	/* The store may fail for no reason of ours (a switch to another task): what the branch
	 * would do. */
	if (form->path[target] == CBNZ && ((ucontext_t *)uc)->uc_mcontext.regs[REG_STATUS]) {
		CHECK(pair_ok(tid) && s->lock == tid);
		((ucontext_t *)uc)->uc_mcontext.pc = (uintptr_t)(fn + RETRY);
		return;
	}
	hits++;
	CHECK(pair_ok(tid));
	CHECK_EQ(s->lock == 0, released(target));
	put_insn(pc, saved);
	if (how != RUN)
		act();
}

static uint32_t call(void)
{
	return ((try_unlock_t)(void *)fn)(&s->lock, tid, slot_address());
}

static uint32_t stop_at_target(void)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

	sigfillset(&sa.sa_mask);
	CHECK_EQ(sigaction(SIGTRAP, &sa, NULL), 0);
	if (how == TRAP)
		signal(SIGTRAP, SIG_DFL);
	hits = 0;
	plant(how == LOOP ? INSN_LOOP : INSN_BRK);
	return call();
}

/* ---- what becomes of it ---- */

static void run(enum how h, unsigned at)
{
	how = h;
	target = at;
	CHECK_EQ(setpgid(0, 0), 0); /* else its group would be an orphan, and SIGTSTP ignored */
	take_lock(0);
	stop_at_target();
	_exit(98);
}

/* The C library would call the vDSO where it was once. */
static long long time_ns(void)
{
	struct timespec ts;

	CHECK_EQ(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts), 0);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/*
 * It stands still before instruction `at`, or goes round there. False: the lock is held, perhaps
 * because the store failed just then.
 */
static bool kill_there(pid_t pid, enum how h, bool free)
{
	long long start = time_ns();
	int status;

	if (h == STOP) {
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status));
		CHECK(pair_ok((uint32_t)pid));
		CHECK_EQ(s->lock == 0, free);
	}
	while (s->lock != (free ? 0 : (uint32_t)pid)) {
		sched_yield();
		if (time_ns() - start > LOOP_NS && s->lock == (uint32_t)pid)
			free = false;
	}
	if (free)
		s->lock = (uint32_t)pid;
	CHECK_EQ(kill(pid, SIGKILL), 0);
	return free;
}

static void die(enum how h, unsigned at)
{
	static const int signals[] = {[IN_HANDLER] = SIGKILL,
				      [AT] = SIGTERM,
				      [TRAP] = SIGTRAP,
				      [STOP] = SIGKILL,
				      [LOOP] = SIGKILL};
	bool free = released(at);
	pid_t pid;

	s->lock = 1;
	pid = fork_ok();
	if (pid == 0)
		run(h, at);
	if (h == STOP || h == LOOP)
		free = kill_there(pid, h, free);
	CHECK_EQ(reap(pid), signals[h]);
	if (h == TRAP && form->path[at] == CBNZ && s->lock == W_DIED)
		free = false;
	if (!free) {
		CHECK_EQ(s->lock, W_DIED);
		/* Killed before it went into the loop: the same. */
		CHECK_EQ(slot(), (uintptr_t)&s->lock);
	} else {
		CHECK_EQ(s->lock, h == TRAP ? 0 : (uint32_t)pid);
		CHECK_EQ(slot(), 0);
	}
}

static void die_everywhere(void)
{
	for (unsigned at = 0; at < form->n; at++) {
		how = RUN;
		target = at;
		take_lock(0);
		CHECK_EQ(stop_at_target(), tid);
		CHECK_EQ(hits, 1);
		CHECK_EQ(s->lock, 0);
		CHECK_EQ(slot(), 0);
		die(IN_HANDLER, at);
		die(AT, at);
		die(TRAP, at);
		die(STOP, at);
		die(LOOP, at);
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
		CHECK_EQ(stop_at_target(), tid);
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
	uint32_t *pc = (uint32_t *)((ucontext_t *)uc)->uc_mcontext.pc;

	(void)sig;
	(void)si;
	hits++;
	CHECK_EQ(s->lock, tid | W_WAITERS);
	CHECK_EQ(slot(), (uintptr_t)&s->lock);
	put_insn(pc, saved);
}

static void refused(void)
{
	struct sigaction sa = {.sa_sigaction = on_trap_refused, .sa_flags = SA_SIGINFO};

	CHECK_EQ(sigaction(SIGTRAP, &sa, NULL), 0);
	for (target = 0; target < form->n; target++) {
		take_lock(my_tid() | W_WAITERS);
		hits = 0;
		plant(INSN_BRK);
		CHECK_EQ(call(), tid | W_WAITERS);
		if (!hits)
			put_insn(fn + form->path[target], saved);
		CHECK_EQ(s->lock, tid | W_WAITERS);
		CHECK_EQ(slot(), (uintptr_t)&s->lock);
	}
	s->lock = 0;
	set_slot(NULL);
}

static void test(const struct vdso *v, const char *name, bool width32, const char *what)
{
	is32 = width32;
	fn = (void *)vdso_symbol(v, name, VDSO_VERSION);
	CHECK(fn);
	if (form == &llsc || getauxval(AT_HWCAP) & HWCAP_LSE) {
		choose();
		die_everywhere();
		stop_and_go_on(form->release);
		refused();
		read_only_slot((try_unlock_t)(void *)fn);
	}
	say("list%s, %s%s: %u instructions, %u before the lock is free\n", is32 ? "32" : "64",
	    form->name, what, form->n, form->release);
}

static void test_all(const struct vdso *v, const char *what)
{
	CHECK_EQ(mprotect(v->base, v->size, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	for (int i = 0; i < 2; i++) {
		form = i ? &lse : &llsc;
		test(v, "__vdso_futex_robust_list64_try_unlock", false, what);
		test(v, "__vdso_futex_robust_list32_try_unlock", true, what);
	}
}

/* What the VMM has chosen for this processor. */
static void check_choice(const struct vdso *v)
{
	const uint32_t *f =
		(void *)vdso_symbol(v, "__vdso_futex_robust_list64_try_unlock", VDSO_VERSION);

	CHECK(f);
	CHECK_EQ(*f, getauxval(AT_HWCAP) & HWCAP_LSE ? INSN_NOP : INSN_TO_LLSC);
}

/* "ranges follow a move of the vDSO": a program's own code at the old place is no range. */
static unsigned copy_seen;

static void on_trap_copy(int sig, siginfo_t *si, void *uc)
{
	uint32_t *pc = (uint32_t *)((ucontext_t *)uc)->uc_mcontext.pc;

	(void)sig;
	(void)si;
	copy_seen += s->lock == 0 && slot() != 0;
	put_insn(pc, saved);
}

static void own_copy(uint32_t *copy)
{
	struct sigaction sa = {.sa_sigaction = on_trap_copy, .sa_flags = SA_SIGINFO};

	CHECK_EQ(sigaction(SIGTRAP, &sa, NULL), 0);
	is32 = false;
	form = &llsc;
	copy_seen = 0;
	for (target = 0; target < form->n; target++) {
		fn = copy;
		choose();
		take_lock(0);
		plant(INSN_BRK);
		CHECK_EQ(call(), tid);
	}
	CHECK_EQ(copy_seen, 2); /* before the branch and before the store */
}

static void move(struct vdso *v)
{
	static const char name[] = "__vdso_futex_robust_list64_try_unlock";
	char *old = v->base, *old_fn = vdso_symbol(v, name, VDSO_VERSION);
	char *to = (char *)map_pages(v->size, PROT_NONE);

	CHECK_EQ(mremap(old, v->size, v->size, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
	vdso_open(v, to);
	CHECK_EQ(mmap(old, v->size, PROT_READ | PROT_WRITE | PROT_EXEC,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		 old);
	memcpy(old, to, v->size);
	own_copy((void *)old_fn);
	/* Handlers return to the vDSO where it is now. */
	CHECK_EQ(munmap(old, v->size), 0);
}

static void *map_low(unsigned long at)
{
	void *p = mmap((void *)at, 4096, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	CHECK_EQ(p, (void *)at);
	return p;
}

int main(void)
{
	struct vdso v;

	s = map_low(PAGE_LOW);
	other = map_low(OTHER_LOW);
	vdso_open(&v, (char *)getauxval(AT_SYSINFO_EHDR));
	CHECK_EQ(strcmp(v.soname, "linux-vdso.so.1"), 0);
	check_choice(&v);
	test_all(&v, "");
	move(&v);
	test_all(&v, ", moved");
	return 0;
}
