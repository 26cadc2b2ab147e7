// Mappings come, go and change in no order, in three processes that use the same addresses: a page
// is always what the last call made of it, permits no more, and never shows what was another's.
// timeout: 60
#include "check.h"

#include <setjmp.h>

#define BASE  ((char *)0x200000000ul)
#define PAGES 96
#define STEPS 320
#define LOOKS 3
#define PAGE  4096

struct page {
	bool mapped;
	int prot;
	uint64_t word;
};

static struct page pages[PAGES];
static sigjmp_buf faulted;
static uint64_t seed, tag;

static unsigned rnd(unsigned n)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(seed >> 33) % n;
}

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(faulted, 1);
}

static volatile uint64_t *word_of(unsigned i)
{
	return (volatile uint64_t *)(void *)(BASE + (size_t)i * PAGE + 8 * (i % 512));
}

static bool reads(unsigned i, uint64_t *word)
{
	if (sigsetjmp(faulted, 1))
		return false;
	*word = *word_of(i);
	return true;
}

static bool writes(unsigned i, uint64_t word)
{
	if (sigsetjmp(faulted, 1))
		return false;
	*word_of(i) = word;
	return true;
}

static void look_at(unsigned i)
{
	struct page *p = &pages[i];
	bool may_read = p->mapped && p->prot & PROT_READ,
	     may_write = p->mapped && p->prot & PROT_WRITE;
	uint64_t word = 0, next = tag | rnd(1u << 30);

	CHECK_EQ(reads(i, &word), may_read);
	if (may_read)
		CHECK_EQ(word, p->word);
	CHECK_EQ(writes(i, next), may_write);
	if (may_write)
		p->word = next;
}

static void change(unsigned from, unsigned n)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
				    PROT_READ | PROT_WRITE};
	char *at = BASE + (size_t)from * PAGE;
	size_t len = (size_t)n * PAGE;
	int prot = prots[rnd(4)];
	bool holes = false;

	for (unsigned i = from; i < from + n; i++)
		holes |= !pages[i].mapped;
	switch (rnd(8)) {
	case 0:
	case 1:
	case 2:
		CHECK(mmap(at, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
		for (unsigned i = from; i < from + n; i++)
			pages[i] = (struct page){true, prot, 0};
		break;
	case 3:
	case 4:
		CHECK_EQ(munmap(at, len), 0);
		for (unsigned i = from; i < from + n; i++)
			pages[i].mapped = false;
		break;
	case 5:
		if (holes)
			break;
		CHECK_EQ(madvise(at, len, MADV_DONTNEED), 0);
		for (unsigned i = from; i < from + n; i++)
			pages[i].word = 0;
		break;
	default:
		if (holes)
			break;
		CHECK_EQ(mprotect(at, len, prot), 0);
		for (unsigned i = from; i < from + n; i++)
			pages[i].prot = prot;
	}
}

static void go(unsigned steps)
{
	for (unsigned step = 0; step < steps; step++) {
		unsigned from = rnd(PAGES), n = 1 + rnd(rnd(4) ? 6 : PAGES - from);

		if (from + n > PAGES)
			n = PAGES - from;
		change(from, n);
		for (unsigned i = 0; i < LOOKS; i++)
			look_at(from + rnd(n));
		look_at(rnd(PAGES));
	}
}

/* A child has what its parent had, and changes it for itself alone. */
static void fork_and_go(void *arg)
{
	unsigned number = *(unsigned *)arg;

	CHECK(signal(SIGSEGV, on_fault) != SIG_ERR);
	seed = number;
	tag = (uint64_t)(number + 1) << 32;
	for (unsigned i = 0; i < 8; i++) {
		pid_t pid = fork_ok();

		if (pid == 0) {
			tag |= 1ul << 40;
			go(STEPS / 8);
			_exit(0);
		}
		go(STEPS / 8);
		reap_ok(pid);
	}
}

int main(void)
{
	pid_t pids[3];

	for (unsigned i = 0; i < 3; i++) {
		pids[i] = fork_ok();
		if (pids[i] == 0) {
			fork_and_go(&i);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < 3; i++)
		reap_ok(pids[i]);
	return 0;
}
