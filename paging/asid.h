/*
 * Address-space identifiers (ASIDs): numbers that tag cached translations, so that a switch to
 * another address space forgets nothing.
 *
 * There are fewer numbers than address spaces. They are given out in generations: when all are in
 * use, the next generation begins (a roll-over), every vCPU has to forget all translations before
 * it goes on with another address space, and only the numbers that vCPUs run with stay taken.
 * (Linux's arch/arm64/mm/context.c is the model.) An mm keeps its number until then, even
 * while no vCPU runs it.
 *
 * A number's translations are stale when the mm has taken something away since they were last
 * forgotten everywhere: asid_is_stale(), asid_forgotten().
 *
 * space->lock protects everything but `forgotten`; it is a leaf. cpu is below ASID_CPUS, and each
 * cpu's calls come from one thread.
 */
#ifndef VMBOX_PAGING_ASID_H
#define VMBOX_PAGING_ASID_H

#include "mm.h"

#define ASID_CPUS 64
#define ASID_MAX  16 /* bits */

struct asid_space;

/* 2^bits numbers, of which 0 is nobody's: more than cpus + 1. NULL: too few, more than ASID_MAX
 * bits, or no memory. */
struct asid_space *asid_space_create(unsigned bits, unsigned cpus);
void asid_space_destroy(struct asid_space *s);

/*
 * cpu runs mm from now on: its number. *forget_all: before it does, cpu has to forget all
 * translations.
 */
unsigned asid_activate(struct asid_space *s, unsigned cpu, struct mm *mm, bool *forget_all);

/* Translations of a number that is active may be from before the mm's generation gen
 * (mm_tlb_gen()). */
bool asid_is_stale(struct asid_space *s, unsigned asid, uint64_t gen);
/* Since gen was read all processors have forgotten the number's translations. */
void asid_forgotten(struct asid_space *s, unsigned asid, uint64_t gen);

uint64_t asid_rollovers(struct asid_space *s);

#endif
