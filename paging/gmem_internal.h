/*
 * The inside of gmem: what the files of paging/ share about frames.
 *
 * Internal to paging/. gmem->lock protects the lists; see gmem.h. Two more
 * locks serialise slow work and are taken before it: recycle_lock around the emptying of
 * the quarantine, trim_lock around punching holes. mms_lock protects the
 * registry of address spaces and is a leaf.
 */
#ifndef VMBOX_PAGING_GMEM_INTERNAL_H
#define VMBOX_PAGING_GMEM_INTERNAL_H

#include "gmem.h"
#include "mm.h"

#include <sys/queue.h>

/*
 * Guest-physical addresses that hold no memory: interrupt controllers and a
 * processor's fixed pages on one architecture, the doorbell on the other.
 */
#define GMEM_HOLE_START 0xc0000000UL
#define GMEM_HOLE_END   0x100000000UL

/*
 * Windows: the same memory once more, behind all of it in guest-physical space. See window_take().
 */
#define GMEM_WINDOW_SHIFT 44 /* a pfn_t does not reach it */
#define GMEM_WINDOW_BITS  4
#define GMEM_WINDOWS      (1U << GMEM_WINDOW_BITS)
#define GMEM_WINDOW_MASK  ((uint64_t)(GMEM_WINDOWS - 1) << GMEM_WINDOW_SHIFT)

#define GMEM_CPUS       64
#define GMEM_MM_HASH    1024
#define GMEM_FORK_EAGER 256
#define GMEM_KEEP       256 /* stale frames that stay, for who wakes up */
#define GMEM_TRIM_PAGES                                                                            \
	((64UL << 20) >> PAGE_SHIFT) /* more stale free frames than this: punch holes */

struct frame {
	_Atomic uint32_t refs;
	pfn_t next; /* protected by the owner of the list that it is on */
};

/* A chain of frames through frame.next. */
struct frame_list {
	pfn_t head, tail;
	uint64_t n;
};

/*
 * An aligned 2 MiB. Where the host could make it one large page of its own, its frames are handed
 * out together, and those that come back wait until all have: memory that somebody else used a
 * part of would have to be cut up at each of his changes.
 */
#define BLOCK_SHIFT  9
#define BLOCK_FRAMES (1u << BLOCK_SHIFT)
#define BLOCK_BYTES  (PAGE_SIZE << BLOCK_SHIFT)

struct block {
	bool whole; /* frames that are freed are parked */
	/* with all of them parked: */
	bool there, zero; /* the host's page is; and has no contents */
	struct frame_list parked;
	/* protected by the lock of the mm that maps it by a large entry: what that is cut up into
	 */
	pfn_t table;
	TAILQ_ENTRY(block) link; /* of gm->free_blocks or part_blocks if parked.n */
};
TAILQ_HEAD(block_list, block);

struct gmem {
	/* immutable after init: */
	const struct machine_mem_ops *ops;
	void *machine;
	int fd;
	uint8_t *kvm, *vmm; /* KVM's alias and ours */
	size_t span;        /* bytes of each, the hole included */
	pfn_t end;          /* one past the last frame */
	uint64_t total;     /* frames of the limit */
	uint64_t quarantine_max;
	unsigned fork_eager; /* pages that a fork copies at once, at most */
	struct frame *frames;
	size_t frames_bytes;
	struct block *blocks;
	size_t blocks_bytes;

	pthread_mutex_t recycle_lock;
	pthread_mutex_t trim_lock;

	pthread_mutex_t lock;
	/* protected by lock: */
	pfn_t fresh;    /* first frame that was never used: zero, as all after it */
	pfn_t slot_end; /* first frame that no memslot covers */
	unsigned slots;
	bool no_slot;        /* the last attempt to add one failed */
	unsigned windows;    /* usable ones, the first included */
	bool windows_closed; /* there will be no more */
	unsigned grown;      /* windows that have the slot at slot_end already */
	unsigned window_mms[GMEM_WINDOWS];
	struct frame_list dirty;      /* free, stale contents */
	struct frame_list clean;      /* free, zero */
	struct frame_list quarantine; /* freed table frames that KVM may still know */
	uint64_t used, tables, recycles;
	struct block_list free_blocks; /* all parked: those that the host has a page for first */
	struct block_list part_blocks; /* some parked */
	uint64_t whole_blocks, ready_blocks; /* ready: free, and the page is there */

