/*
 * Runs a program for which one system call never returns, as on a mount whose server has gone:
 *
 *	hang NAME -- PROGRAM ARGS...
 *
 * NAME: fsync, pwrite64, getdents64, ftruncate (to one byte), mkdirat; lookup, open: of those that
 * vmbox makes for its guest, by their flags. The status is the program's. A seccomp filter hands
 * the calls to this process (seccomp_unotify(2)), which answers none of them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void send_fd(int sock, int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = room,
			   .msg_controllen = sizeof(room)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(sock, &m, 0) != 1)
		_exit(98);
}

static int recv_fd(int sock)
{
	char room[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = room,
			   .msg_controllen = sizeof(room)};
	int fd = -1;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

struct what {
	const char *name;
	unsigned nr, arg;
	unsigned flags, mask; /* of that argument's low half: mask 0: any */
};

static const struct what all[] = {
	{"fsync", SYS_fsync, 0, 0, 0},
	{"pwrite64", SYS_pwrite64, 0, 0, 0},
	{"ftruncate", SYS_ftruncate, 1, 1, ~0U},
	{"getdents64", SYS_getdents64, 0, 0, 0},
	{"mkdirat", SYS_mkdirat, 0, 0, 0},
	{"lookup", SYS_newfstatat, 3, AT_NO_AUTOMOUNT, AT_NO_AUTOMOUNT},
	{"open", SYS_openat, 2, O_NOCTTY, O_NOCTTY | O_NONBLOCK},
};

static void run(int sock, const struct what *w, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, w->nr, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[w->arg])),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, w->mask),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, w->flags, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(code[0]), code};
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		_exit(98);
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			  &prog);
	if (fd < 0)
		_exit(98);
	send_fd(sock, fd);
	close(fd);
	close(sock);
	execv(argv[0], argv);
	_exit(127);
}

int main(int argc, char **argv)
{
	int sv[2], status, fd;
	const struct what *w = all, *end = all + sizeof(all) / sizeof(all[0]);
	pid_t pid;

	if (argc < 4 || strcmp(argv[2], "--") != 0) {
		fprintf(stderr, "usage: hang NAME -- PROGRAM ARGS...\n");
		return 99;
	}
	while (w < end && strcmp(argv[1], w->name) != 0)
		w++;
	if (w == end || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return 98;
	pid = fork();
	if (!pid)
		run(sv[1], w, argv + 3);
	close(sv[1]);
	/* As long as it is open the calls wait. */
	fd = recv_fd(sv[0]);
	if (pid < 0 || fd < 0 || waitpid(pid, &status, 0) != pid)
		return 98;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
