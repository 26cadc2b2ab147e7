// clone for processes: exit signal, SETTID and CLEARTID words, CLONE_VFORK, CLONE_VM,
// CLONE_PARENT, CLONE_FILES, and the combinations that make no sense.
#include "check.h"
#include <sched.h>

static pid_t parent_word, child_word;
static volatile int shared;

/* The raw call without a new stack: like fork. The order of the last two arguments is the
 * architecture's. */
static long raw_clone(unsigned long flags, pid_t *ptid, pid_t *ctid)
{
#if defined(__x86_64__)
	return syscall(SYS_clone, flags, 0, ptid, ctid, 0);
#else
	return syscall(SYS_clone, flags, 0, ptid, 0, ctid);
#endif
}

static int vm_child(void *arg)
{
	shared = *(int *)arg;
	_exit(3);
}

static void bad(const char *what, unsigned long flags)
{
	long ret = raw_clone(flags, NULL, NULL);

	if (ret == 0)
		_exit(0);
	say("%s: %s\n", what, ret > 0 ? "made" : errno == EINVAL ? "EINVAL" : "other");
	if (ret > 0)
		waitpid((pid_t)ret, NULL, __WALL);
}

int main(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int value = 77, fd;
	pid_t pid;

	pid = (pid_t)raw_clone(SIGCHLD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |
				       CLONE_CHILD_CLEARTID,
			       &parent_word, &child_word);
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK_EQ(child_word, (pid_t)syscall(SYS_getpid));
		_exit(1);
	}
	CHECK_EQ(parent_word, pid);
	CHECK_EQ(child_word, 0);
	say("settid: %s\n", status_text(reap(pid)));

	/* no exit signal: only __WALL or __WCLONE sees it */
	pid = (pid_t)raw_clone(0, NULL, NULL);
	if (pid == 0)
		_exit(2);
	CHECK(pid > 0);
	CHECK_ERR(waitpid(pid, NULL, 0), ECHILD);
	CHECK_EQ(waitpid(pid, &value, __WCLONE), pid);
	say("no signal: %s\n", status_text(value));
	signal(SIGUSR1, SIG_IGN);
	pid = (pid_t)raw_clone(SIGUSR1, NULL, NULL);
	if (pid == 0)
		_exit(2);
	CHECK_EQ(waitpid(pid, &value, __WALL), pid);
	signal(SIGUSR1, SIG_DFL);

	/* memory shared, own stack; the parent stands still meanwhile */
	value = 55;
	pid = clone(vm_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &value);
	CHECK(pid > 0);
	CHECK_EQ(shared, 55);
	say("vm|vfork: %s\n", status_text(reap(pid)));
	value = 56;
	pid = clone(vm_child, stack + sizeof(stack), CLONE_VM | SIGCHLD, &value);
	CHECK(pid > 0);
	say("vm: %s", status_text(reap(pid)));
	say(", shared %d\n", shared);
	pid = clone(vm_child, stack + sizeof(stack), SIGCHLD, &value);
	shared = 0;
	say("own memory: %s", status_text(reap(pid)));
	say(", shared %d\n", shared);

	/* descriptors shared */
	pid = (pid_t)raw_clone(SIGCHLD | CLONE_FILES, NULL, NULL);
	if (pid == 0)
		_exit(dup2(1, 40) == 40 ? 0 : 1);
	reap_ok(pid);
	fd = fcntl(40, F_GETFD);
	say("files: %s\n", fd >= 0 ? "shared" : "not shared");
	close(40);

	/* a sibling instead of a child (init itself may not make one) */
	pid = fork_ok();
	if (pid == 0) {
		pid_t parent = getppid(),
		      sibling = (pid_t)raw_clone(SIGCHLD | CLONE_PARENT, NULL, NULL);

		if (sibling == 0) {
			CHECK_EQ(getppid(), parent);
			_exit(8);
		}
		CHECK(sibling > 0);
		CHECK_ERR(waitpid(sibling, NULL, 0), ECHILD);
		_exit(0);
	}
	reap_ok(pid);
	CHECK(waitpid(-1, &value, 0) > 0);
	say("sibling: %s\n", status_text(value));

	bad("SIGHAND without VM", SIGCHLD | CLONE_SIGHAND);
	bad("THREAD without SIGHAND", SIGCHLD | CLONE_THREAD);
	bad("THREAD without VM", CLONE_THREAD | CLONE_SIGHAND);
	bad("FS with NEWNS", SIGCHLD | CLONE_FS | CLONE_NEWNS);
	bad("plain", SIGCHLD);
	return 0;
}
