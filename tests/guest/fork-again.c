// variants: static musl
// One parent forks again and again while its memory changes and its children's do: each child sees
// what the parent had at its fork, whatever the children before it did at the same addresses.
#include "check.h"

#define PAGE   4096ul
#define PAGES  96u
#define ROUNDS 300

struct page {
	bool mapped, writable;
	unsigned char value;
};

static unsigned char *base;
static struct page model[PAGES];
static unsigned long seed = 1;

static unsigned rnd(unsigned n)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(seed >> 33) % n;
}

static void map(unsigned at, unsigned n)
{
	void *p = mmap(base + at * PAGE, n * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	CHECK(p != MAP_FAILED);
	for (unsigned i = at; i < at + n; i++)
		model[i] = (struct page){.mapped = true, .writable = true};
}

static void protect(unsigned at, unsigned n)
{
	bool writable = rnd(2);

	for (unsigned i = at; i < at + n; i++) {
		if (!model[i].mapped)
			continue;
		CHECK(mprotect(base + i * PAGE, PAGE, PROT_READ | (writable ? PROT_WRITE : 0)) ==
		      0);
		model[i].writable = writable;
	}
}

static void store(unsigned count)
{
	while (count--) {
		unsigned i = rnd(PAGES);

		if (model[i].writable)
			base[i * PAGE + 17] = model[i].value = (unsigned char)rnd(256);
	}
}

static void change(void)
{
	unsigned at = rnd(PAGES - 8), n = 1 + rnd(8);

	switch (rnd(5)) {
	case 0:
		map(at, n);
		break;
	case 1:
		CHECK(munmap(base + at * PAGE, n * PAGE) == 0);
		memset(&model[at], 0, n * sizeof(model[0]));
		break;
	case 2:
		protect(at, n);
		break;
	default:
		store(20);
	}
}

static void verify(void)
{
	static unsigned char vec[1];

	for (unsigned i = 0; i < PAGES; i++) {
		CHECK_EQ(mincore(base + i * PAGE, PAGE, vec) == 0, model[i].mapped);
		if (model[i].mapped)
			CHECK_EQ(base[i * PAGE + 17], model[i].value);
	}
}

int main(void)
{
	base = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(base != MAP_FAILED);
	CHECK(munmap(base, PAGES * PAGE) == 0);
	map(0, PAGES / 2);
	for (int round = 0; round < ROUNDS; round++) {
		pid_t pid;

		for (unsigned i = rnd(4); i; i--)
			change();
		pid = fork_ok();
		if (pid == 0) {
			seed += (unsigned long)round * 7919;
			verify();
			for (unsigned i = rnd(12); i; i--)
				change();
			verify();
			_exit(0);
		}
		/* Some forks find the last child alive. */
		store(rnd(6));
		if (rnd(4)) {
			while (wait(NULL) > 0)
				;
		}
		verify();
	}
	while (wait(NULL) > 0)
		;
	say("%d rounds\n", ROUNDS);
	return 0;
}
