/* madvise(2), mincore, msync. */
#include "sys.h"
#include "syscalls.h"
#include "vfs_inode.h"

#include <linux/falloc.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLD
#define MADV_COLD    20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

/* 0 if every page of the range is mapped, else -ENOMEM. want: some of these VMA_* must be set in
 * all, or `missing`. */
static int check_mapped(struct mm *mm, uint64_t addr, uint64_t end, unsigned want, int missing)
{
	struct vma v;

	while (addr < end) {
		if (!mm_find_vma(mm, addr, &v) || v.start > addr)
			return -ENOMEM;
		if (want && !(v.flags & want))
			return missing;
		addr = v.end;
	}
	return 0;
}

/* Private anonymous memory only: MADV_FREE and MADV_WIPEONFORK. */
static int check_private(struct mm *mm, uint64_t addr, uint64_t end)
{
	struct vma v;

	for (uint64_t at = addr; at < end && mm_find_vma(mm, at, &v) && v.start < end; at = v.end)
		if (v.obj || (v.flags & VMA_SHARED))
			return -EINVAL;
	return 0;
}

/* Zeros in the resident pages of [first, end) of an object; the pages stay. */
static int zero_pages(struct memobj *o, uint64_t first, uint64_t end)
{
	static const uint8_t zeros[PAGE_SIZE];
	ssize_t n = 0;

	for (; n >= 0 && !memobj_next_resident(o, &first) && first < end; first++)
		n = memobj_write(o, first << PAGE_SHIFT, zeros, PAGE_SIZE);
	return n < 0 ? (int)n : 0;
}

/* MADV_REMOVE of [from, to), which is one mapping's. */
static int remove_part(const struct vma *v, uint64_t from, uint64_t to)
{
	uint64_t first = v->pgoff + ((from - v->start) >> PAGE_SHIFT);
	struct inode *i = v->file ? file_inode(v->file) : NULL;

	if (!v->obj || v->flags & VMA_LOCKED)
		return -EINVAL;
	if ((v->flags & (VMA_SHARED | VMA_NOWRITE)) != VMA_SHARED)
		return -EACCES;
	if (!i)
		return zero_pages(v->obj, first, first + ((to - from) >> PAGE_SHIFT));
	if (!i->ops->fallocate)
		return -EOPNOTSUPP;
	return i->ops->fallocate(i, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 (int64_t)(first << PAGE_SHIFT), (int64_t)(to - from));
}

static long remove_range(struct mm *mm, uint64_t addr, uint64_t end)
{
	struct vma v;
	int r = 0;

	while (addr < end && !r) {
		uint64_t to;

		if (!mm_get_vma(mm, addr, &v))
			return -ENOMEM;
		to = v.end < end ? v.end : end;
		r = v.start > addr ? -ENOMEM : remove_part(&v, addr, to);
		addr = to;
		mm_put_vma(&v);
	}
	return r;
}

/* Where the first locked mapping of [addr, end) begins in it; end: there is none. */
static uint64_t first_locked(struct mm *mm, uint64_t addr, uint64_t end)
{
	struct vma v;

	while (addr < end && mm_find_vma(mm, addr, &v) && v.start < end) {
		if (v.flags & VMA_LOCKED)
			return v.start > addr ? v.start : addr;
		addr = v.end;
	}
	return end;
}

/* What locked memory refuses, after what precedes it is done. */
static long drop_unlocked(struct mm *mm, uint64_t addr, uint64_t end)
{
	uint64_t to = first_locked(mm, addr, end);
	int r = to > addr ? mm_dontneed(mm, addr, to - addr) : 0;

	return to < end ? -EINVAL : r;
}

