// What /proc says of a process is what the calls say and have set: limits, scheduling, prctl,
// signals, usage, groups, auxiliary vector.
#include "check.h"
#include <sched.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/times.h>

static char text[16384];

static void slurp(const char *name)
{
	char path[64];
	size_t n = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/%s", name);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	while ((got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	CHECK_EQ(got, 0);
	text[n] = 0;
	close(fd);
}

/* The value behind "name:" in what was read. */
static const char *field(const char *name)
{
	char *p = strstr(text, name);

	CHECK(p != NULL);
	return p + strlen(name);
}

static unsigned long long number(const char *name, int base)
{
	return strtoull(field(name), NULL, base);
}

/* The n-th number of stat, counted as proc(5) does; the name has no blanks here. */
static long long stat_field(int n)
{
	char *p = strrchr(text, ')') + 2;

	for (int i = 3; i < n; i++)
		p = strchr(p, ' ') + 1;
	return strtoll(p, NULL, 10);
}

static void one_limit(const char *name, int res)
{
	struct rlimit lim;
	char soft[32], hard[32];
	rlim_t v[2];

	CHECK_EQ(getrlimit(res, &lim), 0);
	CHECK_EQ(sscanf(field(name), "%31s %31s", soft, hard), 2);
	v[0] = strcmp(soft, "unlimited") ? strtoull(soft, NULL, 10) : RLIM_INFINITY;
	v[1] = strcmp(hard, "unlimited") ? strtoull(hard, NULL, 10) : RLIM_INFINITY;
	CHECK_EQ(v[0], lim.rlim_cur);
	CHECK_EQ(v[1], lim.rlim_max);
}

static void limits(void)
{
	struct rlimit lim;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = 77;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &lim), 0);
	CHECK_EQ(setrlimit(RLIMIT_CORE, &((struct rlimit){0, 4096})), 0);
	slurp("limits");
	one_limit("Max cpu time", RLIMIT_CPU);
	one_limit("Max file size", RLIMIT_FSIZE);
	one_limit("Max data size", RLIMIT_DATA);
	one_limit("Max stack size", RLIMIT_STACK);
	one_limit("Max core file size", RLIMIT_CORE);
	one_limit("Max resident set", RLIMIT_RSS);
	one_limit("Max processes", RLIMIT_NPROC);
	one_limit("Max open files", RLIMIT_NOFILE);
	one_limit("Max locked memory", RLIMIT_MEMLOCK);
	one_limit("Max address space", RLIMIT_AS);
	one_limit("Max file locks", RLIMIT_LOCKS);
	one_limit("Max pending signals", RLIMIT_SIGPENDING);
	one_limit("Max msgqueue size", RLIMIT_MSGQUEUE);
	one_limit("Max nice priority", RLIMIT_NICE);
	one_limit("Max realtime priority", RLIMIT_RTPRIO);
	one_limit("Max realtime timeout", RLIMIT_RTTIME);
	say("limits\n");
}

static void status(void)
{
	sigset_t set;
	cpu_set_t cpus;
	char name[32];
	gid_t egid;
	uid_t u[3];

	CHECK_EQ(prctl(PR_SET_NAME, "agrees"), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMAX);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	umask(0123);
	slurp("status");
	CHECK_EQ(sscanf(field("Name:"), "%31s", name), 1);
	CHECK(!strcmp(name, "agrees"));
	CHECK_EQ(number("Umask:", 8), 0123);
	CHECK_EQ(number("\nPid:", 10), getpid());
	CHECK_EQ(number("\nPPid:", 10), getppid());
	CHECK_EQ(number("\nTgid:", 10), getpid());
	CHECK_EQ(number("NoNewPrivs:", 10), 1);
	CHECK_EQ(number("SigBlk:", 16), 1ULL << (SIGUSR1 - 1) | 1ULL << 63);
	CHECK_EQ(number("SigPnd:", 16) | number("ShdPnd:", 16), 1ULL << (SIGUSR1 - 1));
	CHECK_EQ(number("SigIgn:", 16) & 1, 1);
	CHECK_EQ(number("Threads:", 10), 1);
	CHECK_EQ(getresuid(&u[0], &u[1], &u[2]), 0);
	CHECK_EQ(number("\nUid:", 10), u[0]);
	egid = getegid();
	CHECK_EQ(strtoull(strchr(field("\nGid:") + 1, '\t'), NULL, 10), egid);
	CHECK_EQ(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	CHECK_EQ(number("Cpus_allowed:", 16) & 1, CPU_ISSET(0, &cpus) != 0);
	say("status\n");
}

static void stat_of_it(void)
{
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 7), 0);
	CHECK_EQ(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0}), 0);
	slurp("stat");
	CHECK_EQ(stat_field(1 + 3), getppid());
	CHECK_EQ(stat_field(5), getpgrp());
	CHECK_EQ(stat_field(6), getsid(0));
	CHECK_EQ(stat_field(18), 27);
	CHECK_EQ(stat_field(19), 7);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 7);
	CHECK_EQ(stat_field(20), 1);
	CHECK_EQ(stat_field(33) & 1, 1); /* SIGHUP, which status() ignores */
	CHECK_EQ(stat_field(32), 1 << (SIGUSR1 - 1));
	CHECK_EQ(stat_field(41), SCHED_BATCH);
	CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
	say("stat\n");
}

