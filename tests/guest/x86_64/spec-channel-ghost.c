// native: no
// expect-stdout: alive
// cflags: -pthread
// timeout: 60
// Where system calls are answered without leaving the guest, a program can say by itself, in the
// page through which its vCPU asks, that its registers are saved or that it waits, and then not
// wait: its task sleeps, or is gone, while the program runs on. Whatever it says, and does then,
// hurts nobody else: honest programs lose neither registers nor calls, nobody sees what another
// asked, and who is killed ends. Nor does who is sent into another address space choose what runs
// there.
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/time.h>

#define WORDS       ((volatile uint64_t *)0xffffffffc0000000ul)
#define STATE       ((volatile uint32_t *)0xffffffffc0000000ul)
#define IDLE        0
#define REQUEST     1
#define SAVED       2
#define PARKED      3
#define FAULT       5
#define W_PC        7
#define W_SPIN      16
#define W_FLAGS     17
#define W_AX        19
#define W_DX        20
#define W_FRAME     32 /* rax rbx rcx rdx rsi rdi rsp rbp r8.. */
#define W_FS        (W_FRAME + 18)
#define W_GS        (W_FRAME + 19)
#define W_CLAIMED   72
#define W_FPU       128
#define W_FRAME_FPU 68
#define ERRAND      2 /* STATE[1] */
#define WORDS_END   512
#define SECRET      0x5ec2e75ec2e7ul

#define CYCLES 6
#define FEW    8  /* bad ones in a cycle that they have for themselves */
#define TURNS  50 /* of the honest ones, in each */
#define STACKS 8

/* What the bad ones have seen of others; shared. */
_Atomic unsigned *leaks;

static void touch(void *arg)
{
	(void)arg;
	_exit((int)(WORDS[0] & 0));
}

/* ---- a bad program ---- */

static sigjmp_buf next;
static unsigned seed;
static char stacks[STACKS][16384] __attribute__((aligned(16)));
static char thread_stack[4096] __attribute__((aligned(16)));
static char alt_stack[32768];
static int feed[2];
static uint32_t word;

