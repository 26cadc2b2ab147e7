/*
 * poll, ppoll, select, pselect6. poll(2), select(2).
 *
 * The set of files is looked up once and kept, with its references, in the call; each run asks
 * every file, queues the task on those that are not ready until one is, and answers when something
 * is ready or the time is over.
 */
#include "sys_fs.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define POLL_ALWAYS (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)
#define SELECT_IN   (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define SELECT_OUT  (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define SELECT_EX   POLLPRI
#define SIGSET_SIZE 8

struct poll_entry {
	struct file *f; /* a reference; NULL: not open, or fd < 0 */
	int fd;
	uint16_t events, revents;
};

struct poll_state {
	unsigned n;
	struct poll_entry *e;
	struct vfs *v;
	unsigned charge; /* of v->npolled */
	/* select: bits per set, and what was asked */
	unsigned nfds;
	uint64_t *sets;
};

static void poll_free(void *state)
{
	struct poll_state *s = state;

	for (unsigned i = 0; i < s->n && s->e; i++)
		file_close(s->e[i].f);
	free(s->e);
	free(s->sets);
	if (s->charge)
		atomic_fetch_sub(&s->v->npolled, s->charge);
}

/* Blocked calls keep their entries: what all of them together may cost is bounded. */
static int poll_charge(struct task *t, struct poll_state *s, unsigned n)
{
	struct vfs *v = t->k->vfs;

	if (n > v->max_polled || atomic_fetch_add(&v->npolled, n) > v->max_polled - n) {
		if (n <= v->max_polled)
			atomic_fetch_sub(&v->npolled, n);
		return -ENOMEM;
	}
	s->v = v;
	s->charge += n;
	return 0;
}

static struct poll_state *poll_state(struct call *c)
{
	struct poll_state *s = call_state(c, sizeof(*s));

	if (s)
		c->state_free = poll_free;
	return s;
}

/* How many are ready; queues task (may be NULL) on the others. */
static long poll_scan(struct poll_state *s, struct sched_task *task)
{
	long count = 0;

	for (unsigned i = 0; i < s->n; i++) {
		struct poll_entry *e = &s->e[i];
		unsigned wanted = s->sets ? e->events : e->events | POLLERR | POLLHUP, got;

		if (e->fd < 0) {
			e->revents = 0;
			continue;
		}
		if (!e->f) {
			e->revents = POLLNVAL;
			count++;
			continue;
		}
		got = vfs_ops(e->f)->poll ? vfs_ops(e->f)->poll(e->f, count ? NULL : task)
					  : POLL_ALWAYS;
		e->revents = (uint16_t)(got & wanted);
		if (e->revents)
			count++;
	}
	return count;
}

/* >= 0: the answer; -EBLOCKED; -EINTR: a signal came first. */
static long poll_run(struct task *t, struct call *c, struct poll_state *s)
{
	struct sched_task *task = call_waiter(t, c, call_timed_out(t, c));
	long count = poll_scan(s, task);

	if (count || call_timed_out(t, c))
		return count;
	return c->interrupted ? -EINTR : -EBLOCKED;
}

/* ns: relative; TIME_NEVER: none. */
static void set_timeout(struct task *t, struct call *c, int64_t ns)
{
	call_set_deadline(t, c, time_add(core_now(), ns));
}

/* What is left of the time goes back to the guest; a bad pointer is not an error then. */
static void put_remaining(struct task *t, struct call *c, uint64_t to, bool usec)
{
	int64_t left = c->deadline - core_now();
	int64_t v[2];

	if (!to || c->deadline == TIME_NEVER)
		return;
	if (left < 0)
		left = 0;
	v[0] = left / 1000000000;
	v[1] = left % 1000000000 / (usec ? 1000 : 1);
	if (copy_to_guest(task_mm(t), gva(to), v, sizeof(v)))
		return;
}

long call_swap_mask(struct task *t, struct call *c, uint64_t mask, uint64_t size)
{
	uint64_t set;

	if (!mask)
		return 0;
	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (copy_from_guest(task_mm(t), &set, gva(mask), sizeof(set)))
		return -EFAULT;
	t->saved_mask = t->blocked;
	t->saved_mask_valid = true;
	signal_set_mask(t, set);
	c->interrupted = signal_pending(t);
	return 0;
}

