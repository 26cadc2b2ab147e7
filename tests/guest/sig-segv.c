// variants: static musl
// Faults become signals with the right number, code and address; a handler may mend the cause,
// jump out, or return into the same fault; a blocked or ignored fault kills.
#include "check.h"
#include <setjmp.h>

#define PAGE 4096

static volatile int signo, code;
static volatile uintptr_t where;
static unsigned char *page;
static sigjmp_buf env;

static void jump(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	signo = sig;
	code = si->si_code;
	where = (uintptr_t)si->si_addr;
	siglongjmp(env, 1);
}

static void mend(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	signo = sig;
	code = si->si_code;
	where = (uintptr_t)si->si_addr;
	CHECK_EQ(mprotect(page, PAGE, PROT_READ | PROT_WRITE), 0);
}

static void install(void (*fn)(int, siginfo_t *, void *))
{
	struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
}

static void try(const char *what, volatile unsigned char *p, bool write)
{
	signo = 0;
	if (sigsetjmp(env, 1) == 0) {
		if (write)
			*p = 1;
		else
			(void)*p;
	}
	if (signo)
		CHECK_EQ(where, (uintptr_t)p);
	say("%s: signal %d code %d\n", what, signo, signo ? code : 0);
}

static void blocked(void *arg)
{
	sigset_t set;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*(volatile char *)8 = 1;
}

static void ignored(void *arg)
{
	(void)arg;
	signal(SIGSEGV, SIG_IGN);
	*(volatile char *)8 = 1;
}

int main(void)
{
	page = map_pages(2 * PAGE, PROT_READ | PROT_WRITE);
	CHECK_EQ(munmap(page + PAGE, PAGE), 0);
	install(jump);
	try("NULL read", (unsigned char *)0, false);
	try("NULL write", (unsigned char *)(uintptr_t)16, true);
	try("past the end", page + PAGE, true);
	try("mapped", page, true);
	CHECK_EQ(mprotect(page, PAGE, PROT_READ), 0);
	try("read-only write", page + 5, true);
	try("read-only read", page + 5, false);
	CHECK_EQ(mprotect(page, PAGE, PROT_NONE), 0);
	try("PROT_NONE", page + 4095, false);
	try("text write", (unsigned char *)(uintptr_t)main, true);

	/* mended: the instruction runs again */
	CHECK_EQ(mprotect(page, PAGE, PROT_READ), 0);
	install(mend);
	page[77] = 42;
	CHECK_EQ(page[77], 42);
	CHECK_EQ(where, (uintptr_t)(page + 77));
	say("mended: signal %d code %d\n", signo, code);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(mprotect(page, PAGE, PROT_READ), 0);
		page[i] = (unsigned char)i;
		CHECK_EQ(page[i], i);
	}
	install(jump);
	if (sigsetjmp(env, 1) == 0)
		__builtin_trap();
	say("trap: signal %d\n", signo);
	say("blocked: %s\n", status_text(run_child(blocked, NULL)));
	say("ignored: %s\n", status_text(run_child(ignored, NULL)));
	return 0;
}
