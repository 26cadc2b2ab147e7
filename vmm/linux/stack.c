/*
 * A new program's first stack: strings, auxiliary vector, environment, arguments, as Linux lays
 *them out.
 *
 *	stack top	8 zero bytes, file name, environment strings, argument strings
 *			(a random gap) platform string, 16 random bytes
 *	sp ->		argc, argv, NULL, envp, NULL, auxv, AT_NULL
 */
#include "exec.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/random.h>

#define STACK_INITIAL (132UL << 10) /* mapped at once; the rest grows */
#define STACK_GAP_MAX 8192
#define STACK_EAGER   3 /* pages below and at the stack pointer brought in */

/* Not in every libc's <elf.h>. */
#define AT_RSEQ_FEATURE_SIZE_K 27
#define AT_RSEQ_ALIGN_K        28

struct builder {
	uint8_t *buf; /* the bytes of [base, base + size) */
	uint64_t base, size;
	uint64_t p; /* guest address: what is above is written */
};

static uint64_t push_bytes(struct builder *b, const void *src, size_t len)
{
	b->p -= len;
	memcpy(b->buf + (b->p - b->base), src, len);
	return b->p;
}

static void put64(struct builder *b, uint64_t *at, uint64_t v)
{
	memcpy(b->buf + (*at - b->base), &v, sizeof(v));
	*at += sizeof(v);
}

struct auxv {
	Elf64_auxv_t e[AUXV_MAX];
	unsigned n;
};

static void aux(struct auxv *v, uint64_t type, uint64_t value)
{
	v->e[v->n].a_type = type;
	v->e[v->n].a_un.a_val = value;
	v->n++;
}

/* Linux's order: programs that print it (LD_SHOW_AUXV) show the same list. */
static void fill_auxv(struct exec *e, struct auxv *v, uint64_t random, uint64_t execfn,
		      uint64_t platform)
{
	const struct kernel_config *cfg = &e->k->cfg;
	struct cred cr;

	process_cred(e->t->p, &cr);
	if (e->vdso)
		aux(v, AT_SYSINFO_EHDR, e->vdso);
	v->n += arch_auxv(e->k, &v->e[v->n]);
	aux(v, AT_HWCAP, cfg->hwcap);
	aux(v, AT_PAGESZ, PAGE_SIZE);
	aux(v, AT_CLKTCK, 100);
	aux(v, AT_PHDR, e->phdr);
	aux(v, AT_PHENT, sizeof(Elf64_Phdr));
	aux(v, AT_PHNUM, e->img.eh.e_phnum);
	aux(v, AT_BASE, e->interp_base);
	aux(v, AT_FLAGS, 0);
	aux(v, AT_ENTRY, e->img.eh.e_entry + e->bias);
	aux(v, AT_UID, cr.uid);
	aux(v, AT_EUID, cr.euid);
	aux(v, AT_GID, cr.gid);
	aux(v, AT_EGID, cr.egid);
	aux(v, AT_SECURE, 0);
	aux(v, AT_RANDOM, random);
	aux(v, AT_HWCAP2, cfg->hwcap2);
	aux(v, AT_EXECFN, execfn);
	if (platform)
		aux(v, AT_PLATFORM, platform);
	aux(v, AT_RSEQ_FEATURE_SIZE_K, RSEQ_FEATURE_SIZE);
	aux(v, AT_RSEQ_ALIGN_K, RSEQ_ALIGN);
	aux(v, AT_NULL, 0);
}

static size_t strings_size(const struct exec *e)
{
	size_t n = sizeof(uint64_t) + strlen(e->filename) + 1;

	for (unsigned i = 0; i < exec_argc(e); i++)
		n += strlen(exec_arg(e, i)) + 1;
	for (unsigned i = 0; i < e->a->envc; i++)
		n += strlen(e->a->strv[e->a->argc + i]) + 1;
	return n;
}

