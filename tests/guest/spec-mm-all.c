// native: no
// vmbox-options: --mem 64M
// expect-stdout: tables: signal 9
// expect-stdout: shared pages: signal 9
// expect-stdout: mappings: exit 12
// expect-stdout: locked: exit 11
// expect-stdout: a file: exit 28
// expect-stdout: the others go on
// timeout: 60
// Processes that map and touch all they can, each in its way: it fails or is killed alone.
#include "check.h"

#define GB (1UL << 30)

static unsigned char *map(size_t len, int prot, int flags)
{
	unsigned char *p = mmap(NULL, len, prot, MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	if (p == MAP_FAILED)
		_exit(errno);
	return p;
}

/* A page of each 2 MiB: as many page tables as pages. */
static void tables(void *arg)
{
	unsigned char *p = map(16384 * GB, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	(void)arg;
	for (size_t i = 0;; i += 2 << 20)
		p[i] = 1;
}

static void shared(void *arg)
{
	unsigned char *p = map(64 * GB, PROT_READ | PROT_WRITE, MAP_SHARED);

	(void)arg;
	for (size_t i = 0;; i += 4096)
		p[i] = 1;
}

static void mappings(void *arg)
{
	(void)arg;
	for (unsigned i = 0;; i++)
		map(4096, i & 1 ? PROT_READ : PROT_NONE, MAP_PRIVATE);
}

/* The pages are not there: EAGAIN. */
static void locked(void *arg)
{
	unsigned char *p = map(GB, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	(void)arg;
	_exit(mlock(p, GB) < 0 ? errno : 0);
}

static void file(void *arg)
{
	int fd = open("/tmp/all", O_CREAT | O_RDWR, 0600);
	char buf[65536] = {1};

	(void)arg;
	CHECK(fd >= 0);
	while (write(fd, buf, sizeof(buf)) > 0)
		;
	int err = errno;

	unlink("/tmp/all");
	_exit(err);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*f)(void *arg);
	} ways[] = {{"tables", tables},
		    {"shared pages", shared},
		    {"mappings", mappings},
		    {"locked", locked},
		    {"a file", file}};
	unsigned char *p = map(16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	memset(p, 42, 16 << 20);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		say("%s: %s\n", ways[i].name, status_text(run_child(ways[i].f, NULL)));
	for (size_t i = 0; i < 16 << 20; i += 4096)
		CHECK_EQ(p[i], 42);
	memset(map(16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE), 1, 16 << 20);
	say("the others go on\n");
	return 0;
}
