/*
 * The inside of an address space, shared by the files of paging/.
 *
 * mm->lock as mm.h says. What must not be released under a lock (files, objects) is put on
 * mm->dead and released by mm_unlock(): every function here pairs mm_lock() with mm_unlock().
 */
#ifndef VMBOX_PAGING_MM_INTERNAL_H
#define VMBOX_PAGING_MM_INTERNAL_H

#include "mm.h"
#include "pgtable.h"

#include <bsd/sys/tree.h>
#include <sys/queue.h>

#define MM_MAX_VMAS     65530             /* Linux's default vm.max_map_count */
#define MM_STACK_GAP    (256 * PAGE_SIZE) /* Linux's default stack_guard_gap */
#define MM_FAULT_AHEAD  64                /* pages mapped by one sequential touch, at most */
#define MM_COPY_AHEAD   16                /* the same, of shared pages that are copied */
#define MM_FAULT_FASTER 4                 /* so many times as many as by the one before */
#define MM_FIRST_OF     16                /* the first touch of so many fresh pages maps as many */
#define MM_STREAMS      4                 /* sequences of touches that a VMA is known to have */
#define MM_FAULT_AROUND 64 /* resident object pages mapped around a touch: an aligned block */
/* A private writable mapping of more pages is refused unless it is VMA_NORESERVE. */
#define OVERCOMMIT_PAGES(mm) ((mm)->gm->total * 16)
#define MM_PGOFF_MAX         (1UL << 51) /* object pages; 2^63 bytes */

struct detours;

struct vma_node {
	struct vma v;
	struct mm *mm;
	RB_ENTRY(vma_node) rb;
	LIST_ENTRY(vma_node) obj_link; /* protected by v.obj's map_lock */
	struct vma_node *dead;         /* next on mm->dead */
	struct vma_stream {
		uint64_t next;  /* where a sequential reader or writer would fault next */
		unsigned ahead; /* pages to map then */
	} stream[MM_STREAMS];   /* unused: 0 */
	unsigned oldest_stream; /* the one that the next new one replaces */
	unsigned copies;        /* a write to the object's pages copies 2^copies */
};
RB_HEAD(vma_tree, vma_node);

/* Page tables without an mm. */
struct mm_tables {
	pfn_t root;
	unsigned window;
	uint64_t resident, tables; /* mm's */
};

struct mm {
	/* immutable after init: */
	struct gmem *gm;
	uint64_t id;
	pfn_t root;
	unsigned window; /* through which its entries see frames */

	_Atomic bool has_shared; /* mappings, now or earlier */
	bool pruned;             /* a table has gone; protected by lock */
	int home; /* the activator that root is for; -1: nobody's yet; protected by lock */

	_Atomic unsigned refs;   /* users; at 0 its contents go */
	_Atomic unsigned holds;  /* activators, and one for all users; at 0 the structure goes */
	_Atomic uint64_t active; /* bit per activator */
	_Atomic uint64_t tlb_gen;
	_Atomic(struct detours *) detours; /* detour.c's; NULL: there never was one */
	_Atomic uint64_t asid;             /* asid.c's, under the space's lock; 0: none yet */
	_Atomic bool no_spans;
	struct mm_cids cids;

	struct mm *hash_next; /* protected by gm->mms_lock */

	pthread_mutex_t lock;
	/* protected by lock: */
	struct vma_tree vmas;
	unsigned nvma;
	struct vma_node *last; /* the VMA found last, or NULL */
	struct vma_node *dead; /* to be released by mm_unlock */
	uint64_t mapped;       /* bytes */
	uint64_t locked, data; /* of these: VMA_LOCKED; private, writable and no stack */
	unsigned future_lock;  /* flags that new mappings get: mlockall */
	uint64_t resident;     /* entries that are not 0 */
	uint64_t peak_mapped, peak_resident; /* before they last became less */
	uint64_t tables;                     /* below the root */
	uint64_t large;                      /* large entries */
	pfn_t *cpu_root;                     /* roots for other activators than home; NULL: none */
	uint64_t brk_start, brk;
	uint64_t mmap_base;
	uint64_t gap_from,
		gap_largest; /* top-down search: start here for more than gap_largest bytes */
	uint64_t limit_as, limit_data, stack_limit;
	_Atomic uint64_t limit_lock; /* read and set without the lock, too */

	/* protected by gm->spares_lock: */
	struct mm_spare {
		struct mm_tables t; /* root 0: there is none */
		unsigned contended; /* mm->lock's */
		bool closed;
		TAILQ_ENTRY(mm) link;
	} spare;

