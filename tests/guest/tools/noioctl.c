/*
 * Runs a program for which one ioctl does nothing and returns 0, as on a machine that lacks
 * something:
 *
 *	noioctl REQUEST [ARGUMENT] -- PROGRAM ARGS...
 *
 * ARGUMENT: only with this third argument. Numbers as strtoul(3) reads them. A seccomp filter does
 * it, so the program may be linked as it likes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* Goes on if the word loaded is k, else to the end, which is `away` instructions on. */
#define NEED(k, away) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (away))

int main(int argc, char **argv)
{
	unsigned request, arg = 0;
	int at = 2, any = 1;

	if (argc > 2 && strcmp(argv[2], "--") != 0) {
		arg = (unsigned)strtoul(argv[2], NULL, 0);
		any = 0;
		at = 3;
	}
	if (argc <= at + 1 || strcmp(argv[at], "--") != 0) {
		fprintf(stderr, "usage: noioctl REQUEST [ARGUMENT] -- PROGRAM ARGS...\n");
		return 99;
	}
	request = (unsigned)strtoul(argv[1], NULL, 0);

	struct sock_filter code[] = {
		LOAD(nr),
		NEED(SYS_ioctl, 5),
		LOAD(args[1]),
		NEED(request, 3),
		LOAD(args[2]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arg, 0, any ? 0 : 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO), /* errno 0 */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog)) {
		fprintf(stderr, "noioctl: %s\n", strerror(errno));
		return 98;
	}
	execv(argv[at + 1], argv + at + 1);
	fprintf(stderr, "noioctl: %s: %s\n", argv[at + 1], strerror(errno));
	return 99;
}
