// native: no
// expect-stdout: alive
// cflags: -pthread
// timeout: 60
// Where system calls are answered without leaving the guest, the page through which a vCPU asks is
// the program's to write. Whatever it does with that hurts nobody else, and it never sees there
// what another process asked. Without such a page there is nothing to see.
#include "check.h"

#include <pthread.h>
#include <sys/time.h>

#define PAGE   ((volatile unsigned char *)0xffffffffc0000000ul)
#define WORDS  ((volatile uint64_t *)0xffffffffc0000000ul)
#define STUB   0xffffffff80003000ul
#define STATE  ((volatile uint32_t *)0xffffffffc0000000ul)
#define SECRET 0x5ec2e75ec2e7ul
#define ROUNDS 1000

static void touch(void *arg)
{
	(void)arg;
	_exit(PAGE[0] & 0);
}

/* A request from the program's own code. */
static void ask(unsigned nr, uint64_t a, uint64_t b, uint64_t c)
{
	STATE[1] = nr;
	WORDS[1] = a;
	WORDS[2] = b;
	WORDS[3] = c;
	STATE[0] = 1;
}

static void wait_a_bit(void)
{
	for (volatile int i = 0; i < 2000; i++)
		;
}

/* ---- those who misuse it ---- */

static void scribble(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	alarm(2); /* how long to look for an answer is among what it writes */
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < 40; i++) {
			seed = seed * 1103515245 + 12345;
			WORDS[seed >> 16 & (round & 1 ? 31 : 511)] = (uint64_t)seed << 32 | seed;
		}
		/* Its result and its return address may be what we wrote: so may the end be. */
		syscall(SYS_getppid);
	}
}

static void ask_without_stub(void *arg)
{
	char byte;
	int p[2];

	(void)arg;
	alarm(2); /* some of the calls may block */
	make_pipe(p);
	for (int i = 0; i < ROUNDS; i++) {
		ask(SYS_getpid, 0, 0, 0);
		wait_a_bit();
		ask(SYS_write, (uint64_t)p[1], (uint64_t)&byte, 1);
		wait_a_bit();
		ask(SYS_close, 1000, 0, 0);
		ask(SYS_close, 1001, 0, 0);
		ask((unsigned)i, -1ul, -1ul, -1ul); /* any call that can be asked for */
	}
}

/* The call that it asked for waits for ever, while the program goes on. */
static void go_on(void *arg)
{
	char byte;
	int p[2];

	(void)arg;
	alarm(1);
	make_pipe(p);
	for (int i = 0; i < 100; i++) {
		ask(SYS_read, (uint64_t)p[0], (uint64_t)&byte, 1);
		wait_a_bit();
	}
	for (;;)
		syscall(SYS_getppid);
}

static void ask_the_end(void *arg)
{
	ask((unsigned)(uintptr_t)arg, 0, 0, 0);
	for (int i = 0; i < 100; i++)
		wait_a_bit();
}

/* The address of the nth place in the stub with these bytes; 0: there is none. */
static uintptr_t find_code(const char *bytes, size_t len, unsigned nth)
{
	const unsigned char *stub = (const unsigned char *)STUB;

	for (size_t at = 0; at + len <= 0x1000; at++)
		if (!memcmp(stub + at, bytes, len) && !nth--)
			return STUB + at;
	return 0;
}

static void fill_fpu(unsigned byte)
{
	for (int i = 0x400; i < 0x1000; i++)
		PAGE[i] = (unsigned char)byte;
}

/* Right at the doorbell: the FP state that the stub would have left there is garbage. */
static void forge_fpu(void *arg)
{
	(void)arg;
	for (int round = 0; round < 100; round++) {
		uintptr_t out = find_code("\xe6\x22", 2, (unsigned)round % 2);

		if (!out)
			_exit(1);
		fill_fpu(round & 2 ? 0xff : (unsigned)round);
		WORDS[17] = 0x202;
		WORDS[19] = SYS_sched_yield;
		WORDS[20] = 0;
		__asm__ volatile("lea 1f(%%rip), %%rcx\n\t"
				 "mov %%rcx, 0x38(%1)\n\t"
				 "jmp *%0\n1:"
				 :
				 : "r"(out), "r"(WORDS)
				 : "rax", "rcx", "rdx", "r11", "memory", "cc");
		/* The registers hold what could be made of it. */
		__asm__ volatile("fninit");
	}
}

