/* ASIDs: generations of numbers. */
#include "asid.h"
#include "mm_internal.h"

#include <stdlib.h>

/* mm->asid: the generation above, the number below. 0: never had one. */
#define NUMBER(tag) ((unsigned)((tag) & ((1U << ASID_MAX) - 1)))

struct asid_space {
	/* immutable after creation: */
	unsigned count, cpus;

	pthread_mutex_t lock;
	/* protected by lock: */
	uint64_t generation; /* shifted to its place */
	uint64_t rollovers;
	unsigned next; /* look from here for a free number */
	struct {
		uint64_t tag; /* of the mm that it runs */
		bool forget;
	} cpu[ASID_CPUS];
	struct number {
		bool taken;
		/* Without the lock: translations from before this generation of the mm are
		 * forgotten. */
		_Atomic uint64_t forgotten;
	} * numbers;
};

struct asid_space *asid_space_create(unsigned bits, unsigned cpus)
{
	struct asid_space *s;

	if (bits > ASID_MAX || cpus > ASID_CPUS || 1U << bits <= cpus + 1)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	s->count = 1U << bits;
	s->cpus = cpus;
	s->generation = 1U << ASID_MAX;
	s->next = 1;
	s->numbers = calloc(s->count, sizeof(*s->numbers));
	if (!s->numbers) {
		asid_space_destroy(s);
		return NULL;
	}
	/* What was there before is unknown. */
	for (unsigned i = 0; i < cpus; i++)
		s->cpu[i].forget = true;
	return s;
}

void asid_space_destroy(struct asid_space *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s->numbers);
	free(s);
}

/* A number that is not taken, or 0. */
static unsigned find_free(struct asid_space *s)
{
	while (s->next < s->count && s->numbers[s->next].taken)
		s->next++;
	return s->next < s->count ? s->next : 0;
}

static void roll_over(struct asid_space *s)
{
	s->generation += 1U << ASID_MAX;
	s->rollovers++;
	s->next = 1;
	for (unsigned i = 0; i < s->count; i++)
		s->numbers[i].taken = false;
	for (unsigned i = 0; i < s->cpus; i++) {
		s->numbers[NUMBER(s->cpu[i].tag)].taken = true;
		s->cpu[i].forget = true;
	}
}

/* A vCPU has run the mm since before the roll-over: the number is still the mm's. */
static bool keep_running(struct asid_space *s, uint64_t old, uint64_t tag)
{
	bool found = false;

	for (unsigned i = 0; old && i < s->cpus; i++) {
		if (s->cpu[i].tag == old) {
			s->cpu[i].tag = tag;
			found = true;
		}
	}
	return found;
}

static uint64_t renew(struct asid_space *s, struct mm *mm, uint64_t old)
{
	unsigned n = NUMBER(old);

	if (keep_running(s, old, s->generation | n))
		return s->generation | n;
	/* The old number again if nobody has it: no reason but fewer changes. */
	if (!n || n >= s->count || s->numbers[n].taken) {
		n = find_free(s);
		if (!n) {
			roll_over(s);
			n = find_free(s);
		}
	}
	s->numbers[n].taken = true;
	/* Nobody has used it since all was forgotten, or else will forget all first. */
	atomic_store(&s->numbers[n].forgotten, mm_tlb_gen(mm));
	return s->generation | n;
}

unsigned asid_activate(struct asid_space *s, unsigned cpu, struct mm *mm, bool *forget_all)
{
	uint64_t tag;

	pthread_mutex_lock(&s->lock);
	tag = atomic_load_explicit(&mm->asid, memory_order_relaxed);
	if (tag >> ASID_MAX != s->generation >> ASID_MAX) {
		tag = renew(s, mm, tag);
		atomic_store_explicit(&mm->asid, tag, memory_order_relaxed);
	}
	s->cpu[cpu].tag = tag;
	*forget_all = s->cpu[cpu].forget;
	s->cpu[cpu].forget = false;
	pthread_mutex_unlock(&s->lock);
	return NUMBER(tag);
}

bool asid_is_stale(struct asid_space *s, unsigned asid, uint64_t gen)
{
	return atomic_load(&s->numbers[asid].forgotten) < gen;
}

void asid_forgotten(struct asid_space *s, unsigned asid, uint64_t gen)
{
	uint64_t was = atomic_load(&s->numbers[asid].forgotten);

	while (was < gen && !atomic_compare_exchange_weak(&s->numbers[asid].forgotten, &was, gen))
		;
}

uint64_t asid_rollovers(struct asid_space *s)
{
	uint64_t n;

	pthread_mutex_lock(&s->lock);
	n = s->rollovers;
	pthread_mutex_unlock(&s->lock);
	return n;
}
