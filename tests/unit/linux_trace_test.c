/*
 * --strace's lines, as strace itself prints them.
 */
#include "linux_fake.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char line[8192];

/* What was written since the last look. */
static const char *trace(struct fake_kernel *f)
{
	ssize_t n = read(f->trace_fd[0], line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

/* A call whose handler is not run: it begins, then has this result. */
static const char *traced(struct fake_kernel *f, struct call *c, long r)
{
	c->row = syscall_row(c->nr);
	trace_call_begin(&f->t, c);
	trace_call_end(&f->t, c, r);
	return trace(f);
}
#define CALL(row, r, ...) traced(&f, fake_call(&f, ROW_##row, __VA_ARGS__), r)

static uint64_t put_string(struct fake_kernel *f, uint64_t off, const char *s)
{
	fake_put(f, FAKE_BASE + off, s, strlen(s) + 1);
	return FAKE_BASE + off;
}

static void test_results(void **state)
{
	struct fake_kernel f;

	fake_kernel_init(&f, true);
	assert_string_equal(CALL(getpid, 7, 0), "getpid()                                = 7\n");
	assert_string_equal(
		CALL(close, -EBADF, 9),
		"close(9)                                = -1 EBADF (Bad file descriptor)\n");
	assert_string_equal(CALL(brk, 0x1234000, 0),
			    "brk(NULL)                               = 0x1234000\n");
	assert_string_equal(CALL(exit_group, 0, 3),
			    "exit_group(3)                           = ?\n");
	assert_string_equal(CALL(wait4, -ERESTARTSYS, UINT64_MAX, 0, 0, 0),
			    "wait4(-1, NULL, 0, NULL)                = ? ERESTARTSYS (To be "
			    "restarted if SA_RESTART is "
			    "set)\n");
	assert_string_equal(CALL(umask, 022, 077),
			    "umask(077)                              = 022\n");
	assert_string_equal(CALL(fcntl, 1, 3, F_GETFD, 0),
			    "fcntl(3, F_GETFD, 0)                    = 0x1 (flags FD_CLOEXEC)\n");
	fake_call(&f, ROW_getpid, 1, 2);
	f.t.call.nr = 1000;
	assert_string_equal(
		traced(&f, &f.t.call, -ENOSYS),
		"syscall_0x3e8(0x1, 0x2, 0, 0, 0, 0)     = -1 ENOSYS (Function not implemented)\n");
	assert_string_equal(
		CALL(nfsservctl, -ENOSYS, 1),
		"nfsservctl(0x1, 0, 0, 0, 0, 0)          = -1 ENOSYS (Function not implemented)\n");
	fake_kernel_exit(&f);
}

static void test_strings(void **state)
{
	struct fake_kernel f;
	uint64_t path, args[3];

	fake_kernel_init(&f, true);
	path = put_string(&f, 0, "/etc/passwd");
	assert_string_equal(CALL(openat, 3, (uint64_t)AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0),
			    "openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY|O_CLOEXEC) = 3\n");
	assert_string_equal(
		CALL(openat, 3, (uint64_t)AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644),
		"openat(AT_FDCWD, \"/etc/passwd\", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 3\n");
	assert_string_equal(CALL(openat, -EFAULT, (uint64_t)AT_FDCWD, 8, O_RDONLY, 0),
			    "openat(AT_FDCWD, 0x8, O_RDONLY)         = -1 EFAULT (Bad address)\n");
	fake_put(&f, FAKE_BASE + 64, "a\n\t\"\\\0001\001\x7f\xff", 10);
	assert_string_equal(CALL(write, 10, 1, FAKE_BASE + 64, 10),
			    "write(1, \"a\\n\\t\\\"\\\\\\0001\\1\\177\\377\", 10) = 10\n");
	put_string(&f, 128, "0123456789012345678901234567890123456789");
	assert_string_equal(CALL(write, 40, 1, FAKE_BASE + 128, 40),
			    "write(1, \"01234567890123456789012345678901\"..., 40) = 40\n");
	/* A read shows what came, not what was there; a failed one the address. */
	assert_string_equal(CALL(read, 4, 0, FAKE_BASE + 128, 100),
			    "read(0, \"0123\", 100)                    = 4\n");
	assert_string_equal(CALL(read, 0, 0, FAKE_BASE + 128, 100),
			    "read(0, \"\", 100)                        = 0\n");
	assert_string_equal(
		CALL(read, -EISDIR, 0, FAKE_BASE + 128, 100),
		"read(0, 0x10000080, 100)                = -1 EISDIR (Is a directory)\n");
	args[0] = put_string(&f, 256, "ls");
	args[1] = put_string(&f, 260, "-l");
	args[2] = 0;
	fake_put(&f, FAKE_BASE + 512, args, sizeof(args));
	assert_string_equal(
		CALL(execve, 0, path, FAKE_BASE + 512, FAKE_BASE + 512),
		"execve(\"/etc/passwd\", [\"ls\", \"-l\"], 0x10000200 /* 2 vars */) = 0\n");
	fake_kernel_exit(&f);
}

/* In-arguments are those of the beginning, whatever the call does to them. */
static void test_copied_first(void **state)
{
	struct fake_kernel f;
	struct call *c;

	fake_kernel_init(&f, true);
	c = fake_call(&f, ROW_chdir, put_string(&f, 0, "/before"));
	c->row = syscall_row(c->nr);
	trace_call_begin(&f.t, c);
	put_string(&f, 0, "/after");
	trace_call_end(&f.t, c, 0);
	assert_string_equal(trace(&f), "chdir(\"/before\")                        = 0\n");
	fake_kernel_exit(&f);
}

static void test_structures(void **state)
{
	struct fake_kernel f;
	struct stat st = {.st_mode = S_IFREG | 0644, .st_size = 1868};
	struct sigaction_k sa = {
		.handler = 0x401000, .flags = 0x14000000, .restorer = 0x402000, .mask = 1UL << 1};
	struct pollfd p[2] = {{.fd = 3, .events = POLLIN, .revents = POLLIN | POLLHUP},
			      {.fd = 4, .events = POLLOUT}};
	const uint64_t lim[2] = {8192 * 1024, UINT64_MAX};

	fake_kernel_init(&f, true);
	fake_put(&f, FAKE_BASE, &st, sizeof(st));
	assert_string_equal(CALL(fstat, 0, 3, FAKE_BASE),
			    "fstat(3, {st_mode=S_IFREG|0644, st_size=1868, ...}) = 0\n");
	fake_put(&f, FAKE_BASE, (const int[2]){3, 4}, 8);
	assert_string_equal(CALL(pipe2, 0, FAKE_BASE, O_CLOEXEC),
			    "pipe2([3, 4], O_CLOEXEC)                = 0\n");
	fake_put(&f, FAKE_BASE, &(const int){0x300}, 4);
	assert_string_equal(
		CALL(wait4, 5, 5, FAKE_BASE, WNOHANG, 0),
		"wait4(5, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], WNOHANG, NULL) = 5\n");
	fake_put(&f, FAKE_BASE, &(const int){SIGSEGV | 0x80}, 4);
	assert_string_equal(CALL(wait4, 5, UINT64_MAX, FAKE_BASE, 0, 0),
			    "wait4(-1, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && "
			    "WCOREDUMP(s)}], 0, NULL) = 5\n");
	fake_put(&f, FAKE_BASE, &sa, sizeof(sa));
	assert_string_equal(CALL(rt_sigaction, 0, SIGINT, FAKE_BASE, 0, 8),
			    "rt_sigaction(SIGINT, {sa_handler=0x401000, sa_mask=[INT], "
			    "sa_flags=SA_RESTORER|SA_RESTART, "
			    "sa_restorer=0x402000}, NULL, 8) = 0\n");
	fake_put(&f, FAKE_BASE, &(const uint64_t){~(1UL << 8)}, 8);
	assert_string_equal(CALL(rt_sigprocmask, 0, SIG_BLOCK, FAKE_BASE, 0, 8),
			    "rt_sigprocmask(SIG_BLOCK, ~[KILL], NULL, 8) = 0\n");
	fake_put(&f, FAKE_BASE, p, sizeof(p));
	assert_string_equal(CALL(ppoll, 1, FAKE_BASE, 2, 0, 0, 8),
			    "ppoll([{fd=3, events=POLLIN}, {fd=4, events=POLLOUT}], 2, NULL, NULL, "
			    "8) = 1 ([{fd=3, "
			    "revents=POLLIN|POLLHUP}])\n");
	fake_put(&f, FAKE_BASE, lim, sizeof(lim));
	assert_string_equal(CALL(prlimit64, 0, 0, RLIMIT_STACK, 0, FAKE_BASE),
			    "prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, "
			    "rlim_max=RLIM64_INFINITY}) = 0\n");
	assert_string_equal(CALL(mmap, 0x7000000, 0, 8192, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0),
			    "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, "
			    "0) = 0x7000000\n");
	fake_put(&f, FAKE_BASE, (const int64_t[2]){1, 5}, 16);
	assert_string_equal(CALL(clock_gettime, 0, CLOCK_MONOTONIC, FAKE_BASE),
			    "clock_gettime(CLOCK_MONOTONIC, {tv_sec=1, tv_nsec=5}) = 0\n");
	assert_string_equal(CALL(nanosleep, 0, FAKE_BASE, FAKE_BASE + 100),
			    "nanosleep({tv_sec=1, tv_nsec=5}, 0x10000064) = 0\n");
	assert_string_equal(
		CALL(clone, 2, 0x01200011, 0, 0, 0x7000),
		"clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, "
		"child_tidptr=0x7000) = 2\n");
	fake_kernel_exit(&f);
}

static void test_events(void **state)
{
	struct siginfo_k info = {.si_signo = SIGCHLD, .si_code = CLD_EXITED};
	struct fake_kernel f;
	struct call *c;

	fake_kernel_init(&f, true);
	info.u.chld.pid = 5;
	info.u.chld.status = 3;
	trace_signal(&f.t, SIGCHLD, &info);
	assert_string_equal(
		trace(&f), "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=5, si_uid=0, "
			   "si_status=3, si_utime=0, si_stime=0} ---\n");
	info = (struct siginfo_k){.si_signo = SIGSEGV, .si_code = SEGV_MAPERR};
	info.u.fault.addr = 8;
	trace_signal(&f.t, SIGSEGV, &info);
	assert_string_equal(
		trace(&f),
		"--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x8} ---\n");
	info = (struct siginfo_k){.si_signo = SIGTERM, .si_code = SI_USER};
	info.u.rt.pid = 9;
	trace_signal(&f.t, SIGTERM, &info);
	assert_string_equal(
		trace(&f),
		"--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=9, si_uid=0} ---\n");

	/* The call that it died in has no result; nothing of the guest is read for it. */
	c = fake_call(&f, ROW_read, 0, FAKE_BASE, 10);
	c->row = ROW_read;
	trace_call_begin(&f.t, c);
	trace_exit(&f.t, SIGKILL);
	assert_string_equal(
		trace(&f),
		"read(0, 0x10000000, 10)                 = ?\n+++ killed by SIGKILL +++\n");
	trace_exit(&f.t, SIGSEGV | 0x80);
	assert_string_equal(trace(&f), "+++ killed by SIGSEGV (core dumped) +++\n");
	/* With a second process each line says whose it is. */
	assert_true(registry_create_process(f.k.registry, 1) > 0);
	trace_exit(&f.t, 3 << 8);
	assert_string_equal(trace(&f), "[pid     1] +++ exited with 3 +++\n");
	fake_kernel_exit(&f);
}

/* Every call with every argument bad: a line, and no more than its buffer. */
static void test_hostile(void **state)
{
	static const uint64_t values[] = {
		0, 1, 8, FAKE_BASE, FAKE_BASE + PAGE_SIZE - 3, 1UL << 63, UINT64_MAX};
	struct fake_kernel f;
	char *page = malloc(PAGE_SIZE);

	fake_kernel_init(&f, true);
	memset(page, 0xff, PAGE_SIZE);
	fake_put(&f, FAKE_BASE, page, PAGE_SIZE);
	for (int row = 0; row < SYSCALL_ROWS; row++) {
		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			const uint64_t x = values[v];
			struct call *c;

			if (arch_syscall_nr[row] < 0)
				continue;
			c = fake_call(&f, row, x, x, x, x, x, x);
			assert_true(strlen(traced(&f, c, 0)) > 5);
			c = fake_call(&f, row, x, x, x, x, x, x);
			assert_true(strlen(traced(&f, c, INT64_MAX)) > 5);
		}
	}
	free(page);
	fake_kernel_exit(&f);
}

/* Lists and strings far longer than a line. */
static void test_long(void **state)
{
	struct fake_kernel f;
	uint64_t args[64];
	char *s = malloc(1000);

	fake_kernel_init(&f, true);
	memset(s, 1, 999);
	s[999] = '\0';
	fake_put(&f, FAKE_BASE, s, 1000);
	for (int i = 0; i < 64; i++)
		args[i] = FAKE_BASE;
	fake_put(&f, FAKE_BASE + 1024, args, sizeof(args));
	traced(&f, fake_call(&f, ROW_execve, FAKE_BASE, FAKE_BASE + 1024, FAKE_BASE + 1024),
	       -ENOENT);
	assert_true(strlen(line) < sizeof(line) - 1);
	assert_non_null(strstr(line, "...) = "));
	assert_non_null(strstr(line, "= -1 ENOENT (No such file or directory)\n"));
	free(s);
	fake_kernel_exit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),      cmocka_unit_test(test_strings),
		cmocka_unit_test(test_copied_first), cmocka_unit_test(test_structures),
		cmocka_unit_test(test_events),       cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
