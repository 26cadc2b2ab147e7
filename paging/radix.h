/*
 * A sparse array of frames by page index: a tree of 64-way nodes that grows in height.
 *
 * No lock of its own: the owner's. Internal to paging/.
 */
#ifndef VMBOX_PAGING_RADIX_H
#define VMBOX_PAGING_RADIX_H

#include "gmem.h"

struct radix_node;

struct radix {
	struct radix_node *root;
	unsigned height; /* levels; 0: empty */
	size_t count;    /* entries that are not 0 */
};

/* 0: nothing there. */
pfn_t radix_get(const struct radix *r, uint64_t index);
/* 0 or -ENOMEM. pfn is not 0. */
int radix_set(struct radix *r, uint64_t index, pfn_t pfn);
/* Removes and returns what was there; nodes that become empty are freed. */
pfn_t radix_del(struct radix *r, uint64_t index);
/* The first entry at or above *index: its frame and *index set; 0: none. */
pfn_t radix_next(const struct radix *r, uint64_t *index);
/* Frees all nodes; the frames are the caller's to put before. */
void radix_clear(struct radix *r);

#endif
