// execve, execveat, clone, clone3, fork, unshare, setns and kcmp: the errors of their man pages.
// kernel: 6.8 (execve looks for the program before it counts the arguments)
#include "err.h"
#include <linux/sched.h>
#include <sched.h>
#include <sys/resource.h>

#define NOBODY 99999999
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

static const char *dir;
static char *const args[] = {(char *)"x", NULL};
static pid_t parent;

/* With a path in the test's directory. */
#define EXEC(name) S(execve, temp_path(dir, name), args, NULL)

static void exec_of(const char *what, const void *data, size_t len, mode_t mode)
{
	write_file(temp_path(dir, "f"), data, len, mode);
	say("%s: ", what);
	TRY(EXEC("f"));
	CHECK_EQ(unlink(temp_path(dir, "f")), 0);
}

#define EXEC_OF(what, text, mode) exec_of(what, text, sizeof(text) - 1, mode)

static void paths(void)
{
	TRY(EXEC("none"));
	TRY(EXEC(""));
	TRY(S(execve, "", args, NULL));
	TRY(S(execve, "/dev/null/x", args, NULL));
	TRY(S(execve, "/dev/null", args, NULL));
	TRY(S(execve, dir, args, NULL));
	TRY(S(execve, BAD_POINTER, args, NULL));
	TRY(S(execve, NULL, args, NULL));
	TRY(S(execve, long_path(4096, "x"), args, NULL));
	TRY(S(execve, long_name(256), args, NULL));
	TRY(S(execve, "/proc/self/exe", BAD_POINTER, NULL));
	TRY(S(execve, "/proc/self/exe", args, BAD_POINTER));
	TRY(S(execve, "/proc/self/exe", ((void *[]){BAD_POINTER, NULL}), NULL));
	CHECK_EQ(symlink("loop", temp_path(dir, "loop")), 0);
	TRY(EXEC("loop"));
	CHECK_EQ(unlink(temp_path(dir, "loop")), 0);
	CHECK_EQ(mkfifo(temp_path(dir, "fifo"), 0755), 0);
	TRY(EXEC("fifo"));
	CHECK_EQ(unlink(temp_path(dir, "fifo")), 0);
}

static void contents(void)
{
	EXEC_OF("no permission", "#!/bin/sh\n", 0600);
	EXEC_OF("empty", "", 0755);
	EXEC_OF("text", "hello world, no image\n", 0755);
	EXEC_OF("elf alone", "\177ELF", 0755);
	EXEC_OF("no interpreter", "#!/none\n", 0755);
	EXEC_OF("interpreter is a directory", "#!/\n", 0755);
	EXEC_OF("interpreter has no permission", "#!/dev/null\n", 0755);
	EXEC_OF("blank interpreter", "#!   \n", 0755);
	EXEC_OF("nothing behind the marks", "#!", 0755);
}

/* The nesting of scripts that is too deep is ELOOP. */
static void nested(void)
{
	char line[300];

	snprintf(line, sizeof(line), "#!%s\n", temp_path(dir, "self"));
	write_file(temp_path(dir, "self"), line, strlen(line), 0755);
	TRY(EXEC("self"));
	CHECK_EQ(unlink(temp_path(dir, "self")), 0);
}

/* An interpreter's name that does not end within the 256 bytes that are looked at. */
static void long_line(void)
{
	char line[600];

	memset(line, 'x', sizeof(line));
	memcpy(line, "#!/", 3);
	exec_of("endless interpreter", line, sizeof(line), 0755);
	line[200] = '\n';
	exec_of("long interpreter", line, sizeof(line), 0755);
}

