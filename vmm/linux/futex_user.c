/* Between futex system calls and the manager: see futex_user.h. */
#include "futex_user.h"
#include "sys.h"

/* ---- words ---- */

static int mem_load(void *mem, uint64_t addr, uint32_t *out)
{
	return guest_load32(mem, gva(addr), out);
}

static int mem_cmpxchg(void *mem, uint64_t addr, uint32_t expected, uint32_t desired,
		       uint32_t *found)
{
	return guest_cmpxchg32(mem, gva(addr), expected, desired, found);
}

static const struct futex_mem_ops mem_ops = {mem_load, mem_cmpxchg};

struct futex_word futex_user_word(struct mm *mm, uint64_t addr)
{
	return (struct futex_word){&mem_ops, mm, addr};
}

/* ---- keys ---- */

/* The word after a NUMA futex names its node: 0 is the only one; -1 asks for the caller's. */
static int check_node(struct mm *mm, uint64_t addr)
{
	uint32_t node;

	if (guest_load32(mm, gva(addr), &node) < 0)
		return -EFAULT;
	if (node == UINT32_MAX)
		return guest_store32(mm, gva(addr), 0) < 0 ? -EFAULT : 0;
	return node == 0 ? 0 : -EINVAL;
}

/*
 * Memory that may only be read: a file's page even if the mapping is private (it was never
 * written), but no futex in anonymous memory, as Linux.
 */
static int readonly_key(struct mm *mm, uint64_t addr, struct futex_key *key)
{
	struct vma v;

	int r = -EFAULT;

	if (!mm_get_vma(mm, addr, &v))
		return r;
	if (v.start <= addr && v.obj) {
		key->kind = FUTEX_KEY_OBJECT;
		key->id = memobj_id(v.obj);
		key->offset = (v.pgoff << PAGE_SHIFT) + (addr - v.start);
		r = 0;
	}
	mm_put_vma(&v);
	return r;
}

static int shared_key(struct mm *mm, uint64_t addr, bool write, struct futex_key *key)
{
	uint64_t id, offset;
	bool readonly = false;
	int r = mm_futex_key(mm, gva(addr), true, &id, &offset);

	if (r < 0 && !write) {
		readonly = true;
		r = mm_futex_key(mm, gva(addr), false, &id, &offset);
	}
	if (r < 0)
		return -EFAULT;
	if (!id && readonly)
		return readonly_key(mm, addr, key);
	key->kind = id ? FUTEX_KEY_OBJECT : FUTEX_KEY_SPACE;
	key->id = id ? id : mm_id(mm);
	key->offset = offset;
	return 0;
}

int futex_user_key(struct mm *mm, uint64_t addr, unsigned flags, bool write, struct futex_key *key)
{
	uint64_t size = flags & FUTEX_USER_NUMA ? 8 : 4, start, end;
	int r;

	mm_range(mm, &start, &end);
	if (addr & (size - 1))
		return -EINVAL;
	if (addr >= end || size > end - addr)
		return -EFAULT;
	if (flags & FUTEX_USER_NUMA && (r = check_node(mm, addr + 4)) < 0)
		return r;
	if (flags & FUTEX_USER_SHARED)
		return shared_key(mm, addr, write, key);
	*key = (struct futex_key){FUTEX_KEY_PRIVATE, mm_id(mm), addr};
	return 0;
}

/* ---- waiting ---- */

void futex_timeout_begin(struct task *t, struct call *c, const struct futex_timeout *to)
{
	int64_t now;

	if (to->realtime) {
		call_set_wall_deadline(t, c, to->ns);
		return;
	}
	if (!to->absolute) {
		call_set_deadline(t, c, to->ns);
		return;
	}
	now = kernel_clock(t->k, CLOCK_MONOTONIC);
	call_set_deadline(t, c, time_add(core_now(), to->ns > now ? to->ns - now : 0));
}

static void futex_call_free(void *state)
{
	struct futex_call *f = state;

	futex_leave(f->ft, f->w, f->n);
}

struct futex_call *futex_call_make(struct task *t, struct call *c, unsigned n)
{
	struct futex_call *f = call_state(c, sizeof(*f) + n * sizeof(f->w[0]));

	if (!f)
		return NULL;
	c->state_free = futex_call_free;
	f->ft = t->k->futex;
	f->n = n;
	for (unsigned i = 0; i < n; i++) {
		f->w[i].task = &t->st;
		f->w[i].self = &t->futex;
	}
	return f;
}

long futex_call_end(struct task *t, struct call *c, long interrupted)
{
	struct futex_call *f = c->state;
	int i = futex_woken(f->w, f->n);
	long r = -EBLOCKED;

	if (i < 0) {
		if (call_timed_out(t, c))
			r = -ETIMEDOUT;
		else if (c->interrupted)
			r = interrupted;
		else
			return -EBLOCKED;
		i = futex_leave(f->ft, f->w, f->n);
	}
	if (i < 0)
		return r;
	return f->w[i].result < 0 ? f->w[i].result : i;
}

/* ---- prctl ---- */

#define SET_SLOTS 1
#define GET_SLOTS 2
/* More would not be allocated: 2 GiB of 64-byte slots. */
#define SLOTS_MAX (1U << 25)

static long set_slots(struct process *p, uint32_t slots)
{
	long r = 0;

	if (slots == 1 || slots & (slots - 1))
		return -EINVAL;
	if (slots > SLOTS_MAX)
		return -ENOMEM;
	pthread_mutex_lock(&p->lock);
	if (p->futex_hash == FUTEX_HASH_GLOBAL) {
		r = -EBUSY;
	} else {
		p->futex_hash = slots ? FUTEX_HASH_CUSTOM : FUTEX_HASH_GLOBAL;
		p->futex_slots = slots;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* Linux gives a process slots of its own with its second thread. */
static long get_slots(struct process *p)
{
	unsigned threads, cpus = p->k->cfg.cpus, slots = 16;
	long r;

	pthread_mutex_lock(&p->siglock);
	threads = p->ntasks;
	pthread_mutex_unlock(&p->siglock);
	pthread_mutex_lock(&p->lock);
	if (p->futex_hash == FUTEX_HASH_DEFAULT && threads > 1) {
		while (slots < 4 * (threads < cpus ? threads : cpus))
			slots *= 2;
		if (p->futex_slots < slots)
			p->futex_slots = slots;
	}
	r = p->futex_slots;
	pthread_mutex_unlock(&p->lock);
	return r;
}

long futex_prctl(struct task *t, const uint64_t *a)
{
	switch ((int)a[1]) {
	case SET_SLOTS:
		return a[3] ? -EINVAL : set_slots(t->p, (uint32_t)a[2]);
	case GET_SLOTS:
		return get_slots(t->p);
	}
	return -EINVAL;
}
