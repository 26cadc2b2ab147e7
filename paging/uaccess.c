/* Guest memory by guest-virtual address. */
#include "mm_internal.h"
#include "pte.h"

#include <errno.h>
#include <string.h>

#define HOLD (64UL << 10) /* bytes moved while mm->lock is held once */

/* What one access may do. */
struct access {
	struct mm *mm;
	unsigned fault; /* FAULT_* */
	unsigned need;  /* PTE_* that an entry must have to be used without a fault */
};

static struct access access_of(struct mm *mm, unsigned fault)
{
	struct access a = {.mm = mm, .fault = fault, .need = PTE_PRESENT | PTE_USER};

	if (fault & FAULT_WRITE)
		a.need |= PTE_WRITE;
	return a;
}

/* A forced write may use a page of its own that the mapping keeps read-only, or keeps from the user
 * altogether. */
static bool force_ok(struct mm *mm, uint64_t va, uint64_t e)
{
	struct vma_node *n = vma_find(mm, va);

	return e && n && n->v.start <= va && !(n->v.flags & VMA_SHARED) &&
	       frame_refs(mm->gm, pte_pfn(e)) == 1;
}

/* Our address of guest address va, faulted in as needed. mm->lock held. NULL: *err is -EFAULT or
 * -ENOMEM. */
static void *resolve(const struct access *a, uint64_t va, int *err)
{
	struct mm *mm = a->mm;

	*err = -EFAULT;
	if (va >= ABI_USER_END)
		return NULL;
	for (int faulted = 0;; faulted++) {
		uint64_t e = pgtable_get(mm, va);
		int r;

		if ((pte_flags(e) & a->need) == a->need ||
		    (a->fault & FAULT_FORCE && force_ok(mm, va, e)))
			return (char *)frame_hva(mm->gm, pte_pfn(e)) + (va & (PAGE_SIZE - 1));
		if (faulted)
			return NULL;
		r = mm_fault_locked(mm, va, a->fault);
		if (r == -ENOMEM)
			*err = r;
		if (r < 0)
			return NULL;
	}
}

enum move { MOVE_IN, MOVE_OUT, MOVE_CLEAR };

/* Up to HOLD bytes under one hold of the lock: bytes moved; short with *err set. */
static size_t move_some(const struct access *a, enum move how, uint64_t va, void *buf, size_t len,
			int *err)
{
	size_t done = 0;

	*err = 0;
	mm_lock(a->mm);
	while (done < len && done < HOLD) {
		size_t n = PAGE_SIZE - ((va + done) & (PAGE_SIZE - 1)), moved = 0;
		void *p = resolve(a, va + done, err);

		if (!p)
			break;
		if (n > len - done)
			n = len - done;
		if (how == MOVE_IN)
			moved = gmem_copy((char *)buf + done, p, n);
		else if (how == MOVE_OUT)
			moved = gmem_copy(p, (char *)buf + done, n);
		else if (!gmem_zero(p, n))
			moved = n;
		*err = moved == n ? 0 : -EFAULT;
		done += moved;
		if (moved < n)
			break;
	}
	mm_unlock(a->mm);
	return done;
}

static size_t move_all(struct mm *mm, unsigned fault, enum move how, uint64_t va, void *buf,
		       size_t len)
{
	struct access a = access_of(mm, fault);
	size_t done = 0;
	int tries = 0, err;

	while (done < len) {
		/* An address that wraps meets the end of the user's range first. */
		size_t n = move_some(&a, how, va + done, buf ? (char *)buf + done : NULL,
				     len - done, &err);

		done += n;
		if (n)
			tries = 0;
		if (err == -ENOMEM && tries++ < GMEM_TRIES && gmem_make_room(mm->gm))
			continue;
		if (err)
			break;
	}
	return done;
}

/* The source of a copy out is only read. */
static void *unconst(const void *p)
{
	return (void *)(uintptr_t)p;
}

int copy_from_guest(struct mm *mm, void *dst, gva_t src, size_t len)
{
	return move_all(mm, 0, MOVE_IN, src.v, dst, len) == len ? 0 : -EFAULT;
}

int copy_to_guest(struct mm *mm, gva_t dst, const void *src, size_t len)
{
	return move_all(mm, FAULT_WRITE, MOVE_OUT, dst.v, unconst(src), len) == len ? 0 : -EFAULT;
}

