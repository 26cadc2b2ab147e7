// native: no
// vmbox-options: --mem 64M
// timeout: 60
// expect-stdout: too much touched: signal 9
// expect-stdout: small mappings, many: ok
// expect-stdout: after: ok
// Maps everything: more memory than there is, touched until the OOM kill of that process alone;
// more areas than anybody needs, until an errno; page tables alone, until an end.
#include "check.h"

#define PAGE 4096ul

static void touch_all(void *arg)
{
	size_t len = 256ul << 20;
	unsigned char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)arg;
	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < len; i += PAGE)
		p[i] = 1;
}

static void many_areas(void *arg)
{
	long made = 0;

	(void)arg;
	/* Alternating protections cannot be merged. */
	while (made < 200000) {
		void *p = mmap(NULL, PAGE, made % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED) {
			CHECK_EQ(errno, ENOMEM);
			break;
		}
		made++;
	}
	CHECK(made > 1000);
}

/* Each page lies 2 MiB from the next: a table page for each. */
static void sparse(void *arg)
{
	unsigned char *p = mmap(NULL, 1ul << 40, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)arg;
	if (p == MAP_FAILED)
		_exit(0);
	for (size_t i = 0; i < 1ul << 40; i += 2ul << 20)
		p[i] = 1;
}

/* A read into memory that is not there yet and cannot be had. */
static void read_all(void *arg)
{
	size_t len = 256ul << 20;
	unsigned char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int fd = open("/dev/zero", O_RDONLY);

	(void)arg;
	CHECK(p != MAP_FAILED && fd >= 0);
	(void)!read(fd, p, len);
}

int main(void)
{
	int status;

	say("too much touched: %s\n", status_text(run_child(touch_all, NULL)));
	status = run_child(many_areas, NULL);
	say("small mappings, many: %s\n", status == 0 || status == SIGKILL ? "ok" : "bad");
	CHECK_EQ(run_child(sparse, NULL), SIGKILL);
	status = run_child(read_all, NULL);
	CHECK(status == 0 || status == SIGKILL);
	/* All of it is free again. */
	for (int i = 0; i < 3; i++) {
		unsigned char *p = map_pages(32ul << 20, PROT_READ | PROT_WRITE);

		for (size_t at = 0; at < 32ul << 20; at += PAGE) {
			CHECK_EQ(p[at], 0);
			p[at] = 1;
		}
		CHECK_EQ(munmap(p, 32ul << 20), 0);
	}
	say("after: ok\n");
	return 0;
}
