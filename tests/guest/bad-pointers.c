// timeout: 60
// Every call that takes a pointer gets bad ones: NULL, small, PROT_NONE, read-only where the
// kernel writes, unmapped, across the end of a page, the end of the user half, beyond it, the
// kernel half, the last byte. The errors must be the host's own.
#include "check.h"
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/uio.h>

#define PTR 0x7e57ab1e /* stands for the bad pointer in a row below */

enum { ZERO, PIPE_R, PIPE_W, DIR, FILE_RW, NFD };

static int fds[NFD];

#define GOOD_PAGE 0x7e57900d /* for the address of one that is mapped */
#define FD(which) (0x7e57fd00 + (which))

/* What the kernel does there: NO_NULL: it reads, and NULL would do no harm but wait for ever. */
static const struct row {
	const char *name;
	long nr;
	long args[6];
	enum { READS, WRITES, NO_NULL } kind;
} rows[] = {
	{"read", SYS_read, {FD(ZERO), PTR, 64}, WRITES},
	{"read-pipe", SYS_read, {FD(PIPE_R), PTR, 64}, WRITES},
	{"pread64", SYS_pread64, {FD(FILE_RW), PTR, 64, 0}, WRITES},
	{"readv-iov", SYS_readv, {FD(ZERO), PTR, 2}, READS},
	{"write-pipe", SYS_write, {FD(PIPE_W), PTR, 64}, READS},
	{"write-file", SYS_pwrite64, {FD(FILE_RW), PTR, 64, 0}, READS},
	{"writev-iov", SYS_writev, {FD(PIPE_W), PTR, 2}, READS},
	{"openat", SYS_openat, {AT_FDCWD, PTR, O_RDONLY}, READS},
	{"newfstatat-path", SYS_newfstatat, {AT_FDCWD, PTR, PTR, 0}, READS},
	{"fstat", SYS_fstat, {FD(FILE_RW), PTR}, WRITES},
	{"statx", SYS_statx, {FD(FILE_RW), (long)"", AT_EMPTY_PATH, STATX_SIZE, PTR}, WRITES},
	{"statx-path", SYS_statx, {AT_FDCWD, PTR, 0, STATX_SIZE, PTR}, READS},
	{"faccessat", SYS_faccessat, {AT_FDCWD, PTR, F_OK}, READS},
	{"readlinkat", SYS_readlinkat, {AT_FDCWD, (long)"/proc/self/exe", PTR, 64}, WRITES},
	{"readlinkat-path", SYS_readlinkat, {AT_FDCWD, PTR, PTR, 64}, READS},
	{"getcwd", SYS_getcwd, {PTR, 64}, WRITES},
	{"chdir", SYS_chdir, {PTR}, READS},
	{"mkdirat", SYS_mkdirat, {AT_FDCWD, PTR, 0700}, READS},
	{"unlinkat", SYS_unlinkat, {AT_FDCWD, PTR, 0}, READS},
	{"renameat2", SYS_renameat2, {AT_FDCWD, PTR, AT_FDCWD, (long)"x", 0}, READS},
	{"renameat2-new", SYS_renameat2, {AT_FDCWD, (long)"none", AT_FDCWD, PTR, 0}, READS},
	{"symlinkat", SYS_symlinkat, {PTR, AT_FDCWD, (long)"none/x"}, READS},
	{"linkat", SYS_linkat, {AT_FDCWD, (long)"f", AT_FDCWD, PTR, 0}, READS},
	{"getdents64", SYS_getdents64, {FD(DIR), PTR, 1024}, WRITES},
	{"pipe2", SYS_pipe2, {PTR, 0}, WRITES},
	{"ppoll", SYS_ppoll, {PTR, 2, (long)&(struct timespec){0, 0}, 0, 8}, WRITES},
	{"ppoll-time", SYS_ppoll, {0, 0, PTR, 0, 8}, NO_NULL},
	{"ppoll-mask", SYS_ppoll, {0, 0, (long)&(struct timespec){0, 0}, PTR, 8}, READS},
	{"pselect6", SYS_pselect6, {64, PTR, 0, 0, (long)&(struct timespec){0, 0}, 0}, WRITES},
	{"pselect6-time", SYS_pselect6, {0, 0, 0, 0, PTR, 0}, NO_NULL},
	{"clock_gettime", SYS_clock_gettime, {CLOCK_MONOTONIC, PTR}, WRITES},
	{"clock_getres", SYS_clock_getres, {CLOCK_MONOTONIC, PTR}, WRITES},
	{"clock_nanosleep", SYS_clock_nanosleep, {CLOCK_MONOTONIC, 0, PTR, 0}, READS},
	{"nanosleep", SYS_nanosleep, {PTR, 0}, READS},
	{"gettimeofday", SYS_gettimeofday, {PTR, 0}, WRITES},
	{"times", SYS_times, {PTR}, WRITES},
	{"getrusage", SYS_getrusage, {RUSAGE_SELF, PTR}, WRITES},
	{"uname", SYS_uname, {PTR}, WRITES},
	{"sysinfo", SYS_sysinfo, {PTR}, WRITES},
	{"prlimit64-old", SYS_prlimit64, {0, RLIMIT_NOFILE, 0, PTR}, WRITES},
	{"prlimit64-new", SYS_prlimit64, {0, RLIMIT_MSGQUEUE, PTR, 0}, READS},
	{"getrandom", SYS_getrandom, {PTR, 64, 0}, WRITES},
	{"rt_sigaction", SYS_rt_sigaction, {SIGUSR1, PTR, 0, 8}, READS},
	{"rt_sigaction-old", SYS_rt_sigaction, {SIGUSR1, 0, PTR, 8}, WRITES},
	{"rt_sigprocmask", SYS_rt_sigprocmask, {SIG_BLOCK, PTR, 0, 8}, READS},
	{"rt_sigprocmask-old", SYS_rt_sigprocmask, {SIG_BLOCK, 0, PTR, 8}, WRITES},
	{"rt_sigpending", SYS_rt_sigpending, {PTR, 8}, WRITES},
	{"rt_sigtimedwait",
	 SYS_rt_sigtimedwait,
	 {PTR, 0, (long)&(struct timespec){0, 0}, 8},
	 READS},
	{"sigaltstack", SYS_sigaltstack, {PTR, 0}, READS},
	{"sigaltstack-old", SYS_sigaltstack, {0, PTR}, WRITES},
	{"getresuid", SYS_getresuid, {PTR, PTR, PTR}, WRITES},
	{"execve", SYS_execve, {PTR, 0, 0}, READS},
	{"execve-argv", SYS_execve, {(long)"/proc/self/exe", PTR, 0}, NO_NULL},
	{"ioctl-FIONREAD", SYS_ioctl, {FD(PIPE_R), FIONREAD, PTR}, WRITES},
	{"prctl-GET_NAME", SYS_prctl, {PR_GET_NAME, PTR}, WRITES},
	{"sched_getaffinity", SYS_sched_getaffinity, {0, 128, PTR}, WRITES},
	{"getcpu", SYS_getcpu, {PTR, 0, 0}, WRITES},
	{"mincore", SYS_mincore, {GOOD_PAGE, 4096, PTR}, WRITES},
	{"clone3", SYS_clone3, {PTR, 64}, READS},
};