static long advise(struct mm *mm, uint64_t addr, uint64_t len, int advice)
{
	int r;

	switch (advice) {
	case MADV_DONTNEED:
		return drop_unlocked(mm, addr, addr + len);
	case MADV_DONTNEED_LOCKED:
		return mm_dontneed(mm, addr, len);
	case MADV_FREE:
		/* "The kernel frees the pages when it likes": now. */
		r = check_private(mm, addr, addr + len);
		return r < 0 ? r : drop_unlocked(mm, addr, addr + len);
	case MADV_COLD:
	case MADV_PAGEOUT:
		if (first_locked(mm, addr, addr + len) < addr + len)
			return -EINVAL;
		break;
	case MADV_REMOVE:
		return remove_range(mm, addr, addr + len);
	case MADV_DONTFORK:
		return mm_advise(mm, addr, len, VMA_DONTFORK, 0);
	case MADV_DOFORK:
		return mm_advise(mm, addr, len, 0, VMA_DONTFORK);
	case MADV_WIPEONFORK:
		r = check_private(mm, addr, addr + len);
		return r < 0 ? r : mm_advise(mm, addr, len, VMA_WIPEONFORK, 0);
	case MADV_KEEPONFORK:
		return mm_advise(mm, addr, len, 0, VMA_WIPEONFORK);
	case MADV_HUGEPAGE:
		return mm_advise(mm, addr, len, VMA_SPANS, VMA_NOSPANS);
	case MADV_NOHUGEPAGE:
		return mm_advise(mm, addr, len, VMA_NOSPANS, VMA_SPANS);
	case MADV_COLLAPSE:
		return mm_collapse(mm, addr, len);
	case MADV_POPULATE_READ:
		r = check_mapped(mm, addr, addr + len, VMA_READ | VMA_EXEC | VMA_WRITE, -EINVAL);
		return r < 0 ? r : mm_populate(mm, addr, len, false);
	case MADV_POPULATE_WRITE:
		r = check_mapped(mm, addr, addr + len, VMA_WRITE, -EINVAL);
		return r < 0 ? r : mm_populate(mm, addr, len, true);
	}
	/* A hint that changes nothing here. */
	return check_mapped(mm, addr, addr + len, 0, 0);
}

static bool advice_known(int advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_COLLAPSE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return true;
	}
	return false;
}

long advise_range(struct mm *mm, uint64_t addr, uint64_t size, int advice)
{
	uint64_t len = page_up(size), lo, hi;

	if (!advice_known(advice) || (addr & ~PAGE_MASK))
		return -EINVAL;
	if ((size && !len) || addr + len < addr)
		return -EINVAL;
	if (len == 0)
		return 0;
	mm_range(mm, &lo, &hi);
	if (addr >= hi || len > hi - addr)
		return -ENOMEM;
	return advise(mm, addr, len, advice);
}

long sys_madvise(struct task *t, struct call *c)
{
	return advise_range(task_mm(t), c->args[0], c->args[1], (int)c->args[2]);
}

long sys_mincore(struct task *t, struct call *c)
{
	uint64_t addr = c->args[0], len = c->args[1], out = c->args[2], lo, hi, pages;
	unsigned char vec[PAGE_SIZE];

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	mm_range(task_mm(t), &lo, &hi);
	if (addr > hi || len > hi - addr)
		return -ENOMEM;
	pages = page_up(len) >> PAGE_SHIFT;
	while (pages) {
		uint64_t n = pages < sizeof(vec) ? pages : sizeof(vec);
		long done = mm_mincore(task_mm(t), addr, n << PAGE_SHIFT, vec);

		if (done < 0)
			return done;
		n = (uint64_t)done;
		if (copy_to_guest(task_mm(t), gva(out), vec, n) < 0)
			return -EFAULT;
		pages -= n;
		addr += n << PAGE_SHIFT;
		out += n;
	}
	return 0;
}

long sys_msync(struct task *t, struct call *c)
{
	uint64_t addr = c->args[0], len = page_up(c->args[1]), end = addr + len;
	unsigned flags = (unsigned)c->args[2];
	struct vma v;
	int r;

	if (flags & ~(unsigned)(MS_ASYNC | MS_INVALIDATE | MS_SYNC))
		return -EINVAL;
	if ((addr & ~PAGE_MASK) || ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	if (end < addr)
		return -ENOMEM;
	if ((flags & MS_INVALIDATE) && first_locked(task_mm(t), addr, end) < end)
		return -EBUSY;
	r = check_mapped(task_mm(t), addr, end, 0, 0);
	if (!(flags & MS_SYNC))
		return r;
	for (uint64_t at = addr; at < end && mm_get_vma(task_mm(t), at, &v); at = v.end) {
		struct file *f = v.file;
		int err = 0;

		if (v.start < end && (v.flags & VMA_SHARED) && f && vfs_ops(f)->fsync) {
			if (vfs_ops(f)->slow_fsync)
				err = host_must_wait(inode_pace(file_inode(f)));
			if (!err)
				err = vfs_ops(f)->fsync(f);
		}
		mm_put_vma(&v);
		if (err < 0)
			return err;
	}
	return r;
}
