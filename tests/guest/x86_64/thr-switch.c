// cflags: -pthread
// expect-stdout: ok
// Threads that hand a token around by futexes, with signals to each other and to themselves: in
// each of their system calls every register, the flags, FP state and TLS are those of the thread
// that made it, whoever ran meanwhile. Threads that come and go in between have theirs, too.
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>

#define THREADS 3
#define ROUNDS  400

struct state {
	uint64_t rax, rdi, rsi, rdx, r10, r8, r9;
	uint64_t rbx, rbp, r12, r13, r14, r15;
	uint64_t flags;
	uint32_t mxcsr, unused;
	uint8_t xmm[16][16];
};

/* Loads in, makes the call, stores what is there then. */
void around_call(const struct state *in, struct state *out);
__asm__(".text\n"
	"around_call:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rsi\n"
	"	mov %rdi, %rcx\n"
	"	ldmxcsr 112(%rcx)\n"
	"	.set n, 0\n"
	"	.irpc d, 01234567\n"
	"	movups 120+16*\\d(%rcx), %xmm\\d\n"
	"	.endr\n"
	"	movups 120+16*8(%rcx), %xmm8\n"
	"	movups 120+16*9(%rcx), %xmm9\n"
	"	movups 120+16*10(%rcx), %xmm10\n"
	"	movups 120+16*11(%rcx), %xmm11\n"
	"	movups 120+16*12(%rcx), %xmm12\n"
	"	movups 120+16*13(%rcx), %xmm13\n"
	"	movups 120+16*14(%rcx), %xmm14\n"
	"	movups 120+16*15(%rcx), %xmm15\n"
	"	mov 0(%rcx), %rax; mov 8(%rcx), %rdi; mov 16(%rcx), %rsi; mov 24(%rcx), %rdx\n"
	"	mov 32(%rcx), %r10; mov 40(%rcx), %r8; mov 48(%rcx), %r9\n"
	"	mov 56(%rcx), %rbx; mov 64(%rcx), %rbp\n"
	"	mov 72(%rcx), %r12; mov 80(%rcx), %r13; mov 88(%rcx), %r14; mov 96(%rcx), %r15\n"
	"	push 104(%rcx); popfq\n"
	"	syscall\n"
	"	mov (%rsp), %rcx\n"
	"	pushfq; pop 104(%rcx); cld\n"
	"	mov %rax, 0(%rcx); mov %rdi, 8(%rcx); mov %rsi, 16(%rcx); mov %rdx, 24(%rcx)\n"
	"	mov %r10, 32(%rcx); mov %r8, 40(%rcx); mov %r9, 48(%rcx)\n"
	"	mov %rbx, 56(%rcx); mov %rbp, 64(%rcx)\n"
	"	mov %r12, 72(%rcx); mov %r13, 80(%rcx); mov %r14, 88(%rcx); mov %r15, 96(%rcx)\n"
	"	stmxcsr 112(%rcx)\n"
	"	.irpc d, 01234567\n"
	"	movups %xmm\\d, 120+16*\\d(%rcx)\n"
	"	.endr\n"
	"	movups %xmm8, 120+16*8(%rcx)\n"
	"	movups %xmm9, 120+16*9(%rcx)\n"
	"	movups %xmm10, 120+16*10(%rcx)\n"
	"	movups %xmm11, 120+16*11(%rcx)\n"
	"	movups %xmm12, 120+16*12(%rcx)\n"
	"	movups %xmm13, 120+16*13(%rcx)\n"
	"	movups %xmm14, 120+16*14(%rcx)\n"
	"	movups %xmm15, 120+16*15(%rcx)\n"
	"	movl $0x1f80, -4(%rsp); ldmxcsr -4(%rsp)\n"
	"	pop %rsi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");
_Static_assert(offsetof(struct state, rbx) == 56 && offsetof(struct state, flags) == 104 &&
		       offsetof(struct state, mxcsr) == 112 && offsetof(struct state, xmm) == 120,
	       "the code above knows them");

#define CF 0x1
#define ZF 0x40
#define DF 0x400

static uint32_t token;
static pid_t tids[THREADS];
static __thread unsigned me, calls, signals;

