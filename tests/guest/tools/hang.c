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
#include "unotify.h"

#include <fcntl.h>
#include <stdio.h>

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

int main(int argc, char **argv)
{
	const struct what *w = all, *end = all + sizeof(all) / sizeof(all[0]);
	int status, fd;
	pid_t pid;

	if (argc < 4 || strcmp(argv[2], "--") != 0) {
		fprintf(stderr, "usage: hang NAME -- PROGRAM ARGS...\n");
		return 99;
	}
	while (w < end && strcmp(argv[1], w->name) != 0)
		w++;
	if (w == end)
		return 98;

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

	pid = start_filtered(&prog, argv + 3, &fd);
	return pid > 0 && waitpid(pid, &status, 0) == pid ? exit_code(status) : 98;
}
