// cflags: -pthread
//
// What a process and its threads have used, as getrusage, wait4 and /proc tell it: context
// switches, page faults, the largest resident set, bytes read and written.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#define ROUNDS 10
#define BIG    (16UL << 20)

static char text[8192];

static bool slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	CHECK(n > 0);
	text[n] = 0;
	close(fd);
	return true;
}

/* The number behind a name in what was read. */
static long long number(const char *name)
{
	char *p = strstr(text, name);

	CHECK(p != NULL);
	return strtoll(p + strlen(name), NULL, 10);
}

static long long stat_field(const char *path, int n)
{
	char *p;

	CHECK(slurp(path));
	p = strrchr(text, ')') + 2;
	for (int i = 3; i < n; i++)
		p = strchr(p, ' ') + 1;
	return strtoll(p, NULL, 10);
}

static struct rusage usage(int who)
{
	struct rusage ru;

	CHECK_EQ(getrusage(who, &ru), 0);
	return ru;
}

static void touch(unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i += 4096)
		p[i] = 1;
}

/* Its parent sees it asleep ROUNDS times. */
static void sleeper(int fd, int report)
{
	struct rusage ru;

	touch(map_pages(BIG, PROT_READ | PROT_WRITE), BIG);
	for (int i = 0; i < ROUNDS; i++)
		wait_byte(fd);
	ru = usage(RUSAGE_THREAD);
	CHECK(ru.ru_nvcsw >= ROUNDS);
	CHECK(usage(RUSAGE_SELF).ru_nvcsw >= ru.ru_nvcsw);
	CHECK(slurp("/proc/self/status"));
	CHECK(number("\nvoluntary_ctxt_switches:") >= ru.ru_nvcsw);
	CHECK(number("nonvoluntary_ctxt_switches:") >= ru.ru_nivcsw);
	send_byte(report);
	_exit(7);
}

/* The first child: what is told of all children is told of it. */
static void children(void)
{
	struct rusage one, all = usage(RUSAGE_CHILDREN);
	int fd[2], report[2], status;
	char path[32];
	pid_t pid;

	CHECK_EQ(all.ru_maxrss + all.ru_minflt + all.ru_nvcsw + all.ru_nivcsw, 0);
	make_pipe(fd);
	make_pipe(report);
	pid = fork_ok();
	if (pid == 0)
		sleeper(fd[0], report[1]);
	for (int i = 0; i < ROUNDS; i++) {
		await_asleep(pid);
		send_byte(fd[1]);
	}
	wait_byte(report[0]);
	all = usage(RUSAGE_CHILDREN);
	CHECK_EQ(all.ru_maxrss + all.ru_minflt + all.ru_nvcsw, 0);
	while (state_of(pid) != 'Z')
		sched_yield();
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	say("a zombie's exit code %lld, signal %lld\n", stat_field(path, 52), stat_field(path, 38));
	CHECK_EQ(wait4(pid, &status, 0, &one), pid);
	CHECK_EQ(WEXITSTATUS(status), 7);
	all = usage(RUSAGE_CHILDREN);
	CHECK(one.ru_nvcsw >= ROUNDS);
	CHECK(one.ru_minflt > 0);
	CHECK(one.ru_maxrss >= (long)(BIG - (1 << 20)) / 1024);
	CHECK_EQ(all.ru_nvcsw, one.ru_nvcsw);
	CHECK_EQ(all.ru_nivcsw, one.ru_nivcsw);
	CHECK_EQ(all.ru_minflt, one.ru_minflt);
	CHECK_EQ(all.ru_majflt, one.ru_majflt);
	CHECK_EQ(all.ru_maxrss, one.ru_maxrss);
	CHECK_EQ(stat_field("/proc/self/stat", 11), all.ru_minflt);
	say("children\n");
}

