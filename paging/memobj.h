/*
 * Memory objects: what a mapping is backed by, page by page.
 *
 * A memobj is a growing sparse array of frames: a file's page cache, an in-memory file, shared
 * anonymous memory, the vDSO's image. Mappings of the same object share its frames. Its owner
 * may give it a reader that fills missing pages; without one they are zero.
 *
 * obj->lock protects the array; order: mm->lock > obj->lock > gmem->lock. The
 * reader is called with obj->lock held, and may do host I/O but takes no mm lock. A page that
 * would keep it waiting can be warmed first, with no lock held.
 */
#ifndef VMBOX_PAGING_MEMOBJ_H
#define VMBOX_PAGING_MEMOBJ_H

#include "gmem.h"

struct memobj;

struct memobj_ops {
	/*
	 * Fills `n` consecutive pages from page index pgoff; pages[i] is the VMM's address of each
	 * (use gmem_copy or preadv into it; what lies past the end of the data is zero already).
	 * Returns 0, or -EIO, -ENOMEM; -EAGAIN: it would have to wait for a disk, and may not.
	 * NULL: zero pages.
	 */
	int (*fill)(void *owner, uint64_t pgoff, unsigned n, void *const pages[], bool may_wait);
	/*
	 * Brings the data of such pages to where fill finds them without waiting: best effort, may
	 * sleep. Called with no lock held. NULL: fill never has to wait.
	 */
	void (*warm)(void *owner, uint64_t pgoff, unsigned n);
	/* The last reference is gone. Called with no lock held. NULL: nothing to do. */
	void (*release)(void *owner);
};

#define MEMOBJ_READAHEAD 16 /* pages filled around a miss */

/* One reference. id is unique for ever (futex keys). ops may be NULL (zero pages, nobody to tell).
 * NULL: no memory. */
struct memobj *memobj_create(struct gmem *gm, const struct memobj_ops *ops, void *owner);
struct memobj *memobj_get(struct memobj *o);
void memobj_put(struct memobj *o);
uint64_t memobj_id(const struct memobj *o);

/* Bytes; pages wholly past it are SIGBUS. Shrinking drops whole pages past the end and zeroes the
 * tail of the last; mapped pages are unmapped from every mm first (memobj keeps its mappings on a
 * list under obj->lock; see mm.h). */
uint64_t memobj_size(struct memobj *o);
int memobj_set_size(struct memobj *o, uint64_t size);

/*
 * The frame of page pgoff with a reference for the caller, filling it (and up to MEMOBJ_READAHEAD
 * neighbours) if needed. 0; -ENXIO: past the end; -EIO; -ENOMEM.
 */
int memobj_get_page(struct memobj *o, uint64_t pgoff, pfn_t *out);
/* Reads what memobj_get_page would wait for, so that it need not. May sleep; no lock held. */
void memobj_warm(struct memobj *o, uint64_t pgoff);
/* The same only if it is resident: 0 or -ENOENT. */
int memobj_peek_page(struct memobj *o, uint64_t pgoff, pfn_t *out);
/* Moves *pgoff on to the first resident page from there: 0, or -ENOENT: none. */
int memobj_next_resident(struct memobj *o, uint64_t *pgoff);

/*
 * Reads or writes the object's bytes from or to ordinary memory. Reading stops at the size; writing
 * grows it. Bytes, or -EIO, -ENOMEM, -EFAULT (memory vanished).
 */
ssize_t memobj_read(struct memobj *o, uint64_t pos, void *buf, size_t len);
ssize_t memobj_write(struct memobj *o, uint64_t pos, const void *buf, size_t len);

/*
 * Drops up to about `want` such pages of the objects of gm that have a fill op, the
 * one that was not asked for longest first; returns how many. An object whose lock is held is
 * passed over, so any lock may be held.
 */
size_t memobj_reclaim(struct gmem *gm, size_t want);
/* Drops resident pages that nobody else refers to, of an object never written, if they can be
 * filled again (a fill op);
 * returns how many. */
size_t memobj_shrink(struct memobj *o);
size_t memobj_resident(struct memobj *o);
/* The pages of all objects of gm that have a fill op, but of those that are being filled. */
uint64_t memobj_cached(struct gmem *gm);
/* Shared mappings of it that are writable, or may become so by mm_mprotect. */
unsigned memobj_writable_maps(struct memobj *o);
/*
 * From here on remembers which pages shared mappings may have changed: such a page is mapped
 * writable only by a touch that writes. Called before anything maps the object writable.
 */
void memobj_track(struct memobj *o);
/*
 * Hands each such page of a tracked object to put(), up to the size, and forgets it where no
 * mapping can change it any more. The first error of put(), which ends it; 0. No lock held that
 * put() takes.
 */
int memobj_write_back(struct memobj *o,
		      int (*put)(void *owner, uint64_t pos, const void *page, size_t len));
/* A tracked object has such pages. */
bool memobj_has_changes(struct memobj *o);
/* Its pages may have been changed by mappings, or will be: they are not to be filled again. */
void memobj_keep(struct memobj *o);

#endif