static unsigned rnd(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

static void wait_a_bit(unsigned n)
{
	for (volatile unsigned i = 0; i < n; i++)
		;
}

static void on_signal(int sig)
{
	(void)sig;
	siglongjmp(next, 1);
}

static void on_quiet_signal(int sig)
{
	(void)sig;
}

__attribute__((used)) static void resumed(void)
{
	siglongjmp(next, 1);
}

/* Where a task goes on with registers that the program has made up; the child of a clone ends. */
void resume(void);
__asm__(".text\n"
	"resume:\n"
	"	cmp $0x1234, %rbx\n"
	"	jne 1f\n"
	"	test %rax, %rax\n"
	"	jnz 1f\n"
	"	mov $60, %eax\n"
	"	xor %edi, %edi\n"
	"	syscall\n"
	"1:	call resumed\n"
	"	hlt\n");

/* Where who loads registers that were made up for him goes on, if he believes them. */
int am_bad;
void hijacked(void);
__asm__(".text\n"
	"hijacked:\n"
	"	cmpl $0, am_bad(%rip)\n"
	"	jne 1f\n"
	"	mov leaks(%rip), %rax\n"
	"	lock incl (%rax)\n"
	"	ud2\n"
	"1:	call resumed\n"
	"	hlt\n");

/* Not by comparing with the secret: no register of a bad one may hold it. */
#define HASH(w) ((w) ^ (w) >> 9)

static void look_for_secrets(void)
{
	for (int i = 0; i < WORDS_END; i++) {
		uint64_t w = WORDS[i];

		if (HASH(w) == HASH(SECRET))
			atomic_fetch_add(leaks, 1);
	}
}

static void ask(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
	static char byte;

	/* As the handler of a call that is made again from the frame's registers will find it. */
	WORDS[W_AX] = nr;
	WORDS[W_DX] = c;
	WORDS[W_FRAME + 4] = b;
	WORDS[W_FRAME + 5] = a;
	WORDS[W_FRAME + 1] = nr == SYS_clone || nr == SYS_fork ? 0x1234 : 0;
	STATE[1] = (uint32_t)nr;
	WORDS[1] = a;
	WORDS[2] = b ? b : (uint64_t)&byte;
	WORDS[3] = c;
	WORDS[4] = WORDS[5] = WORDS[6] = 0;
	STATE[0] = REQUEST;
}

static void ask_something(void)
{
	static const struct timespec moment = {.tv_nsec = 20000};
	static const uint64_t mask;

	switch (rnd(16)) {
	case 0:
	case 1:
	case 2: /* the other thread ends it */
		ask(SYS_read, (uint64_t)feed[0], (uint64_t)alt_stack, 1);
		break;
	case 3:
	case 4:
		ask(SYS_futex, (uint64_t)&word, FUTEX_WAIT_PRIVATE, 0);
		break;
	case 5:
		ask(SYS_nanosleep, (uint64_t)&moment, 0, 0);
		break;
	case 6:
		ask(SYS_tgkill, (uint64_t)getpid(), (uint64_t)gettid(), SIGUSR1);
		break;
	case 7:
		ask(SYS_rt_sigreturn, 0, 0, 0);
		break;
	case 8:
		ask(SYS_rt_sigsuspend, (uint64_t)&mask, 8, 0);
		break;
	case 9:
		ask(SYS_sched_yield, 0, 0, 0);
		break;
	case 10: /* CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM */
		ask(SYS_clone, 0x50f00, (uint64_t)&thread_stack[sizeof(thread_stack) - 8], 0);
		break;
	case 11:
		ask(SYS_fork, 0, 0, 0);
		break;
	case 12:
		ask(SYS_execve, 0, 0, 0);
		break;
	case 13:
		ask(SYS_exit, 0, 0, 0);
		break;
	case 14:
		ask(SYS_munmap, 0x10000, 0x1000, 0);
		break;
	default:
		ask(SYS_getppid, 0, 0, 0);
	}
}

/* Registers to go on with: good ones, mostly, on another stack. */
static void save(unsigned turn)
{
	uint64_t tcb;

	__asm__("mov %%fs:0, %0" : "=r"(tcb));
	WORDS[W_FRAME + 6] = (uint64_t)&stacks[(turn + 1) % STACKS][16384 - 64];
	WORDS[W_FLAGS] = rnd(8) ? 0x202 : rnd(2) ? 0x302 : -1ul;
	WORDS[W_FS] = rnd(16) ? tcb : 0x8000000000000000ul;
	WORDS[W_GS] = 0;
	WORDS[W_PC] = rnd(16) ? (uint64_t)resume : rnd(2) ? 0 : -1ul;
	if (!rnd(4))
		WORDS[rnd(WORDS_END)] = -1ul;
	if (!rnd(4))
		for (int i = W_FPU; i < WORDS_END; i++)
			WORDS[i] = ~(uint64_t)i;
	STATE[0] = SAVED;
}

/* The program that should wait now does something else; with a task or without. */
static void run_on(unsigned turn)
{
	static char buffer[64];
	char *p = buffer, *page;
	unsigned n = 1;

	switch (rnd(20)) {
	case 0:
		*(volatile char *)8 = 1;
		break;
	case 1:
		__asm__ volatile("ud2");
		break;
	case 2:
		__asm__ volatile("int3");
		break;
	case 3:
		__asm__ volatile("in $0x22, %%al" ::: "rax");
		break;
	case 4:
		__asm__ volatile("mov $0x22, %%edx\n\tinsb" : "+D"(p)::"rdx", "memory");
		break;
	case 5:
		n = 64;
		__asm__ volatile("mov $0x22, %%edx\n\trep insb"
				 : "+D"(p), "+c"(n)::"rdx", "memory");
		break;
	case 6:
		__asm__ volatile("out %%al, $0x22" ::: "memory");
		break;
	case 7:
		__asm__ volatile("hlt");
		break;
	case 8:
		__asm__ volatile("xor %%ecx, %%ecx\n\tdiv %%ecx" ::: "rax", "rcx", "rdx");
		break;
	case 9:
		__asm__ volatile("jmp *%0" ::"r"(0x8000000000000000ul));
		break;
	case 10:
		__asm__ volatile("jmp *%0" ::"r"(0xffffffff80003000ul + rnd(0x700)));
		break;
	case 11:
		syscall(SYS_fork) == 0 ? _exit(0) : 0;
		break;
	case 12:
		page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		page[0] = page[4096] = 1;
		munmap(page, 4096);
		page[0] = 1;
		break;
	case 13:
		__asm__ volatile("pushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\tnop\n\tnop" ::
					 : "memory");
		break;
	case 14: /* says more */
		for (unsigned i = 0; i < 400; i++) {
			STATE[0] = rnd(6);
			if (!rnd(8))
				save(turn);
			wait_a_bit(20);
		}
		break;
	case 15: /* and what would have been waited for */
		for (unsigned i = 0; i < 50; i++) {
			STATE[0] = PARKED;
			wait_a_bit(200);
		}
		break;
	case 16: /* pages, and what it says about them */
		for (unsigned i = 0; i < 40; i++) {
			page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				    -1, 0);
			STATE[0] = rnd(2) ? FAULT : rnd(6);
			page[rnd(2) * 4096] = 1;
			if (!rnd(4))
				save(turn);
			STATE[0] = rnd(2) ? FAULT : rnd(6);
			page[rnd(8192)] = 1;
		}
		break;
	case 17: /* as if one had happened */
		STATE[0] = FAULT;
		__asm__ volatile("jmp *%0" ::"r"(0xffffffff80003000ul + 0x300 + rnd(0x100)));
		break;
	default:
		for (;;)
			look_for_secrets();
	}
	raise(SIGUSR2);
	for (;;)
		;
}