static void at(void)
{
	int fd, d = open(dir, O_PATH | O_DIRECTORY);

	write_file(temp_path(dir, "s"), "#!/none\n", 8, 0755);
	CHECK_EQ(symlink("s", temp_path(dir, "l")), 0);
	TRY(S(execveat, d, "none", args, NULL, 0));
	TRY(S(execveat, d, "s", args, NULL, 0));
	TRY(S(execveat, d, "s", args, NULL, 1));
	TRY(S(execveat, d, "l", args, NULL, AT_SYMLINK_NOFOLLOW));
	TRY(S(execveat, d, "", args, NULL, 0));
	TRY(S(execveat, d, "", args, NULL, AT_EMPTY_PATH));
	TRY(S(execveat, 999, "s", args, NULL, 0));
	TRY(S(execveat, -1, "s", args, NULL, 0));
	TRY(S(execveat, 999, "", args, NULL, AT_EMPTY_PATH));
	TRY(S(execveat, d, BAD_POINTER, args, NULL, 0));
	TRY(S(execveat, d, NULL, args, NULL, AT_EMPTY_PATH));
	fd = open(temp_path(dir, "s"), O_RDONLY);
	TRY(S(execveat, fd, "", args, NULL, AT_EMPTY_PATH));
	TRY(S(execveat, fd, "s", args, NULL, 0));
	close(fd);
	/* a script by a descriptor that its interpreter would not have any more */
	write_file(temp_path(dir, "t"), "#!/bin/sh\n", 10, 0755);
	fd = open(temp_path(dir, "t"), O_RDONLY | O_CLOEXEC);
	TRY(S(execveat, fd, "", args, NULL, AT_EMPTY_PATH));
	close(fd);
	close(d);
	CHECK_EQ(unlink(temp_path(dir, "l")), 0);
	CHECK_EQ(unlink(temp_path(dir, "s")), 0);
	CHECK_EQ(unlink(temp_path(dir, "t")), 0);
}

/* Arguments: one may have 128 KiB, all together a quarter of the stack's limit, at least 128 KiB.
 */
static void sizes(void *arg)
{
	static char one[(128 << 10) + 1];
	char *v[3] = {one, NULL}, **many;
	struct rlimit stack = {1 << 20, 1 << 20};

	(void)arg;
	memset(one, 'x', sizeof(one) - 1);
	TRY(S(execve, "/none", v, NULL));
	TRY(S(execve, "/proc/self/exe", v, NULL));
	TRY(S(execve, "/proc/self/exe", args, v));
	one[100 << 10] = 0;
	v[1] = one;
	CHECK_EQ(setrlimit(RLIMIT_STACK, &stack), 0);
	TRY(S(execve, "/dev/null", v, v));
	v[1] = NULL;
	many = calloc(300001, sizeof(*many));
	for (int i = 0; i < 300000; i++)
		many[i] = one + (100 << 10);
	TRY(S(execve, "/proc/self/exe", many, NULL));
}

static void clones(void)
{
	struct clone_args a = {.exit_signal = SIGCHLD}, b;
	unsigned long ns = 0x10000000; /* CLONE_NEWUSER */

	TRY(S(clone, CLONE_SIGHAND | SIGCHLD, 0, NULL, NULL, 0));
	TRY(S(clone, CLONE_THREAD | SIGCHLD, 0, NULL, NULL, 0));
	TRY(S(clone, CLONE_THREAD | CLONE_SIGHAND | SIGCHLD, 0, NULL, NULL, 0));
	TRY(S(clone, CLONE_FS | CLONE_NEWNS | SIGCHLD, 0, NULL, NULL, 0));
	TRY(S(clone, ns | CLONE_FS | SIGCHLD, 0, NULL, NULL, 0));
	TRY(S(clone, CLONE_NEWPID | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, NULL, NULL, 0));
	TRY(S(clone, CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, 0, NULL, NULL, 0));
	TRY(S(clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &ns, NULL, 0));
	TRY(S(clone, CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, 0, &ns, NULL, 0));
	TRY(S(clone, CLONE_PIDFD | SIGCHLD, 0, BAD_POINTER, NULL, 0));
	TRY(S(clone3, &a, 0));
	TRY(S(clone3, &a, 63));
	TRY(S(clone3, &a, 4097));
	TRY(S(clone3, BAD_POINTER, 64));
	TRY(S(clone3, NULL, 64));
	b = a;
	b.exit_signal = 65;
	TRY(S(clone3, &b, sizeof(b)));
	b = a;
	b.flags = SIGCHLD;
	TRY(S(clone3, &b, sizeof(b)));
	b.flags = CLONE_DETACHED;
	TRY(S(clone3, &b, sizeof(b)));
	b.flags = 1ULL << 40;
	TRY(S(clone3, &b, sizeof(b)));
	b = a;
	b.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
	TRY(S(clone3, &b, sizeof(b)));
	b = a;
	b.flags = CLONE_SIGHAND | CLONE_CLEAR_SIGHAND | CLONE_VM;
	TRY(S(clone3, &b, sizeof(b)));
	b = a;
	b.stack = 4096;
	TRY(S(clone3, &b, sizeof(b)));
	b.stack = 0;
	b.stack_size = 4096;
	TRY(S(clone3, &b, sizeof(b)));
	b.stack = -4096UL;
	TRY(S(clone3, &b, sizeof(b)));
	b = a;
	b.set_tid = (uintptr_t)&ns;
	TRY(S(clone3, &b, sizeof(b)));
	b.set_tid_size = 33;
	TRY(S(clone3, &b, sizeof(b)));
	b.set_tid = 0;
	b.set_tid_size = 1;
	TRY(S(clone3, &b, sizeof(b)));
	b = a;
	b.flags = CLONE_PIDFD;
	b.pidfd = 8;
	TRY(S(clone3, &b, sizeof(b)));
	b = a;
	b.cgroup = 1ULL << 32;
	b.flags = 0x200000000ULL;
	TRY(S(clone3, &b, sizeof(b)));
	b = a;
	b.flags = CLONE_FS | CLONE_NEWNS;
	TRY(S(clone3, &b, sizeof(b)));
}