static long call(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct state in, out;
	uint64_t seed = me + 1;

	for (size_t i = 0; i < sizeof(in); i++)
		((uint8_t *)&in)[i] = (uint8_t)(seed * 37 + ++calls);
	in.rax = (uint64_t)nr;
	in.rdi = a;
	in.rsi = b;
	in.rdx = c;
	in.r10 = d;
	in.flags = 0x202 | (calls & 1 ? CF : 0) | (seed & 1 ? ZF : 0) | (calls & 2 ? DF : 0);
	/* Rounding is each thread's. */
	in.mxcsr = 0x1f80 | (uint32_t)(seed & 3) << 13;
	in.unused = 0;
	around_call(&in, &out);
	a = out.rax;
	out.rax = in.rax;
	out.unused = 0;
	CHECK_EQ(out.flags & (CF | ZF | DF), in.flags & (CF | ZF | DF));
	out.flags = in.flags;
	CHECK(memcmp(&in, &out, sizeof(in)) == 0);
	return (long)a;
}

static void handler(int sig)
{
	double d = sig;

	/* Ruins what it can, and makes calls of its own. */
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; movdqa %%xmm0, %%xmm9; mulsd %0, %%xmm1"
			 : "+x"(d)
			 :
			 : "xmm0", "xmm1", "xmm9");
	if (sig == SIGUSR1)
		CHECK_EQ(call(SYS_gettid, 0, 0, 0, 0), tids[me]);
	signals++;
}

static void *come_and_go(void *arg)
{
	static __thread unsigned mine;

	CHECK_EQ(mine, 0);
	mine = me = (unsigned)(uintptr_t)arg;
	CHECK_EQ(call(SYS_getppid, 0, 0, 0, 0), getppid());
	CHECK_EQ(mine, (unsigned)(uintptr_t)arg);
	return arg;
}

static void make_and_join(unsigned n)
{
	pthread_t t;
	void *back;

	CHECK_EQ(pthread_create(&t, NULL, come_and_go, (void *)(uintptr_t)(n % 7 + 1)), 0);
	CHECK_EQ(pthread_join(t, &back), 0);
	CHECK_EQ((uintptr_t)back, n % 7 + 1);
}

static void await_token(void)
{
	for (;;) {
		uint32_t now = __atomic_load_n(&token, __ATOMIC_SEQ_CST);
		long r;

		if (now % THREADS == me)
			return;
		r = call(SYS_futex, (uintptr_t)&token, FUTEX_WAIT_PRIVATE, now, 0);
		CHECK(r == 0 || r == -EAGAIN || r == -EINTR);
	}
}

static void *pass_around(void *arg)
{
	me = (unsigned)(uintptr_t)arg;
	tids[me] = (pid_t)syscall(SYS_gettid);
	for (unsigned i = 0; i < ROUNDS; i++) {
		await_token();
		if (i % 8 == 3)
			CHECK_EQ(call(SYS_tgkill, (uint64_t)getpid(), (uint64_t)tids[me], SIGUSR1,
				      0),
				 0);
		/* The others wait for the token, or are on the way to. */
		if (i % 8 == 6)
			CHECK_EQ(call(SYS_tgkill, (uint64_t)getpid(),
				      (uint64_t)tids[(me + 1) % THREADS], SIGUSR2, 0),
				 0);
		if (i % 16 == 1)
			make_and_join(i);
		if (i % 16 == 9)
			CHECK_EQ(call(SYS_sched_yield, 0, 0, 0, 0), 0);
		__atomic_fetch_add(&token, 1, __ATOMIC_SEQ_CST);
		call(SYS_futex, (uintptr_t)&token, FUTEX_WAKE_PRIVATE, THREADS, 0);
	}
	/* Its own; those of the others may still be on their way to the last of them. */
	CHECK(signals >= ROUNDS / 8);
	CHECK_EQ(me, (uintptr_t)arg);
	return NULL;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
	pthread_t t[THREADS];

	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	sa.sa_flags = 0;
	CHECK_EQ(sigaction(SIGUSR2, &sa, NULL), 0);
	/* All are known before the first round begins. */
	token = THREADS - 1;
	for (uintptr_t i = 0; i < THREADS; i++) {
		CHECK_EQ(pthread_create(&t[i], NULL, pass_around, (void *)i), 0);
		while (!__atomic_load_n(&tids[i], __ATOMIC_SEQ_CST))
			sched_yield();
	}
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	say("ok\n");
	return 0;
}