	_Atomic uint64_t invalidations;
	_Atomic bool no_populate;  /* the host cannot map pages ahead */
	_Atomic bool no_collapse;  /* nor make a large page of small ones */
	_Atomic uint64_t code_gen; /* counts pages that became executable */
	_Atomic uint64_t dirty_hint, quarantine_hint,
		block_hint; /* the lists' lengths, read without the lock */

	/* setup only, then immutable: */
	pfn_t kern_root;           /* root table that holds the kernel half alone; 0: none yet */
	pfn_t cpu_kern[GMEM_CPUS]; /* the same with an activator's own pages; 0: it has none */

	pthread_mutex_t mms_lock;
	/* protected by mms_lock: */
	struct mm *mms[GMEM_MM_HASH];

	pthread_mutex_t spares_lock;
	/* protected by spares_lock: */
	TAILQ_HEAD(, mm) spares; /* mms with a spare, the oldest first */
	unsigned nspares;

	pthread_mutex_t caches_lock; /* above memobj->lock, of which only the free ones are taken */
	/* protected by caches_lock: */
	TAILQ_HEAD(memobj_list, memobj) caches; /* objects whose pages can be filled again */

	pthread_mutex_t keeper_lock; /* a leaf */
	pthread_cond_t keeper_cond;
	pthread_t keeper;
	pthread_cond_t block_cond;
	/* protected by keeper_lock: */
	bool keeper_stop;
	bool blocks_late; /* who waited for one did so in vain */
	unsigned blocks_made;
	_Atomic bool keeper_runs, keeper_wanted; /* read without it, too */
	_Atomic unsigned block_want;             /* blocks that the keeper shall make ready */
	_Atomic unsigned block_ahead;            /* so many the next time */

	struct mm *_Atomic active[GMEM_CPUS]; /* each written by its own activator */
	_Atomic uint64_t faults_minor, faults_file, faults_cow, faults_denied;
};

static inline bool gmem_shadow(struct gmem *gm)
{
	return gm->ops->shadow(gm->machine);
}

/* frame_alloc without the slow ways to find memory: callable under any lock but gmem->lock. 0: none
 * free. */
pfn_t frame_alloc_raw(struct gmem *gm, bool zero);
/* The same; *stale: it has contents and the host's page is there, else it is zero and has none yet.
 */
pfn_t frame_take(struct gmem *gm, bool *stale);
#define FRAME_RUN_MAX 8 /* at most this many by frame_take_run */
/*
 * n frames that lie one after the other: the first of them; *stale as frame_take says. What lies
 * together leaves KVM's alias by one call, and each such call interrupts every processor that is in
 * the guest, twice. 0: there are no such without wasting memory; two or more frames can still be
 * had one by one.
 */
pfn_t frame_take_run(struct gmem *gm, unsigned n, bool *stale);
/*
 * Writes n whole pages into frames that have no page of the host's yet, through the memfd: half of
 * what it costs to touch them, for nothing is mapped, and zeroed, first. 0 or -ENOMEM.
 */
int frame_write_fresh(struct gmem *gm, const pfn_t pfn[], unsigned n, void *const data[]);
/*
 * Tries to free memory after an -ENOMEM: waits for a trim, empties the quarantine, takes
 * pages from caches. No lock held. True: try again.
 */
bool gmem_make_room(struct gmem *gm);
/* spare.c: frees what is kept for later forks. True: there was something. */
bool spare_reclaim(struct gmem *gm);
#define GMEM_TRIES 8 /* how often to try again after gmem_make_room */

/* There are so many frames, and eight times as many more. */
bool frames_plenty(struct gmem *gm, uint64_t n);

/* Drops a reference; a frame that becomes free joins list instead of the free list. */
void frame_put_list(struct gmem *gm, struct frame_list *list, pfn_t pfn);
/* Frees what frame_put_list collected, under one lock. */
void frame_free_list(struct gmem *gm, struct frame_list *list);

void frame_list_push(struct gmem *gm, struct frame_list *list, pfn_t pfn);
pfn_t frame_list_pop(struct gmem *gm, struct frame_list *list);
void frame_list_splice(struct gmem *gm, struct frame_list *to, struct frame_list *from);

/* A frame that was never used, and no memslot is missing for it; 0: none. gm->lock held. */
pfn_t frame_take_fresh_locked(struct gmem *gm);
/* gm->fresh is no longer the first frame of the hole. gm->lock held. */
void frame_skip_hole_locked(struct gmem *gm);

/* ---- block.c ---- */

