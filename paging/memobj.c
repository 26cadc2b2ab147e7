/* Memory objects: the page array, its filling, size and bytes. */
#include "mm_internal.h"
#include "radix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct memobj {
	TAILQ_ENTRY(memobj) cache; /* in gm->caches, under its lock; only with a fill op */
	/* immutable after init: */
	struct gmem *gm;
	const struct memobj_ops *ops;
	void *owner;
	uint64_t id;

	_Atomic unsigned refs;
	_Atomic bool written; /* by memobj_write: its pages cannot be filled again */
	_Atomic bool track;   /* never again false */

	pthread_mutex_t lock;
	/* protected by lock: */
	struct radix pages; /* each with a reference */
	struct radix dirty; /* 1: a mapping may have changed the page */
	uint64_t size;

	pthread_mutex_t map_lock; /* a leaf, under mm->lock */
	/* protected by map_lock: */
	LIST_HEAD(, vma_node) maps; /* every VMA that maps this object */
	unsigned writable_maps;     /* those whose writes go to the object */
};

static _Atomic uint64_t next_id = 1;

static bool can_refill(const struct memobj *o)
{
	return o->ops && o->ops->fill;
}

struct memobj *memobj_create(struct gmem *gm, const struct memobj_ops *ops, void *owner)
{
	struct memobj *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->gm = gm;
	o->ops = ops;
	o->owner = owner;
	o->id = atomic_fetch_add(&next_id, 1);
	atomic_init(&o->refs, 1);
	pthread_mutex_init(&o->lock, NULL);
	pthread_mutex_init(&o->map_lock, NULL);
	LIST_INIT(&o->maps);
	if (can_refill(o)) {
		pthread_mutex_lock(&gm->caches_lock);
		TAILQ_INSERT_TAIL(&gm->caches, o, cache);
		pthread_mutex_unlock(&gm->caches_lock);
	}
	return o;
}

struct memobj *memobj_get(struct memobj *o)
{
	atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
	return o;
}

/* Takes the pages from `first` on out of the array. Their references go to list. obj->lock held (or
 * nobody left). */
static void drop_pages(struct memobj *o, uint64_t first, struct frame_list *list)
{
	uint64_t i = first;
	pfn_t pfn;

	while ((pfn = radix_next(&o->pages, &i))) {
		radix_del(&o->pages, i);
		frame_put_list(o->gm, list, pfn);
		i++;
	}
}

