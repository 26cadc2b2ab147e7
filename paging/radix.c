/* The sparse array of a memory object's frames. */
#include "radix.h"

#include <errno.h>
#include <stdlib.h>

#define BITS 6
#define WAYS (1u << BITS)

struct radix_node {
	unsigned used; /* slots that are not empty */
	union {
		struct radix_node *child[WAYS];
		pfn_t pfn[WAYS]; /* at the lowest level */
	};
};

static unsigned slot_of(uint64_t index, unsigned level)
{
	return index >> (level * BITS) & (WAYS - 1);
}

/* Index lies within a tree of that height. */
static bool covers(unsigned height, uint64_t index)
{
	return height * BITS >= 64 || !(index >> (height * BITS));
}

pfn_t radix_get(const struct radix *r, uint64_t index)
{
	const struct radix_node *n = r->root;

	if (!n || !covers(r->height, index))
		return 0;
	for (unsigned level = r->height - 1; level > 0; level--) {
		n = n->child[slot_of(index, level)];
		if (!n)
			return 0;
	}
	return n->pfn[slot_of(index, 0)];
}

static int grow(struct radix *r, uint64_t index)
{
	if (!r->root) {
		r->root = calloc(1, sizeof(*r->root));
		if (!r->root)
			return -ENOMEM;
		r->height = 1;
	}
	while (!covers(r->height, index)) {
		struct radix_node *n = r->root;

		if (n->used) {
			n = calloc(1, sizeof(*n));
			if (!n)
				return -ENOMEM;
			n->child[0] = r->root;
			n->used = 1;
			r->root = n;
		}
		r->height++;
	}
	return 0;
}

int radix_set(struct radix *r, uint64_t index, pfn_t pfn)
{
	struct radix_node *n;

	if (grow(r, index) < 0)
		return -ENOMEM;
	n = r->root;
	for (unsigned level = r->height - 1; level > 0; level--) {
		struct radix_node **p = &n->child[slot_of(index, level)];

		if (!*p) {
			*p = calloc(1, sizeof(**p));
			if (!*p)
				return -ENOMEM; /* empty nodes on the way are found again */
			n->used++;
		}
		n = *p;
	}
	if (!n->pfn[slot_of(index, 0)]) {
		n->used++;
		r->count++;
	}
	n->pfn[slot_of(index, 0)] = pfn;
	return 0;
}

static pfn_t del(struct radix_node *n, unsigned level, uint64_t index)
{
	unsigned i = slot_of(index, level);
	pfn_t pfn;

	if (level == 0) {
		pfn = n->pfn[i];
		n->pfn[i] = 0;
		n->used -= pfn != 0;
		return pfn;
	}
	if (!n->child[i])
		return 0;
	pfn = del(n->child[i], level - 1, index);
	if (!n->child[i]->used) {
		free(n->child[i]);
		n->child[i] = NULL;
		n->used--;
	}
	return pfn;
}

pfn_t radix_del(struct radix *r, uint64_t index)
{
	pfn_t pfn;

	if (!r->root || !covers(r->height, index))
		return 0;
	pfn = del(r->root, r->height - 1, index);
	r->count -= pfn != 0;
	if (!r->root->used) {
		free(r->root);
		r->root = NULL;
		r->height = 0;
	}
	return pfn;
}

/* The first entry of n's subtree at or above *index. On failure *index is past the subtree. */
static pfn_t next(const struct radix_node *n, unsigned level, uint64_t *index)
{
	for (unsigned i = slot_of(*index, level); i < WAYS; i++) {
		uint64_t span = 1UL << (level * BITS);
		pfn_t pfn = 0;

		if (level == 0)
			pfn = n->pfn[i];
		else if (n->child[i])
			pfn = next(n->child[i], level - 1, index);
		if (pfn)
			return pfn;
		if (level == 0)
			++*index;
		else if (!n->child[i])
			*index = (*index & ~(span - 1)) + span;
	}
	return 0;
}

pfn_t radix_next(const struct radix *r, uint64_t *index)
{
	if (!r->root || !covers(r->height, *index))
		return 0;
	return next(r->root, r->height - 1, index);
}

static void clear(struct radix_node *n, unsigned level)
{
	for (unsigned i = 0; level > 0 && i < WAYS; i++) {
		if (n->child[i])
			clear(n->child[i], level - 1);
	}
	free(n);
}

void radix_clear(struct radix *r)
{
	if (r->root)
		clear(r->root, r->height - 1);
	*r = (struct radix){0};
}
