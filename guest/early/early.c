/*
 * The early code: the first thing that runs in the VM, once, in ring 3 (EL0). It reads the device
 * tree, sees whether this is the machine that the stubs are built for, and leaves in struct
 * abi_early what it has understood. The stubs themselves have no room for doubts: where they ring
 * is an immediate in their instructions.
 *
 * It has no C library and nobody who answers system calls: the one that it makes says that it is
 * done. With a debug console in the tree it writes there what it found.
 */
#include "../tree.h"

void early_main(void);
void *memset(void *p, int c, unsigned long n);
void *memcpy(void *to, const void *from, unsigned long n);

/* The compiler calls these two. */
void *memset(void *p, int c, unsigned long n)
{
	unsigned char *b = p;

	while (n--) {
		*b++ = (unsigned char)c;
		__asm__ volatile("" ::: "memory"); /* not to be seen as a memset */
	}
	return p;
}

void *memcpy(void *to, const void *from, unsigned long n)
{
	const unsigned char *f = from;
	unsigned char *t = to;

	while (n--) {
		*t++ = *f++;
		__asm__ volatile("" ::: "memory");
	}
	return to;
}

/* ---- the console ---- */

static void put_text(struct abi_console *c, const char *s)
{
	uint32_t used = atomic_load_explicit(&c->used, memory_order_relaxed);

	while (*s && used < sizeof(c->text))
		c->text[used++] = *s++;
	atomic_store_explicit(&c->used, used, memory_order_release);
}

static void put_hex(struct abi_console *c, uint64_t v)
{
	char text[19], *p = text + sizeof(text) - 1;

	*p = '\0';
	do {
		*--p = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v);
	*--p = 'x';
	*--p = '0';
	put_text(c, p);
}

static void put_number(struct abi_console *c, uint64_t v)
{
	char text[21], *p = text + sizeof(text) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	put_text(c, p);
}

static void put_range(struct abi_console *c, const char *what, struct abi_range r)
{
	if (!r.size)
		return;
	put_text(c, what);
	put_text(c, " ");
	put_hex(c, r.start);
	put_text(c, " to ");
	put_hex(c, r.start + (r.size - 1));
	put_text(c, "\n");
}

static void put_machine(struct abi_console *c, const struct abi_machine *m, uint32_t size)
{
	put_text(c, "device tree of ");
	put_number(c, size);
	put_text(c, " bytes, ABI version ");
	put_number(c, m->abi_version);
	put_text(c, "\n");
	for (uint32_t i = 0; i < m->nmemory; i++)
		put_range(c, "memory", m->memory[i]);
	put_text(c, "CPUs ");
	put_number(c, m->ncpus);
	put_text(c, "\n");
	put_range(c, m->doorbell_io ? "doorbell ports" : "doorbell", m->doorbell);
	put_range(c, "clock page", m->clock);
	put_text(c, "counter ");
	put_number(c, m->clock_hz);
	put_text(c, " Hz\n");
	put_range(c, "channels", m->channels);
	put_range(c, "console", m->console);
}

/* ---- the tree ---- */

/* Is it the machine of the stubs that were built with this header? */
static bool is_ours(const struct abi_machine *m)
{
	return m->abi_version == ABI_VERSION && m->doorbell.start == ABI_DOORBELL &&
	       m->doorbell.size == ABI_DOORBELL_SIZE && m->doorbell_io == ABI_DOORBELL_IO;
}

static void erase(uint8_t *tree, uint32_t at, uint32_t len)
{
	for (uint32_t i = 0; at && i < len; i++)
		tree[at + i] = 0;
}

/* The entry code calls this on a stack of its own, then makes the system call. */
void early_main(void)
{
	struct abi_early *answer = (struct abi_early *)ABI_EARLY_ANSWER;
	uint8_t *tree = (uint8_t *)ABI_EARLY_TREE;
	struct abi_machine *m = &answer->machine;
	struct tree_seeds seeds;

	answer->error = tree_read(tree, answer->tree_size, m, &seeds, &answer->error_at);
	if (!answer->error && !is_ours(m))
		answer->error = TREE_FOREIGN;
	if (!answer->error) {
		/* A seed is used once. */
		erase(tree, seeds.kaslr, 8);
		erase(tree, seeds.rng, ABI_RNG_SEED);
		if (m->console.size == PAGE_SIZE)
			put_machine((struct abi_console *)ABI_EARLY_CONSOLE, m, answer->tree_size);
	}
	answer->done = 1;
}
