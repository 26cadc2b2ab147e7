// SIGBUS: a touch of a mapped file past its end, at once and after a truncation, with the address
// and BUS_ADRERR; a handler that makes the file longer mends it; and unhandled it kills.
#include "check.h"
#include <setjmp.h>

#define PAGE 4096

static sigjmp_buf env;
static volatile sig_atomic_t code;
static void *volatile where;
static int fd;
static bool mend;

static void handler(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	CHECK_EQ(sig, SIGBUS);
	code = si->si_code;
	where = si->si_addr;
	if (!mend)
		siglongjmp(env, 1);
	CHECK_EQ(ftruncate(fd, 2 * PAGE), 0);
}

static void touch(void *p)
{
	*(volatile char *)p = 1;
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	const char *dir = temp_dir(), *path = temp_path(dir, "f");
	unsigned char *p;

	fd = open(path, O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(sigaction(SIGBUS, &sa, NULL), 0);
	touch(p);
	if (sigsetjmp(env, 1) == 0) {
		touch(p + PAGE + 5);
		say("not reached\n");
	}
	say("past the end: %s, right address: %d\n", code == BUS_ADRERR ? "BUS_ADRERR" : "?",
	    where == p + PAGE + 5);
	mend = true;
	touch(p + PAGE + 9);
	CHECK_EQ(p[PAGE + 9], 1);
	say("mended\n");
	mend = false;
	CHECK_EQ(ftruncate(fd, 0), 0);
	where = NULL;
	if (sigsetjmp(env, 1) == 0) {
		touch(p + 7);
		say("not reached\n");
	}
	say("truncated: %s, right address: %d\n", code == BUS_ADRERR ? "BUS_ADRERR" : "?",
	    where == p + 7);
	/* The kernel's own touch is an error of the call, not a signal. */
	CHECK_ERR(write(STDOUT_FILENO, p, 10), EFAULT);
	signal(SIGBUS, SIG_DFL);
	say("unhandled: %s\n", status_text(run_child(touch, p)));
	unlink(path);
	rmdir(dir);
	return 0;
}