/* ---- poll ---- */

static long poll_begin(struct task *t, struct call *c, struct poll_state **out)
{
	unsigned n = (unsigned)c->args[1];
	struct poll_state *s;
	struct pollfd *p;

	if (n > nofile_limit(t))
		return -EINVAL;
	s = poll_state(c);
	if (s && poll_charge(t, s, n) < 0)
		return -ENOMEM;
	p = malloc(n ? n * sizeof(*p) : 1);
	if (s && n)
		s->e = calloc(n, sizeof(*s->e));
	if (!s || !p || (n && !s->e)) {
		free(p);
		return -ENOMEM;
	}
	if (copy_from_guest(task_mm(t), p, gva(c->args[0]), n * sizeof(*p))) {
		free(p);
		return -EFAULT;
	}
	s->n = n;
	for (unsigned i = 0; i < n; i++) {
		s->e[i].fd = p[i].fd;
		s->e[i].events = (uint16_t)p[i].events;
		s->e[i].f = p[i].fd >= 0 ? fdtable_lookup(task_files(t), p[i].fd) : NULL;
		if (s->e[i].f && vfs_file(s->e[i].f)->opath) {
			file_close(s->e[i].f);
			s->e[i].f = NULL;
		}
	}
	free(p);
	*out = s;
	return 0;
}

/* Writes revents, which are 2 bytes in 8, and nothing else. */
static long poll_put(struct task *t, struct call *c, const struct poll_state *s, long r)
{
	for (unsigned i = 0; i < s->n; i++) {
		uint16_t rev = (uint16_t)s->e[i].revents;

		if (copy_to_guest(task_mm(t),
				  gva(c->args[0] + i * sizeof(struct pollfd) +
				      offsetof(struct pollfd, revents)),
				  &rev, sizeof(rev)))
			return -EFAULT;
	}
	return r;
}

long sys_poll(struct task *t, struct call *c)
{
	int ms = (int)c->args[2];
	struct poll_state *s = c->state;
	long r;

	if (!c->rerun) {
		r = poll_begin(t, c, &s);
		if (r)
			return r;
		set_timeout(t, c, ms < 0 ? TIME_NEVER : (int64_t)ms * 1000000);
	}
	r = poll_run(t, c, s);
	if (r == -EINTR)
		return call_restart_block(t, c);
	return r < 0 ? r : poll_put(t, c, s, r);
}

static long get_timespec(struct task *t, struct call *c, uint64_t addr)
{
	int64_t ns = TIME_NEVER;
	int err = 0;

	if (addr)
		err = timespec_from_guest(task_mm(t), gva(addr), &ns);
	if (!err)
		set_timeout(t, c, ns);
	return err;
}

long sys_ppoll(struct task *t, struct call *c)
{
	struct poll_state *s = c->state;
	long r;

	if (!c->rerun) {
		r = get_timespec(t, c, c->args[2]);
		if (!r)
			r = call_swap_mask(t, c, c->args[3], c->args[4]);
		if (!r)
			r = poll_begin(t, c, &s);
		if (r)
			return r;
	}
	r = poll_run(t, c, s);
	if (r == -EBLOCKED)
		return r;
	put_remaining(t, c, c->args[2], false);
	if (r == -EINTR)
		return -ERESTARTNOHAND;
	return poll_put(t, c, s, r);
}

/* ---- select ---- */

static const unsigned select_events[3] = {SELECT_IN, SELECT_OUT, SELECT_EX};

static unsigned words(unsigned nfds)
{
	return (nfds + 63) / 64;
}