/* Where FP state is loaded from the page: impossible state is this program's fault. */
static void load_fpu(void *arg)
{
	uintptr_t load = find_code("\x48\x0f\xae\x2c\x25", 5, 0);

	(void)arg;
	if (!load)
		raise(SIGSEGV);
	fill_fpu(0xff);
	__asm__ volatile("mov $-1, %%eax\n\tmov %%eax, %%edx\n\tjmp *%0" ::"r"(load)
			 : "rax", "rdx", "memory");
}

/* ---- those who must not notice ---- */

static volatile bool done;

/* Not by comparing with the secret: no register of who looks may hold it, for those are in the
 * page, too. */
#define HASH(w) ((w) ^ (w) >> 9)

static void *watch(void *arg)
{
	long seen = 0;

	while (!done) {
		for (int i = 0; i < 512; i++) {
			uint64_t w = WORDS[i];

			seen += HASH(w) == HASH(SECRET);
		}
		if (arg)
			syscall(SYS_getppid);
	}
	return (void *)seen;
}

static void on_done(int sig)
{
	(void)sig;
	done = true;
}

/* Reads the page all the time, now and then with a call of its own in it. */
static void spy(void *arg)
{
	CHECK(signal(SIGTERM, on_done) != SIG_ERR);
	send_byte(*(int *)arg);
	CHECK_EQ((long)watch(NULL), 0);
}

static void spy_twice(void *arg)
{
	pthread_t t;
	void *seen;

	CHECK(signal(SIGTERM, on_done) != SIG_ERR);
	CHECK_EQ(pthread_create(&t, NULL, watch, arg), 0);
	send_byte(*(int *)arg);
	CHECK_EQ((long)watch(NULL), 0);
	CHECK_EQ(pthread_join(t, &seen), 0);
	CHECK_EQ((long)seen, 0);
}

/* Its arguments are secret, and its results are its own. */
static void honest(void *arg)
{
	pid_t self = getpid();

	(void)arg;
	for (int i = 0; i < 4 * ROUNDS; i++) {
		CHECK_EQ(syscall(SYS_close, -1, SECRET, SECRET, SECRET, SECRET, SECRET), -1);
		CHECK_EQ(errno, EBADF);
		CHECK_EQ(syscall(SYS_getpid, SECRET, SECRET), self);
	}
}

int main(void)
{
	int status = run_child(touch, NULL), ready[2];
	char byte;
	pid_t spies[2], workers[2], scribblers[4], bad;

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) {
		say("alive\n");
		return 0;
	}
	CHECK_EQ(status, 0);
	make_pipe(ready);
	spies[0] = spawn(spy, &ready[1]);
	spies[1] = spawn(spy_twice, &ready[1]);
	workers[0] = spawn(honest, NULL);
	workers[1] = spawn(honest, NULL);
	for (unsigned i = 0; i < 4; i++)
		scribblers[i] = spawn(scribble, (void *)(uintptr_t)(i + 1));
	for (unsigned i = 0; i < 4; i++)
		reap(scribblers[i]);
	run_child(ask_without_stub, NULL);
	CHECK_EQ(run_child(forge_fpu, NULL), 0);
	status = run_child(load_fpu, NULL);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGSEGV);
	bad = spawn(go_on, NULL);
	run_child(ask_the_end, (void *)SYS_exit_group);
	run_child(ask_the_end, (void *)SYS_fork);
	run_child(ask_the_end, (void *)SYS_execve);
	run_child(ask_the_end, (void *)SYS_rt_sigreturn);
	status = reap(bad);
	CHECK(WIFSIGNALED(status));
	for (int i = 0; i < 2; i++)
		reap_ok(workers[i]);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(read(ready[0], &byte, 1), 1);
		CHECK_EQ(kill(spies[i], SIGTERM), 0);
		reap_ok(spies[i]);
	}
	say("alive\n");
	return 0;
}
