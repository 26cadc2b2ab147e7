// What /proc says of the machine's memory, in Linux' own words, and sysinfo(2) with it; a row of
// cpuinfo for each processor.
#include "check.h"
#include <sys/sysinfo.h>

static char text[1 << 20];

static void slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t n = 0;
	ssize_t got;

	CHECK(fd >= 0);
	while ((got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	CHECK_EQ(got, 0);
	text[n] = 0;
	close(fd);
}

static unsigned long long kb(const char *name)
{
	size_t len = strlen(name);
	char *p = text, *end;
	unsigned long long n;

	while (strncmp(p, name, len) || p[len] != ':') {
		p = strchr(p, '\n');
		if (!p || !*++p) {
			say("no %s\n", name);
			exit(1);
		}
	}
	n = strtoull(p + len + 1, &end, 10);
	CHECK(!strncmp(end, " kB\n", 4));
	return n;
}

static void meminfo(void)
{
	static const char *const names[] = {
		"Buffers",      "Cached",         "SwapCached",   "Active",         "Inactive",
		"Active(anon)", "Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable",
		"Mlocked",      "SwapFree",       "Dirty",        "Writeback",      "AnonPages",
		"Mapped",       "Shmem",          "KReclaimable", "Slab",           "SReclaimable",
		"SUnreclaim",   "KernelStack",    "PageTables",   "Bounce",         "WritebackTmp",
		"CommitLimit",  "Committed_AS",   "VmallocTotal", "VmallocUsed",    "VmallocChunk",
		"Percpu",
	};
	unsigned long long total, left;
	struct sysinfo si;

	slurp("/proc/meminfo");
	total = kb("MemTotal");
	left = kb("MemFree");
	CHECK(total > left && left > 0);
	CHECK(kb("MemAvailable") <= total && kb("MemAvailable") > 0);
	CHECK(kb("Cached") <= total && kb("AnonPages") <= total);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)kb(names[i]);
	CHECK_EQ(sysinfo(&si), 0);
	CHECK_EQ(si.totalram * si.mem_unit / 1024, total);
	CHECK_EQ(si.totalswap * si.mem_unit / 1024, kb("SwapTotal"));
	say("meminfo\n");
}

static void cpuinfo(void)
{
	long n = 0;

	slurp("/proc/cpuinfo");
	for (char *p = text; (p = strstr(p, "processor\t:")); p++)
		if (p == text || p[-1] == '\n')
			CHECK_EQ(strtol(p + 11, NULL, 10), n++);
	CHECK_EQ(n, sysconf(_SC_NPROCESSORS_ONLN));
	say("cpuinfo\n");
}

int main(void)
{
	meminfo();
	cpuinfo();
	return 0;
}
