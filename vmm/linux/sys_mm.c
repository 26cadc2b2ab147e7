/*
 * mmap(2), munmap, mprotect, mremap, remap_file_pages, brk: Linux's checks in Linux's order
 * (mm/mmap.c, mprotect.c, mremap.c of 6.12); paging does the work.
 */
#include "memfd.h"
#include "sys.h"
#include "syscalls.h"
#include "vfs.h"

#include <linux/capability.h>
#include <fcntl.h>
#include <sys/mman.h>

#ifndef MAP_32BIT
#define MAP_32BIT 0x40
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#define MAP_TYPE_MASK   0x0f
#define MAP_DROPPABLE_K 0x08 /* Linux 6.11 */
#define MAP_HUGE_BITS   (0x3fU << 26)
#define PROT_SEM_K      8

/* eager_pages() */
#define EAGER_CODE  512
#define EAGER_DATA  32
#define EAGER_BSS   32
#define EAGER_SMALL 4
#define EAGER_HEAP  3

/* What MAP_SHARED_VALIDATE accepts: LEGACY_MAP_MASK. */
#define MAP_KNOWN                                                                                  \
	(MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE |   \
	 MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |    \
	 MAP_HUGETLB | MAP_32BIT | MAP_HUGE_BITS | MAP_FIXED_NOREPLACE)

static unsigned prot_flags(unsigned prot)
{
	unsigned f = 0;

	if (prot & PROT_READ)
		f |= VMA_READ;
	if (prot & PROT_WRITE)
		f |= VMA_WRITE;
	if (prot & PROT_EXEC)
		f |= VMA_EXEC;
	return f;
}

/* May a mapping of this file have this protection? do_mmap(): 0, -EACCES. */
static int check_file_access(struct file *f, unsigned prot, bool shared)
{
	unsigned mode = atomic_load(&f->flags) & O_ACCMODE;

	if (mode == O_WRONLY)
		return -EACCES;
	return shared && (prot & PROT_WRITE) && mode != O_RDWR ? -EACCES : 0;
}

static int map_file(struct task *t, int fd, unsigned prot, unsigned flags, struct mm_map *m,
		    struct file **hold)
{
	struct file *f = fdtable_lookup(task_files(t), fd);
	bool shared = (flags & MAP_TYPE_MASK) != MAP_PRIVATE, sealed = false;
	int r, err = -ENODEV;

	if (!f)
		return -EBADF;
	*hold = f;
	if (vfs_file(f)->opath)
		return -EBADF;
	if (m->pgoff << PAGE_SHIFT > INT64_MAX - m->len)
		return -EOVERFLOW;
	if (flags & MAP_HUGETLB)
		return -EINVAL;
	switch (flags & MAP_TYPE_MASK) {
	case MAP_SHARED_VALIDATE:
		if (flags & ~(unsigned)(MAP_KNOWN | MAP_SHARED_VALIDATE))
			return -EOPNOTSUPP;
		break;
	case MAP_SHARED:
	case MAP_PRIVATE:
		break;
	default:
		return -EINVAL;
	}
	r = check_file_access(f, prot, shared);
	if (r < 0)
		return r;
	if (!vfs_ops(f)->mmap)
		return -ENODEV;
	if (flags & MAP_GROWSDOWN)
		return -EINVAL;
	if (shared) {
		r = seals_allow_map(f, prot & PROT_WRITE, &sealed);
		if (r < 0)
			return r;
	}
	m->obj = vfs_ops(f)->mmap(f, &err);
	if (!m->obj)
		return err < 0 ? err : -ENODEV;
	m->file = f;
	if (shared)
		m->flags |= VMA_SHARED;
	/* Nor may mprotect make it writable later. */
	if (check_file_access(f, PROT_WRITE, shared) < 0 || sealed)
		m->flags |= VMA_NOWRITE;
	return 0;
}

