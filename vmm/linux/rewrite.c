/* Hot system-call sites: rewrite.h. */
#include "rewrite.h"
#include "stats.h"

#include <stdlib.h>

#define SITES 64 /* that are counted at a time */
/* What a rewriting costs is saved by so many calls. */
#define HOT  16
#define DONE 255

#define COUNT_BITS 8
#define COUNT_MASK ((1u << COUNT_BITS) - 1)

struct rewrite {
	uint64_t mm_id; /* whose sites these are: exec changes it, with one task left */
	_Atomic uint64_t site[SITES]; /* program counter and count */
};

void rewrite_free(struct process *p)
{
	free(atomic_load_explicit(&p->rewrite, memory_order_relaxed));
}

/* NULL: no memory. */
static struct rewrite *counters(struct process *p)
{
	struct rewrite *w = atomic_load_explicit(&p->rewrite, memory_order_acquire), *other = NULL;

	if (w)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->mm_id = mm_id(p->mm);
	if (atomic_compare_exchange_strong(&p->rewrite, &other, w))
		return w;
	free(w);
	return other;
}

static void forget_all(struct rewrite *w, uint64_t id)
{
	for (unsigned i = 0; i < SITES; i++)
		atomic_store_explicit(&w->site[i], 0, memory_order_relaxed);
	w->mm_id = id;
}

static void try_site(struct task *t)
{
	uint64_t pc = arch_pc(&t->cpu.regs);
	uint8_t code[REWRITE_BEFORE + REWRITE_AFTER];
	struct detour d = {0};

	/* Where it cannot be, the call remains a trap. */
	if (copy_from_guest(task_mm(t), code, gva(pc - REWRITE_BEFORE), sizeof(code)) == 0 &&
	    arch_rewrite_plan(&t->cpu.regs, code, &t->k->call_entry, &d) &&
	    mm_detour(task_mm(t), &d) == 0)
		stats_count_rewritten(t->k->stats);
}

/* The counter of the site in front of pc, and *now, what it is; NULL: nothing is to be counted. */
static _Atomic uint64_t *find_site(struct task *t, uint64_t pc, uint64_t *now)
{
	_Atomic uint64_t *site;
	struct rewrite *w;

	if (!t->k->call_entry)
		return NULL;
	w = counters(t->p);
	if (!w)
		return NULL;
	if (w->mm_id != mm_id(task_mm(t)))
		forget_all(w, mm_id(task_mm(t)));
	site = &w->site[(pc * 0x9e3779b97f4a7c15) >> 58];
	*now = atomic_load_explicit(site, memory_order_relaxed);
	if (*now >> COUNT_BITS != pc)
		*now = pc << COUNT_BITS;
	return (*now & COUNT_MASK) == DONE ? NULL : site;
}

void rewrite_note(struct task *t)
{
	uint64_t now;
	_Atomic uint64_t *site = find_site(t, arch_pc(&t->cpu.regs), &now);

	if (!site)
		return;
	now++;
	if ((now & COUNT_MASK) < HOT) {
		atomic_store_explicit(site, now, memory_order_relaxed);
		return;
	}
	atomic_store_explicit(site, now | DONE, memory_order_relaxed);
	try_site(t);
}

bool rewrite_due(struct task *t, uint64_t pc)
{
	uint64_t now;
	_Atomic uint64_t *site = find_site(t, pc & (UINT64_MAX >> COUNT_BITS), &now);

	if (!site)
		return false;
	now++;
	if ((now & COUNT_MASK) >= HOT)
		return true;
	atomic_store_explicit(site, now, memory_order_relaxed);
	return false;
}

/* It is in a detour only because it was led there. */
static bool only_detour(struct task *t, const struct trap *trap, const struct detour_origin *o,
			uint64_t pc)
{
	/* The detour is gone, and so may be its page. */
	if (trap->kind == TRAP_PAGE_FAULT && trap->access & FAULT_EXEC && trap->addr == pc)
		return o->left;
	/* It would see one step too many: the text becomes as it was, and it steps there. */
	return trap->kind == TRAP_EXCEPTION && arch_stepping(&t->cpu.regs) &&
	       mm_detour_undo(task_mm(t), o->at) == 0;
}

void rewrite_trap(struct task *t, struct trap *trap)
{
	uint64_t pc = arch_pc(&t->cpu.regs);
	struct detour_origin o;

	if (!mm_has_detours(task_mm(t)) || !mm_detour_origin(task_mm(t), pc, trap->gen, &o))
		return;
	arch_set_pc(&t->cpu.regs, o.pc);
	if (only_detour(t, trap, &o, pc))
		trap->kind = TRAP_KICK;
}