	/* set by the fork that made it, before others see it; then its end's: */
	struct mm *forked_from; /* a hold; NULL: nobody's child, or no candidate */
	uint64_t forked_resident, forked_tables;

	_Atomic uint64_t faults_minor, faults_file, faults_cow, faults_denied;
};

void mm_lock(struct mm *mm);
/* Also releases mm->dead and does gmem's delayed work. */
void mm_unlock(struct mm *mm);
/* mm_create without the registry: nobody else can find it. t: its tables, NULL for new ones. NULL:
 * no memory. */
struct mm *mm_alloc(struct gmem *gm, const struct mm_tables *t);
void mm_register(struct mm *mm);
/* A reference unless the last one is gone already. */
bool mm_tryget(struct mm *mm);
/* Keep the structure, not what is in it. */
void mm_hold(struct mm *mm);
void mm_release(struct mm *mm);

/*
 * ---- spare.c: the tables of dead children ----
 *
 * Who forks forks again, and the next child is like the last. So a child's tables outlive it, with
 * the frames that they name, until its parent's next fork makes them the next child's: it copies
 * the parent's pages into frames that the dead child had for itself, and changes only the entries
 * that differ. That saves the tables, their frames, and on a KVM that shadows page tables the
 * making and forgetting of the shadows, which costs more than all the rest of a fork.
 *
 * Nobody runs on a spare's tables, and no VMA describes them; their entries own references, as
 * others do, so no frame in them can be anyone else's meanwhile. They are memory that can be had
 * back at any time: the oldest of too many, and all when memory is short.
 *
 * gm->spares_lock, a leaf, protects the list and each mm's `spare`.
 */

/* child, just forked, shall leave its tables to parent. child->lock held: objects can reach its
 * pages already. */
void spare_expect(struct mm *child, struct mm *parent);
/* child ends; no VMA is left. If its tables are kept, child->root is 0 afterwards. */
void spare_offer(struct mm *child);
/* True: these tables have waited for parent, and are the caller's now. parent->lock held. */
bool spare_take(struct mm *parent, struct mm_tables *out);
/*
 * mm is about to copy a page that others name, too. After a few of these its spare goes, if it has
 * one: true, and the page may be mm's alone now. mm->lock held.
 */
bool spare_contend(struct mm *mm);
/* mm's spare goes. False: it has none. */
bool spare_drop(struct mm *mm);
/* mm ends: its spare goes, and it gets no more. */
void spare_close(struct mm *mm);

/* ---- vma.c: the tree ---- */

int vma_compare(const struct vma_node *a, const struct vma_node *b);
RB_PROTOTYPE(vma_tree, vma_node, rb, vma_compare)

/* A node with references to v's object and file; in no tree. NULL: no memory. */
struct vma_node *vma_new(const struct vma *v);
/* Releases a node that is in no tree. No lock held. */
void vma_free(struct vma_node *n);
void vma_insert(struct mm *mm, struct vma_node *n);
/*
 * The sequence of touches that goes on at va, or a new one. Several, for who fills one object looks
 * at others meanwhile: one touch elsewhere does not end a sequence.
 */
struct vma_stream *vma_stream(struct vma_node *n, uint64_t va);
/* n has been made part of `as`, or is it: its first touch is expected where the mapping starts. */
void vma_expect(struct vma_node *as, const struct vma *v);
/* Takes it out of the tree onto mm->dead. */
void vma_remove(struct mm *mm, struct vma_node *n);
/* The first that ends after addr, or NULL. */
struct vma_node *vma_find(struct mm *mm, uint64_t addr);
struct vma_node *vma_next(struct vma_node *n);
struct vma_node *vma_prev(struct vma_node *n);
/* Makes addr a boundary: [start, addr) stays n, the new one is *out (may be NULL). 0 or -ENOMEM. */
int vma_split(struct mm *mm, struct vma_node *n, uint64_t addr, struct vma_node **out);
/* Joins n with neighbours that differ in nothing; returns what n became. */
struct vma_node *vma_merge(struct mm *mm, struct vma_node *n);
/* Other flags for n: the counters follow. */
void vma_set_flags(struct mm *mm, struct vma_node *n, unsigned flags);
/* Moves n's start or end. */
void vma_resize(struct mm *mm, struct vma_node *n, uint64_t start, uint64_t end);
/* A free place for len bytes: 0 or -ENOMEM. */
int vma_place(struct mm *mm, uint64_t len, uint64_t hint, bool low32, uint64_t *out);
/* The highest gap of len bytes in [lo, hi): its end, or 0. Largest gap passed over: *largest. */
uint64_t vma_gap_below(struct mm *mm, uint64_t len, uint64_t lo, uint64_t hi, uint64_t *largest);
/* The lowest gap of len bytes in [lo, hi): its start, or 0. */
uint64_t vma_gap_above(struct mm *mm, uint64_t len, uint64_t lo, uint64_t hi);
/* [start, end) is free and keeps a stack guard's distance. */
bool vma_range_free(struct mm *mm, uint64_t start, uint64_t end);
/* Object page of addr. */
uint64_t vma_pgoff(const struct vma *v, uint64_t addr);