static ssize_t partial(size_t moved, size_t len)
{
	return moved || !len ? (ssize_t)moved : -EFAULT;
}

ssize_t copy_from_guest_partial(struct mm *mm, void *dst, gva_t src, size_t len)
{
	return partial(move_all(mm, 0, MOVE_IN, src.v, dst, len), len);
}

ssize_t copy_to_guest_partial(struct mm *mm, gva_t dst, const void *src, size_t len)
{
	return partial(move_all(mm, FAULT_WRITE, MOVE_OUT, dst.v, unconst(src), len), len);
}

int clear_guest(struct mm *mm, gva_t dst, size_t len)
{
	return move_all(mm, FAULT_WRITE, MOVE_CLEAR, dst.v, NULL, len) == len ? 0 : -EFAULT;
}

int guest_poke(struct mm *mm, gva_t dst, const void *src, size_t len)
{
	unsigned fault = FAULT_WRITE | FAULT_FORCE;

	return move_all(mm, fault, MOVE_OUT, dst.v, unconst(src), len) == len ? 0 : -EFAULT;
}

ssize_t strncpy_from_guest(struct mm *mm, char *buf, gva_t src, size_t size)
{
	size_t done = 0;

	while (done < size) {
		size_t n = PAGE_SIZE - ((src.v + done) & (PAGE_SIZE - 1)), got;
		char *nul;

		if (n > size - done)
			n = size - done;
		got = move_all(mm, 0, MOVE_IN, src.v + done, buf + done, n);
		nul = memchr(buf + done, 0, got);
		if (nul)
			return nul - buf;
		if (got < n)
			return -EFAULT;
		done += n;
	}
	return -ENAMETOOLONG;
}

/* ---- words ---- */

struct word {
	int (*op)(void *p, struct word *w);
	uint32_t expected, value;
	uint32_t *out;
};

static int op_load(void *p, struct word *w)
{
	return gmem_load32(p, w->out);
}

static int op_store(void *p, struct word *w)
{
	return gmem_store32(p, w->value);
}

static int op_cmpxchg(void *p, struct word *w)
{
	return gmem_cmpxchg32(p, w->expected, w->value, w->out);
}

static int do_word(struct mm *mm, gva_t at, unsigned fault, struct word *w)
{
	struct access a = access_of(mm, fault);
	int err;

	if (at.v & 3)
		return -EINVAL;
	for (int tries = 0;; tries++) {
		void *p;

		mm_lock(mm);
		p = resolve(&a, at.v, &err);
		if (p)
			err = w->op(p, w);
		mm_unlock(mm);
		if (err != -ENOMEM)
			return err;
		if (tries == GMEM_TRIES || !gmem_make_room(mm->gm))
			return -EFAULT;
	}
}

int guest_load32(struct mm *mm, gva_t a, uint32_t *out)
{
	struct word w = {.op = op_load, .out = out};

	return do_word(mm, a, 0, &w);
}

int guest_store32(struct mm *mm, gva_t a, uint32_t v)
{
	struct word w = {.op = op_store, .value = v};

	return do_word(mm, a, FAULT_WRITE, &w);
}

int guest_cmpxchg32(struct mm *mm, gva_t a, uint32_t expected, uint32_t desired, uint32_t *out)
{
	struct word w = {.op = op_cmpxchg, .expected = expected, .value = desired, .out = out};

	return do_word(mm, a, FAULT_WRITE, &w);
}

/* ---- futex keys ---- */

int mm_futex_key(struct mm *mm, gva_t at, bool write, uint64_t *obj_id, uint64_t *offset)
{
	struct access a = access_of(mm, write ? FAULT_WRITE : 0);
	int err = 0;

	for (int tries = 0;; tries++) {
		struct vma_node *n;

		mm_lock(mm);
		if (resolve(&a, at.v, &err)) {
			err = 0;
			n = vma_find(mm, at.v);
			*obj_id = 0;
			*offset = at.v;
			if (n->v.flags & VMA_SHARED && n->v.obj) {
				*obj_id = memobj_id(n->v.obj);
				*offset = (vma_pgoff(&n->v, page_down(at.v)) << PAGE_SHIFT) +
					  (at.v & (PAGE_SIZE - 1));
			}
		}
		mm_unlock(mm);
		if (err != -ENOMEM)
			return err;
		if (tries == GMEM_TRIES || !gmem_make_room(mm->gm))
			return -EFAULT;
	}
}
