/*
 * Address spaces: a process's page tables and what is mapped where.
 *
 * The RFC's AddressSpaceProvider in C (kind: isolated): create, destroy,
 * activate, with, range. Each mm has a 64-bit id that is never reused.
 *
 * mm->lock protects the VMA tree, the page tables and the counters; it is
 * held for the length of each function here, and never across anything that
 * waits for the guest. Order: mm->lock (two mms: the older id first) > memobj lock > gmem->lock.
 *
 * Every restricting change (unmap, protect, copy-on-write marking) goes
 * through pgtable_restrict() (pgtable.h) and its frames are released only after the flush.
 */
#ifndef VMBOX_PAGING_MM_H
#define VMBOX_PAGING_MM_H

#include "gmem.h"
#include "memobj.h"

/* Protection and kind of a VMA. Not mmap(2)'s values on purpose: POSIX policy is decoded elsewhere.
 */
#define VMA_READ       0x01
#define VMA_WRITE      0x02
#define VMA_EXEC       0x04
#define VMA_PROT       0x07
#define VMA_SHARED     0x08 /* writes go to the object; else private, copy on write */
#define VMA_GROWSDOWN  0x10 /* a stack: extends down on a touch just below it */
#define VMA_DONTFORK   0x20
#define VMA_WIPEONFORK 0x40
#define VMA_NORESERVE  0x80
#define VMA_SPECIAL    0x100 /* vDSO and clock page: may be unmapped, not resized */
#define VMA_NOWRITE    0x200 /* may never become writable: its file was not opened for writing */
#define VMA_WRITTEN    0x400 /* mm_mprotect's: it is or was writable; neighbours may differ in it */
#define VMA_LOCKED     0x800 /* mlock: its pages are brought in, and counted against a limit */
#define VMA_ONFAULT    0x1000 /* with VMA_LOCKED: not brought in */
#define VMA_SPANS      0x2000 /* a touch of an empty aligned 2 MiB maps it whole */
#define VMA_NOSPANS    0x4000 /* not even mm_collapse() does */

struct vma {
	uint64_t start, end; /* page aligned, [start, end) */
	unsigned flags;
	struct memobj *obj; /* NULL: private anonymous */
	uint64_t pgoff;     /* obj page of start */
	char name[32];      /* for maps: "[heap]", "[stack]", "" ... */
	void *file; /* opaque to paging: what /proc/PID/maps names; kept alive by file_ops */
};

/* How a VMA keeps its opaque file alive. NULL members: nothing to do. Set once, before the first
 * mm. */
struct vma_file_ops {
	void (*get)(void *file); /* an mm's lock may be held */
	void (*put)(void *file); /* called with no lock held */
};
void mm_set_file_ops(const struct vma_file_ops *ops);

struct mm_stats {
	uint64_t faults_minor, faults_file, faults_cow,
		faults_denied; /* counted over the mm's life */
};

/* A new, empty address space with one reference: 0 and *out; -ENOMEM (NoSpace). The kernel half is
 * mapped. */
int mm_create(struct gmem *gm, struct mm **out);
struct mm *mm_get(struct mm *mm);
/*
 * At the last reference everything is unmapped and freed, though mm may still be the active one
 * of vCPUs that will not run it again. mm may be NULL.
 */
void mm_put(struct mm *mm);
uint64_t mm_id(const struct mm *mm);
/* A reference to the mm with that id or NULL (InvalidId). */
struct mm *mm_lookup(struct gmem *gm, uint64_t id);

/*
 * For whoever runs tasks in mm: the small numbers (concurrency ids, one bit each) that are taken by
 * those that run, and how many tasks want one. None at first; paging does not look.
 */
struct mm_cids {
	_Atomic uint64_t taken;
	_Atomic unsigned users;
};
struct mm_cids *mm_cids(struct mm *mm);

/* The value for CR3 / TTBR0: the physical address of the root table. */
gpa_t mm_root(const struct mm *mm);
/*
 * The same for activator cpu, which may have pages of its own in the kernel half (gmem_map_cpu):
 * then each activator gets another root. By cpu's thread. 0 and *out; -ENOMEM.
 */
int mm_root_on(struct mm *mm, unsigned cpu, gpa_t *out);
/* Usable user addresses, [*start, *end). */
void mm_range(const struct mm *mm, uint64_t *start, uint64_t *end);

/*
 * Makes mm the active one of activator `cpu` (a vCPU thread; 0..63) and the previous one inactive.
 * NULL: none. An active mm may lose its last reference, but stays distinct from every later one.
 * Called by that thread only.
 */
