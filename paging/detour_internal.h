/*
 * What the files of paging/ do about detours (detour.h). mm->lock held throughout.
 */
#ifndef VMBOX_PAGING_DETOUR_INTERNAL_H
#define VMBOX_PAGING_DETOUR_INTERNAL_H

#include "detour.h"
#include "mm_internal.h"

/*
 * [start, end) is about to be replaced: text elsewhere that needs detours in it becomes as it was,
 * and they are no detours any more. 0; -ENOMEM: some is not done.
 */
int detour_vacate(struct mm *mm, uint64_t start, uint64_t end);
/*
 * [start, end) is about to change in whatever other way: the same, and text in it becomes as it
 * was, too.
 */
int detour_leave(struct mm *mm, uint64_t start, uint64_t end);
/* The pages of [start, end) go: no text there is changed any more. What lies there is no detour. */
void detour_forget(struct mm *mm, uint64_t start, uint64_t end);
/* No mapping of ours is in [start, end): the program wants to have it. 0 or -ENOMEM. */
int detour_make_room(struct mm *mm, uint64_t start, uint64_t end);
/* The child has the parent's pages and VMAs, or will. Both locks held. 0 or -ENOMEM. */
int detour_fork(struct mm *parent, struct mm *child);
void detour_free(struct mm *mm);

#endif