/*
 * Its task sleeps, its registers are saved. Before the vCPU can go on in another address space it
 * is asked to do what only the supervisor can: it does that from here, with an answer of its own.
 */
static void lie_in_wait(unsigned turn)
{
	while (!WORDS[W_SPIN])
		syscall(SYS_getppid);
	save(turn);
	STATE[0] = IDLE;
	if (rnd(2))
		ask(SYS_futex, (uint64_t)&word, FUTEX_WAIT_PRIVATE, 0);
	else
		ask(SYS_read, (uint64_t)feed[0], (uint64_t)alt_stack, 1);
	for (unsigned n = 20000; n && STATE[0] == REQUEST; n--)
		;
	if (STATE[1] <= ERRAND)
		return;
	STATE[0] = SAVED;
	for (unsigned n = 0; n < 200000; n++) {
		if (STATE[0] != IDLE || STATE[1] != ERRAND)
			continue;
		for (int i = 0; i < 20; i++)
			WORDS[W_FRAME + i] = 0;
		WORDS[W_FRAME + 6] = (uint64_t)&stacks[(turn + 1) % STACKS][16384 - 64];
		WORDS[W_FRAME + 16] = (uint64_t)hijacked;
		WORDS[W_FRAME + 17] = 0x202;
		WORDS[W_FRAME_FPU] = 0;
		STATE[1] = 0;
		__asm__ volatile("int3" ::: "memory");
	}
}

static void attack(unsigned turn)
{
	unsigned steps = 1 + rnd(4);

	if (!rnd(4))
		lie_in_wait(turn);
	/* Until somebody polls, or does not like to. */
	for (unsigned n = rnd(8) ? 200 : 0; n && !WORDS[W_SPIN]; n--)
		syscall(SYS_getppid);
	if (!rnd(4))
		WORDS[W_SPIN] = rnd(2) ? 0 : -1ul;
	for (unsigned i = 0; i < steps; i++) {
		switch (rnd(8)) {
		case 0:
			STATE[0] = rnd(6);
			break;
		case 1:
			STATE[0] = PARKED;
			break;
		case 2:
			WORDS[W_CLAIMED] = rnd(2);
			break;
		case 3:
			save(turn);
			break;
		default:
			ask_something();
			/* As long as a poller may take, or not. */
			for (unsigned n = rnd(2) ? 20000 : 10; n && STATE[0] == REQUEST; n--)
				;
			if (rnd(8))
				save(turn);
		}
		wait_a_bit(rnd(3) ? 20 : 3000);
	}
	run_on(turn);
}

static void on_stack(unsigned turn)
{
	__asm__ volatile(
		"mov %0, %%rsp\n\tcall *%1\n\thlt" ::"r"(&stacks[turn % STACKS][16384 - 64]),
		"r"(attack), "D"(turn)
		: "memory");
	__builtin_unreachable();
}

static void *be_bad(void *arg)
{
	static const int signals[] = {SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGTRAP, SIGALRM, SIGUSR2};
	static volatile unsigned turn;
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
	stack_t ss = {.ss_sp = alt_stack, .ss_size = sizeof(alt_stack)};
	sigset_t set;

	sigaltstack(&ss, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
	sa.sa_handler = on_quiet_signal;
	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	sigsetjmp(next, 1);
	on_stack(++turn);
	return arg;
}

/* Its other thread ends what the first one waits for, and in the end maybe everything. */
static void bad(unsigned start)
{
	const struct itimerval every = {{0, 1500}, {0, 1500}};
	const struct timespec moment = {.tv_nsec = 30000};
	unsigned left = start % 2 ? 100 : -1u;
	pthread_t t;
	sigset_t set;

	seed = start;
	am_bad = 1;
	/* It may make calls that it did not mean to. */
	dup2(open("/dev/null", O_WRONLY), 1);
	dup2(1, 2);
	make_pipe(feed);
	fcntl(feed[1], F_SETFL, O_NONBLOCK);
	sigfillset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	if (pthread_create(&t, NULL, be_bad, NULL))
		_exit(1);
	setitimer(ITIMER_REAL, &every, NULL);
	while (left--) {
		if (write(feed[1], "x", 1) == 1)
			nanosleep(&moment, NULL);
		syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1);
	}
	if (start % 4 == 1)
		execl("/proc/self/exe", "bad", (char *)NULL);
	_exit(0);
}