void memobj_put(struct memobj *o)
{
	struct frame_list list = {0};

	if (atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (can_refill(o)) {
		/* Whoever reclaims from it holds this lock: from here on nobody does. */
		pthread_mutex_lock(&o->gm->caches_lock);
		TAILQ_REMOVE(&o->gm->caches, o, cache);
		pthread_mutex_unlock(&o->gm->caches_lock);
	}
	drop_pages(o, 0, &list);
	frame_free_list(o->gm, &list);
	radix_clear(&o->pages);
	radix_clear(&o->dirty);
	if (o->ops && o->ops->release)
		o->ops->release(o->owner);
	pthread_mutex_destroy(&o->map_lock);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

uint64_t memobj_id(const struct memobj *o)
{
	return o->id;
}

uint64_t memobj_size(struct memobj *o)
{
	uint64_t size;

	pthread_mutex_lock(&o->lock);
	size = o->size;
	pthread_mutex_unlock(&o->lock);
	return size;
}

/* ---- pages ---- */

static uint64_t pages_of(uint64_t size)
{
	return (size >> PAGE_SHIFT) + ((size & (PAGE_SIZE - 1)) != 0);
}

/*
 * The same by way of a buffer, so that fresh frames are written by one call and not by a fault of
 * the host's each. It is on the stack: as a variable of each thread it would be zeroed whenever one
 * begins.
 */
static int fill_fresh_locked(struct memobj *o, uint64_t pgoff, const pfn_t pfn[], unsigned n,
			     bool may_wait)
{
	uint8_t fresh[MEMOBJ_READAHEAD << PAGE_SHIFT];
	void *page[MEMOBJ_READAHEAD];
	int r;

	for (unsigned i = 0; i < n; i++)
		page[i] = fresh + ((size_t)i << PAGE_SHIFT);
	memset(fresh, 0, (size_t)n << PAGE_SHIFT);
	r = o->ops->fill(o->owner, pgoff, n, page, may_wait);
	return r == 0 ? frame_write_fresh(o->gm, pfn, n, page) : r;
}

/* Fills new frames, of which nstale have contents. obj->lock held. */
static int fill_frames_locked(struct memobj *o, uint64_t pgoff, const pfn_t pfn[], unsigned n,
			      unsigned nstale, bool may_wait)
{
	void *page[MEMOBJ_READAHEAD];

	may_wait |= !o->ops->warm;
	if (!nstale && n > 1)
		return fill_fresh_locked(o, pgoff, pfn, n, may_wait);
	for (unsigned i = 0; i < n; i++)
		page[i] = frame_hva(o->gm, pfn[i]);
	return o->ops->fill(o->owner, pgoff, n, page, may_wait);
}

/* Makes n missing pages from pgoff on. obj->lock held. */
static int fill_locked(struct memobj *o, uint64_t pgoff, unsigned n, bool may_wait)
{
	unsigned got, put = 0, nstale = 0;
	pfn_t pfn[MEMOBJ_READAHEAD];
	bool stale;
	int r = 0;

	for (got = 0; got < n; got++) {
		pfn[got] = frame_take(o->gm, &stale);
		if (!pfn[got])
			break;
		nstale += stale;
		if (stale && gmem_zero(frame_hva(o->gm, pfn[got]), PAGE_SIZE) < 0) {
			frame_put(o->gm, pfn[got]);
			break;
		}
	}
	if (got < n)
		r = -ENOMEM;
	else if (o->ops && o->ops->fill)
		r = fill_frames_locked(o, pgoff, pfn, n, nstale, may_wait);
	for (; !r && put < n; put++) {
		if (radix_set(&o->pages, pgoff + put, pfn[put]) < 0)
			r = -ENOMEM;
	}
	if (r < 0) {
		/* Pages before the one that failed are whole and stay. */
		for (unsigned i = put > 0 ? put - 1 : 0; i < got; i++)
			frame_put(o->gm, pfn[i]);
	}
	return r;
}

/* The missing pages around pgoff that are read with it: an aligned block, cut at the end and at
 * resident pages. */
static unsigned fill_window(struct memobj *o, uint64_t pgoff, uint64_t *first)
{
	uint64_t lo = pgoff & ~(uint64_t)(MEMOBJ_READAHEAD - 1), hi = lo + MEMOBJ_READAHEAD;
	uint64_t from = pgoff, to = pgoff + 1, end = pages_of(o->size);

	*first = pgoff;
	if (!o->ops || !o->ops->fill)
		return 1; /* zero pages cost nothing to make later */
	while (from > lo && !radix_get(&o->pages, from - 1))
		from--;
	while (to < hi && to < end && !radix_get(&o->pages, to))
		to++;
	*first = from;
	return (unsigned)(to - from);
}

/* The page, filled if need be, whatever the size. obj->lock held. */
static int page_locked(struct memobj *o, uint64_t pgoff, bool may_wait, pfn_t *out)
{
	pfn_t pfn = radix_get(&o->pages, pgoff);
	uint64_t first;
	unsigned n;
	int r;

	if (!pfn) {
		n = fill_window(o, pgoff, &first);
		r = fill_locked(o, first, n, may_wait);
		/* The neighbours are a gift: without them it may work. */
		if (r < 0 && n > 1 && !radix_get(&o->pages, pgoff))
			r = fill_locked(o, pgoff, 1, may_wait);
		pfn = radix_get(&o->pages, pgoff);
		if (!pfn)
			return r;
	}
	frame_get(o->gm, pfn);
	*out = pfn;
	return 0;
}

int memobj_page(struct memobj *o, uint64_t pgoff, bool may_wait, pfn_t *out)
{
	int r = -ENXIO;

	pthread_mutex_lock(&o->lock);
	if (pgoff < pages_of(o->size))
		r = page_locked(o, pgoff, may_wait, out);
	pthread_mutex_unlock(&o->lock);
	return r;
}

int memobj_get_page(struct memobj *o, uint64_t pgoff, pfn_t *out)
{
	for (int i = 0;; i++) {
		int r = memobj_page(o, pgoff, true, out);

		if (r != -ENOMEM || i == GMEM_TRIES || !gmem_make_room(o->gm))
			return r;
	}
}

void memobj_warm(struct memobj *o, uint64_t pgoff)
{
	uint64_t first;
	unsigned n = 0;

	if (!o->ops || !o->ops->warm)
		return;
	pthread_mutex_lock(&o->lock);
	if (pgoff < pages_of(o->size) && !radix_get(&o->pages, pgoff))
		n = fill_window(o, pgoff, &first);
	pthread_mutex_unlock(&o->lock);
	if (n)
		o->ops->warm(o->owner, first, n);
}

void memobj_peek_range(struct memobj *o, uint64_t pgoff, unsigned n, pfn_t *out)
{
	pthread_mutex_lock(&o->lock);
	for (unsigned i = 0; i < n; i++) {
		out[i] = 0;
		if (pgoff + i >= pages_of(o->size))
			continue;
		out[i] = radix_get(&o->pages, pgoff + i);
		if (out[i])
			frame_get(o->gm, out[i]);
	}
	pthread_mutex_unlock(&o->lock);
}

int memobj_peek_page(struct memobj *o, uint64_t pgoff, pfn_t *out)
{
	memobj_peek_range(o, pgoff, 1, out);
	return *out ? 0 : -ENOENT;
}

/* obj->lock held; the frames go to list. */
static size_t shrink_locked(struct memobj *o, struct frame_list *list)
{
	size_t n = 0;
	uint64_t i = 0;
	pfn_t pfn;

	if (atomic_load(&o->written))
		return 0;
	while ((pfn = radix_next(&o->pages, &i))) {
		/* A new reference is taken under obj->lock only, or from one that would count. */
		if (frame_refs(o->gm, pfn) == 1) {
			radix_del(&o->pages, i);
			frame_put_list(o->gm, list, pfn);
			n++;
		}
		i++;
	}
	return n;
}

size_t memobj_shrink(struct memobj *o)
{
	struct frame_list list = {0};
	size_t n;

	if (!can_refill(o))
		return 0;
	pthread_mutex_lock(&o->lock);
	n = shrink_locked(o, &list);
	pthread_mutex_unlock(&o->lock);
	frame_free_list(o->gm, &list);
	return n;
}

/*
 * The caller may hold any object's lock, its own and that of the one that needs the frame included:
 * so a lock that is not free is not waited for. caches_lock keeps each object from going away.
 */
size_t memobj_reclaim(struct gmem *gm, size_t want)
{
	struct frame_list list = {0};
	struct memobj *o, *last;
	size_t n = 0;

	pthread_mutex_lock(&gm->caches_lock);
	last = TAILQ_LAST(&gm->caches, memobj_list);
	while ((o = TAILQ_FIRST(&gm->caches)) && n < want) {
		if (!pthread_mutex_trylock(&o->lock)) {
			n += shrink_locked(o, &list);
			pthread_mutex_unlock(&o->lock);
		}
		/* Next time the others come first. */
		TAILQ_REMOVE(&gm->caches, o, cache);
		TAILQ_INSERT_TAIL(&gm->caches, o, cache);
		if (o == last)
			break;
	}
	pthread_mutex_unlock(&gm->caches_lock);
	frame_free_list(gm, &list);
	return n;
}

void memobj_keep(struct memobj *o)
{
	atomic_store(&o->written, true);
}

size_t memobj_resident(struct memobj *o)
{
	size_t n;

	pthread_mutex_lock(&o->lock);
	n = o->pages.count;
	pthread_mutex_unlock(&o->lock);
	return n;
}

uint64_t memobj_cached(struct gmem *gm)
{
	struct memobj *o;
	uint64_t n = 0;

	pthread_mutex_lock(&gm->caches_lock);
	TAILQ_FOREACH (o, &gm->caches, cache) {
		if (pthread_mutex_trylock(&o->lock))
			continue;
		n += o->pages.count;
		pthread_mutex_unlock(&o->lock);
	}
	pthread_mutex_unlock(&gm->caches_lock);
	return n;
}

int memobj_next_resident(struct memobj *o, uint64_t *pgoff)
{
	pfn_t pfn;

	pthread_mutex_lock(&o->lock);
	pfn = radix_next(&o->pages, pgoff);
	pthread_mutex_unlock(&o->lock);
	return pfn ? 0 : -ENOENT;
}

/* ---- mappings ---- */

/* These two flags never change while it is mapped. */
static bool map_writes(const struct vma_node *n)
{
	return (n->v.flags & (VMA_SHARED | VMA_NOWRITE)) == VMA_SHARED;
}

void memobj_map_add(struct memobj *o, struct vma_node *n)
{
	pthread_mutex_lock(&o->map_lock);
	LIST_INSERT_HEAD(&o->maps, n, obj_link);
	o->writable_maps += map_writes(n);
	pthread_mutex_unlock(&o->map_lock);
}

void memobj_map_del(struct memobj *o, struct vma_node *n)
{
	pthread_mutex_lock(&o->map_lock);
	LIST_REMOVE(n, obj_link);
	o->writable_maps -= map_writes(n);
	pthread_mutex_unlock(&o->map_lock);
}

unsigned memobj_writable_maps(struct memobj *o)
{
	unsigned n;

	pthread_mutex_lock(&o->map_lock);
	n = o->writable_maps;
	pthread_mutex_unlock(&o->map_lock);
	return n;
}

/* ---- what mappings change ---- */

void memobj_track(struct memobj *o)
{
	atomic_store(&o->track, true);
}

bool memobj_tracks(const struct memobj *o)
{
	return atomic_load(&o->track);
}

int memobj_mark_dirty(struct memobj *o, uint64_t pgoff)
{
	int r;

	pthread_mutex_lock(&o->lock);
	atomic_store(&o->written, true);
	r = radix_set(&o->dirty, pgoff, 1);
	pthread_mutex_unlock(&o->lock);
	return r;
}

bool memobj_has_changes(struct memobj *o)
{
	uint64_t ix = 0;
	bool any;

	pthread_mutex_lock(&o->lock);
	any = radix_next(&o->dirty, &ix);
	pthread_mutex_unlock(&o->lock);
	return any;
}

/* The next dirty page from *ix on, with a reference, and how much of it counts. 0: none. */
static pfn_t next_dirty(struct memobj *o, uint64_t *ix, size_t *len)
{
	pfn_t pfn = 0;

	pthread_mutex_lock(&o->lock);
	for (; !pfn && radix_next(&o->dirty, ix); (*ix)++) {
		uint64_t pos = *ix << PAGE_SHIFT;

		pfn = pos < o->size ? radix_get(&o->pages, *ix) : 0;
		if (!pfn) {
			radix_del(&o->dirty, *ix);
			continue;
		}
		frame_get(o->gm, pfn);
		/* A mapping that is made after this look marks the page anew. */
		if (!memobj_writable_maps(o))
			radix_del(&o->dirty, *ix);
		*len = o->size - pos < PAGE_SIZE ? o->size - pos : PAGE_SIZE;
	}
	pthread_mutex_unlock(&o->lock);
	return pfn;
}

int memobj_write_back(struct memobj *o,
		      int (*put)(void *owner, uint64_t pos, const void *page, size_t len))
{
	uint64_t ix = 0;
	int r = 0;
	size_t len;
	pfn_t pfn;

	while (!r && (pfn = next_dirty(o, &ix, &len))) {
		r = put(o->owner, (ix - 1) << PAGE_SHIFT, frame_hva(o->gm, pfn), len);
		frame_put(o->gm, pfn);
		if (r)
			memobj_mark_dirty(o, ix - 1);
	}
	return r;
}

#define SNAPSHOT 32

/*
 * References to the mms with the smallest ids above *after that map the object;
 * NULL for one that is dying. *after: the highest of them.
 */
static unsigned snapshot(struct memobj *o, uint64_t *after, struct mm *out[SNAPSHOT])
{
	struct vma_node *v;
	unsigned n = 0;

	pthread_mutex_lock(&o->map_lock);
	/* An mm is freed only after its VMAs have left this list: the pointers are good. */
	for (v = LIST_FIRST(&o->maps); v; v = LIST_NEXT(v, obj_link)) {
		unsigned at = n;
		bool known = false;

		if (v->mm->id <= *after)
			continue;
		for (unsigned i = 0; i < n && !known; i++)
			known = out[i] == v->mm;
		if (known || (n == SNAPSHOT && v->mm->id > out[n - 1]->id))
			continue;
		if (n == SNAPSHOT)
			at = --n;
		for (; at > 0 && out[at - 1]->id > v->mm->id; at--)
			out[at] = out[at - 1];
		out[at] = v->mm;
		n++;
	}
	if (n)
		*after = out[n - 1]->id;
	for (unsigned i = 0; i < n; i++) {
		if (!mm_tryget(out[i]))
			out[i] = NULL;
	}
	pthread_mutex_unlock(&o->map_lock);
	return n;
}

/*
 * Unmaps the pages from pgoff on everywhere. They have left the array, so no
 * fault maps them again; a fork that copies entries meanwhile makes an mm with a
 * higher id, which this comes to later.
 */
static void unmap_everywhere(struct memobj *o, uint64_t pgoff)
{
	struct mm *mms[SNAPSHOT];
	uint64_t after = 0;
	unsigned n;

	while ((n = snapshot(o, &after, mms)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			if (!mms[i])
				continue;
			mm_zap_object(mms[i], o, pgoff);
			mm_put(mms[i]);
		}
	}
}

/* ---- size and bytes ---- */

/* Zeroes what lies behind the end in its page: a mapping may have written there. obj->lock held. */
static int zero_tail_locked(struct memobj *o)
{
	uint64_t off = o->size & (PAGE_SIZE - 1);
	pfn_t pfn = off ? radix_get(&o->pages, o->size >> PAGE_SHIFT) : 0;

	return pfn ? gmem_zero((char *)frame_hva(o->gm, pfn) + off, PAGE_SIZE - off) : 0;
}

int memobj_set_size(struct memobj *o, uint64_t size)
{
	struct frame_list list = {0};
	bool shrink;

	pthread_mutex_lock(&o->lock);
	shrink = size < o->size;
	if (!shrink)
		zero_tail_locked(o);
	o->size = size;
	if (shrink) {
		/* Mappings have references of their own until they are gone. */
		drop_pages(o, pages_of(size), &list);
		zero_tail_locked(o);
	}
	pthread_mutex_unlock(&o->lock);
	frame_free_list(o->gm, &list);
	if (shrink) {
		unmap_everywhere(o, pages_of(size));
		gmem_maintain(o->gm);
	}
	return 0;
}

/* One page's worth of reading: bytes or negative errno. */
static ssize_t read_page(struct memobj *o, uint64_t pos, void *buf, size_t len)
{
	uint64_t off = pos & (PAGE_SIZE - 1);
	pfn_t pfn;
	size_t n;
	int r;

	if (!o->ops || !o->ops->fill) {
		/* A hole reads as zero without becoming a page. */
		r = memobj_peek_page(o, pos >> PAGE_SHIFT, &pfn);
		if (r < 0) {
			memset(buf, 0, len);
			return (ssize_t)len;
		}
	} else {
		r = memobj_get_page(o, pos >> PAGE_SHIFT, &pfn);
		if (r < 0)
			return r == -ENXIO ? 0 : r;
	}
	n = gmem_copy(buf, (char *)frame_hva(o->gm, pfn) + off, len);
	frame_put(o->gm, pfn);
	return n == len ? (ssize_t)n : -EFAULT;
}

ssize_t memobj_read(struct memobj *o, uint64_t pos, void *buf, size_t len)
{
	uint64_t size = memobj_size(o);
	size_t done = 0;

	if (pos >= size)
		return 0;
	if (len > size - pos)
		len = size - pos;
	while (done < len) {
		size_t n = PAGE_SIZE - ((pos + done) & (PAGE_SIZE - 1));
		ssize_t r;

		if (n > len - done)
			n = len - done;
		r = read_page(o, pos + done, (char *)buf + done, n);
		if (r <= 0)
			return done ? (ssize_t)done : r;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

/* The page to write to; not filled if nothing of it was there before. */
static int write_target(struct memobj *o, uint64_t pos, size_t len, pfn_t *out)
{
	uint64_t pgoff = pos >> PAGE_SHIFT;
	int r = 0;

	pthread_mutex_lock(&o->lock);
	if (pos > o->size)
		zero_tail_locked(o);
	if (!radix_get(&o->pages, pgoff) && (len == PAGE_SIZE || pgoff >= pages_of(o->size))) {
		pfn_t pfn = frame_alloc_raw(o->gm, true);

		if (!pfn)
			r = -ENOMEM;
		else if (radix_set(&o->pages, pgoff, pfn) < 0) {
			frame_put(o->gm, pfn);
			r = -ENOMEM;
		}
	}
	if (!r)
		r = page_locked(o, pgoff, true, out);
	pthread_mutex_unlock(&o->lock);
	return r;
}

static ssize_t write_page(struct memobj *o, uint64_t pos, const void *buf, size_t len)
{
	pfn_t pfn;
	size_t n;

	for (int i = 0;; i++) {
		int r = write_target(o, pos, len, &pfn);

		if (!r)
			break;
		if (r != -ENOMEM || i == GMEM_TRIES || !gmem_make_room(o->gm))
			return r;
	}
	n = gmem_copy((char *)frame_hva(o->gm, pfn) + (pos & (PAGE_SIZE - 1)), buf, len);
	frame_put(o->gm, pfn);
	if (n) {
		pthread_mutex_lock(&o->lock);
		if (pos + n > o->size)
			o->size = pos + n;
		pthread_mutex_unlock(&o->lock);
	}
	return n ? (ssize_t)n : -EFAULT;
}

ssize_t memobj_write(struct memobj *o, uint64_t pos, const void *buf, size_t len)
{
	size_t done = 0;

	if (pos > INT64_MAX)
		return -EFBIG;
	if (len > INT64_MAX - pos)
		len = INT64_MAX - pos;
	atomic_store(&o->written, true);
	while (done < len) {
		size_t n = PAGE_SIZE - ((pos + done) & (PAGE_SIZE - 1));
		ssize_t r;

		if (n > len - done)
			n = len - done;
		r = write_page(o, pos + done, (const char *)buf + done, n);
		if (r < 0)
			return done ? (ssize_t)done : r;
		done += (size_t)r;
		if ((size_t)r < n)
			break;
	}
	return (ssize_t)done;
}