static int map_anonymous(struct task *t, unsigned flags, struct mm_map *m)
{
	/* There is no pool of huge pages. */
	if (flags & MAP_HUGETLB)
		return -ENOMEM;
	switch (flags & MAP_TYPE_MASK) {
	case MAP_DROPPABLE_K:
		/* Memory is never so short that they are dropped. */
		if (flags & (MAP_LOCKED | MAP_GROWSDOWN))
			return -EINVAL;
		m->flags |= VMA_NORESERVE | VMA_WIPEONFORK;
		m->pgoff = 0;
		return 0;
	case MAP_PRIVATE:
		if (flags & MAP_GROWSDOWN)
			m->flags |= VMA_GROWSDOWN;
		m->pgoff = 0;
		return 0;
	case MAP_SHARED:
		break;
	default:
		return -EINVAL;
	}
	if (flags & MAP_GROWSDOWN)
		return -EINVAL;
	m->obj = memobj_create(t->k->gm, NULL, NULL);
	if (!m->obj)
		return -ENOMEM;
	m->flags |= VMA_SHARED;
	m->pgoff = 0;
	return memobj_set_size(m->obj, m->len);
}

/* The address, the length and the offset. */
static int check_range(struct mm *mm, unsigned flags, uint64_t off, struct mm_map *m)
{
	uint64_t lo, hi, pages;

	mm_range(mm, &lo, &hi);
	if (m->len == 0)
		return -EINVAL;
	m->len = page_up(m->len);
	if (m->len == 0)
		return -ENOMEM;
	pages = m->len >> PAGE_SHIFT;
	if ((off >> PAGE_SHIFT) + pages < pages || off + m->len < off)
		return -EOVERFLOW;
	if (m->len > hi)
		return -ENOMEM;
	if (!m->fixed) {
		m->addr = page_down(m->addr);
		if (m->addr && m->addr < lo)
			m->addr = lo;
		if (m->addr > hi - m->len)
			m->addr = 0;
		m->low32 = (flags & MAP_32BIT) != 0;
		return 0;
	}
	if (m->addr > hi - m->len)
		return -ENOMEM;
	if (m->addr & ~PAGE_MASK)
		return -EINVAL;
	return m->addr < lo ? -EPERM : 0;
}

/*
 * Pages that a new mapping is given at once, because a touch of each would cost an exit. A fixed
 * mapping is a loader's: of a library's code, data or bss, which it is about to relocate and run. A
 * small one is for use now.
 */
static unsigned eager_pages(const struct mm_map *m)
{
	if (m->obj)
		return !m->fixed ? 0 : m->flags & VMA_WRITE ? EAGER_DATA : EAGER_CODE;
	if (m->fixed)
		return EAGER_BSS;
	return m->len <= EAGER_SMALL * PAGE_SIZE ? EAGER_SMALL : 0;
}

long sys_mmap(struct task *t, struct call *c)
{
	unsigned prot = (unsigned)c->args[2], flags = (unsigned)c->args[3];
	uint64_t off = c->args[5], at, limit;
	struct file *hold = NULL;
	struct mm_map m = {
		.addr = c->args[0],
		.len = c->args[1],
		.flags = prot_flags(prot),
		.fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0,
		.noreplace = (flags & MAP_FIXED_NOREPLACE) != 0,
		.pgoff = off >> PAGE_SHIFT,
	};
	long r;

	if (off & ~PAGE_MASK)
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS)) {
		hold = fdtable_lookup(task_files(t), (int)c->args[4]);
		if (!hold)
			return -EBADF;
		file_close(hold);
		hold = NULL;
	}
	r = check_range(task_mm(t), flags, off, &m);
	if (r < 0)
		return r;
	limit = task_lock_limit(t);
	mm_set_limit_lock(task_mm(t), limit);
	if (flags & MAP_LOCKED) {
		if (limit == 0)
			return -EPERM;
		if (!mm_can_lock(task_mm(t), m.len, limit))
			return -EAGAIN;
		m.flags |= VMA_LOCKED;
	}
	if (flags & MAP_NORESERVE)
		m.flags |= VMA_NORESERVE;
	r = mdwe_check(t, m.flags, m.flags);
	if (r < 0)
		return r;
	if (flags & MAP_ANONYMOUS)
		r = map_anonymous(t, flags, &m);
	else
		r = map_file(t, (int)c->args[4], prot, flags, &m, &hold);
	m.populate = prot != PROT_NONE && (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
	if (r == 0)
		r = mm_mmap(task_mm(t), &m, &at);
	if (r == 0 && !m.populate && eager_pages(&m))
		mm_map_eager(task_mm(t), at, m.len, eager_pages(&m), false);
	if (m.obj)
		memobj_put(m.obj);
	file_close(hold);
	return r < 0 ? r : (long)at;
}