int main(void)
{
	unsigned char *p = map_pages(4 * 4096, PROT_READ | PROT_WRITE);
	const char *dir = temp_dir();
	const struct {
		const char *name;
		unsigned long at;
		bool readable; /* skip where the kernel only reads */
	} bad[] = {
		{"NULL", 0, false},
		{"8", 8, false},
		{"none", (unsigned long)p + 100, false},
		{"ro", (unsigned long)p + 4096 + 128, WRITES},
		{"unmapped", (unsigned long)p + 3 * 4096 + 64, false},
		{"page end", (unsigned long)p + 3 * 4096 - 3, false},
		{"user end", 0x7ffffffff000 - 4, false},
		{"past user", 0x7ffffffff000, false},
		{"non-canonical", 0x0000900000000000, false},
		{"kernel", 0xffff888000000000, false},
		{"stub", 0xffffffff80003000, false},
		{"last", ~0ul - 3, false},
	};
	int pipes[2];

	make_pipe(pipes);
	CHECK_EQ(mprotect(p, 4096, PROT_NONE), 0);
	memset(p + 2 * 4096, 0xff, 4096);
	CHECK_EQ(mprotect(p + 4096, 4096, PROT_READ), 0);
	CHECK_EQ(munmap(p + 3 * 4096, 4096), 0);
	CHECK_EQ(chdir(dir), 0);
	fds[ZERO] = open("/dev/zero", O_RDWR);
	fds[PIPE_R] = pipes[0];
	fds[PIPE_W] = pipes[1];
	fds[DIR] = open(".", O_RDONLY);
	fds[FILE_RW] = open("f", O_RDWR | O_CREAT, 0600);
	CHECK_EQ(write(fds[FILE_RW], bad, 128), 128);
	CHECK_EQ(write(pipes[1], bad, 128), 128);

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		say("%s:", rows[r].name);
		for (size_t b = 0; b < sizeof(bad) / sizeof(bad[0]); b++) {
			long a[6], ret;

			if (bad[b].readable && rows[r].kind != WRITES)
				continue;
			if (bad[b].at == 0 && rows[r].kind == NO_NULL)
				continue;
			for (int i = 0; i < 6; i++) {
				a[i] = rows[r].args[i];
				if (a[i] == PTR)
					a[i] = (long)bad[b].at;
				else if (a[i] == GOOD_PAGE)
					a[i] = (long)p + 2 * 4096;
				else if (a[i] >= FD(0) && a[i] < FD(NFD))
					a[i] = fds[a[i] - FD(0)];
			}
			memset(p + 2 * 4096, 0xff, 4096);
			errno = 0;
			ret = syscall(rows[r].nr, a[0], a[1], a[2], a[3], a[4], a[5]);
			/* How much a copy that fails half way has done is not told. */
			if (strcmp(bad[b].name, "page end") == 0 && (ret > 0 || errno == EFAULT))
				say(" edge");
			else if (ret >= 0)
				say(" ok");
			else
				say(" %s=%d", bad[b].name, errno);
		}
		say("\n");
	}
	CHECK_EQ(unlink("f"), 0);
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