void mm_activate(struct gmem *gm, unsigned cpu, struct mm *mm);
/* Runs f(arg) with mm active on cpu, then restores the previous one on every path; returns f's
 * result. */
int mm_with(struct gmem *gm, unsigned cpu, struct mm *mm, int (*f)(void *arg), void *arg);
struct mm *mm_active(struct gmem *gm, unsigned cpu); /* borrowed */
/* Bit mask of the activators that have mm active. */
uint64_t mm_active_mask(const struct mm *mm);
/*
 * Raised by every restricting change; a vCPU that last ran this mm at an older value flushes before
 * it runs it again. It also flushes when it goes to another mm, even if the root is the same: with
 * hardware semantics the root of an mm that is gone is used again at once. On arm64 a permissive
 * change may leave the old entry in the TLB, too: after mm_fault the vCPU drops its translation of
 * that address.
 */
uint64_t mm_tlb_gen(const struct mm *mm);
/* KVM shadows its page tables: a restricting change is dear (pgtable.h). */
bool mm_is_shadowed(const struct mm *mm);

/*
 * The kernel half: maps a frame at a kernel address in all address spaces. Setup only, by one
 * thread at a time: the first before the first mm_create (all hang below the entry that it makes),
 * the last before an mm runs. prot: VMA_* ; user: ring 3 may use it too. 0, -ENOMEM, -EEXIST.
 */
int gmem_map_kernel(struct gmem *gm, uint64_t va, pfn_t pfn, unsigned prot, bool user);
/*
 * The same for activator cpu alone: after the last gmem_map_kernel, before the first mm_root_on. At
 * addresses whose neighbours (the same entry of the second level) nobody shares. -ENOTSUP: the
 * architecture's kernel half is not part of an mm's root.
 */
int gmem_map_cpu(struct gmem *gm, unsigned cpu, uint64_t va, pfn_t pfn, unsigned prot, bool user);
/* What gmem_map_cpu has mapped there, for the supervisor to write, is this frame from now on.
 * Nothing is flushed: for an activator that looks the address up in the tables each time. */
void gmem_remap_cpu(struct gmem *gm, unsigned cpu, uint64_t va, pfn_t pfn);
/*
 * A root table that maps the kernel half alone: for a vCPU that runs no mm (x86_64), TTBR1
 * (arm64). 0 before the first gmem_map_kernel.
 */
gpa_t gmem_kernel_root(struct gmem *gm);

/* ---- mapping; addresses and lengths page aligned and inside mm_range unless said otherwise ----
 */

struct mm_map {
	uint64_t addr; /* hint, or the address if fixed */
	uint64_t len;
	unsigned flags; /* VMA_* */
	bool fixed;     /* replaces what is there */
	bool noreplace; /* with fixed: -EEXIST if something is there */
	bool low32;     /* place it below 2 GiB (MAP_32BIT) */
	bool populate;
	struct memobj *obj; /* a reference is taken */
	uint64_t pgoff;
	void *file;
	const char *name;
};
/* Without fixed: the hint if free, else top-down below mm's mmap base. 0 and *out; -ENOMEM (no
 * room, too many VMAs, over the limit), -EAGAIN (over that of locked memory), -EEXIST, -EINVAL. */
int mm_mmap(struct mm *mm, const struct mm_map *m, uint64_t *out);
int mm_munmap(struct mm *mm, uint64_t addr, uint64_t len); /* 0, -ENOMEM, -EINVAL */
/* 0; -ENOMEM: a hole in the range; -EACCES: VMA_WRITE for a VMA_NOWRITE mapping. What precedes it
 * is changed, as on Linux. */
int mm_mprotect(struct mm *mm, uint64_t addr, uint64_t len, unsigned prot);
/* Linux's mremap; fixed: new_addr is where. 0 and *out; -EFAULT (old range not one mapping),
 * -ENOMEM, -EAGAIN (locked, and over that limit), -EINVAL. old_len 0 on a shared mapping duplicates
 * it. */
int mm_mremap(struct mm *mm, uint64_t old, uint64_t old_len, uint64_t new_len, bool maymove,
	      bool fixed, bool dontunmap, uint64_t new_addr, uint64_t *out);
/* Drops pages: private ones read as zero or as the object's again. 0; -ENOMEM: a hole (the rest is
 * done). */
int mm_dontneed(struct mm *mm, uint64_t addr, uint64_t len);
/* Sets or clears VMA_DONTFORK, VMA_WIPEONFORK, VMA_SPANS, VMA_NOSPANS on a range. 0, -ENOMEM. */
int mm_advise(struct mm *mm, uint64_t addr, uint64_t len, unsigned set, unsigned clear);
/* Faults the range in (MAP_POPULATE, MADV_POPULATE_*, mlock). write: as a write would. 0, -ENOMEM
 * (hole), -EFAULT. */