static void use_time(void)
{
	volatile unsigned long n = 0;

	while (now_ns(CLOCK_PROCESS_CPUTIME_ID) < 60000000)
		n++;
}

/* Of a child that has computed: its own figures before its end, and what is told of it after. */
static void usage(void)
{
	struct rusage ru, self, all;
	long long before, after;
	struct tms tms;
	siginfo_t si;
	int status_of;
	pid_t pid = fork_ok();

	if (pid == 0) {
		use_time();
		before = now_ns(CLOCK_PROCESS_CPUTIME_ID);
		CHECK_EQ(getrusage(RUSAGE_SELF, &self), 0);
		slurp("stat");
		after = now_ns(CLOCK_PROCESS_CPUTIME_ID);
		/* in ticks of 10 ms, whose remainder user and system time have each; Linux shares
		 * them out by its own tick: two more */
		CHECK((stat_field(14) + stat_field(15) + 4) * 10000000 >= before);
		CHECK((stat_field(14) + stat_field(15) - 4) * 10000000 <= after);
		CHECK(self.ru_utime.tv_sec + self.ru_stime.tv_sec > 0 ||
		      self.ru_utime.tv_usec + self.ru_stime.tv_usec >= 40000);
		CHECK(self.ru_maxrss > 0);
		_exit(7);
	}
	CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	CHECK_EQ(si.si_status, 7);
	CHECK_EQ(getrusage(RUSAGE_CHILDREN, &all), 0);
	CHECK_EQ(all.ru_utime.tv_usec + all.ru_utime.tv_sec, 0);
	CHECK_EQ(wait4(pid, &status_of, 0, &ru), pid);
	CHECK_EQ(WEXITSTATUS(status_of), 7);
	CHECK_EQ(getrusage(RUSAGE_CHILDREN, &all), 0);
	CHECK_EQ(all.ru_utime.tv_sec, ru.ru_utime.tv_sec);
	CHECK_EQ(all.ru_utime.tv_usec, ru.ru_utime.tv_usec);
	CHECK_EQ(all.ru_maxrss, ru.ru_maxrss);
	CHECK(ru.ru_maxrss > 0);
	CHECK(times(&tms) != -1);
	slurp("stat");
	CHECK_EQ(stat_field(16), tms.tms_cutime);
	CHECK_EQ(stat_field(17), tms.tms_cstime);
	CHECK(tms.tms_cutime + tms.tms_cstime >= 3);
	say("usage\n");
}

static void auxiliary(void)
{
	unsigned long v[256] = {0};
	int fd = open("/proc/self/auxv", O_RDONLY);
	ssize_t n = read(fd, v, sizeof(v));

	CHECK(n > 0 && n < (ssize_t)sizeof(v) && n % 16 == 0);
	CHECK_EQ(v[n / 8 - 2], AT_NULL);
	/* those that a C library has its own idea of are left out */
	for (ssize_t i = 0; i < n / 8 - 2; i += 2)
		if (v[i] != AT_HWCAP && v[i] != AT_HWCAP2 && v[i] != AT_PLATFORM)
			CHECK_EQ(getauxval(v[i]), v[i + 1]);
	close(fd);
	say("auxv\n");
}

/* KiB of each kind, in one reading of status. */
struct rss {
	long long all, anon, file, shmem, data;
};

static struct rss resident(void)
{
	struct rss r;

	slurp("status");
	r.all = (long long)number("VmRSS:", 10);
	r.anon = (long long)number("RssAnon:", 10);
	r.file = (long long)number("RssFile:", 10);
	r.shmem = (long long)number("RssShmem:", 10);
	r.data = (long long)number("VmData:", 10);
	CHECK_EQ(r.anon + r.file + r.shmem, r.all);
	return r;
}

/* Counters of Linux' lag behind by some pages for each processor. */
#define NEAR(a, b) CHECK((a) - (b) < 1024 && (b) - (a) < 1024)