static void shares(void)
{
	int fd = open("/dev/null", O_RDONLY), self = (int)S(pidfd_open, getpid(), 0);

	TRY(S(unshare, 0));
	TRY(S(unshare, CLONE_FS | CLONE_FILES | CLONE_SYSVSEM));
	TRY(S(unshare, SIGCHLD));
	TRY(S(unshare, CLONE_PARENT));
	TRY(S(unshare, CLONE_THREAD));
	TRY(S(unshare, CLONE_VM));
	TRY(S(unshare, CLONE_SIGHAND));
	TRY(S(setns, 999, 0));
	TRY(S(setns, fd, 0));
	TRY(S(setns, self, 0));
	TRY(S(setns, self, 0x1000000));
	TRY(S(kcmp, getpid(), getpid(), 99, 0, 0));
	TRY(S(kcmp, getpid(), NOBODY, 1, 0, 0));
	TRY(S(kcmp, NOBODY, getpid(), 1, 0, 0));
	TRY(S(kcmp, getpid(), getpid(), 0, 999, 0));
	TRY(S(kcmp, getpid(), getpid(), 0, 0, 999));
	TRY(S(kcmp, getpid(), getpid(), 1, 0, 0));
	close(fd);
	close(self);
}

/* More processes than this user may have. */
static void too_many(void *arg)
{
	struct rlimit one = {1, 1};
	struct clone_args a = {.exit_signal = SIGCHLD};

	(void)arg;
	if (geteuid() == 0) {
		CHECK_EQ(syscall(SYS_setresgid, ERR_UID, ERR_UID, ERR_UID), 0);
		CHECK_EQ(syscall(SYS_setresuid, ERR_UID, ERR_UID, ERR_UID), 0);
	}
	CHECK_EQ(setrlimit(RLIMIT_NPROC, &one), 0);
	TRY(S(clone, SIGCHLD, 0, NULL, NULL, 0));
	TRY(S(clone3, &a, sizeof(a)));
}

static void others(void)
{
	struct clone_args a = {.exit_signal = SIGCHLD};
	pid_t tid = 1;
	int fd = (int)S(pidfd_open, parent, 0);

	a.set_tid = (uintptr_t)&tid;
	a.set_tid_size = 1;
	TRY(S(clone3, &a, sizeof(a)));
	TRY(S(clone, CLONE_NEWPID | SIGCHLD, 0, NULL, NULL, 0));
	TRY(S(clone, CLONE_NEWNS | SIGCHLD, 0, NULL, NULL, 0));
	TRY(S(unshare, CLONE_NEWNS));
	TRY(S(unshare, CLONE_NEWPID));
	TRY(S(unshare, CLONE_NEWUTS));
	TRY(S(unshare, CLONE_NEWIPC));
	TRY(S(unshare, CLONE_NEWNET));
	TRY(S(unshare, CLONE_NEWCGROUP));
	TRY(S(setns, fd, CLONE_NEWNS));
	TRY(S(kcmp, getpid(), parent, 1, 0, 0));
	TRY(S(pidfd_getfd, fd, 0, 0));
	TRY(S(pidfd_send_signal, fd, SIGUSR1, NULL, 0));
	TRY(S(execve, dir, args, NULL));
	TRY(EXEC("f"));
	TRY(S(chroot, "/"));
	TRY(S(chroot, "/none"));
	TRY(S(chroot, "/dev/null"));
	TRY(S(chroot, BAD_POINTER));
	TRY(S(acct, "/none"));
	TRY(S(acct, NULL));
}

int main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	parent = getpid();
	dir = temp_dir();
	paths();
	contents();
	nested();
	long_line();
	at();
	CHECK_EQ(run_child(sizes, NULL), 0);
	clones();
	shares();
	CHECK_EQ(run_child(too_many, NULL), 0);
	as_other(others);
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