static long select_begin(struct task *t, struct call *c, struct poll_state **out)
{
	int nfds = (int)c->args[0], max = (int)nofile_limit(t), last;
	struct poll_state *s;
	unsigned w, count = 0;

	if (nfds < 0)
		return -EINVAL;
	/* Linux looks at no more bits than the table of descriptors has. */
	for (last = -1; last < nfds;) {
		int next = fdtable_next(task_files(t), last + 1);

		if (next < 0)
			break;
		last = next;
	}
	if (nfds > max && nfds > last + 1)
		nfds = max > last + 1 ? max : last + 1;
	s = poll_state(c);
	w = words((unsigned)nfds);
	if (s)
		s->sets = calloc(3 * (size_t)w + 1, 8);
	if (!s || !s->sets)
		return -ENOMEM;
	s->nfds = (unsigned)nfds;
	for (int k = 0; k < 3; k++)
		if (c->args[1 + k] &&
		    copy_from_guest(task_mm(t), s->sets + k * w, gva(c->args[1 + k]), w * 8UL))
			return -EFAULT;
	for (int fd = 0; fd < nfds; fd++)
		for (unsigned k = 0; k < 3; k++)
			if (s->sets[k * w + (unsigned)fd / 64] >> (fd % 64) & 1) {
				count++;
				break;
			}
	if (poll_charge(t, s, count + w / 4) < 0) /* three sets' words, in entries of 120 bytes */
		return -ENOMEM;
	s->e = calloc(count ? count : 1, sizeof(*s->e));
	if (!s->e)
		return -ENOMEM;
	for (int fd = 0; fd < nfds; fd++) {
		struct poll_entry e = {.fd = fd};

		for (unsigned k = 0; k < 3; k++)
			if (s->sets[k * w + (unsigned)fd / 64] >> (fd % 64) & 1)
				e.events |= (uint16_t)select_events[k];
		if (!e.events)
			continue;
		e.f = fdtable_lookup(task_files(t), fd);
		if (!e.f)
			return -EBADF;
		s->e[s->n++] = e;
	}
	*out = s;
	return 0;
}

static long select_put(struct task *t, struct call *c, struct poll_state *s)
{
	unsigned w = words(s->nfds);
	long bits = 0;

	memset(s->sets, 0, 3UL * w * 8);
	for (unsigned i = 0; i < s->n; i++) {
		const struct poll_entry *e = &s->e[i];

		for (unsigned k = 0; k < 3; k++)
			if ((e->events & select_events[k]) == select_events[k] &&
			    (e->revents & select_events[k])) {
				s->sets[k * w + (unsigned)e->fd / 64] |= 1ULL << (e->fd % 64);
				bits++;
			}
	}
	for (unsigned k = 0; k < 3; k++)
		if (c->args[1 + k] &&
		    copy_to_guest(task_mm(t), gva(c->args[1 + k]), s->sets + k * w, w * 8UL))
			return -EFAULT;
	return bits;
}

static long select_run(struct task *t, struct call *c, struct poll_state *s, bool usec)
{
	long r = poll_run(t, c, s);

	if (r == -EBLOCKED)
		return r;
	put_remaining(t, c, c->args[4], usec);
	if (r == -EINTR)
		return -ERESTARTNOHAND;
	return select_put(t, c, s);
}

long sys_select(struct task *t, struct call *c)
{
	struct poll_state *s = c->state;
	struct timeval_k tv;
	int64_t ns = TIME_NEVER;
	long r;

	if (!c->rerun) {
		if (c->args[4]) {
			if (copy_from_guest(task_mm(t), &tv, gva(c->args[4]), sizeof(tv)))
				return -EFAULT;
			/* Linux takes any number of microseconds. */
			if (tv.sec < 0 || tv.usec < 0)
				return -EINVAL;
			if (tv.sec < INT64_MAX / 4000000000 && tv.usec < INT64_MAX / 4000)
				ns = tv.sec * 1000000000 + tv.usec * 1000;
		}
		set_timeout(t, c, ns);
		r = select_begin(t, c, &s);
		if (r)
			return r;
	}
	return select_run(t, c, s, true);
}

long sys_pselect6(struct task *t, struct call *c)
{
	struct poll_state *s = c->state;
	uint64_t arg[2] = {0, 0};
	long r;

	if (!c->rerun) {
		if (c->args[5] && copy_from_guest(task_mm(t), arg, gva(c->args[5]), sizeof(arg)))
			return -EFAULT;
		r = get_timespec(t, c, c->args[4]);
		if (!r)
			r = call_swap_mask(t, c, arg[0], arg[1]);
		if (!r)
			r = select_begin(t, c, &s);
		if (r)
			return r;
	}
	return select_run(t, c, s, false);
}