long sys_munmap(struct task *t, struct call *c)
{
	uint64_t addr = c->args[0], len = c->args[1], lo, hi;

	mm_range(task_mm(t), &lo, &hi);
	if ((addr & ~PAGE_MASK) || addr > hi || len > hi - addr)
		return -EINVAL;
	len = page_up(len);
	if (len == 0)
		return -EINVAL;
	/* Nothing is ever mapped at the bottom. */
	if (addr < lo && len <= lo - addr)
		return 0;
	if (addr < lo) {
		len -= lo - addr;
		addr = lo;
	}
	return mm_munmap(task_mm(t), addr, len);
}

long sys_mprotect(struct task *t, struct call *c)
{
	uint64_t addr = c->args[0], len = c->args[1], end;
	unsigned prot = (unsigned)c->args[2],
		 grows = prot & (unsigned)(PROT_GROWSDOWN | PROT_GROWSUP);
	struct mm *mm = task_mm(t);
	struct vma v;

	prot &= ~grows;
	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || (addr & ~PAGE_MASK))
		return -EINVAL;
	if (len == 0)
		return 0;
	len = page_up(len);
	end = addr + len;
	if (end <= addr)
		return -ENOMEM;
	if (prot & ~(unsigned)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM_K))
		return -EINVAL;
	if (!mm_find_vma(mm, addr, &v))
		return -ENOMEM;
	if (grows & PROT_GROWSDOWN) {
		if (v.start >= end)
			return -ENOMEM;
		if (!(v.flags & VMA_GROWSDOWN))
			return -EINVAL;
		addr = v.start;
	} else {
		if (v.start > addr)
			return -ENOMEM;
		if (grows)
			return -EINVAL;
	}
	for (uint64_t at = addr; at < end && mm_find_vma(mm, at, &v) && v.start < end; at = v.end)
		if (mdwe_check(t, v.flags, prot_flags(prot)))
			return -EACCES;
	return mm_mprotect(mm, addr, end - addr, prot_flags(prot));
}

/* Protection keys: no processor that the guest sees has them. pkeys(7). */
long sys_pkey_mprotect(struct task *t, struct call *c)
{
	return (int)c->args[3] == -1 || (int)c->args[3] == 0 ? sys_mprotect(t, c) : -EINVAL;
}

long sys_pkey_alloc(struct task *t, struct call *c)
{
	(void)t;
	return c->args[0] || c->args[1] & ~3ULL ? -EINVAL : -ENOSPC;
}

long sys_pkey_free(struct task *t, struct call *c)
{
	(void)t;
	(void)c;
	return -EINVAL;
}