static void faults(void)
{
	struct rusage before = usage(RUSAGE_SELF), after;
	unsigned char *p = map_pages(BIG, PROT_READ | PROT_WRITE);
	long long shown;

	touch(p, BIG);
	after = usage(RUSAGE_SELF);
	CHECK(after.ru_minflt > before.ru_minflt);
	shown = stat_field("/proc/self/stat", 10);
	CHECK(shown >= after.ru_minflt && shown <= usage(RUSAGE_SELF).ru_minflt);
	CHECK(after.ru_maxrss >= (long)(BIG - (1 << 20)) / 1024);
	CHECK_EQ(munmap(p, BIG), 0);
	/* The most that it was. */
	CHECK(usage(RUSAGE_SELF).ru_maxrss >= after.ru_maxrss);
	CHECK(slurp("/proc/self/status"));
	CHECK(number("VmHWM:") >= (long)(BIG - (1 << 20)) / 1024);
	CHECK(number("VmRSS:") <= number("VmHWM:"));
	CHECK(number("VmPeak:") >= number("VmSize:") + (long)BIG / 1024);
	say("faults\n");
}

static void *toucher(void *arg)
{
	struct rusage before = usage(RUSAGE_THREAD), after;

	touch(arg, BIG);
	after = usage(RUSAGE_THREAD);
	CHECK(after.ru_minflt > before.ru_minflt);
	CHECK(after.ru_minflt <= usage(RUSAGE_SELF).ru_minflt);
	CHECK(after.ru_maxrss <= usage(RUSAGE_SELF).ru_maxrss);
	return NULL;
}

/* A thread's faults are its own, and stay its process's when it has ended. */
static void threads(void)
{
	unsigned char *p = map_pages(BIG, PROT_READ | PROT_WRITE);
	struct rusage before = usage(RUSAGE_SELF);
	pthread_t th;

	CHECK_EQ(pthread_create(&th, NULL, toucher, p), 0);
	CHECK_EQ(pthread_join(th, NULL), 0);
	CHECK(usage(RUSAGE_SELF).ru_minflt > before.ru_minflt);
	before = usage(RUSAGE_THREAD);
	CHECK(usage(RUSAGE_SELF).ru_nvcsw >= before.ru_nvcsw);
	say("threads\n");
}

static void fields(void)
{
	struct rlimit lim;
	cpu_set_t set;

	CHECK_EQ(getrlimit(RLIMIT_RSS, &lim), 0);
	lim.rlim_cur = 1 << 30;
	CHECK_EQ(setrlimit(RLIMIT_RSS, &lim), 0);
	CHECK_EQ(stat_field("/proc/self/stat", 25), 1 << 30);
	CHECK_EQ(stat_field("/proc/self/stat", 38), SIGCHLD);
	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	CHECK(CPU_ISSET((size_t)stat_field("/proc/self/stat", 39), &set));
	CHECK_EQ(stat_field("/proc/thread-self/stat", 22), stat_field("/proc/self/stat", 22));
}

static void bytes(void)
{
	long long r, w, nr, nw;
	int fd[2];

	/* A kernel may have been built without it. */
	if (!slurp("/proc/self/io"))
		return;
	r = number("rchar:");
	w = number("wchar:");
	nr = number("syscr:");
	nw = number("syscw:");
	make_pipe(fd);
	CHECK_EQ(write(fd[1], text, 500), 500);
	CHECK_EQ(write(fd[1], text, 300), 300);
	CHECK_EQ(read(fd[0], text, 800), 800);
	CHECK(slurp("/proc/self/io"));
	CHECK_EQ(number("wchar:") - w, 800);
	CHECK_EQ(number("syscw:") - nw, 2);
	/* and the file itself, the first time */
	CHECK(number("rchar:") - r > 800);
	CHECK_EQ(number("syscr:") - nr, 2);
}

int main(int argc, char **argv)
{
	char *args[] = {argv[0], (char[]){"after"}, NULL};
	int status;
	pid_t pid;

	if (argc > 1) {
		/* The program before this one was large. */
		CHECK(usage(RUSAGE_SELF).ru_maxrss >= (long)(BIG - (1 << 20)) / 1024);
		return 3;
	}
	/* Whoever started us may have had children before. */
	pid = fork_ok();
	if (pid == 0) {
		children();
		faults();
		threads();
		fields();
		bytes();
		_exit(0);
	}
	reap_ok(pid);
	pid = fork_ok();
	if (pid == 0) {
		touch(map_pages(BIG, PROT_READ | PROT_WRITE), BIG);
		execv("/proc/self/exe", args);
		_exit(1);
	}
	status = reap(pid);
	say("after execve: %s\n", status_text(status));
	return 0;
}