static void touch(char *p, size_t size, bool write)
{
	for (size_t i = 0; i < size; i += 4096) {
		if (write)
			p[i] = 1;
		else
			CHECK_EQ(p[i], 0);
	}
}

/* Memory by kind: own, of a file, copied of one, of shared memory. */
static void memory(void)
{
	const size_t size = 4 << 20, kb = size / 1024;
	struct rss before = resident(), after;
	int m = memfd_create("m", 0), f = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *own, *file, *shared;

	CHECK_EQ(ftruncate(m, size), 0);
	CHECK_EQ(ftruncate(f, size), 0);
	own = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	file = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	CHECK(own != MAP_FAILED && file != MAP_FAILED && shared != MAP_FAILED);
	touch(own, size, true);
	touch(shared, size, true);
	after = resident();
	NEAR(after.anon - before.anon, (long long)kb);
	NEAR(after.shmem - before.shmem, (long long)kb);
	CHECK_EQ(after.data - before.data, 2 * (long long)kb);
	slurp("smaps_rollup");
	NEAR((long long)number("Pss_Anon:", 10), after.anon);
	NEAR((long long)number("Anonymous:", 10), after.anon);
	CHECK(number("Pss_Shmem:", 10) >= kb);
	CHECK(number("Private_Dirty:", 10) + number("Shared_Dirty:", 10) >= 2 * kb);

	before = resident();
	touch(file, size, true);
	after = resident();
	NEAR(after.anon - before.anon, (long long)kb);
	NEAR(after.file, before.file);
	CHECK_EQ(munmap(own, size), 0);
	before = after;
	after = resident();
	NEAR(before.anon - after.anon, (long long)kb);
	CHECK_EQ(before.data - after.data, (long long)kb);
	CHECK_EQ(munmap(file, size), 0);
	CHECK_EQ(munmap(shared, size), 0);
	close(m);
	close(f);
	CHECK_EQ(unlink("f"), 0);
	say("memory\n");
}

/* statm's pages, and those of status, which are KiB. */
static void statm(void)
{
	unsigned long long page = 4, size, rss, shared, code, lib, data, dirty;
	struct rss r = resident();

	CHECK(number("VmExe:", 10) > 0 && number("VmPTE:", 10) > 0 && number("VmStk:", 10) > 0);
	CHECK(number("FDSize:", 10) >= 3);
	CHECK_EQ(number("NSpid:", 10), getpid());
	CHECK(number("VmPeak:", 10) >= number("VmSize:", 10));
	CHECK(number("VmHWM:", 10) + 1024 >= number("VmRSS:", 10));
	size = number("VmSize:", 10);
	code = number("VmExe:", 10);
	data = number("VmData:", 10) + number("VmStk:", 10);
	slurp("statm");
	NEAR((long long)(strtoull(text, NULL, 10) * page), (long long)size);
	CHECK_EQ(sscanf(text, "%llu %llu %llu %llu %llu %llu %llu", &size, &rss, &shared, &size,
			&lib, &page, &dirty),
		 7);
	NEAR((long long)rss * 4, r.all);
	NEAR((long long)shared * 4, r.file + r.shmem);
	CHECK_EQ(size * 4, code);
	CHECK_EQ(lib + dirty, 0);
	CHECK_EQ(page * 4, data);
	say("statm\n");
}

/* Where stat says that things lie. */
static void places(char **argv)
{
	unsigned long long here = (unsigned long long)(uintptr_t)&slurp, local = 0;
	char **env = environ;

	slurp("stat");
	CHECK((unsigned long long)stat_field(26) <= here);
	CHECK((unsigned long long)stat_field(27) > here);
	CHECK((unsigned long long)stat_field(28) > (unsigned long long)(uintptr_t)&local);
	CHECK((unsigned long long)stat_field(28) < (unsigned long long)(uintptr_t)argv);
	CHECK((unsigned long long)stat_field(28) + 64 > (unsigned long long)(uintptr_t)argv);
	CHECK((unsigned long long)stat_field(47) <= (unsigned long long)(uintptr_t)sbrk(0));
	CHECK_EQ((unsigned long long)stat_field(48), (unsigned long long)(uintptr_t)argv[0]);
	if (*env)
		CHECK_EQ((unsigned long long)stat_field(50), (unsigned long long)(uintptr_t)*env);
	say("places\n");
}

int main(int argc, char **argv)
{
	(void)argc;
	places(argv);
	memory();
	statm();
	usage();
	limits();
	status();
	stat_of_it();
	auxiliary();
	return 0;
}