/* One bad program after the other, each for a while. */
static void supervise(unsigned start, unsigned count)
{
	const struct timespec moment = {.tv_nsec = 500000};

	while (count--) {
		pid_t pid = fork();

		if (pid == 0)
			bad(start);
		start++;
		for (int i = 0; i < 50 && pid > 0 && waitpid(pid, NULL, WNOHANG) == 0; i++)
			nanosleep(&moment, NULL);
		if (pid > 0 && kill(pid, SIGKILL) == 0)
			waitpid(pid, NULL, 0);
	}
	_exit(0);
}

/* ---- those who must not notice ---- */

struct pair {
	_Atomic uint32_t turn;
	unsigned count;
};

static void hand_over(struct pair *p, uint32_t me)
{
	while (atomic_load(&p->turn) != me)
		syscall(SYS_futex, &p->turn, FUTEX_WAIT_PRIVATE, !me, NULL, NULL, 0);
	p->count++;
	CHECK_EQ(syscall(SYS_close, -1, SECRET, SECRET, SECRET, SECRET, SECRET), -1);
	CHECK_EQ(errno, EBADF);
	atomic_store(&p->turn, !me);
	CHECK(syscall(SYS_futex, &p->turn, FUTEX_WAKE_PRIVATE, 1) >= 0);
}

static void *second(void *arg)
{
	for (unsigned i = 0; i < TURNS; i++)
		hand_over(arg, 1);
	return (void *)SECRET;
}

static volatile sig_atomic_t signals_seen;

static void count_signal(int sig)
{
	(void)sig;
	signals_seen++;
}

/* What a page fault must not change, and what must be in nobody else's hands meanwhile. */
static void touch_pages(void)
{
	char *page =
		mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	for (int i = 7; i >= 0; i -= 2) {
		uint64_t rcx = SECRET;
		bool carry;

		__asm__ volatile("stc\n\tmovb $1, (%2)"
				 : "+c"(rcx), "=@ccc"(carry)
				 : "r"(page + i * 4096)
				 : "memory");
		CHECK_EQ(rcx, SECRET);
		CHECK(carry);
	}
	CHECK_EQ(munmap(page, 8 * 4096), 0);
}

static void honest(void *arg)
{
	struct pair p = {0};
	pid_t self = getpid();
	double half = 0.5, sum = 0;
	pthread_t t;
	void *result;

	(void)arg;
	CHECK(signal(SIGUSR1, count_signal) != SIG_ERR);
	CHECK_EQ(pthread_create(&t, NULL, second, &p), 0);
	for (unsigned i = 0; i < TURNS; i++) {
		__asm__ volatile("" : "+x"(half));
		sum += half;
		hand_over(&p, 0);
		CHECK_EQ(kill(self, SIGUSR1), 0);
		CHECK_EQ(syscall(SYS_getpid, SECRET, SECRET), self);
		if (i % 4 == 0)
			touch_pages();
	}
	CHECK_EQ(pthread_join(t, &result), 0);
	CHECK_EQ((uint64_t)result, SECRET);
	CHECK_EQ(p.count, 2 * TURNS);
	CHECK_EQ(signals_seen, TURNS);
	CHECK(sum == TURNS * 0.5);
}

static pid_t spawn_supervisor(unsigned start, unsigned count)
{
	pid_t pid = fork_ok();

	if (pid == 0) {
		setpgid(0, 0);
		supervise(start, count);
	}
	CHECK_EQ(setpgid(pid, pid), 0);
	return pid;
}

int main(int argc, char **argv)
{
	pid_t bad_ones[2];
	int status;

	(void)argc;
	if (!strcmp(argv[0], "bad"))
		return 0;
	status = run_child(touch, NULL);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) {
		say("alive\n");
		return 0;
	}
	CHECK_EQ(status, 0);
	leaks = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(leaks != MAP_FAILED);
	for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
		unsigned n = 1 + cycle / 3, alone = cycle % 3 ? 0 : FEW;

		for (unsigned i = 0; i < n; i++)
			bad_ones[i] = spawn_supervisor((cycle * 2 + i) * 1000, alone ? alone : -1u);
		/* Where nobody else wants to run, a vCPU waits in the guest without a task. */
		for (unsigned i = 0; i < n && alone; i++)
			reap_ok(bad_ones[i]);
		CHECK_EQ(run_child(honest, NULL), 0);
		/* Whatever runs without a task is not in the way of its end. */
		for (unsigned i = 0; i < n; i++)
			CHECK(kill(-bad_ones[i], SIGKILL) == 0 || alone);
		while (wait(NULL) > 0)
			;
		CHECK_EQ(errno, ECHILD);
	}
	CHECK_EQ(atomic_load(leaks), 0);
	say("alive\n");
	return 0;
}