int mm_populate(struct mm *mm, uint64_t addr, uint64_t len, bool write);
/*
 * MADV_COLLAPSE: each aligned 2 MiB of a private anonymous mapping of which a page is resident
 * becomes resident whole, in one large page of the host's. 0: all of them; -EINVAL: nothing was
 * resident in one, or a mapping cannot (an object's, or VMA_NOSPANS, or mm_set_no_spans, or no
 * aligned 2 MiB in it); -ENOMEM: a hole in the range, or no large page to be had. Tries what it
 * can.
 */
int mm_collapse(struct mm *mm, uint64_t addr, uint64_t len);
/* PR_SET_THP_DISABLE: as if all were VMA_NOSPANS. A fork has what its parent has. */
void mm_set_no_spans(struct mm *mm, bool on);
bool mm_no_spans(const struct mm *mm);
/* A touch of v may map 2 MiB. */
bool mm_spans(const struct mm *mm, const struct vma *v);
/* How many pages in [start, end) lie in large pages of the host's that are mapped whole. */
uint64_t mm_span_pages(struct mm *mm, uint64_t start, uint64_t end);
/* vec[i] = 1 if page i is resident. How many pages were looked at, up to a hole; -ENOMEM: none;
 * -EINVAL. */
long mm_mincore(struct mm *mm, uint64_t addr, uint64_t len, unsigned char *vec);

/* The heap: the range is set by exec; brk moves its end. Returns the new (or unchanged, on failure)
 * break as Linux does. */
void mm_set_brk(struct mm *mm, uint64_t start);
uint64_t mm_brk(struct mm *mm, uint64_t brk, uint64_t rlimit_data);
void mm_set_mmap_base(struct mm *mm, uint64_t base);
/*
 * mlock(2), mlock2, munlock: gives each mapping of the range the flags `how` of VMA_LOCKED and
 * VMA_ONFAULT, or none, and brings its pages in. limit: bytes that may be locked, as elsewhere;
 * UINT64_MAX: any. 0; -ENOMEM: a hole (what precedes it is changed), a page that cannot be brought
 * in, too many VMAs, or the limit; -EAGAIN: no memory; -EINVAL: the range wraps.
 */
int mm_mlock(struct mm *mm, uint64_t addr, uint64_t len, unsigned how, uint64_t limit);
/* mlockall(2), munlockall: the same for all there is if `current`, and `future` for what comes.
 * 0; -ENOMEM: the limit. */
int mm_mlockall(struct mm *mm, bool current, unsigned how, unsigned future, uint64_t limit);
/* That many bytes more can be locked. */
bool mm_can_lock(struct mm *mm, uint64_t bytes, uint64_t limit);
/* The limit for what is locked by itself: after mlockall, by mremap and by a stack that grows. */
void mm_set_limit_lock(struct mm *mm, uint64_t bytes);
/* Over this many bytes of private writable memory but stacks, more is -ENOMEM (RLIMIT_DATA). */
void mm_set_limit_data(struct mm *mm, uint64_t bytes);

/* Bytes mapped (RLIMIT_AS), resident pages. */
uint64_t mm_mapped_bytes(struct mm *mm);
uint64_t mm_resident_pages(struct mm *mm);
/* It has, or once had, shared mappings: when its last reference goes others may notice. No lock. */
bool mm_has_shared(const struct mm *mm);
/* The most that there have been. */
uint64_t mm_resident_peak(struct mm *mm);
/* Over this many mapped bytes, mapping is -ENOMEM. UINT64_MAX: none. */
void mm_set_limit_as(struct mm *mm, uint64_t bytes);

/* The first VMA that ends after addr: copied to *out (borrowed pointers valid while the caller
 * holds the mm alive and nothing unmaps). False: none. */
bool mm_find_vma(struct mm *mm, uint64_t addr, struct vma *out);
/* The same with references to out->obj and out->file, for a caller that looks at them: another
 * thread may unmap meanwhile. mm_put_vma() gives them back, with no lock held. */
bool mm_get_vma(struct mm *mm, uint64_t addr, struct vma *out);
void mm_put_vma(struct vma *v);
/* How many pages of a VMA are resident, and how many of these are its object's: the others are the
 * mm's own, private or copied. */
struct vma_pages {
	uint64_t resident, object;
};
/* Calls f for each VMA in order under mm->lock. */
void mm_for_each_vma(struct mm *mm,
		     void (*f)(const struct vma *v, const struct vma_pages *pages, void *arg),
		     void *arg);
