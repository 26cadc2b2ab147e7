/*
 * A reader of the flattened device tree, for code that has no C library.
 *
 * It owns nothing and keeps no state; the caller's lock, if it needs one. The guest's early code
 * and the unit tests compile it. It believes nothing: every offset and length is checked before it
 * is used, it follows no reference from one node to another, and each step brings it nearer to the
 * end of the tree.
 *
 * Format: Devicetree Specification v0.4, chapter 5. Nodes are known by their `compatible` (ours),
 * and by what chapter 3 says of /memory, /cpus, /chosen and /reserved-memory; others are skipped.
 */
#ifndef VMBOX_GUEST_TREE_H
#define VMBOX_GUEST_TREE_H

#include "abi.h"

/* Where the seeds lie in the tree, so that they can be erased; 0: there is none. */
struct tree_seeds {
	uint32_t kaslr, rng;
};

/*
 * Reads the tree of at most `size` bytes at `tree` (8-byte aligned, unchanging) into *m, which is
 * whole and consistent if it returns TREE_OK:
 *  - at least one range of memory and one CPU; memory ranges share no address;
 *  - clock, console and channels are whole pages of memory that nothing else claims;
 *  - a doorbell that is no memory.
 * Whether they are where this code expects them is the caller's to see. Else the reason, with the
 * offset of the node or token in *at and *m undefined. seeds may be NULL.
 */
enum abi_tree_error tree_read(const void *tree, uint32_t size, struct abi_machine *m,
			      struct tree_seeds *seeds, uint32_t *at);

#endif
