// cflags: -pthread
// clone(CLONE_THREAD) by hand: the words it stores and clears, what is shared without CLONE_FILES
// and CLONE_FS, who waits for it (nobody), and the combinations that make no sense.
#include "check.h"
#include <linux/futex.h>
#include <sched.h>

#define THREAD (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)

static pid_t parent_word, child_word;
static volatile int go, done, result;
static char stack[65536] __attribute__((aligned(16)));

/* These threads share the maker's TLS: no errno, no libc. */
static long raw(long nr, long a, long b, long c)
{
#if defined(__x86_64__)
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
#else
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
#endif
}

static void wait_until_gone(void)
{
	pid_t tid;

	while ((tid = __atomic_load_n(&child_word, __ATOMIC_SEQ_CST)))
		syscall(SYS_futex, &child_word, FUTEX_WAIT, tid, NULL, NULL, 0);
}

static int ids(void *arg)
{
	(void)arg;
	result = child_word == (pid_t)raw(SYS_gettid, 0, 0, 0) && parent_word == child_word;
	return 0;
}

static int close_one(void *arg)
{
	result = (int)raw(SYS_close, (long)(intptr_t)arg, 0, 0);
	return 0;
}

static int change_dir(void *arg)
{
	result = (int)raw(SYS_chdir, (long)arg, 0, 0);
	raw(SYS_umask, 0, 0, 0);
	return 0;
}

static int hold(void *arg)
{
	(void)arg;
	done = 1;
	while (!go)
		raw(SYS_sched_yield, 0, 0, 0);
	return 0;
}

static pid_t run(int (*fn)(void *), void *arg, int flags)
{
	pid_t tid;

	result = -1;
	parent_word = 0;
	child_word = -1;
	tid = clone(fn, stack + sizeof(stack),
		    flags | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, arg,
		    &parent_word, NULL, &child_word);
	CHECK(tid > 0);
	CHECK(tid != getpid());
	if (fn != hold) {
		wait_until_gone();
		CHECK_EQ(parent_word, tid);
	}
	return tid;
}

static void bad(const char *what, unsigned long flags)
{
	/* With exit signal and stack, so that nothing can start by accident. */
	long ret = clone(ids, stack + sizeof(stack), (int)flags, NULL, NULL, NULL, NULL);

	say("%s: %s\n", what, ret > 0 ? "made" : errno == EINVAL ? "EINVAL" : "other");
}

int main(void)
{
	char dir[4096], dir2[4096];
	cpu_set_t set;
	mode_t mask;
	int fd;
	pid_t tid;

	run(ids, NULL, THREAD | CLONE_FS | CLONE_FILES);
	CHECK_EQ(result, 1);
	run(ids, NULL, THREAD | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | SIGUSR1);
	CHECK_EQ(result, 1);
	CHECK_ERR(waitpid(-1, NULL, __WALL), ECHILD);
	say("words ok, nobody to wait for\n");

	fd = dup(1);
	run(close_one, (void *)(intptr_t)fd, THREAD | CLONE_FS | CLONE_FILES);
	CHECK_EQ(result, 0);
	CHECK_ERR(fcntl(fd, F_GETFD), EBADF);
	fd = dup(1);
	run(close_one, (void *)(intptr_t)fd, THREAD | CLONE_FS);
	CHECK_EQ(result, 0);
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	close(fd);
	say("descriptors ok\n");

	mask = umask(022);
	CHECK_EQ(chdir("/"), 0);
	run(change_dir, (void *)(uintptr_t) "/tmp", THREAD | CLONE_FILES);
	CHECK_EQ(result, 0);
	CHECK(getcwd(dir, sizeof(dir)) != NULL);
	CHECK_EQ(umask(022), 022);
	run(change_dir, (void *)(uintptr_t) "/tmp", THREAD | CLONE_FILES | CLONE_FS);
	CHECK(getcwd(dir2, sizeof(dir2)) != NULL);
	CHECK_EQ(umask(mask), 0);
	say("directory: %s, then %s\n", dir, dir2);

	/* another thread by its id */
	tid = run(hold, NULL, THREAD | CLONE_FS | CLONE_FILES);
	while (!done)
		sched_yield();
	CHECK_EQ(sched_getaffinity(tid, sizeof(set), &set), 0);
	CHECK_EQ(sched_setaffinity(tid, sizeof(set), &set), 0);
	CHECK_EQ(syscall(SYS_tgkill, getpid(), tid, 0), 0);
	CHECK_EQ(syscall(SYS_tkill, tid, 0), 0);
	CHECK_ERR(syscall(SYS_tgkill, tid, tid, 0), ESRCH);
	CHECK_ERR(syscall(SYS_tgkill, getpid(), tid, 65), EINVAL);
	CHECK_EQ(kill(tid, 0), 0); /* names its process, too */
	CHECK_ERR(waitpid(tid, NULL, __WALL), ECHILD);
	CHECK_EQ(getpgid(tid), getpgrp());
	CHECK_EQ(getsid(tid), getsid(0));
	go = 1;
	wait_until_gone();
	/* the word is cleared a little before the id is free */
	while (syscall(SYS_tgkill, getpid(), tid, 0) == 0)
		sched_yield();
	CHECK_EQ(errno, ESRCH);
	CHECK_ERR(sched_getaffinity(tid, sizeof(set), &set), ESRCH);
	say("thread ids ok\n");

	bad("THREAD alone", CLONE_THREAD);
	bad("THREAD|VM", CLONE_THREAD | CLONE_VM);
	bad("THREAD|SIGHAND", CLONE_THREAD | CLONE_SIGHAND);
	bad("SIGHAND", CLONE_SIGHAND);
	bad("THREAD|NEWPID", THREAD | CLONE_NEWPID);
	bad("THREAD|NEWUSER", THREAD | CLONE_NEWUSER);
	bad("THREAD|FS|NEWNS", THREAD | CLONE_FS | CLONE_NEWNS);
	return 0;
}
