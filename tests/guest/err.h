/*
 * For tests that walk a call's errors: TRY prints the expression and what came of it, so that the
 * native run says what is right. Calls go to the kernel as they are (libc's wrappers check some
 * arguments themselves): syscall(SYS_...), shortened to S(...).
 */
#ifndef TESTS_GUEST_ERR_H
#define TESTS_GUEST_ERR_H

#include "check.h"

#define BAD_POINTER  ((void *)8)
#define S(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

HELPER void try_print(const char *what, long long r)
{
	const char *name = r == -1 ? strerrorname_np(errno) : NULL;

	if (r == -1)
		say("%s: %s\n", what, name ? name : "unknown");
	else
		say("%s: %s\n", what, r ? "positive" : "0");
}

/* Prints the errno, 0 or "positive". */
#define TRY(expr)                                                                                  \
	do {                                                                                       \
		long long try_r;                                                                   \
		errno = 0;                                                                         \
		try_r = (long long)(expr);                                                         \
		try_print(#expr, try_r);                                                           \
	} while (0)

/* The same; a descriptor that comes of it is closed. */
#define TRY_FD(expr)                                                                               \
	do {                                                                                       \
		long long try_fd;                                                                  \
		errno = 0;                                                                         \
		try_fd = (long long)(expr);                                                        \
		try_print(#expr, try_fd > 0 ? 1 : try_fd);                                         \
		if (try_fd >= 0)                                                                   \
			close((int)try_fd);                                                        \
	} while (0)

/* As another user, in a child, if this is root; permission checks need one who may not. */
#define ERR_UID 12345
HELPER void as_other(void (*fn)(void))
{
	pid_t pid;

	if (geteuid() != 0)
		return;
	pid = fork_ok();
	if (pid == 0) {
		CHECK_EQ(syscall(SYS_setgroups, 0, NULL), 0);
		CHECK_EQ(syscall(SYS_setresgid, ERR_UID, ERR_UID, ERR_UID), 0);
		CHECK_EQ(syscall(SYS_setresuid, ERR_UID, ERR_UID, ERR_UID), 0);
		fn();
		_exit(0);
	}
	reap_ok(pid);
}

/* `len` times 'n', NUL-terminated, in a static buffer. */
HELPER const char *long_name(size_t len)
{
	static char name[8192];

	CHECK(len < sizeof(name));
	memset(name, 'n', len);
	name[len] = 0;
	return name;
}

/* A path of exactly len bytes that leads to `last` in the working directory: ./././last. */
HELPER const char *long_path(size_t len, const char *last)
{
	static char path[8192];
	size_t tail = strlen(last);

	CHECK(len < sizeof(path) && len >= tail);
	memset(path, '/', len);
	path[0] = '.';
	memcpy(path + len - tail, last, tail + 1);
	return path;
}

#endif