long sys_mremap(struct task *t, struct call *c)
{
	uint64_t addr = c->args[0], old_len = c->args[1], new_len = c->args[2], flags = c->args[3];
	uint64_t new_addr = c->args[4], lo, hi, at;
	struct mm *mm = task_mm(t);
	int r;

	mm_range(mm, &lo, &hi);
	if (flags & ~(uint64_t)(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((flags & MREMAP_DONTUNMAP) && (!(flags & MREMAP_MAYMOVE) || old_len != new_len))
		return -EINVAL;
	if (addr & ~PAGE_MASK)
		return -EINVAL;
	/* Lengths near 2^64 become 0 here, as on Linux. */
	old_len = page_up(old_len);
	new_len = page_up(new_len);
	if (!new_len)
		return -EINVAL;
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		if ((new_addr & ~PAGE_MASK) || new_len > hi || new_addr > hi - new_len)
			return -EINVAL;
		if (addr + old_len > new_addr && new_addr + new_len > addr)
			return -EINVAL;
		if ((flags & MREMAP_FIXED) && new_addr < lo)
			return -EPERM;
	}
	if (addr >= hi || old_len > hi - addr)
		return -EFAULT;
	if (new_len > hi)
		return -ENOMEM;
	mm_set_limit_lock(mm, task_lock_limit(t));
	r = mm_mremap(mm, addr, old_len, new_len, (flags & MREMAP_MAYMOVE) != 0,
		      (flags & MREMAP_FIXED) != 0, (flags & MREMAP_DONTUNMAP) != 0, new_addr, &at);
	if (r < 0)
		return r;
	/* The vDSO has moved, and with it what signal handlers return to. */
	if (t->p->sigtramp - addr < old_len)
		t->p->sigtramp += at - addr;
	return (long)at;
}

/* The mapping at addr and those behind it up to end are one of the same file: 0 and *first with a
 * reference, or -EINVAL. */
static int shared_span(struct mm *mm, uint64_t addr, uint64_t end, struct vma *first)
{
	struct vma v;

	if (!mm_get_vma(mm, addr, first))
		return -EINVAL;
	v = *first;
	while (v.start <= addr && (v.flags & VMA_SHARED) && v.obj == first->obj &&
	       v.flags == first->flags) {
		if (end <= v.end)
			return 0;
		addr = v.end;
		if (!mm_find_vma(mm, addr, &v))
			break;
	}
	mm_put_vma(first);
	return -EINVAL;
}

/* A page of a file elsewhere than in its place: a mapping of its own, as on Linux since 4.0. */
long sys_remap_file_pages(struct task *t, struct call *c)
{
	uint64_t addr = page_down(c->args[0]), len = page_down(c->args[1]), pgoff = c->args[3], at;
	struct mm *mm = task_mm(t);
	struct mm_map m;
	struct vma v;
	long r;

	if (c->args[2] || addr + len <= addr || pgoff + (len >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	r = shared_span(mm, addr, addr + len, &v);
	if (r)
		return r;
	m = (struct mm_map){
		.addr = addr,
		.len = len,
		.flags = v.flags & (VMA_PROT | VMA_SHARED | VMA_NOWRITE | VMA_LOCKED),
		.fixed = true,
		.populate = !(c->args[4] & MAP_NONBLOCK),
		.obj = v.obj,
		.pgoff = pgoff,
		.file = v.file,
	};
	if ((pgoff + (len >> PAGE_SHIFT)) << PAGE_SHIFT >> PAGE_SHIFT !=
	    pgoff + (len >> PAGE_SHIFT))
		r = -EOVERFLOW;
	mm_set_limit_lock(mm, task_lock_limit(t));
	if (!r)
		r = mm_mmap(mm, &m, &at);
	mm_put_vma(&v);
	return r;
}

long sys_brk(struct task *t, struct call *c)
{
	struct mm *mm = task_mm(t);
	uint64_t old = page_up(mm_brk(mm, 0, 0)), brk;

	mm_set_limit_lock(mm, task_lock_limit(t));
	brk = mm_brk(mm, c->args[0], t->p->rlim[RLIMIT_DATA].rlim_cur);
	/* Who asks for more is about to write there. Another thread may have moved it meanwhile:
	 * then some page is touched that need not be. */
	if (brk > old)
		mm_map_eager(mm, old, page_up(brk) - old, EAGER_HEAP, false);
	return (long)brk;
}
