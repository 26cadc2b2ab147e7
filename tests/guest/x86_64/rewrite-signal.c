// vmbox-options: --rewrite=on
// timeout: 60
// A storm of signals over hot sites: the interrupted program counter is always one of the program's
// own instructions, with the registers that they leave; calls are interrupted and restarted at the
// SYSCALL. A fault of an instruction next to it is reported there.
#include "rewrite.h"
#include <setjmp.h>
#include <sys/time.h>

#define ROUNDS 300

SITE_PAGE(ppid, "mov $110, %eax");
SITE_PAGE(read, "xor %eax, %eax");
SITE_PAGE(load, "mov $110, %eax\nhot_load_insn:\n\tmov 8(%rsp), %edi");
extern const unsigned char hot_load_insn[];
extern const char __executable_start[], etext[];

static volatile int hits, at_call, restarted;
static uintptr_t vdso, vdso_end;
static sigjmp_buf out;
static volatile uintptr_t fault_pc, fault_at;
static volatile unsigned long fault_rax;

static void find_vdso(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "[vdso]"))
			sscanf(line, "%lx-%lx", &vdso, &vdso_end);
	fclose(f);
}

static void on_alarm(int sig, siginfo_t *si, void *context)
{
	const ucontext_t *uc = context;
	uintptr_t pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	long rax = uc->uc_mcontext.gregs[REG_RAX];

	(void)sig;
	(void)si;
	hits++;
	CHECK((pc >= (uintptr_t)__executable_start && pc < (uintptr_t)etext) ||
	      (pc >= vdso && pc < vdso_end));
	if (pc == (uintptr_t)hot_ppid_call) {
		CHECK_EQ(rax, 110);
		at_call++;
	}
	/* Not begun, or to be restarted. */
	if (pc == (uintptr_t)hot_read_call) {
		CHECK_EQ(rax, 0);
		restarted++;
	}
	if (pc == (uintptr_t)hot_ppid_end)
		CHECK_EQ(rax, getppid());
}

static void storm(void)
{
	pid_t parent = getppid();

	for (hits = 0; hits < ROUNDS;)
		CHECK_EQ(hot_ppid(0, 0, 0), parent);
}

/* A child writes when this process has been interrupted often enough: by then the read has been
 * restarted. */
static void restarts(void)
{
	char byte = 0;
	int p[2];
	pid_t child;

	make_pipe(p);
	for (int i = 0; i < HOT; i++)
		CHECK_EQ(hot_read(-1, 0, 0), -EBADF);
	for (int i = 0; i < 5; i++) {
		child = fork_ok();
		if (child == 0) {
			/* As soon as the parent sleeps in read: it is interrupted there. */
			await_asleep(getppid());
			for (int n = 0; n < 5; n++)
				kill(getppid(), SIGALRM);
			CHECK_EQ(write(p[1], "y", 1), 1);
			_exit(0);
		}
		CHECK_EQ(hot_read(p[0], (long)&byte, 1), 1);
		CHECK_EQ(byte, 'y');
		reap_ok(child);
	}
}

/* Without SA_RESTART: EINTR, at the instruction behind it. */
static void interrupted(void)
{
	struct sigaction sa = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO};
	char byte;
	int p[2];
	pid_t child;

	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	make_pipe(p);
	child = fork_ok();
	if (child == 0) {
		await_asleep(getppid());
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	CHECK_EQ(hot_read(p[0], (long)&byte, 1), -EINTR);
	reap_ok(child);
}

/* ---- faults ---- */

static void on_fault(int sig, siginfo_t *si, void *context)
{
	const ucontext_t *uc = context;

	(void)sig;
	fault_pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	fault_rax = (unsigned long)uc->uc_mcontext.gregs[REG_RAX];
	fault_at = (uintptr_t)si->si_addr;
	siglongjmp(out, 1);
}

/* Jumps to the site with a stack pointer that nothing is behind. */
static void faults(void)
{
	static char stack[65536];
	const stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	for (int i = 0; i < HOT; i++)
		CHECK_EQ(hot_load(0, 0, 0), getppid());
	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	CHECK_EQ(sigaction(SIGSEGV, &sa, NULL), 0);
	for (int i = 0; i < 3; i++) {
		if (sigsetjmp(out, 1) == 0) {
			__asm__ volatile("mov $0x5ff8, %%rsp\n\tmov $1, %%eax\n\tjmp hot_load"
					 :
					 :
					 : "memory");
		}
		CHECK_EQ(fault_pc, (uintptr_t)hot_load_insn);
		CHECK_EQ(fault_at, 0x6000);
		CHECK_EQ(fault_rax, 110);
	}
}

int main(void)
{
	const struct itimerval often = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART};

	find_vdso();
	CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	storm();
	CHECK_EQ(setitimer(ITIMER_REAL, &off, NULL), 0);
	restarts();
	interrupted();
	faults();
	say("nobody sees a detour\n");
	return 0;
}
