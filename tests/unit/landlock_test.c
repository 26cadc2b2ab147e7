/*
 * What vmbox may open once it is confined: two trees, one of them read-only, and nothing else by
 * whatever way. Each test confines a child, which tells what went wrong by its status.
 */
#include "../../vmm/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char top[] = "/tmp/vmbox-landlock-XXXXXX";
static int top_fd;

/* In the child: the line that was wrong is its status. */
#define want(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond))                                                                       \
			_exit(__LINE__ & 0xff ? __LINE__ & 0xff : 1);                              \
	} while (0)

static void put(const char *name)
{
	int fd = openat(top_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0 && write(fd, "x", 1) == 1);
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(top));
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(top_fd >= 0);
	assert_int_equal(mkdirat(top_fd, "ro", 0755), 0);
	assert_int_equal(mkdirat(top_fd, "rw", 0755), 0);
	assert_int_equal(mkdirat(top_fd, "rw/sub", 0755), 0);
	assert_int_equal(mkdirat(top_fd, "out", 0755), 0);
	put("ro/f");
	put("rw/f");
	put("out/f");
	put("single");
	put("neighbour");
	return 0;
}

static int tear_down(void **state)
{
	static const char *const files[] = {"ro/f", "rw/f", "out/f", "single", "neighbour"};
	static const char *const dirs[] = {"rw/sub", "ro", "rw", "out"};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(top_fd, files[i], 0);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		unlinkat(top_fd, dirs[i], AT_REMOVEDIR);
	close(top_fd);
	return rmdir(top);
}

static int path_fd(const char *name)
{
	return openat(top_fd, name, O_PATH | O_CLOEXEC);
}

/* Confined to what the tests are about: ro, rw, and one file that may be written. */
static void confine(void)
{
	const struct landlock_tree trees[] = {
		{path_fd("ro"), false}, {path_fd("rw"), true}, {path_fd("single"), true}};

	want(landlock_enter(trees, 3) == 0);
}

/* 0: opened (and closed again); or errno. */
static int try_open(const char *name, int flags)
{
	int fd = openat(top_fd, name, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* As the file systems do it: what an O_PATH descriptor stands for. */
static int try_reopen(int fd, int flags)
{
	char link[40];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return try_open(link, flags);
}

static void in_child(void (*f)(void))
{
	int status;
	pid_t pid;

	if (landlock_abi() < LANDLOCK_ABI_MIN)
		skip();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		f();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void outside(void)
{
	int before = openat(top_fd, "out/f", O_RDONLY | O_CLOEXEC), path = path_fd("out/f");
	char c;

	confine();
	want(try_open("out/f", O_RDONLY) == EACCES);
	want(try_open("out", O_RDONLY | O_DIRECTORY) == EACCES);
	want(try_open("neighbour", O_RDONLY) == EACCES);
	want(try_open(".", O_RDONLY | O_DIRECTORY) == EACCES);
	want(try_open("rw/../out/f", O_RDONLY) == EACCES);
	want(try_open("/etc/passwd", O_RDONLY) == EACCES);
	want(try_open("/proc/self/maps", O_RDONLY) == EACCES);
	want(try_open("/dev/null", O_RDWR) == EACCES);
	want(try_open("out/new", O_WRONLY | O_CREAT) == EACCES);
	want(mkdirat(top_fd, "out/new", 0755) && errno == EACCES);
	want(unlinkat(top_fd, "out/f", 0) && errno == EACCES);
	want(linkat(top_fd, "rw/f", top_fd, "out/g", 0) && (errno == EACCES || errno == EXDEV));
	want(truncate("/etc/passwd", 0) && (errno == EACCES || errno == EPERM));
	/* What an O_PATH descriptor stands for is not thereby open. */
	want(try_reopen(path, O_RDONLY) == EACCES);
	/* What was open is. */
	want(read(before, &c, 1) == 1 && c == 'x');
}

static void test_nothing_outside(void **state)
{
	(void)state;
	in_child(outside);
}

static void read_only(void)
{
	int path = path_fd("ro/f");

	confine();
	want(try_open("ro/f", O_RDONLY) == 0);
	want(try_open("ro", O_RDONLY | O_DIRECTORY) == 0);
	want(try_reopen(path, O_RDONLY) == 0);
	want(try_open("ro/f", O_WRONLY) == EACCES);
	want(try_reopen(path, O_RDWR) == EACCES);
	want(try_open("ro/new", O_WRONLY | O_CREAT) == EACCES);
	want(unlinkat(top_fd, "ro/f", 0) && errno == EACCES);
	want(linkat(top_fd, "ro/f", top_fd, "rw/g", 0) && (errno == EACCES || errno == EXDEV));
}

static void test_read_only_tree(void **state)
{
	(void)state;
	in_child(read_only);
}

static void writable(void)
{
	int path = path_fd("rw/f");

	confine();
	want(try_reopen(path, O_RDWR) == 0);
	want(try_open("rw/new", O_RDWR | O_CREAT | O_EXCL) == 0);
	want(renameat(top_fd, "rw/new", top_fd, "rw/sub/new") == 0);
	want(linkat(top_fd, "rw/sub/new", top_fd, "rw/link", 0) == 0);
	want(try_open("rw/link", O_WRONLY | O_TRUNC) == 0);
	want(unlinkat(top_fd, "rw/link", 0) == 0 && unlinkat(top_fd, "rw/sub/new", 0) == 0);
	want(mkdirat(top_fd, "rw/dir", 0755) == 0);
	want(unlinkat(top_fd, "rw/dir", AT_REMOVEDIR) == 0);
	want(symlinkat("x", top_fd, "rw/l") == 0 && unlinkat(top_fd, "rw/l", 0) == 0);
	want(mknodat(top_fd, "rw/p", S_IFIFO | 0600, 0) == 0 && unlinkat(top_fd, "rw/p", 0) == 0);
	want(mknodat(top_fd, "rw/dev", S_IFCHR | 0600, 0x103) &&
	     (errno == EACCES || errno == EPERM));
	/* A file that was named alone. */
	want(try_open("single", O_RDWR | O_TRUNC) == 0);
}

static void test_writable_tree(void **state)
{
	(void)state;
	in_child(writable);
}

static void not_a_tree(void)
{
	int p[2];
	struct landlock_tree t;

	want(pipe(p) == 0);
	t = (struct landlock_tree){p[0], false};
	want(landlock_enter(&t, 1) == -EBADFD);
	t.fd = -1;
	want(landlock_enter(&t, 1) == -EBADF);
	want(try_open("out/f", O_RDONLY) == 0);
}

static void test_errors_restrict_nothing(void **state)
{
	(void)state;
	in_child(not_a_tree);
}

static void nothing(void)
{
	want(landlock_enter(NULL, 0) == 0);
	want(try_open("ro/f", O_RDONLY) == EACCES);
}

static void test_no_tree_at_all(void **state)
{
	(void)state;
	in_child(nothing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_outside),
		cmocka_unit_test(test_read_only_tree),
		cmocka_unit_test(test_writable_tree),
		cmocka_unit_test(test_errors_restrict_nothing),
		cmocka_unit_test(test_no_tree_at_all),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
