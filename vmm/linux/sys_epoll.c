/*
 * epoll_create(2), epoll_ctl(2), epoll_wait(2) and their variants.
 */
#include "epoll.h"
#include "sys_fs.h"

#include <limits.h>
#include <string.h>
#include <sys/epoll.h>

#define EVENT_BYTES_MAX 16

static long do_create(struct task *t, bool cloexec)
{
	struct file *f;
	int err = epoll_file(t->k, &f);

	return err ? err : install_file(t, f, cloexec);
}

long sys_epoll_create(struct task *t, struct call *c)
{
	return (int)c->args[0] <= 0 ? -EINVAL : do_create(t, false);
}

long sys_epoll_create1(struct task *t, struct call *c)
{
	if (c->args[0] & ~(uint64_t)EPOLL_CLOEXEC)
		return -EINVAL;
	return do_create(t, c->args[0] & EPOLL_CLOEXEC);
}

static int event_get(struct task *t, uint64_t addr, struct epoll_event_k *ev)
{
	uint8_t raw[EVENT_BYTES_MAX];

	if (copy_from_guest(task_mm(t), raw, gva(addr), arch_epoll_event_size))
		return -EFAULT;
	memcpy(&ev->events, raw, sizeof(ev->events));
	memcpy(&ev->data, raw + arch_epoll_data_offset, sizeof(ev->data));
	return 0;
}

long sys_epoll_ctl(struct task *t, struct call *c)
{
	int op = (int)c->args[1], fd = (int)c->args[2];
	struct epoll_event_k ev = {0};
	struct file *epf, *f;

	if (op != EPOLL_CTL_DEL && event_get(t, c->args[3], &ev))
		return -EFAULT;
	epf = call_io_file(t, c, 0, (int)c->args[0]);
	f = call_io_file(t, c, 1, fd);
	if (!epf || !f)
		return -EBADF;
	if (!vfs_ops(f)->poll || !vfs_ops(f)->poll_queues)
		return -EPERM;
	if (f == epf || !epoll_of(epf))
		return -EINVAL;
	switch (op) {
	case EPOLL_CTL_ADD:
		return epoll_add(epf, f, fd, &ev);
	case EPOLL_CTL_MOD:
		return epoll_mod(epf, f, fd, &ev);
	case EPOLL_CTL_DEL:
		return epoll_del(epf, f, fd);
	default:
		return -EINVAL;
	}
}

struct event_out {
	struct task *t;
	uint64_t addr;
};

static int event_put(void *arg, int i, const struct epoll_event_k *ev)
{
	const struct event_out *o = arg;
	uint8_t raw[EVENT_BYTES_MAX] = {0};

	memcpy(raw, &ev->events, sizeof(ev->events));
	memcpy(raw + arch_epoll_data_offset, &ev->data, sizeof(ev->data));
	return copy_to_guest(task_mm(o->t), gva(o->addr + (uint64_t)i * arch_epoll_event_size), raw,
			     arch_epoll_event_size);
}

/* One run: what is ready; else queues itself, and looks again. */
static long wait_run(struct task *t, struct call *c)
{
	struct event_out out = {t, c->args[1]};
	struct epoll *ep = epoll_of(c->file[0]);
	bool late = call_timed_out(t, c);
	struct sched_task *task = call_waiter(t, c, late);
	int max = (int)c->args[2], n, err;

	n = epoll_collect(ep, max, event_put, &out);
	if (n)
		return n;
	if (!task)
		return late ? 0 : -EINTR;
	err = waitq_add(epoll_queue(ep), task, true);
	if (err)
		return err;
	n = epoll_collect(ep, max, event_put, &out);
	return n ? n : -EBLOCKED;
}

/* ns: how long, TIME_NEVER: for ever. mask, size: of the pwaits. */
static long wait_begin(struct task *t, struct call *c, int64_t ns, uint64_t mask, uint64_t size)
{
	int max = (int)c->args[2];
	struct file *f;
	long r;

	call_set_deadline(t, c, time_add(core_now(), ns));
	r = call_swap_mask(t, c, mask, size);
	if (r)
		return r;
	if (max <= 0 || (unsigned)max > INT_MAX / arch_epoll_event_size)
		return -EINVAL;
	f = call_io_file(t, c, 0, (int)c->args[0]);
	if (!f)
		return -EBADF;
	return epoll_of(f) ? 0 : -EINVAL;
}

static long do_wait(struct task *t, struct call *c, uint64_t mask, uint64_t size)
{
	int ms = (int)c->args[3];
	long r = 0;

	if (!c->rerun)
		r = wait_begin(t, c, ms < 0 ? TIME_NEVER : (int64_t)ms * 1000000, mask, size);
	return r ? r : wait_run(t, c);
}

long sys_epoll_wait(struct task *t, struct call *c)
{
	return do_wait(t, c, 0, 0);
}

long sys_epoll_pwait(struct task *t, struct call *c)
{
	return do_wait(t, c, c->args[4], c->args[5]);
}

long sys_epoll_pwait2(struct task *t, struct call *c)
{
	int64_t ns = TIME_NEVER;
	long r = 0;

	if (!c->rerun) {
		if (c->args[3])
			r = timespec_from_guest(task_mm(t), gva(c->args[3]), &ns);
		if (!r)
			r = wait_begin(t, c, ns, c->args[4], c->args[5]);
	}
	return r ? r : wait_run(t, c);
}
