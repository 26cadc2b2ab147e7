// /proc/cpuinfo says of a processor what CPUID does.
#include "check.h"
#include <cpuid.h>

static char text[1 << 16];

/* The first processor's. */
static const char *value(const char *name)
{
	size_t len = strlen(name);

	for (char *p = text; *p && *p != '\n'; p = strchr(p, '\n') + 1)
		if (!strncmp(p, name, len) && (p[len] == '\t' || p[len] == ':'))
			return strchr(p, ':') + 2;
	say("no %s\n", name);
	exit(1);
}

static bool flag(const char *name)
{
	const char *p = value("flags"), *end = strchr(p, '\n');
	size_t len = strlen(name);

	for (p = strstr(p, name); p && p < end; p = strstr(p + 1, name))
		if (p[-1] == ' ' && (p[len] == ' ' || p[len] == '\n'))
			return true;
	return false;
}

int main(void)
{
	unsigned a, b, c, d, brand[12];
	char vendor[13] = "", model[49] = "", *name = model;
	int fd = open("/proc/cpuinfo", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	CHECK(n > 0);
	__cpuid(0, a, b, c, d);
	memcpy(vendor, &b, 4);
	memcpy(vendor + 4, &d, 4);
	memcpy(vendor + 8, &c, 4);
	CHECK(!strncmp(value("vendor_id"), vendor, strlen(vendor)));
	CHECK_EQ(strtoul(value("cpuid level"), NULL, 10), a);
	for (unsigned i = 0; i < 3; i++)
		__cpuid(0x80000002 + i, brand[4 * i], brand[4 * i + 1], brand[4 * i + 2],
			brand[4 * i + 3]);
	memcpy(model, brand, 48);
	while (*name == ' ')
		name++;
	if (*name)
		CHECK(!strncmp(value("model name"), name, strcspn(name, " ")));
	__cpuid(1, a, b, c, d);
	CHECK_EQ(strtoul(value("stepping"), NULL, 10), a & 0xf);
	CHECK_EQ(strtoul(value("clflush size"), NULL, 10), (b >> 8 & 0xff) * 8);
	CHECK_EQ(flag("sse2"), (d & bit_SSE2) != 0);
	CHECK_EQ(flag("pni"), (c & bit_SSE3) != 0);
	CHECK_EQ(flag("ssse3"), (c & bit_SSSE3) != 0);
	CHECK_EQ(flag("sse4_2"), (c & bit_SSE4_2) != 0);
	CHECK_EQ(flag("popcnt"), (c & bit_POPCNT) != 0);
	CHECK_EQ(flag("cx16"), (c & bit_CMPXCHG16B) != 0);
	CHECK(flag("lm") && flag("syscall") && flag("fpu"));
	CHECK(!flag("none") && strtoul(value("core id"), NULL, 10) < 4096);
	CHECK(strtoul(value("cpu cores"), NULL, 10) >= 1 &&
	      strtoul(value("siblings"), NULL, 10) >= 1);
	(void)value("cpu family");
	(void)value("model");
	(void)value("physical id");
	(void)value("address sizes");
	(void)value("bogomips");
	say("ok\n");
	return 0;
}
