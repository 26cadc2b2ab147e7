// variants: static musl
// execve: a program in place of this one, keeping pid, ignored signals, mask, cwd and plain
// descriptors; caught signals go back to default, close-on-exec descriptors go away; failures
// leave the caller as it was.
#include "check.h"

static void handler(int sig)
{
	(void)sig;
}

static int second(char **argv)
{
	struct sigaction sa;
	sigset_t mask;
	char cwd[64];

	say("argv0 %s, argv2 '%s', env '%s'\n", argv[0], argv[2], getenv("MARK"));
	CHECK(getenv("PATH") == NULL);
	CHECK_EQ(getpid(), atoi(argv[3]));
	sigaction(SIGUSR1, NULL, &sa);
	CHECK(sa.sa_handler == SIG_DFL);
	sigaction(SIGUSR2, NULL, &sa);
	CHECK(sa.sa_handler == SIG_IGN);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	CHECK(sigismember(&mask, SIGALRM));
	CHECK(!sigismember(&mask, SIGTERM));
	sigpending(&mask);
	CHECK(sigismember(&mask, SIGALRM));
	CHECK_EQ(fcntl(20, F_GETFD), 0);
	CHECK_ERR(fcntl(21, F_GETFD), EBADF);
	CHECK(getcwd(cwd, sizeof(cwd)) != NULL);
	CHECK(strcmp(cwd, "/tmp") == 0);
	CHECK_EQ(umask(022), 027);
	wait_byte(20);
	return 42;
}

static void failures(void)
{
	char *args[] = {(char[]){"x"}, NULL};
	char *empty[] = {NULL};
	const char *dir = temp_dir();
	const char *plain = temp_path(dir, "plain"), *noexec = temp_path(dir, "noexec");

	write_file(plain, "just text\n", 10, 0755);
	write_file(noexec, "#!/bin/sh\n", 10, 0644);
	CHECK_ERR(execve("/no/such/program", args, empty), ENOENT);
	CHECK_ERR(execve("", args, empty), ENOENT);
	CHECK_ERR(execve(dir, args, empty), EACCES);
	CHECK_ERR(execve("/dev/null", args, empty), EACCES);
	CHECK_ERR(execve(noexec, args, empty), EACCES);
	CHECK_ERR(execve(plain, args, empty), ENOEXEC);
	CHECK_ERR(execve(temp_path(dir, "plain/x"), args, empty), ENOTDIR);
	CHECK_ERR(syscall(SYS_execve, 8, args, empty), EFAULT);
	CHECK_ERR(syscall(SYS_execve, "/proc/self/exe", 8, empty), EFAULT);
	CHECK_ERR(syscall(SYS_execve, "/proc/self/exe", args, 8), EFAULT);
	write_file(plain, "", 0, 0755);
	CHECK_ERR(execve(plain, args, empty), ENOEXEC);
	unlink(plain);
	unlink(noexec);
	rmdir(dir);
	say("failures ok\n");
}

int main(int argc, char **argv)
{
	char self[512], pid_text[16];
	int fd[2];
	pid_t pid;
	ssize_t n;

	if (argc > 3 && strcmp(argv[1], "second") == 0)
		return second(argv);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	CHECK(n > 0);
	self[n] = 0;
	failures();
	pid = fork_ok();
	if (pid == 0) {
		sigset_t mask;

		make_pipe(fd);
		CHECK_EQ(dup2(fd[0], 20), 20);
		CHECK_EQ(dup3(fd[0], 21, O_CLOEXEC), 21);
		send_byte(fd[1]);
		signal(SIGUSR1, handler);
		signal(SIGUSR2, SIG_IGN);
		sigemptyset(&mask);
		sigaddset(&mask, SIGALRM);
		sigprocmask(SIG_BLOCK, &mask, NULL);
		kill(getpid(), SIGALRM);
		CHECK_EQ(chdir("/tmp"), 0);
		umask(027);
		snprintf(pid_text, sizeof(pid_text), "%d", getpid());
		execve(self,
		       (char *[]){(char[]){"zero"}, (char[]){"second"}, (char[]){""}, pid_text,
				  NULL},
		       (char *[]){(char[]){"MARK=yes"}, NULL});
		CHECK(0);
	}
	say("%s\n", status_text(reap(pid)));
	return 0;
}