/* All together: bytes, pages, and frames of page tables, the root included. */
struct mm_usage {
	uint64_t mapped, locked, data; /* bytes; data: private, writable and no stack */
	uint64_t resident, tables;
	uint64_t peak_mapped, peak_resident; /* bytes; pages */
	uint64_t brk_start;                  /* 0: no heap was set */
};
void mm_get_usage(struct mm *mm, struct mm_usage *out);

/* ---- faults and fork ---- */

#define FAULT_WRITE  1
#define FAULT_EXEC   2
#define FAULT_NOWAIT 4 /* mm_fault: -EAGAIN instead of waiting for a disk; see memobj_warm */

/*
 * A touch of addr that the page tables refused. 0: mapped, run on. -EFAULT: no mapping; -EACCES:
 * the mapping forbids it; -ENXIO: past the object's end, or I/O error (SIGBUS); -ENOMEM: out of
 * memory. Maps neighbours that are cheap to map: resident pages of the object, fresh zero pages
 * next to a sequential touch.
 */
int mm_fault(struct mm *mm, uint64_t addr, unsigned access);

/*
 * For a mapping that is new and will surely be used: maps the first `pages` pages of it as a touch
 * of each would, a write if private pages can be written; pages that a disk has only if it may wait
 * for that. Pages of a shared mapping that can be written are left alone. Best effort: each touch
 * that it saves is an exit.
 */
void mm_map_eager(struct mm *mm, uint64_t addr, uint64_t len, unsigned pages, bool may_wait);

/* The stack's lowest permitted start for VMA_GROWSDOWN: bytes below its end (RLIMIT_STACK). */
void mm_set_stack_limit(struct mm *mm, uint64_t bytes);

/*
 * fork: a new mm that shares the objects and has copies of the private pages: the pages that
 * both will write at once are copied now, the rest is copy-on-write. hot: an address (the stack
 * pointer) whose neighbourhood is copied eagerly. 0, -ENOMEM (nothing left behind).
 */
int mm_fork(struct mm *parent, uint64_t hot, struct mm **out);
/*
 * The same where other threads of the parent may run: all is copy-on-write, so that the child is
 * the parent at one moment, as each of them sees it.
 */
int mm_fork_threads(struct mm *parent, struct mm **out);

void mm_get_stats(struct mm *mm, struct mm_stats *out);
/* Faults, of whatever mm, that the calling host thread has resolved since it asked last. */
uint64_t mm_take_faults(void);
/* Sum over all mms of this gmem, the dead ones too. */
void gmem_get_mm_stats(struct gmem *gm, struct mm_stats *out);

/* ---- guest memory access by guest-virtual address: permission as ring 3 has, faults handled,
 * never blocks ---- */

/* 0 or -EFAULT. len 0 is 0 whatever the address; any address and length are allowed and checked. */
int copy_from_guest(struct mm *mm, void *dst, gva_t src, size_t len);
int copy_to_guest(struct mm *mm, gva_t dst, const void *src, size_t len);
/* As much as possible: bytes moved, or -EFAULT if none (len > 0). */
ssize_t copy_from_guest_partial(struct mm *mm, void *dst, gva_t src, size_t len);
ssize_t copy_to_guest_partial(struct mm *mm, gva_t dst, const void *src, size_t len);
int clear_guest(struct mm *mm, gva_t dst, size_t len);
/* A NUL-terminated string into buf of size bytes: its length; -EFAULT; -ENAMETOOLONG: no NUL in
 * size bytes. */
ssize_t strncpy_from_guest(struct mm *mm, char *buf, gva_t src, size_t size);
/* 32-bit atomics; 0; -EFAULT; -EINVAL: misaligned. */
int guest_load32(struct mm *mm, gva_t a, uint32_t *out);
int guest_store32(struct mm *mm, gva_t a, uint32_t v);
int guest_cmpxchg32(struct mm *mm, gva_t a, uint32_t expected, uint32_t desired, uint32_t *out);
/* Writes without regard to write permission (a debugger's write, the loader's): breaks
 * copy-on-write. 0 or -EFAULT. */
int guest_poke(struct mm *mm, gva_t dst, const void *src, size_t len);
/*
 * The identity of the word at a: for futexes. Private mapping: *obj_id = 0. Shared: the object's id
 * and byte offset. 0 or -EFAULT. write: fault it in for write.
 */
int mm_futex_key(struct mm *mm, gva_t a, bool write, uint64_t *obj_id, uint64_t *offset);

#endif
