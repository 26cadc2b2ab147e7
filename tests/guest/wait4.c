// variants: static musl
// wait4: WNOHANG, by pid, by group, ECHILD, statuses, rusage, children that end in any order,
// stopped and continued children.
#include "check.h"
#include <sys/resource.h>

static void block(void *arg)
{
	wait_byte(*(int *)arg);
}

static void die_by(void *arg)
{
	raise(*(int *)arg);
	for (;;)
		pause();
}

static void statuses(void)
{
	const int signals[] = {SIGTERM, SIGKILL, SIGABRT, SIGSEGV, SIGUSR1, SIGALRM};
	const int codes[] = {0, 1, 77, 255, 256, -1};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		pid_t pid = fork_ok();

		if (pid == 0)
			_exit(codes[i]);
		say("_exit(%d): %s\n", codes[i], status_text(reap(pid)));
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		int sig = signals[i];

		say("raise(%d): %s\n", sig, status_text(run_child(die_by, &sig)));
	}
}

static void groups(void)
{
	int go[2], status;
	pid_t a, b;

	make_pipe(go);
	a = spawn(block, &go[0]);
	b = spawn(block, &go[0]);
	CHECK_EQ(setpgid(a, a), 0);
	CHECK_EQ(waitpid(-1, &status, WNOHANG), 0);
	send_byte(go[1]);
	send_byte(go[1]);
	CHECK_EQ(waitpid(-a, &status, 0), a);
	CHECK_ERR(waitpid(-a, &status, 0), ECHILD);
	CHECK_EQ(waitpid(0, &status, 0), b);
	CHECK_ERR(waitpid(0, &status, 0), ECHILD);
	CHECK_ERR(waitpid(-1, &status, WNOHANG), ECHILD);
	CHECK_ERR(waitpid(b, &status, 0), ECHILD);
	CHECK_ERR(waitpid(getpid(), &status, 0), ECHILD);
	CHECK_ERR(waitpid(1 << 29, &status, 0), ECHILD);
	CHECK_ERR(wait4(-1, &status, 0x100, NULL), EINVAL);
	CHECK_ERR(wait4(INT32_MIN, &status, 0, NULL), ESRCH);
	say("groups ok\n");
}

static void stopping(void)
{
	int status;
	pid_t pid = spawn(die_by, &(int){SIGSTOP});

	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	say("%s\n", status_text(status));
	CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
	CHECK_EQ(kill(pid, SIGCONT), 0);
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	say("continued %d\n", !!WIFCONTINUED(status));
	CHECK_EQ(kill(pid, SIGSTOP), 0);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	say("%s\n", status_text(reap(pid)));
}

int main(void)
{
	struct rusage usage;
	pid_t pid[10];
	int status, go[10][2];

	CHECK_ERR(wait(NULL), ECHILD);
	statuses();
	groups();
	stopping();
	/* In the reverse order of their making. */
	for (int i = 0; i < 10; i++) {
		make_pipe(go[i]);
		pid[i] = spawn(block, &go[i][0]);
	}
	for (int i = 9; i >= 0; i--) {
		send_byte(go[i][1]);
		memset(&usage, 0xff, sizeof(usage));
		CHECK_EQ(wait4(-1, &status, 0, &usage), pid[i]);
		CHECK(usage.ru_utime.tv_sec >= 0 && usage.ru_utime.tv_sec < 20);
		CHECK(usage.ru_utime.tv_usec >= 0 && usage.ru_utime.tv_usec < 1000000);
		CHECK(usage.ru_nswap == 0);
	}
	/* A bad status pointer: the child is not lost to a later wait; Linux reaps it. */
	pid[0] = fork_ok();
	if (pid[0] == 0)
		_exit(0);
	say("bad pointer: %d\n", wait4(pid[0], (int *)8, 0, NULL) < 0 ? errno : 0);
	say("then: %d\n", waitpid(pid[0], NULL, 0) < 0 ? errno : 0);
	return 0;
}
