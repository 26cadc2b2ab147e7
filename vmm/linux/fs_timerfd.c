/*
 * timerfd_create(2) and its kin: a timer as a file.
 *
 * As in Linux an expired periodic timer sleeps until somebody looks at it: then the expirations
 * since are counted and the next one is armed. An absolute time of CLOCK_REALTIME is converted when
 * the timer is set, and again when that clock is; with TFD_TIMER_CANCEL_ON_SET readers are told,
 * too.
 */
#include "sys_fs.h"
#include "wall.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/timerfd.h>

#define TFD_TIMER_CANCEL_ON_SET_K 2

struct timerfd {
	/* immutable: */
	struct kernel *k;
	int clock; /* CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME */
	struct timer timer;
	pthread_mutex_t lock; /* above timers->lock */
	/* protected by lock: */
	int64_t deadline;    /* core_now() ns of the next or, if expired, the last expiration;
				TIME_NEVER: disarmed */
	int64_t interval;    /* ns; 0: once */
	bool expired;        /* deadline is over and the next one not armed */
	uint64_t ticks;      /* not read yet */
	bool wall;           /* deadline is a time of CLOCK_REALTIME, */
	int64_t wall_offset; /* ... of which this was taken */
	bool cancel_on_set;
	bool cancelled; /* and nobody knows yet */
	/* its owner: creation and release */
	struct wall_watch watch;
	/* has its own lock: */
	struct waitq wq;
};

static struct timerfd *tfd_of(const struct file *f)
{
	return vfs_file(f)->priv;
}

static void tfd_fire(struct timer *timer)
{
	struct timerfd *t = container_of(timer, struct timerfd, timer);
	bool wake = false;

	pthread_mutex_lock(&t->lock);
	/* Set anew since: that deadline has a firing of its own. */
	if (!t->expired && core_now() >= t->deadline) {
		t->expired = true;
		t->ticks++;
		wake = true;
	}
	pthread_mutex_unlock(&t->lock);
	if (wake)
		waitq_wake_all(&t->wq);
}

static void tfd_wall_moved(struct wall_watch *w)
{
	struct timerfd *t = container_of(w, struct timerfd, watch);
	bool wake;
	int64_t by;

	pthread_mutex_lock(&t->lock);
	by = t->wall_offset - wall_offset(t->k);
	if (t->wall && t->deadline != TIME_NEVER) {
		t->wall_offset -= by;
		t->deadline += by;
		if (!t->expired)
			timer_arm(&t->timer, t->deadline);
	}
	wake = t->cancel_on_set;
	if (wake) {
		t->cancelled = true;
		t->ticks++;
	}
	pthread_mutex_unlock(&t->lock);
	if (wake)
		waitq_wake_all(&t->wq);
}

/* The clock was set since somebody was told last: tells. */
static bool tfd_take_cancelled_locked(struct timerfd *t)
{
	bool yes = t->cancelled && t->cancel_on_set;

	if (yes)
		t->cancelled = false;
	return yes;
}

/* Counts a periodic timer's expirations since and arms the next. */
static void tfd_catch_up_locked(struct timerfd *t)
{
	int64_t n, now;

	if (!t->expired || !t->interval)
		return;
	now = core_now();
	n = now > t->deadline ? (now - t->deadline) / t->interval : 0;
	t->ticks += (uint64_t)n;
	t->deadline += n * t->interval;
	if (__builtin_add_overflow(t->deadline, t->interval, &t->deadline))
		t->deadline = TIME_NEVER;
	t->expired = false;
	timer_arm(&t->timer, t->deadline);
}

static ssize_t tfd_read(struct file *f, struct xfer *x, int64_t *pos, struct sched_task *task,
			struct call *c)
{
	struct timerfd *t = tfd_of(f);
	uint64_t ticks;
	int err;

	if (x->left < sizeof(ticks))
		return -EINVAL;
	pthread_mutex_lock(&t->lock);
	if (!t->ticks) {
		err = task ? waitq_add(&t->wq, task, false) : -EAGAIN;
		pthread_mutex_unlock(&t->lock);
		return err ? err : -EBLOCKED;
	}
	if (tfd_take_cancelled_locked(t)) {
		t->ticks = 0;
		pthread_mutex_unlock(&t->lock);
		return -ECANCELED;
	}
	tfd_catch_up_locked(t);
	ticks = t->ticks;
	t->ticks = 0;
	pthread_mutex_unlock(&t->lock);
	return x->copy(x, &ticks, sizeof(ticks)) == sizeof(ticks) ? (ssize_t)sizeof(ticks)
								  : -EFAULT;
}

static unsigned tfd_poll(struct file *f, struct sched_task *task)
{
	struct timerfd *t = tfd_of(f);
	unsigned events;

	if (task && waitq_add(&t->wq, task, false))
		return POLLERR;
	pthread_mutex_lock(&t->lock);
	events = t->ticks ? POLLIN : 0;
	pthread_mutex_unlock(&t->lock);
	return events;
}

static unsigned tfd_poll_queues(struct file *f, unsigned events, struct waitq *wq[POLL_QUEUES])
{
	(void)events;
	wq[0] = &tfd_of(f)->wq;
	return 1;
}