/*
 * An aligned run of BLOCK_FRAMES zeroed frames with a reference each, which lie in one large page
 * of the host's; where one entry of the guest's maps it all the same (gmem_large()), in small ones
 * if the host has no large. 0: there is none, or the host cannot. Callable where frame_alloc_raw
 * is.
 *
 * To make one the host drains caches of each processor, by threads of its own: 0.15 ms, or for ever
 * where a real-time task spins. So the keeper does it ahead, if there is one, and the caller waits
 * BLOCK_PATIENCE at most; unless `wait`.
 */
pfn_t block_alloc(struct gmem *gm, bool wait);
#define BLOCK_PATIENCE 1000000 /* ns */
#define BLOCK_AHEAD    4
/* Somebody will want blocks. */
void block_expect(struct gmem *gm);
/* The keeper's: makes them. No lock held. */
void block_stock(struct gmem *gm);
/* Wakes the keeper. */
void keeper_wake(struct gmem *gm);
/* It is one, all of it is used, and it was not broken up. */
bool block_is_whole(struct gmem *gm, pfn_t base);
/* Takes the frames that belong to whole blocks off list, which are parked. gm->lock held. */
void block_park_locked(struct gmem *gm, struct frame_list *list);
/* Memory is short: the parked frames of one block become ordinary stale ones. False: there is no
 * such block. gm->lock held. */
bool block_break_locked(struct gmem *gm);
/* The same with all of which a part is in use: what is free of them can be trimmed. */
void block_break_parts(struct gmem *gm);
/* Gives the host's pages of free blocks back until no more than `keep` have any; at most `cap`.
 * Returns how many. gm->trim_lock held. */
uint64_t block_trim(struct gmem *gm, uint64_t keep, uint64_t cap);

/* A zeroed frame for a page table, never mapped to a user: plain access to it is safe. 0: none. */
pfn_t table_alloc(struct gmem *gm);
/* Frees tables: into the quarantine if KVM shadows, at once if not. No vCPU can walk them any more.
 */
void table_free_list(struct gmem *gm, struct frame_list *list);

/* Tells gmem_maintain of the lists' lengths. gm->lock held. */
void gmem_hint_locked(struct gmem *gm);
/*
 * Empties the quarantine if it holds at least so many frames: KVM forgets every shadow table.
 * Returns how many frames became free. No lock held but possibly an mm's.
 */
uint64_t gmem_quarantine_recycle(struct gmem *gm, uint64_t at_least);

/* Bytes of the slot that starts there. */
uint64_t gmem_slot_size(const struct gmem *gm, uint64_t start);

/*
 * ---- window.c: the same memory at several guest-physical addresses ----
 *
 * A KVM that shadows page tables keeps a list, for each guest-physical page, of the entries that
 * map it; beyond 1,000 of them it drops them all (RMAP_RECYCLE_THRESHOLD). So of a page that more
 * processes share, the program's text above all, each would fault again all the time. Address
 * spaces are therefore dealt to windows: memslots of the same host memory, at other guest-physical
 * addresses. A pfn_t means the same in all of them; only entries in page tables tell them apart
 * (pgtable_set), and dropping a page from KVM's alias drops it in all.
 *
 * gm->lock protects the windows.
 */

static inline uint64_t window_gpa(unsigned window)
{
	return (uint64_t)window << GMEM_WINDOW_SHIFT;
}

/* The window of a new address space; opens one if the others are full. */
unsigned window_take(struct gmem *gm);
/* That address space is gone. */
void window_put(struct gmem *gm, unsigned window);
/* A memslot of it. Negative errno. gm->lock held. */
int window_slot_add_locked(struct gmem *gm, unsigned window, uint64_t start, uint64_t size);

/* ---- alias.c ---- */

/* Makes a block, of which some page is there already, one large page of the host's. False: it
 * cannot. */
bool alias_collapse(struct gmem *gm, pfn_t base);

/* KVM drops its translations of a run of frames: their pages leave its alias. */
void alias_drop_run(struct gmem *gm, pfn_t pfn, size_t pages);
/*
 * These frames will be touched by the guest, all of them: maps them in KVM's alias. KVM then finds
 * each without asking the host's memory management, and takes up to seven neighbours with it.
 * A frame that was never used becomes a page of zeroes by that. Best effort.
 */
void alias_map(struct gmem *gm, const pfn_t *v, unsigned n);

/* Delayed work: recycles a full quarantine, punches holes, or has the keeper do it if that keeps
 * up. Called where no lock is held; cheap when there is nothing. */
void gmem_maintain(struct gmem *gm);
/* The same, here and now. There is work from `factor` times as much of either on. */
bool gmem_has_work(struct gmem *gm, unsigned factor);
void gmem_do_work(struct gmem *gm);

#endif
