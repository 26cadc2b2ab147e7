/*
 * process_vm_readv(2), process_vm_writev(2), process_madvise(2).
 */
#include "pidfd.h"
#include "sys.h"
#include "sys_fs.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifndef MADV_COLD
#define MADV_COLD    20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define CHUNK (16 * PAGE_SIZE)

/* A reference to p's address space if t may look into it. */
static int get_mm(struct task *t, struct process *p, struct mm **out)
{
	if (!process_may_attach(t, p))
		return -EPERM;
	pthread_mutex_lock(&p->lock);
	*out = p->mm ? mm_get(p->mm) : NULL;
	pthread_mutex_unlock(&p->lock);
	return *out ? 0 : -ESRCH;
}

/* Bytes moved from one list to the other: as many as both sides bear, or -EFAULT for none. */
static long move(struct uio *from, struct uio *to)
{
	uint8_t *buf = malloc(CHUNK);
	long total = 0;
	ssize_t n = 0, put;

	if (!buf)
		return -ENOMEM;
	while (from->x.left && to->x.left) {
		size_t want = from->x.left < to->x.left ? from->x.left : to->x.left;

		want = want < CHUNK ? want : CHUNK;
		n = from->x.copy(&from->x, buf, want);
		if (n <= 0)
			break;
		put = to->x.copy(&to->x, buf, (size_t)n);
		if (put > 0)
			total += put;
		if (put < n || n < (ssize_t)want) {
			n = -EFAULT;
			break;
		}
	}
	free(buf);
	return total ? total : n < 0 ? -EFAULT : 0;
}

static long process_vm(struct task *t, struct call *c, bool write)
{
	struct uio local = {.nsegs = 0}, remote = {.nsegs = 0};
	struct mm *mm = NULL;
	struct process *p;
	long r;

	if (c->args[5])
		return -EINVAL;
	r = uio_init_iov(&local, task_mm(t), !write, gva(c->args[1]), c->args[2]);
	if (r)
		return r;
	/* The list is the caller's, the memory is not. */
	if (local.x.left)
		r = uio_init_iov(&remote, task_mm(t), write, gva(c->args[3]), c->args[4]);
	if (!r && local.x.left && remote.x.left) {
		p = process_by_arg(t, (int)c->args[0] > 0 ? (int)c->args[0] : -1);
		r = p ? get_mm(t, p, &mm) : -ESRCH;
		if (p)
			process_put(p);
	}
	if (mm) {
		remote.mm = mm;
		r = write ? move(&local, &remote) : move(&remote, &local);
		mm_put(mm);
	}
	uio_fini(&remote);
	uio_fini(&local);
	return r;
}

long sys_process_vm_readv(struct task *t, struct call *c)
{
	return process_vm(t, c, false);
}

long sys_process_vm_writev(struct task *t, struct call *c)
{
	return process_vm(t, c, true);
}

static bool advice_for_others(int advice)
{
	return advice == MADV_COLD || advice == MADV_PAGEOUT || advice == MADV_WILLNEED ||
	       advice == MADV_COLLAPSE;
}

/* Bytes of the ranges that were advised: all, or those before the one that cannot be; its errno if
 * that is the first. */
static long advise_all(struct mm *mm, const struct uio *u, int advice)
{
	long total = 0, r = 0;

	for (unsigned i = 0; i < u->nsegs && !r; i++) {
		r = advise_range(mm, u->segs[i].base, u->segs[i].len, advice);
		if (!r)
			total += (long)u->segs[i].len;
	}
	return total ? total : r;
}

/* Whom one may look at, and with CAP_SYS_NICE: process_madvise(2). */
static int may_advise(struct task *t, struct process *p, struct mm **mm)
{
	int r = get_mm(t, p, mm);

	if (r == -EPERM)
		return -EACCES;
	if (!r && p != t->p && !task_capable(t, CAP_SYS_NICE)) {
		mm_put(*mm);
		return -EPERM;
	}
	return r;
}

/* Advice that takes nothing away is allowed on another process. */
long sys_process_madvise(struct task *t, struct call *c)
{
	int advice = (int)c->args[3];
	struct mm *mm = NULL;
	struct process *p;
	struct uio u;
	long r;

	if (c->args[4])
		return -EINVAL;
	r = uio_init_iov(&u, task_mm(t), false, gva(c->args[1]), c->args[2]);
	if (r)
		return r;
	p = pidfd_process(call_io_file(t, c, 0, (int)c->args[0]));
	if (!p)
		r = -EBADF;
	else if (!advice_for_others(advice))
		r = -EINVAL;
	else
		r = may_advise(t, p, &mm);
	if (!r) {
		r = advise_all(mm, &u, advice);
		mm_put(mm);
	}
	uio_fini(&u);
	return r;
}
