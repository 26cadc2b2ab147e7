/*
 * Runs a program for which the files of a directory are a FUSE server's, which answers as their
 * names say:
 *
 *	slowfs DIR -- PROGRAM ARGS...
 *
 * Closing one that can be written, called stuck..., never returns; late...: when DIR/gate is there,
 * and DIR/asked is made before that; broken...: is EIO. Looking such a name up for a guest never
 * returns if it is lost....  The status is the program's.
 */
#define _GNU_SOURCE
#include "unotify.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/uio.h>

#define LATE_MAX 64

static const char *dir;
static struct seccomp_notif asked, late[LATE_MAX];
static unsigned nlate;

static void answer(int fd, const struct seccomp_notif *to, int error, unsigned flags)
{
	struct seccomp_notif_resp r = {.id = to->id, .error = error, .flags = flags};

	/* Who asked may be gone. */
	(void)ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

static void go_on(int fd, const struct seccomp_notif *n)
{
	answer(fd, n, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

static void proc_path(char path[64], const char *what)
{
	snprintf(path, 64, "/proc/%u/%s/%d", asked.pid, what, (int)asked.data.args[0]);
}

/* The name in DIR, or "", of the descriptor in question; NULL: it is elsewhere. */
static const char *name_in_dir(void)
{
	static char name[4096];
	size_t len = strlen(dir);
	char path[64];
	ssize_t n;

	proc_path(path, "fd");
	n = readlink(path, name, sizeof(name) - 1);
	if (n < 0)
		return NULL;
	name[n] = 0;
	if (strncmp(name, dir, len) != 0 || (name[len] && name[len] != '/'))
		return NULL;
	return name + len + (name[len] == '/');
}

static bool is_writable(void)
{
	char path[64], line[80];
	unsigned flags = 0;
	FILE *f;

	proc_path(path, "fdinfo");
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "flags: %o", &flags);
	if (f)
		fclose(f);
	return (flags & O_ACCMODE) != O_RDONLY;
}

static void answer_fstatfs(int fd)
{
	struct statfs s;
	struct iovec from = {&s, sizeof(s)}, to = {(void *)asked.data.args[1], sizeof(s)};
	char path[64];

	proc_path(path, "fd");
	if (statfs(path, &s)) {
		answer(fd, &asked, -errno, 0);
		return;
	}
	s.f_type = FUSE_SUPER_MAGIC;
	if (process_vm_writev((pid_t)asked.pid, &from, 1, &to, 1, 0) != sizeof(s))
		answer(fd, &asked, -EFAULT, 0);
	else
		answer(fd, &asked, 0, 0);
}

static char *in_dir(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void answer_close(int fd)
{
	const char *name = name_in_dir();

	if (!name || !is_writable()) {
		go_on(fd, &asked);
	} else if (strncmp(name, "broken", 6) == 0) {
		answer(fd, &asked, -EIO, 0);
	} else if (strncmp(name, "late", 4) == 0 && nlate < LATE_MAX) {
		late[nlate++] = asked;
		close(creat(in_dir("asked"), 0600));
	} else if (strncmp(name, "stuck", 5) != 0) {
		go_on(fd, &asked);
	}
}

static void answer_lookup(int fd)
{
	char name[5] = "";
	struct iovec to = {name, 4}, from = {(void *)asked.data.args[1], 4};

	if (!(asked.data.args[3] & AT_NO_AUTOMOUNT) ||
	    process_vm_readv((pid_t)asked.pid, &to, 1, &from, 1, 0) < 0 || strcmp(name, "lost"))
		go_on(fd, &asked);
}

static void one_call(int fd)
{
	memset(&asked, 0, sizeof(asked));
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &asked))
		return;
	if (asked.data.nr == SYS_newfstatat)
		answer_lookup(fd);
	else if (asked.data.nr == SYS_close)
		answer_close(fd);
	else if (name_in_dir())
		answer_fstatfs(fd);
	else
		go_on(fd, &asked);
}

/* Until the program ends. */
static int serve(int fd, pid_t pid)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int status;

	for (;;) {
		pid_t r = waitpid(pid, &status, WNOHANG);

		if (r)
			return r == pid ? exit_code(status) : 98;
		if (nlate && !access(in_dir("gate"), F_OK))
			while (nlate)
				go_on(fd, &late[--nlate]);
		if (poll(&p, 1, 5) > 0)
			one_call(fd);
	}
}

int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fstatfs, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(code[0]), code};
	pid_t pid;
	int fd;

	if (argc < 4 || strcmp(argv[2], "--") != 0) {
		fprintf(stderr, "usage: slowfs DIR -- PROGRAM ARGS...\n");
		return 99;
	}
	dir = argv[1];
	pid = start_filtered(&prog, argv + 3, &fd);
	return pid > 0 ? serve(fd, pid) : 98;
}