/* Pushes the strings and leaves the vector below them. */
static void build(struct exec *e, struct builder *b)
{
	unsigned argc = exec_argc(e), envc = e->a->envc;
	const char *platform = e->k->cfg.platform;
	uint64_t execfn, random_at, platform_at = 0, at, s;
	struct auxv v = {.n = 0};
	uint8_t random[16];

	b->p -= sizeof(uint64_t);
	execfn = push_bytes(b, e->filename, strlen(e->filename) + 1);
	e->env_end = b->p;
	for (unsigned i = envc; i-- > 0;)
		push_bytes(b, e->a->strv[e->a->argc + i], strlen(e->a->strv[e->a->argc + i]) + 1);
	e->env_start = e->arg_end = b->p;
	for (unsigned i = argc; i-- > 0;)
		push_bytes(b, exec_arg(e, i), strlen(exec_arg(e, i)) + 1);
	e->arg_start = b->p;

	b->p = (b->p - e->stack_gap) & ~15UL;
	if (platform)
		platform_at = push_bytes(b, platform, strlen(platform) + 1);
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		memset(random, 0x5a, sizeof(random));
	random_at = push_bytes(b, random, sizeof(random));
	fill_auxv(e, &v, random_at, execfn, platform_at);

	b->p -= (1 + argc + 1 + envc + 1) * sizeof(uint64_t) + v.n * sizeof(v.e[0]);
	b->p &= ~15UL;
	e->sp = at = b->p;
	put64(b, &at, argc);
	s = e->arg_start;
	for (unsigned i = 0; i < argc; i++) {
		put64(b, &at, s);
		s += strlen(exec_arg(e, i)) + 1;
	}
	put64(b, &at, 0);
	for (unsigned i = 0; i < envc; i++) {
		put64(b, &at, s);
		s += strlen(e->a->strv[e->a->argc + i]) + 1;
	}
	put64(b, &at, 0);
	for (unsigned i = 0; i < v.n; i++) {
		put64(b, &at, v.e[i].a_type);
		put64(b, &at, v.e[i].a_un.a_val);
		e->auxv[2 * i] = v.e[i].a_type;
		e->auxv[2 * i + 1] = v.e[i].a_un.a_val;
	}
}

int exec_map_stack(struct exec *e)
{
	struct mm_map map = {
		.fixed = true,
		.noreplace = true,
		.flags = VMA_READ | VMA_WRITE | VMA_GROWSDOWN,
		.name = "[stack]",
	};
	uint64_t at;

	if (!(e->t->p->attr.personality & ADDR_NO_RANDOMIZE)) {
		if (getrandom(&e->stack_gap, sizeof(e->stack_gap), 0) !=
		    (ssize_t)sizeof(e->stack_gap))
			e->stack_gap = 0;
		e->stack_gap %= STACK_GAP_MAX;
	}
	/* Strings, gap, platform and random bytes, the vector, and the alignments in between. */
	e->stack_used = strings_size(e) + e->stack_gap + 512 +
			(exec_argc(e) + e->a->envc + 3UL) * sizeof(uint64_t) +
			AUXV_MAX * sizeof(Elf64_auxv_t);
	if (e->k->cfg.platform)
		e->stack_used += strlen(e->k->cfg.platform);
	e->stack_used = page_up(e->stack_used);
	map.len = e->stack_used + STACK_EAGER * PAGE_SIZE;
	if (map.len < STACK_INITIAL)
		map.len = STACK_INITIAL;
	if (e->img.exec_stack)
		map.flags |= VMA_EXEC;
	map.addr = e->stack_top - map.len;
	return mm_mmap(e->mm, &map, &at);
}

int exec_build_stack(struct exec *e)
{
	struct builder b = {
		.size = e->stack_used, .base = e->stack_top - e->stack_used, .p = e->stack_top};
	uint64_t low;
	int r;

	b.buf = calloc(1, b.size);
	if (!b.buf)
		return -ENOMEM;
	build(e, &b);
	low = page_down(e->sp) - (STACK_EAGER - 1) * PAGE_SIZE;
	(void)mm_populate(e->mm, low, e->stack_top - low, true);
	r = copy_to_guest(e->mm, gva(e->sp), b.buf + (e->sp - b.base), e->stack_top - e->sp);
	free(b.buf);
	return r;
}