/* What RLIMIT_DATA counts: is_data_mapping() of Linux. */
static inline bool vma_is_data(unsigned flags)
{
	return (flags & (VMA_WRITE | VMA_SHARED | VMA_GROWSDOWN)) == VMA_WRITE;
}

/* Leaf flags for a page of v; writable: nothing but v decides. 0: no access, a held entry. */
/* All pages of the mapping may be mapped writable at once: shared, and nobody asks which change. */
bool vma_shared_write(const struct vma *v);
unsigned vma_pte_flags(const struct vma *v, bool writable);

/* ---- mm.c: the kernel half ---- */
/* One page of it under this root; prot and user as gmem_map_kernel(). At set-up only. 0; -ENOMEM;
 * -EEXIST. */
int gmem_map_under(struct gmem *gm, pfn_t root, uint64_t va, pfn_t pfn, unsigned prot, bool user);

/* ---- map.c ---- */

/* Page aligned and inside the range, len > 0. */
bool mm_range_ok(uint64_t addr, uint64_t len);
/* Room for len more bytes of that kind under the limits of all and of data. */
bool mm_may_map(struct mm *mm, unsigned flags, uint64_t len);
/* The latter alone. */
bool mm_may_be_data(struct mm *mm, unsigned flags, uint64_t len);
/* The same under the limit of locked memory; true if they are not VMA_LOCKED. */
bool mm_may_lock(struct mm *mm, unsigned flags, uint64_t len);
/* Cuts n so that it lies inside [start, end). Returns the node or NULL: no memory. */
struct vma_node *mm_clip(struct mm *mm, struct vma_node *n, uint64_t start, uint64_t end);
int mm_unmap_locked(struct mm *mm, uint64_t start, uint64_t end);
/* Drops every page in [start, end). */
void mm_zap(struct pgtable_batch *b, uint64_t start, uint64_t end);
/* Drops the pages of all mappings of o from object page pgoff on. Takes mm->lock. */
void mm_zap_object(struct mm *mm, struct memobj *o, uint64_t pgoff);

/* ---- mlock.c ---- */

#define VMA_LOCK_MASK (VMA_LOCKED | VMA_ONFAULT)

/* `bytes` more can be locked under that limit. */
bool mm_room_to_lock(const struct mm *mm, uint64_t bytes, uint64_t limit);
/* Brings in what is locked in [from, to). 0; with `pass` always, else -ENOMEM or -EAGAIN as
 * mm_mlock says. No lock held. */
int mm_bring_in(struct mm *mm, uint64_t from, uint64_t to, bool pass);

/* ---- fault.c ---- */

#define FAULT_FORCE 0x100 /* write though the mapping forbids it (private mappings only) */
#define FAULT_ALONE 0x200 /* no fresh pages ahead: the caller knows how many it wants */

/* mm_fault with mm->lock held, and without a second try after -ENOMEM. */
int mm_fault_locked(struct mm *mm, uint64_t addr, unsigned access);

/* ---- memobj.c ---- */

/* memobj_get_page and a range of memobj_peek_page without a second try; callable under mm->lock.
 * -EAGAIN: it would have to wait, and may not. */
int memobj_page(struct memobj *o, uint64_t pgoff, bool may_wait, pfn_t *out);
bool memobj_tracks(const struct memobj *o);
/* The page is about to be mapped writable. 0, -ENOMEM. */
int memobj_mark_dirty(struct memobj *o, uint64_t pgoff);
/* out[i] = page pgoff + i with a reference, or 0. */
void memobj_peek_range(struct memobj *o, uint64_t pgoff, unsigned n, pfn_t *out);
void memobj_map_add(struct memobj *o, struct vma_node *n);
void memobj_map_del(struct memobj *o, struct vma_node *n);

extern struct vma_file_ops mm_file_ops; /* set once */

#endif