static void tfd_free(struct timerfd *t)
{
	wall_watch_remove(t->k, &t->watch);
	timer_cancel(&t->timer);
	waitq_destroy(&t->wq);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static void tfd_release(struct file *f)
{
	tfd_free(tfd_of(f));
	vfs_file_free(f);
}

static const struct vfs_file_ops tfd_ops = {
	.core = {.release = tfd_release},
	.read = tfd_read,
	.poll = tfd_poll,
	.poll_queues = tfd_poll_queues,
	.lseek = anon_lseek,
};

static struct file *tfd_file(struct task *t, struct call *c, long *err)
{
	struct file *f = call_io_file(t, c, 0, (int)c->args[0]);

	*err = !f ? -EBADF : f->ops != &tfd_ops.core ? -EINVAL : 0;
	return f;
}

long sys_timerfd_create(struct task *t, struct call *c)
{
	int clock = (int)c->args[0];
	unsigned flags = (unsigned)c->args[1];
	struct timerfd *tf;
	struct file *f;
	int err;

	if (flags & ~(unsigned)(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	switch (clock) {
	case CLOCK_MONOTONIC:
	case CLOCK_REALTIME:
	case CLOCK_BOOTTIME:
		break;
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		/* Waking a sleeping machine takes CAP_WAKE_ALARM, which nobody has here. */
		return -EPERM;
	default:
		return -EINVAL;
	}
	tf = calloc(1, sizeof(*tf));
	if (!tf)
		return -ENOMEM;
	tf->k = t->k;
	tf->clock = clock;
	tf->deadline = TIME_NEVER;
	pthread_mutex_init(&tf->lock, NULL);
	waitq_init(&tf->wq);
	timer_init(&tf->timer, reactor_timers(t->k->reactor), tfd_fire);
	err = anon_file(t->k, "[timerfd]", &tfd_ops, O_RDWR | (flags & TFD_NONBLOCK), tf, &f);
	if (err) {
		tfd_free(tf);
		return err;
	}
	if (clock == CLOCK_REALTIME)
		wall_watch_add(t->k, &tf->watch, tfd_wall_moved);
	return install_file(t, f, flags & TFD_CLOEXEC);
}

struct itimerspec_k {
	struct timespec_k interval, value;
};

static void ns_to_spec(int64_t ns, struct timespec_k *ts)
{
	ts->sec = ns / 1000000000;
	ts->nsec = ns % 1000000000;
}

static int spec_to_ns(const struct timespec_k *ts, int64_t *ns)
{
	if (ts->sec < 0 || (uint64_t)ts->nsec >= 1000000000)
		return -EINVAL;
	*ns = ts->sec > TIME_NEVER / 1000000000 - 1 ? TIME_NEVER : ts->sec * 1000000000 + ts->nsec;
	return 0;
}

static void tfd_get_locked(struct timerfd *t, struct itimerspec_k *out)
{
	int64_t left;

	tfd_catch_up_locked(t);
	left = t->deadline == TIME_NEVER || t->expired ? 0 : t->deadline - core_now();
	/* Due, but not told yet: 0 would say "disarmed". */
	if (left <= 0)
		left = t->deadline == TIME_NEVER || t->expired ? 0 : 1;
	ns_to_spec(t->interval, &out->interval);
	ns_to_spec(left, &out->value);
}

/* value: in the timer's clock, absolute or from now on. Returns core_now()'s. */
static int64_t tfd_deadline(struct timerfd *t, int64_t value, bool absolute)
{
	/* The timer's clock before ours: what passes between the two makes it late, never early. */
	int64_t clock = kernel_clock(t->k, t->clock), now = core_now(), deadline;

	t->wall = false;
	if (!value || value == TIME_NEVER)
		return TIME_NEVER;
	if (absolute) {
		t->wall = t->clock == CLOCK_REALTIME;
		t->wall_offset = clock - now;
		value -= clock;
	}
	if (value < 0)
		value = 0;
	return __builtin_add_overflow(now, value, &deadline) ? TIME_NEVER : deadline;
}

long sys_timerfd_settime(struct task *t, struct call *c)
{
	unsigned flags = (unsigned)c->args[1];
	struct itimerspec_k new, old;
	int64_t value, interval;
	struct timerfd *tf;
	bool cancelled;
	struct file *f;
	long err;

	if (copy_from_guest(task_mm(t), &new, gva(c->args[2]), sizeof(new)))
		return -EFAULT;
	if (flags & ~(unsigned)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET_K) ||
	    spec_to_ns(&new.value, &value) || spec_to_ns(&new.interval, &interval))
		return -EINVAL;
	f = tfd_file(t, c, &err);
	if (err)
		return err;
	tf = tfd_of(f);
	pthread_mutex_lock(&tf->lock);
	tfd_get_locked(tf, &old);
	tf->deadline = tfd_deadline(tf, value, flags & TFD_TIMER_ABSTIME);
	tf->interval = interval;
	tf->expired = false;
	tf->ticks = 0;
	timer_arm(&tf->timer, tf->deadline);
	tf->cancel_on_set = tf->clock == CLOCK_REALTIME && flags & TFD_TIMER_ABSTIME &&
			    flags & TFD_TIMER_CANCEL_ON_SET_K;
	cancelled = value && tfd_take_cancelled_locked(tf);
	pthread_mutex_unlock(&tf->lock);
	/* It is set nevertheless. */
	if (cancelled)
		return -ECANCELED;
	if (c->args[3] && copy_to_guest(task_mm(t), gva(c->args[3]), &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

long sys_timerfd_gettime(struct task *t, struct call *c)
{
	struct itimerspec_k now;
	struct file *f;
	long err;

	f = tfd_file(t, c, &err);
	if (err)
		return err;
	pthread_mutex_lock(&tfd_of(f)->lock);
	tfd_get_locked(tfd_of(f), &now);
	pthread_mutex_unlock(&tfd_of(f)->lock);
	return copy_to_guest(task_mm(t), gva(c->args[1]), &now, sizeof(now));
}
