/* KVM's alias of guest memory: which pages are mapped in it. */
#include "pgtable.h"
#include "mm_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

bool alias_collapse(struct gmem *gm, pfn_t base)
{
	if (atomic_load_explicit(&gm->no_collapse, memory_order_relaxed))
		return false;
	/* Whatever the host's administrator says of large pages that come by themselves. */
	if (!madvise(frame_kvm_hva(gm, base), BLOCK_BYTES, MADV_COLLAPSE))
		return true;
	/* Kernels before 6.1, or they are denied; else it has none now. */
	if (errno == EINVAL)
		atomic_store_explicit(&gm->no_collapse, true, memory_order_relaxed);
	return false;
}

void alias_drop_run(struct gmem *gm, pfn_t pfn, size_t pages)
{
	void *hva = frame_kvm_hva(gm, pfn);
	size_t len = pages << PAGE_SHIFT;

	atomic_fetch_add_explicit(&gm->invalidations, 1, memory_order_relaxed);
	if (!madvise(hva, len, MADV_DONTNEED))
		return;
	/* A locked mapping refuses: put a new one in its place, or make KVM forget everything. */
	if (mmap(hva, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, gm->fd,
		 (off_t)pfn << PAGE_SHIFT) != MAP_FAILED)
		return;
	if (gm->ops->slots_recycle(gm->machine) < 0)
		abort(); /* the guest would keep memory that it has no right to */
}

/* How many frames from v[0] on lie one after the other, upwards or downwards. */
static unsigned run_length(const pfn_t *v, unsigned n)
{
	unsigned up = 1, down = 1;

	while (up < n && v[up] == v[0] + up)
		up++;
	while (down < n && v[down] == v[0] - down)
		down++;
	return up > down ? up : down;
}

void alias_map(struct gmem *gm, const pfn_t *v, unsigned n)
{
	unsigned run;

	/* Kernels before 5.14 cannot; it is no more than a help. */
	if (atomic_load_explicit(&gm->no_populate, memory_order_relaxed))
		return;
	for (unsigned i = 0; i < n; i += run) {
		pfn_t lo;

		run = run_length(v + i, n - i);
		lo = v[i] < v[i + run - 1] ? v[i] : v[i + run - 1];
		if (madvise(frame_kvm_hva(gm, lo), (size_t)run << PAGE_SHIFT,
			    MADV_POPULATE_WRITE) &&
		    errno == EINVAL) {
			atomic_store_explicit(&gm->no_populate, true, memory_order_relaxed);
			return;
		}
	}
}
